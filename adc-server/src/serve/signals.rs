//! SIGTERM and SIGINT, what supervisors and people end the server with; SIGHUP, to have it read its certificate again.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Catches both signals from now on; the future ends with the first of them.
pub fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Catches SIGHUP from now on, which would end the process else.
pub fn hangups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot catch SIGHUP")
}
