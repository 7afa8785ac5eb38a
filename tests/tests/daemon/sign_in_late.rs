//! Signing in while the directory owes an answer to the bind account.

use std::time::{Duration, Instant};

use adc_sandbox::{Fault, sample};
use adc_tests::{Answer, InMemory, Scene};
use rustix::process::Signal;
use serde_json::json;

use super::hosted::until;
use super::{CONNECTED, Connected, agents};

/// What contract.md gives a stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// Binds that were not answered: the next one is sent two seconds later, and whoever signs in waits for half a second.
const UNANSWERED: usize = 4;

/// A directory that answers no bind any more, an agent beside it, and so many binds under way that nobody waits for.
fn hung() -> (Scene<InMemory>, Connected) {
    let scene = Scene::in_memory(InMemory::sample())
        .agent(|agent| agent.ldap_yaml("authentication", "{ username_attribute: mail, timeout: 1 }"));
    scene.patch(&json!({ "policy": { "follow_changes": false } }));
    scene.imp();
    let agent = Connected::start(&scene.agent);
    until(|| agents(&scene)[0]["directory"]["kind"] == "ldap");
    scene.directory.faults().inject(Fault::stall_bind().always());
    let before = scene.directory.journal().binds;
    while scene.directory.journal().binds < before + UNANSWERED {
        assert_eq!(login(&scene).problem(), (503, "directory-unreachable"));
    }
    (scene, agent)
}

fn login(scene: &Scene<InMemory>) -> Answer {
    let zoe = json!({ "username": "zoe.mueller@example.com", "password": sample::PASSWORD });
    scene.api.post("/login", &zoe)
}

#[test]
fn a_stop_is_in_time_though_the_directory_owes_an_answer_that_nobody_waits_for() {
    let (_scene, agent) = hung();
    let asked = Instant::now();
    let (code, log) = agent.stop();
    assert_eq!(code, 0, "{log}");
    assert!(asked.elapsed() < STOPPED_WITHIN, "it took {:?}:\n{log}", asked.elapsed());
}

#[test]
fn a_reload_has_the_account_tried_at_once_though_the_directory_owes_answers() {
    let (scene, mut agent) = hung();
    scene.directory.faults().clear();
    agent.0.daemon().signal(Signal::HUP);
    agent.wait_for("the configuration was read again");
    agent.wait_for(CONNECTED);
    login(&scene).ok();
    agent.stop();
}
