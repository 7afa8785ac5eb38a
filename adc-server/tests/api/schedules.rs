//! Schedules: set, shown, refused.

use crate::world::World;
use serde_json::{Value, json};

/// Every day at half past two in Berlin, where it is an hour later than by UTC.
fn daily() -> Value {
    json!({
        "repeat": { "kind": "daily" }, "start": "2026-11-01", "at": "02:30", "time_zone": "Europe/Berlin"
    })
}

#[tokio::test]
async fn a_schedule_is_shown_with_its_next_five_times() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    assert_eq!(caller.get(&path).await.ok()["schedule"], Value::Null);
    let patched = caller.patch(&path, &json!({ "schedule": daily() })).await.ok();
    assert_eq!(
        patched["schedule"],
        json!({
            "enabled": true,
            "repeat": { "kind": "daily" },
            "start": "2026-11-01",
            "at": "02:30",
            "time_zone": "Europe/Berlin",
            "sentence": "every day at 02:30 Europe/Berlin",
            "next": [
                "2026-11-23T01:30:00.000Z",
                "2026-11-24T01:30:00.000Z",
                "2026-11-25T01:30:00.000Z",
                "2026-11-26T01:30:00.000Z",
                "2026-11-27T01:30:00.000Z",
            ],
            "last": null,
            "waiting": null,
        })
    );
    assert_eq!(patched["version"], 1, "it decides nothing about anybody");
    assert_eq!(caller.get(&path).await.ok(), patched);
    assert_eq!(caller.all("/synchronizations", 10).await, [patched]);
}

#[tokio::test]
async fn a_synchronization_is_made_with_its_schedule() {
    let world = World::start().await;
    let caller = world.administrator().await;
    let made = caller.post("/synchronizations", &json!({ "name": "new", "schedule": daily() })).await.ok();
    assert_eq!(made["schedule"]["next"][0], "2026-11-23T01:30:00.000Z");
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_of_a_schedule() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    caller.patch(&path, &json!({ "schedule": daily() })).await.ok();
    for (patch, sentence, next) in [
        (
            json!({ "at": "13:00:30" }),
            "every day at 13:00:30 Europe/Berlin",
            json!("2026-11-22T12:00:30.000Z"),
        ),
        (
            json!({ "time_zone": "asia/kathmandu" }),
            "every day at 13:00:30 Asia/Kathmandu",
            json!("2026-11-23T07:15:30.000Z"),
        ),
        (
            json!({ "repeat": { "kind": "weekly", "days": ["tuesday"] } }),
            "every Tuesday at 13:00:30 Asia/Kathmandu",
            json!("2026-11-24T07:15:30.000Z"),
        ),
        // Another kind of repeat needs no `"days": null`.
        (
            json!({ "repeat": { "kind": "monthly", "day": 31 } }),
            "every month on day 31 or its last at 13:00:30 Asia/Kathmandu",
            json!("2026-11-30T07:15:30.000Z"),
        ),
        (
            json!({ "repeat": { "day": 1 } }),
            "every month on day 1 at 13:00:30 Asia/Kathmandu",
            json!("2026-12-01T07:15:30.000Z"),
        ),
        (
            json!({ "enabled": false }),
            "off; if enabled every month on day 1 at 13:00:30 Asia/Kathmandu",
            Value::Null,
        ),
    ] {
        let shown = caller.patch(&path, &json!({ "schedule": patch })).await.ok();
        assert_eq!(shown["schedule"]["sentence"], sentence, "after {patch}");
        assert_eq!(shown["schedule"]["next"][0], next, "after {patch}");
    }
    assert_eq!(caller.patch(&path, &json!({ "schedule": null })).await.ok()["schedule"], Value::Null);
}

#[tokio::test]
async fn a_schedule_that_cannot_work_is_refused_with_what_to_do() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    caller.patch(&path, &json!({ "schedule": daily() })).await.ok();
    let before = caller.get(&path).await.ok();
    for (patch, code, named) in [
        (json!({ "time_zone": "Europe/Berln" }), "invalid-schedule", "did you mean Europe/Berlin"),
        (json!({ "repeat": { "kind": "monthly", "day": 32 } }), "invalid-schedule", "from 1 to 31"),
        (json!({ "repeat": { "kind": "weekly", "days": [] } }), "invalid-schedule", "at least one day"),
        (json!({ "repeat": { "kind": "every-days", "n": 0 } }), "invalid-schedule", "from 1 to 365"),
        (json!({ "repeat": { "kind": "hourly" } }), "invalid-body", "schedule.repeat"),
        (json!({ "repeat": { "days": ["monday"] } }), "invalid-body", "unknown field `days`"),
        (json!({ "at": "2:30" }), "invalid-body", "schedule.at: \"2:30\" is no time of day"),
        (json!({ "start": "tomorrow" }), "invalid-body", "schedule.start: \"tomorrow\" is no date"),
        (json!({ "start": null }), "invalid-body", "missing field `start`"),
        (json!({ "next": [] }), "invalid-body", "unknown field `next`"),
    ] {
        let answer = caller.patch(&path, &json!({ "schedule": patch })).await;
        assert_eq!(answer.problem(), (422, code), "{patch}: {}", answer.body);
        assert!(answer.detail().contains(named), "{patch}: {}", answer.detail());
    }
    assert_eq!(caller.get(&path).await.ok(), before);
}
