//! When a run for changes is tried again after one that failed: kept over changes of the role and of the link, so that neither makes it
//! sooner.

use std::time::Duration;

use tokio::time::Instant;

use super::trouble::is_met_when_connecting;
use crate::exit::AgentError;
use crate::imp::{FIRST_PAUSE, LONGEST_PAUSE};

/// The first pause after a run that may have read everything before it failed.
const FIRST_AFTER_READING: Duration = Duration::from_secs(30);
/// However long it fails, so often it is tried: it is noticed within this when somebody has mended the directory and told nobody.
pub(super) const LONGEST_AFTER_READING: Duration = Duration::from_mins(15);

/// What failed so far, and until when nothing is tried.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// Failures in a row that cost little.
    cheap: u32,
    /// Failures in a row of runs that may have read everything.
    costly: u32,
    until: Option<Instant>,
}

impl Retry {
    /// A run failed. `jitter` is from 0 up to 1.
    pub(super) fn run_failed(&mut self, error: &AgentError, now: Instant, jitter: f64) -> Instant {
        if is_cheap(error) {
            return self.wait_failed(now, jitter);
        }
        self.costly = self.costly.saturating_add(1);
        self.pause(self.costly, (FIRST_AFTER_READING, LONGEST_AFTER_READING), now, jitter)
    }

    /// The directory failed while nothing was read.
    pub(super) fn wait_failed(&mut self, now: Instant, jitter: f64) -> Instant {
        self.cheap = self.cheap.saturating_add(1);
        self.pause(self.cheap, (FIRST_PAUSE, LONGEST_PAUSE), now, jitter)
    }

    /// A run did what it should.
    pub(super) fn went_well(&mut self) {
        *self = Self::default();
    }

    /// Somebody has done something: it is tried at once, and where that was no help the pause goes on growing.
    pub(super) fn try_at_once(&mut self) {
        self.until = None;
    }

    /// Until when nothing is tried; this may be past.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Pauses for an interval that doubles, or down to half of it: agents that failed together are not to try together.
    fn pause(
        &mut self,
        failures: u32,
        (first, longest): (Duration, Duration),
        now: Instant,
        jitter: f64,
    ) -> Instant {
        let interval = first.saturating_mul(1 << (failures - 1).min(16)).min(longest);
        let at = now + interval.mul_f64(f64::midpoint(1.0, jitter));
        // What failed at little cost makes nothing sooner that costs much.
        let until = self.until.map_or(at, |until| until.max(at));
        self.until = Some(until);
        until
    }
}

/// Whether it failed before anything was read, or for the control plane's sake, which soon is there again.
fn is_cheap(error: &AgentError) -> bool {
    match error {
        AgentError::Directory(error) => is_met_when_connecting(error.failure),
        AgentError::ControlPlane(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{DirectoryError, Failure};

    fn pauses(error: &AgentError, times: usize) -> Vec<u64> {
        let (mut retry, now) = (Retry::default(), Instant::now());
        (0..times).map(|_| (retry.run_failed(error, now, 1.0) - now).as_secs()).collect()
    }

    #[test]
    fn a_directory_that_cut_every_read_was_read_over_and_over() {
        let failed = |failure| AgentError::Directory(DirectoryError::new(failure, "no"));
        assert_eq!(
            pauses(&failed(Failure::SizeLimitExceeded), 7),
            [30, 60, 120, 240, 480, 900, 900],
            "all was read for nothing each time"
        );
        assert_eq!(pauses(&failed(Failure::Unreachable), 8), [1, 2, 4, 8, 16, 32, 60, 60]);
        let mut retry = Retry::default();
        let now = Instant::now();
        assert_eq!(retry.run_failed(&failed(Failure::Referral), now, 0.0), now + Duration::from_secs(15));
        assert_eq!(retry.wait_failed(now, 0.0), now + Duration::from_secs(15), "nothing makes it sooner");
        retry.went_well();
        assert_eq!(retry.until(), None);
    }
}
