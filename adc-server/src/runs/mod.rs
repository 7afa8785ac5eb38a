//! The run engine: opens runs, takes what agents send, plans, holds, applies.
//!
//! `design.md`'s data flow, one file per step. Leases and what a run has seen live in memory; after a restart they are
//! made again from what is staged, and agents go on where they were.

mod approve;
mod batches;
mod beside;
mod confirm;
mod finish;
mod lease;
mod open;
mod overlooked;
mod planner;
mod queue;
mod report;
mod sight;
mod touched;

pub use queue::RunOrder;
pub use report::report_of;

use crate::{
    api::problem::{ApiResult, Problem},
    clock::Clock,
    hub::Bus,
    metrics,
    pulse::Pulse,
    store::{Run, Store},
};
use adc_core::protocol::{Abort, RUN_LOST, RunError, RunState};
use axum::http::StatusCode;
use lease::Lease;
use sight::Sight;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;

/// Who speaks: an agent that has shown its Application ID and Secret Token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentIdentity {
    /// The account.
    pub account_id: String,
    /// The synchronization it serves.
    pub synchronization_id: String,
}

impl AgentIdentity {
    /// Whose agents a run is done by.
    pub(crate) fn of(run: &Run) -> Self {
        Self { account_id: run.account_id.clone(), synchronization_id: run.synchronization_id.clone() }
    }
}

/// The run engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    store: Store,
    clock: Clock,
    /// Where reports are found: the address people use, without a slash at its end.
    public_url: Arc<str>,
    active: Arc<Mutex<BTreeMap<String, Arc<ActiveRun>>>>,
    /// One approval at a time: planning again first clears away what was planned before.
    approving: Arc<tokio::sync::Mutex<()>>,
    /// Hears whenever a run is queued, opened, over or decided on.
    bus: Bus,
    pulse: Pulse,
}

/// A run under way, as far as it lives in memory.
struct ActiveRun {
    account_id: String,
    synchronization_id: String,
    run_id: String,
    lease: Lease,
    /// What the run has seen; made when first needed. Its lock also puts a run's batches in a row.
    sight: tokio::sync::Mutex<Option<Sight>>,
    /// How the run ended; `None` while it is not over.
    conclusion: watch::Sender<Option<Result<(), Arc<Problem>>>>,
    /// Somebody brings the run to its end: plans and applies it, or cancels, aborts or interrupts it. Only one does.
    ending: Mutex<bool>,
}

impl Engine {
    /// An engine over a store. `public_url` is the address people reach the control plane at.
    pub fn new(store: Store, clock: Clock, public_url: &str) -> Self {
        let active = Arc::new(Mutex::new(BTreeMap::new()));
        let public_url = public_url.trim_end_matches('/').into();
        Self {
            store,
            clock,
            public_url,
            active,
            approving: Arc::default(),
            bus: Bus::default(),
            pulse: Pulse::default(),
        }
    }

    /// Whether its loops, and those of others who look after runs, still turn.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Where runs that are queued, over or decided on are told of.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Takes up the runs that were under way when the process ended, and forgets what ended ones left behind.
    pub async fn recover(&self) -> anyhow::Result<()> {
        self.store.clear_stale_staging().await?;
        for run in self.store.running_runs().await? {
            self.activate(&run);
        }
        Ok(())
    }

    /// The agent gives up; nothing is applied.
    pub async fn abort(&self, agent: &AgentIdentity, run_id: &str, abort: &Abort) -> ApiResult<()> {
        let run = self.run_of(agent, run_id).await?;
        if run.state != RunState::Running {
            return Ok(());
        }
        let begins_again = matches!(abort.error.code.as_str(), "interrupted" | RUN_LOST);
        let state = if begins_again { RunState::Interrupted } else { RunState::Failed };
        if self.end(&run, state, &abort.error).await? {
            return Ok(());
        }
        Err(Problem::conflict(
            "run-concluding",
            format!("The run {run_id} is being planned and applied by now; it cannot be aborted any more."),
        ))
    }

    /// Keeps a run's place.
    pub async fn renew(&self, agent: &AgentIdentity, run_id: &str) -> ApiResult<()> {
        self.active_run(agent, run_id).await.map(drop)
    }

    /// An administrator cancels a run that waits or reads; nothing is applied.
    pub async fn cancel(&self, account_id: &str, run_id: &str) -> ApiResult<()> {
        let run = self.run_in(account_id, run_id).await?;
        let error = RunError {
            code: "cancelled".to_owned(),
            message: "An administrator cancelled the run; nothing was changed.".to_owned(),
        };
        if run.state == RunState::Queued && self.cancel_queued(&run, &error).await? {
            return Ok(());
        }
        if run.state == RunState::Running && self.end(&run, RunState::Cancelled, &error).await? {
            return Ok(());
        }
        Err(Problem::conflict(
            "run-not-running",
            format!(
                "The run {run_id} is {}; only a run that is still reading can be cancelled.",
                if run.state == RunState::Running { "being applied" } else { run.state.as_str() }
            ),
        ))
    }

    /// Ends a run that changes nothing, and tells whoever waits for it; `false` when it is being planned already.
    async fn end(&self, run: &Run, state: RunState, error: &RunError) -> anyhow::Result<bool> {
        let active = self.activate(run);
        if !active.claim_end() {
            return Ok(false);
        }
        let ended = Run { state, error: Some(error.clone()), ..run.clone() };
        let closed = self.close(&active, run, state, error, &Arc::new(ended_problem(&ended))).await;
        if closed.is_err() {
            active.release_end();
        }
        closed.map(|()| true)
    }

    /// Ends a run whose end the caller has claimed, and then tells whoever waits for it: they may open the next one at
    /// once. If it fails the run stays in the list, where its lease runs out.
    async fn close(
        &self,
        active: &ActiveRun,
        run: &Run,
        state: RunState,
        error: &RunError,
        problem: &Arc<Problem>,
    ) -> anyhow::Result<()> {
        let now = self.clock.now();
        let successor = (state == RunState::Interrupted).then(|| queue::successor(run, now)).flatten();
        let (from, how) = (RunState::Running, (state, error));
        if self.store.end_run_with_successor(run, from, how, successor.as_ref(), now).await? {
            tracing::info!(
                run.id = %run.id, synchronization.id = %run.synchronization_id,
                "run {}: {}", state.as_str(), error.message
            );
            metrics::run_ended(run, state, now);
        }
        active.tell(Err(Arc::clone(problem)));
        self.forget(&run.id);
        self.store.clear_staging(&run.id).await?;
        self.tidy_up(run);
        Ok(())
    }

    /// A run of an account.
    async fn run_in(&self, account_id: &str, run_id: &str) -> ApiResult<Run> {
        self.store.run(account_id, run_id).await?.ok_or_else(|| run_not_in_account(run_id))
    }

    /// A run of the agent's own synchronization; another's is not found.
    async fn run_of(&self, agent: &AgentIdentity, run_id: &str) -> ApiResult<Run> {
        let run = self.store.run(&agent.account_id, run_id).await?;
        run.filter(|run| run.synchronization_id == agent.synchronization_id)
            .ok_or_else(|| run_not_found(run_id))
    }

    /// The agent's run, if it is under way; hearing of it renews its lease.
    async fn active_run(&self, agent: &AgentIdentity, run_id: &str) -> ApiResult<Arc<ActiveRun>> {
        if let Some(active) = self.find(run_id)
            && active.account_id == agent.account_id
            && active.synchronization_id == agent.synchronization_id
        {
            active.lease.renew();
            return Ok(active);
        }
        let run = self.run_of(agent, run_id).await?;
        Err(ended_problem(&run))
    }

    fn find(&self, run_id: &str) -> Option<Arc<ActiveRun>> {
        self.lock().get(run_id).cloned()
    }

    fn activate(&self, run: &Run) -> Arc<ActiveRun> {
        let active = Arc::new(ActiveRun {
            account_id: run.account_id.clone(),
            synchronization_id: run.synchronization_id.clone(),
            run_id: run.id.clone(),
            lease: Lease::new(),
            sight: tokio::sync::Mutex::new(None),
            conclusion: watch::Sender::new(None),
            ending: Mutex::new(false),
        });
        self.lock().entry(run.id.clone()).or_insert(active).clone()
    }

    fn forget(&self, run_id: &str) {
        let forgotten = self.lock().remove(run_id);
        if let Some(run) = forgotten {
            let (account_id, synchronization_id) = (run.account_id.clone(), run.synchronization_id.clone());
            self.bus.wake(AgentIdentity { account_id, synchronization_id });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<ActiveRun>>> {
        self.active.lock().expect("nothing panics while it holds the list of runs")
    }
}

impl ActiveRun {
    /// Whether somebody brings the run to its end.
    fn is_ending(&self) -> bool {
        *self.lock_ending()
    }

    /// Claims to bring the run to its end; only the first caller gets it.
    fn claim_end(&self) -> bool {
        !std::mem::replace(&mut *self.lock_ending(), true)
    }

    /// The end could not be written: the next one may try.
    fn release_end(&self) {
        *self.lock_ending() = false;
    }

    fn lock_ending(&self) -> std::sync::MutexGuard<'_, bool> {
        self.ending.lock().expect("nothing panics while it holds the flag")
    }

    /// Tells whoever waits how the run ended; what they were told first stands.
    fn tell(&self, outcome: Result<(), Arc<Problem>>) {
        self.conclusion.send_if_modified(|told| {
            let untold = told.is_none();
            told.get_or_insert(outcome);
            untold
        });
    }

    /// Waits until the run is over, and says how it ended.
    async fn concluded(&self) -> Result<(), Arc<Problem>> {
        let mut conclusion = self.conclusion.subscribe();
        let ended = conclusion.wait_for(Option::is_some).await.expect("the sender lives in the run itself");
        ended.clone().expect("waited for")
    }
}

/// What an agent hears of a run that is none of its synchronization's.
pub(crate) fn run_not_found(run_id: &str) -> Problem {
    Problem::not_found(
        RUN_NOT_FOUND,
        format!("There is no run {run_id} of this synchronization; check server.application_id."),
    )
}

/// What an administrator hears of a run that is none of the account's.
pub(crate) fn run_not_in_account(run_id: &str) -> Problem {
    Problem::not_found(
        RUN_NOT_FOUND,
        format!(
            "There is no run {run_id} in this account; check the id, and which account the API key is for."
        ),
    )
}

/// The code of both.
const RUN_NOT_FOUND: &str = "run-not-found";

/// What an agent hears that goes on with a run that has ended.
fn ended_problem(run: &Run) -> Problem {
    let message = run.error.as_ref().map_or(String::new(), |error| format!(": {}", error.message));
    Problem::new(
        StatusCode::CONFLICT,
        "run-ended",
        format!("The run {} is {}{message}", run.id, run.state.as_str()),
    )
    .with_run(&run.id)
}
