//! `adc-server serve` as a supervisor sees it.

use crate::program::Place;
use reqwest::{Certificate, Client, StatusCode};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
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
    let key = place.json(&["api-key", "create", "--account", "acme"])["api_key"]
        .as_str()
        .expect("a key")
        .to_owned();
    let client = client().build().expect("builds");
    let list =
        client.get(format!("{url}/api/v1/synchronizations")).bearer_auth(key).send().await.expect("answers");
    assert_eq!(list.status(), StatusCode::OK);
    drop(server);
}

#[test]
fn a_port_that_is_taken_is_said_so() {
    let place = Place::new();
    let server = place.serve(&[]);
    let address = server.url().trim_start_matches("http://").to_owned();
    let (code, message) = place.refused(&["serve", "--listen", &address]);
    assert_eq!(code, 1);
    assert!(message.contains(&address) && message.contains("Address already in use"), "{message}");
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
