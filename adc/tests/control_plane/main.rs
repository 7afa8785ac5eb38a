//! A control plane that answers late, wrongly, or not at all.

mod ended;
mod looked_up;
mod outage;
mod run;
mod script;
mod slow;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use adc::config::{ServerConfig, ServerUrl};
use adc::control_plane::{ControlPlane, ControlPlaneError};
use adc_core::protocol::{Abort, DigestBatch, RecordBatch, RunError, Wanted};
use adc_core::record::{Kind, Record};
use rcgen::{Certificate, CertificateParams, KeyPair};
use rustls::ServerConfig as TlsConfig;
use rustls::pki_types::PrivateKeyDer;
use script::{Answer, Script};

fn config(url: &str) -> ServerConfig {
    ServerConfig {
        url: url.parse::<ServerUrl>().expect("an address"),
        application_id: "app_1".to_owned(),
        secret_token: "geheim".into(),
        ca_file: None,
        proxy: None,
    }
}

fn control_plane(script: &Script) -> ControlPlane {
    ControlPlane::new(&config(&script.url())).expect("a client")
}

fn batch() -> DigestBatch {
    let record = Record::new(Kind::User, "1", "cn=a", "a");
    DigestBatch { seq: 0, kind: Kind::User, items: vec![("1".to_owned(), record.digest())] }
}

const WANTED: &str = r#"{"seq":0,"wanted":[0]}"#;

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_with_the_same_body() {
    let script = Script::start([Answer::Lost, Answer::Cut, Answer::json(200, WANTED)]).await;
    let sent = control_plane(&script).digests("run_1", &batch()).await.expect("answers in the end");
    assert_eq!(sent.answer, Wanted { seq: 0, wanted: vec![0] });
    let requests = script.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests.iter().all(|request| *request == requests[0]),
        "idempotent requests are sent again as they were"
    );
    assert_eq!(requests[0].path, "/api/v1/agent/runs/run_1/digests");
}

#[tokio::test]
async fn not_now_is_asked_again_when_the_control_plane_says() {
    for status in [429, 502, 503, 504] {
        let script = Script::start([Answer::retry(status, 1), Answer::json(200, WANTED)]).await;
        let started = std::time::Instant::now();
        control_plane(&script).digests("run_1", &batch()).await.expect("answers in the end");
        assert!(started.elapsed() >= Duration::from_secs(1), "{status}");
    }
}

#[tokio::test]
async fn whoever_asked_for_an_age_of_patience_ended_the_program() {
    let script = Script::start([Answer::retry(503, u64::MAX), Answer::json(200, "{}")]).await;
    let error = RunError { code: "interrupted".to_owned(), message: "No.".to_owned() };
    control_plane(&script).abort("run_1", &Abort { error }).await.expect("it is asked once more");
}

#[tokio::test]
async fn a_lease_was_not_renewed_in_time_because_a_rate_limiter_asked_for_half_a_minute() {
    let script = Script::start([Answer::retry(429, 30), Answer::json(200, "{}")]).await;
    let started = std::time::Instant::now();
    control_plane(&script).renew("run_1").await.expect("is renewed");
    assert!(started.elapsed() < Duration::from_secs(adc_core::protocol::LEASE_SECONDS), "the run is lost");
}

#[tokio::test]
async fn a_proxys_not_now_was_said_to_be_no_control_plane() {
    let script = Script::start([Answer::json(503, "<html>")]).await;
    let error = control_plane(&script).probe().await.expect_err("not now").to_string();
    assert!(error.contains("status 503") && error.contains("a proxy on the way"), "{error}");
    assert!(!error.contains("server.url"), "{error}");
}

#[tokio::test]
async fn no_is_not_asked_again_and_is_told_in_the_control_planes_words() {
    let problem = r#"{"type":"about:blank","title":"Conflict","status":409,"code":"run-active","detail":"The run run_2 is under way; wait.","run_id":"run_2"}"#;
    let script = Script::start([Answer::json(409, problem)]).await;
    let error = control_plane(&script).digests("run_1", &batch()).await.expect_err("refused");
    assert!(error.is_run_active());
    assert_eq!(error.to_string(), "The run run_2 is under way; wait.");
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn credentials_travel_as_basic_and_their_refusal_says_so() {
    let problem = r#"{"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthorized","detail":"The Secret Token is wrong."}"#;
    let script = Script::start([Answer::json(401, problem)]).await;
    let error = control_plane(&script).probe().await.expect_err("refused");
    assert!(matches!(error, ControlPlaneError::CredentialsRefused { .. }));
    assert!(
        error.to_string().ends_with("does not believe this agent: The Secret Token is wrong."),
        "{error}"
    );
    // base64 of "app_1:geheim"
    assert_eq!(script.requests()[0].authorization.as_deref(), Some("Basic YXBwXzE6Z2VoZWlt"));
}

#[tokio::test]
async fn a_404_of_anything_but_a_run_is_not_taken_for_a_welcome() {
    let problem = |code: &str| {
        let body = format!(
            r#"{{"type":"about:blank","title":"Not Found","status":404,"code":"{code}","detail":"There is nothing here."}}"#
        );
        Answer::json(404, &body)
    };
    let script = Script::start([problem("run-not-found")]).await;
    control_plane(&script).probe().await.expect("believed");
    let script = Script::start([problem("not-found")]).await;
    let error = control_plane(&script).probe().await.expect_err("nobody was asked for credentials");
    assert!(matches!(error, ControlPlaneError::NotAControlPlane { .. }), "{error}");
}

#[tokio::test]
async fn something_else_on_the_port_is_recognized() {
    for answer in [Answer::json(200, "<html>"), Answer::json(404, "not here"), Answer::json(301, "")] {
        let script = Script::start([answer]).await;
        let error = control_plane(&script).digests("run_1", &batch()).await.expect_err("refused");
        assert!(matches!(error, ControlPlaneError::NotAControlPlane { .. }), "{error}");
    }
}

#[tokio::test]
async fn big_bodies_are_compressed_and_small_ones_are_not() {
    let script = Script::start([Answer::json(200, r#"{"seq":0}"#), Answer::json(200, WANTED)]).await;
    let control_plane = control_plane(&script);
    let records = (0..1_000).map(|n| Record::new(Kind::User, n.to_string(), "cn=a", "a")).collect();
    let batch_of_records = RecordBatch { seq: 0, records, members: Vec::new() };
    let sent = control_plane.records("run_1", batch_of_records.clone()).await.expect("accepted");
    control_plane.digests("run_1", &batch()).await.expect("answers");
    let requests = script.requests();
    assert_eq!(requests[0].encoding.as_deref(), Some("zstd"));
    assert_eq!(sent.bytes, requests[0].body.len() as u64);
    let unpacked = requests[0].unpacked();
    assert_eq!(serde_json::from_slice::<RecordBatch>(&unpacked).expect("JSON"), batch_of_records);
    assert_eq!(requests[1].encoding, None);
}

/// A certificate nobody vouches for, and a server that presents it.
fn self_signed() -> (Certificate, TlsConfig) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("valid");
    let certificate = params.self_signed(&key).expect("signed");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a certificate");
    (certificate, tls)
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_before_the_secret_is_sent() {
    let (certificate, tls) = self_signed();
    let script = Script::start_tls([Answer::json(200, WANTED)], Arc::new(tls.clone())).await;
    let error = control_plane(&script).digests("run_1", &batch()).await.expect_err("refused");
    assert!(matches!(&error, ControlPlaneError::Tls { reason, .. } if reason.contains("ca_file")), "{error}");
    assert!(script.requests().is_empty());

    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, certificate.pem()).expect("written");
    let script = Script::start_tls([Answer::json(200, WANTED)], Arc::new(tls)).await;
    let config = ServerConfig { ca_file: Some(ca_file), ..config(&script.url()) };
    ControlPlane::new(&config).expect("a client").digests("run_1", &batch()).await.expect("answers");
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_says_so() {
    let script = Script::start([Answer::json(200, WANTED)]).await;
    let url = script.url().replace("http://", "https://");
    let control_plane = ControlPlane::new(&config(&url)).expect("a client");
    let error = control_plane.digests("run_1", &batch()).await.expect_err("refused");
    assert!(
        matches!(&error, ControlPlaneError::Tls { reason, .. } if reason.contains("does not speak TLS")),
        "{error}"
    );
}

#[tokio::test]
async fn plain_http_to_a_port_of_tls_says_which_scheme_to_write() {
    let (_, tls) = self_signed();
    let script = Script::start_tls([Answer::json(200, WANTED)], Arc::new(tls)).await;
    let url = script.url().replace("https://", "http://");
    let control_plane = ControlPlane::new(&config(&url)).expect("a client");
    let error = control_plane.digests("run_1", &batch()).await.expect_err("refused");
    assert!(error.to_string().ends_with("this port speaks TLS; write https://"), "{error}");
}
