//! What is asked of connected agents.

use super::{Puppet, runs_of};
use crate::world::{Answer, Source, World};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, task::JoinSet};

/// Asks the API something that it must ask an agent, which answers with this.
async fn asked(world: &World, source: &Source, path: &str, answer: &Value) -> (Value, Answer) {
    let mut puppet = Puppet::start(world, source, "a").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}/{path}", source.id);
    let asking = tokio::spawn(async move {
        if path.ends_with("test-connection") {
            caller.post(&path, &json!({})).await
        } else {
            caller.get(&path).await
        }
    });
    let request = puppet.asked().await;
    puppet.answer(&request, answer).await;
    (request["request"].clone(), asking.await.expect("answers"))
}

#[tokio::test]
async fn the_connection_is_tested_by_a_connected_agent() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}/test-connection", source.id);
    assert_eq!(caller.post(&path, &json!({})).await.problem(), (409, "no-agent"));
    let hop =
        json!({ "hop": "bind", "state": "ok", "address": null, "message": "signed in", "duration_ms": 3 });
    let tested = json!({ "ok": { "answer": "tested-connection", "ok": true, "hops": [hop] } });
    let (request, answer) = asked(&world, &source, "test-connection", &tested).await;
    assert_eq!(request, json!({ "ask": "test-connection" }));
    assert_eq!(answer.ok(), json!({ "ok": true, "hops": [hop] }));
}

#[tokio::test]
async fn the_tree_is_browsed_and_an_entry_is_shown() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let browsed =
        json!({ "dn": "dc=lg", "containers": [{ "dn": "ou=a,dc=lg", "name": "a" }], "truncated": false });
    let mut answer = browsed.clone();
    answer["answer"] = json!("browsed");
    let (request, shown) = asked(&world, &source, "browse?dn=dc%3Dlg", &json!({ "ok": answer })).await;
    assert_eq!(request, json!({ "ask": "browse", "dn": "dc=lg" }));
    assert_eq!(shown.ok(), browsed);

    let none = json!({ "ok": { "answer": "sampled", "entry": null } });
    let (request, shown) = asked(&world, &source, "sample?filter=(uid=j*)", &none).await;
    assert_eq!(request, json!({ "ask": "sample", "of": { "filter": "(uid=j*)" } }));
    assert_eq!(shown.ok(), json!({ "entry": null }));
    let caller = world.administrator().await;
    let both = format!("/synchronizations/{}/sample?dn=a&filter=b", source.id);
    assert_eq!(caller.get(&both).await.problem(), (400, "bad-request"));
}

#[tokio::test]
async fn an_agent_that_refuses_is_quoted() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let refused =
        json!({ "error": { "code": "not-allowed", "message": "dc=other lies outside of base_dn." } });
    let (_, answer) = asked(&world, &source, "browse?dn=dc=other", &refused).await;
    assert_eq!(answer.problem(), (422, "agent-refused"));
    assert_eq!(answer.detail(), "dc=other lies outside of base_dn.");
}

#[tokio::test]
async fn an_agent_that_is_too_old_for_a_question_or_goes_away_is_no_reason_to_wait() {
    let world = World::start().await;
    let source = world.source("directory").await;
    for goes_away in [false, true] {
        let mut puppet = Puppet::start(&world, &source, "a").await;
        let caller = world.administrator().await;
        let path = format!("/synchronizations/{}/browse", source.id);
        let asking = tokio::spawn(async move { caller.get(&path).await });
        let request = puppet.asked().await;
        if goes_away {
            drop(puppet);
            assert_eq!(asking.await.expect("answers").problem(), (502, "agent-gone"));
        } else {
            let unknown = json!({ "type": "not-understood", "code": "unknown-message", "detail": "What?", "id": request["id"] });
            puppet.say(&unknown).await;
            assert_eq!(asking.await.expect("answers").problem(), (422, "agent-refused"));
        }
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_passed_over() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    puppet.answer(&json!({ "id": 4711 }), &json!({ "ok": { "answer": "accepted" } })).await;
    puppet.say(&json!({ "type": "pong" })).await;
    let agents = format!("/synchronizations/{}/agents", source.id);
    assert_eq!(world.administrator().await.get(&agents).await.ok()["items"][0]["instance"], "a");
}

#[tokio::test]
async fn an_agent_that_has_too_much_to_do_was_taken_for_one_that_does_not_want_to() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let busy = json!({ "error": { "code": "busy", "message": "16 questions are being answered." } });
    let (_, answer) = asked(&world, &source, "browse", &busy).await;
    assert_eq!(answer.problem(), (503, "agent-busy"));
    assert_eq!(answer.retry_after.as_deref(), Some("1"), "and when to ask again was not said");
}

#[tokio::test]
async fn a_thousand_questions_at_once_would_have_cost_an_agent_its_link() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}/test-connection", source.id);
    let mut asking = JoinSet::new();
    for _ in 0..1_000 {
        let (caller, path) = (caller.clone(), path.clone());
        asking.spawn(async move { caller.post(&path, &json!({})).await });
    }
    // The agent takes nothing meanwhile: what it has not room for is refused at once.
    for _ in 0..968 {
        let answer = asking.join_next().await.expect("there are more").expect("answers");
        assert_eq!(answer.problem(), (503, "agent-busy"));
    }
    // Whoever wants a run has room beside them.
    caller.post(&runs_of(&source), &json!({})).await.ok();
    let (mut answered, mut run) = (0, Value::Null);
    while answered < 32 || run.is_null() {
        let request = puppet.asked().await;
        if request["request"]["ask"] == "run" {
            puppet.accept(&request).await;
            run = request["request"]["run_id"].clone();
        } else {
            let tested = json!({ "ok": { "answer": "tested-connection", "ok": true, "hops": [] } });
            puppet.answer(&request, &tested).await;
            asking.join_next().await.expect("somebody waits").expect("answers").ok();
            answered += 1;
        }
    }
    let cancel = format!("/runs/{}/cancel", run.as_str().expect("an id"));
    let mut cancelling = JoinSet::new();
    for _ in 0..1_000 {
        let (caller, cancel) = (caller.clone(), cancel.clone());
        cancelling.spawn(async move { caller.post(&cancel, &json!({})).await.status });
    }
    let statuses = cancelling.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(puppet.asked().await["request"], json!({ "ask": "cancel", "run_id": run }));
    puppet.is_heard().await;
}

#[tokio::test]
async fn a_question_failed_because_the_first_agent_was_frozen_or_busy_or_gone_though_another_answered() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let mut first = Puppet::start(&world, &source, "a").await;
    let mut second = Puppet::start(&world, &source, "b").await;
    let path = format!("/synchronizations/{}/browse", source.id);
    let browsed =
        json!({ "ok": { "answer": "browsed", "dn": "dc=lg", "containers": [], "truncated": false } });
    let busy = json!({ "error": { "code": "busy", "message": "Later." } });
    for trouble in ["busy", "frozen", "gone"] {
        let (path, caller) = (path.clone(), world.administrator().await);
        if trouble == "frozen" {
            world.pass_time(16_000);
            second.is_heard().await;
        }
        let asking = tokio::spawn(async move { caller.get(&path).await });
        match trouble {
            "busy" => {
                let request = first.asked().await;
                first.answer(&request, &busy).await;
            }
            "gone" => {
                first.is_heard().await;
                first.socket.get_mut().shutdown().await.expect("hangs up");
            }
            _ => {}
        }
        let request = second.asked().await;
        second.answer(&request, &browsed).await;
        asking.await.expect("answers").ok();
    }
}
