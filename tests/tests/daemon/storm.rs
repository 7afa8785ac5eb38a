//! A storm on the way to the control plane: every request of a run is answered with "not now" once, before it is let through or after.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use adc_tests::Agent;
use serde_json::json;

use super::{Connected, plain, run_of, runs, scene, start_run};

/// What is answered in place of the control plane, one after the other: each form that proxies have of "not now".
const REFUSALS: [&str; 6] = [
    "503 Service Unavailable\r\nRetry-After: 1",
    "429 Too Many Requests",
    "429 Too Many Requests\r\nRetry-After: 0",
    "503 Service Unavailable\r\nRetry-After: soon",
    "429 Too Many Requests\r\nRetry-After: Wed, 01 Jan 2099 00:00:00 GMT",
    "503 Service Unavailable\r\nRetry-After: -1",
];

/// When the control plane hears of a request that is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// When it comes again.
    Later,
    /// At once, and its answer is lost; when it comes again, once more.
    Twice,
    /// Never, if it is one of a run that is open: a rate limiter has had enough of this agent.
    Never,
}

/// What such a rate limiter says: to come back when the patience of a run has ended.
const ENOUGH: &str = "429 Too Many Requests\r\nRetry-After: 60";

/// Much less than such a minute, and more than it takes to give a run up that nobody hears of.
const SOON: Duration = Duration::from_secs(15);

/// A proxy before the control plane that refuses every request once.
struct Storm {
    at: SocketAddr,
    weather: Arc<Weather>,
}

struct Weather {
    server: SocketAddr,
    heard: Heard,
    /// How often each request came: those that carry the same are the same.
    came: Mutex<BTreeMap<Vec<u8>, usize>>,
    refused: Mutex<Vec<String>>,
}

impl Storm {
    fn before(url: &str, heard: Heard) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let at = listener.local_addr().expect("it is bound");
        let server = url.trim_start_matches("http://").parse().expect("an address");
        let weather = Arc::new(Weather { server, heard, came: Mutex::default(), refused: Mutex::default() });
        let over = Arc::clone(&weather);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let weather = Arc::clone(&over);
                // Whoever breaks a connection off is gone, or has been killed.
                thread::spawn(move || weather.serve(client).ok());
            }
        });
        Self { at, weather }
    }

    /// What the agent calls the control plane.
    fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// The last words of the paths of all requests that were refused.
    fn refused(&self) -> BTreeSet<String> {
        let refused = self.weather.refused.lock().expect("no thread panics with it");
        refused.iter().cloned().collect()
    }
}

impl Weather {
    /// Serves the one request of a connection.
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let (head, body) = read_request(&mut client)?;
        let (request, rest) = head.split_once("\r\n").expect("a head has a first line");
        let is_link = request.contains("/agent/link");
        // A link that was heard of stands.
        let refusal = match self.heard {
            Heard::Later => self.refusal(request, &body),
            Heard::Twice => self.refusal(request, &body).filter(|_| !is_link),
            Heard::Never => request.contains("/agent/runs/").then_some(ENOUGH),
        };
        if let (Some(refusal), Heard::Later | Heard::Never) = (refusal, self.heard) {
            return refuse(&mut client, refusal);
        }
        let mut server = TcpStream::connect(self.server)?;
        let last = if is_link { "" } else { "Connection: close\r\n" };
        server.write_all(format!("{request}\r\n{last}{rest}").as_bytes())?;
        server.write_all(&body)?;
        if is_link {
            let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
        match refusal {
            None => std::io::copy(&mut server, &mut client).map(drop),
            Some(refusal) => {
                std::io::copy(&mut server, &mut std::io::sink())?;
                refuse(&mut client, refusal)
            }
        }
    }

    /// What a request is refused with that comes for the first time, or was let through the last time.
    fn refusal(&self, request: &str, body: &[u8]) -> Option<&'static str> {
        let mut came = self.came.lock().expect("no thread panics with it");
        let times = came.entry([request.as_bytes(), body].concat()).or_default();
        *times += 1;
        if times.is_multiple_of(2) {
            return None;
        }
        let mut refused = self.refused.lock().expect("no thread panics with it");
        let path = request.split(' ').nth(1).unwrap_or_default();
        refused.push(path.rsplit('/').next().unwrap_or_default().to_owned());
        Some(REFUSALS[refused.len() % REFUSALS.len()])
    }
}

fn refuse(client: &mut TcpStream, refusal: &str) -> std::io::Result<()> {
    let answer = format!("HTTP/1.1 {refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    client.write_all(answer.as_bytes())
}

/// Reads a request: its head, with the empty line, and its body.
fn read_request(client: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("an agent's head is text");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().expect("a length"))
    });
    let mut body = vec![0; length.unwrap_or_default()];
    client.read_exact(&mut body)?;
    Ok((head, body))
}

#[test]
fn runs_whose_every_request_is_refused_before_it_is_heard_do_all_once() {
    all_is_done_once(Heard::Later);
}

#[test]
fn runs_whose_every_request_is_heard_twice_do_all_once() {
    all_is_done_once(Heard::Twice);
}

#[test]
fn an_agent_waited_a_minute_for_a_rate_limiter_although_another_had_done_its_run() {
    let scene = scene();
    scene.patch(&json!({ "policy": { "follow_changes": false } }));
    let second = Agent::new(&scene.directory, &scene.control_plane, &scene.synchronization);
    let storm = Storm::before(scene.control_plane.url(), Heard::Never);
    let scene = scene.agent(|agent| agent.server("url", &storm.url()));
    let mut first = Connected::start(&scene.agent);
    let run = start_run(&scene, &plain());
    first.wait_for("trying again for up to 60 s");
    let mut second = Connected::start(&second);
    second.wait_for("run ended");
    let taken_over = Instant::now();
    first.wait_for_end(&run);
    assert!(taken_over.elapsed() < SOON, "{:?}", taken_over.elapsed());
    assert_eq!(run_of(&scene, &run)["state"], "interrupted");
    let (code, log) = first.stop();
    assert_eq!(code, 0, "{log}");
    second.stop();
}

#[track_caller]
fn all_is_done_once(heard: Heard) {
    let scene = scene();
    let storm = Storm::before(scene.control_plane.url(), heard);
    let scene = scene.agent(|agent| agent.server("url", &storm.url()).sync_yaml("page_size", "5"));
    scene.patch(&json!({ "policy": { "follow_changes": false } }));
    let mut agent = Connected::start(&scene.agent);
    let run = |agent: &mut Connected| {
        let run = start_run(&scene, &plain());
        agent.wait_for_end(&run);
        assert_eq!(run_of(&scene, &run)["state"], "applied");
    };
    run(&mut agent);
    let objects = scene.users().len() + scene.org_units().len();
    // Who is missing is looked up.
    scene.leave("user00009");
    run(&mut agent);
    scene.patch(&json!({ "policy": { "follow_changes": true } }));
    agent.wait_for("following the directory's changes");
    scene.join("people", "zoe");
    agent.wait_until(|| scene.users().contains_key("zoe@lg.local"));
    scene.leave("user00007");
    agent.wait_until(|| !scene.users().contains_key("user00007@lg.local"));
    let (code, log) = agent.stop();
    assert_eq!(code, 0, "{log}");
    assert!(runs(&scene).iter().all(|run| run["state"] != "failed"), "{log}");
    assert_eq!(scene.api.all("/events").len(), objects + 3, "one came and two went, once each");
    let requests = ["confirm", "digests", "finish", "records", "runs", "touched"];
    assert!(requests.iter().all(|request| storm.refused().contains(*request)), "{:?}", storm.refused());
}
