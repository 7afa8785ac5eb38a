//! Deltas of a bind account that sees less than it did, without a word of the feed.

use adc_tests::{Entry, Person, Scene, Slapd};
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

/// Who may read an attribute: nothing that is synchronized, so that no group is touched when that changes.
const TRUSTED: &str = "cn=trusted,dc=lg,dc=local";

/// A company of several groups, and of three people who report to jane, which lets only the trusted read the attribute.
fn trusted_with(attribute: &str) -> Scene {
    let jane = "uid=jane,ou=sales,ou=people,dc=lg,dc=local";
    let company = company()
        .person(Person::new("tim").with("manager", jane))
        .person(Person::new("tom").with("manager", jane))
        .group("chess", ["max", "tim"])
        .group("choir", ["max", "tom"])
        .group("crew", ["tim", "tom"]);
    let mut slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    let trusted = "group/organizationalRole/roleOccupant.exact";
    slapd.restart_with_access(&format!("to attrs={attribute} by {trusted}=\"{TRUSTED}\" read by * none"));
    let scene = Scene::between(company, slapd);
    let role = Entry::new(TRUSTED).with("objectClass", "organizationalRole").with("cn", "trusted");
    scene.directory.add(&role.with("roleOccupant", scene.directory.bind_dn()));
    scene.imp();
    scene
}

/// Somebody leaves while the agent is not trusted: everything is read, and the plan is held.
fn somebody_leaves_unseen(scene: &Scene, name: &str) {
    let before = scene.state();
    scene.directory.set(TRUSTED, "roleOccupant", ["cn=nobody"]);
    scene.leave(name);
    let held = scene.imp_with(&[], 5);
    assert_eq!(
        (&held["mode"], &held["full_because"], &held["counts"]["delete"]),
        (&json!("full"), &json!("rights-in-doubt"), &json!(1)),
        "{held}"
    );
    let run = scene.api.get(&format!("/runs/{}", held["run_id"].as_str().expect("a run"))).ok();
    assert_eq!(run["held_because"][0]["reason"], "guard-blanked", "{run}");
    assert_eq!(scene.state(), before);
    // The right is given back.
    scene.directory.set(TRUSTED, "roleOccupant", [&scene.directory.bind_dn()]);
    delta(scene);
}

#[test]
fn the_groups_of_whoever_left_were_emptied_when_members_were_hidden() {
    let scene = trusted_with("member");
    somebody_leaves_unseen(&scene, "max");
    assert_eq!(scene.members("chess"), ["tim@lg.local", "uid=max,ou=sales,ou=people,dc=lg,dc=local"]);
    is_up_to_date(&scene);
    delta(&scene);
}

#[test]
fn the_mail_of_those_who_reported_to_whoever_left_was_taken_when_it_was_hidden() {
    let scene = trusted_with("mail");
    somebody_leaves_unseen(&scene, "jane");
    for name in ["max", "tim", "tom"] {
        assert_eq!(scene.user(&format!("{name}@lg.local"))["email"], format!("{name}@lg.local"));
    }
    is_up_to_date(&scene);
    delta(&scene);
}

#[test]
fn a_manager_that_refint_took_away_is_no_lost_right() {
    let company = company();
    let slapd = Slapd::builder(&company)
        .overlay("refint", ["refint_attributes member manager"])
        .syncprov(Some(1_000))
        .start();
    let scene = Scene::between(company, slapd);
    scene.imp();
    scene.leave("jane");
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    assert_eq!(scene.user("max@lg.local")["fields"]["manager"], Value::Null);
    is_up_to_date(&scene);
}
