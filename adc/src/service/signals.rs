//! The signals of a service.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// The signals that are caught, from now on.
pub(super) struct Signals {
    /// SIGHUP: read the configuration again.
    pub(super) hangups: Signal,
    /// SIGTERM and SIGINT: end.
    pub(super) ends: Ends,
}

/// What ends the service.
pub(super) struct Ends {
    terminate: Signal,
    keyboard: Signal,
}

impl Signals {
    /// Catches them.
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self {
            hangups: signal(SignalKind::hangup())?,
            ends: Ends {
                terminate: signal(SignalKind::terminate())?,
                keyboard: signal(SignalKind::interrupt())?,
            },
        })
    }
}

impl Ends {
    /// Ends the service at the first of them; a second Ctrl-C ends the process at once.
    ///
    /// A second SIGTERM does not: units with `ExecStop=kill -s TERM $MAINPID` send one, and systemd another right after it.
    pub(super) async fn end(mut self, stop: CancellationToken) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.keyboard.recv() => {}
        }
        tracing::info!("ending");
        stop.cancel();
        if self.keyboard.recv().await.is_some() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    }
}
