//! What the supervisor (systemd) is told of the server, and what it asks: see [`adc::systemd`].

use super::tls::{Tls, TlsFiles};
use crate::{hub::Hub, pulse::Pulse};
use adc::systemd;
use anyhow::anyhow;
use rustls::ServerConfig;
use std::sync::Arc;
use tokio::{
    signal::unix::Signal,
    task::spawn_blocking,
    time::{Duration, Instant, interval, timeout},
};

/// How often it is looked whether the sentence has changed: nobody reads it more often.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Files that take longer are not waited for: they lie on a disk that hangs, or are pipes that nobody writes to.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Says that the server is ready, what it does from then on, and that its loops turn; for ever.
pub(super) async fn tell(hub: Hub, pulse: Pulse, tls: Option<Tls>) {
    pulse.turned_since(Instant::now()).await;
    let mut said = sentence(&hub, tls.as_ref());
    systemd::ready(&said);
    let tell = async {
        let mut looks = interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let now = sentence(&hub, tls.as_ref());
            if now != said {
                systemd::status(&now);
                said = now;
            }
        }
    };
    tokio::select! {
        never = systemd::feed_watchdog(|moment| pulse.turned_since(moment)) => match never {},
        () = tell => {}
    }
}

/// Reads the certificate and its key again at every signal, and keeps those in use where the new ones are of no use; for ever. Whoever is
/// connected stays so.
pub async fn reload_at(mut hangups: Signal, files: Option<(TlsFiles, Tls)>) {
    while hangups.recv().await.is_some() {
        systemd::reloading();
        let Some((files, tls)) = &files else {
            tracing::info!("there is nothing to read again: no certificate is in use");
            systemd::ready("serving; there was nothing to read again");
            continue;
        };
        match load(files).await {
            Ok(config) => {
                tracing::info!("the certificate was read again and is shown from now on");
                tls.replace(config);
                systemd::ready("serving with the certificate that was read just now");
            }
            Err(error) => {
                tracing::error!(
                    "the certificate from before stays in use: {error:#}; mend it and reload again"
                );
                tls.refuse(format!("{error:#}"));
                systemd::ready(&format!("serving; the certificate from before is in use: {error:#}"));
            }
        }
    }
}

/// Reads the files, for so long: the server serves meanwhile, and ends when it is told to.
async fn load(files: &TlsFiles) -> anyhow::Result<Arc<ServerConfig>> {
    let read = files.clone();
    match timeout(READ_WITHIN, spawn_blocking(move || read.load())).await {
        Ok(read) => read?,
        Err(_) => Err(anyhow!(
            "{} and {} could not be read within {READ_WITHIN:?}: one of them is a pipe that nobody writes to, or lies on a disk that \
             does not answer",
            files.certificate.display(),
            files.key.display()
        )),
    }
}

fn sentence(hub: &Hub, tls: Option<&Tls>) -> String {
    let agents = match hub.count() {
        1 => "1 agent is connected".to_owned(),
        count => format!("{count} agents are connected"),
    };
    match tls.and_then(Tls::refused) {
        None => format!("serving; {agents}"),
        Some(why) => format!("serving; {agents}; the certificate from before is in use: {why}"),
    }
}
