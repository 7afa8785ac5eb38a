//! Who somebody is: an id that is written otherwise, emptied or out of reach makes nobody a leaver.

use adc_tests::{Company, Group, Person, Scene, Slapd};
use serde_json::{Value, json};

/// Some people, described by a number each and read by it, and a group of one of them: org units have no number and are
/// conflicts (exit code 6).
fn numbered(count: usize) -> Scene {
    let mut company = Company::new("dc=lg,dc=local").ou("people");
    for number in 0..count {
        company = company.person(Person::new(&name(number)).set("description", format!("Ab-{number}")));
    }
    company = company.add_group(Group::new("all").member("person1").with("description", "all"));
    let scene = Scene::of(company).agent(|agent| agent.ldap("id_attribute", "description"));
    scene.imp_with(&[], 6);
    assert_eq!(scene.users().len(), count);
    scene
}

fn name(number: usize) -> String {
    format!("person{number}")
}

fn set_number<const N: usize>(scene: &Scene, person: usize, number: [&str; N]) {
    scene.directory.set(&scene.dn(&name(person)), "description", number);
}

/// What became of people: a line of the plan each.
fn people_of(scene: &Scene, summary: &Value) -> Vec<Value> {
    let changes = scene.changes(summary).into_iter().filter(|change| change["kind"] == "user");
    changes.map(|change| json!([change["source_id"], change["action"], change["reason"]])).collect()
}

#[test]
fn an_id_that_changed_its_case_deleted_the_person_and_made_another() {
    let scene = numbered(3);
    let before = scene.user("person1@lg.local")["id"].clone();
    set_number(&scene, 1, ["aB-1"]);
    let summary = scene.imp_with(&[], 6);
    assert_eq!(people_of(&scene, &summary), Vec::<Value>::new());
    assert_eq!(scene.user("person1@lg.local")["id"], before);
}

/// People of an id whose attribute compares exactly (caseExactMatch), and whose letters are capital.
fn exactly_numbered(count: usize) -> Scene {
    let mut company = Company::new("dc=lg,dc=local").ou("people").ou("former");
    for number in 0..count {
        company = company.person(Person::new(&name(number)).set("labeledURI", format!("AB-{number}")));
    }
    let scene = Scene::of(company).agent(|agent| {
        agent
            .ldap("id_attribute", "labeledURI")
            .sync_yaml("filter", "'(&(objectClass=inetOrgPerson)(!(title=former)))'")
    });
    scene.imp_with(&[], 6);
    assert_eq!(scene.users().len(), count);
    scene
}

#[test]
fn every_leaver_failed_the_run_where_ids_compare_exactly() {
    let scene = exactly_numbered(6);
    let set_id = |dn: &str, id: &str| scene.directory.set(dn, "labeledURI", [id]);
    scene.leave("person1");
    let summary = scene.imp_with(&[], 6);
    assert_eq!(people_of(&scene, &summary), [json!(["ab-1", "delete", "gone"])]);

    // It is found by its id where it is no more among what is synchronized, under another name.
    scene.directory.set(&scene.dn("person2"), "title", ["former"]);
    scene.directory.rename(&scene.dn("person2"), "uid=left");
    let summary = scene.imp_with(&[], 6);
    assert_eq!(people_of(&scene, &summary), [json!(["ab-2", "delete", "out-of-scope"])]);

    // Who is spelled otherwise is the same person, and is looked up by what was read last.
    let before = scene.user("person3@lg.local")["id"].clone();
    set_id(&scene.dn("person3"), "aB-3");
    let summary = scene.imp_with(&[], 6);
    assert_eq!(people_of(&scene, &summary), Vec::<Value>::new());
    assert_eq!(scene.user("person3@lg.local")["id"], before);
    scene.directory.set(&scene.dn("person3"), "title", ["former"]);
    scene.directory.rename(&scene.dn("person3"), "uid=left too");
    let summary = scene.imp_with(&[], 6);
    assert_eq!(people_of(&scene, &summary), [json!(["ab-3", "delete", "out-of-scope"])]);

    let checked = scene.agent.run(&["check"]).stdout;
    assert!(!checked.contains("search by labeledURI"), "{checked}");
    assert_eq!(scene.users().len(), 3);
}

#[test]
fn two_objects_of_one_id_are_a_directory_that_cannot_be_read() {
    let scene = numbered(3);
    set_number(&scene, 2, ["Ab-1"]);
    let outcome = scene.imp_fails(3, "duplicate-source-id");
    for said in ["uid=person1,", "uid=person2,", "description", "ab-1", "id_attribute in adc.yaml"] {
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    }
    let failed = outcome.json();
    let run = scene.api.get(&format!("/runs/{}", failed["run_id"].as_str().expect("it was opened"))).ok();
    assert_eq!((&failed["mode"], &failed["full_because"]), (&run["mode"], &run["full_because"]));
    assert_eq!(scene.users().len(), 3);
}

#[test]
fn one_emptied_id_stopped_every_run() {
    let scene = numbered(3);
    let before = scene.user("person1@lg.local");
    set_number(&scene, 1, []);
    for _ in 0..2 {
        let summary = scene.imp_with(&[], 6);
        let known = json!(["ab-1", "conflict", "missing-source-id"]);
        assert!(people_of(&scene, &summary).contains(&known), "{:?}", people_of(&scene, &summary));
        assert_eq!(scene.user("person1@lg.local"), before, "is left as it is");
        assert_eq!(scene.members("all"), ["person1@lg.local"], "is a member once");
    }
    // Meanwhile everybody else goes on.
    scene.leave("person2");
    scene.imp_with(&[], 6);
    assert!(!scene.users().contains_key("person2@lg.local"));

    set_number(&scene, 1, ["Ab-1"]);
    let summary = scene.imp_with(&[], 6);
    assert_eq!(summary["counts"]["delete"], 0, "{:?}", people_of(&scene, &summary));
    assert_eq!(scene.user("person1@lg.local")["id"], before["id"]);
}

#[test]
fn whoever_was_renamed_and_got_another_address_while_their_id_was_gone_was_deleted() {
    let scene = numbered(4);
    let (people, groups) = (scene.users(), scene.groups());
    let other = |number: usize| format!("uid=other{number},ou=people,dc=lg,dc=local");
    // Of one person the id went before all else did, of another together with it; and so it is with the group.
    set_number(&scene, 1, []);
    scene.imp_with(&[], 6);
    set_number(&scene, 2, []);
    for number in [1, 2] {
        scene.directory.rename(&scene.dn(&name(number)), &format!("uid=other{number}"));
        scene.directory.set(&other(number), "mail", [&*format!("other{number}@lg.local")]);
    }
    let group = scene.dn("all");
    scene.directory.set(&group, "description", []);
    scene.directory.rename(&group, "cn=everybody");
    let unproven = |summary: &Value| {
        let changes = scene.changes(summary).into_iter().filter(|c| c["reason"] == "unproven-absence");
        let mut ids: Vec<String> =
            changes.map(|c| c["source_id"].as_str().unwrap_or_default().to_owned()).collect();
        ids.retain(|id| !id.starts_with("dn:"));
        ids.sort();
        ids
    };
    for flags in [&["--dry-run"][..], &[], &[], &["--full"]] {
        let summary = scene.imp_with(flags, 6);
        assert_eq!(summary["counts"]["delete"], 0, "{:?}", scene.changes(&summary));
        assert_eq!(unproven(&summary), ["ab-1", "ab-2", "all"]);
        assert_eq!((scene.users(), scene.groups()), (people.clone(), groups.clone()));
    }
    // Nobody is in doubt who leaves later, and nobody any more whose id is back.
    scene.leave("person3");
    scene.directory.set(&other(1), "description", ["Ab-1"]);
    let summary = scene.imp_with(&[], 6);
    assert_eq!(
        (&summary["counts"]["delete"], unproven(&summary)),
        (&json!(1), vec!["ab-2".to_owned(), "all".to_owned()])
    );
    assert_eq!(scene.user("other1@lg.local")["id"], people["person1@lg.local"]["id"]);
    scene.directory.delete(&other(2));
    let summary = scene.imp_with(&[], 6);
    assert_eq!((&summary["counts"]["delete"], unproven(&summary)), (&json!(1), vec!["all".to_owned()]));
}

#[test]
fn most_ids_out_of_sight_are_a_lost_right_and_fail_the_run() {
    let mut scene = numbered(12);
    let before = scene.users();
    scene.directory.restart_with_access("to attrs=description by * none");
    let outcome = scene.imp_fails(3, "id-hidden");
    assert!(
        outcome.stderr.contains("13 of 13") && outcome.stderr.contains("description"),
        "{}",
        outcome.stderr
    );
    assert_eq!(scene.users(), before);
}

/// Nine people in sales, among twenty others.
fn with_sales(people: usize) -> Scene {
    let mut company = Company::new("dc=lg,dc=local").ou("people").crowd(20).ou("people/sales");
    for number in 0..people {
        company = company.person(format!("seller{number}").as_str());
    }
    let scene = Scene::of(company);
    scene.imp();
    scene
}

const CLASSES_OF_SALES: &str =
    "to dn.children=\"ou=sales,ou=people,dc=lg,dc=local\" attrs=objectClass by * none";

#[test]
fn people_whose_classes_were_hidden_were_deleted_as_out_of_scope() {
    let mut scene = with_sales(9);
    let before = scene.users();
    scene.directory.restart_with_access(CLASSES_OF_SALES);
    for _ in 0..2 {
        let summary = scene.imp_with(&["--full"], 6);
        assert_eq!((&summary["counts"]["conflict"], &summary["counts"]["delete"]), (&json!(9), &json!(0)));
        assert_eq!(people_of(&scene, &summary)[0][2], "class-hidden");
        assert_eq!(scene.users(), before);
    }
}

#[test]
fn most_classes_out_of_sight_are_a_lost_right_and_fail_the_run() {
    let mut scene = with_sales(12);
    let before = scene.users();
    scene.directory.restart_with_access(CLASSES_OF_SALES);
    let outcome = scene.imp_fails(3, "class-hidden");
    assert!(outcome.stderr.contains("12 of 12"), "{}", outcome.stderr);
    assert_eq!(scene.users(), before);
}

#[test]
fn somebody_who_left_the_filter_was_called_gone_where_the_root_is_hidden() {
    let company = Company::new("dc=lg,dc=local").ou("people").person("jane").person("max").person("zoe");
    let mut scene = Scene::of(company).agent(|agent| {
        agent
            .ldap("base_dn", "ou=people,dc=lg,dc=local")
            .sync_yaml("filter", "'(&(objectClass=inetOrgPerson)(!(title=contractor)))'")
    });
    scene.directory.restart_with_access("to dn.base=\"dc=lg,dc=local\" by * none");
    scene.imp();
    scene.directory.set(&scene.dn("jane"), "title", ["contractor"]);
    scene.directory.rename(&scene.dn("jane"), "uid=jane (external)");
    let summary = scene.imp();
    let people = people_of(&scene, &summary);
    assert_eq!(people.len(), 1, "{people:?}");
    assert_eq!((&people[0][1], &people[0][2]), (&json!("delete"), &json!("out-of-scope")));
}

/// A company that a bind account reads which may see ids where a rule says, and not search by them.
fn with_ids_to_be_seen(what: &str) -> Scene {
    let company = Company::new("dc=lg,dc=local")
        .ou("people")
        .crowd(3)
        .person("zoe")
        .ou("people/sales")
        .person("jane")
        .person("max")
        .person("moritz")
        .group("staff", ["jane", "zoe"]);
    let mut slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    slapd.restart_with_access(&format!("to {what} attrs=entryUUID by * =rc"));
    let scene = Scene::between(company, slapd);
    scene.imp();
    scene.imp();
    scene
}

fn is_still_there(scene: &Scene, username: &str, before: &Value) {
    let summary = scene.imp();
    assert_eq!(
        (&summary["counts"]["delete"], &summary["counts"]["create"]),
        (&json!(0), &json!(0)),
        "{summary}"
    );
    assert_eq!(scene.user(username)["id"], before["id"]);
}

#[test]
fn people_who_were_renamed_or_moved_were_deleted_where_nobody_may_search_by_their_id() {
    let scene = with_ids_to_be_seen("dn.subtree=\"dc=lg,dc=local\"");
    let (jane, zoe) = (scene.user("jane@lg.local"), scene.user("zoe@lg.local"));
    scene.directory.rename(&scene.dn("jane"), "uid=jane-married");
    is_still_there(&scene, "jane@lg.local", &jane);
    scene.directory.move_to(&scene.dn("zoe"), "ou=sales,ou=people,dc=lg,dc=local");
    is_still_there(&scene, "zoe@lg.local", &zoe);
    let groups = scene.groups().len();
    scene.directory.rename(&scene.dn("staff"), "cn=crew");
    is_still_there(&scene, "zoe@lg.local", &zoe);
    assert_eq!(scene.groups().len(), groups);
    // Who left cannot be told from who was renamed and is hidden besides.
    scene.leave("max");
    let outcome = scene.imp_fails(3, "id-hidden");
    assert!(outcome.stderr.contains("search by entryUUID"), "{}", outcome.stderr);
    assert!(scene.users().contains_key("max@lg.local"));
    let checked = scene.agent.run(&["check"]).expect_code(3).stdout;
    assert!(checked.contains("search by entryUUID"), "{checked}");
}

#[test]
fn a_renamed_person_was_deleted_where_the_ids_of_a_department_cannot_be_searched_by() {
    let scene = with_ids_to_be_seen("dn.children=\"ou=sales,ou=people,dc=lg,dc=local\"");
    let jane = scene.user("jane@lg.local");
    scene.directory.rename(&scene.dn("jane"), "uid=jane-married");
    is_still_there(&scene, "jane@lg.local", &jane);
    scene.leave("max");
    scene.imp_fails(3, "id-hidden");
    assert!(scene.users().contains_key("max@lg.local"));
}

#[test]
fn somebody_whose_class_is_seen_but_not_searched_by_was_deleted_as_out_of_scope() {
    let mut scene = with_sales(3);
    let before = scene.users();
    let dn = scene.dn("seller1");
    scene.directory.restart_with_access(&format!("to dn.base=\"{dn}\" attrs=objectClass by * =rc"));
    let summary = scene.imp_with(&["--full"], 6);
    let people = people_of(&scene, &summary);
    assert_eq!((people.len(), &people[0][2]), (1, &json!("class-hidden")), "{people:?}");
    assert_eq!(scene.users(), before);
}
