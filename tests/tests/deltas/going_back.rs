//! A directory that is put back from its backup, and written to since: newer than anything before, and yet behind.

use adc_tests::{Company, Scene, Slapd};
use serde_json::json;

use super::{delta, is_up_to_date};

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
