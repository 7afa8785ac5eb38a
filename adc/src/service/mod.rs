//! The daemon as a service of the machine: signals, systemd, reloading and metrics around [`crate::run`].
//!
//! The daemon itself ([`crate::run::run`]) knows nothing of the process it lives in; here is what a process is told and tells.

mod environment_file;
mod exporter;
mod reload;
mod sentence;
mod signals;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::cli::RunArgs;
use crate::config::{Config, ConfigError, Environment, Overrides};
use crate::exit::Exit;
use crate::run::{self, Spared, Status, Surroundings};
use crate::systemd;
use exporter::Exporter;
use reload::Reloader;
use sentence::{farewell, sentence, wrong};
use signals::Signals;

/// A stop ends within 10 seconds, whatever the directory, the control plane and the network do.
const STOP_WITHIN: Duration = Duration::from_secs(9);

/// `adc run`: serves until it is told to end, or until somebody has to do something about it.
pub async fn serve(args: &RunArgs, overrides: &Overrides, environment: &Environment) -> Exit {
    // Before anything else: by default a SIGHUP would end the process.
    let signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => {
            return refuse(&ConfigError::of("", format!("signals cannot be listened for: {error}")));
        }
    };
    let Signals { hangups, ends } = signals;
    let stop = CancellationToken::new();
    // All of them end with this function.
    let mut around = JoinSet::new();
    around.spawn(ends.end(stop.clone()));
    let (reloader, config) = tokio::select! {
        started = Reloader::start(overrides.clone(), environment.clone()) => started,
        () = stop.cancelled() => {
            systemd::stopping("ending before the configuration was read");
            return Exit::Done;
        }
    };
    let config = match config {
        Ok(config) => Arc::new(config),
        Err(error) => return refuse(&error),
    };
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let status = Arc::<Status>::default();
    let exporter = match Exporter::open(args, environment, Arc::clone(&status)).await {
        Ok(exporter) => exporter,
        Err(error) => return refuse(&error),
    };

    let configure = watch::Sender::new(config);
    let spared = Arc::<Spared>::default();
    around.spawn(reloader.reload_at(hangups, configure.clone(), Arc::clone(&status), Arc::clone(&spared)));
    if let Some(exporter) = exporter {
        around.spawn(exporter.serve());
    }
    let turns = Arc::clone(&status);
    let telling = tell(Arc::clone(&status), configure.subscribe(), stop.clone());
    let surroundings = Surroundings { config: configure, stop: stop.clone(), status, spared };
    let daemon = async {
        let exit = run::run(surroundings).await;
        // Whatever it ended for, the supervisor is told so, once.
        stop.cancel();
        exit
    };
    tokio::select! {
        (exit, ()) = async { tokio::join!(daemon, telling) } => exit,
        never = systemd::feed_watchdog(|moment| turns.turned_since(moment)) => match never {},
        () = overdue(&stop) => {
            tracing::warn!(
                "not everything was given up within {STOP_WITHIN:?}; a run that was under way is ended by its lease at the control plane"
            );
            Exit::Done
        }
    }
}

/// Tells the supervisor how it stands: ready once its loops turn, whatever the network does, every change from then on, and at last that
/// it stops.
async fn tell(status: Arc<Status>, config: watch::Receiver<Arc<Config>>, stop: CancellationToken) {
    let mut standing = status.subscribe();
    let now = |standing: &mut watch::Receiver<_>| {
        sentence(&standing.borrow_and_update(), &config.borrow().server.url.to_string())
    };
    let stands = async {
        status.turned_since(Instant::now()).await;
        systemd::ready(&now(&mut standing));
        while standing.changed().await.is_ok() {
            systemd::status(&now(&mut standing));
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = stands => {}
    }
    systemd::stopping(&farewell(&standing.borrow()));
}

/// Ends when a stop has taken too long.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(STOP_WITHIN).await;
}

/// The service does not start: somebody must mend its configuration.
fn refuse(error: &ConfigError) -> Exit {
    error.problems.iter().for_each(|problem| tracing::error!("{problem}"));
    systemd::status(&format!("not started: {}", wrong(error)));
    Exit::Usage
}
