//! Connections that are safe, and those that must not be made.

use std::path::PathBuf;
use std::sync::Arc;

use adc::directory::Failure;
use adc_sandbox::{Fault, ResultCode, Sandbox};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use crate::{config_with, open, people, read};

/// A private certificate authority, and the file that holds its certificate.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    _folder: TempDir,
    file: PathBuf,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "LG Root");
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, issuer.pem()).expect("written");
        Self { issuer, _folder: folder, file }
    }

    /// A server configuration with a certificate for `names`, valid until `until` (a year).
    fn server(&self, names: &[&str], until: i32) -> Arc<ServerConfig> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("valid");
        params.distinguished_name.push(DnType::CommonName, "dc1");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate: CertificateDer<'static> =
            params.signed_by(&key, &self.issuer).expect("signed").into();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate");
        Arc::new(config)
    }

    fn trusted(&self, more: &str) -> String {
        format!("    ca_file: {}\n{more}", self.file.display())
    }
}

async fn refusal(url: &str, more: &str) -> String {
    let error = open(config_with(url, more)).await.expect_err("must fail");
    assert_eq!(error.failure, Failure::Tls, "{error}");
    let port = url.rsplit(':').next().expect("a port");
    error.message.replace(port, "PORT")
}

#[tokio::test]
async fn ldaps_with_a_private_authority() {
    let authority = Authority::new();
    let sandbox =
        Sandbox::builder().ldaps(authority.server(&["127.0.0.1"], 4000)).start().await.expect("starts");
    let mut directory = open(config_with(&sandbox.url(), &authority.trusted(""))).await.expect("opens");
    read(&mut directory, &people()).await.1.expect("complete");
}

#[tokio::test]
async fn start_tls_with_a_private_authority() {
    let authority = Authority::new();
    let sandbox =
        Sandbox::builder().start_tls(authority.server(&["127.0.0.1"], 4000)).start().await.expect("starts");
    let mut directory =
        open(config_with(&sandbox.url(), &authority.trusted("    start_tls: true\n"))).await.expect("opens");
    read(&mut directory, &people()).await.1.expect("complete");
}

#[tokio::test]
async fn a_connection_that_ended_without_a_farewell_had_the_manual_of_a_library_quoted() {
    let authority = Authority::new();
    let sandbox =
        Sandbox::builder().ldaps(authority.server(&["127.0.0.1"], 4000)).start().await.expect("starts");
    sandbox.faults().inject(Fault::drop_after(2).on_page(2));
    let mut directory = open(config_with(&sandbox.url(), &authority.trusted(""))).await.expect("opens");
    let lost = read(&mut directory, &people()).await.1.expect_err("breaks off");
    assert_eq!(lost.failure, Failure::ConnectionLost);
    assert!(lost.message.contains("closed the connection") && !lost.message.contains("http"), "{lost}");
}

#[tokio::test]
async fn the_name_to_expect_may_be_another_than_the_host() {
    let authority = Authority::new();
    let sandbox =
        Sandbox::builder().ldaps(authority.server(&["dc1.lg.local"], 4000)).start().await.expect("starts");
    let more = authority.trusted("    server_name: dc1.lg.local\n");
    open(config_with(&sandbox.url(), &more)).await.expect("opens");
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused_in_words() {
    let authority = Authority::new();
    let expired =
        Sandbox::builder().ldaps(authority.server(&["127.0.0.1"], 2021)).start().await.expect("starts");
    let elsewhere =
        Sandbox::builder().ldaps(authority.server(&["dc2.lg.local"], 4000)).start().await.expect("starts");
    let unknown =
        Sandbox::builder().ldaps(authority.server(&["127.0.0.1"], 4000)).start().await.expect("starts");
    let said = [
        refusal(&expired.url(), &authority.trusted("")).await,
        refusal(&elsewhere.url(), &authority.trusted("")).await,
        refusal(&unknown.url(), "").await,
        refusal(&unknown.url(), &Authority::new().trusted("")).await,
    ];
    for sandbox in [&expired, &elsewhere, &unknown] {
        assert_eq!(sandbox.journal().binds, 0, "no password is sent");
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn tls_to_a_plain_port_and_plain_to_a_tls_port_say_so() {
    let plain = Sandbox::builder().start().await.expect("starts");
    let url = plain.url().replace("ldap://", "ldaps://");
    let to_plain = refusal(&url, "").await;
    let authority = Authority::new();
    let tls = Sandbox::builder().ldaps(authority.server(&["127.0.0.1"], 4000)).start().await.expect("starts");
    let url = tls.url().replace("ldaps://", "ldap://");
    let error = open(config_with(&url, "")).await.expect_err("must fail");
    let to_tls = error.message.replace(url.rsplit(':').next().expect("a port"), "PORT");
    let start_tls = refusal(&url, "    start_tls: true\n").await;
    insta::assert_snapshot!([to_plain, to_tls, start_tls].join("\n"));
}

#[tokio::test]
async fn start_tls_that_is_refused_is_not_gone_without() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    sandbox.faults().inject(Fault::refuse_start_tls(ResultCode::ProtocolError, "unsupported").always());
    let said = refusal(&sandbox.url(), "    start_tls: true\n").await;
    assert_eq!(sandbox.journal().binds, 0, "no password is sent");
    insta::assert_snapshot!(said);
}
