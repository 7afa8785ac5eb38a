//! SIGHUP: reads the configuration again, with the files it names, and keeps the one in use where the new one is wrong.

use std::panic;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::environment_file::EnvironmentFile;
use super::sentence::{sentence, wrong};
use crate::config::{Config, ConfigError, Environment, Overrides, load};
use crate::control_plane::{ControlPlane, ControlPlaneError};
use crate::run::{Spared, Status};
use crate::{logging, metrics, systemd};

/// Files that take longer are not waited for: they lie on a disk that hangs, or are pipes that nobody writes to.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A control plane that does not answer by then is not waited for: the supervisor waits for the reload, and systemd for no more than 90
/// seconds.
const BELIEVED_WITHIN: Duration = Duration::from_secs(10);

/// Reads what the service was started with, again and again.
#[derive(Clone)]
pub(super) struct Reloader {
    overrides: Overrides,
    /// As the process was started with.
    environment: Environment,
    /// The file that part of it came from, as it was then.
    file: Option<EnvironmentFile>,
}

impl Reloader {
    /// Reads the configuration that the service is started with, however long it takes: it may come through a pipe, from
    /// somebody who types a passphrase first.
    pub(super) async fn start(
        overrides: Overrides,
        environment: Environment,
    ) -> (Self, Result<Config, ConfigError>) {
        let read = spawn_blocking(move || {
            let file = EnvironmentFile::at_start(&environment);
            let config = load(&overrides, &environment);
            (Self { overrides, environment, file }, config)
        });
        read.await.unwrap_or_else(|fault| panic::resume_unwind(fault.into_panic()))
    }

    /// Reloads at every signal, and lets a bind account that is being spared be tried once more: whoever sends it may have mended the
    /// password in the directory. A run that is under way ends with the configuration it began with.
    pub(super) async fn reload_at(
        self,
        mut hangups: Signal,
        configure: watch::Sender<Arc<Config>>,
        status: Arc<Status>,
        spared: Arc<Spared>,
    ) {
        while hangups.recv().await.is_some() {
            systemd::reloading();
            let in_use = Arc::clone(&configure.borrow());
            let read = match self.read_again().await {
                Ok(config) => believed(config, &in_use).await,
                Err(error) => Err(error),
            };
            match read {
                Ok(config) => {
                    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                    tracing::info!("the configuration was read again and is in use from now on");
                    status.note_configuration(None);
                    let config = Arc::new(config);
                    spared.want_tried(&config);
                    configure.send_replace(config);
                }
                Err(error) => {
                    error.problems.iter().for_each(|problem| tracing::error!("{problem}"));
                    tracing::error!(
                        "the configuration from before stays in use, because the new one is wrong; mend it and reload again"
                    );
                    status.note_configuration(Some(wrong(&error)));
                }
            }
            let standing = status.subscribe().borrow().clone();
            metrics::reloaded(standing.refused_configuration.is_none());
            let url = configure.borrow().server.url.to_string();
            systemd::ready(&sentence(&standing, &url));
        }
    }

    /// Reads the files again, for so long: the loops turn meanwhile, and whoever mended them reloads once more.
    async fn read_again(&self) -> Result<Config, ConfigError> {
        let reloader = self.clone();
        match timeout(READ_WITHIN, spawn_blocking(move || reloader.read())).await {
            Ok(read) => read.unwrap_or_else(|fault| {
                Err(ConfigError::of("", format!("reading the configuration again broke off: {fault}")))
            }),
            Err(_) => Err(ConfigError::of(
                "",
                format!(
                    "adc.yaml and the files it names could not be read within {READ_WITHIN:?}: one of them is a pipe that nobody \
                     writes to, or lies on a disk that does not answer"
                ),
            )),
        }
    }

    fn read(&self) -> Result<Config, ConfigError> {
        let environment = match &self.file {
            None => self.environment.clone(),
            Some(file) => file.renewed(&self.environment),
        };
        logging::wish(environment.get("ADC_LOG"));
        load(&self.overrides, &environment)
    }
}

/// The configuration, unless it signs in otherwise than the one in use and the control plane does not believe it: then that is wrong with
/// it, and the link stands as it did. A control plane that cannot be asked now has not judged.
async fn believed(config: Config, in_use: &Config) -> Result<Config, ConfigError> {
    if config.server.signs_in_like(&in_use.server) {
        return Ok(config);
    }
    let asked = async { ControlPlane::new(&config.server)?.probe().await };
    match timeout(BELIEVED_WITHIN, asked).await {
        Ok(Err(error @ ControlPlaneError::CredentialsRefused { .. })) => {
            Err(ConfigError::of("", config.refused_because(error.to_string().trim_end_matches('.'))))
        }
        Ok(Ok(()) | Err(_)) | Err(_) => Ok(config),
    }
}
