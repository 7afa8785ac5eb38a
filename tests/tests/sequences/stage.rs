//! Where sequences are played: one control plane, which is killed now and then, and an account for each sequence.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use adc_tests::{Answer, Api, ControlPlane};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

/// Lines of the control plane's log that belong to the sequence that failed, roughly.
const LAST_WORDS: usize = 30;

/// A control plane.
pub(super) struct Stage {
    control_plane: ControlPlane,
    /// Administers all accounts.
    system: Api,
    api_key: String,
    /// For agents, who bring their own credentials.
    nobody: Api,
    running: bool,
    accounts: u64,
    runs: u64,
}

/// An account with its one synchronization.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) synchronization: String,
    /// The agent's `Authorization`.
    authorization: String,
}

/// A request that was sent and is not waited for; the connection closes when this is dropped.
pub(super) struct Fired {
    _connection: TcpStream,
}

impl Stage {
    pub(super) fn new() -> Self {
        let control_plane = ControlPlane::start();
        let api_key = text(&control_plane.cli(&["api-key", "create"])["api_key"]);
        let system = control_plane.anonymous_api().with_key(&api_key);
        let nobody = control_plane.anonymous_api();
        Self { control_plane, system, api_key, nobody, running: true, accounts: 0, runs: 0 }
    }

    /// A new account.
    pub(super) fn account(&mut self) -> Account {
        if !self.running {
            // The sequence before failed while it was down.
            self.start();
        }
        self.accounts += 1;
        let made =
            self.system.post("/accounts", &json!({ "name": format!("sequence {}", self.accounts) })).ok();
        let id = text(&made["id"]);
        let made =
            self.system.post(&format!("/synchronizations?account={id}"), &json!({ "name": "LG" })).ok();
        let credentials = format!("{}:{}", text(&made["application_id"]), text(&made["secret_token"]));
        let authorization = format!("Basic {}", STANDARD.encode(credentials));
        Account { id, synchronization: text(&made["id"]), authorization }
    }

    /// A run id that no other sequence uses.
    pub(super) fn run_id(&mut self) -> String {
        self.runs += 1;
        format!("run_{:032}", self.runs)
    }

    /// The end of the control plane's log.
    pub(super) fn last_words(&self) -> String {
        let log = self.control_plane.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    /// Ends the control plane as a power failure would, and starts it again on what is left.
    pub(super) fn crash(&mut self) {
        self.running = false;
        self.control_plane.kill();
        self.start();
    }

    fn start(&mut self) {
        self.control_plane.restart();
        self.running = true;
    }

    pub(super) fn get(&self, account: &Account, path: &str) -> Value {
        self.system.get(&account.meant(path)).ok()
    }

    pub(super) fn all(&self, account: &Account, path: &str) -> Vec<Value> {
        self.system.all(&account.meant(path))
    }

    pub(super) fn administer(&self, account: &Account, method: Method, path: &str, body: &Value) -> Answer {
        self.system.send(self.system.request(method, &account.meant(path)).json(body))
    }

    /// Sends a request of the agent, and waits for the answer.
    pub(super) fn send(&self, account: &Account, path: &str, body: &str) -> Answer {
        let request = self.nobody.request(Method::POST, path).header("authorization", &account.authorization);
        self.nobody.send(request.header("content-type", "application/json").body(body.to_owned()))
    }

    /// Sends a request of the agent, and waits for nothing but so many microseconds.
    pub(super) fn fire(&self, account: &Account, path: &str, body: &str, wait: u32) -> Fired {
        self.fire_as(&account.authorization, path, body, wait)
    }

    /// Sends a request of the administrator, and waits for nothing but so many microseconds.
    pub(super) fn fire_approval(&self, account: &Account, run_id: &str, wait: u32) -> Fired {
        let path = account.meant(&format!("/runs/{run_id}/approve"));
        self.fire_as(&format!("Bearer {}", self.api_key), &path, "", wait)
    }

    fn fire_as(&self, authorization: &str, path: &str, body: &str, wait: u32) -> Fired {
        let address = self.control_plane.url().strip_prefix("http://").expect("no TLS here");
        let mut connection = TcpStream::connect(address).expect("the control plane listens");
        let request = format!(
            "POST /api/v1{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {authorization}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).expect("the control plane listens");
        spin(wait);
        Fired { _connection: connection }
    }
}

impl Account {
    /// The path, of this account: the system's key must say so.
    fn meant(&self, path: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}account={}", self.id)
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Waits without giving the processor away: the moments are shorter than the scheduler's.
fn spin(micros: u32) {
    let (started, wait) = (Instant::now(), Duration::from_micros(micros.into()));
    while started.elapsed() < wait {
        std::hint::spin_loop();
    }
}
