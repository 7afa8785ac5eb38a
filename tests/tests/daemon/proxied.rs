//! The ways to the control plane: through an HTTP proxy, with a private CA, over IPv6; the same for runs and for the link.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use adc_tests::{Agent, Authority, Company, ControlPlane, Slapd};

use super::wire::Wire;
use super::{Connected, plain, run_of, scene, start_run};

/// An HTTP proxy that lets through who says the right password, and notes what it was asked for.
struct HttpProxy {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// `svc:geheim`, as RFC 7617 writes it.
const CREDENTIALS: &str = "Basic c3ZjOmdlaGVpbQ==";

impl HttpProxy {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let (at, asked) = (listener.local_addr().expect("it is bound"), Arc::<Mutex<Vec<String>>>::default());
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                thread::spawn(move || serve(client, &noted));
            }
        });
        Self { at, asked }
    }

    fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}{}", self.at)
    }

    /// What it was asked for, once each.
    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().expect("no thread panics with it").clone();
        asked.sort();
        asked.dedup();
        asked
    }
}

fn serve(mut client: TcpStream, noted: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count > 0) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    noted.lock().expect("no thread panics with it").push(target.to_owned());
    let answer = |client: &mut TcpStream, status: &str| {
        // An agent that has gone meanwhile does not hear it.
        let _ = client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
    };
    if !head.to_lowercase().contains(&CREDENTIALS.to_lowercase()) {
        answer(&mut client, "407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close");
        // What is left unread when it is closed would take the answer away.
        let _ =
            client.shutdown(Shutdown::Write).and_then(|()| std::io::copy(&mut client, &mut std::io::sink()));
        return;
    }
    let Ok(mut server) = TcpStream::connect(target) else { return answer(&mut client, "502 Bad Gateway") };
    answer(&mut client, "200 Connection established");
    let (mut from, mut to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    // Whoever ends it first ends it for both.
    let _ = std::io::copy(&mut server, &mut client);
}

/// A control plane that serves TLS with a certificate of a private authority.
fn with_tls() -> (Company, Slapd, ControlPlane, Authority) {
    let company = Company::new("dc=lg,dc=local").ou("people").person("jane");
    let slapd = Slapd::serving(&company);
    let authority = Authority::new();
    let control_plane = ControlPlane::with_tls(&authority, authority.issue(["127.0.0.1"]));
    (company, slapd, control_plane, authority)
}

#[test]
fn link_and_runs_go_through_the_proxy_and_trust_the_private_authority() {
    let proxy = HttpProxy::start();
    let (_company, slapd, control_plane, authority) = with_tls();
    let synchronization = control_plane.synchronization("LG");
    let agent = Agent::new(&slapd, &control_plane, &synchronization)
        .server("proxy", &proxy.url("svc:geheim@"))
        .server_file("ca_file", authority.certificate_pem());
    let mut connected = Connected::start(&agent);
    let api = control_plane.api(&synchronization);
    api.post(&format!("/synchronizations/{}/runs", synchronization.id), &plain()).ok();
    connected.wait_for("run ended");
    assert_eq!(api.all("/users").len(), 1);
    assert_eq!(proxy.asked(), [control_plane.url().trim_start_matches("https://")]);
    let (code, log) = connected.stop();
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("geheim"), "the proxy's password is printed: {log}");
}

/// Fails unless link and runs, in clear and over TLS, are told this of a proxy that is given these credentials.
#[track_caller]
fn assert_told(credentials: &str, told: &str) {
    let proxy = HttpProxy::start();
    let scene = scene();
    let (_company, slapd, control_plane, authority) = with_tls();
    let over_tls = Agent::new(&slapd, &control_plane, &control_plane.synchronization("LG"))
        .server_file("ca_file", authority.certificate_pem());
    for agent in [scene.agent, over_tls] {
        let agent = agent.server("proxy", &proxy.url(credentials));
        let said = agent.imp().expect_code(4).stderr;
        let mut connected = Connected(agent.start(&["run"]));
        let link = connected.wait_for("no link to the control plane");
        let (code, log) = connected.stop();
        assert_eq!(code, 0, "a proxy's word is never for good: {log}");
        for said in [&said, &link] {
            assert!(said.contains(&format!("the proxy http://{} {told}", proxy.at)), "{said}");
            assert!(said.contains("server.proxy"), "it is not said what to do: {said}");
        }
        assert!(!said.contains("falsch") && !log.contains("falsch"), "the password is printed: {said}{log}");
    }
}

#[test]
fn a_proxy_that_wants_a_password_is_named_with_what_to_do() {
    assert_told("", "wants a user name and a password");
}

#[test]
fn a_proxy_that_refused_a_password_was_said_to_want_one() {
    assert_told("svc:falsch@", "refuses the user name and the password");
}

#[test]
fn an_authority_that_is_not_trusted_is_named_with_what_to_do() {
    let (_company, slapd, control_plane, _) = with_tls();
    let synchronization = control_plane.synchronization("LG");
    let agent = Agent::new(&slapd, &control_plane, &synchronization)
        .server_file("ca_file", Authority::new().certificate_pem());
    let mut agent = Connected(agent.start(&["run"]));
    let why = agent.wait_for("no link to the control plane");
    assert!(why.contains("ca_file"), "{why}");
    agent.stop();
}

#[test]
fn a_control_plane_is_reached_over_ipv6() {
    let scene = scene();
    let wire = Wire::over_ipv6_to(scene.control_plane.url());
    let scene = scene.agent(|agent| agent.server("url", &wire.url()));
    let mut agent = Connected::start(&scene.agent);
    let id = start_run(&scene, &plain());
    agent.wait_for("run ended");
    assert_eq!(run_of(&scene, &id)["state"], "applied");
    agent.stop();
}
