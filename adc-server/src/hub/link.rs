//! One agent that is connected: what is known of it, and what it is told.

use super::{Presence, choose::Candidate};
use crate::{
    clock::{Clock, Millis},
    runs::AgentIdentity,
};
use adc_core::protocol::link::{
    CloseCode, DirectoryInfo, Hello, NotFollowing, PING_SECONDS, PROGRESS_SECONDS, Refused, Reply,
    RequestError, RunProgress, ServerMessage, different_configuration,
};
use adc_core::{mapping::Flavor, settings::Settings};
use std::{collections::BTreeMap, sync::Mutex, time::Duration};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Whoever was not heard of for so long has missed a ping: half as long again as they are apart.
const STALE_AFTER: Duration = Duration::from_millis(1_500 * PING_SECONDS);
/// Messages that wait for an agent to take them; one that lets so many wait is sent away.
pub(super) const OUTBOX: usize = 64;
/// Runs that are remembered of an agent; it is told one after the other.
const RUNS: usize = 8;
/// For how long an agent may say nothing of a run before it has begun it: while it tries to reach its directory it says so.
pub(super) const BEGIN_WITHIN: Duration = Duration::from_secs(3 * PROGRESS_SECONDS);
/// For how long an agent that could not do a run for its directory's sake comes last, where it does not say itself how its directory is.
const CUT_OFF_FOR: Duration = Duration::from_mins(5);

/// What an agent's question was answered with.
pub(super) type Answer = Result<Reply, RequestError>;

/// A link that stands.
pub struct Link {
    pub(super) synchronization: AgentIdentity,
    instance: Box<str>,
    host: Box<str>,
    pub(super) version: Box<str>,
    /// As JSON: there are many links, and hardly any is compared.
    configuration: Box<str>,
    pub(super) settings: Settings,
    password_timeout: Option<Duration>,
    connected_at: Millis,
    outbox: mpsc::Sender<Box<Outgoing>>,
    /// Cancelled when the outbox was full: what it does not know it learns when it comes back.
    pub(super) overwhelmed: CancellationToken,
    /// Whenever the agent says something.
    pub(super) spoke: Notify,
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
    /// Why it does not, once that was decided.
    not_following: Option<NotFollowing>,
    ever_followed: bool,
    /// It was told to follow changes, and cannot.
    follows_in_vain: bool,
    /// When its directory was found out of reach, by [`Clock::steady`].
    cut_off: Option<Duration>,
    questions: BTreeMap<u64, oneshot::Sender<Answer>>,
    next_request: u64,
}

/// A run of an agent's.
struct Assigned {
    run_id: String,
    /// When it was told to, or said last that it is at work, by [`Clock::steady`].
    since: Duration,
}

/// What the link's task sends.
pub(super) enum Outgoing {
    Message(ServerMessage),
    Close(CloseCode, Option<Refused>),
    Drain(Duration),
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
        hello.runs.iter().for_each(|run| state.add_run(run, heard));
        Self {
            synchronization,
            instance: hello.instance.into(),
            host: hello.host.into(),
            version: hello.version.into(),
            configuration: configuration.into(),
            settings: hello.settings,
            password_timeout: hello.password_timeout_ms.map(Duration::from_millis),
            connected_at: now,
            outbox,
            overwhelmed: CancellationToken::new(),
            spoke: Notify::new(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn hears(&self, clock: &Clock) {
        let mut state = self.lock();
        (state.last_seen, state.heard) = (clock.now(), clock.steady());
        drop(state);
        self.spoke.notify_waiters();
    }

    /// For how long it has said nothing.
    pub(super) fn was_silent_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.lock().heard)
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
        if self.configuration == other.configuration {
            return None;
        }
        let read = |link: &Self| -> BTreeMap<String, String> {
            serde_json::from_str(&link.configuration).expect("it was written here")
        };
        let kind = self.directory_kind().or_else(|| other.directory_kind());
        different_configuration(&read(self), &read(other), kind, &other.host)
    }

    /// What kind of directory it reads, once it was reached.
    fn directory_kind(&self) -> Option<Flavor> {
        self.lock().directory.as_ref()?.flavor()
    }

    /// As the choice sees it.
    pub(super) fn candidate(&self, now: Duration) -> Candidate {
        let state = self.lock();
        Candidate {
            unfit: false,
            silent: state.is_stale(now),
            cut_off: state.is_cut_off(now),
            busy: !state.runs.is_empty(),
            follows: state.follows,
            has_no_feed: state.directory.as_ref().is_none_or(|directory| directory.feed.is_none()),
        }
    }

    /// The code of what is in the way to its directory, if anything is.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.lock();
        state.directory.as_ref()?.trouble.as_ref().map(|trouble| trouble.code.clone())
    }

    pub(super) fn presence(&self) -> Presence {
        let state = self.lock();
        Presence {
            instance: self.instance.to_string(),
            host: self.host.to_string(),
            version: self.version.to_string(),
            directory: state.directory.clone(),
            public_key: state.public_key.as_deref().map(str::to_owned),
            password_timeout: self.password_timeout,
            run: state.runs.first().map(|run| run.run_id.clone()),
            progress: state.progress.as_deref().cloned(),
            follows_changes: state.follows && !state.follows_in_vain && !state.has_trouble(),
            not_following_because: state.not_following_because(),
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

    /// The agent says what its directory is, and whether it can be worked with.
    pub(super) fn describes_directory(&self, info: DirectoryInfo) {
        let mut state = self.lock();
        if info.trouble.is_none() {
            state.cut_off = None;
        }
        state.directory = Some(info);
    }

    /// Passwords are sealed to another key from now on.
    pub(super) fn takes_key(&self, public_key: String) {
        self.lock().public_key = Some(public_key.into());
    }

    /// The agent says where a run stands. What it was told to do beside that is not forgotten, and follows.
    pub(super) fn goes_on(&self, progress: RunProgress) {
        let mut state = self.lock();
        let now = state.heard;
        state.add_run(&progress.run_id, now);
        state.runs.iter_mut().for_each(|run| run.since = now);
        state.progress = Some(Box::new(progress));
    }

    /// The agent was told to follow changes, and cannot.
    pub(super) fn stops_following(&self) {
        self.lock().follows_in_vain = true;
    }

    /// What is read may be another thing by now: whoever could not follow changes is told to once more.
    pub(super) fn may_follow_again(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.follows_in_vain) {
            state.follows = false;
        }
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

    /// Whether the agent was told to do this run so long ago, and has said nothing since, that it would have begun it.
    pub(super) fn sits_on(&self, run_id: &str, now: Duration) -> bool {
        let state = self.lock();
        state.runs.iter().any(|run| run.run_id == run_id && now.saturating_sub(run.since) >= BEGIN_WITHIN)
    }

    /// The runs that it was told to do, or said that it does.
    pub(super) fn runs(&self) -> Vec<String> {
        self.lock().runs.iter().map(|run| run.run_id.clone()).collect()
    }

    /// Whether there are any.
    pub(super) fn is_busy(&self) -> bool {
        !self.lock().runs.is_empty()
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

    /// Notes that the agent follows changes, or why it does not, and tells it if that is news. Whoever never followed is not told why.
    pub(super) fn follow(&self, not_following: Option<NotFollowing>) {
        let changes = not_following.is_none();
        let mut state = self.lock();
        let followed = std::mem::replace(&mut state.follows, changes);
        let before = std::mem::replace(&mut state.not_following, not_following);
        state.ever_followed |= changes;
        let is_news = followed != changes || state.ever_followed && before != not_following;
        if followed != changes {
            state.follows_in_vain = false;
        }
        drop(state);
        if is_news {
            self.tell(ServerMessage::Follow { changes, because: not_following });
        }
    }

    pub(super) fn next_request(&self) -> u64 {
        let mut state = self.lock();
        state.next_request += 1;
        state.next_request
    }

    /// The number of a question that is to be asked; `None` where so many wait for an answer that another has no place.
    pub(super) fn expect_answer(&self, asked: oneshot::Sender<Answer>, most: usize) -> Option<u64> {
        let id = self.next_request();
        let mut state = self.lock();
        (state.questions.len() < most).then(|| _ = state.questions.insert(id, asked)).map(|()| id)
    }

    pub(super) fn forget_question(&self, id: u64) {
        self.lock().questions.remove(&id);
    }

    pub(super) fn forget_all_questions(&self) {
        self.lock().questions.clear();
    }

    pub(super) fn answered(&self, id: u64, answer: Answer) {
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
    /// Whether the agent says that its directory cannot be worked with, which holds until it says otherwise; or has shown it a moment ago.
    fn is_cut_off(&self, now: Duration) -> bool {
        self.has_trouble() || self.cut_off.is_some_and(|since| now.saturating_sub(since) < CUT_OFF_FOR)
    }

    fn not_following_because(&self) -> Option<NotFollowing> {
        match self.not_following {
            None if !self.follows => None,
            None if self.follows_in_vain => Some(NotFollowing::NoFeed),
            None => self.has_trouble().then_some(NotFollowing::DirectoryTrouble),
            because => because,
        }
    }

    fn has_trouble(&self) -> bool {
        self.directory.as_ref().is_some_and(|directory| directory.trouble.is_some())
    }

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
