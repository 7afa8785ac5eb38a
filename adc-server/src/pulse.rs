//! Proof that the loops which look after runs and agents still turn: what feeds the supervisor's watchdog.

use std::sync::Arc;
use tokio::{sync::watch, time::Instant};

/// A loop that must never stand still; each turns at least every [`EVERY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    /// Ends the runs of agents that fell silent.
    Leases,
    /// Tells agents what to do.
    Agents,
}

/// How often a loop turns that has nothing to do.
pub const EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// When each loop has turned last. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<watch::Sender<[Instant; 2]>>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new([Instant::now(); 2])))
    }
}

impl Pulse {
    /// The loop turns.
    pub fn beat(&self, of: Loop) {
        self.0.send_modify(|turns| turns[of as usize] = Instant::now());
    }

    /// Waits until all loops have turned after this moment; for ever, where one is stuck.
    pub async fn turned_since(&self, moment: Instant) {
        let turned = |turns: &[Instant; 2]| turns.iter().all(|turn| *turn > moment);
        self.0.subscribe().wait_for(turned).await.map(drop).expect("the sender is ours");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn one_loop_that_is_stuck_is_noticed_though_the_other_turns() {
        let pulse = Pulse::default();
        let moment = Instant::now();
        let turned = pulse.turned_since(moment);
        tokio::pin!(turned);
        for _ in 0..3 {
            pulse.beat(Loop::Agents);
            assert!(timeout(Duration::from_millis(2), &mut turned).await.is_err());
        }
        pulse.beat(Loop::Leases);
        turned.await;
    }
}
