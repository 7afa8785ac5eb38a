//! A domain controller that shows less than it did: put back from a copy of before, or under a right that was withdrawn.

use serde_json::json;

use super::super::domain::{below, person};
use super::{ALL, JANE, MAX, ZOE, following};
use crate::deltas::{delta, is_up_to_date};

#[test]
fn a_domain_controller_put_back_from_a_copy_was_believed_that_people_had_left() {
    let mut scene = following(ALL);
    delta(&scene);
    let backup = scene.directory.back_up();
    scene.directory.add(&[person(ZOE, "zoe")]);
    scene.directory.delete(&below(MAX));
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    scene.directory.put_back(&backup);
    let users = scene.users();
    // Whoever asks for everything to be read is told the same.
    for (arguments, because) in [(&[][..], "feed-lost-place"), (&["--full"], "asked")] {
        let held = scene.imp_with(arguments, 5);
        assert_eq!((&held["mode"], &held["full_because"]), (&json!("full"), &json!(because)));
        assert_eq!((&held["counts"]["delete"], &held["counts"]["restore"]), (&json!(1), &json!(1)));
        let path = format!("/runs/{}", held["run_id"].as_str().expect("a run"));
        assert_eq!(scene.api.get(&path).ok()["held_because"][0]["reason"], "guard-server-behind");
        assert_eq!(scene.users(), users);
    }
}

#[test]
fn a_change_of_somebody_who_hides_who_they_are_had_every_delta_fail() {
    let scene = following(ALL);
    let sales = below("OU=Sales,OU=People");
    scene.directory.hide_identities(&sales, true);
    scene.directory.set(&below(JANE), "title", ["Head of sales"]);
    let summary = scene.imp_with(&[], 6);
    assert_eq!((&summary["mode"], &summary["full_because"]), (&json!("full"), &json!("rights-in-doubt")));
    assert_eq!(summary["counts"]["delete"], 0);
    scene.directory.hide_identities(&sales, false);
    scene.imp_with(&["--full"], 0);
    is_up_to_date(&scene);
    scene.directory.set(&below(JANE), "title", ["Head"]);
    delta(&scene);
}
