//! Synchronizations: made, patched, removed.

use crate::world::{Redacted, World, group, org_unit, person};
use adc_core::policy::Policy;
use adc_server::{
    api::problem::Problem,
    store::{Edit, Editable, Synchronization},
};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_new_synchronization_shows_its_secret_once() {
    let world = World::start().await;
    let caller = world.administrator().await;
    let wishes = json!({ "name": "directory", "settings": { "dry-run": true }, "policy": { "guards": { "max_removals": 3 } } });
    let made = caller.post("/synchronizations", &wishes).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    let path = format!("/synchronizations/{}", made["id"].as_str().expect("has an id"));
    let shown = caller.get(&path).await.ok();
    let mut without_secret = made.clone();
    without_secret.as_object_mut().expect("is an object").remove("secret_token");
    assert_eq!(shown, without_secret);
    insta::assert_json_snapshot!(Redacted::default().of(made));
    assert_eq!(
        caller.post("/synchronizations", &json!({ "name": "directory" })).await.problem(),
        (409, "name-taken")
    );
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_and_raises_the_version_when_that_decides() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    let exclude = json!([{ "name": "robots", "filter": "(cn=robot*)" }]);
    // The patch, then what settings, policy and version are afterwards.
    let steps = [
        (json!({}), json!({}), Value::Null, 1),
        (json!({ "name": "people" }), json!({}), Value::Null, 1),
        (json!({ "settings": { "dry-run": true } }), json!({ "dry-run": true }), Value::Null, 2),
        (json!({ "settings": { "dry-run": true } }), json!({ "dry-run": true }), Value::Null, 2),
        (
            json!({ "settings": { "no-delete": false } }),
            json!({ "dry-run": true, "no-delete": false }),
            Value::Null,
            3,
        ),
        (json!({ "settings": { "dry-run": null } }), json!({ "no-delete": false }), Value::Null, 4),
        (json!({ "settings": null }), json!({}), Value::Null, 5),
        (json!({ "policy": { "exclude": exclude } }), json!({}), policy(&exclude, 10), 6),
        (json!({ "policy": { "guards": { "max_removals": 5 } } }), json!({}), policy(&exclude, 5), 7),
        (json!({ "policy": { "guards": null } }), json!({}), policy(&exclude, 10), 8),
        (json!({ "policy": { "exclude": [] } }), json!({}), Value::Null, 9),
        (json!({ "policy": null }), json!({}), Value::Null, 9),
    ];
    for (patch, settings, policy, version) in steps {
        let shown = caller.patch(&path, &patch).await.ok();
        assert_eq!((&shown["settings"], &shown["policy"]), (&settings, &policy), "after {patch}");
        assert_eq!(shown["version"], version, "after {patch}");
    }
    assert_eq!(caller.get(&path).await.ok()["name"], "people");
}

#[tokio::test]
async fn what_a_merge_patch_makes_must_be_acceptable_as_a_whole() {
    let world = World::start().await;
    let source = world.source("directory").await;
    world.source("second").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    let before = caller.get(&path).await.ok();
    for (patch, status, code, named) in [
        (json!({ "naem": "x" }), 422, "invalid-body", "naem"),
        (json!({ "settings": { "dry_run": true } }), 422, "invalid-body", "dry_run"),
        (json!({ "settings": { "dry-run": 1 } }), 422, "invalid-body", "settings.dry-run"),
        (json!({ "settings": "on" }), 422, "invalid-body", "settings"),
        (
            json!({ "policy": { "guards": { "max_removals_percent": 101 } } }),
            422,
            "invalid-policy",
            "0 to 100",
        ),
        (json!({ "policy": { "include": ["(cn=a"] } }), 422, "invalid-body", "policy.include[0]"),
        (
            json!({ "policy": { "mapping": { "fields": [{ "name": "username" }] } } }),
            422,
            "invalid-policy",
            "username",
        ),
        (json!({ "name": null }), 422, "invalid-body", "name"),
        (json!({ "name": " " }), 422, "invalid-name", "empty"),
        (json!({ "name": "second" }), 409, "name-taken", "second"),
        (json!([1]), 422, "invalid-body", "expected a map"),
    ] {
        let answer = caller.patch(&path, &patch).await;
        assert_eq!(answer.problem(), (status, code), "{patch}: {}", answer.body);
        assert!(answer.detail().contains(named), "{patch}: {}", answer.detail());
    }
    assert_eq!(caller.get(&path).await.ok(), before);
}

#[tokio::test]
async fn a_policy_that_asks_for_a_secret_is_refused_before_any_agent_hears_of_it() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    let before = caller.get(&path).await.ok();
    for (policy, attribute) in [
        (json!({ "mapping": { "fields": [{ "name": "pw", "from": "userPassword" }] } }), "userPassword"),
        (json!({ "mapping": { "fields": [{ "name": "pw", "from": "{{ unicodePwd }}" }] } }), "unicodePwd"),
        (json!({ "include": ["(userPassword=a*)"] }), "userPassword"),
        (json!({ "exclude": [{ "name": "x", "filter": "(unicodePwd=*)" }] }), "unicodePwd"),
    ] {
        let patched = caller.patch(&path, &json!({ "policy": policy })).await;
        let made = caller.post("/synchronizations", &json!({ "name": "new", "policy": policy })).await;
        for answer in [patched, made] {
            assert_eq!(answer.problem(), (422, "invalid-policy"), "{policy}");
            // Filters keep attributes in lower case.
            let detail = answer.detail().to_lowercase();
            assert!(detail.contains(&format!("asks for {}", attribute.to_lowercase())), "{policy}: {detail}");
        }
    }
    assert_eq!(caller.get(&path).await.ok(), before);
    assert_eq!(caller.all("/synchronizations", 10).await.len(), 1);
}

#[tokio::test]
async fn a_policy_that_no_agent_could_use_was_taken_and_failed_every_run() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    let before = caller.get(&path).await.ok();
    for (policy, named) in [
        (json!({ "mapping": { "fields": [{ "name": "x", "from": ["{{ mail }}"] }] } }), "write it alone"),
        (json!({ "mapping": { "fields": [{ "name": "x", "from": "given name" }] } }), "is no attribute"),
        (json!({ "mapping": { "fields": [{ "name": "x", "from": ["*"] }] } }), "is no attribute"),
        (json!({ "exclude": [{ "name": "x", "filter": "(cn:1.2.3:=a)" }] }), "cannot evaluate"),
    ] {
        let answer = caller.patch(&path, &json!({ "policy": policy })).await;
        assert_eq!(answer.problem(), (422, "invalid-policy"), "{policy}");
        assert!(answer.detail().contains(named), "{policy}: {}", answer.detail());
    }
    assert_eq!(caller.get(&path).await.ok(), before);
}

#[tokio::test]
async fn a_policy_that_an_older_version_took_kept_every_switch_from_being_turned() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let policy = json!({ "mapping": { "fields": [{ "name": "x", "from": "given name" }] } });
    let policy: Policy = serde_json::from_value(policy).expect("a policy");
    let taken = |current: &Synchronization| {
        Ok::<_, Problem>(Editable { policy: Some(policy.clone()), ..current.editable() })
    };
    let edit =
        world.store.edit_synchronization(&world.account_id, &source.id, world.clock.now(), taken).await;
    assert!(matches!(edit, Ok(Edit::Done(_))));
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    caller.patch(&path, &json!({ "settings": { "no-delete": true } })).await.ok();
    let answer = caller.patch(&path, &json!({ "policy": { "login_without_domain": true } })).await;
    assert_eq!(answer.problem(), (422, "invalid-policy"));
}

#[tokio::test]
async fn both_content_types_of_a_patch_are_taken() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    for (name, content_type, status) in [
        ("one", "application/json", 200),
        ("two", "application/merge-patch+json; charset=utf-8", 200),
        ("three", "text/plain", 415),
    ] {
        let request = caller
            .request(Method::PATCH, &format!("/synchronizations/{}", source.id))
            .header(CONTENT_TYPE, content_type)
            .body(json!({ "name": name }).to_string());
        assert_eq!(caller.send(request).await.status, status, "{content_type}");
    }
}

#[tokio::test]
async fn removing_a_synchronization_removes_nobody() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let report = world.import(&source, &[person("jane"), group("staff", &["uid=jane,ou=people"])]).await;
    let path = format!("/synchronizations/{}", source.id);

    let opened = world.agent(&source).open(true).await;
    let busy = caller.delete(&path).await;
    assert_eq!(busy.problem(), (409, "run-active"));
    assert_eq!(busy.body["run_id"], opened.run_id);
    caller.post(&format!("/runs/{}/cancel", opened.run_id), &json!({})).await.ok();

    assert_eq!(caller.delete(&path).await.status, 204);
    assert_eq!(caller.get(&path).await.problem(), (404, "synchronization-not-found"));
    assert_eq!(caller.delete(&path).await.problem(), (404, "synchronization-not-found"));
    let users = caller.all("/users", 10).await;
    assert_eq!(users.len(), 1);
    assert_eq!((&users[0]["status"], &users[0]["provider"]), (&json!("active"), &json!({ "kind": "local" })));
    assert_eq!(caller.all("/groups", 10).await, Vec::<Value>::new());
    caller.get(&format!("/runs/{}", report.run_id)).await.ok();
    let events = caller.all("/events", 10).await;
    let removed: Vec<_> = events.iter().filter(|event| event["kind"] == "synchronization").collect();
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0]["action"], "delete");
    assert_eq!(world.agent(&source).post("/agent/runs", &json!({})).await.status, 401);
}

#[tokio::test]
async fn removing_a_synchronization_left_its_people_and_groups_out_of_the_feed() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let kept = world.source("another directory").await;
    let caller = world.administrator().await;
    world.import(&kept, &[person("kept"), group("kept", &[])]).await;
    let before = [
        person("jane"),
        person("left"),
        group("staff", &["uid=jane,ou=people"]),
        group("gone", &[]),
        org_unit("1", "ou=people", "People"),
    ];
    world.import(&source, &before).await;
    world.import(&source, &[person("jane"), before[2].clone(), before[4].clone()]).await;
    let objects = async || {
        let mut objects = caller.all("/users", 10).await;
        for path in ["/users?status=deleted", "/groups", "/org-units"] {
            objects.extend(caller.all(path, 10).await);
        }
        let ours = objects.into_iter().filter(|object| object["provider"]["synchronization_id"] == source.id);
        ours.map(|object| object["id"].as_str().expect("has an id").to_owned()).collect::<BTreeSet<_>>()
    };
    let held = objects().await;
    assert_eq!(held.len(), 4, "jane, the leaver, staff, People");
    let told_before = caller.all("/events", 500).await.len();
    let sequence = world.store.ledger_seq(&world.account_id).await.expect("reads");
    let by = caller.delete(&format!("/synchronizations/{}", source.id)).await;
    assert_eq!(by.status, 204);
    assert_eq!(world.store.ledger_seq(&world.account_id).await.expect("reads"), sequence + 1);
    caller.post("/users", &json!({ "username": "later" })).await.ok();

    let mut events = caller.all("/events", 1).await;
    assert_eq!(events, caller.all("/events", 500).await, "page by page as at once");
    let events = events.split_off(told_before);
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().expect("has a kind")).collect();
    assert_eq!(
        kinds,
        ["synchronization", "group", "org_unit", "user", "user", "user"],
        "the last came later"
    );
    let lines = &events[1..5];
    let told: BTreeSet<_> =
        lines.iter().map(|line| line["object_id"].as_str().expect("has an id").to_owned()).collect();
    assert_eq!(told, held);
    insta::assert_json_snapshot!("removed", Redacted::default().of(json!([events[0], lines[0], lines[2]])));
    assert_eq!(objects().await, BTreeSet::new());
}

#[tokio::test]
async fn a_held_plan_goes_with_its_synchronization() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let people: Vec<_> = (0..30).map(|number| person(&format!("p{number:02}"))).collect();
    world.import(&source, &people).await;
    let held = world.import(&source, &people[..10]).await;
    let run = format!("/runs/{}", held.run_id);
    assert_eq!(caller.get(&run).await.ok()["state"], "held");
    assert_eq!(caller.delete(&format!("/synchronizations/{}", source.id)).await.status, 204);
    assert_eq!(caller.get(&run).await.ok()["state"], "cancelled");
    assert_eq!(caller.post(&format!("{run}/approve"), &json!({})).await.problem().0, 409);
    assert_eq!(caller.all("/users", 500).await.len(), 30);
    let events = caller.all("/events", 500).await;
    let removed = events.iter().find(|event| event["kind"] == "synchronization").expect("is told");
    let after = json!({ "became_local": 30, "dropped_plan": { "run_id": held.run_id, "removals": 20 } });
    assert_eq!(removed["after"], after, "those who were to go stay, and nobody was told");
}

/// The policy that differs from the default in these.
fn policy(exclude: &Value, max_removals: u32) -> Value {
    json!({
        "mapping": { "fields": [] },
        "include": [],
        "exclude": exclude,
        "guards": { "max_removals": max_removals, "max_removals_percent": 10, "max_blanked_percent": 50 },
        "follow_changes": true,
        "auto_synchronization": true,
        "login_without_domain": false,
    })
}
