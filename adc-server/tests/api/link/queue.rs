//! Runs that the control plane wants: queued, handed to one agent, done once.

use super::{Puppet, runs_of};
use crate::world::{World, person};
use adc_core::protocol::{LEASE_SECONDS, RunState, Trigger};
use adc_server::runs::{Engine, RunOrder};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SCHEDULED: RunOrder = RunOrder { trigger: Trigger::Schedule, dry_run: false, full: false };

/// An engine beside the server's own, as another process has it.
fn engine(world: &World) -> Engine {
    Engine::new(world.store.clone(), world.clock.clone(), "https://cloud.example.com")
}

#[tokio::test]
async fn a_run_is_handed_to_the_agent_and_done_under_its_id() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    assert_eq!(caller.post(&runs_of(&source), &json!({})).await.problem(), (409, "no-agent"));
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let queued = caller.post(&runs_of(&source), &json!({ "full": true })).await;
    assert_eq!(queued.status, 202);
    let queued = queued.ok();
    assert_eq!((&queued["state"], &queued["agent"]), (&json!("queued"), &Value::Null));
    let request = puppet.asked().await;
    assert_eq!(
        request["request"],
        json!({ "ask": "run", "run_id": queued["id"], "dry_run": false, "full": true, "trigger": "manual" })
    );
    puppet.accept(&request).await;
    let opened = puppet.open(&request).await;
    let report = world.carry_out(&world.agent(&source), &opened, &[person("jane")]).await;
    assert_eq!(report.state, RunState::Applied);
    let run = caller.get(&format!("/runs/{}", report.run_id)).await.ok();
    assert_eq!((&run["trigger"], &run["agent"]["instance"]), (&json!("manual"), &json!("a")));
}

#[tokio::test]
async fn when_a_run_was_asked_for_was_forgotten_once_it_began() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    assert_eq!(queued["started_at"], Value::Null);
    let request = puppet.asked().await;
    puppet.accept(&request).await;
    world.pass_time(5_000);
    let opened = puppet.open(&request).await;
    let report = world.carry_out(&world.agent(&source), &opened, &[person("jane")]).await;
    assert_eq!(report.duration_ms, 0, "it waited, and then took no time");
    let run = caller.get(&format!("/runs/{}", report.run_id)).await.ok();
    assert_eq!(run["created_at"], queued["created_at"]);
    assert_eq!(run["started_at"], run["finished_at"]);
    assert_ne!(run["started_at"], run["created_at"]);
}

#[tokio::test]
async fn of_a_thousand_orders_at_once_one_is_taken() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let orders = (0..1_000).map(|_| {
        let (caller, path) = (caller.clone(), runs_of(&source));
        tokio::spawn(async move { caller.post(&path, &json!({})).await })
    });
    let mut taken = Vec::new();
    for order in orders.collect::<Vec<_>>() {
        let answer = order.await.expect("answers");
        match answer.status {
            202 => taken.push(answer.ok()["id"].clone()),
            _ => assert_eq!(answer.problem(), (409, "run-active")),
        }
    }
    assert_eq!(taken.len(), 1);
    let request = puppet.asked().await;
    assert_eq!(request["request"]["run_id"], taken[0]);
    puppet.accept(&request).await;
    let opened = puppet.open(&request).await;
    world.carry_out(&world.agent(&source), &opened, &[]).await;
}

#[tokio::test]
async fn an_agent_cannot_widen_what_was_asked_for() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    caller.post(&runs_of(&source), &json!({ "dry_run": true })).await.ok();
    let request = puppet.asked().await;
    puppet.accept(&request).await;
    let opened = puppet.open(&request).await;
    assert!(opened.settings.dry_run.value);
    let report = world.carry_out(&world.agent(&source), &opened, &[person("jane")]).await;
    assert_eq!(report.state, RunState::Previewed);
}

#[tokio::test]
async fn a_run_that_nobody_queued_is_not_opened_as_if_it_were() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let puppet = Puppet::start(&world, &source, "a").await;
    let made_up = json!({ "request": { "run_id": "run_0000000000000000", "trigger": "manual" } });
    assert_eq!(puppet.try_open(&made_up).await.problem(), (404, "run-not-found"));
}

#[tokio::test]
async fn a_run_is_done_by_the_process_that_opened_it_and_by_no_other() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    let second = Puppet::start(&world, &source, "b").await;
    caller.post(&runs_of(&source), &json!({})).await.ok();
    let request = first.asked().await;
    first.accept(&request).await;
    first.open(&request).await;
    assert_eq!(second.try_open(&request).await.problem(), (409, "run-taken"));
    assert_eq!(first.open(&request).await.run_id, request["request"]["run_id"], "it may ask again");
}

#[tokio::test]
async fn an_agent_that_does_not_take_a_run_leaves_it_to_another() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    let mut second = Puppet::start(&world, &source, "b").await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    first.asked().await;
    first.socket_dropped();
    let request = second.asked().await;
    assert_eq!(request["request"]["run_id"], queued["id"]);
}

#[tokio::test]
async fn an_agent_that_refuses_a_run_is_not_pestered_and_another_is_asked() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut first = Puppet::start(&world, &source, "a").await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    let busy = json!({ "error": { "code": "busy", "message": "Too many orders wait." } });
    let refused = Instant::now();
    for _ in 0..2 {
        let request = first.asked().await;
        assert_eq!(request["request"]["run_id"], queued["id"]);
        first.answer(&request, &busy).await;
    }
    assert!(refused.elapsed() >= Duration::from_secs(1), "it was asked again at once");
    let mut second = Puppet::start(&world, &source, "b").await;
    assert_eq!(second.asked().await["request"]["run_id"], queued["id"]);
}

#[tokio::test]
async fn a_run_that_could_not_be_opened_has_failed_and_says_why() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    let request = puppet.asked().await;
    puppet.accept(&request).await;
    let error = json!({ "code": "directory-unreachable", "message": "ldap://dc1 cannot be reached." });
    puppet.say(&json!({ "type": "run-ended", "run_id": queued["id"], "error": error })).await;
    // The next one is handed out only when this one is over.
    let next = loop {
        let answer = caller.post(&runs_of(&source), &json!({})).await;
        if answer.status == 202 {
            break answer.ok();
        }
    };
    assert_eq!(puppet.asked().await["request"]["run_id"], next["id"]);
    let run = caller.get(&format!("/runs/{}", queued["id"].as_str().expect("an id"))).await.ok();
    assert_eq!((&run["state"], &run["error"]), (&json!("failed"), &error));
}

#[tokio::test]
async fn a_queued_run_waits_for_an_agent_and_can_be_cancelled() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let queue = async || engine(&world).queue_run(&world.account_id, &source.id, SCHEDULED).await;
    let cancelled = queue().await.expect("is queued");
    assert_eq!(queue().await.expect_err("one waits").code(), "run-active");
    let run = caller.post(&format!("/runs/{}/cancel", cancelled.id), &json!({})).await.ok();
    assert_eq!(run["state"], "cancelled");
    let waiting = queue().await.expect("is queued");
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let request = puppet.asked().await;
    assert_eq!(request["request"]["run_id"], waiting.id);
    assert_eq!(request["request"]["trigger"], "schedule");
}

#[tokio::test]
async fn a_run_that_is_cancelled_before_it_was_opened_reaches_its_agent_and_is_not_opened_any_more() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let queued = caller.post(&runs_of(&source), &json!({})).await.ok();
    let request = puppet.asked().await;
    puppet.accept(&request).await;
    let path = format!("/runs/{}/cancel", queued["id"].as_str().expect("an id"));
    assert_eq!(caller.post(&path, &json!({})).await.ok()["state"], "cancelled");
    let cancel = puppet.asked().await;
    assert_eq!(cancel["request"], json!({ "ask": "cancel", "run_id": queued["id"] }));
    assert_eq!(puppet.try_open(&request).await.problem(), (409, "run-ended"));
}

#[tokio::test]
async fn nothing_that_nobody_asked_for_by_hand_runs_while_a_plan_is_held() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let people: Vec<_> = (0..40).map(|number| person(&format!("user{number}"))).collect();
    world.import(&source, &people).await;
    assert_eq!(world.import(&source, &people[..10]).await.state, RunState::Held);
    let refused = engine(&world).queue_run(&world.account_id, &source.id, SCHEDULED).await;
    assert_eq!(refused.expect_err("a plan is held").code(), "plan-held");
    let _puppet = Puppet::start(&world, &source, "a").await;
    assert_eq!(caller.post(&runs_of(&source), &json!({})).await.status, 202, "a person supersedes it");
}

#[tokio::test]
async fn a_run_that_its_agents_give_up_is_taken_over_twice_and_no_more() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    caller.post(&runs_of(&source), &json!({ "dry_run": true, "full": true })).await.ok();
    let interrupted = json!({ "error": { "code": "interrupted", "message": "interrupted" } });
    let mut before = Value::Null;
    for _ in 0..3 {
        let request = puppet.asked().await;
        let command = &request["request"];
        assert_eq!((&command["dry_run"], &command["full"]), (&json!(true), &json!(true)));
        puppet.accept(&request).await;
        let opened = puppet.open(&request).await;
        let run = caller.get(&format!("/runs/{}", opened.run_id)).await.ok();
        assert_eq!(run["takes_over"], before);
        before = json!(opened.run_id);
        puppet
            .say(&json!({ "type": "run-ended", "run_id": opened.run_id, "error": interrupted["error"] }))
            .await;
        // Else it may be called off, as one that goes on.
        puppet.is_heard().await;
        world.agent(&source).post(&format!("/agent/runs/{}/abort", opened.run_id), &interrupted).await.ok();
    }
    // The place in the queue is free: no fourth one waits there.
    assert_eq!(caller.post(&runs_of(&source), &json!({})).await.status, 202);
}

#[tokio::test]
async fn an_agent_that_waited_for_a_rate_limiter_went_on_with_a_run_that_was_long_over() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    caller.post(&runs_of(&source), &json!({})).await.ok();
    let request = puppet.asked().await;
    puppet.accept(&request).await;
    let run_id = puppet.open(&request).await.run_id;
    let engine = engine(&world);
    engine.recover().await.expect("knows of the run");
    engine.interrupt_silent_runs(Instant::now() + Duration::from_secs(LEASE_SECONDS)).await;
    // It talks of something else meanwhile: the hub hears that something happened.
    puppet.say(&json!({ "type": "directory", "kind": "openldap", "feed": "syncrepl" })).await;
    assert_eq!(puppet.asked().await["request"], json!({ "ask": "cancel", "run_id": run_id }));
    // It takes its own run over, as nobody else is there.
    let next = puppet.asked().await["request"].clone();
    let taken_over = next["run_id"].as_str().expect("an id");
    assert_eq!(caller.get(&format!("/runs/{taken_over}")).await.ok()["takes_over"], run_id);
}

#[tokio::test]
async fn where_a_run_stands_is_shown_while_it_is_under_way() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    caller.post(&runs_of(&source), &json!({})).await.ok();
    let request = puppet.asked().await;
    puppet.accept(&request).await;
    let opened = puppet.open(&request).await;
    let read = json!({ "users": 7, "groups": 0, "org_units": 0 });
    let progress = json!({ "run_id": opened.run_id, "phase": "reading", "read": read, "sent": 7 });
    let mut said = progress.clone();
    said["type"] = json!("progress");
    puppet.say(&said).await;
    // Frames are taken in their order: what is answered now was said later.
    puppet.say(&json!({ "type": "dance" })).await;
    while puppet.hear().await["type"] != "not-understood" {}
    let path = format!("/runs/{}", opened.run_id);
    assert_eq!(caller.get(&path).await.ok()["progress"], progress);
    world.carry_out(&world.agent(&source), &opened, &[]).await;
    assert_eq!(caller.get(&path).await.ok()["progress"], Value::Null);
}

#[tokio::test]
async fn an_agent_cannot_fail_the_run_of_another_synchronization() {
    let world = World::start().await;
    let (own, other) = (world.source("own").await, world.source("other").await);
    let waiting = engine(&world).queue_run(&world.account_id, &other.id, SCHEDULED).await.expect("is queued");
    let mut puppet = Puppet::start(&world, &own, "a").await;
    let read = json!({ "users": 0, "groups": 0, "org_units": 0 });
    puppet.say(&json!({ "type": "progress", "run_id": waiting.id, "phase": "connecting", "read": read, "sent": 0 })).await;
    let error = json!({ "code": "x", "message": "x" });
    puppet.say(&json!({ "type": "run-ended", "run_id": waiting.id, "error": error })).await;
    // Its own run is handed out after that was heard.
    let caller = world.administrator().await;
    caller.post(&runs_of(&own), &json!({})).await.ok();
    puppet.asked().await;
    assert_eq!(caller.get(&format!("/runs/{}", waiting.id)).await.ok()["state"], "queued");
}

#[tokio::test]
async fn a_queued_run_goes_with_its_synchronization() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let queued = engine(&world).queue_run(&world.account_id, &source.id, SCHEDULED).await.expect("is queued");
    caller.delete(&format!("/synchronizations/{}", source.id)).await.ok();
    assert_eq!(caller.get(&format!("/runs/{}", queued.id)).await.ok()["state"], "cancelled");
}

impl Puppet {
    /// Vanishes without a word.
    fn socket_dropped(self) {
        drop(self);
    }
}
