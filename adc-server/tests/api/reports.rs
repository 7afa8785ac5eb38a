//! Runs, plans, objects, groups and org units, as they are shown.

use crate::world::{Redacted, World, group, org_unit, person};
use adc_core::record::{GroupKind, Record};
use adc_server::store::UNAPPLIED_PLANS_KEPT;
use serde_json::{Value, json};
use std::time::Duration;

/// A small company: an org unit in another, a nested group that lists its own parent, and somebody nobody knows.
fn company() -> Vec<Record> {
    let mut jane = person("jane");
    jane.fields.insert("manager".to_owned(), "UID=John, OU=People, DC=LG, DC=local".into());
    let mut staff =
        group("staff", &["uid=JANE,ou=people", "cn=bosses,ou=groups", "uid=ghost,ou=people", "ou=people"]);
    staff.group_kind = Some(GroupKind::Security);
    let bosses = group("bosses", &["uid=john,ou=people", "uid=jane,ou=people", "cn=staff,ou=groups"]);
    vec![
        org_unit("1", "ou=people", "People"),
        org_unit("2", "ou=Labs,l=nowhere,ou=people", "Labs"),
        jane,
        person("john"),
        staff,
        bosses,
    ]
}

#[tokio::test]
async fn a_run_its_plan_and_its_objects_are_shown() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let preview = world.preview(&source, &company()).await;
    assert_eq!(caller.all("/users", 10).await, Vec::<Value>::new());
    assert_eq!(
        caller.all(&format!("/synchronizations/{}/objects", source.id), 10).await,
        Vec::<Value>::new()
    );
    world.pass_time(60_000);
    world.import(&source, &company()).await;
    world.pass_time(60_000);
    let mut second = company();
    second.remove(3);
    let mut rival = person("jane2");
    rival.name = "Jane@lg.local".to_owned();
    second.push(rival);
    let report = world.import(&source, &second).await;

    let mut redacted = Redacted::default();
    let runs = caller.all(&format!("/synchronizations/{}/runs", source.id), 1).await;
    assert_eq!(runs[2]["id"], preview.run_id, "newest first");
    let run = caller.get(&format!("/runs/{}", report.run_id)).await.ok();
    assert_eq!(run, runs[0]);
    insta::assert_json_snapshot!("run", redacted.of(run));
    let changes = caller.all(&format!("/runs/{}/changes", preview.run_id), 2).await;
    insta::assert_json_snapshot!("changes_of_the_first_run", redacted.of(changes.into()));
    let changes = caller.all(&format!("/runs/{}/changes", report.run_id), 2).await;
    insta::assert_json_snapshot!("changes_of_the_second_run", redacted.of(changes.into()));
    let objects = caller.all(&format!("/synchronizations/{}/objects", source.id), 2).await;
    insta::assert_json_snapshot!("objects", redacted.of(objects.into()));
}

#[tokio::test]
async fn a_plan_whose_lines_are_kept_no_longer_says_so() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut previews = Vec::new();
    for _ in 0..=UNAPPLIED_PLANS_KEPT {
        previews.push(world.preview(&source, &company()).await.run_id);
        world.pass_time(60_000);
    }
    let old = format!("/runs/{}", previews[0]);
    let forgotten = async {
        while caller.get(&old).await.ok()["lines_forgotten"] == false {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), forgotten).await.expect("is forgotten");
    let refused = caller.get(&format!("{old}/changes")).await;
    assert_eq!(refused.problem(), (410, "lines-forgotten"));
    assert!(refused.detail().contains("only the newest 5 keep theirs"), "{}", refused.detail());
    let own = world.agent(&source).get(&format!("/agent{old}/changes")).await;
    assert_eq!(own.problem(), (410, "lines-forgotten"));
    let next = format!("/runs/{}", previews[1]);
    assert_eq!(caller.get(&next).await.ok()["lines_forgotten"], false);
    assert_eq!(caller.all(&format!("{next}/changes"), 10).await.len(), 6);
}

#[tokio::test]
async fn plans_and_objects_are_filtered() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let report = world.import(&source, &company()).await;
    let changes = format!("/runs/{}/changes", report.run_id);
    let objects = format!("/synchronizations/{}/objects", source.id);
    for (path, count) in [
        (format!("{changes}?action=create"), 6),
        (format!("{changes}?action=delete"), 0),
        (format!("{changes}?kind=user&action=create"), 2),
        (format!("{changes}?q=JANE"), 1),
        (format!("{changes}?q=ou%3Dgroups"), 2),
        (format!("{objects}?kind=group"), 2),
        (format!("{objects}?status=synced"), 6),
        (format!("{objects}?status=conflict"), 0),
        (format!("{objects}?q=JOHN"), 1),
    ] {
        assert_eq!(caller.all(&path, 2).await.len(), count, "{path}");
    }
    assert_eq!(caller.get(&format!("{changes}?action=explode")).await.problem(), (400, "invalid-query"));
    let agent = world.agent(&source);
    assert_eq!(agent.all(&format!("/agent{changes}"), 2).await, caller.all(&changes, 500).await);
    let other = world.source("other").await;
    assert_eq!(world.agent(&other).get(&format!("/agent{changes}")).await.problem(), (404, "run-not-found"));
}

#[tokio::test]
async fn groups_show_whom_they_list_and_whom_they_reach() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    world.import(&source, &company()).await;
    let groups = caller.all("/groups", 1).await;
    let of = |name: &str| {
        let group = groups.iter().find(|group| group["name"] == name).expect("the group is there");
        format!("/groups/{}", group["id"].as_str().expect("has an id"))
    };
    assert_eq!(caller.get(&of("staff")).await.ok(), *groups.last().expect("has groups"));
    let direct = caller.all(&format!("{}/members", of("staff")), 1).await;
    let mut redacted = Redacted::default();
    insta::assert_json_snapshot!("group", redacted.of(groups[1].clone()));
    insta::assert_json_snapshot!("members", redacted.of(by_dn(direct)));

    for group in ["staff", "bosses"] {
        let effective = caller.all(&format!("{}/members?effective=true", of(group)), 1).await;
        let mut names: Vec<_> = effective
            .iter()
            .map(|member| {
                member["username"].as_str().or(member["dn"].as_str()).expect("has a name").to_owned()
            })
            .collect();
        names.sort();
        let expected = ["jane@lg.local", "john@lg.local", "uid=ghost,ou=people,dc=lg,dc=local"];
        assert_eq!(names, expected, "{group}: each once, though the groups list each other");
    }
}

#[tokio::test]
async fn a_member_that_arrives_later_is_resolved_by_then() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut company = company();
    world.import(&source, &company).await;
    company.push(person("ghost"));
    world.import(&source, &company).await;
    let group =
        caller.get("/groups?q=staff").await.ok()["items"][0]["id"].as_str().expect("has an id").to_owned();
    let members = caller.all(&format!("/groups/{group}/members"), 10).await;
    assert!(members.iter().all(|member| member["resolved"] == true), "{members:?}");
    world.import(&source, &company[..6]).await;
    let members = caller.all(&format!("/groups/{group}/members"), 10).await;
    let unresolved: Vec<_> = members.iter().filter(|member| member["resolved"] == false).collect();
    assert_eq!(unresolved.len(), 1, "a leaver is no member any more, and not forgotten: {members:?}");
}

#[tokio::test]
async fn a_member_whose_dn_two_objects_were_read_at_mixed_the_id_of_one_with_the_name_of_the_other() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    // Renamed while the directory was read, the one after the other; and an entry that both filters find.
    let (mut first, mut second, mut both) = (person("p1"), person("p2"), person("g1"));
    (first.name, second.name) = ("zora@lg.local".to_owned(), "anna@lg.local".to_owned());
    second.dn = first.dn.clone();
    let listed = group("g1", &["uid=p3,ou=people"]);
    (both.name, both.dn) = ("a person too".to_owned(), listed.dn.clone());
    let all = group("all", &["uid=p1,ou=people", "cn=g1,ou=groups"]);
    world.import(&source, &[first, second, both, person("p3"), listed, all]).await;

    let mut known: Vec<_> = caller.all("/users", 10).await;
    known.extend(caller.all("/groups", 10).await);
    let groups = caller.all("/groups?q=all", 10).await;
    let group = groups[0]["id"].as_str().expect("has an id");
    for (path, expected) in [("members", 2), ("members?effective=true", 3)] {
        let members = caller.all(&format!("/groups/{group}/{path}"), 10).await;
        assert_eq!(members.len(), expected, "{members:?}");
        for member in members {
            let object = known.iter().find(|object| object["id"] == member["id"]).expect("is in the account");
            assert_eq!(member["kind"], "user", "people come first: {member}");
            assert_eq!(member["username"], object["username"], "{member} is {object}");
        }
    }
}

#[tokio::test]
async fn org_units_know_their_place() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    world.import(&source, &company()).await;
    let units = caller.all("/org-units", 1).await;
    assert_eq!(units[0]["parent_id"], units[1]["id"], "the nearest org unit, though an l= stands between");
    let paths: Vec<_> = units.iter().map(|unit| unit["path"].clone()).collect();
    assert_eq!(paths, [json!(["People", "Labs"]), json!(["People"])]);
    assert_eq!(units[1]["parent_id"], Value::Null);
}

fn by_dn(mut members: Vec<Value>) -> Value {
    members.sort_by_key(|member| member["dn"].to_string());
    members.into()
}
