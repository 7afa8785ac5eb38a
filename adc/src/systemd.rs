//! What a supervisor is told: `sd_notify(3)`, as systemd.service(5) describes it for `Type=notify-reload`.
//!
//! Where nobody set `NOTIFY_SOCKET` nobody is told anything, and nothing here does anything.

use std::convert::Infallible;
use std::future::pending;

use sd_notify::NotifyState;
use tokio::time::{Duration, Instant, sleep_until};

use crate::printable::printable;

/// The watchdog is fed this many times within the time that it is patient (`sd_watchdog_enabled(3)` recommends it).
const FEEDS: u32 = 2;

/// The service does its work, or does it again after [`reloading`]; in a sentence, what that is.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&printable(status))]);
}

/// What the service does now, in a sentence.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(&printable(status))]);
}

/// The configuration is being read again; [`ready`] says that it was.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("the supervisor cannot be told of the reload: {error}"),
    }
}

/// The service ends; in a sentence, what it still does.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&printable(status))]);
}

/// Feeds the watchdog, if there is one, for ever. `turned` ends when whatever must not stand still has turned after that moment: where
/// it never does the watchdog starves, and the supervisor starts the service again.
pub async fn feed_watchdog<F: Future<Output = ()>>(turned: impl Fn(Instant) -> F) -> Infallible {
    match sd_notify::watchdog_enabled() {
        Some(patience) => feed(patience, turned, || tell(&[NotifyState::Watchdog])).await,
        None => pending().await,
    }
}

async fn feed<F: Future<Output = ()>>(
    patience: Duration,
    turned: impl Fn(Instant) -> F,
    fed: impl Fn(),
) -> Infallible {
    let mut last = Instant::now();
    loop {
        turned(last).await;
        fed();
        last = Instant::now();
        sleep_until(last + patience / FEEDS).await;
    }
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::warn!("the supervisor cannot be told how the service stands: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::*;

    /// Long enough for any machine, and no test waits for it that passes.
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn the_watchdog_is_fed_by_what_turns_and_by_no_clock() {
        let turns = watch::Sender::new(Instant::now());
        let fed = Cell::new(0);
        let turned = |after: Instant| {
            let mut turns = turns.subscribe();
            async move { turns.wait_for(|turned| *turned > after).await.map(drop).expect("the sender is here") }
        };
        let feeding = feed(Duration::from_millis(2), turned, || fed.set(fed.get() + 1));
        tokio::pin!(feeding);
        // Nothing turns: twenty times its patience the watchdog starves.
        assert!(timeout(Duration::from_millis(40), &mut feeding).await.is_err());
        assert_eq!(fed.get(), 0);
        for meals in 1..=3 {
            let turning = async {
                while fed.get() < meals {
                    turns.send_replace(Instant::now());
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                never = &mut feeding => match never {},
                () = turning => {}
                () = tokio::time::sleep(LONG) => panic!("it was not fed"),
            }
        }
        // It stands still again.
        assert!(timeout(Duration::from_millis(40), &mut feeding).await.is_err());
        assert!(fed.get() <= 4, "at most once more for the last turn, fed {} times", fed.get());
    }
}
