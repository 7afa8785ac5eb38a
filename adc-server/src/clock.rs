//! The one place of the control plane that reads the clock and rolls dice; everything else receives the results.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Milliseconds since 1970 UTC, as stored and compared everywhere.
pub type Millis = i64;

/// The time. Tests move it by hand.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Millis + Send + Sync>,
    steady: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        let wall = || {
            #[expect(clippy::disallowed_methods, reason = "this is the place")]
            let now = jiff::Timestamp::now();
            now.as_millisecond()
        };
        let began = Instant::now();
        Self { wall: Arc::new(wall), steady: Arc::new(move || began.elapsed()) }
    }

    /// A clock that shows what `read` returns.
    pub fn from_fn(read: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        let wall = Arc::new(read);
        let steady = {
            let wall = wall.clone();
            move || Duration::from_millis(wall().unsigned_abs())
        };
        Self { wall, steady: Arc::new(steady) }
    }

    /// A clock that goes on for as long as `steady` says, and shows what `wall` returns, as if somebody had set it.
    pub fn set_by_hand(
        wall: impl Fn() -> Millis + Send + Sync + 'static,
        steady: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Arc::new(wall), steady: Arc::new(steady) }
    }

    /// The time now.
    pub fn now(&self) -> Millis {
        (self.wall)()
    }

    /// How long the clock has been going: what spans of time are measured by, for it does not jump when the machine's clock is set.
    pub fn steady(&self) -> Duration {
        (self.steady)()
    }
}

/// `N` bytes from the operating system's random source.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// RFC 3339 in UTC, as the API shows times.
pub fn rfc3339(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |time| format!("{time:.3}"))
}

/// Whole milliseconds of a duration, for reports.
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
