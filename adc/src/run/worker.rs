//! Does one run after the other: those that are ordered, and in between those for what changed in the directory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use adc_core::protocol::link::{
    AgentMessage, NotFollowing, PROGRESS_SECONDS, RunCommand, RunEnded, RunPhase, RunProgress,
};
use adc_core::protocol::{ReadCounts, RunState, Trigger};
use adc_core::record::Kind;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::changes::{Following, changed};
use super::link::BEAT;
use super::retry::Retry;
use super::status::Loop;
use super::{Shared, outcome};
use crate::clock;
use crate::config::{Config, SettingNames};
use crate::exit::AgentError;
use crate::imp::progress::{Phase, Progress};
use crate::imp::{self, Ended, Options, Pace, Surroundings};
use crate::spared::Turn;
use crate::{logging, metrics};

/// Where a run stands is told at most so often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// It is told again though nothing has changed: a directory may take long to answer, and whoever says nothing is given up.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(PROGRESS_SECONDS);
/// What the worker is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Run.
    Run(RunCommand),
    /// Give this run up.
    Cancel(String),
    /// Follow the directory's changes.
    Follow,
    /// Do not follow them any more, and why.
    DoNotFollow(Option<NotFollowing>),
    /// Settings or policy were changed.
    Reload,
    /// Nobody says any more who is to follow changes.
    LinkLost,
}

/// Does the runs.
pub(super) struct Worker {
    shared: Arc<Shared>,
    /// Whenever the bind account was refused, or let in that had been.
    account: watch::Receiver<()>,
    orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<AgentMessage>,
    stop: CancellationToken,
    waiting: VecDeque<RunCommand>,
    following: Following,
    /// When runs for changes are tried again, whoever follows meanwhile.
    retry: Retry,
    /// What the last of them was tried with.
    tried_with: Option<Arc<Config>>,
    /// How soon the next run for changes may follow the last.
    pace: Pace,
    /// The last run began then.
    began: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        orders: mpsc::Receiver<Order>,
        reports: mpsc::Sender<AgentMessage>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            account: shared.account.news(),
            shared,
            orders,
            reports,
            stop,
            waiting: VecDeque::new(),
            following: Following::No,
            retry: Retry::default(),
            tried_with: None,
            pace: Pace::FASTEST,
            began: None,
        }
    }

    /// Works until the daemon ends.
    pub(super) async fn work(mut self) {
        while let Some(command) = self.next().await {
            let turn = self.turn().await;
            if command.trigger == Trigger::Change && self.pauses() {
                continue;
            }
            self.began = Some(Instant::now());
            let ended = self.perform(&command, turn).await;
            self.go_on_after(&command, &ended);
        }
    }

    /// Waits for the next run that is to be made; `None` where the daemon ends.
    async fn next(&mut self) -> Option<RunCommand> {
        loop {
            if self.stop.is_cancelled() {
                return None;
            }
            if let Some(command) = self.waiting.pop_front() {
                return Some(command);
            }
            if matches!(self.following, Following::From(_)) {
                // To wait for changes is to sign in as well.
                self.pauses();
            }
            let changed = changed(
                Arc::clone(&self.shared),
                self.following.clone(),
                self.began.map(|began| began + self.pace.interval()),
            );
            let began = Instant::now();
            tokio::pin!(changed);
            let mut beats = interval(BEAT);
            let order = loop {
                tokio::select! {
                                   order = self.orders.recv() => break Some(order?),
                                   changed = &mut changed => match changed {
                                       Ok(()) => {
                                           self.note_behind();
                                           return Some(for_changes());
                                       }
                                       Err(error) => {
                                           tracing::warn!("{error}");
                                           metrics::directory_failed(&error);
                                           let config = self.shared.config();
                                           let told = self.shared.directory_fails(&config, &error, began);
                                           self.tell(told);
                                           self.retry.wait_failed(Instant::now(), clock::jitter());
                                           let due = self.due();
                self.follow(due);
                                           break None;
                                       }
                                   },
                                   Ok(()) = self.account.changed() => {
                                       self.heed_the_account();
                                       break None;
                                   }
                                   _ = beats.tick() => self.shared.status.beat(Loop::Worker),
                                   () = self.stop.cancelled() => return None,
                               }
            };
            if let Some(order) = order {
                self.take(order, None);
            }
        }
    }

    /// Waits for the turn to try the bind account.
    async fn turn(&self) -> Option<Turn> {
        let turn = self.shared.directory.turn();
        tokio::pin!(turn);
        let mut beats = interval(BEAT);
        loop {
            tokio::select! {
                turn = &mut turn => return turn,
                _ = beats.tick() => self.shared.status.beat(Loop::Worker),
            }
        }
    }

    /// The account was refused, or let in again, by whoever tried it: where changes are waited to be followed, that is due at another time.
    fn heed_the_account(&mut self) {
        if matches!(self.following, Following::Due(_)) {
            let due = self.due();
            self.follow(due);
        }
    }

    /// Whether changes may not be followed yet, because the bind account is being spared; then they are when that is over.
    fn pauses(&mut self) -> bool {
        let pauses = self.shared.directory.spared_until(&self.shared.config(), Instant::now()).is_some();
        if pauses {
            let due = self.due();
            self.follow(due);
        }
        pauses
    }

    /// Makes a run, and takes orders meanwhile. The turn to try the bind account is over once it was tried.
    async fn perform(&mut self, command: &RunCommand, turn: Option<Turn>) -> Ended {
        let options = Options {
            run_id: command.run_id.clone(),
            dry_run: command.dry_run,
            full: command.full,
            trigger: command.trigger,
            instance: Some(self.shared.instance()),
        };
        let (config, began) = (self.shared.config(), Instant::now());
        let surroundings = Surroundings {
            interrupt: self.stop.child_token(),
            progress: Arc::default(),
            account: Some(self.shared.account_of(&config)),
        };
        self.show_runs(Some(&command.run_id));
        let span = logging::run_span(&command.run_id, &config.server.application_id);
        let run = imp::imp(&config, &options, &surroundings).instrument(span.clone());
        tokio::pin!(run);
        let (mut beats, mut tells) = (interval(BEAT), interval(TELL_EVERY));
        let mut told = None;
        let mut connecting = Some((turn, surroundings.progress.phase()));
        let ended = loop {
            tokio::select! {
                ended = &mut run => break ended,
                () = connected(&mut connecting) => {
                    connecting = None;
                    self.shared.account.let_in(&config, began);
                }
                Some(order) = self.orders.recv() => {
                    self.take(order, Some((&command.run_id, &surroundings.interrupt)));
                    self.show_runs(Some(&command.run_id));
                }
                _ = beats.tick() => self.shared.status.beat(Loop::Worker),
                _ = tells.tick() => {
                    let now = progress_of(&command.run_id, &surroundings.progress);
                    let is_news = told.as_ref().is_none_or(|(before, at): &(RunProgress, Instant)| {
                        *before != now || at.elapsed() >= TELL_AGAIN_AFTER
                    });
                    if is_news {
                        self.report(AgentMessage::Progress(now.clone()));
                        told = Some((now, Instant::now()));
                    }
                }
            }
        };
        if ended.opened.is_some() {
            self.shared.account.let_in(&config, began);
        }
        // Whoever reads in the log that it ended finds it counted.
        metrics::run_ended(command.trigger, &ended);
        let error = ended.result.as_ref().err().map(AgentError::run_error);
        let outcome = outcome::sentence(&ended);
        span.in_scope(|| outcome::log(&ended, &outcome));
        self.shared.status.change(|standing| standing.last_run = Some(outcome));
        let told = match &ended.result {
            Err(AgentError::Directory(error)) => {
                // A run that was let in and is refused nevertheless has signed in once more since.
                let tried = if ended.opened.is_some() { Instant::now() } else { began };
                self.shared.directory_fails(&config, error, tried)
            }
            Ok(_) => self.shared.directory_works(&config),
            Err(_) => None,
        };
        self.tell(told);
        if ended.result.as_ref().is_ok_and(|report| report.state == RunState::Applied) {
            self.shared.status.change(|standing| standing.behind_since = None);
        }
        self.report(AgentMessage::RunEnded(RunEnded { run_id: command.run_id.clone(), error }));
        self.show_runs(None);
        ended
    }

    /// Takes an order up, beside the run that is under way, if one is.
    fn take(&mut self, order: Order, under_way: Option<(&str, &CancellationToken)>) {
        match order {
            Order::Run(command) => {
                let known = under_way.is_some_and(|(run_id, _)| run_id == command.run_id)
                    || self.waiting.iter().any(|waiting| waiting.run_id == command.run_id);
                if !known {
                    self.waiting.push_back(command);
                }
            }
            Order::Cancel(run_id) => {
                self.waiting.retain(|waiting| waiting.run_id != run_id);
                if let Some((_, interrupt)) = under_way.filter(|(under_way, _)| *under_way == run_id) {
                    tracing::info!(run.id = %run_id, "the run is called off by the control plane");
                    interrupt.cancel();
                } else {
                    // It is over before it began: without this word the control plane would take us for busy.
                    let error = Some(AgentError::Interrupted.run_error());
                    self.report(AgentMessage::RunEnded(RunEnded { run_id, error }));
                }
            }
            Order::Follow => {
                self.shared.directory.leave_to_another(false);
                if matches!(self.following, Following::No) {
                    let due = self.due();
                    self.follow(due);
                }
            }
            Order::DoNotFollow(because) => {
                self.follow(Following::No);
                self.shared.directory.leave_to_another(because == Some(NotFollowing::AnotherFollows));
                // What a plan that waits would bring over is still not there. Otherwise another agent brings it over, or nobody is to.
                if because != Some(NotFollowing::PlanHeld) {
                    self.shared.status.change(|standing| standing.behind_since = None);
                }
            }
            Order::LinkLost => self.follow(Following::No),
            Order::Reload => {
                self.retry.try_at_once();
                if !matches!(self.following, Following::No) {
                    let due = self.due();
                    self.follow(due);
                }
            }
        }
    }

    fn follow(&mut self, following: Following) {
        let follows = !matches!(following, Following::No);
        let followed = !matches!(self.following, Following::No);
        match (followed, follows) {
            (false, true) => tracing::info!("following the directory's changes"),
            (true, false) => tracing::info!("not following the directory's changes any more"),
            _ => {}
        }
        self.following = following;
        let waits_until = match self.following {
            Following::Due(at) => at.checked_duration_since(Instant::now()),
            Following::No | Following::From(_) => None,
        };
        self.shared.status.change(|standing| {
            standing.follows = follows;
            standing.follows_again_at = waits_until.map(|pause| clock::now() + pause);
        });
    }

    /// The directory has changed, or it is time to see whether it has.
    fn note_behind(&self) {
        self.shared.status.change(|standing| _ = standing.behind_since.get_or_insert_with(clock::now));
    }

    /// What a run means for the following of changes.
    fn go_on_after(&mut self, command: &RunCommand, ended: &Ended) {
        let ordered = command.trigger != Trigger::Change;
        match &ended.result {
            Ok(_) => self.retry.went_well(),
            // Whoever ordered it sees it fail; where changes are waited for that goes on.
            Err(_) if ordered && !matches!(self.following, Following::Due(_)) => {}
            Err(error) => _ = self.retry.run_failed(error, Instant::now(), clock::jitter()),
        }
        if matches!(self.following, Following::No) {
            return;
        }
        match (&ended.result, &ended.followed) {
            // What a preview has seen nobody has applied: it is found again by the next run.
            (Ok(report), _) if report.dry_run => {}
            (Ok(_), Some(followed)) => {
                self.pace = self.pace.after(!ordered && ended.found_nothing());
                self.follow(Following::From(followed.clone()));
            }
            (Ok(_), None) => {
                tracing::warn!(
                    "the directory offers no change feed that can be followed; {}. Runs are made on command and on schedule",
                    self.shared.config().directory.names().feed_explained
                );
                self.follow(Following::No);
                self.report(AgentMessage::NotFollowing);
            }
            // Changes are waited for from where they were.
            (Err(_), _) if ordered && matches!(self.following, Following::From(_)) => {}
            (Err(_), _) => {
                let due = self.due();
                self.follow(due);
            }
        }
    }

    /// When a run for changes is due that somebody wants: at once, unless the bind account is being spared or the last ones failed.
    fn due(&mut self) -> Following {
        self.account.mark_unchanged();
        let (now, config) = (Instant::now(), self.shared.config());
        if self.tried_with.as_ref().is_some_and(|before| !Arc::ptr_eq(before, &config)) {
            // Somebody had it read again.
            self.retry.try_at_once();
        }
        let spared = self.shared.directory.spared_until(&config, now);
        self.tried_with = Some(config);
        if let Some(until) = spared {
            tell_spared(self.shared.config().directory.names(), until - now);
        }
        Following::Due([spared, self.retry.until()].into_iter().flatten().fold(now, Instant::max))
    }

    fn show_runs(&self, under_way: Option<&str>) {
        let waiting = self.waiting.iter().map(|command| command.run_id.clone());
        let runs = under_way.map(str::to_owned).into_iter().chain(waiting).collect();
        self.shared.status.change(|standing| standing.runs = runs);
    }

    /// Tells the control plane what is new of the directory, if anything is.
    fn tell(&self, news: Option<AgentMessage>) {
        if let Some(news) = news {
            self.report(news);
        }
    }

    /// Tells the control plane, if anybody listens: how runs end it knows without us.
    fn report(&self, message: AgentMessage) {
        if self.reports.try_send(message).is_err() {
            tracing::debug!("nobody takes what is told of a run");
        }
    }
}

/// Waits until the directory was reached, which is when the turn to do so is over; for ever, once that is known, and where it was not: then
/// the turn is over when what became of it was noted.
async fn connected(connecting: &mut Option<(Option<Turn>, watch::Receiver<Phase>)>) {
    let reached = match connecting {
        Some((_, phase)) => {
            let phase = phase.wait_for(|phase| *phase != Phase::Connecting).await;
            phase.is_ok_and(|phase| *phase != Phase::Ended)
        }
        None => false,
    };
    if !reached {
        std::future::pending::<()>().await;
    }
}

/// Says that changes are not followed for so long, and why: whoever is to follow them may learn of the refusal from somebody else.
fn tell_spared(names: &SettingNames, pause: Duration) {
    let minutes = pause.as_secs_f64() / 60.0;
    tracing::warn!(
        "changes are not followed for {minutes:.0} minutes, so that the bind account is not locked out: correct its password, in {} or \
         in the directory, then {}, and they are followed at once",
        names.place,
        names.tried_again
    );
}

fn for_changes() -> RunCommand {
    RunCommand { run_id: clock::run_id(), dry_run: false, full: false, trigger: Trigger::Change }
}

fn progress_of(run_id: &str, progress: &Progress) -> RunProgress {
    RunProgress {
        run_id: run_id.to_owned(),
        phase: match progress.now() {
            Phase::Connecting => RunPhase::Connecting,
            Phase::Waiting { .. } => RunPhase::Waiting,
            Phase::Reading(_) => RunPhase::Reading,
            Phase::Planning => RunPhase::Planning,
            Phase::LookingUp => RunPhase::LookingUp,
            Phase::Ended => RunPhase::Ended,
        },
        read: ReadCounts {
            users: progress.read(Kind::User),
            groups: progress.read(Kind::Group),
            org_units: progress.read(Kind::OrgUnit),
        },
        sent: progress.sent(),
    }
}
