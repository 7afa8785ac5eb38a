//! Many agents that are connected and do nothing: what they cost the control plane, how soon they are back after it was started
//! again, and how soon one of them hears that it is to run.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use adc::{clock, run::pause};
use adc_core::protocol::RunError;
use adc_core::protocol::link::{
    AgentMessage, Hello, LINK_PATH, Outcome, PING_SECONDS, Reply, Request, RunEnded, SUBPROTOCOL,
    ServerMessage,
};
use adc_core::settings::Settings;
use adc_tests::{Api, Authority, ControlPlane, Synchronization};
use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Where the control plane listens.
const HOST: &str = "127.0.0.1";

/// An account holds this many synchronizations, of an agent each.
const PER_ACCOUNT: usize = 500;

/// Agents that connect before memory is counted: what the first of them costs, it costs once.
const WARM_UP: usize = 20;

/// Runs that are asked for, one after the other.
const COMMANDS: usize = 200;

/// Whoever is not there by then never comes.
const LOST_AFTER: Duration = Duration::from_mins(5);

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    /// Agents connected, over TLS.
    pub(crate) agents: usize,
    /// Memory of the control plane for each (bytes).
    pub(crate) memory_each: u64,
    /// After it was killed and started again: until half, and until all of them were back.
    pub(crate) half_back: Duration,
    pub(crate) all_back: Duration,
    /// From the API's call until the agent has the order, p50 and p99.
    pub(crate) command: [Duration; 2],
}

/// What an agent says of itself.
enum Event {
    Connected,
    AskedToRun,
}

/// Where the agents connect, and how.
struct Way {
    port: u16,
    tls: TlsConnector,
}

/// Connects so many agents.
pub(crate) fn measure(agents: usize) -> Result<Links> {
    eprintln!("{agents} idle agents: making their synchronizations");
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum })?;
    let authority = Authority::new();
    let mut control_plane = ControlPlane::with_tls(&authority, authority.issue([HOST]));
    let (synchronizations, first) = synchronizations(&control_plane, agents + WARM_UP)?;

    let runtime = Runtime::new()?;
    let way = Arc::new(Way::to(&control_plane, &authority)?);
    let (events, mut heard) = unbounded_channel();
    let connect = |synchronizations: &[Synchronization]| {
        for synchronization in synchronizations {
            runtime.spawn(stay(Arc::clone(&way), synchronization.clone(), events.clone()));
        }
    };
    connect(&synchronizations[..WARM_UP]);
    connected(&runtime, &mut heard, WARM_UP)?;
    let before = resident(&control_plane)?;
    eprintln!("{agents} idle agents: connecting them");
    connect(&synchronizations[WARM_UP..]);
    connected(&runtime, &mut heard, agents)?;
    thread::sleep(Duration::from_secs(2 * PING_SECONDS));
    let memory_each = resident(&control_plane)?.saturating_sub(before) / agents as u64;

    let command = commands(&runtime, &mut heard, &first, &synchronizations[0].id)?;

    eprintln!("{agents} idle agents: starting the control plane again");
    control_plane.restart();
    let restarted = Instant::now();
    let all = agents + WARM_UP;
    let half_back = connected(&runtime, &mut heard, all / 2)?.duration_since(restarted);
    let all_back = connected(&runtime, &mut heard, all - all / 2)?.duration_since(restarted);
    runtime.shutdown_background();
    Ok(Links { agents, memory_each, half_back, all_back, command })
}

/// Makes synchronizations, and a client that administers the first.
fn synchronizations(control_plane: &ControlPlane, count: usize) -> Result<(Vec<Synchronization>, Api)> {
    let (mut made, mut first): (Vec<Synchronization>, Option<Api>) = (Vec::with_capacity(count), None);
    while made.len() < count {
        let synchronization = control_plane.synchronization(&format!("account {}", made.len() / PER_ACCOUNT));
        let api = control_plane.api(&synchronization);
        made.push(synchronization);
        for number in 1..PER_ACCOUNT.min(count - made.len() + 1) {
            let answer =
                api.post("/synchronizations", &json!({ "name": format!("synchronization {number}") }));
            ensure!(answer.status == 201, "{}", answer.body);
            made.push(serde_json::from_value(answer.body)?);
        }
        first.get_or_insert(api);
    }
    Ok((made, first.context("there is an agent at least")?))
}

/// Waits until so many agents are connected; returns when.
fn connected(runtime: &Runtime, heard: &mut UnboundedReceiver<Event>, mut agents: usize) -> Result<Instant> {
    let all = async {
        while agents > 0 {
            if let Some(Event::Connected) = heard.recv().await {
                agents -= 1;
            }
        }
    };
    runtime.block_on(async { tokio::time::timeout(LOST_AFTER, all).await }).context("agents never came")?;
    Ok(Instant::now())
}

/// Has one of the agents run, again and again.
fn commands(
    runtime: &Runtime,
    heard: &mut UnboundedReceiver<Event>,
    api: &Api,
    synchronization: &str,
) -> Result<[Duration; 2]> {
    let path = format!("/synchronizations/{synchronization}/runs");
    let mut latencies = Vec::with_capacity(COMMANDS);
    while latencies.len() < COMMANDS {
        let started = Instant::now();
        let answer = api.post(&path, &json!({ "dry_run": true, "full": false }));
        if answer.status == 409 {
            // The run before is not noted as ended yet.
            continue;
        }
        ensure!(answer.status == 202, "{}", answer.body);
        runtime.block_on(async {
            loop {
                match heard.recv().await {
                    Some(Event::AskedToRun) => return Ok(()),
                    Some(Event::Connected) => {}
                    None => bail!("all agents are gone"),
                }
            }
        })?;
        latencies.push(started.elapsed());
    }
    latencies.sort_unstable();
    Ok([latencies[COMMANDS / 2], latencies[COMMANDS * 99 / 100]])
}

/// An agent: it connects, stays, and comes back.
async fn stay(way: Arc<Way>, synchronization: Synchronization, events: UnboundedSender<Event>) {
    let mut failures = 0;
    loop {
        if way.link(&synchronization, &events).await.is_ok() {
            failures = 0;
        }
        failures += 1;
        tokio::time::sleep(pause(failures, None, clock::jitter())).await;
    }
}

impl Way {
    fn to(control_plane: &ControlPlane, authority: &Authority) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes())?)?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let (_, port) = control_plane.url().rsplit_once(':').context("an address has a port")?;
        Ok(Self { port: port.parse()?, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Is connected until it is not any more; an error where it never was.
    async fn link(&self, synchronization: &Synchronization, events: &UnboundedSender<Event>) -> Result<()> {
        let stream = TcpStream::connect((HOST, self.port)).await?;
        let stream = self.tls.connect(ServerName::try_from(HOST)?, stream).await?;
        let mut request = format!("ws://{HOST}:{}{LINK_PATH}", self.port).into_client_request()?;
        let Synchronization { application_id, secret_token, .. } = synchronization;
        let credentials = STANDARD.encode(format!("{application_id}:{secret_token}"));
        request.headers_mut().insert("authorization", format!("Basic {credentials}").parse()?);
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse()?);
        // Ten thousand of them live in this process.
        let buffers = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let (mut socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(buffers)).await?;
        let say = |message: &AgentMessage| Message::text(serde_json::to_string(message).expect("is JSON"));
        socket.send(say(&AgentMessage::Hello(Box::new(hello())))).await?;
        let mut welcome = false;
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            match serde_json::from_str(&text) {
                Ok(ServerMessage::Welcome(_)) => {
                    welcome = true;
                    events.send(Event::Connected)?;
                }
                Ok(ServerMessage::Ping) => socket.send(say(&AgentMessage::Pong)).await?,
                Ok(ServerMessage::Request { id, request: Request::Run(command) }) => {
                    events.send(Event::AskedToRun)?;
                    let outcome = Outcome::Ok(Box::new(Reply::Accepted));
                    socket.send(say(&AgentMessage::Reply { id, outcome })).await?;
                    let message = "Nothing is behind this agent.".to_owned();
                    let error = Some(RunError { code: "directory-unreachable".to_owned(), message });
                    let ended = RunEnded { run_id: command.run_id, error };
                    socket.send(say(&AgentMessage::RunEnded(ended))).await?;
                }
                _ => {}
            }
        }
        ensure!(welcome, "not welcome");
        Ok(())
    }
}

fn hello() -> Hello {
    Hello {
        instance: clock::instance(),
        host: "bench.example".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        directory: None,
        configuration: [("base_dn".to_owned(), "dc=bench,dc=example".to_owned())].into(),
        settings: Settings::default(),
        public_key: None,
        password_timeout_ms: None,
        runs: Vec::new(),
    }
}

/// Resident memory of the control plane (bytes).
fn resident(control_plane: &ControlPlane) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", control_plane.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
