//! Where the daemon stands: shown to people and supervisors, and proof that its loops still turn.

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

/// The link to the control plane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkState {
    /// It is being made.
    #[default]
    Connecting,
    /// It stands.
    Connected,
    /// It could not be made, or was lost, and is tried again after a pause.
    Waiting,
}

/// Where the daemon stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The link to the control plane.
    pub link: LinkState,
    /// The runs that it does or was told to do, the one under way first.
    pub runs: Vec<String>,
    /// Whether it is the one that follows the directory's changes.
    pub follows: bool,
    /// When that begins again by itself, where it pauses because the last tries failed; this may be past.
    pub follows_again_at: Option<Timestamp>,
    /// Why the link is not there, in a sentence.
    pub trouble: Option<String>,
    /// How the last run ended, as a clause.
    pub last_run: Option<String>,
    /// Why the directory cannot be worked with, in a sentence.
    pub directory_trouble: Option<String>,
    /// Why the configuration as it is written now is not in use, where it is not.
    pub refused_configuration: Option<String>,
    /// Why the daemon ends though nobody told it to, as a clause.
    pub ends_because: Option<String>,
    /// Since when the directory is known, or presumed, to have changes that no run has brought over.
    pub behind_since: Option<Timestamp>,
}

/// A loop of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loop {
    Link,
    Worker,
}

/// Where the daemon stands, for whoever asks and whoever waits for a change.
#[derive(Debug)]
pub struct Status {
    standing: watch::Sender<Standing>,
    /// When each loop has turned last.
    turns: watch::Sender<[Instant; 2]>,
}

impl Default for Status {
    fn default() -> Self {
        Self { standing: watch::Sender::default(), turns: watch::Sender::new([Instant::now(); 2]) }
    }
}

impl Status {
    /// Where it stands, and every change of that.
    pub fn subscribe(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Waits until all its loops have turned after this moment: one that is stuck does not turn. Each turns at least once a second,
    /// whatever the network, the directory and the control plane do.
    pub async fn turned_since(&self, moment: Instant) {
        let turned = |turns: &[Instant; 2]| turns.iter().all(|turn| *turn > moment);
        self.turns.subscribe().wait_for(turned).await.map(drop).expect("the sender is ours");
    }

    /// Notes why the configuration as it is written now is not in use, or that it is.
    pub fn note_configuration(&self, refused: Option<String>) {
        self.change(|standing| standing.refused_configuration = refused);
    }

    pub(super) fn beat(&self, of: Loop) {
        self.turns.send_modify(|turns| turns[of as usize] = Instant::now());
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_if_modified(|standing| {
            let before = standing.clone();
            change(standing);
            *standing != before
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn one_loop_that_is_stuck_is_noticed_though_the_other_turns() {
        let status = Status::default();
        let turned = status.turned_since(Instant::now());
        tokio::pin!(turned);
        for _ in 0..3 {
            status.beat(Loop::Link);
            assert!(timeout(Duration::from_millis(2), &mut turned).await.is_err());
        }
        status.beat(Loop::Worker);
        turned.await;
    }
}
