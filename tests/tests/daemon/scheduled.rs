//! Runs that are due, by the machine's own clock.

use adc_tests::Scene;
use serde_json::{Value, json};

use super::{Connected, runs, scene};

/// From now until a run is due: enough to be there when it is (seconds).
const SOON: u64 = 3;

/// Has the synchronization run every day at a time of day that comes in a moment.
fn run_soon(scene: &Scene) {
    let path = format!("/synchronizations/{}", scene.synchronization.id);
    // The control plane's clock is the one that counts.
    let now = scene.api.patch(&path, &json!({ "name": "scheduled" })).ok()["updated_at"].clone();
    let time = now.as_str().and_then(|now| now.get(11..19)).expect("a time as 2026-11-22T12:00:00.000Z");
    let of_day = time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().expect("a number"));
    let due = (of_day + SOON) % (24 * 60 * 60);
    let at = format!("{:02}:{:02}:{:02}", due / 3_600, due / 60 % 60, due % 60);
    scene.patch(&json!({ "schedule": {
        "repeat": { "kind": "daily" }, "start": "2020-01-01", "at": at, "time_zone": "UTC"
    } }));
}

/// The run that the last time that was due became.
fn last(scene: &Scene) -> Value {
    let path = format!("/synchronizations/{}", scene.synchronization.id);
    scene.api.get(&path).ok()["schedule"]["last"]["run_id"].clone()
}

/// The runs that were due.
fn due(scene: &Scene) -> Vec<Value> {
    runs(scene).into_iter().filter(|run| run["trigger"] == "schedule").collect()
}

#[test]
fn what_is_due_is_run_by_the_connected_agent() {
    let scene = scene();
    let mut agent = Connected::start(&scene.agent);
    run_soon(&scene);
    agent.wait_until(|| due(&scene).iter().any(|run| run["state"] == "applied"));
    let [run] = &due(&scene)[..] else { panic!("one run was due: {:?}", due(&scene)) };
    assert_eq!((&run["id"], &run["counts"]["create"]), (&last(&scene), &json!(32)));
    assert_eq!(scene.user("jane@lg.local")["status"], "active");
    agent.stop();
}

#[test]
fn a_control_plane_that_is_killed_again_and_again_around_the_due_moment_makes_one_run() {
    let mut scene = scene();
    run_soon(&scene);
    while last(&scene).is_null() {
        scene.control_plane.restart();
    }
    for _ in 0..3 {
        scene.control_plane.restart();
    }
    let mut agent = Connected::start(&scene.agent);
    agent.wait_until(|| due(&scene).iter().any(|run| run["state"] == "applied"));
    scene.control_plane.restart();
    agent.wait_for(super::CONNECTED);
    let [run] = &due(&scene)[..] else { panic!("one run was due: {:?}", due(&scene)) };
    assert_eq!(run["id"], last(&scene));
    agent.stop();
}
