//! Control planes and agents that die: the state is the one before or the one after, and the next run heals it.

use std::thread;
use std::time::{Duration, Instant};

use adc_core::protocol::Next;
use adc_core::record::{Kind, Record};
use adc_sandbox::{Fault, Operation, sample};
use adc_tests::by_hand::{ByHand, person};
use adc_tests::{ControlPlane, InMemory, Scene, free_port};
use rustix::process::Signal;

/// An agent that takes many pages, so that it can be met on its way.
fn scene() -> Scene<InMemory> {
    Scene::in_memory(InMemory::sample()).agent(|agent| agent.sync_yaml("page_size", "10"))
}

#[test]
fn a_control_plane_that_is_not_there() {
    let mut scene = scene();
    scene.control_plane.kill();
    let outcome = scene.imp_fails(4, "control-plane-unreachable");
    assert!(outcome.stderr.contains(scene.control_plane.url()), "{}", outcome.stderr);
    scene.control_plane.restart();
    scene.imp();
    assert_eq!(scene.users().len(), sample::PEOPLE);
}

#[test]
fn a_control_plane_that_refuses_the_secret() {
    let scene = scene();
    let scene = scene.agent(|agent| agent.server("secret_token", "sct_wrong"));
    let outcome = scene.agent.imp().expect_code(4);
    assert!(outcome.stderr.contains("secret"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("sct_wrong"), "the secret is printed");
}

#[test]
fn a_control_plane_that_is_killed_while_people_are_read_and_comes_back() {
    for page in [1, 5, 20] {
        let mut scene = scene();
        let running = scene.agent.start(&["imp", "--output", "json"]);
        scene.directory.wait_until(|journal| journal.pages >= page);
        scene.control_plane.restart();
        let (code, output) = running.finish();
        // It goes on where it was, or says that it could not; either way nothing is half done.
        assert!([0, 4].contains(&code), "{code}: {output}");
        assert!([0, sample::PEOPLE].contains(&scene.users().len()), "half of the people: {output}");
        // It waits until the broken run has lost its place.
        scene.imp();
        assert_eq!(scene.users().len(), sample::PEOPLE);
    }
}

#[test]
fn an_agent_that_is_killed_at_any_page_changes_nothing() {
    for page in [1, 8, 30] {
        let scene = scene();
        let mut running = scene.agent.start(&["imp"]);
        scene.directory.wait_until(|journal| journal.pages >= page);
        running.daemon().kill();
        let users = scene.users().len();
        assert!([0, sample::PEOPLE].contains(&users), "half of the people: {users}");
        // It waits until the broken run has lost its place.
        scene.imp();
        assert_eq!(scene.users().len(), sample::PEOPLE);
    }
}

#[test]
fn an_agent_that_is_interrupted_says_so_and_frees_its_place() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let scene = scene().agent(|agent| agent.ldap_yaml("search_timeout", "60"));
        scene.directory.faults().inject(Fault::stall_after(3).mentioning("inetOrgPerson"));
        let mut running = scene.agent.start(&["imp"]);
        scene.directory.wait_until(|journal| journal.log.iter().any(reads_people));
        running.daemon().signal(signal);
        let (ended, output) = running.finish();
        assert_eq!(ended, code, "{output}");
        assert!(scene.users().is_empty());
        scene.imp();
    }
}

#[test]
fn two_agents_at_once_take_turns() {
    let scene = scene();
    let other = scene.agent.start(&["imp", "--output", "json"]);
    let first = scene.agent.imp();
    let (second, output) = other.finish();
    assert_eq!((first.code, second), (0, 0), "{}\n{output}", first.stderr);
    assert_eq!(scene.users().len(), sample::PEOPLE);
}

#[test]
fn a_control_plane_that_stops_gently_exits_cleanly_and_keeps_everything() {
    let mut scene = scene();
    scene.imp();
    let before = scene.state();
    assert!(scene.control_plane.terminate().success());
    scene.control_plane.restart();
    assert_eq!(scene.state(), before);
}

#[test]
fn a_disk_that_is_full_stops_nothing_for_longer_than_it_is() {
    let scene = scene();
    for room in [0, 16 << 10, 128 << 10] {
        scene.control_plane.limit_files(Some(room));
        let outcome = scene.agent.imp();
        assert_ne!(outcome.code, 0, "{room}: {}", outcome.stderr);
        assert!(scene.users().is_empty(), "half of the people");
        scene.control_plane.limit_files(None);
    }
    scene.imp();
    assert_eq!(scene.users().len(), sample::PEOPLE);
}

#[test]
fn a_kill_at_any_moment_of_the_apply_leaves_the_state_before_or_after() {
    let directory: Vec<Record> =
        (0..2_000).map(|number| person(&number.to_string(), &format!("user{number:05}@lg.local"))).collect();
    for moment in 0..24 {
        let mut control_plane = ControlPlane::start();
        let synchronization = control_plane.synchronization("LG");
        let api = control_plane.api(&synchronization);
        let mut agent = ByHand::new(&control_plane, &synchronization, 1);
        agent.open();
        agent.digests(Kind::User, &directory);
        agent.records(directory.clone());

        let finish = adc_core::protocol::Finish { receipt: agent.receipt() };
        thread::scope(|scope| {
            scope.spawn(|| agent.try_send("/finish", &finish));
            spin(Duration::from_millis(moment * 8));
            control_plane.kill();
        });
        control_plane.restart();
        let users = api.all("/users").len();
        assert!([0, directory.len()].contains(&users), "after {} ms: {users} users", moment * 8);

        // The same request again, as after any lost answer, ends the run; if the place was lost, another run does.
        let answer = agent.send("/finish", &finish);
        if answer.status == 200 {
            let next: Next = serde_json::from_value(answer.ok()).expect("an answer to finish");
            assert!(matches!(next, Next::Done { .. } | Next::Wait), "{next:?}");
            agent.finish(&directory);
        } else {
            let mut again = ByHand::new(&control_plane, &synchronization, 2);
            again.open();
            again.read(&directory);
        }
        assert_eq!(api.all("/users").len(), directory.len());
        let created = api.all("/events").len();
        assert_eq!(created, directory.len(), "every creation stands in the ledger once");
    }
}

#[test]
fn a_port_where_no_control_plane_listens() {
    let scene = scene().agent(|agent| agent.server("url", &format!("http://127.0.0.1:{}", free_port())));
    scene.imp_fails(4, "control-plane-unreachable");
}

fn reads_people(operation: &Operation) -> bool {
    matches!(operation, Operation::Search { filter, .. } if filter.contains("inetOrgPerson"))
}

/// Waits without giving the processor away: the moments are shorter than the scheduler's.
fn spin(duration: Duration) {
    let started = Instant::now();
    while started.elapsed() < duration {
        std::hint::spin_loop();
    }
}
