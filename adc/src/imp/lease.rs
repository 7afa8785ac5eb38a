//! A run's lease: every request renews it, and silence is filled with renewals.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adc_core::protocol::RENEW_SECONDS;
use tokio::time::Instant;

use crate::control_plane::{ControlPlane, ControlPlaneError};

/// When the control plane last heard of the run.
#[derive(Debug, Clone)]
pub(super) struct Lease(Arc<Mutex<Instant>>);

impl Lease {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// The control plane has just answered a request of the run.
    pub(super) fn heard(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Renews whenever nothing else was said for a while; ends only with the error that ends the run.
    pub(super) async fn keep(&self, control_plane: &ControlPlane, run_id: &str) -> ControlPlaneError {
        let every = Duration::from_secs(RENEW_SECONDS);
        loop {
            let due = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + every;
            if Instant::now() < due {
                tokio::time::sleep_until(due).await;
                continue;
            }
            match control_plane.renew(run_id).await {
                Ok(()) => self.heard(),
                Err(error) => return error,
            }
        }
    }
}
