//! Sending all agents away when the server goes down, so that they do not all come back at once.

use super::Hub;
use std::time::Duration;

/// How many agents come back in a second: each costs a TLS handshake, a millisecond of CPU.
const RETURN_PER_SECOND: u64 = 500;
/// Nobody comes back earlier: the new server has to start.
const RETURN_NOT_BEFORE: Duration = Duration::from_millis(250);
/// How long the links may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

impl Hub {
    /// Tells every agent when to come back, closes the links, and lets nobody in any more.
    pub async fn drain(&self) {
        self.0.draining.cancel();
        let links: Vec<_> = self.lock().values().flatten().cloned().collect();
        for (index, link) in links.iter().enumerate() {
            link.drain(return_after(index as u64));
        }
        self.0.open.close();
        if tokio::time::timeout(CLOSE_WITHIN, self.0.open.wait()).await.is_err() {
            tracing::warn!("some agents did not take leave within {CLOSE_WITHIN:?}; their links are cut off");
        }
    }
}

/// After how long the agent at this place in the list comes back.
fn return_after(index: u64) -> Duration {
    RETURN_NOT_BEFORE + Duration::from_millis(index * 1_000 / RETURN_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_agents_come_back_within_half_a_minute_and_no_more_than_five_hundred_in_a_second() {
        let returns: Vec<_> = (0..10_000).map(return_after).collect();
        assert_eq!(returns[0], RETURN_NOT_BEFORE);
        assert!(returns[9_999] < Duration::from_secs(30));
        assert!(
            returns.iter().zip(&returns[500..]).all(|(one, later)| *later >= *one + Duration::from_secs(1))
        );
    }
}
