//! TLS as this program speaks it: version 1.2 at least, the platform's trust or a private CA, nothing skipped.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::ClientCertificate;

/// A TLS setup that could not be made; a clause that names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TrustError(String);

/// Whom to trust for a server's certificate.
#[derive(Debug, Clone, Copy)]
pub enum Authorities<'a> {
    /// Whom the platform trusts.
    OfPlatform,
    /// Those of a PEM file.
    File(&'a Path),
    /// Those of a PEM text.
    Pem(&'a str),
}

impl<'a> From<Option<&'a Path>> for Authorities<'a> {
    fn from(ca_file: Option<&'a Path>) -> Self {
        ca_file.map_or(Self::OfPlatform, Self::File)
    }
}

/// The certificate a server presented, whether or not it was accepted: what to say when it was not.
#[derive(Debug, Clone, Default)]
pub struct Presented(Arc<Mutex<Option<CertificateDer<'static>>>>);

/// What people need to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// Whom it names: its subject, or the names in it where the subject is empty.
    pub subject: String,
    /// The names and addresses it is valid for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Until when it is valid.
    pub expires: jiff::Timestamp,
}

/// The one way to make a TLS configuration.
///
/// `trusted` signs the server's certificate; `identity` is presented to a server that asks who is calling; `protocols` are
/// ALPN names (RFC 7301), best first.
///
/// # Errors
/// The authorities cannot be read, or none of them can be one; the same of `identity`, or its key is another's.
pub fn client_config(
    trusted: Authorities<'_>,
    identity: Option<&ClientCertificate>,
    protocols: &[&[u8]],
    presented: &Presented,
) -> Result<ClientConfig, TrustError> {
    let verifier = Recording { inner: verifier(trusted, provider())?, presented: presented.clone() };
    let builder = builder().dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (certificates, key) = credentials(identity)?;
            builder.with_client_auth_cert(certificates, key).map_err(|error| {
                let (certificate, key) = (identity.certificate_file.display(), identity.key_file.display());
                TrustError(format!("{certificate} and {key} cannot be used together: {error}"))
            })?
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// A client certificate, with those between it and its authority, and its key.
///
/// # Errors
/// A file cannot be read, or does not hold what it should; a clause that names the file.
pub fn credentials(
    identity: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TrustError> {
    let path = &identity.certificate_file;
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| TrustError(format!("{} cannot be read: {error}", path.display())))?;
    if certificates.is_empty() {
        return Err(TrustError(format!(
            "{} holds no certificate; it must be PEM, -----BEGIN CERTIFICATE-----",
            path.display()
        )));
    }
    let path = &identity.key_file;
    let key = PrivateKeyDer::from_pem_file(path).map_err(|error| {
        TrustError(format!("{} holds no private key that can be read: {error}", path.display()))
    })?;
    Ok((certificates, key))
}

/// A configuration that trusts nobody, for an HTTP client that is to speak no TLS: loading the platform's trust takes
/// time, and fails on a machine that has none.
pub fn trusting_nobody() -> ClientConfig {
    builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

/// The certificate authorities of a PEM file: at least one.
///
/// # Errors
/// The file cannot be read, or holds no certificate that can be an authority's.
pub fn authorities(path: &Path) -> Result<RootCertStore, TrustError> {
    let shown = path.display().to_string();
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|error| TrustError(format!("{shown} cannot be read: {error}")))?;
    roots(&shown, certificates)
}

/// The certificate authorities of a PEM text, which messages call `ca_pem`: at least one.
///
/// # Errors
/// It holds no certificate that can be an authority's.
pub fn authorities_in(pem: &str) -> Result<RootCertStore, TrustError> {
    roots("ca_pem", CertificateDer::pem_slice_iter(pem.as_bytes()))
}

fn roots(
    shown: &str,
    certificates: impl Iterator<Item = Result<CertificateDer<'static>, pem::Error>>,
) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate
            .map_err(|error| TrustError(format!("{shown} holds a damaged certificate: {error}")))?;
        roots.add(certificate).map_err(|error| {
            TrustError(format!("{shown} holds a certificate that cannot be an authority's: {error}"))
        })?;
    }
    if roots.is_empty() {
        return Err(TrustError(format!(
            "{shown} holds no certificate; it must be PEM, -----BEGIN CERTIFICATE-----"
        )));
    }
    Ok(roots)
}

impl Presented {
    /// The certificate's summary, if one was presented that can be read at all.
    pub fn summary(&self) -> Option<CertificateSummary> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        summarize(held.as_ref()?)
    }
}

/// What a refused handshake means and what to do, as a clause; `None` when the error is none of TLS.
pub fn explain(error: &rustls::Error, presented: &Presented, name: &str) -> String {
    let certificate = presented.summary();
    let whose = certificate
        .as_ref()
        .map_or_else(|| "its certificate".to_owned(), |c| format!("its certificate ({})", c.subject));
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                let when = certificate.map_or_else(String::new, |c| format!(" on {}", day(c.expires)));
                format!("{whose} expired{when}; have it renewed")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("{whose} is not valid yet; compare the clocks of both machines")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                let names = certificate.map(|c| c.names.join(", ")).filter(|names| !names.is_empty());
                let names = names.unwrap_or_else(|| "no name at all".to_owned());
                format!(
                    "{whose} is for {names}, not for {name}; use that name in the address, or set server_name to it"
                )
            }
            // An authority of the same name with another key is another authority.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                let issuer = certificate.map_or_else(String::new, |c| format!(" {}", c.issuer));
                format!(
                    "{whose} is signed by an authority{issuer} that this machine does not trust; name its certificate in ca_file"
                )
            }
            CertificateError::Revoked => format!("{whose} was revoked; have it replaced"),
            other => format!("{whose} is refused: {}", why_unusable(other)),
        },
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS on this port; check the address's scheme and port".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("it refused the TLS handshake ({alert:?})"),
        rustls::Error::PeerIncompatible(reason) => {
            format!("it offers no TLS that is still safe ({reason:?}); it needs TLS 1.2 or later")
        }
        other => format!("the TLS handshake failed: {other}"),
    }
}

/// What is wrong with a certificate that the verifier has no word of its own for, and what to do.
fn why_unusable(error: &CertificateError) -> String {
    // The verifier's own error stands inside, where only its text can be had.
    let text = format!("{error:?}");
    let remedy = [
        (
            "CaUsedAsEndEntity",
            "it is an authority's own certificate (CA:TRUE), not a server's; issue one for the server, signed by that authority, \
             and name the authority's in ca_file",
        ),
        (
            "UnsupportedCertVersion",
            "it is an X.509 certificate of version 1; issue one of version 3, with subjectAltName",
        ),
        ("RequiredEkuNotFound", "it is not meant for servers; issue one with extendedKeyUsage serverAuth"),
    ];
    let known = remedy.into_iter().find(|(word, _)| text.contains(word));
    known.map_or_else(|| error.to_string(), |(_, sentence)| sentence.to_owned())
}

/// The day of a point in time, in UTC.
pub fn day(at: jiff::Timestamp) -> String {
    at.to_string().chars().take_while(|c| *c != 'T').collect()
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has cipher suites of both versions")
}

fn provider() -> Arc<CryptoProvider> {
    // A library caller may not have installed one; main does, first of all.
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

fn verifier(
    trusted: Authorities<'_>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
    let (shown, roots) = match trusted {
        Authorities::OfPlatform => {
            let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(|error| {
                TrustError(format!("the system's certificate authorities cannot be loaded: {error}"))
            })?;
            return Ok(Arc::new(verifier));
        }
        Authorities::File(path) => (path.display().to_string(), authorities(path)?),
        Authorities::Pem(pem) => ("ca_pem".to_owned(), authorities_in(pem)?),
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| TrustError(format!("{shown} cannot be used: {error}")))?;
    Ok(verifier)
}

fn summarize(der: &CertificateDer<'_>) -> Option<CertificateSummary> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names: Vec<String> = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| extension.value.general_names.iter().filter_map(general_name).collect())
        .unwrap_or_default();
    let subject = certificate.subject().to_string();
    let subject = if subject.is_empty() { names.join(", ") } else { subject };
    let expires = jiff::Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    Some(CertificateSummary { subject, names, issuer: certificate.issuer().to_string(), expires })
}

fn general_name(name: &x509_parser::extensions::GeneralName<'_>) -> Option<String> {
    use x509_parser::extensions::GeneralName;
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Verifies like `inner`, and remembers what it was shown.
#[derive(Debug)]
struct Recording {
    inner: Arc<dyn ServerCertVerifier>,
    presented: Presented,
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.presented.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(end_entity.clone().into_owned());
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
