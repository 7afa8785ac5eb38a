//! How soon one run for changes may follow another.

use std::time::Duration;

/// At most one run is begun in so much time.
const SHORTEST: Duration = Duration::from_secs(1);
/// However often it turned out that nothing had changed, what changes then is brought over within so much time.
const LONGEST: Duration = Duration::from_secs(30);

/// The time from the beginning of one run for changes to that of the next.
///
/// Whoever waits for a change may be woken though nothing changed, again and again: two servers behind one name stand at different
/// places, and each looks like a change to whoever comes from the other. Runs that find nothing make the next one come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace(Duration);

impl Pace {
    /// As fast as it goes.
    pub(crate) const FASTEST: Self = Self(SHORTEST);

    /// The pace after a run for changes that ended well, and may have found nothing.
    pub(crate) fn after(self, found_nothing: bool) -> Self {
        if found_nothing { Self(LONGEST.min(self.0 * 2)) } else { Self::FASTEST }
    }

    /// How long after the beginning of a run the next one may begin.
    pub(crate) fn interval(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_woken_for_nothing_again_and_again_makes_runs_rare_until_something_changed() {
        let mut pace = Pace::FASTEST;
        let mut seconds = Vec::new();
        for _ in 0..7 {
            pace = pace.after(true);
            seconds.push(pace.interval().as_secs());
        }
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pace.after(false), Pace::FASTEST);
    }
}
