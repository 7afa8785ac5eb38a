//! Checking the password of somebody who signs in at the control plane.
//!
//! What comes is sealed to this process ([`keys`]) and opened once. The entry is looked for as adc.yaml says ([`names`]), must be the
//! only one and the very person that the control plane means, and is bound as on a connection of its own. Nothing of it is logged but
//! what came of it.

mod connections;
mod keys;
mod names;
mod owed;
mod searcher;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adc_core::protocol::link::{CheckPassword, PasswordOutcome, RequestError};
use adc_core::sign_in::{Credentials, NO_VERDICT, NOT_BEGUN, is_name, is_password};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{Address, Config, DirectoryConfig};
use crate::directory::{DirectoryError, Failure};
use crate::metrics;
use crate::spared::Spared;
use connections::Connections;
use keys::Keys;
use searcher::{Match, Searcher};

/// A connection that waited and does not answer by then is dead; a new one is made while there is still time.
const STALE_AFTER: Duration = Duration::from_secs(1);

/// Where passwords are checked: the keys, and connections that are ready.
#[derive(Debug)]
pub(crate) struct Desk {
    keys: Mutex<Keys>,
    connections: Connections,
    /// Held by whoever binds as the bind account: a password that is wrong is refused once, not once for each of those who wait.
    binding: AsyncMutex<()>,
    /// Why the directory could not be reached when the account was tried last, as long as nobody was told.
    untold: Mutex<Option<DirectoryError>>,
}

/// What became of looking for somebody.
enum Sought {
    /// The entry's DN, on the server that this connection leads to.
    Found(Box<Searcher>, String),
    /// Nobody, several, or somebody else.
    NotThem(&'static str),
}

impl Desk {
    /// A desk that nothing was sealed to yet, and that binds as no account that is being spared.
    pub(crate) fn new(spared: Arc<Spared>) -> Self {
        Self {
            keys: Mutex::new(Keys::new()),
            connections: Connections::new(spared),
            binding: AsyncMutex::default(),
            untold: Mutex::default(),
        }
    }

    /// The key that passwords are to be sealed to over a new link: made for it, so that nothing from an earlier link opens any
    /// more. None where passwords would cross the network in clear.
    pub(crate) fn key_for_link(&self, config: &Config) -> Option<String> {
        // It may be another directory by now.
        *self.untold() = None;
        if let Err(why) = safe_way(config) {
            tracing::warn!("passwords of people who sign in are not checked here: {why}");
            return None;
        }
        Some(self.keys().begin())
    }

    /// A new key that the control plane has not heard of, when the one before has opened as much as it may.
    pub(crate) fn next_key(&self) -> Option<String> {
        self.keys().untold()
    }

    /// Why the directory could not be reached for somebody who signed in, where nobody was told; once.
    pub(crate) fn next_trouble(&self) -> Option<DirectoryError> {
        self.untold().take()
    }

    /// Checks a password.
    ///
    /// # Errors
    /// There is no verdict. With the code [`NOT_BEGUN`] the directory has not seen the password.
    pub(crate) async fn check(
        &self,
        config: &Arc<Config>,
        check: CheckPassword,
    ) -> Result<PasswordOutcome, RequestError> {
        // Before anything else: whatever comes of it, it was used.
        let credentials = self.keys().open(&check).map_err(|error| not_begun(&error))?;
        safe_way(config).map_err(|why| not_begun(&why))?;
        let patience = config.authentication.timeout.min(Duration::from_millis(check.deadline_ms));
        let deadline = Instant::now() + patience;
        let checked = self.check_until(config, &credentials, deadline).await;
        metrics::password_checked(checked.as_ref().ok().copied());
        match &checked {
            Ok(outcome) => tracing::info!(outcome = ?outcome, "a password was checked"),
            Err(error) => tracing::warn!("a password could not be checked: {}", error.message),
        }
        checked
    }

    async fn check_until(
        &self,
        config: &Arc<Config>,
        credentials: &Credentials,
        deadline: Instant,
    ) -> Result<PasswordOutcome, RequestError> {
        let late =
            |_| not_begun(&"the directory did not answer in time (backend.ldap.authentication.timeout)");
        let Credentials { names, source_id, password, .. } = credentials;
        if !is_password(password) || source_id.is_empty() || !names.iter().all(|name| is_name(name)) {
            return Ok(PasswordOutcome::Invalid);
        }
        let sought = timeout_at(deadline, self.seek(config, names, source_id)).await.map_err(late)?;
        let (searcher, dn) = match sought.map_err(|error| not_begun(&error))? {
            Sought::Found(searcher, dn) => (searcher, dn),
            Sought::NotThem(why) => {
                tracing::info!("whoever signs in is not let in: {why}");
                return Ok(PasswordOutcome::Invalid);
            }
        };
        let reached = timeout_at(deadline, searcher.directory.unbound()).await.map_err(late)?;
        let connection = reached.map_err(|error| not_begun(&error))?;
        self.connections.keep(config, *searcher);
        let limit = deadline.saturating_duration_since(Instant::now());
        connection.try_password(&dn, password, limit).await.map_err(|why| RequestError {
            code: NO_VERDICT.to_owned(),
            message: format!("the directory gave no verdict on a password: {why}"),
        })
    }

    /// Looks for the one entry that is meant, over a connection that waits, or a new one.
    async fn seek(
        &self,
        config: &Arc<Config>,
        names: &[String],
        source_id: &str,
    ) -> Result<Sought, DirectoryError> {
        if let Some(sought) = self.seek_over_idle(config, names, source_id).await {
            return sought;
        }
        let searcher = {
            let _alone = self.binding.lock().await;
            // Whoever was here before us may be done with theirs.
            if let Some(sought) = self.seek_over_idle(config, names, source_id).await {
                return sought;
            }
            self.open(config).await?
        };
        let sought = searcher.seek(config, names, source_id).await?;
        Ok(self.used(config, sought))
    }

    /// Looks over a connection that waits; nothing where there is none, or none that lives.
    async fn seek_over_idle(
        &self,
        config: &Arc<Config>,
        names: &[String],
        source_id: &str,
    ) -> Option<Result<Sought, DirectoryError>> {
        let searcher = self.connections.take(config)?;
        match timeout(STALE_AFTER, searcher.seek(config, names, source_id)).await {
            // The directory hangs up on whoever is idle for long, and a firewall does so without a word.
            Err(_) => None,
            Ok(Err(error)) if error.failure == Failure::ConnectionLost => None,
            Ok(sought) => Some(sought.map(|sought| self.used(config, sought))),
        }
    }

    /// Makes a connection of the bind account, unless the account is being spared. Whoever calls it holds `binding`.
    async fn open(&self, config: &Arc<Config>) -> Result<Searcher, DirectoryError> {
        let opened = self.connections.open(config).await;
        // Of a refusal all hear who wait for news of the account.
        if let Some(error) = opened.as_ref().err().filter(|error| error.failure != Failure::BindRefused) {
            *self.untold() = Some(error.clone());
        }
        opened
    }

    /// Keeps the connection of a search that found nobody.
    fn used(&self, config: &Arc<Config>, (searcher, sought): (Searcher, Option<Match>)) -> Sought {
        match sought {
            Some(Match::Them(dn)) => Sought::Found(Box::new(searcher), dn),
            Some(Match::SomebodyElse(why)) => {
                self.connections.keep(config, searcher);
                Sought::NotThem(why)
            }
            None => {
                self.connections.keep(config, searcher);
                Sought::NotThem("the directory finds nobody by the name")
            }
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn untold(&self) -> MutexGuard<'_, Option<DirectoryError>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether no server that a password may be sent to is reached in clear: another machine could read it there. What adc.yaml
/// allows of the way to the control plane it allows of this one.
fn safe_way(config: &Config) -> Result<(), String> {
    if config.authentication.allow_clear_text {
        return Ok(());
    }
    match config.directory.servers().find(|address| is_clear_text(&config.directory, address)) {
        None => Ok(()),
        Some(address) => Err(format!(
            "{address} would be sent them in clear; use ldaps://, set start_tls: true, or set server.allow_insecure: true if the way there is protected otherwise"
        )),
    }
}

fn is_clear_text(config: &DirectoryConfig, address: &Address) -> bool {
    matches!(address, Address::Plain(at) if !config.start_tls && !at.is_loopback())
}

fn not_begun(why: &dyn fmt::Display) -> RequestError {
    RequestError { code: NOT_BEGUN.to_owned(), message: why.to_string() }
}
