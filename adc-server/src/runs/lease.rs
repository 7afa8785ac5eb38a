//! Leases: a run whose agent falls silent gives its place up.

use super::Engine;
use crate::pulse::{EVERY, Loop};
use adc_core::protocol::{LEASE_SECONDS, RunError, RunState};
use std::{
    future::Future,
    sync::Mutex,
    time::{Duration, Instant},
};

/// When a run was last heard of.
pub(super) struct Lease(Mutex<Heard>);

struct Heard {
    at: Instant,
    /// Requests being answered: the agent waits for us, not we for the agent.
    answering: u32,
}

/// A request being answered; the lease counts from its end.
pub(super) struct Answering<'a>(&'a Lease);

impl Lease {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Heard { at: Instant::now(), answering: 0 }))
    }

    pub(super) fn renew(&self) {
        self.lock().at = Instant::now();
    }

    /// The lease cannot run out until the guard is dropped.
    pub(super) fn answering(&self) -> Answering<'_> {
        let mut heard = self.lock();
        heard.at = Instant::now();
        heard.answering += 1;
        Answering(self)
    }

    fn has_run_out(&self, now: Instant) -> bool {
        let heard = self.lock();
        heard.answering == 0 && now.duration_since(heard.at) >= Duration::from_secs(LEASE_SECONDS)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.0.lock().expect("nothing panics while it holds a lease")
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        let mut heard = self.0.lock();
        heard.at = Instant::now();
        heard.answering -= 1;
    }
}

impl Engine {
    /// Interrupts runs whose agents fell silent, until `shutdown`.
    pub async fn watch_leases(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                _ = ticks.tick() => {
                    self.interrupt_silent_runs(Instant::now()).await;
                    self.pulse.beat(Loop::Leases);
                }
            }
        }
    }

    /// Interrupts the runs that were not heard of for [`LEASE_SECONDS`] before `now`.
    pub async fn interrupt_silent_runs(&self, now: Instant) {
        let silent: Vec<_> = self
            .lock()
            .values()
            .filter(|run| run.lease.has_run_out(now) && !run.is_ending())
            .cloned()
            .collect();
        for run in silent {
            let error = RunError {
                code: "interrupted".to_owned(),
                message: format!(
                    "The agent was silent for {LEASE_SECONDS} seconds, so the run was ended; nothing was changed. Run it again."
                ),
            };
            let ended = match self.store.run(&run.account_id, &run.run_id).await {
                Ok(Some(stored)) if stored.state == RunState::Running => {
                    self.end(&stored, RunState::Interrupted, &error).await.map(drop)
                }
                Ok(_) => {
                    self.forget(&run.run_id);
                    Ok(())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                // It stays in the list: the next look tries again.
                tracing::error!(run.id = %run.run_id, "cannot interrupt a silent run: {error:#}");
            }
        }
    }
}
