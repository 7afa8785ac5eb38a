//! Somebody leaves who was in many groups: all of them are read again.

use adc_core::protocol::MAX_BODY_BYTES;
use adc_tests::{Company, Group};
use serde_json::json;

use super::{delta, following, is_up_to_date};

/// Fourteen times this is as long a name as slapd keeps: it stands in the name of every member.
const LONG_NAME: &str = "department of ";
const PEOPLE: usize = 1_500;
const GROUPS: usize = 50;

#[test]
fn a_leaver_s_groups_came_to_more_than_a_body_may_hold_and_no_delta_ended_any_more() {
    let mut company = Company::new("dc=lg,dc=local")
        .ou(&format!("people/{}", LONG_NAME.repeat(14).trim_end()))
        .crowd(PEOPLE)
        .ou("groups");
    for number in 0..GROUPS {
        let everybody = (1..=PEOPLE).map(|person| format!("user{person:05}"));
        let group = everybody.fold(Group::new(&format!("group{number}")), |group, name| group.member(&name));
        company = company.add_group(group);
    }
    assert!(GROUPS * PEOPLE * company.dn("user00001").len() > MAX_BODY_BYTES);
    let scene = following(company);
    scene.leave("user00007");
    let summary = delta(&scene);
    assert_eq!((&summary["state"], &summary["counts"]["delete"]), (&json!("applied"), &json!(1)));
    assert_eq!(scene.deleted_users().len(), 1);
    is_up_to_date(&scene);
}
