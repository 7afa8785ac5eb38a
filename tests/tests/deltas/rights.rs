//! Deltas of a bind account that sees less than it did, without a word of the feed.

use adc_tests::{Scene, Slapd};
use serde_json::{Value, json};

use super::{company, delta, is_up_to_date};

/// Who may read the people of a department: a right that is taken away without another configuration, or a restart.
const READERS: &str = "cn=readers,ou=groups,dc=lg,dc=local";

/// A company whose support department is read as a member of the readers.
fn read_by_a_member() -> Scene {
    let company = company().group("readers", ["jane"]);
    let mut slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    slapd.restart_with_access(&format!(
        "to dn.onelevel=\"ou=support,ou=people,dc=lg,dc=local\" by group.exact=\"{READERS}\" read by * none"
    ));
    let scene = Scene::between(company, slapd);
    scene.directory.set(READERS, "member", [&scene.dn("jane"), &scene.directory.bind_dn()]);
    scene.imp();
    assert_eq!(scene.users().len(), 22);
    scene
}

#[test]
fn a_department_that_went_out_of_sight_was_emptied_one_by_one() {
    let scene = read_by_a_member();
    scene.directory.set(READERS, "member", [&scene.dn("jane")]);
    scene.directory.set(&scene.dn("user00007"), "title", ["Somebody"]);
    let held = scene.imp_with(&[], 5);
    assert_eq!(
        (&held["mode"], &held["state"], &held["counts"]["delete"]),
        (&json!("delta"), &json!("held"), &json!(20)),
        "{held}"
    );
    let run = scene.api.get(&format!("/runs/{}", held["run_id"].as_str().expect("a run"))).ok();
    let reasons: Vec<&Value> =
        run["held_because"].as_array().expect("reasons").iter().map(|held| &held["reason"]).collect();
    assert!(reasons.contains(&&json!("guard-ou-disappeared")), "{reasons:?}");
    assert_eq!(scene.users().len(), 22);
    // The right is given back: nobody has left.
    scene.directory.set(READERS, "member", [&scene.dn("jane"), &scene.directory.bind_dn()]);
    scene.imp();
    assert_eq!((scene.users().len(), scene.deleted_users().len()), (22, 0));
    is_up_to_date(&scene);
}

#[test]
fn the_people_of_a_department_leave_one_by_one_until_nobody_is_left() {
    let scene = read_by_a_member();
    for name in ["jane", "max"] {
        scene.leave(name);
        assert_eq!(delta(&scene)["counts"]["delete"], 1, "{name}");
    }
    is_up_to_date(&scene);
}
