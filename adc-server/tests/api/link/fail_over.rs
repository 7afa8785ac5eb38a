//! An agent that cannot do what it is told, beside one that can.

use super::{Puppet, runs_of, sign_in::listen};
use crate::world::World;
use adc_core::protocol::{RunState, link::CloseCode};
use serde_json::{Value, json};
use std::fs;

impl Puppet {
    /// Takes the run that it is told to do, and says that it could not begin it.
    async fn cannot_begin(&mut self, code: &str) -> Value {
        let request = self.asked().await;
        assert_eq!(request["request"]["ask"], "run");
        self.accept(&request).await;
        let run_id = request["request"]["run_id"].clone();
        let error = json!({ "code": code, "message": "ldap://dc1 cannot be reached." });
        self.say(&json!({ "type": "run-ended", "run_id": run_id, "error": error })).await;
        run_id
    }
}

#[tokio::test]
async fn a_run_failed_because_one_agent_could_not_reach_its_directory_though_another_could() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    let mut second = Puppet::start(&world, &source, "b").await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    assert_eq!(first.cannot_begin("directory-unreachable").await, queued["id"]);
    let request = second.asked().await;
    assert_eq!(request["request"]["run_id"], queued["id"]);
    second.accept(&request).await;
    let opened = second.open(&request).await;
    let report = world.carry_out(&world.agent(&source), &opened, &[]).await;
    assert_eq!(report.state, RunState::Applied);
    // The next one goes to whom it worked with, and so do questions.
    caller.post(&runs_of(&source), &json!({})).await.ok();
    let request = second.asked().await;
    assert_eq!(request["request"]["ask"], "run");
}

#[tokio::test]
async fn a_run_goes_to_an_agent_that_is_heard_of_before_one_that_came_first_and_has_missed_a_ping() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut silent = Puppet::start(&world, &source, "a").await;
    let mut second = Puppet::start(&world, &source, "b").await;
    world.pass_time(16_000);
    second.is_heard().await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    assert_eq!(second.asked().await["request"]["run_id"], queued["id"]);
    assert!(!silent.heard_any_of(&["request"]).await, "it was given the run first");
}

#[tokio::test]
async fn a_run_that_no_agent_can_begin_is_tried_by_each_once_and_has_failed() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    let mut second = Puppet::start(&world, &source, "b").await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    assert_eq!(first.cannot_begin("directory-tls").await, queued["id"]);
    assert_eq!(second.cannot_begin("bind-refused").await, queued["id"]);
    let path = format!("/runs/{}", queued["id"].as_str().expect("an id"));
    let run = loop {
        let run = caller.get(&path).await.ok();
        if run["state"] != "queued" {
            break run;
        }
    };
    assert_eq!((&run["state"], &run["error"]["code"]), (&json!("failed"), &json!("bind-refused")));
}

#[tokio::test]
async fn what_every_agent_would_meet_is_tried_by_one() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    let mut second = Puppet::start(&world, &source, "b").await;
    caller.post(&runs_of(&source), &json!({})).await.ok();
    let failed = first.cannot_begin("base-not-found").await;
    let next = loop {
        let answer = caller.post(&runs_of(&source), &json!({})).await;
        if answer.status == 202 {
            break answer.ok();
        }
    };
    assert_eq!(
        first.cannot_begin("directory-silent").await,
        next["id"],
        "it goes to the one that works already"
    );
    assert_eq!(second.asked().await["request"]["run_id"], next["id"], "and was never told of {failed}");
}

#[tokio::test]
async fn an_agent_that_cannot_reach_its_directory_comes_last_until_it_can_or_five_minutes_have_passed() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let path = format!("/synchronizations/{}/browse", source.id);
    let mut first = Puppet::start(&world, &source, "a").await;
    let mut second = Puppet::start(&world, &source, "b").await;
    let trouble = json!({ "type": "run-ended", "run_id": "run_1", "error": { "code": "directory-silent", "message": "x" } });
    let answer =
        json!({ "ok": { "answer": "browsed", "dn": "dc=lg", "containers": [], "truncated": false } });
    for reached in [false, true] {
        first.say(&trouble).await;
        first.is_heard().await;
        let (asking, caller) = (path.clone(), world.administrator().await);
        let asking = tokio::spawn(async move { caller.get(&asking).await });
        let request = second.asked().await;
        second.answer(&request, &answer).await;
        asking.await.expect("answers").ok();
        if reached {
            first.say(&json!({ "type": "directory", "kind": "openldap", "feed": "syncrepl" })).await;
            first.is_heard().await;
        } else {
            world.pass_time(5 * 60_000);
            first.is_heard().await;
            second.is_heard().await;
        }
        let (asking, caller) = (path.clone(), world.administrator().await);
        let asking = tokio::spawn(async move { caller.get(&asking).await });
        let request = first.asked().await;
        first.answer(&request, &answer).await;
        asking.await.expect("answers").ok();
    }
}

#[tokio::test]
async fn a_run_that_an_agent_accepted_and_never_began_waited_for_as_long_as_its_link_stood() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    let request = first.asked().await;
    first.accept(&request).await;
    first.is_heard().await;
    world.pass_time(30_000);
    // Its coming has the hub look how things stand.
    let mut second = Puppet::start(&world, &source, "b").await;
    let request = second.asked().await;
    assert_eq!(request["request"]["run_id"], queued["id"]);
    assert_eq!(first.asked().await["request"], json!({ "ask": "cancel", "run_id": queued["id"] }));
    second.accept(&request).await;
    second.is_heard().await;
    world.pass_time(30_000);
    second.say(&json!({ "type": "directory", "kind": "openldap", "feed": null })).await;
    let path = format!("/runs/{}", queued["id"].as_str().expect("an id"));
    let run = loop {
        let run = caller.get(&path).await.ok();
        if run["state"] != "queued" {
            break run;
        }
    };
    assert_eq!((&run["state"], &run["error"]["code"]), (&json!("failed"), &json!("run-not-begun")));
}

#[tokio::test]
async fn another_was_said_to_be_asked_where_there_was_none() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let (log, _listening) = listen();
    let mut first = Puppet::start(&world, &source, "a").await;
    caller.post(&runs_of(&source), &json!({})).await.ok();
    for next in
        ["before it began a run; it waits until one is connected", "before it began a run; another is asked"]
    {
        let request = first.asked().await;
        first.accept(&request).await;
        first.is_heard().await;
        let second = Puppet::start(&world, &source, "b");
        let second = if next.ends_with("asked") { Some(second.await) } else { None };
        world.pass_time(10_000);
        assert_eq!(first.closed().await, CloseCode::Silent);
        let said = fs::read_to_string(log.path()).expect("it is ours");
        assert!(said.lines().any(|line| line.contains("WARN") && line.contains(next)), "{said}");
        first = match second {
            Some(second) => second,
            None => Puppet::start(&world, &source, "a").await,
        };
    }
}
