//! Deltas between a real domain controller and a real control plane: DirSync names who was touched, and the result is that of a
//! full run.

mod feed;
mod going_back;
mod property;
mod watching;

use adc_tests::{Entry, Samba, Scene};
use serde_json::json;

use super::domain::{DISABLED, SECURITY, below, group, person, unit};
use crate::deltas::{delta, effective, full, is_up_to_date};

const JANE: &str = "CN=Jane,OU=Sales,OU=People";
const MAX: &str = "CN=Max,OU=Sales,OU=People";
const ZOE: &str = "CN=Zoe,OU=People";

/// What the bind account may do besides reading.
#[derive(Debug, Clone, Copy)]
struct Rights {
    replicate: bool,
    see_deleted: bool,
}

const ALL: Rights = Rights { replicate: true, see_deleted: true };
const NONE: Rights = Rights { replicate: false, see_deleted: false };

/// Two people in one department, one of them the other's manager, and nested groups.
fn company(rights: Rights) -> Samba {
    let samba = Samba::start();
    samba.add(&[
        unit("OU=People"),
        unit("OU=Sales,OU=People"),
        unit("OU=Support,OU=People"),
        unit("OU=Groups"),
        person(JANE, "jane"),
        person(MAX, "max").with("manager", below(JANE)),
        person("CN=Kim,OU=Support,OU=People", "kim"),
        group("CN=Sales,OU=Groups", SECURITY, [JANE, MAX]),
        group("CN=All,OU=Groups", SECURITY, ["CN=Sales,OU=Groups"]),
    ]);
    samba.let_replicate(rights.replicate);
    samba.let_see_deleted(rights.see_deleted);
    samba
}

fn following(rights: Rights) -> Scene<Samba> {
    let scene = Scene::of_domain(company(rights));
    let first = scene.imp();
    assert_eq!((&first["mode"], &first["full_because"]), (&json!("full"), &json!("first-run")));
    scene
}

/// Somebody comes, somebody changes and somebody goes.
fn a_day_passes(rights: Rights) {
    let scene = following(rights);
    scene.directory.add(&[person(ZOE, "zoe")]);
    scene.directory.set(&below(JANE), "title", ["Head of sales"]);
    scene.directory.delete(&below(MAX));
    let summary = delta(&scene);
    assert_eq!(
        scene.plan(&summary),
        [
            "create user zoe@lg.local new",
            "delete user max@lg.local gone",
            "update group Sales changed",
            "update user jane@lg.local changed",
        ],
        "{rights:?}"
    );
    assert_eq!(summary["read"]["users"], 2, "jane and zoe");
    is_up_to_date(&scene);
    let nothing = delta(&scene);
    assert_eq!(
        (effective(&nothing), &nothing["read"]),
        (0, &json!({"users": 0, "groups": 0, "org_units": 0}))
    );
}

#[test]
fn a_delta_reads_those_alone_who_were_touched() {
    a_day_passes(ALL);
}

#[test]
fn without_the_right_to_see_removals_nobody_is_missed() {
    a_day_passes(Rights { see_deleted: false, ..ALL });
}

#[test]
fn without_the_right_to_replicate_changes_are_followed_all_the_same() {
    a_day_passes(Rights { replicate: false, ..ALL });
    a_day_passes(NONE);
}

#[test]
fn rights_that_are_withdrawn_between_two_runs_hide_nobody() {
    let scene = following(ALL);
    scene.directory.delete(&below(MAX));
    scene.directory.let_see_deleted(false);
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    scene.directory.delete(&below(JANE));
    scene.directory.let_replicate(false);
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    scene.directory.delete(&below("CN=Kim,OU=Support,OU=People"));
    scene.directory.let_see_deleted(true);
    scene.directory.let_replicate(true);
    let summary = scene.imp_with(&[], 0);
    assert_eq!((&summary["mode"], &summary["counts"]["delete"]), (&json!("delta"), &json!(1)));
    is_up_to_date(&scene);
}

#[test]
fn whoever_went_out_of_sight_is_found_missing() {
    let scene = following(NONE);
    scene.directory.add(&[unit("OU=Attic")]);
    scene.directory.hide(&below("OU=Attic"), true);
    delta(&scene);
    scene.directory.move_to(&below(MAX), "CN=Max", &below("OU=Attic"));
    let summary = delta(&scene);
    assert!(scene.plan(&summary).contains(&"delete user max@lg.local gone".to_owned()), "{summary}");
    is_up_to_date(&scene);
}

#[test]
fn whoever_left_the_filter_was_taken_for_present_where_all_ids_are_compared() {
    for rights in [NONE, Rights { see_deleted: false, ..ALL }, Rights { replicate: false, ..ALL }] {
        let staff = "(&(objectCategory=person)(objectClass=user)(!(employeeType=extern)))";
        let scene = Scene::of_domain(company(rights)).agent(|agent| agent.sync_yaml("filter", staff));
        scene.imp();
        scene.directory.set(&below(MAX), "employeeType", ["extern"]);
        let summary = delta(&scene);
        assert_eq!(scene.plan(&summary), ["delete user max@lg.local out-of-scope"], "{rights:?}");
        is_up_to_date(&scene);
    }
}

#[test]
fn groups_and_people_follow_whom_they_name() {
    let scene = following(ALL);
    scene.directory.rename(&below(JANE), "CN=Jane Roe");
    scene.directory.set(&below("CN=Jane Roe,OU=Sales,OU=People"), "userPrincipalName", ["jane.roe@lg.local"]);
    let summary = delta(&scene);
    assert_eq!(summary["read"]["groups"], 0, "the feed does not name the group");
    assert_eq!(scene.members("Sales"), ["jane.roe@lg.local", "max@lg.local"]);
    assert_eq!(scene.user("max@lg.local")["fields"]["manager"], "jane.roe@lg.local");
    is_up_to_date(&scene);

    scene.directory.move_to(&below(MAX), "CN=Max", &below("OU=Support,OU=People"));
    delta(&scene);
    assert_eq!(scene.user("max@lg.local")["provider"]["dn"], below("CN=Max,OU=Support,OU=People"));
    assert_eq!(scene.members("Sales"), ["jane.roe@lg.local", "max@lg.local"]);
    is_up_to_date(&scene);
}

#[test]
fn a_changed_membership_and_a_locked_account_are_changes() {
    let scene = following(ALL);
    let group = below("CN=Sales,OU=Groups");
    let kim = below("CN=Kim,OU=Support,OU=People");
    scene.directory.modify(&format!(
        "dn: {group}\nchangetype: modify\nadd: member\nmember: {kim}\n-\ndelete: member\nmember: {}\n",
        below(MAX)
    ));
    scene.directory.set(&kim, "userAccountControl", [DISABLED]);
    let summary = delta(&scene);
    assert_eq!(
        scene.plan(&summary),
        ["disable user kim@lg.local directory-inactive", "update group Sales changed"]
    );
    assert_eq!(scene.members("Sales"), ["jane@lg.local", "kim@lg.local"]);
    is_up_to_date(&scene);
}

#[test]
fn a_renamed_department_takes_everybody_along_and_an_empty_one_nobody() {
    let scene = following(ALL);
    scene.directory.add(&[unit("OU=Empty"), unit("OU=Full"), person("CN=New,OU=Full", "new")]);
    full(&scene, "container-moved");
    scene.directory.rename(&below("OU=Empty"), "OU=Still empty");
    delta(&scene);
    is_up_to_date(&scene);
    scene.directory.rename(&below("OU=Support,OU=People"), "OU=Care");
    full(&scene, "container-moved");
    assert_eq!(scene.user("kim@lg.local")["provider"]["dn"], below("CN=Kim,OU=Care,OU=People"));
    is_up_to_date(&scene);
    // What is removed was empty by then, and whoever lay there was named: that is no reason to read everything.
    scene.directory.delete(&below("CN=New,OU=Full"));
    delta(&scene);
    scene.directory.delete(&below("OU=Full"));
    let summary = delta(&scene);
    assert_eq!(scene.plan(&summary).len(), 1, "{summary}");
    is_up_to_date(&scene);
}

#[test]
fn whom_nobody_synchronizes_may_be_removed_without_everything_being_read() {
    let scene = following(ALL);
    let computer = Entry::new(&below("CN=PC1,CN=Computers"))
        .with("objectClass", "computer")
        .with("sAMAccountName", "PC1$")
        .with("userAccountControl", "4096");
    scene.directory.add(&[computer, unit("OU=Short"), person("CN=Short,OU=Short", "short")]);
    scene.directory.delete(&below("CN=Short,OU=Short"));
    scene.directory.delete(&below("OU=Short"));
    assert_eq!(effective(&delta(&scene)), 0);
    scene.directory.delete(&below("CN=PC1,CN=Computers"));
    assert_eq!(effective(&delta(&scene)), 0);
    is_up_to_date(&scene);
}

#[test]
fn who_was_removed_and_is_back_has_lost_their_groups() {
    for rights in [ALL, NONE] {
        let scene = following(rights);
        let guid = scene.directory.guid("(sAMAccountName=max)");
        scene.directory.delete(&below(MAX));
        scene.directory.restore(&guid, &below(MAX));
        scene.directory.set(&below(MAX), "userAccountControl", ["544"]);
        full(&scene, "came-back");
        assert_eq!(scene.members("Sales"), ["jane@lg.local"]);
        is_up_to_date(&scene);
    }
}

#[test]
fn whoever_joins_a_primary_group_changes_nothing_in_it() {
    let samba = company(ALL);
    let scene =
        Scene::of_domain(samba).agent(|agent| agent.sync_yaml("groups", "{filter: (cn=Domain Users)}"));
    scene.imp();
    scene.directory.add(&[person(ZOE, "zoe")]);
    delta(&scene);
    assert!(scene.members("Domain Users").contains(&"zoe@lg.local".to_owned()));
    is_up_to_date(&scene);
    scene.directory.rename(&below(ZOE), "CN=Zoe Doe");
    delta(&scene);
    is_up_to_date(&scene);
    scene.directory.delete(&below("CN=Zoe Doe,OU=People"));
    delta(&scene);
    assert!(!scene.members("Domain Users").contains(&"zoe@lg.local".to_owned()));
    is_up_to_date(&scene);
}

#[test]
fn another_primary_group_is_seen_in_both() {
    let scene = following(ALL);
    let shown = scene.directory.search("(cn=Sales)", &["primaryGroupToken"]);
    let number = shown.lines().find_map(|line| line.strip_prefix("primaryGroupToken: ")).expect("a number");
    scene.directory.set(&below(JANE), "primaryGroupID", [number]);
    delta(&scene);
    assert_eq!(scene.members("Sales"), ["jane@lg.local", "max@lg.local"]);
    is_up_to_date(&scene);
    scene.directory.set(&below(JANE), "primaryGroupID", ["513"]);
    delta(&scene);
    is_up_to_date(&scene);
}

#[test]
fn a_check_says_which_rights_are_missing() {
    let scene = Scene::of_domain(company(ALL));
    let check = || scene.agent.run(&["check"]).expect_code(0).stdout;
    let quick = "dirsync: after the first import a run reads only what changed";
    let said = check();
    assert!(said.contains(quick), "{said}");
    for (replicate, see_deleted) in [(true, false), (false, true), (false, false)] {
        scene.directory.let_replicate(replicate);
        scene.directory.let_see_deleted(see_deleted);
        let said = check();
        let replicate_too =
            "dsacls \"DC=lg,DC=local\" /G \"readonly@lg.local:CA;Replicating Directory Changes\"";
        assert_eq!(said.contains(replicate_too), !replicate, "{said}");
        let see_too = "dsacls \"CN=Deleted Objects,DC=lg,DC=local\" /G \"readonly@lg.local:LCRP\"";
        assert_eq!(said.contains(see_too), !see_deleted, "{said}");
    }
}

#[test]
fn a_filter_on_what_is_computed_reads_everything() {
    let scene = Scene::of_domain(company(ALL)).agent(|agent| {
        agent.sync_yaml(
            "filter",
            "(&(objectCategory=person)(objectClass=user)(!(memberOf=CN=Nobody,DC=lg,DC=local)))",
        )
    });
    scene.imp();
    full(&scene, "filter-not-followed");
}
