//! `adc-server serve` as a supervisor sees it.

use crate::program::Place;
use reqwest::{Certificate, Client, StatusCode};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};

/// Longer than anything here takes, shorter than a test runner's patience.
const PATIENCE: Duration = Duration::from_secs(9);

fn client() -> reqwest::ClientBuilder {
    // A second installation in this process is refused, and changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder().no_proxy()
}

#[tokio::test]
async fn it_prints_one_line_and_ends_with_0_when_asked_to_stop() {
    for signal in ["-TERM", "-INT"] {
        let place = Place::new();
        let server = place.serve(&[]);
        assert!(server.line.starts_with("listening on http://127.0.0.1:"), "{}", server.line);
        let client = client().build().expect("builds");
        let ready = client.get(format!("{}/readyz", server.url())).send().await.expect("answers");
        assert_eq!(ready.status(), StatusCode::OK);
        let asked = Instant::now();
        // The client's idle connection is no reason to stay.
        assert_eq!(server.stop(signal), (Some(0), String::new()), "{signal}");
        assert!(asked.elapsed() < PATIENCE, "{signal} took {:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn commands_work_beside_a_running_server() {
    let place = Place::new();
    let server = place.serve(&["--output", "json"]);
    let line: Value = serde_json::from_str(&server.line).expect("is JSON");
    let url = line["url"].as_str().expect("names its address");
    place.json(&["account", "create", "acme"]);
    let key = place.json(&["api-key", "create", "--account", "acme"]);
    let [id, secret] = ["id", "api_key"].map(|name| key[name].as_str().expect("a key"));
    let client = client().build().expect("builds");
    let list = async || {
        let request = client.get(format!("{url}/api/v1/synchronizations")).bearer_auth(secret);
        request.send().await.expect("answers").status()
    };
    assert_eq!(list().await, StatusCode::OK);
    place.json(&["api-key", "revoke", id]);
    assert_eq!(list().await, StatusCode::UNAUTHORIZED);
    drop(server);
}

#[test]
fn a_port_that_is_taken_is_said_so() {
    let place = Place::new();
    let server = place.serve(&[]);
    let address = server.url().trim_start_matches("http://").to_owned();
    let (code, message) = Place::new().refused(&["serve", "--listen", &address]);
    assert_eq!(code, 1);
    let sentence = "the port is taken; stop what listens there, or choose another by --listen";
    assert_eq!(message, format!("error: cannot listen on {address}: {sentence}\n"));
}

#[test]
fn a_second_server_on_one_database_is_refused_and_ends_nobodys_run() {
    let place = Place::new();
    let server = place.serve(&[]);
    let (code, message) = place.refused(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert_eq!(message, "error: another adc-server already serves sqlite:adc.db; stop it first\n");
    let absolute = format!("sqlite:{}", place.path().join("adc.db").display());
    for other in [&["serve", "--listen", "127.0.0.1:0"][..], &["demo", "--once"]] {
        let (code, message) = place.refused(&[other, &["--database", &absolute]].concat());
        assert!(code == 1 && message.contains("already serves"), "{other:?}: {message}");
    }
    place.json(&["account", "create", "acme"]);
    drop(server);
}

#[test]
fn a_server_that_was_killed_is_followed_by_another_at_once() {
    let place = Place::new();
    for _ in 0..3 {
        let server = place.serve(&[]);
        assert!(server.line.starts_with("listening on "), "{}", server.line);
        assert_eq!(server.stop("-KILL").0, None);
    }
}

#[test]
fn what_is_no_database_is_said_once() {
    let place = Place::new();
    std::fs::write(
        place.path().join("adc.db"),
        "not a database, but long enough to be looked at ".repeat(99),
    )
    .expect("writes");
    let (code, message) = place.refused(&["account", "create", "acme"]);
    assert_eq!(code, 1);
    assert_eq!(message.matches("not a database").count(), 1, "{message}");
    assert!(message.contains("choose another by --database") && message.lines().count() == 1, "{message}");
}

#[test]
fn logs_are_json_for_collectors_that_ask() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("is piped")).read_line(&mut line).expect("logs a line");
    child.kill().expect("is there");
    child.wait().expect("ends");
    let line: Value = serde_json::from_str(&line).expect("is JSON");
    assert_eq!((&line["level"], &line["database"]), (&"INFO".into(), &"sqlite:adc.db".into()));
    assert!(line["message"].is_string(), "where the agent's lines have it: {line}");
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_keeps_nobody_waiting() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("makes a certificate");
    std::fs::write(place.path().join("cert.pem"), made.cert.pem()).expect("writes");
    std::fs::write(place.path().join("key.pem"), made.signing_key.serialize_pem()).expect("writes");
    let server = place.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.line);
    let address = server.url().trim_start_matches("https://");
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(address).expect("connects")).collect();

    let authority = Certificate::from_pem(made.cert.pem().as_bytes()).expect("is a certificate");
    let trusting = client().tls_certs_only([authority]).timeout(PATIENCE).build().expect("builds");
    let health = trusting.get(format!("{}/healthz", server.url())).send().await.expect("answers");
    assert_eq!((health.status(), health.version()), (StatusCode::OK, reqwest::Version::HTTP_2));
    let plain = client().build().expect("builds").get(format!("http://{address}/healthz")).send().await;
    assert!(plain.is_err(), "plain HTTP is answered on a TLS port");
    drop(silent);
}

#[test]
fn a_request_that_never_ends_is_cut_off_within_ten_seconds() {
    let place = Place::new();
    place.json(&["account", "create", "acme"]);
    let key = place.json(&["api-key", "create", "--account", "acme"])["api_key"]
        .as_str()
        .expect("a key")
        .to_owned();
    let server = place.serve(&[]);
    let mut endless = TcpStream::connect(server.url().trim_start_matches("http://")).expect("connects");
    let head = "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\
                Expect: 100-continue\r\nAuthorization: Bearer ";
    write!(endless, "{head}{key}\r\n\r\n").expect("writes");
    // It is asked for the rest when the handler waits for it.
    let mut interim = [0; 12];
    endless.read_exact(&mut interim).expect("answers");
    assert_eq!(&interim, b"HTTP/1.1 100");
    let asked = Instant::now();
    assert_eq!(server.stop("-TERM").0, Some(0));
    let took = asked.elapsed();
    assert!((PATIENCE..Duration::from_secs(10)).contains(&took), "took {took:?}");
}
