//! The daemon: one link to the control plane, kept up whatever the network does, and runs when told, when due and when the
//! directory changes.
//!
//! Two loops beside each other. `link` keeps the websocket and answers what is asked; `worker` does one run after the other and
//! follows changes in between. They meet in `Shared` and two queues, so that a long run never keeps the link silent.

mod answer;
mod backoff;
mod believed;
mod changes;
mod conversation;
mod link;
mod outcome;
mod retry;
mod socket;
mod status;
mod trouble;
mod worker;

pub use crate::spared::Spared;
pub use backoff::pause;
pub use status::{LinkState, Standing, Status};

use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adc_core::protocol::link::AgentMessage;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::clock;
use crate::config::Config;
use crate::directory::DirectoryError;
use crate::exit::Exit;
use crate::heard::Account;
use crate::sign_in::Desk;
use link::Link;
use trouble::Reached;
use worker::Worker;

/// Orders that wait while a run is under way: the control plane gives one after the other.
const ORDERS: usize = 16;
/// What is to be told of runs waits here while the link takes other things.
const REPORTS: usize = 64;
/// A stop ends within 10 seconds, all told: so long a run may take to be given up.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(8);

/// What the daemon is given from outside.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The configuration. Where a new one is sent the link is made anew with it; a run under way ends with the old one. Where the
    /// control plane refuses the new one and has believed another, the daemon itself sends that again.
    pub config: watch::Sender<Arc<Config>>,
    /// Cancelled when the daemon is to end: a run under way is given up.
    pub stop: CancellationToken,
    /// Where it stands, for whoever shows or watches it.
    pub status: Arc<Status>,
    /// The bind accounts that were refused before it began, and are still spared.
    pub spared: Arc<Spared>,
}

/// Runs until it is told to stop, or until somebody has to do something about it.
pub async fn run(surroundings: Surroundings) -> Exit {
    let (orders, taken) = mpsc::channel(ORDERS);
    let (reports, reported) = mpsc::channel(REPORTS);
    // The worker ends also where the link ends for good.
    let stop = surroundings.stop.child_token();
    let account = surroundings.spared;
    let shared = Arc::new(Shared {
        config: surroundings.config,
        status: surroundings.status,
        instance: Mutex::new(clock::instance()),
        directory: Reached::sparing(Arc::clone(&account)),
        desk: Desk::new(Arc::clone(&account)),
        account,
    });
    let worker = Worker::new(Arc::clone(&shared), taken, reports, stop.clone());
    let working = tokio::spawn(worker.work().in_current_span());
    let keeping = Link::new(shared, orders, reported, surroundings.stop).keep();
    side_by_side(working, keeping, &stop).await
}

/// Waits for the link to end, then for the worker, which is told so. A fault of ours in the worker ends the program as such a fault
/// does: whoever supervises it starts it again, which for the link's own reasons it would not.
async fn side_by_side(
    mut working: JoinHandle<()>,
    keeping: impl Future<Output = Exit>,
    stop: &CancellationToken,
) -> Exit {
    tokio::pin!(keeping);
    let fell = |fault: JoinError| panic::resume_unwind(fault.into_panic());
    tokio::select! {
        biased;
        worked = &mut working => {
            worked.unwrap_or_else(fell);
            keeping.await
        }
        exit = &mut keeping => {
            stop.cancel();
            if let Ok(worked) = timeout(GIVE_UP_WITHIN, working).await {
                worked.unwrap_or_else(fell);
            } else {
                tracing::warn!(
                    "a run was not given up within {GIVE_UP_WITHIN:?}; its lease ends it at the control plane"
                );
            }
            exit
        }
    }
}

/// Waits for a new configuration.
async fn reconfigured(changes: &mut watch::Receiver<Arc<Config>>) {
    changes.changed().await.expect("whoever waits for one could send one");
}

/// What both loops know.
#[derive(Debug)]
struct Shared {
    config: watch::Sender<Arc<Config>>,
    status: Arc<Status>,
    /// Names this process to the control plane.
    instance: Mutex<String>,
    /// The directory, and what is wrong with it.
    directory: Reached,
    /// Its bind account, where that is refused.
    account: Arc<Spared>,
    /// Where passwords of people who sign in are checked.
    desk: Desk,
}

impl Shared {
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    fn instance(&self) -> String {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody else goes by the same name: takes another.
    fn take_another_instance(&self) {
        *self.instance.lock().unwrap_or_else(PoisonError::into_inner) = clock::instance();
    }

    /// The bind account of this configuration.
    fn account_of(&self, config: &Arc<Config>) -> Account {
        Account { config: Arc::clone(config), spared: Arc::clone(&self.account) }
    }

    /// Notes that the directory failed us in what began then; returns what the control plane is to be told of it. What a run meets that
    /// goes on with the configuration from before says nothing of the one in use.
    fn directory_fails(
        &self,
        config: &Arc<Config>,
        error: &DirectoryError,
        began: Instant,
    ) -> Option<AgentMessage> {
        if !self.is_in_use(config) {
            self.account.note(config, began, Some(error), Instant::now());
            return None;
        }
        let told = self.directory.fails(config, error, began, Instant::now());
        self.show_trouble();
        told.map(AgentMessage::Directory)
    }

    /// Notes what somebody who signed in has met; returns what the control plane is to be told of it, so that others are sent to
    /// another agent.
    fn sign_in_fails(&self) -> Option<AgentMessage> {
        let error = self.desk.next_trouble()?;
        self.directory_fails(&self.config(), &error, Instant::now())
    }

    /// Notes that the directory was worked with; returns what the control plane is to be told of it.
    fn directory_works(&self, config: &Arc<Config>) -> Option<AgentMessage> {
        if !self.is_in_use(config) {
            return None;
        }
        let told = self.directory.works(config);
        self.show_trouble();
        told.map(AgentMessage::Directory)
    }

    /// Looks whether the bind account was refused, or let in, by whoever tried it; returns what the control plane is to be told of that.
    fn account_news(&self, config: &Arc<Config>) -> Option<AgentMessage> {
        let told = self.directory.account_news(config, Instant::now());
        self.show_trouble();
        told.map(AgentMessage::Directory)
    }

    /// There is a new configuration: it may be another directory.
    fn forget_directory(&self) {
        self.directory.forget();
        self.show_trouble();
    }

    /// The control plane refuses this configuration for good: takes the one up again that it believed, unless there is a third already.
    fn go_back(&self, refused: &Arc<Config>, believed: Arc<Config>, why: &str) {
        let was_in_use = self.config.send_if_modified(|current| {
            let is_in_use = Arc::ptr_eq(current, refused);
            if is_in_use {
                *current = believed;
            }
            is_in_use
        });
        if was_in_use {
            let wrong = refused.refused_because(why);
            tracing::error!("{wrong}");
            tracing::error!(
                "the configuration from before is in use again, because the new one is wrong; mend it and reload again"
            );
            self.status.note_configuration(Some(wrong));
        }
        self.forget_directory();
    }

    fn show_trouble(&self) {
        let trouble = self.directory.trouble();
        self.status.change(|standing| standing.directory_trouble = trouble);
    }

    fn is_in_use(&self, config: &Arc<Config>) -> bool {
        Arc::ptr_eq(config, &self.config())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Failure;
    use crate::spared::tests::config;

    #[test]
    fn a_run_that_ended_well_with_the_password_from_before_hid_that_the_new_one_is_refused() {
        let configure = watch::Sender::new(config("old"));
        let (account, status) = (Arc::<Spared>::default(), Arc::<Status>::default());
        let shared = Shared {
            config: configure.clone(),
            status: Arc::clone(&status),
            instance: Mutex::new(String::new()),
            directory: Reached::sparing(Arc::clone(&account)),
            account: Arc::clone(&account),
            desk: Desk::new(Arc::clone(&account)),
        };
        let (old, new) = (shared.config(), config("new"));
        configure.send_replace(Arc::clone(&new));
        shared.forget_directory();
        let refused = DirectoryError::new(Failure::BindRefused, "no");
        account.note(&new, Instant::now(), Some(&refused), Instant::now());
        assert!(matches!(shared.account_news(&new), Some(AgentMessage::Directory(_))));
        // The run ends, or meets something itself.
        account.let_in(&old, Instant::now());
        assert_eq!(shared.directory_works(&old), None);
        let unreachable = DirectoryError::new(Failure::Unreachable, "nobody listens");
        assert_eq!(shared.directory_fails(&old, &unreachable, Instant::now()), None);
        assert_eq!(shared.account_news(&new), None, "it was told");
        assert_eq!(status.subscribe().borrow().directory_trouble.as_deref(), Some("no"));
        assert_eq!(account.refusal(&new), Some(refused));
    }

    #[tokio::test]
    async fn a_worker_that_panicked_ended_the_service_for_good() {
        for link_ends in [false, true] {
            let working = tokio::spawn(async { panic!("a fault of ours") });
            let daemon = tokio::spawn(async move {
                let keeping = async {
                    if !link_ends {
                        std::future::pending::<()>().await;
                    }
                    Exit::ControlPlane
                };
                side_by_side(working, keeping, &CancellationToken::new()).await
            });
            assert!(daemon.await.expect_err("it ends as a fault does").is_panic());
        }
    }
}
