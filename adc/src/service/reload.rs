//! SIGHUP: reads the configuration again, with the files it names, and keeps the one in use where the new one is wrong.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::environment_file::EnvironmentFile;
use super::sentence::{sentence, wrong};
use crate::config::{Config, ConfigError, Environment, Overrides, load};
use crate::run::Status;
use crate::{logging, metrics, systemd};

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
    /// Remembers what the service is started with.
    pub(super) fn new(overrides: &Overrides, environment: &Environment) -> Self {
        Self {
            overrides: overrides.clone(),
            environment: environment.clone(),
            file: EnvironmentFile::at_start(environment),
        }
    }

    /// Reloads at every signal. A run that is under way ends with the configuration it began with.
    pub(super) async fn reload_at(
        self,
        mut hangups: Signal,
        configure: watch::Sender<Arc<Config>>,
        status: Arc<Status>,
    ) {
        while hangups.recv().await.is_some() {
            systemd::reloading();
            let reloader = self.clone();
            // Files may lie on disks that hang; the loops turn meanwhile.
            let read = spawn_blocking(move || reloader.read()).await;
            match read {
                Ok(Ok(config)) => {
                    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                    tracing::info!("the configuration was read again and is in use from now on");
                    status.note_configuration(None);
                    configure.send_replace(Arc::new(config));
                }
                Ok(Err(error)) => {
                    error.problems.iter().for_each(|problem| tracing::error!("{problem}"));
                    tracing::error!(
                        "the configuration from before stays in use, because the new one is wrong; mend it and reload again"
                    );
                    status.note_configuration(Some(wrong(&error)));
                }
                Err(error) => tracing::error!("reading the configuration again broke off: {error}"),
            }
            let standing = status.subscribe().borrow().clone();
            metrics::reloaded(standing.refused_configuration.is_none());
            let url = configure.borrow().server.url.to_string();
            systemd::ready(&sentence(&standing, &url));
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
