//! Connections of the bind account: those that wait to be used again, and how one more is made.
//!
//! Many directories delay a refusal on purpose, for longer than somebody who signs in waits. So a bind that was sent goes on by itself until
//! it is answered, and what it says of the account counts though nobody waits for it any more. Meanwhile its server owes an answer
//! ([`owed`](super::owed)) and is bound at less, or not at all where another one lets people in.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::select;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use super::owed::Owed;
use super::searcher::Searcher;
use crate::config::{Address, Config, DirectoryConfig};
use crate::directory::{DirectoryError, Failure, Reached};
use crate::heard::{ANSWERED_WITHIN, Binds};
use crate::metrics;
use crate::spared::{Spared, TURN_WITHIN};

/// Connections that wait for the next person: as many as look for one at the same time on a busy morning.
const IDLE_CONNECTIONS: usize = 4;

/// The connections, and the binds that may become some.
#[derive(Debug)]
pub(super) struct Connections {
    kept: Arc<Kept>,
    binds: Binds,
}

/// What whoever signs in and the binds under way leave for each other.
#[derive(Debug)]
struct Kept {
    of_config: Mutex<OfConfig>,
    spared: Arc<Spared>,
    /// A connection is kept, or a bind was answered.
    news: Notify,
}

/// What is known of the servers of one configuration.
#[derive(Debug, Default)]
struct OfConfig {
    config: Option<Arc<Config>>,
    idle: Vec<Searcher>,
    owed: Owed,
}

impl Connections {
    /// None yet, of an account that is spared where it is to be.
    pub(super) fn new(spared: Arc<Spared>) -> Self {
        let kept = Kept { of_config: Mutex::default(), spared, news: Notify::new() };
        Self { kept: Arc::new(kept), binds: Binds::default() }
    }

    /// Takes one that waits, if one does.
    pub(super) fn take(&self, config: &Arc<Config>) -> Option<Searcher> {
        self.kept.still_of(config)?.idle.pop()
    }

    /// Has one wait for whoever comes next.
    pub(super) fn keep(&self, config: &Arc<Config>, searcher: Searcher) {
        self.kept.keep(config, searcher);
    }

    /// Makes one, at the first server that can be worked with and owes no answer, unless the account is being spared. One at a time calls
    /// this.
    ///
    /// # Errors
    /// The account is being spared or was refused, or no server lets anybody in in time.
    pub(super) async fn open(&self, config: &Arc<Config>) -> Result<Searcher, DirectoryError> {
        let _turn = self.kept.spared.turn(TURN_WITHIN).await;
        let servers: Vec<&Address> = config.directory.servers().collect();
        let count = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        // Whoever signs in waits for less than a run does: one server that is silent may not use up all of it.
        let share = config.authentication.timeout / count.saturating_add(1);
        let give_up = Instant::now() + share * count;
        let mut failures = BTreeMap::new();
        loop {
            let now = Instant::now();
            self.kept.spared.may_be_tried(config, now)?;
            let tried = |server| failures.contains_key(&server);
            let next = self.kept.of(config).owed.next(servers.len(), tried, share, now);
            match next {
                Some((server, at)) if at <= now => match self.open_at(config, server, share).await {
                    Err(error) if error.failure.is_of_one_server() => {
                        if servers.len() > 1 {
                            tracing::warn!(address = %servers[server], "a directory is out of reach: {error}");
                        }
                        failures.insert(server, error);
                    }
                    verdict => return verdict.inspect_err(metrics::directory_failed),
                },
                Some((_, at)) if now < give_up => select! {
                    biased;
                    earlier = self.kept.answered(config) => return earlier,
                    () = sleep_until(at.min(give_up)) => {}
                },
                _ => break,
            }
        }
        let failures: Vec<_> = (0..servers.len())
            .map(|server| failures.remove(&server).unwrap_or_else(|| silent(config, servers[server])))
            .collect();
        let error = DirectoryError::all_out_of_reach(&failures);
        metrics::directory_failed(&error);
        Err(error)
    }

    /// Makes one at this server, and lets its bind go on where it is not answered within `share`.
    async fn open_at(
        &self,
        config: &Arc<Config>,
        server: usize,
        share: Duration,
    ) -> Result<Searcher, DirectoryError> {
        let address = config.directory.servers().nth(server).expect("the servers are counted");
        let connect_timeout = config.directory.connect_timeout.min(share);
        let within = DirectoryConfig { connect_timeout, ..config.directory.at(address) };
        let reached = Reached::over(Arc::new(within), None).await?;
        let (tell, told) = oneshot::channel();
        let kept = Arc::clone(&self.kept);
        self.binds.go_on(kept.bind(Arc::clone(config), server, reached, tell));
        select! {
            biased;
            told = told => Searcher::over(told.unwrap_or_else(|_| Err(silent(config, address)))?).await,
            refusal = self.kept.refused(config) => Err(refusal),
            () = sleep(share) => Err(silent(config, address)),
        }
    }
}

impl Kept {
    /// Signs in at a server, and notes what comes of it. A connection that nobody waits for any more is kept.
    fn bind(
        self: Arc<Self>,
        config: Arc<Config>,
        server: usize,
        mut reached: Reached,
        tell: oneshot::Sender<Result<Reached, DirectoryError>>,
    ) -> impl Future<Output = ()> {
        let began = Instant::now();
        self.of(&config).owed.sent(server, began);
        async move {
            let let_in = reached.sign_in(ANSWERED_WITHIN).await;
            self.spared.note(&config, began, let_in.as_ref().err(), Instant::now());
            if let Some(of_config) = self.still_of(&config).as_mut() {
                match &let_in {
                    Err(error) if error.failure == Failure::Silent => of_config.owed.given_up(server),
                    _ => of_config.owed.answered(server),
                }
            }
            match tell.send(let_in.map(|()| reached)) {
                Ok(()) => {}
                Err(Ok(reached)) => self.keep_late(&config, reached).await,
                Err(Err(error)) => {
                    tracing::warn!("the bind account was not let in, and nobody waited any more: {error}");
                    metrics::directory_failed(&error);
                }
            }
            self.news.notify_one();
        }
    }

    async fn keep_late(&self, config: &Arc<Config>, reached: Reached) {
        match Searcher::over(reached).await {
            Ok(searcher) if self.still_of(config).is_some() => self.keep(config, searcher),
            Ok(_) => {}
            Err(error) => tracing::warn!("the bind account was let in late, and then: {error}"),
        }
    }

    fn keep(&self, config: &Arc<Config>, searcher: Searcher) {
        let mut of_config = self.of(config);
        if of_config.idle.len() < IDLE_CONNECTIONS {
            of_config.idle.push(searcher);
            self.news.notify_one();
        }
    }

    /// Waits until there is a connection, or the account is refused.
    async fn answered(&self, config: &Arc<Config>) -> Result<Searcher, DirectoryError> {
        let kept = async {
            loop {
                let searcher = self.of(config).idle.pop();
                match searcher {
                    Some(searcher) => break searcher,
                    None => self.news.notified().await,
                }
            }
        };
        select! {
            refusal = self.refused(config) => Err(refusal),
            searcher = kept => Ok(searcher),
        }
    }

    /// Waits until the account is refused; returns what the directory said.
    async fn refused(&self, config: &Arc<Config>) -> DirectoryError {
        let mut news = self.spared.news();
        loop {
            if self.spared.may_be_tried(config, Instant::now()).is_err()
                && let Some(refusal) = self.spared.refusal(config)
            {
                return refusal;
            }
            if news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What is known of this configuration's servers; nothing, where another one was in use before.
    fn of(&self, config: &Arc<Config>) -> MutexGuard<'_, OfConfig> {
        let mut of_config = self.lock();
        if !of_config.is_of(config) {
            *of_config = OfConfig { config: Some(Arc::clone(config)), ..OfConfig::default() };
        }
        of_config
    }

    /// The same, unless another one is in use by now.
    fn still_of(&self, config: &Arc<Config>) -> Option<MutexGuard<'_, OfConfig>> {
        Some(self.lock()).filter(|of_config| of_config.is_of(config))
    }

    fn lock(&self) -> MutexGuard<'_, OfConfig> {
        self.of_config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfConfig {
    fn is_of(&self, config: &Arc<Config>) -> bool {
        self.config.as_ref().is_some_and(|of| Arc::ptr_eq(of, config))
    }
}

/// Why a server that owes an answer is given up for now.
fn silent(config: &Config, address: &Address) -> DirectoryError {
    DirectoryError::new(
        Failure::Silent,
        format!(
            "{address} does not answer the sign-in of {} in time; is it overloaded?",
            config.directory.bind_dn
        ),
    )
}
