//! What wakes somebody: within the process. A word that is lost costs a delay, never data; what must not be lost is a row.

use crate::runs::AgentIdentity;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::sync::Notify;

/// Says which synchronizations something happened to. Many words about one are one.
#[derive(Debug, Clone, Default)]
pub struct Bus(Arc<Listeners>);

/// Each hears everything.
#[derive(Debug, Default)]
struct Listeners {
    hub: Listener,
    scheduler: Listener,
}

/// Hears of synchronizations, each once however often it is named.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    stirred: Mutex<BTreeSet<AgentIdentity>>,
    wake: Notify,
}

impl Bus {
    /// Something happened: a run was queued or ended, an agent came or went, settings were changed.
    pub fn wake(&self, synchronization: AgentIdentity) {
        self.0.scheduler.hear(synchronization.clone());
        self.0.hub.hear(synchronization);
    }

    /// Waits, as the one hub, for the next synchronization that something happened to.
    pub async fn next(&self) -> AgentIdentity {
        self.0.hub.next().await
    }

    /// Waits, as the one scheduler, for the next synchronization that something happened to.
    pub async fn next_for_scheduler(&self) -> AgentIdentity {
        self.0.scheduler.next().await
    }
}

impl Listener {
    pub(crate) fn hear(&self, synchronization: AgentIdentity) {
        self.lock().insert(synchronization);
        self.wake.notify_one();
    }

    pub(crate) async fn next(&self) -> AgentIdentity {
        loop {
            if let Some(next) = self.lock().pop_first() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<AgentIdentity>> {
        self.stirred.lock().expect("nothing panics while it holds the list")
    }
}
