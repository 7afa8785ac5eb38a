//! Hosted connectors: a real control plane that runs the agent itself, against a real slapd.
//!
//! The control plane never connects to its own machine, and slapd listens on loopback. So slapd is reached through an address that is
//! truly another machine's as far as the network is concerned: one of another network namespace, behind a pair of virtual interfaces.
//! Where this test may not make such (it takes an administrator's rights), it says so and proves nothing.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use adc_tests::{Api, Authority, Company, Daemon, InMemory, Person, Slapd, program};
use rustix::process::Signal;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::following::refused_binds;
use super::silent_names::SilentNames;

/// Where LDAP and LDAP over TLS are.
pub(super) const LDAP: u16 = 389;
const LDAPS: u16 = 636;
/// The password of everybody in the directory.
const PASSWORD: &str = "correct-horse-battery-staple";

/// Another machine, as far as the network is concerned. It is gone when this is dropped.
pub(super) struct Elsewhere {
    namespace: Daemon,
    /// This machine's address on the wire between both.
    own: Ipv4Addr,
    pub(super) there: Ipv4Addr,
}

impl Elsewhere {
    /// Nothing where this process may not make one.
    pub(super) fn new() -> Option<Self> {
        let mut command = Command::new("unshare");
        // It ends with its input, and the interfaces end with it.
        command.args(["--net", "sh", "-c", "echo apart; exec cat"]);
        let mut namespace = Daemon::tethered("unshare", &mut command).ok()?;
        namespace.wait_for("its namespace", |line| (line == "apart").then_some(())).ok()?;
        // The networks for tests of network devices (RFC 2544), four addresses for each process.
        let base = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + process::id() % 32_768 * 4;
        let (own, there) = (Ipv4Addr::from(base + 1), Ipv4Addr::from(base + 2));
        let (here, other, id) = (
            format!("adc{}a", process::id() % 1_000_000),
            format!("adc{}b", process::id() % 1_000_000),
            namespace.id().to_string(),
        );
        let made = run("ip", &["link", "add", &here, "type", "veth", "peer", "name", &other, "netns", &id])
            && run("ip", &["addr", "add", &format!("{own}/30"), "dev", &here])
            && run("ip", &["link", "set", &here, "up"])
            && run("nsenter", &["-n", "-t", &id, "ip", "addr", "add", &format!("{there}/30"), "dev", &other])
            && run("nsenter", &["-n", "-t", &id, "ip", "link", "set", &other, "up"]);
        made.then_some(Self { namespace, own, there })
    }

    /// Everything that there are addresses of on the wire.
    pub(super) fn network(&self) -> String {
        format!("{}/30", Ipv4Addr::from(u32::from(self.own) & !3))
    }

    /// Has whoever connects to a port there speak to a port on this machine's loopback.
    pub(super) fn forward(&self, port: u16, to: u16) {
        let namespace = fs::File::open(format!("/proc/{}/ns/net", self.namespace.id())).expect("it runs");
        let at = SocketAddr::new(IpAddr::V4(self.there), port);
        // A thread alone moves there; the listener that it makes stays there whoever has it.
        let listening = thread::spawn(move || {
            use std::os::fd::AsFd as _;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("may move");
            TcpListener::bind(at).expect("nobody else is there")
        });
        let listener = listening.join().expect("listens");
        thread::spawn(move || {
            for accepted in listener.incoming() {
                let (Ok(from), Ok(onwards)) = (accepted, TcpStream::connect((Ipv4Addr::LOCALHOST, to)))
                else {
                    continue;
                };
                carry(&from, &onwards);
                carry(&onwards, &from);
            }
        });
    }
}

/// Carries what one says to the other, until it says no more.
fn carry(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
    thread::spawn(move || {
        // Either side may be gone at any time.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

fn run(name: &str, arguments: &[&str]) -> bool {
    let status = Command::new(name).args(arguments).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A control plane that hosts connectors, with one synchronization.
pub(super) struct Host {
    folder: TempDir,
    network: String,
    daemon: Option<Daemon>,
    earlier_log: String,
    pub(super) synchronization: String,
    api_key: String,
    api: Option<Api>,
}

impl Host {
    pub(super) fn start(network: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("adc-server-").tempdir().expect("a temporary folder");
        let mut host = Self {
            folder,
            network: network.to_owned(),
            daemon: None,
            earlier_log: String::new(),
            synchronization: String::new(),
            api_key: String::new(),
            api: None,
        };
        for name in ["key", "another-key"] {
            host.cli(&["key", "create", &host.path(name)]);
        }
        let account = host.cli(&["account", "create", "LG"])["id"].as_str().expect("an id").to_owned();
        let made = host.cli(&["synchronization", "create", "--account", &account, "--name", "LG"]);
        made["id"].as_str().expect("an id").clone_into(&mut host.synchronization);
        let made = host.cli(&["api-key", "create", "--account", &account]);
        made["api_key"].as_str().expect("a key").clone_into(&mut host.api_key);
        host.serve("key");
        host
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn command(&self) -> Command {
        self.command_in(&[])
    }

    /// The program, run by another.
    fn command_in(&self, wrapper: &[String]) -> Command {
        let program = program("adc-server").display().to_string();
        let words: Vec<&String> = wrapper.iter().chain([&program]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command.current_dir(self.folder.path()).env_clear();
        command.args(["--database", &format!("sqlite:{}", self.path("adc.db"))]);
        command
    }

    fn cli(&self, arguments: &[&str]) -> Value {
        let output = self.command().args(arguments).args(["--output", "json"]).output().expect("starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("prints JSON")
    }

    /// Serves with this key, on a free port.
    fn serve(&mut self, key: &str) {
        self.serve_in(&[], key);
    }

    fn serve_in(&mut self, wrapper: &[String], key: &str) {
        let mut command = self.command_in(wrapper);
        command.args(["serve", "--listen", "127.0.0.1:0", "--key-file", &self.path(key)]);
        self.listen(command);
    }

    /// Serves, and logs for a log collector.
    pub(super) fn serve_logging_json(&mut self) {
        let mut command = self.command();
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--key-file",
            &self.path("key"),
            "--log-format",
            "json",
        ]);
        self.listen(command);
    }

    /// Serves as its unit has it served: the key is a credential.
    fn serve_by_unit(&mut self) {
        let credentials = self.folder.path().join("credentials");
        fs::create_dir(&credentials).expect("the folder can be written");
        let laid_out = credentials.join("adc-server-key");
        fs::copy(self.path("key"), &laid_out).expect("the key was made");
        // So it looks where systemd lays it out by an access control list.
        fs::set_permissions(&laid_out, fs::Permissions::from_mode(0o440)).expect("changes");
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0"]).env("CREDENTIALS_DIRECTORY", credentials);
        self.listen(command);
    }

    fn listen(&mut self, mut command: Command) {
        command.args(["--hosted-networks", &format!("wire={},near=127.0.0.0/8", self.network)]);
        command.args(["--hosted-plain", "wire"]);
        let mut daemon = Daemon::start("adc-server", &mut command).expect("starts");
        let url = |line: &str| {
            line.split(['"', ' ']).find(|word| word.starts_with("http://127")).map(str::to_owned)
        };
        let url = daemon.wait_for("its address", url).expect("listens");
        self.daemon = Some(daemon);
        self.api = Some(Api::new(&url, None).with_key(&self.api_key));
    }

    /// Ends it as a power failure would, and serves again with this key.
    fn crash(&mut self, key: &str) {
        self.stop();
        self.serve(key);
    }

    pub(super) fn stop(&mut self) {
        let mut daemon = self.daemon.take().expect("runs");
        daemon.kill();
        self.earlier_log.push_str(&daemon.log());
    }

    pub(super) fn api(&self) -> &Api {
        self.api.as_ref().expect("runs")
    }

    fn at(&self, path: &str) -> String {
        format!("/synchronizations/{}{path}", self.synchronization)
    }

    pub(super) fn set(&self, connection: &Value) -> adc_tests::Answer {
        self.api().patch(&self.at(""), &json!({ "connection": connection }))
    }

    fn connection(&self) -> Value {
        self.api().get(&self.at("")).ok()["connection"].clone()
    }

    pub(super) fn agents(&self) -> Vec<Value> {
        self.api().all(&self.at("/agents"))
    }

    fn users(&self) -> Vec<Value> {
        self.api().all("/users")
    }

    /// Runs it now; returns the run when it has ended.
    pub(super) fn run(&self) -> Value {
        let id = self.api().post(&self.at("/runs"), &json!({})).ok()["id"].clone();
        let path = format!("/runs/{}", id.as_str().expect("an id"));
        until(|| self.api().get(&path).ok()["finished_at"].is_string());
        self.api().get(&path).ok()
    }

    pub(super) fn log(&self) -> String {
        format!("{}{}", self.earlier_log, self.daemon.as_ref().map(Daemon::log).unwrap_or_default())
    }

    /// Everything it keeps on disk but the keys.
    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let files =
            fs::read_dir(self.folder.path()).expect("is there").map(|entry| entry.expect("is there").path());
        let secret = ["key", "another-key", "credentials"];
        let kept = files.filter(|path| !secret.iter().any(|name| path.ends_with(name)));
        kept.map(|path| (path.display().to_string(), fs::read(&path).expect("is there"))).collect()
    }
}

/// Asks until it is so; the test runner ends whoever asks for ever.
pub(crate) fn until(so: impl Fn() -> bool) {
    while !so() {
        thread::yield_now();
    }
}

#[test]
fn the_control_plane_runs_the_agent_itself_and_never_towards_itself() {
    let Some(elsewhere) = Elsewhere::new() else {
        eprintln!(
            "NOT PROVED: this process may not make network namespaces, and a hosted connector needs another machine"
        );
        return;
    };
    let authority = Authority::new();
    let there = elsewhere.there.to_string();
    let jane = Person::new("jane").set("userPassword", PASSWORD);
    let company = Company::new("dc=lg,dc=local").ou("people").person(jane).crowd(30);
    let builder = Slapd::builder(&company).syncprov(Some(1_000));
    let slapd = builder.tls(authority.issue([there.as_str()])).start();
    elsewhere.forward(LDAPS, port_of(&slapd.ldaps_url()));
    elsewhere.forward(LDAP, port_of(&slapd.url()));

    let mut host = Host::start(&elsewhere.network());
    let connection = json!({
        "host": there, "tls": "ldaps", "base_dn": slapd.suffix(), "user": slapd.root_dn(),
        "password": Slapd::ROOT_PASSWORD, "ca_pem": authority.certificate_pem(),
    });
    refuses_itself(&host, &elsewhere, &connection);

    let shown = host.set(&connection).ok()["connection"].clone();
    assert_eq!((&shown["port"], &shown["password_set"]), (&json!(636), &json!(true)));
    until(|| host.agents().first().is_some_and(|agent| !agent["directory"].is_null()));
    assert_eq!(host.agents()[0]["host"], "hosted by the control plane");
    assert_eq!(host.run()["state"], "applied");
    assert_eq!(host.users().len(), 31);
    slapd.add(&company.clone().ou("people").entry_of("joe"));
    until(|| host.users().iter().any(|user| user["username"] == "joe@lg.local"));

    signs_people_in(&host);
    for tls in ["start_tls", "plain"] {
        let mut connection = connection.clone();
        connection["tls"] = json!(tls);
        if tls == "plain" {
            connection["ca_pem"] = Value::Null;
        }
        let before = host.agents()[0]["instance"].clone();
        assert_eq!(host.set(&connection).ok()["connection"]["port"], LDAP);
        until(|| host.agents().first().is_some_and(|agent| agent["instance"] != before));
        let run = host.run();
        assert_eq!(run["state"], "applied", "{tls}: {run}");
        signs_people_in(&host);
    }
    host.set(&connection).ok();

    // A restart brings it back; one with another key says why not, and goes on.
    host.crash("key");
    until(|| !host.agents().is_empty());
    host.crash("another-key");
    until(|| host.connection()["connector"]["state"] == "failed");
    let trouble = host.connection()["connector"]["trouble"].to_string();
    assert!(trouble.contains("sealed with another key"), "{trouble}");
    assert_eq!((host.users().len(), host.agents().len()), (32, 0));
    host.stop();
    host.serve_by_unit();
    until(|| !host.agents().is_empty());
    signs_people_in(&host);

    let secret = Slapd::ROOT_PASSWORD;
    for secret in [secret, "adch_", PASSWORD] {
        assert!(!host.log().contains(secret), "{}", host.log());
    }
    for (name, content) in host.kept() {
        for secret in [secret.as_bytes(), b"adch_", PASSWORD.as_bytes()] {
            assert!(
                !content.windows(secret.len()).any(|part| part == secret),
                "{name} holds a secret in clear"
            );
        }
    }
    host.set(&Value::Null).ok();
    until(|| host.agents().is_empty());
}

#[test]
fn a_control_plane_ended_only_when_the_name_of_a_hosted_directory_had_been_looked_up() {
    let Some(names) = SilentNames::new() else { return };
    let mut host = Host::start("10.0.0.0/8");
    host.stop();
    host.serve_in(&names.wrapper(), "key");
    let connection = json!({
        "host": "dc1.corp.example", "tls": "ldaps", "base_dn": "dc=lg", "user": "cn=a", "password": PASSWORD,
    });
    host.set(&connection).ok();
    names.wait_for_question();
    let mut daemon = host.daemon.take().expect("runs");
    daemon.signal(Signal::TERM);
    let asked = Instant::now();
    assert!(daemon.wait().success(), "{}", daemon.log());
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}: {}", asked.elapsed(), daemon.log());
}

#[test]
fn a_connection_that_was_given_the_same_wrong_password_anew_was_refused_each_time() {
    let Some(elsewhere) = Elsewhere::new() else {
        eprintln!("NOT PROVED: this process may not make network namespaces");
        return;
    };
    let directory = InMemory::sample();
    elsewhere.forward(LDAP, port_of(&directory.url()));
    let host = Host::start(&elsewhere.network());
    let give = |password: &str| {
        let before = host.agents().first().map(|agent| agent["instance"].clone());
        let connection = json!({
            "host": elsewhere.there.to_string(), "tls": "plain", "base_dn": adc_sandbox::sample::BASE_DN,
            "user": directory.bind_dn(), "password": password,
        });
        host.set(&connection).ok();
        let is_another = |agent: &Value| Some(&agent["instance"]) != before.as_ref();
        let shown =
            || host.agents().into_iter().find(|agent| is_another(agent) && !agent["directory"].is_null());
        until(|| shown().is_some());
        shown().expect("it was there just now")["directory"]["trouble"]["code"].clone()
    };
    for _ in 0..3 {
        assert_eq!(give("wrong-mule"), "bind-refused");
    }
    assert_eq!(refused_binds(&directory), 1);
    assert_eq!(give(directory.bind_password()), Value::Null);
    assert_eq!(give("wrong-mule"), "bind-refused");
    assert_eq!(refused_binds(&directory), 1, "it is as wrong as before");
}

/// The connector checks passwords as any agent does.
fn signs_people_in(host: &Host) {
    let login = |password: &str| {
        host.api().post("/login", &json!({ "username": "jane@lg.local", "password": password }))
    };
    assert_eq!(login(PASSWORD).ok()["user"]["username"], "jane@lg.local");
    assert_eq!(login("wrong-mule").problem(), (401, "invalid-credentials"));
}

pub(super) fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).expect("a port")
}

/// The operator allowed loopback and the wire by name, and still nothing of this machine's is connected to.
fn refuses_itself(host: &Host, elsewhere: &Elsewhere, connection: &Value) {
    let trap = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
    trap.set_nonblocking(true).expect("can be asked without waiting");
    let port = trap.local_addr().expect("has an address").port();
    let led_to = |address: &str| {
        let mut led = connection.clone();
        (led["host"], led["port"]) = (json!(address), json!(port));
        host.set(&led)
    };
    let own = elsewhere.own.to_string();
    for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", &own, &format!("::ffff:{own}")] {
        let answer = led_to(address);
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("network-not-allowed")), "{address}");
    }
    // A name is looked up when it is connected to.
    led_to("localhost").ok();
    until(|| host.connection()["connector"]["state"] == "failed");
    let trouble = host.connection()["connector"]["trouble"].to_string();
    assert!(trouble.contains("loopback"), "{trouble}");
    let nobody = trap.accept().expect_err("the control plane connected to itself");
    assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
    host.set(&Value::Null).ok();
}

#[test]
fn a_key_file_that_is_missing_open_to_others_or_none_ends_the_control_plane_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = folder.path().join("key");
    let said = |key: &Path| {
        let mut command = Command::new(program("adc-server"));
        command.current_dir(folder.path()).env_clear();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database", "sqlite:adc.db"]);
        let networks = ["--hosted-networks", "corp=10.0.0.0/8", "--key-file"];
        let output = command.args(networks).arg(key).output().expect("starts");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(said(&key).contains("adc-server key create"), "{}", said(&key));
    fs::write(&key, [7; 32]).expect("writes");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("changes");
    assert!(said(&key).contains("chmod 0600"), "{}", said(&key));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("changes");
    fs::write(&key, "not a key").expect("writes");
    assert!(said(&key).contains("is no key file"), "{}", said(&key));
}
