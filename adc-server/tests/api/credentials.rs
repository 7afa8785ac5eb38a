//! Agents' credentials, and what a server tells without any.

use crate::world::{World, person};
use adc_server::roles::Role;
use serde_json::json;

#[tokio::test]
async fn an_unknown_application_id_and_a_wrong_secret_get_the_same_answer() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let unknown = world.anonymous().with_basic("app_0000000000000000", &source.secret_token);
    let wrong = world.anonymous().with_basic(&source.application_id, "adcs_wrong");
    let (unknown, wrong) =
        (unknown.post("/agent/runs", &json!({})).await, wrong.post("/agent/runs", &json!({})).await);
    assert_eq!(unknown.problem(), (401, "unauthorized"));
    assert_eq!(unknown.body, wrong.body);
}

#[tokio::test]
async fn a_rotated_secret_is_worth_nothing_any_more() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let administrator = world.administrator().await;
    world.agent(&source).open(true).await;
    let answer =
        administrator.post(&format!("/synchronizations/{}/rotate-secret", source.id), &json!({})).await.ok();
    let new = answer["secret_token"].as_str().expect("shows the secret").to_owned();
    assert_ne!(new, source.secret_token);
    let old = world.agent(&source).post("/agent/runs", &json!({})).await;
    assert_eq!(old.problem(), (401, "unauthorized"));
    let rotated = world.anonymous().with_basic(&source.application_id, &new);
    assert_eq!(rotated.post("/agent/runs", &json!({})).await.status, 400, "signed in, and sent nonsense");
    let shown = administrator.get(&format!("/synchronizations/{}", source.id)).await.ok();
    assert!(!shown.to_string().contains("adcs_"), "no secret is shown twice: {shown}");
}

#[tokio::test]
async fn health_and_metrics_need_no_key_and_tell_nothing_secret() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let administrator = world.administrator().await;
    administrator.get(&format!("/synchronizations/{}", source.id)).await.ok();
    let plain = world.anonymous();
    for (path, expected) in [("/../../healthz", "ok"), ("/../../readyz", "ready")] {
        assert_eq!(plain.get(path).await.ok()["status"], expected);
    }
    let metrics = plain.get("/../../metrics").await.ok();
    let metrics = metrics.as_str().expect("is text");
    assert!(
        metrics.contains(r#"adc_http_requests_total{method="GET",route="/api/v1/synchronizations/{id}""#),
        "{metrics}"
    );
    for secret in ["acme", &source.application_id, &source.secret_token, &world.account_id] {
        assert!(!metrics.contains(secret), "{secret} stands in the metrics");
    }
}

#[tokio::test]
async fn metrics_say_how_things_stand_and_name_nobody() {
    let world = World::start().await;
    let source = world.source("headquarters").await;
    let people: Vec<_> = (0..30).map(|number| person(&format!("p{number:02}"))).collect();
    let none = world.anonymous().get("/../../metrics").await.ok();
    assert!(none.as_str().expect("is text").contains(r#"adc_users{status="active"} 0"#), "{none}");
    world.import(&source, &people).await;
    world.import(&source, &people[..28]).await;
    world.import(&source, &people[..10]).await;
    let administrator = world.administrator().await;
    let one = administrator.get("/users?limit=1").await.ok()["items"][0]["id"].clone();
    let path = format!("/users/{}", one.as_str().expect("has an id"));
    administrator.patch(&path, &json!({ "status": "disabled" })).await.ok();
    world.pass_time(90_500);
    let metrics = world.anonymous().get("/../../metrics").await.ok();
    let metrics = metrics.as_str().expect("is text");
    let since = format!("adc_seconds_since_last_applied_run{{synchronization=\"{}\"}} 90.500", source.id);
    for line in [
        r#"adc_runs{state="applied"} 2"#,
        r#"adc_runs{state="held"} 1"#,
        "adc_held_plans 1",
        &format!("adc_held_plan_age_seconds{{synchronization=\"{}\"}} 90.500", source.id),
        &format!("adc_agents_connected{{synchronization=\"{}\"}} 0", source.id),
        &format!("adc_follows_changes{{synchronization=\"{}\"}} 1", source.id),
        &format!("adc_conflicts{{synchronization=\"{}\"}} 0", source.id),
        r#"adc_users{status="active"} 27"#,
        r#"adc_users{status="disabled"} 1"#,
        r#"adc_users{status="deleted"} 2"#,
        "# TYPE adc_users gauge",
        &since,
    ] {
        assert!(metrics.lines().any(|said| said == line), "{line} is missing:\n{metrics}");
    }
    for name in ["acme", "headquarters", "p01"] {
        assert!(!metrics.contains(name), "{name} stands in the metrics");
    }
    let path = format!("/synchronizations/{}", source.id);
    administrator.patch(&path, &json!({ "policy": { "follow_changes": false } })).await.ok();
    let metrics = world.anonymous().get("/../../metrics").await.ok();
    let follows = format!("adc_follows_changes{{synchronization=\"{}\"}} 0", source.id);
    assert!(metrics.as_str().expect("is text").contains(&follows), "{metrics}");
    administrator.delete(&path).await;
    let metrics = world.anonymous().get("/../../metrics").await.ok().to_string();
    assert!(!metrics.contains(&source.id), "a synchronization that is gone is still told of");
}

#[tokio::test]
async fn accounts_are_made_by_system_administrators_once_per_name() {
    let world = World::start().await;
    let system = world.caller_of(None, Role::SystemAdministrator).await;
    let made = system.post("/accounts", &json!({ "name": " Globex " })).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.ok()["name"], "Globex");
    assert_eq!(system.post("/accounts", &json!({ "name": "Globex" })).await.problem(), (409, "name-taken"));
    for name in ["", "  ", "acc_0", "two\nlines"] {
        assert_eq!(
            system.post("/accounts", &json!({ "name": name })).await.problem(),
            (422, "invalid-name"),
            "{name:?}"
        );
    }
    let names: Vec<_> =
        system.all("/accounts", 1).await.into_iter().map(|account| account["name"].clone()).collect();
    assert_eq!(names, ["Globex", "acme"]);
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_stops() {
    let world = World::start().await;
    world.anonymous().get("/../../healthz").await.ok();
    world.stop().await.expect("ends well");
}
