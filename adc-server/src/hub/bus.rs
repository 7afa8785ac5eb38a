//! What wakes somebody: within the process. A word that is lost costs a delay, never data; what must not be lost is a row.

use crate::runs::AgentIdentity;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::sync::Notify;

/// Says which synchronizations something happened to. Many words about one are one.
#[derive(Debug, Clone, Default)]
pub struct Bus(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stirred: Mutex<BTreeSet<AgentIdentity>>,
    wake: Notify,
}

impl Bus {
    /// Something happened: a run was queued or ended, an agent came or went, settings were changed.
    pub fn wake(&self, synchronization: AgentIdentity) {
        self.lock().insert(synchronization);
        self.0.wake.notify_one();
    }

    /// Waits for the next synchronization that something happened to. One listener at a time.
    pub async fn next(&self) -> AgentIdentity {
        loop {
            if let Some(next) = self.lock().pop_first() {
                return next;
            }
            self.0.wake.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<AgentIdentity>> {
        self.0.stirred.lock().expect("nothing panics while it holds the list")
    }
}
