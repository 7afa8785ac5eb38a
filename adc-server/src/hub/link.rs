//! One agent's websocket: the hello, then frames both ways until it ends.

use super::{Hub, Presence, choose::Candidate};
use crate::{
    api::problem::ApiResult,
    clock::{Clock, Millis},
    runs::AgentIdentity,
};
use adc_core::protocol::link::{
    AgentMessage, CloseCode, DEADLINE_SECONDS, DirectoryInfo, Hello, NotUnderstood, Outcome, PING_SECONDS,
    Refused, Reply, RequestError, RunProgress, ServerMessage, bounded, different_configuration, understand,
};
use adc_core::settings::Settings;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// Whoever takes no frame for so long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Whoever was not heard of for so long has missed a ping: half as long again as they are apart.
const STALE_AFTER: Duration = Duration::from_millis(1_500 * PING_SECONDS);
/// Messages that wait for an agent to take them; one that lets so many wait is sent away.
pub(super) const OUTBOX: usize = 64;
/// Runs that are remembered of an agent; it is told one after the other.
const RUNS: usize = 8;
/// How long an agent may take to begin a run: it reaches its directory within that time, or says that it does not.
pub(super) const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// For how long an agent whose directory was out of reach comes last, unless it says earlier that it reaches it again.
const CUT_OFF_FOR: Duration = Duration::from_mins(5);

/// What an agent's question was answered with.
type Answer = Result<Reply, RequestError>;

/// A link that stands.
pub struct Link {
    pub(super) synchronization: AgentIdentity,
    instance: Box<str>,
    host: Box<str>,
    pub(super) version: Box<str>,
    /// As JSON: there are many links, and hardly any is compared.
    configuration: Box<str>,
    pub(super) settings: Settings,
    connected_at: Millis,
    outbox: mpsc::Sender<Box<Outgoing>>,
    /// Cancelled when the outbox was full: what it does not know it learns when it comes back.
    overwhelmed: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_seen: Millis,
    /// When it was heard last, by [`Clock::steady`].
    heard: Duration,
    directory: Option<DirectoryInfo>,
    /// What passwords are sealed to; it changes while the link stands.
    public_key: Option<Box<str>>,
    /// The runs that it was told to do, or said that it does; hardly ever more than one.
    runs: Vec<Assigned>,
    progress: Option<Box<RunProgress>>,
    /// The last run that it did not take, or could not begin.
    refused: Option<String>,
    follows: bool,
    /// When its directory was found out of reach, by [`Clock::steady`].
    cut_off: Option<Duration>,
    questions: BTreeMap<u64, oneshot::Sender<Answer>>,
    next_request: u64,
}

/// A run of an agent's.
struct Assigned {
    run_id: String,
    /// Since when, by [`Clock::steady`].
    since: Duration,
}

/// What the link's task sends.
pub(super) enum Outgoing {
    Message(ServerMessage),
    Close(CloseCode, Option<Refused>),
    Drain(Duration),
}

/// How a link ends.
enum End {
    /// The agent closed it, or the connection broke.
    Gone(&'static str),
    /// We close it.
    Closed(CloseCode),
}

impl Hub {
    /// Serves a websocket until it ends. `admit` holds the agent's credentials against those that are good by then.
    pub async fn serve<A: Future<Output = ApiResult<AgentIdentity>> + Send>(
        self,
        synchronization: AgentIdentity,
        mut socket: WebSocket,
        admit: impl Fn() -> A + Send + Sync,
    ) {
        let open = self.0.open.token();
        let Some((link, outgoing)) = self.greet(synchronization, &mut socket, &admit).await else { return };
        tracing::info!(
            synchronization.id = %link.synchronization.synchronization_id, agent.host = %link.host, agent.version = %link.version,
            "agent connected"
        );
        let end = self.converse(&link, &mut socket, outgoing).await;
        self.leave(&link);
        let why = match end {
            End::Gone(why) => why.to_owned(),
            End::Closed(code) => {
                close(&mut socket, code).await;
                format!("{code:?}")
            }
        };
        tracing::info!(
            synchronization.id = %link.synchronization.synchronization_id, agent.host = %link.host, why,
            "agent disconnected"
        );
        drop(open);
    }

    async fn converse(
        &self,
        link: &Arc<Link>,
        socket: &mut WebSocket,
        mut outgoing: mpsc::Receiver<Box<Outgoing>>,
    ) -> End {
        let mut ticks = interval(Duration::from_secs(PING_SECONDS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut heard = Instant::now();
        loop {
            let answer = tokio::select! {
                frame = socket.recv() => {
                    heard = Instant::now();
                    match frame {
                        None | Some(Ok(Message::Close(_))) => return End::Gone("it closed the link"),
                        // Also a message that is too long, or no websocket's frame.
                        Some(Err(error)) => {
                            tracing::debug!(agent.host = %link.host, "the link broke: {error}");
                            return End::Gone("the link broke");
                        }
                        Some(Ok(Message::Text(text))) => self.hear(link, &text),
                        Some(Ok(Message::Binary(_))) => Some(ServerMessage::NotUnderstood(NotUnderstood::not_text())),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                    }
                }
                next = outgoing.recv() => match next.map(|next| *next) {
                    Some(Outgoing::Message(message)) => Some(message),
                    Some(Outgoing::Close(code, refused)) => {
                        if let Some(refused) = refused {
                            send(socket, &ServerMessage::Refused(refused)).await;
                        }
                        return End::Closed(code);
                    }
                    Some(Outgoing::Drain(pause)) => {
                        let return_after_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                        send(socket, &ServerMessage::Drain { return_after_ms }).await;
                        return End::Closed(CloseCode::Draining);
                    }
                    None => return End::Closed(CloseCode::TooSlow),
                },
                () = link.overwhelmed.cancelled() => {
                    tracing::warn!(agent.host = %link.host, "an agent does not take {OUTBOX} messages, and is sent away");
                    return End::Closed(CloseCode::TooSlow);
                }
                _ = ticks.tick() => {
                    if heard.elapsed() >= Duration::from_secs(DEADLINE_SECONDS) {
                        return End::Closed(CloseCode::Silent);
                    }
                    Some(ServerMessage::Ping)
                }
            };
            if let Some(answer) = answer
                && !send(socket, &answer).await
            {
                return End::Gone("it takes nothing any more");
            }
        }
    }

    /// Takes a message up; returns what is answered at once.
    fn hear(&self, link: &Arc<Link>, text: &str) -> Option<ServerMessage> {
        link.hears(&self.0.clock);
        match understand(text).and_then(bounded) {
            Err(error) => return Some(ServerMessage::NotUnderstood(error)),
            Ok(AgentMessage::Pong) => {}
            Ok(AgentMessage::Hello(_)) => link.close(CloseCode::BadHello, None),
            Ok(AgentMessage::Directory(info)) => {
                if info.trouble.is_some() {
                    link.is_cut_off(self.0.clock.steady());
                } else {
                    link.reaches_directory();
                }
                link.lock().directory = Some(info);
                self.wake(&link.synchronization);
            }
            Ok(AgentMessage::PublicKey { public_key }) => link.lock().public_key = Some(public_key.into()),
            Ok(AgentMessage::Reply { id, outcome }) => link.answered(
                id,
                match outcome {
                    Outcome::Ok(reply) => Ok(*reply),
                    Outcome::Error(error) => Err(error),
                },
            ),
            Ok(AgentMessage::Progress(progress)) => {
                let mut state = link.lock();
                let now = state.heard;
                state.add_run(&progress.run_id, now);
                state.progress = Some(Box::new(progress));
            }
            Ok(AgentMessage::RunEnded(ended)) => self.run_ended(link, ended),
            Ok(AgentMessage::NotUnderstood(error)) => {
                tracing::warn!(agent.host = %link.host, "the agent did not understand a message: {error}");
                if let Some(id) = error.id {
                    link.answered(id, Err(RequestError { code: error.code, message: error.detail }));
                }
            }
        }
        None
    }
}

impl Link {
    pub(super) fn new(
        synchronization: AgentIdentity,
        hello: Hello,
        outbox: mpsc::Sender<Box<Outgoing>>,
        clock: &Clock,
    ) -> Self {
        let (now, heard) = (clock.now(), clock.steady());
        let configuration = serde_json::to_string(&hello.configuration).expect("texts are plain data");
        let public_key = hello.public_key.map(Into::into);
        let mut state =
            State { last_seen: now, heard, directory: hello.directory, public_key, ..State::default() };
        let trouble = state.directory.as_ref().is_some_and(|directory| directory.trouble.is_some());
        state.cut_off = trouble.then_some(heard);
        hello.runs.iter().for_each(|run| state.add_run(run, heard));
        Self {
            synchronization,
            instance: hello.instance.into(),
            host: hello.host.into(),
            version: hello.version.into(),
            configuration: configuration.into(),
            settings: hello.settings,
            connected_at: now,
            outbox,
            overwhelmed: CancellationToken::new(),
            state: Mutex::new(state),
        }
    }

    fn hears(&self, clock: &Clock) {
        let mut state = self.lock();
        (state.last_seen, state.heard) = (clock.now(), clock.steady());
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether it has missed a ping. It may be gone without a word, and is no reason to refuse another: an agent that lost its power
    /// may come back configured otherwise.
    pub(super) fn is_stale(&self, now: Duration) -> bool {
        self.lock().is_stale(now)
    }

    /// Says what differs between this agent's configuration and another's.
    pub(super) fn differs_from(&self, other: &Self) -> Option<String> {
        let read = |link: &Self| -> BTreeMap<String, String> {
            serde_json::from_str(&link.configuration).expect("it was written here")
        };
        let same = self.configuration == other.configuration;
        (!same).then(|| different_configuration(&read(self), &read(other), &other.host)).flatten()
    }

    /// As the choice sees it.
    pub(super) fn candidate(&self, now: Duration) -> Candidate {
        let state = self.lock();
        Candidate {
            unfit: false,
            silent: state.is_stale(now),
            cut_off: state.cut_off.is_some_and(|since| now.saturating_sub(since) < CUT_OFF_FOR),
            busy: !state.runs.is_empty(),
            follows: state.follows,
            has_no_feed: state.directory.as_ref().is_none_or(|directory| directory.feed.is_none()),
        }
    }

    pub(super) fn presence(&self) -> Presence {
        let state = self.lock();
        Presence {
            instance: self.instance.to_string(),
            host: self.host.to_string(),
            version: self.version.to_string(),
            directory: state.directory.clone(),
            public_key: state.public_key.as_deref().map(str::to_owned),
            run: state.runs.first().map(|run| run.run_id.clone()),
            progress: state.progress.as_deref().cloned(),
            follows_changes: state.follows,
            connected_at: self.connected_at,
            last_seen: state.last_seen,
        }
    }

    /// Sends a message as soon as the agent takes it; one that lets too many wait is sent away.
    pub(super) fn tell(&self, message: ServerMessage) {
        self.put(Outgoing::Message(message));
    }

    pub(super) fn close(&self, code: CloseCode, refused: Option<Refused>) {
        self.put(Outgoing::Close(code, refused));
    }

    pub(super) fn drain(&self, return_after: Duration) {
        self.put(Outgoing::Drain(return_after));
    }

    fn put(&self, outgoing: Outgoing) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.outbox.try_send(Box::new(outgoing)) {
            self.overwhelmed.cancel();
        }
    }

    /// As the choice sees it for a run that takes over from the process `vanished`.
    pub(super) fn candidate_for(&self, run_id: &str, vanished: Option<&str>, now: Duration) -> Candidate {
        let unfit = self.has_refused(run_id) || vanished == Some(self.instance());
        Candidate { unfit, ..self.candidate(now) }
    }

    /// Whether the agent did not take a run, or could not begin it.
    pub(super) fn has_refused(&self, run_id: &str) -> bool {
        self.lock().refused.as_deref() == Some(run_id)
    }

    /// The agent could not work with its directory.
    pub(super) fn is_cut_off(&self, now: Duration) {
        self.lock().cut_off = Some(now);
    }

    /// The agent has worked with its directory.
    pub(super) fn reaches_directory(&self) {
        self.lock().cut_off = None;
    }

    /// Notes that the agent did not take a run, or could not begin it.
    pub(super) fn note_refusal(&self, run_id: &str) {
        self.lock().refused = Some(run_id.to_owned());
    }

    /// Notes that the agent was told to do a run.
    pub(super) fn assign(&self, run_id: &str, now: Duration) {
        self.lock().add_run(run_id, now);
    }

    /// Whether the agent was told to do this run so long ago that it would have begun it.
    pub(super) fn sits_on(&self, run_id: &str, now: Duration) -> bool {
        let state = self.lock();
        state.runs.iter().any(|run| run.run_id == run_id && now.saturating_sub(run.since) >= BEGIN_WITHIN)
    }

    pub(super) fn has_run(&self, run_id: &str) -> bool {
        self.lock().runs.iter().any(|run| run.run_id == run_id)
    }

    /// The run is not the agent's any more; `false` when it was not.
    pub(super) fn clear_run(&self, run_id: &str) -> bool {
        let mut state = self.lock();
        let before = state.runs.len();
        state.runs.retain(|run| run.run_id != run_id);
        if state.progress.as_ref().is_some_and(|progress| progress.run_id == run_id) {
            state.progress = None;
        }
        state.runs.len() < before
    }

    /// Notes whether the agent follows changes, and tells it if that is news.
    pub(super) fn follow(&self, changes: bool) {
        let before = std::mem::replace(&mut self.lock().follows, changes);
        if before != changes {
            self.tell(ServerMessage::Follow { changes });
        }
    }

    pub(super) fn next_request(&self) -> u64 {
        let mut state = self.lock();
        state.next_request += 1;
        state.next_request
    }

    pub(super) fn expect_answer(&self, asked: oneshot::Sender<Answer>) -> u64 {
        let id = self.next_request();
        self.lock().questions.insert(id, asked);
        id
    }

    pub(super) fn forget_question(&self, id: u64) {
        self.lock().questions.remove(&id);
    }

    pub(super) fn forget_all_questions(&self) {
        self.lock().questions.clear();
    }

    fn answered(&self, id: u64, answer: Answer) {
        let asked = self.lock().questions.remove(&id);
        if let Some(asked) = asked {
            // Whoever asked may have lost patience in this moment.
            let _nobody_waits = asked.send(answer);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds a link's state")
    }
}

impl State {
    fn is_stale(&self, now: Duration) -> bool {
        now.saturating_sub(self.heard) > STALE_AFTER
    }

    fn add_run(&mut self, run_id: &str, since: Duration) {
        if self.runs.iter().any(|run| run.run_id == run_id) {
            return;
        }
        if self.runs.len() == RUNS {
            self.runs.remove(0);
        }
        self.runs.push(Assigned { run_id: run_id.to_owned(), since });
    }
}

/// Sends a message; `false` when the agent does not take it.
pub(super) async fn send(socket: &mut WebSocket, message: &ServerMessage) -> bool {
    let text = serde_json::to_string(message).expect("the protocol's messages are plain data");
    matches!(timeout(SEND_WITHIN, socket.send(Message::Text(text.into()))).await, Ok(Ok(())))
}

pub(super) async fn close(socket: &mut WebSocket, code: CloseCode) {
    let frame = CloseFrame { code: code.number(), reason: "".into() };
    // Whoever does not take it is gone anyway.
    let _gone = timeout(SEND_WITHIN, socket.send(Message::Close(Some(frame)))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_did_not_take_was_dropped_and_it_stayed() {
        let hello = r#"{"instance":"a","host":"a","version":"0.1.0","configuration":{}}"#;
        let hello = serde_json::from_str(hello).expect("a hello");
        let of = AgentIdentity { account_id: "acc_1".to_owned(), synchronization_id: "syn_1".to_owned() };
        let (outbox, _outgoing) = mpsc::channel(1);
        let link = Link::new(of, hello, outbox, &Clock::from_fn(|| 0));
        link.tell(ServerMessage::Ping);
        assert!(!link.overwhelmed.is_cancelled());
        link.tell(ServerMessage::ReloadPolicy);
        assert!(link.overwhelmed.is_cancelled());
    }
}
