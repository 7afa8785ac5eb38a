//! Plans that wait for somebody: held, approved, rejected, superseded; and reads that are no plan at all.

use adc_tests::{Company, Scene};
use serde_json::{Value, json};

/// Forty people in two departments, twenty each.
fn company() -> Company {
    let company = Company::new("dc=lg,dc=local").ou("people/sales").crowd(20).ou("people/support");
    (21..=40).fold(company, |company, number| company.person(format!("user{number:05}").as_str()))
}

fn leave(scene: &Scene, numbers: std::ops::RangeInclusive<usize>) {
    for number in numbers {
        scene.leave(&format!("user{number:05}"));
    }
}

fn run_path(summary: &Value, action: &str) -> String {
    format!("/runs/{}{action}", summary["run_id"].as_str().expect("a summary names its run"))
}

#[test]
fn too_many_removals_are_held_until_they_are_approved() {
    let scene = Scene::of(company());
    scene.imp();
    leave(&scene, 1..=11);
    let before = scene.users();

    let held = scene.imp_with(&[], 5);
    assert_eq!((&held["state"], &held["counts"]["delete"]), (&json!("held"), &json!(11)));
    assert_eq!(scene.users(), before);
    let run = scene.api.get(&run_path(&held, "")).ok();
    assert_eq!(run["held_because"][0]["reason"], "guard-removals", "{run}");

    scene.api.post(&run_path(&held, "/approve"), &json!({})).ok();
    assert_eq!(scene.api.get(&run_path(&held, "")).ok()["state"], "applied");
    assert_eq!((scene.users().len(), scene.deleted_users().len()), (29, 11));
    assert!(scene.changes(&scene.imp()).is_empty());
}

#[test]
fn removals_add_up_over_runs() {
    let scene = Scene::of(company());
    scene.imp();
    leave(&scene, 1..=6);
    assert_eq!(scene.imp()["state"], "applied");
    leave(&scene, 7..=12);
    let held = scene.imp_with(&[], 5);
    assert_eq!(scene.api.get(&run_path(&held, "")).ok()["held_because"][0]["reason"], "guard-removals");
}

#[test]
fn a_rejected_plan_changes_nothing_and_is_proposed_again() {
    let scene = Scene::of(company());
    scene.imp();
    leave(&scene, 1..=11);
    let held = scene.imp_with(&[], 5);

    scene.api.post(&run_path(&held, "/reject"), &json!({})).ok();
    assert_eq!(scene.api.get(&run_path(&held, "")).ok()["state"], "rejected");
    assert_eq!(scene.users().len(), 40);
    assert_eq!(scene.api.post(&run_path(&held, "/approve"), &json!({})).status, 409);
    assert_eq!(scene.imp_with(&[], 5)["counts"]["delete"], 11);
}

#[test]
fn a_later_run_supersedes_a_held_plan_and_a_preview_does_not() {
    let scene = Scene::of(company());
    scene.imp();
    leave(&scene, 1..=11);
    let held = scene.imp_with(&[], 5);

    scene.preview();
    assert_eq!(scene.api.get(&run_path(&held, "")).ok()["state"], "held");
    leave(&scene, 12..=12);
    let later = scene.imp_with(&[], 5);
    assert_eq!(scene.api.get(&run_path(&held, "")).ok()["state"], "superseded");
    assert_eq!(scene.api.post(&run_path(&held, "/approve"), &json!({})).problem(), (409, "superseded"));
    scene.api.post(&run_path(&later, "/approve"), &json!({})).ok();
    assert_eq!(scene.users().len(), 28);
}

#[test]
fn a_held_plan_is_stale_once_the_settings_changed() {
    let scene = Scene::of(company());
    scene.imp();
    leave(&scene, 1..=11);
    let held = scene.imp_with(&[], 5);
    scene.set(&json!({ "delete-disables": true }));
    assert_eq!(scene.api.post(&run_path(&held, "/approve"), &json!({})).problem(), (409, "plan-stale"));
    assert_eq!(scene.users().len(), 40);
}

#[test]
fn a_department_that_the_bind_account_no_longer_sees_is_held() {
    let company = company();
    let hidden = "to dn.subtree=\"ou=support,ou=people,dc=lg,dc=local\" by * none";
    let mut scene = Scene::of(company.clone());
    scene.imp();

    // The same directory, with the same identities, of which a part is hidden now.
    scene.directory.restart_with_access(hidden);
    let held = scene.imp_with(&[], 5);
    let reasons: Vec<Value> = held_because(&scene, &held);
    assert!(reasons.contains(&json!("guard-ou-disappeared")), "{reasons:?}");
    assert_eq!(scene.users().len(), 40);
}

#[test]
fn a_small_department_that_disappears_is_held_whatever_the_count() {
    let scene = Scene::of(company().ou("people/night shift").person("jane"));
    scene.imp();
    scene.directory.delete("ou=night shift,ou=people,dc=lg,dc=local");
    let held = scene.imp_with(&[], 5);
    assert_eq!(held_because(&scene, &held), ["guard-ou-disappeared"]);
    assert!(scene.users().contains_key("jane@lg.local"));
}

#[test]
fn a_field_that_goes_blank_for_most_people_is_held() {
    let scene = Scene::of(company());
    for number in 1..=40 {
        scene.directory.set(&scene.dn(&format!("user{number:05}")), "title", ["Somebody"]);
    }
    scene.imp();
    for number in 1..=21 {
        scene.directory.set(&scene.dn(&format!("user{number:05}")), "title", []);
    }
    let held = scene.imp_with(&[], 5);
    assert_eq!(held_because(&scene, &held), ["guard-blanked"]);
    assert_eq!(scene.user("user00001@lg.local")["fields"]["title"], "Somebody");
}

#[test]
fn another_configuration_that_would_remove_somebody_is_held() {
    let scene = Scene::of(company());
    scene.imp();
    let scene =
        scene.agent(|agent| agent.sync_yaml("filter", "'(&(objectClass=inetOrgPerson)(!(uid=user00001)))'"));
    let held = scene.imp_with(&[], 5);
    assert_eq!(held_because(&scene, &held), ["guard-fingerprint"]);
    assert_eq!(scene.users().len(), 40);
}

#[test]
fn nobody_where_there_were_some_is_an_error_and_not_a_plan() {
    let scene = Scene::of(company());
    scene.imp();
    let before = scene.state();
    let scene = scene.agent(|agent| agent.sync_yaml("filter", "(uid=nobody)"));
    let outcome = scene.agent.imp().expect_code(3);
    assert!(outcome.stderr.contains("40"), "it says how many there were: {}", outcome.stderr);
    assert_eq!(scene.state(), before);
}

fn held_because(scene: &Scene, summary: &Value) -> Vec<Value> {
    let run = scene.api.get(&run_path(summary, "")).ok();
    let guards =
        run["held_because"].as_array().unwrap_or_else(|| panic!("{run} does not say why it is held"));
    guards.iter().map(|guard| guard["reason"].clone()).collect()
}

#[test]
fn the_right_to_read_members_was_lost_and_nothing_said_so() {
    let company = Company::new("dc=lg,dc=local")
        .ou("people")
        .crowd(5)
        .ou("groups")
        .group("a", ["user00001", "user00002"])
        .group("b", ["user00003"])
        .group("c", ["user00004", "user00005"]);
    let mut scene = Scene::of(company);
    scene.imp();
    scene.directory.restart_with_access("to attrs=member by * none");
    let held = scene.imp_with(&["--full"], 5);
    assert_eq!(held_because(&scene, &held), ["guard-blanked"]);
    assert_eq!(scene.members("a").len(), 2);
}

#[test]
fn org_units_whose_entries_are_hidden_stay_where_their_people_are_seen() {
    let mut scene = Scene::of(company());
    scene.imp();
    let before = scene.org_units();
    scene.directory.restart_with_access(
        "to dn.subtree=\"dc=lg,dc=local\" filter=(objectClass=organizationalUnit) by * none",
    );
    let kept = scene.imp_with(&["--full"], 6);
    assert_eq!((&kept["counts"]["delete"], &kept["counts"]["skip"]), (&json!(0), &json!(3)));
    assert_eq!(scene.org_units(), before);
}

#[test]
fn people_of_whom_the_filter_s_attribute_is_hidden_are_held() {
    let company = (1..=9).fold(Company::new("dc=lg,dc=local").ou("people"), |company, number| {
        company.person(format!("user{number:05}").as_str())
    });
    let mut scene = Scene::of(company.person("jane"))
        .agent(|agent| agent.sync_yaml("filter", "'(&(objectClass=inetOrgPerson)(title=staff))'"));
    for name in (1..=9).map(|number| format!("user{number:05}")).chain(["jane".to_owned()]) {
        scene.directory.set(&scene.dn(&name), "title", ["staff"]);
    }
    scene.imp();
    assert_eq!(scene.users().len(), 10);
    scene.directory.restart_with_access("to dn.regex=\"^uid=user.*\" attrs=title by * none");
    let held = scene.imp_with(&["--full"], 5);
    assert_eq!(held_because(&scene, &held), ["guard-ou-disappeared"]);
    assert_eq!(scene.users().len(), 10);
}

#[test]
fn a_filter_that_finds_nobody_of_those_changed_last_looked_like_a_server_that_is_behind() {
    let scene = Scene::of(company());
    scene.imp();
    for number in 1..=8 {
        scene.directory.set(&scene.dn(&format!("user{number:05}")), "title", ["engineer"]);
    }
    scene.imp_with(&["--full"], 0);
    let narrowed =
        scene.agent(|agent| agent.sync_yaml("filter", "'(&(objectClass=inetOrgPerson)(uid=user0002*))'"));
    let held = narrowed.imp_with(&["--full"], 5);
    let because = held_because(&narrowed, &held);
    assert!(because.contains(&json!("guard-fingerprint")), "{because:?}");
    assert!(!because.contains(&json!("guard-server-behind")), "{because:?}");
}

#[test]
fn two_who_had_been_hidden_came_back_and_only_a_server_that_is_behind_was_named() {
    let mut scene = Scene::of(company());
    scene.imp();
    scene.directory.restart_with_access("to filter=(|(uid=user00001)(uid=user00002)) by * none");
    assert_eq!(scene.imp_with(&["--full"], 0)["counts"]["delete"], 2);
    scene.directory.restart_with_access("to filter=(|(uid=user00001)(uid=user00002)) by * read");
    let held = scene.imp_with(&["--full"], 5);
    let guard = &scene.api.get(&run_path(&held, "")).ok()["held_because"][0];
    assert_eq!((&guard["reason"], &held["counts"]["restore"]), (&json!("guard-server-behind"), &json!(2)));
    let detail = guard["detail"].as_str().expect("a detail");
    assert!(detail.ends_with("only out of the bind account's sight: if so, approve"), "{detail}");
}

#[test]
fn a_mistyped_rule_that_would_remove_everybody_is_held() {
    let scene = Scene::of(Company::new("dc=lg,dc=local").ou("people").crowd(8));
    scene.imp();
    scene.patch(&json!({ "policy": { "include": ["(uid=nobody)"] } }));
    let held = scene.imp_with(&[], 5);
    assert!(held_because(&scene, &held).contains(&json!("guard-fingerprint")), "{held}");
    assert_eq!(scene.users().len(), 8);
}

/// Four contractors among forty people, whom a rule leaves out.
fn with_contractors(rule: &Value) -> Scene {
    let scene = Scene::of(company());
    for number in 1..=4 {
        scene.directory.set(&scene.dn(&format!("user{number:05}")), "title", ["contractor"]);
    }
    scene.patch(&json!({ "policy": rule }));
    scene.imp();
    assert_eq!(scene.users().len(), 36);
    scene
}

#[test]
fn whom_a_rule_leaves_out_is_held_where_its_attribute_is_hidden() {
    for rule in [
        json!({ "exclude": [{ "name": "contractors", "filter": "(title=contractor)" }] }),
        json!({ "include": ["(!(title=contractor))"] }),
    ] {
        let mut scene = with_contractors(&rule);
        scene.directory.restart_with_access("to attrs=title by * none");
        let held = scene.imp_with(&["--full"], 5);
        assert_eq!(
            (held_because(&scene, &held), &held["counts"]["create"]),
            (vec![json!("guard-let-in")], &json!(4))
        );
        assert_eq!(scene.users().len(), 36);
    }
}

#[test]
fn a_rule_was_edited_while_its_attribute_was_hidden_and_let_everybody_in() {
    let mut scene =
        with_contractors(&json!({ "exclude": [{ "name": "contractors", "filter": "(title=contractor)" }] }));
    scene.directory.restart_with_access("to attrs=title by * none");
    for edited in [
        json!({ "exclude": [{ "name": "externals", "filter": "(&(title=contr*)(!(uid=user00001)))" }] }),
        json!({ "exclude": [], "include": ["(!(title=contractor))"] }),
    ] {
        scene.patch(&json!({ "policy": edited }));
        let held = scene.imp_with(&[], 5);
        assert_eq!(held_because(&scene, &held), [json!("guard-let-in")]);
    }
    scene.directory.restart_with_access("to * by * read");
    scene.imp();
    assert_eq!(scene.users().len(), 36);
}

#[test]
fn contractors_who_all_became_employees_were_held_as_if_their_titles_were_hidden() {
    let scene =
        with_contractors(&json!({ "exclude": [{ "name": "contractors", "filter": "(title=contractor)" }] }));
    for number in 1..=4 {
        scene.directory.set(&scene.dn(&format!("user{number:05}")), "title", ["engineer"]);
    }
    assert_eq!(scene.imp()["counts"]["create"], 4);
}

#[test]
fn a_contractor_who_becomes_an_employee_comes_in() {
    let scene =
        with_contractors(&json!({ "exclude": [{ "name": "contractors", "filter": "(title=contractor)" }] }));
    scene.directory.set(&scene.dn("user00001"), "title", ["engineer"]);
    assert_eq!(scene.imp()["counts"]["create"], 1);
    assert!(scene.users().contains_key("user00001@lg.local"));
}

#[test]
fn a_department_goes_out_of_sight_while_one_of_its_people_moves() {
    let company = Company::new("dc=lg,dc=local").ou("people").crowd(20).ou("people/night shift");
    let mut scene = Scene::of(company.person("jane").person("joan").person("june"));
    scene.imp();
    let night_shift = "ou=night shift,ou=people,dc=lg,dc=local";
    scene.directory.move_to(&scene.dn("june"), "ou=people,dc=lg,dc=local");
    scene.directory.restart_with_access(&format!("to dn.regex=\"^uid=jo?ane?,{night_shift}$\" by * none"));
    let held = scene.imp_with(&["--full"], 5);
    assert_eq!(held_because(&scene, &held), ["guard-ou-disappeared"]);
    assert_eq!(scene.users().len(), 23);
}

#[test]
fn an_org_unit_is_renamed_while_one_of_its_people_leaves() {
    let company = Company::new("dc=lg,dc=local").ou("people").crowd(20).ou("people/night shift");
    let scene = Scene::of(company.person("jane").person("joan"));
    scene.imp();
    scene.directory.delete(&scene.dn("jane"));
    scene.directory.rename("ou=night shift,ou=people,dc=lg,dc=local", "ou=late shift");
    assert_eq!(scene.imp()["counts"]["delete"], 1);
    assert!(!scene.users().contains_key("jane@lg.local") && scene.users().contains_key("joan@lg.local"));
}

#[test]
fn a_configuration_that_is_only_written_otherwise_lets_a_leaver_go() {
    let scene = Scene::of(company());
    scene.imp();
    scene.leave("user00001");
    let scene = scene.agent(|agent| {
        agent.sync_yaml("filter", "(OBJECTCLASS=inetOrgPerson)").ldap_yaml("preset", "inetorgperson")
    });
    assert_eq!(scene.imp()["counts"]["delete"], 1);
}
