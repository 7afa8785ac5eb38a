//! The hub: who is connected, and what connected agents are told and asked.
//!
//! Who is connected lives in memory: after a restart agents come back by themselves. Which run waits, and for whom, is a row.
//! [`bus`] says that something happened to a synchronization, `dispatch` then looks how it stands and tells its agents;
//! telling them twice changes nothing. [`link`] is one agent, and `conversation` its websocket.

mod awake;
pub mod bus;
mod choose;
mod conversation;
mod dispatch;
mod drain;
mod fail_over;
mod greet;
pub mod link;
mod presence;
mod unopened;

pub use bus::Bus;
pub use presence::Presence;

use crate::{
    clock::Clock,
    runs::{AgentIdentity, Engine},
    store::Store,
};
use adc_core::protocol::link::{
    CloseCode, Refusal, Refused, Reply, Request, RequestError, RunProgress, ServerMessage,
};
use choose::{Candidate, choose};
use link::Link;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The most links of one synchronization: a few agents take turns, and none of their secrets can fill the memory of all.
const MOST_LINKS: usize = 64;

/// The most questions that wait for one agent's answer: it answers sixteen at a time, and more would only fill its outbox until it is
/// sent away.
const MOST_QUESTIONS: usize = 32;

/// Beside them there is always room for what is no question: a run, and its cancellation.
const MOST_REQUESTS: usize = MOST_QUESTIONS + 8;

/// The code of an agent that has too much to do.
const BUSY: &str = "busy";

/// Who is connected. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    engine: Engine,
    store: Store,
    clock: Clock,
    links: Mutex<BTreeMap<AgentIdentity, Vec<Arc<Link>>>>,
    /// How often somebody was sent away for good: a link that is just let in asks whether it was meant.
    revocations: AtomicU64,
    /// Cancelled when the server goes down: no agent is let in any more.
    draining: CancellationToken,
    /// The links' own tasks.
    open: TaskTracker,
}

/// Why an agent gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody was asked.
    #[error("No agent of this synchronization is connected; start one with adc run.")]
    NoAgent,
    /// It may do as asked all the same.
    #[error("The agent on {host} did not answer within {} seconds.", after.as_secs())]
    Timeout {
        /// The machine it runs on.
        host: String,
        /// How long it had.
        after: Duration,
    },
    /// The agent is gone; it may have begun.
    #[error("The agent on {host} was disconnected before it answered.")]
    Gone {
        /// The machine it ran on.
        host: String,
    },
    /// The agent says no, and why.
    #[error("{}", .0.message)]
    Refused(RequestError),
}

impl AskError {
    /// Whether the agent does too much already to begin with this.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code == BUSY)
    }

    fn is_silence(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Gone { .. })
    }
}

impl Hub {
    /// A hub with nobody connected.
    pub fn new(engine: Engine, store: Store, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            engine,
            store,
            clock,
            links: Mutex::default(),
            revocations: AtomicU64::new(0),
            draining: CancellationToken::new(),
            open: TaskTracker::new(),
        }))
    }

    /// Asks a connected agent, an idle one if there is one, and waits for its answer. Another is asked when the first has not begun, or
    /// does not answer what may be asked twice; all of them together have `patience`.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(
        &self,
        synchronization: &AgentIdentity,
        request: Request,
        patience: Duration,
    ) -> Result<Reply, AskError> {
        let mut links = self.links_of(synchronization);
        let mut left = patience;
        loop {
            let now = self.0.clock.steady();
            let candidates: Vec<Candidate> = links.iter().map(|link| link.candidate(now)).collect();
            let link = links.remove(choose(&candidates).ok_or(AskError::NoAgent)?);
            let asks_another = !links.is_empty();
            let patience = if asks_another && is_repeatable(&request) { left / 2 } else { left };
            left -= patience;
            match self.ask_link(&link, request.clone(), patience).await {
                Err(error)
                    if asks_another && (error.is_busy() || error.is_silence() && is_repeatable(&request)) =>
                {
                    tracing::warn!(agent.host = link.host(), "another agent is asked: {error}");
                }
                answered => return answered,
            }
        }
    }

    /// Asks the agent of this process, and waits for its answer.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask_agent(
        &self,
        synchronization: &AgentIdentity,
        instance: &str,
        request: Request,
        patience: Duration,
    ) -> Result<Reply, AskError> {
        let links = self.links_of(synchronization);
        let link = links.iter().find(|link| link.instance() == instance).ok_or(AskError::NoAgent)?;
        self.ask_link(link, request, patience).await
    }

    /// The agents that are connected, those that came first first.
    pub fn connected(&self, synchronization: &AgentIdentity) -> Vec<Presence> {
        self.links_of(synchronization).iter().map(|link| link.presence()).collect()
    }

    /// Where a run stands, as the agent that does it has said last.
    pub fn progress(&self, synchronization: &AgentIdentity, run_id: &str) -> Option<RunProgress> {
        let mut told = self.links_of(synchronization).into_iter().filter_map(|link| link.presence().progress);
        told.find(|progress| progress.run_id == run_id)
    }

    /// How many agents are connected, of all synchronizations.
    pub fn count(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    /// How many agents are connected, by the synchronization's id; none of those without any.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let counted =
            |(identity, links): (&AgentIdentity, &Vec<_>)| (identity.synchronization_id.clone(), links.len());
        self.lock().iter().map(counted).collect()
    }

    /// How many agents say that they cannot work with their directory, by the synchronization's id and the code of what is in the way.
    pub fn troubles(&self) -> BTreeMap<(String, String), usize> {
        let mut troubles = BTreeMap::new();
        for link in self.lock().values().flatten() {
            if let Some(code) = link.trouble() {
                *troubles.entry((link.synchronization.synchronization_id.clone(), code)).or_default() += 1;
            }
        }
        troubles
    }

    /// Whether the server goes down, and lets no agent in any more.
    pub fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    /// Settings or policy were changed: whoever follows changes shall run with the new ones.
    pub fn reload(&self, synchronization: &AgentIdentity) {
        for link in self.links_of(synchronization) {
            link.may_follow_again();
            link.tell(ServerMessage::ReloadPolicy);
        }
        self.wake(synchronization);
    }

    /// The run was cancelled: whoever does it shall give it up now, not at its next request.
    pub fn cancel(&self, synchronization: &AgentIdentity, run_id: &str) {
        for link in self.links_of(synchronization) {
            let request = Request::Cancel { run_id: run_id.to_owned() };
            // Nobody waits for the answer: the run is over either way.
            link.tell(ServerMessage::Request { id: link.next_request(), request });
        }
    }

    /// Sends the agents of a synchronization away for good: their secret was replaced, or the synchronization is gone.
    pub fn revoke(&self, synchronization: &AgentIdentity, detail: &str) {
        let refused = Refused { reason: Refusal::Revoked, detail: detail.to_owned() };
        self.0.revocations.fetch_add(1, Ordering::SeqCst);
        for link in self.links_of(synchronization) {
            link.close(CloseCode::Refused, Some(refused.clone()));
        }
    }

    async fn ask_link(
        &self,
        link: &Arc<Link>,
        request: Request,
        patience: Duration,
    ) -> Result<Reply, AskError> {
        let host = link.presence().host;
        let (asked, answer) = oneshot::channel();
        let most = if matches!(request, Request::Run(_)) { MOST_REQUESTS } else { MOST_QUESTIONS };
        let Some(id) = link.expect_answer(asked, most) else {
            let message =
                format!("The agent on {host} has {most} questions to answer; ask again in a moment.");
            return Err(AskError::Refused(RequestError { code: BUSY.to_owned(), message }));
        };
        link.tell(ServerMessage::Request { id, request });
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(outcome)) => outcome.map_err(AskError::Refused),
            Ok(Err(_)) => Err(AskError::Gone { host }),
            Err(_) => {
                link.forget_question(id);
                Err(AskError::Timeout { host, after: patience })
            }
        }
    }

    fn revocations(&self) -> u64 {
        self.0.revocations.load(Ordering::SeqCst)
    }

    fn wake(&self, synchronization: &AgentIdentity) {
        self.0.engine.bus().wake(synchronization.clone());
    }

    fn links_of(&self, synchronization: &AgentIdentity) -> Vec<Arc<Link>> {
        self.lock().get(synchronization).cloned().unwrap_or_default()
    }

    /// Lets a link in, and replaces what the same process had before.
    ///
    /// # Errors
    /// It is configured otherwise than the agents that are connected, or they are too many.
    fn enter(&self, link: &Arc<Link>) -> Result<(), Refused> {
        let mut links = self.lock();
        let of_synchronization = links.entry(link.synchronization.clone()).or_default();
        for before in of_synchronization.extract_if(.., |before| before.instance() == link.instance()) {
            before.close(CloseCode::Replaced, None);
        }
        if of_synchronization.len() >= MOST_LINKS {
            let detail = format!(
                "{MOST_LINKS} agents of this synchronization are connected already, which is the most that are served; stop some."
            );
            return Err(Refused { reason: Refusal::TooManyLinks, detail });
        }
        let now = self.0.clock.steady();
        let mut others = of_synchronization.iter().filter(|other| !other.is_stale(now));
        if let Some(detail) = others.next().and_then(|other| link.differs_from(other)) {
            return Err(Refused { reason: Refusal::DifferentConfiguration, detail });
        }
        of_synchronization.push(Arc::clone(link));
        drop(links);
        self.wake(&link.synchronization);
        Ok(())
    }

    fn leave(&self, link: &Arc<Link>) {
        let mut links = self.lock();
        if let Some(of_synchronization) = links.get_mut(&link.synchronization) {
            of_synchronization.retain(|other| !Arc::ptr_eq(other, link));
            if of_synchronization.is_empty() {
                links.remove(&link.synchronization);
            }
        }
        drop(links);
        link.forget_all_questions();
        self.wake(&link.synchronization);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<AgentIdentity, Vec<Arc<Link>>>> {
        self.0.links.lock().expect("nothing panics while it holds the list of links")
    }
}

/// Whether it does no harm to have two agents do it: what only looks. A password may count as a failure, and a run is one.
fn is_repeatable(request: &Request) -> bool {
    matches!(request, Request::TestConnection | Request::Browse(_) | Request::Sample(_))
}
