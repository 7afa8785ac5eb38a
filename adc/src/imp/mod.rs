//! One run: read the directory, tell the control plane what it lacks, prove what is gone, hear what became of it.
//!
//! [`imp`] is what `adc imp` does, and what a control plane does that runs an agent itself. The directory is read
//! page by page; `transfer` maps and sends what was read while the next page is on its way;
//! `conclude` finishes the run and looks up whoever was not seen.

mod answer;
mod conclude;
mod delta;
pub mod display;
mod fingerprint;
mod lease;
mod outbox;
pub mod output;
mod pace;
mod parcel;
pub mod progress;
mod stop;
mod transfer;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use adc_core::mapping::{Bounds, Mapping, Sid};
use adc_core::protocol::{
    Abort, AgentInfo, ChangeFeed, Mark, Mode, Next, OpenRun, OpenedRun, ReadCounts, Receipt, RunReport,
    RunState, SentCounts, Trigger,
};
use adc_core::record::Kind;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control_plane::{ControlPlane, ControlPlaneError};
use crate::directory::Directory;
use crate::directory::feed::{Feed, Subject};
use crate::exit::{AgentError, Exit};
use crate::heard::Account;
use conclude::Concluded;
use delta::Outcome;
pub(crate) use fingerprint::of_configuration as configuration_fingerprint;
use lease::Lease;
pub(crate) use pace::Pace;
use progress::{Phase, Progress};
pub(crate) use transfer::query;
pub use watch::watch;
pub(crate) use watch::{FIRST_PAUSE, LONGEST_PAUSE, PLAN_HELD, changed_since};

/// How long a run waits for the place that another run of the synchronization holds.
const WAIT_FOR_PLACE: Duration = Duration::from_mins(2);
/// How often it asks whether the place is free.
const ASK_FOR_PLACE_EVERY: Duration = Duration::from_secs(1);
/// How long whoever is interrupted waits to hear whether a run was opened: giving it up takes as long again, and a stop ends within 10
/// seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The run's id, see [`crate::clock::run_id`].
    pub run_id: String,
    /// Preview only; honoured whatever the settings say.
    pub dry_run: bool,
    /// Read everything, even where a delta would do.
    pub full: bool,
    /// What made it run.
    pub trigger: Trigger,
    /// The agent's process, where it is one that stays, see [`AgentInfo::instance`].
    pub instance: Option<String>,
}

/// Who listens to a run and may stop it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Cancelled when the run is to be given up.
    pub interrupt: CancellationToken,
    /// Where the run stands, for whoever shows it.
    pub progress: Arc<Progress>,
    /// The bind account, where somebody spares it once it was refused.
    pub(crate) account: Option<Account>,
}

/// Where a directory can be followed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Its change feed.
    pub feed: Feed,
    /// Where that stood before the run read anything: what changes later is not in it.
    pub mark: Mark,
    /// What was read.
    pub subject: Subject,
}

/// A run that is over.
#[derive(Debug)]
pub struct Ended {
    /// Its id.
    pub run_id: String,
    /// What the control plane answered when it was opened, if it was.
    pub opened: Option<OpenedRun>,
    /// What was read.
    pub read: ReadCounts,
    /// What was sent.
    pub sent: SentCounts,
    /// How many objects the change feed named, if it was gone by.
    pub named: Option<u64>,
    /// Where its directory can be followed from.
    pub followed: Option<Followed>,
    /// From start to end.
    pub duration: Duration,
    /// The report, or why there is none.
    pub result: Result<RunReport, AgentError>,
}

impl Ended {
    /// A run that could not even be tried.
    pub fn before_it_began(options: &Options, error: AgentError) -> Self {
        Self {
            run_id: options.run_id.clone(),
            opened: None,
            read: ReadCounts::default(),
            sent: SentCounts::default(),
            named: None,
            followed: None,
            duration: Duration::ZERO,
            result: Err(error),
        }
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match &self.result {
            Err(error) => error.exit(),
            Ok(report) if report.state == RunState::Held => Exit::Held,
            Ok(report) if report.needs_attention > 0 || self.found_nobody() => Exit::Attention,
            Ok(_) => Exit::Done,
        }
    }

    /// Whether whoever waited for a change has waited for nothing: nothing was named, or nobody is to be treated otherwise than before.
    pub(crate) fn found_nothing(&self) -> bool {
        self.result
            .as_ref()
            .is_ok_and(|report| self.named.map_or(report.counts.effective() == 0, |named| named == 0))
    }

    /// Whether the whole directory was read and showed not one person: hardly ever what was meant.
    pub fn found_nobody(&self) -> bool {
        self.result.as_ref().is_ok_and(|report| report.mode == Mode::Full) && self.read.users == 0
    }
}

/// Runs once. Whatever fails or interrupts it, the run is given up with its reason; if the control plane had everything
/// by then it may have applied the plan, wholly or not at all.
pub async fn imp(config: &Config, options: &Options, surroundings: &Surroundings) -> Ended {
    let started = Instant::now();
    let mut ended = Ended::before_it_began(options, AgentError::Interrupted);
    ended.result = run(config, options, surroundings, &mut ended).await;
    ended.duration = started.elapsed();
    surroundings.progress.enter(Phase::Ended);
    ended
}

async fn run(
    config: &Config,
    options: &Options,
    surroundings: &Surroundings,
    ended: &mut Ended,
) -> Result<RunReport, AgentError> {
    let control_plane = ControlPlane::new(&config.server)?;
    surroundings.progress.enter(Phase::Connecting);
    let (directory, feed) = tokio::select! {
        reached = reach(config, surroundings.account.as_ref()) => reached?,
        () = surroundings.interrupt.cancelled() => return Err(AgentError::Interrupted),
    };
    let request = open_request(config, options, &directory, feed);
    let (opened, waited) = open(&control_plane, &request, surroundings).await?;
    let mut run = Run {
        config,
        control_plane: control_plane.clone(),
        lease: Lease::new(),
        surroundings,
        feed,
        opened,
        receipt: Receipt::default(),
        primary_groups: BTreeSet::new(),
        subject: None,
    };
    let result = run.carry_out(directory, waited).await;
    ended.read = run.receipt.read;
    ended.sent = run.receipt.sent;
    ended.named = run.receipt.feed.as_ref().map(|feed| feed.touched);
    ended.followed = run.followed();
    // A delta may have become full.
    ended.opened = Some(run.opened);
    if let Err(error) = &result {
        give_up(&control_plane, &options.run_id, error).await;
    }
    result
}

/// Reaches the directory, and finds out whether it can be followed.
async fn reach(config: &Config, account: Option<&Account>) -> Result<(Directory, Option<Feed>), AgentError> {
    let mut directory = match account {
        Some(account) => account.open().await?,
        None => Directory::open(Arc::new(config.directory.clone())).await?,
    };
    let feed = directory.feed().await?;
    Ok((directory, feed))
}

/// What a run is opened with; its fingerprint says which server it reads.
fn open_request(config: &Config, options: &Options, directory: &Directory, feed: Option<Feed>) -> OpenRun {
    OpenRun {
        run_id: options.run_id.clone(),
        agent: AgentInfo {
            host: config.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: options.instance.clone(),
        },
        settings: config.settings,
        dry_run: options.dry_run,
        full: options.full,
        fingerprint: fingerprint::of(&config.directory, directory),
        feed: feed
            .map(|feed| ChangeFeed { name: feed.as_str().to_owned(), mark: feed.mark_kind().to_owned() }),
        trigger: options.trigger,
    }
}

/// Opens the run, also when it has to wait for its place; whether it had to: an idle connection to the directory may have been closed
/// meanwhile.
///
/// Whoever interrupts this while the control plane is being asked waits a moment for the answer: a run that was opened and is not given
/// up keeps its place until its lease ends. From there on it is the run that is interrupted.
async fn open(
    control_plane: &ControlPlane,
    request: &OpenRun,
    surroundings: &Surroundings,
) -> Result<(OpenedRun, bool), AgentError> {
    let Surroundings { interrupt, progress, .. } = surroundings;
    let deadline = Instant::now() + WAIT_FOR_PLACE;
    let mut waited = false;
    loop {
        let asked = control_plane.open(request);
        tokio::pin!(asked);
        let answer = tokio::select! {
            answer = &mut asked => answer,
            () = interrupt.cancelled() => match timeout(ANSWER_WITHIN, asked).await {
                Ok(Ok(opened)) => Ok(opened),
                _ => return Err(AgentError::Interrupted),
            },
        };
        match answer {
            // From here on the run holds its place: whatever comes next keeps the lease, and gives the run up if it fails.
            Ok(opened) => return Ok((opened, waited)),
            Err(error) if error.is_run_active() && Instant::now() < deadline => {
                if !waited {
                    tracing::info!("waiting for up to {} s: {error}", WAIT_FOR_PLACE.as_secs());
                    progress.enter(Phase::Waiting { until: deadline });
                }
                waited = true;
                tokio::select! {
                    () = sleep(ASK_FOR_PLACE_EVERY) => {}
                    () = interrupt.cancelled() => return Err(AgentError::Interrupted),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Tells the control plane why there will be no plan; its lease would end the run all the same, later and mute.
async fn give_up(control_plane: &ControlPlane, run_id: &str, error: &AgentError) {
    let abort = Abort { error: error.run_error() };
    if let Err(error) = control_plane.abort(run_id, &abort).await {
        tracing::debug!(%error, "the control plane was not told that the run is given up");
    }
}

/// A run that is open.
struct Run<'a> {
    config: &'a Config,
    control_plane: ControlPlane,
    lease: Lease,
    surroundings: &'a Surroundings,
    /// The change feed that was offered.
    feed: Option<Feed>,
    opened: OpenedRun,
    receipt: Receipt,
    /// The groups that are somebody's primary group (Active Directory): a handful.
    primary_groups: BTreeSet<Sid>,
    /// What is read, once the policy was understood.
    subject: Option<Subject>,
}

impl Run<'_> {
    /// Where the directory can be followed from after this run.
    fn followed(&self) -> Option<Followed> {
        let (feed, mark) = self.feed.zip(self.receipt.mark.clone())?;
        let subject = self.subject.clone()?;
        (mark.kind == feed.mark_kind()).then_some(Followed { feed, mark, subject })
    }

    async fn carry_out(&mut self, directory: Directory, waited: bool) -> Result<RunReport, AgentError> {
        let (lease, control_plane, run_id) =
            (self.lease.clone(), self.control_plane.clone(), self.opened.run_id.clone());
        let interrupt = self.surroundings.interrupt.clone();
        let keeping = lease.keep(&control_plane, &run_id);
        tokio::pin!(keeping);
        let (mut directory, mapping) = tokio::select! {
            read = self.map_and_send(directory, waited) => read?,
            lost = &mut keeping => return Err(lost.into()),
            () = interrupt.cancelled() => return Err(AgentError::Interrupted),
        };
        loop {
            let concluded = tokio::select! {
                concluded = self.conclude(&mut directory, &mapping) => concluded?,
                lost = &mut keeping => return self.report_after(lost).await,
            };
            directory = match concluded {
                Concluded::Over(report) => return Ok(*report),
                Concluded::BecameFull => tokio::select! {
                    read = self.read_and_send(directory, &mapping) => read?,
                    lost = &mut keeping => return Err(lost.into()),
                    () = interrupt.cancelled() => return Err(AgentError::Interrupted),
                },
            };
        }
    }

    async fn map_and_send(
        &mut self,
        mut directory: Directory,
        waited: bool,
    ) -> Result<(Directory, Arc<Mapping>), AgentError> {
        if waited {
            // The same server: the run's fingerprint names it.
            directory.reopen().await?;
        }
        let mapping = self.mapping(&directory)?;
        let queries = Kind::ALL.map(|kind| query(&self.config.directory, &mapping, kind));
        let id = mapping.id().clone();
        self.subject = Some(Subject { queries: queries.into(), id, ..Subject::default() });
        if self.opened.mode == Mode::Delta {
            match self.follow_and_send(directory, &mapping).await? {
                Outcome::Sent(directory) => return Ok((directory, mapping)),
                Outcome::BecameFull(again) => directory = again,
            }
        }
        directory = self.read_and_send(directory, &mapping).await?;
        Ok((directory, mapping))
    }

    fn mapping(&self, directory: &Directory) -> Result<Arc<Mapping>, AgentError> {
        let bounds = Bounds {
            preset: self.config.directory.preset,
            id_attribute: self.config.directory.id_attribute.clone(),
            attributes: self.config.directory.attributes.clone(),
        };
        Mapping::compile(&self.opened.policy, &bounds, &directory.root().dse)
            .map(Arc::new)
            .map_err(|error| AgentError::NotAllowed(error.to_string()))
    }

    /// A renewal that came just after the run had ended well is no failure: the run's own answer counts.
    async fn report_after(&mut self, lost: ControlPlaneError) -> Result<RunReport, AgentError> {
        if lost.code() != "run-ended" {
            return Err(lost.into());
        }
        match self.end().await {
            Ok(Next::Done { report }) => conclude::outcome(*report),
            _ => Err(lost.into()),
        }
    }
}
