//! What a plan's line shows: both sides of what differs, and nothing else.

use super::*;
use crate::record::MANAGER_FIELD;
use serde_json::{Value, json};

fn sides(case: &Case) -> (Value, Value) {
    let difference = case.line().difference;
    (json!(difference.before), json!(difference.after))
}

#[test]
fn a_creation_says_all_that_the_user_will_have_once() {
    let case = newcomer("jane");
    assert_eq!(sides(&case), (Value::Null, Value::Null), "what differs is all of what comes next");
    let next = case.next();
    assert_eq!((next.username.as_str(), next.email.as_deref()), ("jane", Some("jane@lg.local")));
    assert_eq!((next.fields, next.dn), (case.record.fields.clone(), dn("jane")));
}

#[test]
fn a_creation_that_is_skipped_shows_what_the_user_would_have() {
    let (before, after) = sides(&newcomer("jane").no_create(true));
    assert_eq!(before, Value::Null);
    assert_eq!(
        after,
        json!({
            "username": "jane",
            "email": "jane@lg.local",
            "status": "active",
            "dn": dn("jane"),
            "fields": {"title": "Engineer"},
        })
    );
}

#[test]
fn an_update_shows_both_sides_of_what_differs() {
    let case = known("jane").changes(|record| {
        record.email = None;
        record.fields.remove("title");
        record.fields.insert("location".to_owned(), "Graz".into());
    });
    assert_eq!(
        sides(&case),
        (
            json!({"email": "jane@lg.local", "fields": {"title": "Engineer", "location": null}}),
            json!({"email": null, "fields": {"title": null, "location": "Graz"}}),
        )
    );
    let difference = case.line().difference;
    assert_eq!(difference.blanked_fields().collect::<Vec<_>>(), ["title", "email"]);
}

#[test]
fn another_manager_of_the_same_name_is_another_manager() {
    let called_boss = |guid: &'static str| {
        move |record: &mut Record| {
            record.fields.insert(MANAGER_FIELD.to_owned(), "cn=boss,dc=lg".into());
            record.manager_guid = Some(guid.to_owned());
        }
    };
    let case = newcomer("jane").changes(called_boss("52a6803a93d5a04f8a80b8e2a57b2af9")).applied();
    let other = case.clone().changes(called_boss("0123456789abcdef0123456789abcdef"));
    let shown = json!({"fields": {"manager": "cn=boss,dc=lg"}});
    assert_eq!(sides(&other), (shown.clone(), shown));
    assert_eq!(case.decide().line, None, "nothing differs");
}

#[test]
fn a_removal_shows_the_status_alone() {
    let removed = (json!({"status": "active"}), json!({"status": "deleted"}));
    assert_eq!(sides(&known("jane").leaves()), removed);
}

#[test]
fn a_skip_shows_what_it_would_have_changed() {
    for (switched, plain) in [
        (
            known("jane").leaves().applied().returns().no_create(true),
            known("jane").leaves().applied().returns(),
        ),
        (known("jane").renamed("john").no_update(true), known("jane").renamed("john")),
        (known("jane").leaves().no_delete(true), known("jane").leaves()),
        (known("jane").leaves().user(|user| user.account_owner = true), known("jane").leaves()),
    ] {
        assert_eq!(sides(&switched), sides(&plain));
        assert_eq!(switched.line().next, None, "and changes nothing");
    }
}

#[test]
fn every_status_but_synced_says_why() {
    for case in [
        newcomer("jane").no_create(true),
        newcomer("jane").excluded(),
        newcomer("jane").broken(),
        newcomer("jane").name_held_by(local("jane")),
        known("jane").leaves().no_delete(true),
        known("jane").excluded().applied(),
        known("jane").inactive().broken(),
    ] {
        let decision = case.decide();
        assert_ne!(decision.status, ObjectStatus::Synced);
        assert!(decision.status_reason.is_some(), "{}", words(&decision));
    }
}
