//! Runs on command.

use std::time::{Duration, Instant};

use adc_core::protocol::link::PROGRESS_SECONDS;
use adc_sandbox::Fault;
use adc_tests::{InMemory, Scene};
use serde_json::{Value, json};

use super::hosted::until;
use super::wire::Impostor;
use super::{Connected, agents, plain, run_now, run_of, scene, start_run};

#[test]
fn run_now_starts_a_run_on_the_connected_agent() {
    let scene = scene();
    assert_eq!(run_now(&scene, &plain()).problem(), (409, "no-agent"));
    let mut agent = Connected::start(&scene.agent);
    let id = start_run(&scene, &plain());
    agent.wait_for_end(&id);
    let run = run_of(&scene, &id);
    assert_eq!((&run["state"], &run["trigger"]), (&json!("applied"), &json!("manual")));
    assert_eq!(run["counts"]["create"], 32);
    assert_eq!(scene.user("jane@lg.local")["status"], "active");
    // It says so over its link, a moment later than in its log.
    until(|| agents(&scene)[0]["run"] == Value::Null && agents(&scene)[0]["directory"]["kind"] == "openldap");
    assert_eq!(agents(&scene)[0]["feed"], "syncrepl");
    let (code, log) = agent.stop();
    assert_eq!(code, 0, "{log}");
    until(|| agents(&scene).is_empty());
}

#[test]
fn run_now_can_preview_and_read_everything() {
    let scene = scene();
    scene.imp();
    let mut agent = Connected::start(&scene.agent);
    let id = start_run(&scene, &json!({ "dry_run": true, "full": true }));
    agent.wait_for_end(&id);
    let run = run_of(&scene, &id);
    assert_eq!(
        (&run["state"], &run["mode"], &run["full_because"]),
        (&json!("previewed"), &json!("full"), &json!("asked"))
    );
    agent.stop();
}

#[test]
fn where_a_run_stands_is_told_again_while_the_directory_lets_it_wait() {
    let impostor = Impostor::start();
    let scene = Scene::in_memory(InMemory::sample())
        .agent(|agent| agent.server("url", &impostor.url()).ldap_yaml("connect_timeout", "60"));
    scene.directory.faults().inject(Fault::stall_bind().always());
    let _agent = scene.agent.start(&["run"]);
    let mut link = impostor.link();
    link.welcome(60);
    let command =
        json!({ "ask": "run", "run_id": "run_1", "dry_run": false, "full": false, "trigger": "manual" });
    link.say(&json!({ "type": "request", "id": 1, "request": command }).to_string());
    let mut next = || loop {
        let said = link.hear();
        if said.contains(r#""type":"progress""#) {
            return said;
        }
    };
    let (first, told) = (next(), Instant::now());
    assert!(first.contains(r#""run_id":"run_1","phase":"connecting""#), "{first}");
    assert_eq!(next(), first);
    // Often enough for who gives up those that say nothing, and no more often.
    let again = told.elapsed();
    assert!(again > Duration::from_secs(PROGRESS_SECONDS) / 2, "{again:?}");
    assert!(again < Duration::from_secs(3 * PROGRESS_SECONDS), "{again:?}");
}
