//! A directory that is put back from its backup, and written to since: newer than anything before, and yet behind.

use adc_tests::{Company, Scene, Slapd};
use serde_json::json;

use super::{delta, effective, is_up_to_date};

/// Puts a directory back after somebody joined and somebody left. The plan that would take both back waits, whoever asks,
/// until somebody approves it.
pub(crate) fn waits_for_approval(company: Company, mut slapd: Slapd) -> Scene {
    let backup = slapd.back_up();
    let mut scene = Scene::between(company, slapd);
    scene.imp();
    scene.directory.set(&scene.dn("jane"), "title", ["Head"]);
    scene.join("people/sales", "zoe");
    scene.leave("max");
    delta(&scene);
    scene.directory.put_back(&backup);
    scene.directory.set(&scene.dn("user00001"), "title", ["Later than anything before"]);
    let users = scene.users();
    let held = scene.imp_with(&[], 5);
    assert_eq!((&held["mode"], &held["full_because"]), (&json!("full"), &json!("feed-lost-place")));
    assert_eq!((&held["counts"]["delete"], &held["counts"]["restore"]), (&json!(1), &json!(1)));
    let path = format!("/runs/{}", held["run_id"].as_str().expect("a run"));
    assert_eq!(scene.api.get(&path).ok()["held_because"][0]["reason"], "guard-server-behind");
    assert_eq!(scene.users(), users);
    // Whoever asks for everything to be read is told the same.
    assert_eq!(scene.imp_with(&["--full"], 5)["counts"]["delete"], 1);
    let again = scene.imp_with(&[], 5);
    let path = format!("/runs/{}", again["run_id"].as_str().expect("a run"));
    scene.api.post(&format!("{path}/approve"), &json!({})).ok();
    delta(&scene);
    is_up_to_date(&scene);
    scene
}

/// Puts a directory back after somebody was taken out of a group. The plan that would make them a member again waits.
pub(crate) fn gives_no_membership_back(company: Company, serve: impl Fn(&Company) -> Slapd) {
    let company = company.ou("groups").group("board", ["jane", "max"]);
    let mut slapd = serve(&company);
    let backup = slapd.back_up();
    let mut scene = Scene::between(company, slapd);
    scene.imp();
    let max = scene.dn("max");
    in_another_second(&scene, "(cn=board)", |slapd| {
        slapd.set("cn=board,ou=groups,dc=lg,dc=local", "member", [&max]);
    });
    delta(&scene);
    scene.directory.put_back(&backup);
    scene.directory.set(&scene.dn("user00001"), "title", ["Later than anything before"]);
    is_held(&scene, ("update", 2));
    assert_eq!(scene.members("board"), ["max@lg.local"]);
}

/// Puts a directory back after people left, and nothing else happened. The plan that would take them back waits.
pub(crate) fn takes_no_leaver_back(company: Company, serve: impl Fn(&Company) -> Slapd) {
    let mut slapd = serve(&company);
    let backup = slapd.back_up();
    let mut scene = Scene::between(company, slapd);
    scene.imp();
    for leaver in ["user00002", "user00003"] {
        scene.leave(leaver);
        delta(&scene);
    }
    // Nobody is forgotten by runs that find nobody gone.
    assert_eq!(effective(&delta(&scene)), 0);
    scene.directory.put_back(&backup);
    scene.directory.set(&scene.dn("user00001"), "title", ["Later than anything before"]);
    is_held(&scene, ("restore", 2));
    assert_eq!(scene.deleted_users().len(), 2);
}

/// Changes somebody in another second than the one in which they were changed before.
pub(crate) fn in_another_second(scene: &Scene, who: &str, change: impl Fn(&Slapd)) {
    let changed = || scene.directory.search(who, &["modifyTimestamp"]);
    let before = changed();
    while changed() == before {
        change(&scene.directory);
    }
}

fn is_held(scene: &Scene, (action, count): (&str, u64)) {
    let held = scene.imp_with(&[], 5);
    assert_eq!((&held["mode"], &held["full_because"]), (&json!("full"), &json!("feed-lost-place")));
    assert_eq!(held["counts"][action], count, "{:?}", scene.plan(&held));
    let path = format!("/runs/{}", held["run_id"].as_str().expect("a run"));
    assert_eq!(scene.api.get(&path).ok()["held_because"][0]["reason"], "guard-server-behind");
}
