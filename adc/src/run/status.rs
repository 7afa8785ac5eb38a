//! Where the daemon stands: shown to people and supervisors, and proof that its loops still turn.

use std::sync::{Mutex, PoisonError};

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
    /// Why the link is not there, in a sentence.
    pub trouble: Option<String>,
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
    beats: Mutex<[Instant; 2]>,
}

impl Default for Status {
    fn default() -> Self {
        Self { standing: watch::Sender::default(), beats: Mutex::new([Instant::now(); 2]) }
    }
}

impl Status {
    /// Where it stands, and every change of that.
    pub fn subscribe(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// When the slower of its loops has turned last: one that is stuck does not turn. Each turns at least once a second, whatever
    /// the network, the directory and the control plane do.
    pub fn turned(&self) -> Instant {
        let [link, worker] = *self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        link.min(worker)
    }

    pub(super) fn beat(&self, of: Loop) {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)[of as usize] = Instant::now();
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_if_modified(|standing| {
            let before = standing.clone();
            change(standing);
            *standing != before
        });
    }
}
