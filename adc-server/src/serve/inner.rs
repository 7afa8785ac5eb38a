//! The entrance of hosted connectors: a listener on loopback, at a port of its own, that serves agents and nothing else.
//!
//! The public one would need a name and a certificate that this process trusts itself, and Secret Tokens, which nobody has in clear.

use crate::{
    api::{self, AppState},
    hosted::Connectors,
};
use adc::config::ServerUrl;
use anyhow::{Context, anyhow};
use axum::serve::ListenerExt;
use std::net::Ipv4Addr;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::listener::without_delay;

/// The entrance, open to agents once the connectors run.
pub(super) struct Entrance {
    listener: TcpListener,
    url: ServerUrl,
}

impl Entrance {
    /// Opens it; `None` where no connectors are offered.
    pub(super) async fn open(connectors: &Connectors) -> anyhow::Result<Option<Self>> {
        if !connectors.are_offered() {
            return Ok(None);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("cannot listen on 127.0.0.1 for hosted connectors")?;
        let url = format!("http://{}", listener.local_addr()?);
        let url = url.parse().map_err(|error| anyhow!("{url} is no address: {error}"))?;
        Ok(Some(Self { listener, url }))
    }

    /// Runs the connectors until `stop`, and until they have ended.
    pub(super) async fn host(self, state: AppState, stop: CancellationToken) {
        let connectors = state.connectors.clone();
        let state = AppState { tokens: Some(connectors.tokens().clone()), ..state };
        let router = api::router_of_agents(state);
        // Serves until the last connector has ended: each tells of the run that it gives up.
        let mut serving = JoinSet::new();
        serving.spawn(axum::serve(self.listener.tap_io(without_delay), router).into_future());
        connectors.work(self.url, stop).await;
    }
}
