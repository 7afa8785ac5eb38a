//! Under systemd, which a notify socket of the test's own plays: what is said when, what a reload takes and keeps, how a stop ends.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use adc_sandbox::{Fault, Journal, Operation};
use adc_tests::{Agent, InMemory, Running, Scene, Supervisor, free_port};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::hosted::until;
use super::silent_names::SilentNames;
use super::wire::Wire;
use super::{CONNECTED, lay_pipe, plain, run_of, scene, start_run};

/// A stop ends within so much, whatever hangs.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// The watchdog's patience in these tests.
const PATIENCE: Duration = Duration::from_secs(3);

/// An `adc run` that was started by a supervisor.
pub(super) struct Service {
    pub(super) supervisor: Supervisor,
    pub(super) running: Running,
}

impl Service {
    pub(super) fn start(agent: Agent) -> (Self, Agent) {
        let supervisor = Supervisor::start();
        let socket = supervisor.socket();
        let agent = agent
            .env("NOTIFY_SOCKET", socket.to_str().expect("the path is text"))
            .env("WATCHDOG_USEC", &PATIENCE.as_micros().to_string());
        let running = agent.start(&["run"]);
        (Self { supervisor, running }, agent)
    }

    /// Starts it, and waits until its link stands.
    pub(super) fn connected<D>(scene: Scene<D>) -> (Self, Scene<D>) {
        let mut started = None;
        let scene = scene.agent(|agent| {
            let (service, agent) = Self::start(agent);
            started = Some(service);
            agent
        });
        let mut service = started.expect("it was started just now");
        service.supervisor.wait_until("READY");
        service.wait_for_link();
        (service, scene)
    }

    /// Waits until its link stands; a second time, until it stands again.
    #[track_caller]
    pub(super) fn wait_for_link(&mut self) {
        let pick = |line: &str| line.contains(CONNECTED).then_some(());
        self.running.daemon().wait_for("its link", pick).unwrap_or_else(|error| panic!("{error:#}"));
    }

    fn signal(&mut self, signal: Signal) {
        self.running.daemon().signal(signal);
    }

    /// Reloads, and returns what was said when it was ready again.
    #[track_caller]
    pub(super) fn reload(&mut self) -> String {
        self.signal(Signal::HUP);
        self.supervisor.wait_until("RELOADING");
        self.supervisor.wait_until("READY").status().to_owned()
    }

    /// The run, once the control plane knows how it ended.
    #[track_caller]
    pub(super) fn ended<D>(&mut self, scene: &Scene<D>, id: &str) -> Value {
        loop {
            let run = run_of(scene, id);
            if run["finished_at"].is_string() {
                return run;
            }
            // What is said meanwhile is of no interest here.
            self.supervisor.next_within(Duration::from_millis(50));
        }
    }

    /// Stops it by SIGTERM, which must be in time and clean; returns what it logged.
    #[track_caller]
    pub(super) fn stop(mut self) -> String {
        let asked = Instant::now();
        self.signal(Signal::TERM);
        self.supervisor.wait_until("STOPPING");
        let (code, log) = self.running.finish();
        assert_eq!(code, 0, "{log}");
        assert!(asked.elapsed() < STOPPED_WITHIN, "it took {:?}:\n{log}", asked.elapsed());
        while let Some(told) = self.supervisor.next_within(Duration::from_millis(200)) {
            assert!(!told.is("STOPPING"), "it was said before: {told:?}");
        }
        log
    }
}

/// Changes the agent's adc.yaml where it lies.
#[track_caller]
pub(super) fn edit(agent: &Agent, change: impl FnOnce(String) -> String) {
    let path = agent.folder().join("adc.yaml");
    let text = fs::read_to_string(&path).expect("it was written at the start");
    fs::write(&path, change(text)).expect("the folder can be written");
}

/// A directory that never answers whoever reads its people.
fn stalling() -> Scene<InMemory> {
    let scene = Scene::in_memory(InMemory::sample());
    scene.directory.faults().inject(Fault::stall_after(3).mentioning("inetOrgPerson").always());
    scene.agent(|agent| agent.ldap_yaml("search_timeout", "60"))
}

fn somebody_reads(journal: &Journal) -> bool {
    let reads_people = |operation: &Operation| matches!(operation, Operation::Search { filter, .. } if filter.contains("inetOrgPerson"));
    journal.log.iter().any(reads_people)
}

#[test]
fn it_is_ready_without_a_network_and_says_what_is_wrong() {
    let scene = scene();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let scene = scene.agent(|agent| agent.server("url", &nobody));
    let (mut service, _agent) = Service::start(scene.agent);
    let ready = service.supervisor.wait_until("READY");
    assert!(ready.status().contains("the control plane"), "{ready:?}");
    let waiting = service.supervisor.wait_for_status("no link to the control plane");
    assert!(waiting.status().contains(&nobody), "{waiting:?}");
    service.stop();
}

#[test]
fn what_is_no_configuration_is_never_ready() {
    let scene = scene();
    let (mut service, _agent) = Service::start(scene.agent.config("server:\n  ulr: http://127.0.0.1\n"));
    let told = service.supervisor.hear();
    assert!(told.status().starts_with("not started: ") && told.status().contains("ulr"), "{told:?}");
    let (code, log) = service.running.finish();
    assert_eq!(code, 2, "{log}");
}

#[test]
fn what_it_does_is_said_while_it_does_it() {
    let scene = scene();
    let (mut service, scene) = Service::connected(scene);
    let id = start_run(&scene, &plain());
    service.supervisor.wait_for_status(&format!("doing the run {id}"));
    service.supervisor.wait_for_status("following the directory's changes");
    assert_eq!(run_of(&scene, &id)["state"], "applied");
    service.stop();
}

#[test]
fn the_watchdog_is_fed_until_the_process_is_frozen_and_from_then_on_again() {
    let scene = scene();
    let (mut service, _scene) = Service::connected(scene);
    let mut last = Instant::now();
    for _ in 0..3 {
        service.supervisor.wait_until("WATCHDOG");
        assert!(last.elapsed() < PATIENCE, "systemd would have lost patience after {:?}", last.elapsed());
        last = Instant::now();
    }
    service.signal(Signal::STOP);
    // What was said before the signal.
    while service.supervisor.next_within(PATIENCE / 2).is_some() {}
    assert_eq!(service.supervisor.next_within(PATIENCE), None, "a frozen process says nothing");
    service.signal(Signal::CONT);
    service.supervisor.wait_until("WATCHDOG");
    service.stop();
}

#[test]
fn a_directory_and_a_control_plane_that_hang_are_no_reason_to_be_killed() {
    let scene = stalling();
    let wire = Wire::to(scene.control_plane.url());
    let scene = scene.agent(|agent| agent.server("url", &wire.url()));
    let (mut service, scene) = Service::connected(scene);
    start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    wire.freeze();
    let mut last = Instant::now();
    for _ in 0..3 {
        service.supervisor.wait_until("WATCHDOG");
        assert!(last.elapsed() < PATIENCE, "systemd would have lost patience after {:?}", last.elapsed());
        last = Instant::now();
    }
    service.stop();
}

#[test]
fn a_reload_takes_the_new_configuration_and_its_secrets() {
    let scene = scene();
    let scene =
        scene.agent(|agent| agent.without("bind_password").ldap_file("bind_password_file", "wrong\n"));
    let (mut service, scene) = Service::connected(scene);
    let refused = start_run(&scene, &plain());
    assert_eq!(service.ended(&scene, &refused)["error"]["code"], "bind-refused");

    let password = scene.agent.folder().join("bind_password_file");
    fs::write(password, adc_tests::Company::BIND_PASSWORD).expect("the folder can be written");
    let status = service.reload();
    assert!(!status.contains("from before"), "{status}");
    service.wait_for_link();
    let id = start_run(&scene, &plain());
    assert_eq!(service.ended(&scene, &id)["state"], "applied");
    service.stop();
}

#[test]
fn a_broken_adc_yaml_keeps_the_one_in_use_and_is_said_until_it_is_mended() {
    let scene = scene();
    let (mut service, scene) = Service::connected(scene);
    let whole = fs::read_to_string(scene.agent.folder().join("adc.yaml")).expect("it is there");
    edit(&scene.agent, |text| text.replace("  url:", "  ulr:"));
    let status = service.reload();
    assert!(status.contains("the configuration from before is in use"), "{status}");
    assert!(status.contains("adc.yaml:") && status.contains("`ulr`"), "{status}");

    // It works on, and goes on saying so.
    let id = start_run(&scene, &plain());
    let doing = service.supervisor.wait_for_status(&id);
    assert!(doing.status().contains("from before"), "{doing:?}");
    service.supervisor.wait_for_status("following");
    assert_eq!(run_of(&scene, &id)["state"], "applied");

    edit(&scene.agent, |_| whole);
    let status = service.reload();
    assert!(!status.contains("from before"), "{status}");
    let log = service.stop();
    assert!(log.contains("the configuration from before stays in use"), "{log}");
}

#[test]
fn a_run_under_way_ends_with_the_configuration_it_began_with() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.directory.faults().inject(Fault::stall_after(3).mentioning("inetOrgPerson"));
    let scene = scene.agent(|agent| agent.ldap_yaml("search_timeout", "3"));
    let (mut service, scene) = Service::connected(scene);
    let id = start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    edit(&scene.agent, |text| text.replace("search_timeout: 3", "search_timeout: 60"));
    service.reload();
    // With the new one it would have waited for a minute, and been given up by nobody.
    let run = service.ended(&scene, &id);
    assert_eq!((&run["state"], &run["error"]["code"]), (&json!("failed"), &json!("directory-silent")));
    service.stop();
}

#[test]
fn adc_cfg_is_read_again_too() {
    let scene = scene();
    let cfg = scene.agent.folder().join("adc.cfg");
    let url = scene.control_plane.url().to_owned();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    fs::write(&cfg, format!("# moved\nADC_SERVER_URL={nobody}\n")).expect("the folder can be written");
    let agent = scene.agent.env("ADC_ENVIRONMENT_FILE", cfg.to_str().expect("the path is text"));
    let (mut service, _agent) = Service::start(agent.env("ADC_SERVER_URL", &nobody));
    service.supervisor.wait_for_status("no link to the control plane");
    fs::write(&cfg, format!("ADC_SERVER_URL=\"{url}\"\n")).expect("the folder can be written");
    service.signal(Signal::HUP);
    service.supervisor.wait_for_status(&format!("connected to {url}"));
    service.stop();
}

#[test]
fn a_stop_in_the_middle_of_a_run_gives_it_up_at_the_control_plane() {
    let scene = stalling();
    let (service, scene) = Service::connected(scene);
    let id = start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    service.stop();
    assert_eq!(run_of(&scene, &id)["state"], "interrupted");
    assert!(scene.users().is_empty(), "nothing half done");
}

#[test]
fn a_stop_is_in_time_though_directory_and_control_plane_hang() {
    let scene = stalling();
    let wire = Wire::to(scene.control_plane.url());
    let scene = scene.agent(|agent| agent.server("url", &wire.url()));
    let (service, scene) = Service::connected(scene);
    start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    wire.freeze();
    service.stop();
}

#[test]
fn a_stop_is_in_time_though_the_directory_does_not_answer_the_bind() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.directory.faults().inject(Fault::stall_bind().always());
    let scene = scene.agent(|agent| agent.ldap_yaml("connect_timeout", "60"));
    let (mut service, scene) = Service::connected(scene);
    let id = start_run(&scene, &plain());
    service.supervisor.wait_for_status(&id);
    service.stop();
}

/// An agent whose Secret Token lies in a file, and that file.
pub(super) fn with_secret_file(scene: Scene) -> (Scene, PathBuf) {
    let token = scene.synchronization.secret_token.clone();
    let scene =
        scene.agent(|agent| agent.without_server("secret_token").server_file("secret_token_file", &token));
    let path = scene.agent.folder().join("server-secret_token_file");
    (scene, path)
}

/// Whether a process catches SIGTERM (`proc_pid_status(5)`).
fn catches_sigterm(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("it is told");
    let caught = u64::from_str_radix(caught.trim(), 16).expect("a mask in hexadecimal digits");
    caught >> (Signal::TERM.as_raw() - 1) & 1 == 1
}

#[test]
fn files_that_cannot_be_read_to_their_end_kept_every_later_reload_waiting_and_the_stop_too() {
    let (scene, secret) = with_secret_file(scene());
    let token = fs::read(&secret).expect("it was written");
    let (mut service, _scene) = Service::connected(scene);
    lay_pipe(&secret);
    let status = service.reload();
    assert!(status.contains("could not be read within 5s") && status.contains("from before"), "{status}");

    fs::remove_file(&secret).expect("it is there");
    fs::write(&secret, token).expect("the folder can be written");
    let status = service.reload();
    assert!(!status.contains("from before"), "{status}");

    lay_pipe(&secret);
    service.signal(Signal::HUP);
    service.supervisor.wait_until("RELOADING");
    service.stop();
}

#[test]
fn a_stop_is_in_time_though_the_configuration_was_never_read() {
    let (scene, secret) = with_secret_file(scene());
    lay_pipe(&secret);
    let (mut service, _agent) = Service::start(scene.agent);
    let process = service.running.daemon().id();
    until(|| catches_sigterm(process));
    service.stop();
}

#[test]
fn a_stop_is_in_time_though_no_name_server_answers() {
    let Some(names) = SilentNames::new() else { return };
    let scene = scene();
    let scene =
        scene.agent(|agent| agent.server("url", "https://cloud.example.com").wrapped_by(names.wrapper()));
    let (mut service, _agent) = Service::start(scene.agent);
    service.supervisor.wait_until("READY");
    names.wait_for_question();
    service.stop();
}

#[test]
fn an_adc_cfg_that_never_was_was_warned_about_at_every_reload() {
    let scene = scene();
    let cfg = scene.agent.folder().join("adc.cfg");
    let scene =
        scene.agent(|agent| agent.env("ADC_ENVIRONMENT_FILE", cfg.to_str().expect("the path is text")));
    let (mut service, _scene) = Service::connected(scene);
    service.reload();
    fs::write(&cfg, "ADC_LOG=warn\n").expect("the folder can be written");
    service.reload();
    fs::remove_file(&cfg).expect("it is there");
    service.reload();
    let log = service.stop();
    assert!(!log.contains("cannot be read again"), "{log}");
}

#[test]
fn being_asked_to_stop_twice_is_being_asked_once() {
    let scene = stalling();
    let (mut service, scene) = Service::connected(scene);
    let id = start_run(&scene, &plain());
    scene.directory.wait_until(somebody_reads);
    service.signal(Signal::TERM);
    // What `ExecStop=kill -s TERM $MAINPID` comes to: systemd sends another when that command has ended.
    service.stop();
    assert_eq!(run_of(&scene, &id)["state"], "interrupted");
}
