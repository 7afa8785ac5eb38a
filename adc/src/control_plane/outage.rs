//! Whether the control plane is out of reach, as all requests of a client see it together.
//!
//! A run sends many requests at once, and each of them notices. Who looks at the log wants to read once that the control plane went away,
//! and once that it is back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What the requests of a client have noticed.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Since when nobody answers.
    since: Option<Instant>,
    /// How many outages are over.
    over: u64,
}

/// What was known when a try began: one that fails after the end of the outage it began in tells nothing new.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun(u64);

impl Outage {
    /// A try begins.
    pub(super) fn begin(&self) -> Begun {
        Begun(self.state().over)
    }

    /// A try failed. Whether that is news.
    pub(super) fn failed(&self, begun: Begun, now: Instant) -> bool {
        let mut state = self.state();
        let news = state.since.is_none() && state.over == begun.0;
        if news {
            state.since = Some(now);
        }
        news
    }

    /// A try was answered. How long nobody had been, if that is news.
    pub(super) fn answered(&self, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        let since = state.since.take()?;
        state.over += 1;
        Some(now.saturating_duration_since(since))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_told_of_the_same_outage() {
        let outage = Outage::default();
        let now = Instant::now();
        let (one, other, slow) = (outage.begin(), outage.begin(), outage.begin());
        assert!(outage.failed(one, now));
        assert!(!outage.failed(other, now));
        let later = now + Duration::from_secs(3);
        assert_eq!(outage.answered(later), Some(Duration::from_secs(3)));
        assert_eq!(outage.answered(later), None, "told already");
        assert!(!outage.failed(slow, later), "it was sent before the outage was over");
        assert!(outage.failed(outage.begin(), later), "another outage");
    }
}
