//! The server's side of TLS: 1.2 at least, HTTP/2 where the client has it.

use anyhow::{Context, ensure};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// What the server shows of itself, which may be replaced while it serves. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(Arc<watch::Sender<Shown>>);

#[derive(Debug)]
struct Shown {
    config: Arc<ServerConfig>,
    /// Why the files are not what is shown, where they are not.
    refused: Option<String>,
}

impl Tls {
    /// Shows this from now on.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(watch::Sender::new(Shown { config, refused: None })))
    }

    /// Whoever connects from now on is shown something else.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        self.0.send_replace(Shown { config, refused: None });
    }

    /// There was something else to show, which is of no use, and why.
    pub fn refuse(&self, why: String) {
        self.0.send_modify(|shown| shown.refused = Some(why));
    }

    /// Why the files are not what is shown, where they are not.
    pub(super) fn refused(&self) -> Option<String> {
        self.0.borrow().refused.clone()
    }

    /// What is shown now.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.borrow().config)
    }
}

/// A certificate with its chain and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads both files.
    pub fn load(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("cannot read the certificate {certificate}"))?;
        ensure!(!chain.is_empty(), "{certificate} holds no certificate; it must be a PEM file");
        let private = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("cannot read the private key {key}"))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .with_context(|| format!("the certificate {certificate} and the private key {key} do not fit"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
