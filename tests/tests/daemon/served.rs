//! The control plane under systemd, which a notify socket of the test's own plays.

use std::time::{Duration, Instant};

use adc_tests::{Agent, Authority, Company, ControlPlane, Slapd, Supervisor};
use rustix::process::Signal;

use super::{Connected, lay_pipe};

#[test]
fn the_control_plane_says_how_it_stands_from_its_start_to_its_end() {
    let mut supervisor = Supervisor::start();
    let mut control_plane = ControlPlane::supervised(&supervisor, None);
    let ready = supervisor.wait_until("READY");
    assert_eq!(ready.status(), "serving; 0 agents are connected");

    let synchronization = control_plane.synchronization("LG");
    let slapd = Slapd::serving(&Company::new("dc=lg,dc=local").ou("people").person("jane"));
    let agent = Agent::new(&slapd, &control_plane, &synchronization);
    let agent = Connected::start(&agent);
    supervisor.wait_for_status("1 agent is connected");
    supervisor.wait_until("WATCHDOG");
    supervisor.wait_until("WATCHDOG");

    // There is nothing to read again, and it is no reason to end.
    control_plane.signal(Signal::HUP);
    supervisor.wait_until("RELOADING");
    supervisor.wait_until("READY");
    agent.stop();
    assert!(control_plane.terminate().success(), "{}", control_plane.log());
    supervisor.wait_until("STOPPING");
}

#[test]
fn a_control_plane_that_is_frozen_feeds_no_watchdog() {
    let mut supervisor = Supervisor::start();
    let control_plane = ControlPlane::supervised(&supervisor, None);
    supervisor.wait_until("WATCHDOG");
    control_plane.signal(Signal::STOP);
    while supervisor.next_within(Duration::from_secs(1)).is_some() {}
    assert_eq!(supervisor.next_within(Duration::from_secs(4)), None, "a frozen process says nothing");
    control_plane.signal(Signal::CONT);
    supervisor.wait_until("WATCHDOG");
}

#[test]
fn a_certificate_is_replaced_without_a_restart_and_a_broken_one_is_not_taken() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut supervisor = Supervisor::start();
    let control_plane = ControlPlane::supervised(&supervisor, Some((&old, old.issue(["127.0.0.1"]))));
    let synchronization = control_plane.synchronization("LG");
    let slapd = Slapd::serving(&Company::new("dc=lg,dc=local").ou("people").person("jane"));
    let trusting = |authority: &Authority| {
        Agent::new(&slapd, &control_plane, &synchronization)
            .server_file("ca_file", authority.certificate_pem())
    };
    trusting(&old).imp().expect_code(0);
    supervisor.wait_until("READY");
    let mut reload = |certificate| {
        control_plane.lay_certificate(&certificate);
        control_plane.signal(Signal::HUP);
        supervisor.wait_until("RELOADING");
        supervisor.wait_until("READY").status().to_owned()
    };

    let mut broken = new.issue(["127.0.0.1"]);
    broken.key_pem = old.issue(["127.0.0.1"]).key_pem;
    let status = reload(broken);
    assert!(status.contains("the certificate from before is in use"), "{status}");
    trusting(&old).imp().expect_code(0);

    let status = reload(new.issue(["127.0.0.1"]));
    assert!(!status.contains("from before"), "{status}");
    trusting(&new).imp().expect_code(0);
    trusting(&old).imp().expect_code(4);
}

#[test]
fn a_key_that_is_a_pipe_was_read_for_ever_and_no_stop_was_heard() {
    let authority = Authority::new();
    let mut supervisor = Supervisor::start();
    let mut control_plane =
        ControlPlane::supervised(&supervisor, Some((&authority, authority.issue(["127.0.0.1"]))));
    supervisor.wait_until("READY");
    let key = control_plane.database().with_file_name("key.pem");
    lay_pipe(&key);
    control_plane.signal(Signal::HUP);
    supervisor.wait_until("RELOADING");
    let status = supervisor.wait_until("READY").status().to_owned();
    assert!(status.contains("could not be read within 5s"), "{status}");

    control_plane.signal(Signal::HUP);
    supervisor.wait_until("RELOADING");
    let asked = Instant::now();
    assert!(control_plane.terminate().success(), "{}", control_plane.log());
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
}
