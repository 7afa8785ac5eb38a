//! Several agents of one synchronization, and agents that vanish.

use std::time::{Duration, Instant};

use adc_sandbox::{Fault, Journal, Operation, sample};
use adc_tests::{Agent, InMemory, Scene};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::hosted::until;
use super::wire::Wire;
use super::{Connected, agents, plain, run_now, run_of, runs, scene, start_run};

/// Within so much another agent takes over (design.md), and it has the whole of its run to do.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(15);

/// A directory that lets the first who reads its people wait.
fn stalling() -> Scene<InMemory> {
    let scene = Scene::in_memory(InMemory::sample());
    scene.directory.faults().inject(Fault::stall_after(3).mentioning("inetOrgPerson"));
    scene.agent(|agent| agent.ldap_yaml("search_timeout", "60"))
}

/// Another agent of the scene's synchronization.
fn another(scene: &Scene<InMemory>) -> Agent {
    Agent::without_directory(&scene.control_plane, &scene.synchronization)
        .ldap("addr", &scene.directory.url())
        .ldap("bind_dn", scene.directory.bind_dn())
        .ldap("bind_password", scene.directory.bind_password())
        .ldap("base_dn", sample::BASE_DN)
}

fn somebody_reads(journal: &Journal) -> bool {
    let reads_people = |operation: &Operation| matches!(operation, Operation::Search { filter, .. } if filter.contains("inetOrgPerson"));
    journal.log.iter().any(reads_people)
}

/// The run that took over from this one.
fn successor_of(scene: &Scene<InMemory>, id: &str) -> Value {
    let taken_over = |run: &Value| run["takes_over"] == id;
    runs(scene).into_iter().find(taken_over).unwrap_or_else(|| panic!("nobody took over: {:?}", runs(scene)))
}

#[test]
fn when_an_agent_is_killed_in_the_middle_of_a_run_another_takes_over() {
    let scene = stalling();
    let mut first = Connected::start(&scene.agent);
    let id = start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    let second = another(&scene);
    let mut second = Connected::start(&second);
    assert_eq!(run_now(&scene, &plain()).problem(), (409, "run-active"));
    let killed = Instant::now();
    first.kill();
    second.wait_for("run ended");
    assert!(killed.elapsed() < TAKEN_OVER_WITHIN, "{:?}", killed.elapsed());
    let interrupted = run_of(&scene, &id);
    assert_eq!(interrupted["state"], "interrupted");
    let run = successor_of(&scene, &id);
    assert_eq!((&run["state"], &run["trigger"]), (&json!("applied"), &json!("manual")));
    assert_eq!(scene.users().len(), sample::PEOPLE);
}

#[test]
fn when_an_agents_connections_are_half_open_another_takes_over() {
    let scene = stalling();
    let wire = Wire::to(scene.control_plane.url());
    let scene = scene.agent(|agent| agent.server("url", &wire.url()));
    let first = Connected::start(&scene.agent);
    let id = start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    let second = another(&scene);
    let mut second = Connected::start(&second);
    let frozen = Instant::now();
    wire.freeze();
    second.wait_for("run ended");
    assert!(frozen.elapsed() < TAKEN_OVER_WITHIN, "{:?}", frozen.elapsed());
    assert_eq!(run_of(&scene, &id)["state"], "interrupted");
    assert_eq!(successor_of(&scene, &id)["state"], "applied");
    wire.thaw();
    drop(first);
    assert_eq!(scene.users().len(), sample::PEOPLE);
}

#[test]
fn a_run_whose_agent_vanished_before_it_opened_it_waited_until_the_link_was_given_up() {
    let scene = Scene::in_memory(InMemory::sample());
    let wire = Wire::to(scene.directory.url().trim_start_matches("ldap://"));
    let slow = wire.url().replace("http:", "ldap:");
    let direct = another(&scene);
    let scene = scene.agent(|agent| agent.ldap("addr", &slow).ldap_yaml("connect_timeout", "60"));
    let mut first = Connected::start(&scene.agent);
    let are_described = |count| {
        let agents = agents(&scene);
        agents.len() == count && agents.iter().all(|agent| !agent["directory"].is_null())
    };
    until(|| are_described(1));
    let mut second = Connected::start(&direct);
    until(|| are_described(2));

    wire.freeze();
    let id = start_run(&scene, &plain());
    until(|| agents(&scene).iter().any(|agent| agent["progress"]["phase"] == "connecting"));
    first.0.daemon().signal(Signal::STOP);
    let frozen = Instant::now();
    second.wait_for_end(&id);
    assert!(frozen.elapsed() < TAKEN_OVER_WITHIN, "{:?}", frozen.elapsed());
    let applied = run_of(&scene, &id);
    assert_eq!(applied["state"], "applied");

    // It comes back late, and goes on where it was.
    wire.thaw();
    first.0.daemon().signal(Signal::CONT);
    let end = first.wait_for_end(&id);
    assert!(end.contains("run failed"), "{end}");
    assert_eq!(run_of(&scene, &id), applied);
    assert_eq!(runs(&scene).len(), 1, "{:?}", runs(&scene));
    assert_eq!(scene.users().len(), sample::PEOPLE);
}

#[test]
fn an_agent_that_is_stopped_in_the_middle_of_a_run_leaves_it_to_another() {
    let scene = stalling();
    let first = Connected::start(&scene.agent);
    let id = start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    let second = another(&scene);
    let mut second = Connected::start(&second);
    let (code, log) = first.stop();
    assert_eq!(code, 0, "{log}");
    second.wait_for("run ended");
    assert_eq!(run_of(&scene, &id)["state"], "interrupted");
    assert_eq!(successor_of(&scene, &id)["state"], "applied");
}

#[test]
fn a_run_is_cancelled_and_the_agent_stays() {
    let scene = stalling();
    let mut agent = Connected::start(&scene.agent);
    let id = start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    scene.api.post(&format!("/runs/{id}/cancel"), &plain()).ok();
    agent.wait_for("run failed");
    let run = run_of(&scene, &id);
    assert_eq!((&run["state"], &run["error"]["code"]), (&json!("cancelled"), &json!("cancelled")));
    assert!(scene.users().is_empty());
    let next = start_run(&scene, &plain());
    agent.wait_for("run ended");
    assert_eq!(run_of(&scene, &next)["state"], "applied");
    agent.stop();
}

#[test]
fn a_control_plane_that_is_killed_is_found_again_and_its_queue_with_it() {
    let mut scene = scene();
    let mut agent = Connected::start(&scene.agent);
    scene.control_plane.restart();
    agent.wait_for("no link to the control plane");
    agent.wait_for(super::CONNECTED);
    let id = start_run(&scene, &plain());
    agent.wait_for("run ended");
    assert_eq!(run_of(&scene, &id)["state"], "applied");
    agent.stop();
}

#[test]
fn a_run_goes_on_where_it_was_when_the_control_plane_is_killed_in_its_middle() {
    let mut scene = Scene::in_memory(InMemory::sample()).agent(|agent| agent.sync_yaml("page_size", "10"));
    let mut agent = Connected::start(&scene.agent);
    let id = start_run(&scene, &plain());
    scene.directory.wait_until(|journal| journal.pages >= 3);
    scene.control_plane.restart();
    agent.wait_until(|| {
        !["queued", "running"].contains(&run_of(&scene, &id)["state"].as_str().unwrap_or_default())
    });
    let run = run_of(&scene, &id);
    assert_eq!(run["state"], "applied", "{run}");
    assert_eq!(scene.users().len(), sample::PEOPLE);
    agent.stop();
}

#[test]
fn a_control_plane_that_goes_down_says_when_to_come_back() {
    let mut scene = scene();
    let mut agent = Connected::start(&scene.agent);
    assert!(scene.control_plane.terminate().success());
    agent.wait_for("the control plane goes down");
    scene.control_plane.restart();
    agent.wait_for(super::CONNECTED);
    assert_eq!(agents(&scene).len(), 1);
    agent.stop();
}

#[test]
fn an_agent_that_is_configured_otherwise_is_told_what_differs_and_comes_back() {
    let scene = scene();
    let first = Connected::start(&scene.agent);
    let other = Agent::new(&scene.directory, &scene.control_plane, &scene.synchronization)
        .sync_yaml("filter", "(uid=j*)");
    let mut other = Connected(other.start(&["run"]));
    let why = other.wait_for("no link to the control plane");
    let differs = r#"sync.filter is "(uid=j*)" here and the preset's "(objectclass=inetOrgPerson)" there"#;
    assert!(why.contains(differs), "{why}");
    assert!(!why.contains(".;"), "a stop in the middle of a sentence: {why}");
    // As when two agents are configured anew one after the other: the last one agrees with the rest in the end.
    let (code, log) = first.stop();
    assert_eq!(code, 0, "{log}");
    other.wait_for(super::CONNECTED);
    let (code, log) = other.stop();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn an_agent_whose_configuration_is_the_same_in_other_words_stands_by() {
    let scene = scene();
    let first = Connected::start(&scene.agent);
    until(|| agents(&scene)[0]["directory"]["kind"] == "openldap");
    let bind_dn = scene.directory.bind_dn().to_uppercase().replace(',', " , ");
    let other = Agent::new(&scene.directory, &scene.control_plane, &scene.synchronization)
        .ldap("bind_dn", &bind_dn)
        .ldap("preset", "inetorgperson")
        .ldap("id_attribute", "entryuuid")
        .sync_yaml("filter", "(objectclass=inetOrgPerson)");
    let mut other = Connected::start(&other);
    assert_eq!(agents(&scene).len(), 2);
    let (code, log) = first.stop();
    assert_eq!(code, 0, "{log}");
    let run = start_run(&scene, &plain());
    other.wait_for_end(&run);
    assert_eq!(run_of(&scene, &run)["state"], "applied");
    other.stop();
}
