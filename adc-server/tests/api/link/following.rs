//! Who follows the directory's changes, and what is shown of it.

use super::{Puppet, hello, runs_of};
use crate::world::{Caller, Source, World, person};
use adc_core::protocol::RunState;
use serde_json::{Value, json};

impl Puppet {
    /// Waits until it is told to follow changes, or not any more.
    async fn told_to_follow(&mut self) -> bool {
        loop {
            let message = self.hear().await;
            if message["type"] == "follow" {
                return message["changes"].as_bool().expect("yes or no");
            }
        }
    }

    /// Waits until it is told not to follow changes, and returns why.
    async fn told_why_not(&mut self) -> Value {
        loop {
            let message = self.hear().await;
            if message["type"] == "follow" {
                assert_eq!(message["changes"], false);
                return message["because"].clone();
            }
        }
    }

    /// Whether something was asked of it since it has listened last.
    async fn was_asked(&mut self) -> bool {
        self.say(&json!({ "type": "dance" })).await;
        let mut asked = false;
        loop {
            let message = self.hear().await;
            if message["type"] == "not-understood" {
                return asked;
            }
            asked |= message["type"] == "request";
        }
    }

    /// Says that the directory refuses its bind account.
    async fn is_refused(&mut self) {
        let trouble = json!({ "code": "bind-refused", "message": "cn=readonly is refused." });
        self.say(&json!({ "type": "directory", "kind": "openldap", "feed": "syncrepl", "trouble": trouble }))
            .await;
    }
}

/// Waits until the hub has looked after everybody whom something happened to before: it takes one after the other, and is kept busy
/// with another synchronization until then.
async fn settled(world: &World, caller: &Caller) {
    let other = world.source("another").await;
    let mut puppet = Puppet::start(world, &other, "other").await;
    for _ in 0..5 {
        let run = caller.post(&runs_of(&other), &json!({})).await.ok();
        let request = puppet.asked().await;
        puppet.accept(&request).await;
        let cancel = format!("/runs/{}/cancel", run["id"].as_str().expect("an id"));
        caller.post(&cancel, &json!({})).await.ok();
        assert_eq!(puppet.asked().await["request"]["ask"], "cancel");
        let error = json!({ "code": "interrupted", "message": "interrupted" });
        puppet.say(&json!({ "type": "run-ended", "run_id": run["id"], "error": error })).await;
        puppet.is_heard().await;
    }
}

/// A synchronization that somebody has brought under way.
async fn under_way(world: &World) -> Source {
    let source = world.source("directory").await;
    world.import(&source, &[person("jane")]).await;
    source
}

/// What the API says of each agent under this key.
async fn told_of_agents(caller: &Caller, source: &Source, key: &str) -> Vec<Value> {
    let agents = caller.get(&format!("/synchronizations/{}/agents", source.id)).await.ok();
    let agents = agents["items"].as_array().expect("a list").clone();
    agents.into_iter().map(|agent| agent[key].clone()).collect()
}

async fn shown_as_following(caller: &Caller, source: &Source) -> Vec<Value> {
    told_of_agents(caller, source, "follows_changes").await
}

#[tokio::test]
async fn an_agent_that_spared_its_bind_account_was_given_work_again_after_five_minutes() {
    let world = World::start().await;
    let source = under_way(&world).await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    assert!(first.told_to_follow().await);
    let mut second = Puppet::start(&world, &source, "b").await;
    first.is_refused().await;
    assert!(second.told_to_follow().await, "the other one does, whose directory answers");
    assert!(!first.told_to_follow().await);
    world.pass_time(180_000);
    second.is_refused().await;
    second.is_heard().await;
    world.pass_time(180_000);
    first.is_heard().await;
    second.is_heard().await;
    // Neither can: it stays with the one that has it, and the first is not woken before its account may be tried.
    caller.post(&runs_of(&source), &json!({})).await.ok();
    assert_eq!(second.asked().await["request"]["ask"], "run");
    assert!(!first.was_asked().await);
}

/// What the API says of why each agent does not follow.
async fn why_not(caller: &Caller, source: &Source) -> Vec<Value> {
    told_of_agents(caller, source, "not_following_because").await
}

#[tokio::test]
async fn two_agents_whose_directory_cannot_be_read_threw_the_role_to_each_other() {
    let world = World::start().await;
    let source = under_way(&world).await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    assert!(first.told_to_follow().await);
    let mut second = Puppet::start(&world, &source, "b").await;
    first.is_refused().await;
    assert!(second.told_to_follow().await);
    assert!(!first.told_to_follow().await);
    second.is_refused().await;
    // It tries all the same, and is busy with it.
    let read = json!({ "users": 0, "groups": 0, "org_units": 0 });
    second
        .say(&json!({ "type": "progress", "run_id": "run_1", "phase": "reading", "read": read, "sent": 0 }))
        .await;
    second.is_heard().await;
    second.is_refused().await;
    second.is_heard().await;
    settled(&world, &caller).await;
    assert_eq!(why_not(&caller, &source).await, [json!("another-follows"), json!("directory-trouble")]);
}

#[tokio::test]
async fn nobody_said_why_changes_were_not_followed() {
    let world = World::start().await;
    let caller = world.administrator().await;
    let source = world.source("idle").await;
    let _idle = Puppet::start(&world, &source, "a").await;
    settled(&world, &caller).await;
    assert_eq!(why_not(&caller, &source).await, [json!("never-applied")]);

    let source = under_way(&world).await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    assert!(puppet.told_to_follow().await);
    assert_eq!(why_not(&caller, &source).await, [Value::Null]);
    let policy = json!({ "policy": { "follow_changes": false } });
    caller.patch(&format!("/synchronizations/{}", source.id), &policy).await.ok();
    assert!(!puppet.told_to_follow().await);
    assert_eq!(why_not(&caller, &source).await, [json!("policy")]);
}

#[tokio::test]
async fn each_reason_not_to_follow_is_told_to_the_agent_and_shown() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let people: Vec<_> = (0..40).map(|number| person(&format!("user{number}"))).collect();
    world.import(&source, &people).await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    assert!(puppet.told_to_follow().await);
    let path = format!("/synchronizations/{}", source.id);
    for (said, because) in [
        (json!({ "policy": { "follow_changes": false } }), "policy"),
        (json!({ "policy": null, "settings": { "dry-run": true } }), "dry-run"),
    ] {
        caller.patch(&path, &said).await.ok();
        assert_eq!(puppet.told_why_not().await, because);
        assert_eq!(why_not(&caller, &source).await, [because]);
    }
    caller.patch(&path, &json!({ "settings": null })).await.ok();
    assert!(puppet.told_to_follow().await);
    let held = world.import(&source, &people[..10]).await;
    assert_eq!(held.state, RunState::Held);
    assert_eq!(puppet.told_why_not().await, "plan-held");
    assert_eq!(why_not(&caller, &source).await, ["plan-held"]);
    caller.post(&format!("/runs/{}/reject", held.run_id), &json!({})).await.ok();
    assert!(puppet.told_to_follow().await);
    puppet.say(&json!({ "type": "not-following" })).await;
    puppet.is_heard().await;
    assert_eq!(why_not(&caller, &source).await, ["no-feed"]);
}

#[tokio::test]
async fn whoever_had_stopped_following_was_shown_as_the_one_that_follows() {
    let world = World::start().await;
    let source = under_way(&world).await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    assert!(puppet.told_to_follow().await);
    assert_eq!(shown_as_following(&caller, &source).await, [json!(true)]);

    puppet.is_refused().await;
    puppet.is_heard().await;
    assert_eq!(shown_as_following(&caller, &source).await, [json!(false)], "its directory is out of reach");
    puppet.say(&json!({ "type": "directory", "kind": "openldap", "feed": "syncrepl" })).await;
    puppet.is_heard().await;
    assert_eq!(shown_as_following(&caller, &source).await, [json!(true)]);

    puppet.say(&json!({ "type": "not-following" })).await;
    puppet.is_heard().await;
    assert_eq!(shown_as_following(&caller, &source).await, [json!(false)], "its directory offers no feed");
    // What is read may have a feed now: it is told once more.
    let policy = json!({ "policy": { "exclude": [{ "name": "leads", "filter": "(title=Lead)" }] } });
    caller.patch(&format!("/synchronizations/{}", source.id), &policy).await.ok();
    assert!(puppet.told_to_follow().await);
    assert_eq!(shown_as_following(&caller, &source).await, [json!(true)]);
}

#[tokio::test]
async fn a_run_was_taken_from_an_agent_whose_directory_took_its_time() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    caller.post(&runs_of(&source), &json!({})).await.ok();
    let request = first.asked().await;
    first.accept(&request).await;
    first.is_heard().await;
    world.pass_time(25_000);
    let read = json!({ "users": 0, "groups": 0, "org_units": 0 });
    let run_id = &request["request"]["run_id"];
    first
        .say(&json!({ "type": "progress", "run_id": run_id, "phase": "connecting", "read": read, "sent": 0 }))
        .await;
    first.is_heard().await;
    world.pass_time(10_000);
    // Its coming has the hub look how things stand.
    let mut second = Puppet::start(&world, &source, "b").await;
    settled(&world, &caller).await;
    assert!(!second.was_asked().await, "the first one says that it is at work");
    world.pass_time(30_000);
    let mut third = hello("c");
    third["directory"] = Value::Null;
    let mut stirs = Puppet::silent(&world, &source, "c").await;
    stirs.say(&third).await;
    assert_eq!(
        second.asked().await["request"]["run_id"],
        *run_id,
        "and is given up when it says nothing more"
    );
}
