//! Which times of changes can be, by our clock.

use jiff::{SignedDuration, Timestamp};

use super::latest::is_before;

/// The clocks of directories that let anybody sign in differ by no more than this from ours.
pub(super) const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);
/// How times are written in directories, as far as they are compared.
pub(super) const SECONDS_OF_TIME: &str = "%Y%m%d%H%M%S";

/// What our clock says of the times that a directory shows.
#[derive(Debug, Clone)]
pub(super) struct Plausible {
    now: String,
    latest: String,
}

impl Plausible {
    /// By our clock as it stands before anything is read.
    pub(super) fn at(now: Timestamp) -> Self {
        let written = |time: Timestamp| time.strftime(SECONDS_OF_TIME).to_string();
        Self { now: written(now), latest: written(now.saturating_add(CLOCKS_DIFFER).unwrap_or(now)) }
    }

    /// Whether a change lies so far in the future that somebody's clock is, or was, wrong.
    pub(super) fn is_future(&self, changed: &str) -> bool {
        is_before(&self.latest, changed)
    }

    /// When a change was made that is seen now: not in the future.
    pub(super) fn made<'c>(&'c self, changed: &'c str) -> &'c str {
        if self.is_future(changed) { &self.now } else { changed }
    }
}
