//! `adc-server serve`

use super::{Global, output};
use crate::{
    clock::Clock,
    hosted::{Bounds, Key, Network, Offer, OwnAddresses, key::CREDENTIAL},
    serve::{self, Options, Tls, TlsFiles},
    store::ServingLock,
};
use adc::{config::Environment, logging::Format};
use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use serde_json::json;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The certificate and its chain (PEM), for TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy in front does the TLS: allows listening beyond this machine without it
    #[arg(long)]
    behind_proxy: bool,
    /// How many proxies in front are believed when they say who asks, by X-Forwarded-For: failures of people who sign in are
    /// counted per address
    #[arg(long, default_value_t = 0, value_name = "N")]
    trusted_hops: usize,
    /// The address people reach the control plane at, for links in reports [default: where it listens]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Networks in which directories may be that this control plane connects to itself, by hosted connectors; without any
    /// there are none
    #[arg(long, value_name = "NAME=NETWORK", value_delimiter = ',')]
    hosted_networks: Vec<Network>,
    /// Names of hosted networks that passwords may cross in clear (ldap:// without StartTLS)
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "hosted_networks")]
    hosted_plain: Vec<String>,
    /// The key that passwords of hosted connectors are sealed with, see adc-server key create [default: the systemd credential
    /// adc-server-key]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    pub(super) log_format: Format,
}

impl Serve {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        ensure!(
            self.listen.ip().is_loopback() || self.tls_cert.is_some() || self.behind_proxy,
            "{} is reachable from other machines, and Secret Tokens would cross the network in clear: give --tls-cert \
             and --tls-key, or --behind-proxy if a proxy in front does the TLS",
            self.listen
        );
        let hosted = offer(self.hosted_networks, self.hosted_plain, self.key_file.as_deref())?;
        let tls = self.tls_cert.zip(self.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
        let tls = tls.map(|files| files.load().map(|config| (files, Tls::new(config)))).transpose()?;
        // Signals are caught before anybody can know that the server is there.
        let (shutdown, hangups) = (serve::shutdown_signal()?, serve::hangups()?);
        let database = global.database()?;
        let _serving = ServingLock::take(&database)?;
        let store = global.open_store().await?;
        let listener = serve::listen(self.listen).await?;
        let address = listener.local_addr().context("cannot tell where the server listens")?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}");
        let public_url = self.public_url.unwrap_or_else(|| url.clone());
        output::show(global.output, &format!("listening on {url}"), &json!({ "url": url }))?;
        tracing::info!(database, "listening on {url}");
        let shown = tls.as_ref().map(|(_, shown)| shown.clone());
        let options = Options {
            store,
            clock: Clock::system(),
            tls: shown,
            public_url,
            trusted_hops: self.trusted_hops,
            hosted,
        };
        tokio::select! {
            served = serve::serve(listener, shutdown, options) => served,
            () = serve::reload_at(hangups, tls) => bail!("signals are not heard any more"),
        }
    }
}

/// Which connectors are hosted. A key is looked at in any case: whoever names one wants it to be of use.
fn offer(networks: Vec<Network>, plain: Vec<String>, key: Option<&Path>) -> anyhow::Result<Offer> {
    let key = match (key, Environment::of_process().credential(CREDENTIAL)) {
        (Some(named), _) => Some(Key::read(named)?),
        (None, Some(credential)) => Some(Key::read_credential(&credential)?),
        (None, None) => None,
    };
    if networks.is_empty() {
        return Ok(Offer::none());
    }
    let key = key.with_context(|| {
        format!(
            "--hosted-networks needs a key to seal passwords with: make one by adc-server key create, and name it by --key-file or lay it \
             where the systemd credential {CREDENTIAL} is loaded from"
        )
    })?;
    let bounds = Bounds::new(networks, plain, OwnAddresses::of_this_machine()).map_err(|why| anyhow!(why))?;
    Ok(Offer::within(bounds, key))
}
