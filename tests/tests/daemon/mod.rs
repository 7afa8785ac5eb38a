//! The daemon: `adc run` between a real slapd and a real control plane, told what to do over its link.

mod asking;
mod following;
mod hosted;
mod hosted_logs;
mod killed;
mod metrics;
mod network;
mod packaging;
mod proxied;
mod reloading;
mod running;
mod scheduled;
mod served;
mod sign_in;
mod sign_in_late;
mod sign_in_to_domain;
mod silent_names;
mod storm;
mod systemd;
mod taking_over;
mod wire;

use std::path::Path;
use std::{fs, process::Command};

use adc_tests::{Agent, Answer, Company, Running, Scene, Slapd};
use rustix::process::Signal;
use serde_json::{Value, json};

/// What the agent logs when its link stands.
const CONNECTED: &str = "connected to the control plane";

/// A company whose directory can be followed.
pub(crate) fn scene() -> Scene {
    let company = Company::new("dc=lg,dc=local").ou("people").person("jane").crowd(30);
    let slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    Scene::between(company, slapd)
}

/// An `adc run` that is connected, or was.
pub(crate) struct Connected(pub(crate) Running);

impl Connected {
    /// Starts an agent, and waits until its link stands.
    pub(crate) fn start(agent: &Agent) -> Self {
        let mut connected = Self(agent.start(&["run"]));
        connected.wait_for(CONNECTED);
        connected
    }

    /// Waits for the next line of the log with these words, and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        let pick = |line: &str| line.contains(words).then(|| line.to_owned());
        self.0.daemon().wait_for(&format!("{words:?}"), pick).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Waits until this run has ended, however it did, and returns what was said of it.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self, run: &str) -> String {
        let pick = |line: &str| (line.contains(run) && line.contains("run ")).then(|| line.to_owned());
        self.0.daemon().wait_for("the end of a run", pick).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Waits until something is so, which can only become so by a run.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, so: impl Fn() -> bool) {
        while !so() {
            self.wait_for("run ended");
        }
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(&mut self) {
        self.0.daemon().kill();
    }

    /// Asks it to end; returns the exit code and everything it logged.
    pub(crate) fn stop(mut self) -> (i32, String) {
        self.0.daemon().signal(Signal::TERM);
        self.0.finish()
    }

    /// Waits until it ends by itself; returns the exit code and everything it logged.
    pub(crate) fn finish(self) -> (i32, String) {
        self.0.finish()
    }
}

/// Lays a pipe that nobody writes to where a file was: whoever reads it waits for ever.
#[track_caller]
pub(crate) fn lay_pipe(path: &Path) {
    fs::remove_file(path).expect("it is there");
    let status = Command::new("mkfifo").args(["-m", "600"]).arg(path).status();
    assert!(status.expect("mkfifo is installed").success(), "{}", path.display());
}

/// `POST /synchronizations/{id}/runs`.
pub(crate) fn run_now<D>(scene: &Scene<D>, wanted: &Value) -> Answer {
    scene.api.post(&format!("/synchronizations/{}/runs", scene.synchronization.id), wanted)
}

/// Starts a run, which must be accepted; returns its id.
#[track_caller]
pub(crate) fn start_run<D>(scene: &Scene<D>, wanted: &Value) -> String {
    let answer = run_now(scene, wanted);
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["id"].as_str().expect("a run has an id").to_owned()
}

/// A run as the control plane shows it.
#[track_caller]
pub(crate) fn run_of<D>(scene: &Scene<D>, id: &str) -> Value {
    scene.api.get(&format!("/runs/{id}")).ok()
}

/// The agents that are connected.
#[track_caller]
pub(crate) fn agents<D>(scene: &Scene<D>) -> Vec<Value> {
    scene.api.all(&format!("/synchronizations/{}/agents", scene.synchronization.id))
}

/// The runs of the synchronization, newest first.
#[track_caller]
pub(crate) fn runs<D>(scene: &Scene<D>) -> Vec<Value> {
    scene.api.all(&format!("/synchronizations/{}/runs", scene.synchronization.id))
}

/// Nothing special is wanted of a run.
pub(crate) fn plain() -> Value {
    json!({})
}
