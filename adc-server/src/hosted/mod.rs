//! Hosted connectors: agents that the control plane runs itself, for directories it can reach.
//!
//! Each is the agent's own `run` function, in this process, over the same API as any other agent: it dials a listener on loopback
//! that serves agents only, and signs in with a token that lives in memory. [`bounds`] decides where it may connect to, [`key`]
//! keeps its password, [`connection`] is what administrators say of it, [`connector`] keeps one running.

pub mod bounds;
pub mod connection;
pub mod connector;
pub mod key;
pub mod tokens;

pub use bounds::{Bounds, Network, OwnAddresses};
pub use connection::{Connection, HostedConnection, TlsMode, Wish};
pub use connector::Standing;
pub use key::{Key, Sealed};
pub use tokens::Tokens;

use crate::{hub::bus::Listener, runs::AgentIdentity, store::Store};
use adc::config::ServerUrl;
use connector::{Connector, Parts, Shared};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// A database that does not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What the operator lets this control plane do.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    bounds: Option<Bounds>,
    key: Option<Key>,
}

impl Offer {
    /// No connector is hosted.
    pub fn none() -> Self {
        Self::default()
    }

    /// Connectors are hosted within these bounds, their passwords sealed with this key.
    pub fn within(bounds: Bounds, key: Key) -> Self {
        Self { bounds: Some(bounds), key: Some(key) }
    }

    fn enabled(&self) -> Option<(&Bounds, &Key)> {
        self.bounds.as_ref().zip(self.key.as_ref())
    }
}

/// The hosted connectors. Cheap to clone.
#[derive(Clone)]
pub struct Connectors(Arc<Inner>);

struct Inner {
    store: Store,
    offer: Offer,
    tokens: Tokens,
    changed: Listener,
    standing: Mutex<BTreeMap<AgentIdentity, Shared>>,
}

impl Connectors {
    /// None runs yet.
    pub fn new(store: Store, offer: Offer) -> Self {
        Self(Arc::new(Inner {
            store,
            offer,
            tokens: Tokens::default(),
            changed: Listener::default(),
            standing: Mutex::default(),
        }))
    }

    /// What may be hosted.
    pub fn offer(&self) -> &Offer {
        &self.0.offer
    }

    /// What hosted connectors sign in with.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Whether there may be any.
    pub fn are_offered(&self) -> bool {
        self.0.offer.enabled().is_some()
    }

    /// The connection of this synchronization is another one, or gone.
    pub fn changed(&self, synchronization: AgentIdentity) {
        // How the connector of the one before stands says nothing of the new one's.
        self.lock().remove(&synchronization);
        self.0.changed.hear(synchronization);
    }

    /// How the connector of a synchronization that has a connection stands.
    pub fn standing(&self, synchronization: &AgentIdentity) -> Standing {
        if !self.are_offered() {
            return Standing::off();
        }
        self.lock().get(synchronization).map_or_else(Standing::starting, Shared::standing)
    }

    /// Runs the connectors of all synchronizations that have one, until `stop`; they reach the control plane at `url`.
    pub async fn work(self, url: ServerUrl, stop: CancellationToken) {
        adc::metrics::begin();
        let mut running = BTreeMap::new();
        tokio::select! {
            () = self.keep(&mut running, &url) => {}
            () = stop.cancelled() => {}
        }
        running.values().for_each(Connector::stop);
        for connector in running.into_values() {
            connector.ended().await;
        }
    }

    async fn keep(&self, running: &mut BTreeMap<AgentIdentity, Connector>, url: &ServerUrl) {
        let known = loop {
            match self.0.store.hosted_synchronizations().await {
                Ok(known) => break known,
                Err(error) => {
                    tracing::error!("it cannot be read which connectors are hosted: {error:#}");
                    tokio::time::sleep(ASK_AGAIN).await;
                }
            }
        };
        for synchronization in known {
            self.changed(synchronization);
        }
        loop {
            let next = self.0.changed.next().await;
            if let Err(error) = self.renew(running, &next, url).await {
                tracing::error!(synchronization.id = %next.synchronization_id, "a connection cannot be read: {error:#}");
                tokio::time::sleep(ASK_AGAIN).await;
                self.changed(next);
            }
        }
    }

    /// Makes what runs what shall run.
    async fn renew(
        &self,
        running: &mut BTreeMap<AgentIdentity, Connector>,
        synchronization: &AgentIdentity,
        url: &ServerUrl,
    ) -> anyhow::Result<()> {
        let AgentIdentity { account_id, synchronization_id } = synchronization;
        let found = self.0.store.synchronization(account_id, synchronization_id).await?;
        let wanted = found.and_then(|found| Some((found.connection?, found.application_id)));
        let Some((connection, application_id)) = wanted else {
            if let Some(before) = running.remove(synchronization) {
                before.stop();
                tracing::info!(synchronization.id = %synchronization_id, "hosted connector stopped: it has no connection any more");
            }
            self.lock().remove(synchronization);
            return Ok(());
        };
        if let Some(same) = running.get(synchronization).filter(|running| running.is_of(&connection)) {
            self.lock().insert(synchronization.clone(), same.now());
            return Ok(());
        }
        let before = running.remove(synchronization);
        if let Some(before) = &before {
            before.stop();
        }
        tracing::info!(
            synchronization.id = %synchronization_id, directory.host = %connection.connection.host, "hosted connector starts"
        );
        let parts = Parts {
            synchronization: synchronization.clone(),
            application_id,
            connection,
            offer: self.0.offer.clone(),
            tokens: self.0.tokens.clone(),
            url: url.clone(),
            // The same password given anew is as wrong as before.
            spared: before.as_ref().map(Connector::spared).unwrap_or_default(),
        };
        let connector = Connector::start(parts, before);
        self.lock().insert(synchronization.clone(), connector.now());
        running.insert(synchronization.clone(), connector);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AgentIdentity, Shared>> {
        self.0.standing.lock().expect("nothing panics while it holds the list of connectors")
    }
}
