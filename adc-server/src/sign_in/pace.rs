//! How long a wrong password takes, so that a name that is nobody's takes as long.
//!
//! Who measures answers shall not learn from them which names are somebody's. It is as good as the sample: a directory that is slow for
//! some people, or out of reach, still tells them apart.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Answers that are remembered.
const SAMPLES: usize = 32;
/// What the first one is taken to last.
const FIRST: Duration = Duration::from_millis(30);

/// How long the last wrong passwords took.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Samples>);

#[derive(Debug, Default)]
struct Samples {
    last: Vec<Duration>,
    next: usize,
}

impl Pace {
    /// A wrong password took so long.
    pub(super) fn note(&self, took: Duration) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = samples.next;
        match samples.last.get_mut(at) {
            Some(oldest) => *oldest = took,
            None => samples.last.push(took),
        }
        samples.next = (at + 1) % SAMPLES;
    }

    /// How long one of them took; `random` chooses which.
    pub(super) fn like(&self, random: u8) -> Duration {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match samples.last.len() {
            0 => FIRST,
            count => samples.last[usize::from(random) % count],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_as_long_as_somebody_did_lately() {
        let pace = Pace::default();
        assert_eq!(pace.like(7), FIRST);
        (0..=32).for_each(|millis| pace.note(Duration::from_millis(millis)));
        let seen = [0, 1, 31, 32].map(|random| pace.like(random).as_millis());
        assert_eq!(seen, [32, 1, 31, 32], "the oldest gave its place to the newest");
    }
}
