//! Keeps the link: connects, converses, and connects again, until it is told to stop or refused for good.

use std::sync::Arc;
use std::time::Duration;

use adc_core::protocol::link::{AgentMessage, CloseCode};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::backoff;
use super::believed::Believed;
use super::conversation::{Conversation, End};
use super::socket::{Refusal, Socket};
use super::status::{LinkState, Loop};
use super::worker::Order;
use super::{Shared, reconfigured};
use crate::clock;
use crate::config::Config;
use crate::control_plane::way::Way;
use crate::control_plane::{ControlPlane, ControlPlaneError};
use crate::exit::Exit;
use crate::metrics;

/// How often the loop shows that it turns while it waits.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// The link to the control plane.
pub(super) struct Link {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    reports: mpsc::Receiver<AgentMessage>,
    stop: CancellationToken,
    /// Tries that failed in a row.
    failures: u32,
    believed: Believed,
}

/// Why there is no link.
enum Lost {
    /// It is tried again, at the earliest after this time where one was said.
    ForNow(String, Option<Duration>),
    /// It stays so until somebody does something about it.
    ForGood(String),
    /// The daemon ends.
    Stopped,
    /// There is a new configuration.
    Reconfigured,
}

impl Link {
    pub(super) fn new(
        shared: Arc<Shared>,
        orders: mpsc::Sender<Order>,
        reports: mpsc::Receiver<AgentMessage>,
        stop: CancellationToken,
    ) -> Self {
        Self { shared, orders, reports, stop, failures: 0, believed: Believed::default() }
    }

    /// Keeps the link up; says how the program ends.
    pub(super) async fn keep(mut self) -> Exit {
        loop {
            self.shared.status.change(|standing| standing.link = LinkState::Connecting);
            let mut changes = self.shared.config.subscribe();
            let config = Arc::clone(&changes.borrow_and_update());
            let lost = self.once(changes, &config).await;
            if self.stop.is_cancelled() {
                return Exit::Done;
            }
            // Whoever follows changes is decided anew when the link stands again.
            if self.orders.send(Order::LinkLost).await.is_err() {
                tracing::error!("the daemon's worker has ended before its link");
                return Exit::ControlPlane;
            }
            let (why, asked) = match lost {
                Lost::ForNow(why, asked) => (why, asked),
                Lost::Reconfigured => {
                    self.shared.forget_directory();
                    continue;
                }
                Lost::Stopped => return Exit::Done,
                Lost::ForGood(why) => {
                    if let Some(believed) = self.believed.instead_of(&config) {
                        self.shared.go_back(&config, believed, clause(&why));
                        continue;
                    }
                    tracing::error!("{why}");
                    self.shared.status.change(|standing| {
                        standing.link = LinkState::Waiting;
                        standing.trouble = Some(clause(&why).to_owned());
                        standing.ends_because.clone_from(&standing.trouble);
                    });
                    return Exit::ControlPlane;
                }
            };
            self.failures += 1;
            metrics::link_failed();
            let pause = backoff::pause(self.failures, asked, clock::jitter());
            self.tell(&why, pause);
            if !self.wait(pause).await {
                return Exit::Done;
            }
        }
    }

    /// Connects and converses once.
    async fn once(&mut self, mut changes: watch::Receiver<Arc<Config>>, config: &Arc<Config>) -> Lost {
        // It may have been refused before; the hello says so.
        self.shared.account_news(config);
        let stop = self.stop.clone();
        let connected = tokio::select! {
            connected = connect(config) => connected,
            () = stop.cancelled() => return Lost::Stopped,
            () = reconfigured(&mut changes) => return Lost::Reconfigured,
            () = self.beat() => return Lost::Stopped,
        };
        let socket = match connected {
            Ok(socket) => socket,
            Err(lost) => return lost,
        };
        let conversation = Conversation {
            shared: &self.shared,
            orders: &self.orders,
            reports: &mut self.reports,
            stop,
            changes,
            config: Arc::clone(config),
        };
        let (end, welcomed) = conversation.hold(socket).await;
        if welcomed {
            self.failures = 0;
            self.believed.welcomed(config);
        }
        match end {
            End::Stopped => Lost::Stopped,
            End::Reconfigured => Lost::Reconfigured,
            End::Refused(why) => Lost::ForGood(why),
            End::Broken(why) | End::NotNow(why) => Lost::ForNow(why, None),
            End::Drained(pause) => Lost::ForNow("the control plane goes down".to_owned(), Some(pause)),
            End::Closed(Some(CloseCode::Refused)) => Lost::ForGood(
                "the control plane does not serve this agent, and says no more; look at its log".to_owned(),
            ),
            End::Closed(Some(CloseCode::Replaced)) => {
                self.shared.take_another_instance();
                Lost::ForNow(
                    "another agent goes by the same name as this one; it takes a new one".to_owned(),
                    None,
                )
            }
            End::Closed(code) => {
                let why = code.map_or_else(String::new, |code| format!(" ({code:?})"));
                Lost::ForNow(format!("the control plane closed the link{why}"), None)
            }
        }
    }

    /// Says that the link is not there: loudly once, quietly while it stays so.
    fn tell(&self, why: &str, pause: Duration) {
        let (why, seconds) = (clause(why), pause.as_secs_f64());
        if self.failures == 1 {
            tracing::warn!("no link to the control plane: {why}; trying again until it is there");
        } else {
            tracing::debug!("no link to the control plane: {why}; trying again in {seconds:.1} s");
        }
        self.shared.status.change(|standing| {
            standing.link = LinkState::Waiting;
            standing.trouble = Some(why.to_owned());
        });
    }

    /// Waits; `false` where the daemon is to end. A new configuration is tried at once.
    async fn wait(&mut self, pause: Duration) -> bool {
        let mut changes = self.shared.config.subscribe();
        // What is told while nobody listens is old when somebody does: where runs stand is said in the hello.
        let unheard = async { while self.reports.recv().await.is_some() {} };
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            () = sleep(pause) => true,
            () = self.stop.cancelled() => false,
            () = reconfigured(&mut changes) => true,
            () = unheard => true,
            () = beat(&shared) => true,
        }
    }

    async fn beat(&self) {
        beat(&self.shared).await;
    }
}

/// What the control plane said, without the stop of a sentence: words of ours come after it.
fn clause(said: &str) -> &str {
    said.trim_end_matches('.')
}

/// Shows that the loop turns, for ever.
async fn beat(shared: &Shared) {
    loop {
        shared.status.beat(Loop::Link);
        sleep(BEAT).await;
    }
}

async fn connect(config: &Config) -> Result<Socket, Lost> {
    let way = Way::new(&config.server).map_err(|error| Lost::ForNow(error.to_string(), None))?;
    match Socket::connect(&config.server, &way).await {
        Ok(socket) => Ok(socket),
        Err(Refusal::NotNow(why, asked)) => Err(Lost::ForNow(why, asked)),
        Err(Refusal::Never(why)) => Err(Lost::ForGood(why)),
        Err(Refusal::Credentials) => Err(credentials_refused(config).await),
    }
}

/// Asks again over HTTP, where the answer comes whole: only the control plane's own word ends the daemon, not a proxy's.
async fn credentials_refused(config: &Config) -> Lost {
    let asked = match ControlPlane::new(&config.server) {
        Ok(control_plane) => control_plane.probe().await,
        Err(error) => Err(error),
    };
    match asked {
        Err(error @ ControlPlaneError::CredentialsRefused { .. }) => Lost::ForGood(error.to_string()),
        Err(error) => Lost::ForNow(error.to_string(), None),
        Ok(()) => Lost::ForNow(
            "the credentials were refused for the link, and are believed by now".to_owned(),
            None,
        ),
    }
}
