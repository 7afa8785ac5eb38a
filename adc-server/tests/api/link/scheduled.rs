//! Runs that are due, and the agent they are handed to.

use super::Puppet;
use crate::world::{Source, World, person};
use adc_core::protocol::{RunState, Trigger};
use adc_server::runs::{Engine, RunOrder};
use serde_json::{Value, json};

const SCHEDULED: RunOrder = RunOrder { trigger: Trigger::Schedule, dry_run: false, full: false };

/// A run that was due, as another process of the control plane queues it.
async fn queue(world: &World, source: &Source) -> String {
    let engine = Engine::new(world.store.clone(), world.clock.clone(), "https://cloud.example.com");
    engine.queue_run(&world.account_id, &source.id, SCHEDULED).await.expect("is queued").id
}

/// Returns when the hub has looked at everything that happened until now: it does one thing after the other, and hands these runs out.
async fn hub_has_looked(world: &World) {
    let other = world.source("another").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(world, &other, "z").await;
    for _ in 0..2 {
        let run = caller.post(&format!("/synchronizations/{}/runs", other.id), &json!({})).await.ok();
        puppet.asked().await;
        let (id, error) = (&run["id"], json!({ "code": "x", "message": "x" }));
        puppet.say(&json!({ "type": "run-ended", "run_id": id, "error": error })).await;
        let path = format!("/runs/{}", id.as_str().expect("an id"));
        while caller.get(&path).await.ok()["state"] != "failed" {}
    }
}

#[tokio::test]
async fn a_run_that_was_due_waits_while_a_plan_is_held_and_begins_after_the_decision() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let due = queue(&world, &source).await;
    let people: Vec<_> = (0..40).map(|number| person(&format!("user{number}"))).collect();
    world.import(&source, &people).await;
    let held = world.import(&source, &people[..10]).await;
    assert_eq!(held.state, RunState::Held);
    let mut puppet = Puppet::start(&world, &source, "a").await;
    hub_has_looked(&world).await;
    let agents = caller.all(&format!("/synchronizations/{}/agents", source.id), 10).await;
    assert_eq!(agents[0]["run"], Value::Null, "nobody was told to run");
    caller.post(&format!("/runs/{}/reject", held.run_id), &json!({})).await.ok();
    let request = puppet.asked().await;
    assert_eq!(request["request"]["run_id"], due);
    puppet.accept(&request).await;
    let opened = puppet.open(&request).await;
    assert_eq!(world.carry_out(&world.agent(&source), &opened, &people).await.state, RunState::Applied);
}

#[tokio::test]
async fn an_agent_that_has_not_begun_a_run_hears_that_its_schedule_was_switched_off() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let due = queue(&world, &source).await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let request = puppet.asked().await;
    assert_eq!(request["request"]["run_id"], due);
    puppet.accept(&request).await;
    caller.patch(&format!("/synchronizations/{}", source.id), &json!({ "schedule": null })).await.ok();
    let refused = puppet.try_open(&request).await;
    assert_eq!(refused.problem(), (409, "run-ended"));
    assert!(refused.detail().contains("schedule was switched off"), "{}", refused.detail());
    assert_eq!(puppet.asked().await["request"], json!({ "ask": "cancel", "run_id": due }));
}

/// Whichever comes first: either the run is under way and shown, or it is cancelled and the agent is told.
#[tokio::test]
async fn a_run_that_is_begun_while_its_schedule_is_switched_off_is_under_way_or_cancelled() {
    for _ in 0..20 {
        let world = World::start().await;
        let source = world.source("directory").await;
        let caller = world.administrator().await;
        let path = format!("/synchronizations/{}", source.id);
        let due = queue(&world, &source).await;
        let mut puppet = Puppet::start(&world, &source, "a").await;
        let request = puppet.asked().await;
        puppet.accept(&request).await;
        let off = json!({ "schedule": null });
        let (opened, patched) = tokio::join!(puppet.try_open(&request), caller.patch(&path, &off));
        let (shown, run) = (patched.ok(), caller.get(&format!("/runs/{due}")).await.ok());
        assert_eq!(shown["queued_run"], Value::Null);
        if opened.status == 200 {
            assert_eq!((&run["state"], &shown["active_run"]), (&json!("running"), &json!(due)));
        } else {
            assert_eq!(opened.problem(), (409, "run-ended"));
            assert_eq!((&run["state"], &shown["active_run"]), (&json!("cancelled"), &Value::Null));
        }
    }
}
