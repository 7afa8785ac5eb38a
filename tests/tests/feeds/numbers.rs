//! Change numbers, by which slapd finds what changed: hidden in a part of the tree, or of before a backup was put back.

use adc_tests::{Company, Scene, Slapd};
use serde_json::json;

use crate::deltas::{delta, effective, full, going_back, is_up_to_date};

/// Whoever is a member does not see the change numbers of a department: a right that is taken away without a restart.
const BLIND: &str = "cn=blind,ou=groups,dc=lg,dc=local";

/// Two departments with people, and an empty one.
fn company() -> Company {
    Company::new("dc=lg,dc=local")
        .ou("people/support")
        .crowd(20)
        .ou("people/sales")
        .person("jane")
        .person("max")
        .ou("groups")
        .group("blind", ["jane"])
}

fn following(which: &str) -> Scene {
    let company = company();
    let mut slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    slapd.restart_with_access(&format!(
        "to dn.{which}=\"ou=sales,ou=people,dc=lg,dc=local\" attrs=entryCSN by group.exact=\"{BLIND}\" none by * read"
    ));
    let scene = Scene::between(company, slapd);
    scene.imp();
    delta(&scene);
    scene
}

fn hide(scene: &Scene, hidden: bool) {
    let members = if hidden { scene.directory.bind_dn() } else { scene.dn("jane") };
    scene.directory.set(BLIND, "member", [&members]);
}

#[test]
fn what_changed_in_a_department_that_hid_its_change_numbers_was_missed() {
    let scene = following("subtree");
    hide(&scene, true);
    scene.directory.set(&scene.dn("jane"), "title", ["Head of sales"]);
    let moved = scene.dn("user00003");
    scene.directory.move_to(&moved, "ou=sales,ou=people,dc=lg,dc=local");
    let summary = full(&scene, "no-change-feed");
    assert_eq!(summary["counts"]["update"], 3, "jane, whoever moved, and the group of the blind");
    let check = scene.agent.run(&["check"]).expect_code(0).stdout;
    let hidden = "dc=lg,dc=local is one of them";
    assert!(check.contains("syncrepl is not used") && check.contains(hidden), "{check}");
    scene.directory.set(&scene.dn("max"), "title", ["Hand"]);
    assert_eq!(full(&scene, "no-change-feed")["counts"]["update"], 1);
    hide(&scene, false);
    // What was read last was read without the numbers.
    full(&scene, "no-change-feed");
    assert_eq!(effective(&delta(&scene)), 0);
    is_up_to_date(&scene);
}

#[test]
fn people_who_hide_their_change_numbers_where_their_department_does_not_are_known_to_a_full_run() {
    let scene = following("children");
    hide(&scene, true);
    scene.imp_with(&["--full"], 0);
    scene.directory.set(&scene.dn("jane"), "title", ["Head of sales"]);
    let run = scene.agent.run(&["imp"]).expect_code(0);
    assert!(run.stderr.contains("hides entryCSN from the bind account"), "{}", run.stderr);
    assert_eq!(scene.user("jane@lg.local")["fields"]["title"], "Head of sales");
    full(&scene, "no-change-feed");
    is_up_to_date(&scene);
}

#[test]
fn what_changed_of_people_who_hid_their_change_numbers_was_missed_until_the_next_full_run() {
    let scene = following("children");
    hide(&scene, true);
    scene.directory.set(&scene.dn("jane"), "title", ["Head of sales"]);
    assert_eq!(full(&scene, "no-change-feed")["counts"]["update"], 2, "jane, and the group of the blind");
    scene.directory.set(&scene.dn("max"), "title", ["Hand"]);
    assert_eq!(full(&scene, "no-change-feed")["counts"]["update"], 1);
    hide(&scene, false);
    full(&scene, "no-change-feed");
    assert_eq!(effective(&delta(&scene)), 0);
    is_up_to_date(&scene);
}

#[test]
fn a_directory_put_back_from_a_backup_and_written_to_was_believed_that_people_had_left() {
    let company = company();
    let slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    going_back::waits_for_approval(company, slapd);
}

#[test]
fn a_directory_put_back_from_a_backup_and_written_to_undid_what_had_changed() {
    let serve = |company: &Company| Slapd::builder(company).syncprov(Some(1_000)).start();
    going_back::gives_no_membership_back(company(), serve);
    going_back::takes_no_leaver_back(company(), serve);
}

/// Nobody is followed by it, so that every run reads everything.
#[test]
fn whoever_is_known_by_an_address_could_not_leave() {
    let company = company();
    let slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    let scene = Scene::between(company, slapd).agent(|agent| agent.ldap("id_attribute", "mail"));
    // Groups have no address.
    scene.imp_with(&[], 6);
    for leaver in ["user00001", "user00002"] {
        scene.leave(leaver);
        let summary = scene.imp_with(&[], 6);
        assert_eq!(
            (&summary["full_because"], &summary["counts"]["delete"]),
            (&json!("no-change-feed"), &json!(1))
        );
    }
}
