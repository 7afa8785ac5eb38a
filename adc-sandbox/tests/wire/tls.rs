use std::sync::Arc;

use adc_sandbox::{Fault, ResultCode, Sandbox, sample};
use ldap3::{LdapConnAsync, LdapConnSettings, LdapError, Scope};
use ldap3_proto::proto::{LdapExtendedRequest, LdapOp};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::raw::{self, Raw};

/// A certificate for the loopback, and a client that trusts nothing else.
fn certificate() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// Connects, binds and counts people.
async fn people(url: &str, settings: LdapConnSettings) -> Result<usize, LdapError> {
    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, url).await?;
    ldap3::drive!(connection);
    ldap.simple_bind(sample::READONLY_DN, sample::READONLY_PASSWORD).await?.success()?;
    let found =
        ldap.search(sample::BASE_DN, Scope::Subtree, "(objectClass=inetOrgPerson)", vec!["*"]).await?;
    Ok(found.success()?.0.len())
}

#[tokio::test]
async fn ldaps_speaks_tls_from_the_first_byte() {
    let (server, client) = certificate();
    let sandbox = Sandbox::builder().ldaps(server).start().await.unwrap();
    assert!(sandbox.url().starts_with("ldaps://127.0.0.1:"), "{}", sandbox.url());
    let found = people(&sandbox.url(), LdapConnSettings::new().set_config(client)).await;
    assert_eq!(found.unwrap(), sample::PEOPLE);
}

#[tokio::test]
async fn start_tls_turns_a_plain_connection_into_a_safe_one() {
    let (server, client) = certificate();
    let sandbox = Sandbox::builder().start_tls(server).start().await.unwrap();
    let settings = LdapConnSettings::new().set_config(client).set_starttls(true);
    assert_eq!(people(&sandbox.url(), settings).await.unwrap(), sample::PEOPLE);
}

#[tokio::test]
async fn start_tls_is_refused_where_it_is_not_offered() {
    let (_, client) = certificate();
    let sandbox = Sandbox::builder().start().await.unwrap();
    let settings = LdapConnSettings::new().set_config(client).set_starttls(true);
    let error = people(&sandbox.url(), settings).await.unwrap_err();
    assert!(matches!(&error, LdapError::LdapResult { result } if result.rc == 2), "{error}");
}

#[tokio::test]
async fn start_tls_can_be_told_to_refuse() {
    let (server, client) = certificate();
    let sandbox = Sandbox::builder().start_tls(server).start().await.unwrap();
    let settings = || LdapConnSettings::new().set_config(Arc::clone(&client)).set_starttls(true);
    sandbox.faults().inject(Fault::refuse_start_tls(ResultCode::Unavailable, "no certificate today"));
    let error = people(&sandbox.url(), settings()).await.unwrap_err();
    assert!(
        matches!(&error, LdapError::LdapResult { result } if result.rc == 52 && result.text == "no certificate today"),
        "{error}"
    );
    assert_eq!(sandbox.faults().pending(), 0);
    assert_eq!(people(&sandbox.url(), settings()).await.unwrap(), sample::PEOPLE, "it refused once");
}

#[tokio::test]
async fn what_is_said_in_plain_text_after_start_tls_ends_the_connection() {
    let (server, _) = certificate();
    let sandbox = Sandbox::builder().start_tls(server).start().await.unwrap();
    let mut raw = Raw::bound(&sandbox).await;
    let start_tls = LdapExtendedRequest { name: "1.3.6.1.4.1.1466.20037".to_owned(), value: None };
    raw.send_together([LdapOp::ExtendedRequest(start_tls), raw::who_am_i()]).await;
    let LdapOp::ExtendedResponse(response) = raw.receive().await.op else { panic!("no extended response") };
    assert_eq!(response.res.code, ResultCode::Success);
    assert_eq!(raw.rest().await.len(), 0);
}
