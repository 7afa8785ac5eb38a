//! Tries that are under way: each is a failure, unless it turns out otherwise.

use super::throttle::{Subject, Throttle};
use crate::clock::{Clock, Millis};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The throttle, for many at a time.
pub(super) struct Tries {
    throttle: Mutex<Throttle>,
    clock: Clock,
}

/// A try. Dropped, also where whoever asked has hung up, it is a failure.
pub(super) struct Try<'a> {
    tries: &'a Tries,
    subject: Subject<'a>,
    became: Became,
}

#[derive(Debug, Clone, Copy)]
enum Became {
    Failure,
    Success,
    NoTry,
}

impl Tries {
    /// Nobody has failed yet.
    pub(super) fn new(clock: Clock) -> Self {
        Self { throttle: Mutex::default(), clock }
    }

    /// Begins a try of all of them, or of none.
    ///
    /// # Errors
    /// One of them failed too often; after how long (milliseconds) there may be another.
    pub(super) fn begin<'a>(&'a self, subjects: &[Subject<'a>]) -> Result<Vec<Try<'a>>, Millis> {
        let mut begun = Vec::new();
        for subject in subjects {
            let allowed = self.throttle().begin(*subject, self.clock.now());
            match allowed {
                Ok(()) => begun.push(Try { tries: self, subject: *subject, became: Became::Failure }),
                Err(after) => {
                    begun.into_iter().for_each(Try::forgive);
                    return Err(after);
                }
            }
        }
        Ok(begun)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Try<'_> {
    /// It succeeded.
    pub(super) fn succeed(mut self) {
        self.became = Became::Success;
    }

    /// It was none: no directory has seen the password, or it was right.
    pub(super) fn forgive(mut self) {
        self.became = Became::NoTry;
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let now = self.tries.clock.now();
        let mut throttle = self.tries.throttle();
        match self.became {
            Became::Failure => throttle.fail(self.subject, now),
            Became::Success => throttle.succeed(self.subject),
            Became::NoTry => throttle.forgive(self.subject),
        }
    }
}
