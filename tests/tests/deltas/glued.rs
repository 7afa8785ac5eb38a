//! Directories of several databases that slapd shows as one tree: who watches the changes of which.

use adc_tests::{Company, Entry, Scene, Slapd};

use super::{checked_feed, company, delta, full, is_up_to_date};

const BRANCH: &str = "ou=branch,dc=lg,dc=local";

/// Adds the root of the subordinate database, and somebody there.
fn open_branch(scene: &Scene) {
    let slapd = &scene.directory;
    slapd.add(&Entry::new(BRANCH).with("objectClass", "organizationalUnit").with("ou", "branch"));
    slapd.add(&Company::new("dc=lg,dc=local").ou("branch").entry_of("bea"));
}

#[test]
fn a_directory_with_a_subordinate_database_could_not_be_read_at_all() {
    let slapd = Slapd::builder(&company()).syncprov(Some(1_000)).subordinate(BRANCH).start();
    let scene = Scene::between(company(), slapd);
    scene.imp();
    delta(&scene);
    // The overlay does not see what lies there: from now on times are compared.
    open_branch(&scene);
    full(&scene, "no-checkpoint");
    assert_eq!(scene.user("bea@lg.local")["status"], "active");
    let (state, message) = checked_feed(&scene);
    assert!(
        state == "ok" && message.starts_with("timestamps: ") && message.contains("after `overlay glue`"),
        "{state} {message}"
    );
    scene.directory.set(&format!("uid=bea,{BRANCH}"), "title", ["Lead"]);
    delta(&scene);
    scene.directory.delete(&format!("uid=bea,{BRANCH}"));
    scene.leave("max");
    assert_eq!(delta(&scene)["counts"]["delete"], 2);
    is_up_to_date(&scene);
}

#[test]
fn where_glue_comes_first_the_feed_covers_all_databases() {
    let slapd = Slapd::builder(&company()).glue().syncprov(Some(1_000)).subordinate(BRANCH).start();
    let scene = Scene::between(company(), slapd);
    open_branch(&scene);
    scene.imp();
    let (state, message) = checked_feed(&scene);
    assert!(state == "ok" && message.starts_with("syncrepl: "), "{state} {message}");
    scene.directory.delete(&format!("uid=bea,{BRANCH}"));
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    is_up_to_date(&scene);
}
