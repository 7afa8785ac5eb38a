//! Runs that wait for an agent: put into the queue, and put there again when their agent vanishes.

use super::{AgentIdentity, Engine, run_not_found};
use crate::{
    admin::synchronizations,
    api::problem::{ApiResult, Problem},
    clock::{Millis, rfc3339},
    ids::{IdKind, new_id},
    metrics,
    store::{Queued, QueuedDue, Run, Scheduled},
};
use adc_core::{
    protocol::{AgentInfo, FullBecause, Mode, RunError, RunState, Trigger},
    settings::{EffectiveSettings, Settings},
};

/// How often a run is begun all told while agents vanish in it: an agent that dies of a run must not take all others along.
const ATTEMPTS: u32 = 3;

/// A run that the control plane wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOrder {
    /// Why: [`Trigger::Manual`] or [`Trigger::Schedule`].
    pub trigger: Trigger,
    /// Preview only.
    pub dry_run: bool,
    /// Read everything.
    pub full: bool,
}

impl Engine {
    /// Puts a run into the queue; an agent is told as soon as one is connected. It survives restarts.
    ///
    /// # Errors
    /// `run-active`: a run of the synchronization is under way or waits already; `plan-held`: nobody asked for it by hand, and a plan
    /// waits for a decision; `synchronization-not-found`.
    pub async fn queue_run(
        &self,
        account_id: &str,
        synchronization_id: &str,
        order: RunOrder,
    ) -> ApiResult<Run> {
        let not_found = || synchronizations::not_found(synchronization_id);
        let run = self.ordered(account_id, synchronization_id, order).await?.ok_or_else(not_found)?;
        match self.store.queue_run(&run).await? {
            Queued::New => {
                tracing::info!(run.id = %run.id, synchronization.id = %run.synchronization_id, trigger = run.trigger, "run queued");
                self.bus.wake(AgentIdentity::of(&run));
                Ok(run)
            }
            Queued::Busy(active) => Err(super::open::busy(&active)),
            Queued::Held(held) => Err(super::open::plan_held(&held)),
            Queued::NotFound => Err(not_found()),
        }
    }

    /// Queues the run of a time that was due by a schedule, and notes that it was: together, so that it becomes one run.
    pub async fn queue_due(&self, scheduled: &Scheduled, due: Millis) -> anyhow::Result<QueuedDue> {
        let Scheduled { account_id, synchronization_id, .. } = scheduled;
        let order = RunOrder { trigger: Trigger::Schedule, dry_run: false, full: false };
        let Some(run) = self.ordered(account_id, synchronization_id, order).await? else {
            return Ok(QueuedDue::Outdated);
        };
        let queued = self.store.queue_due(&run, scheduled, due).await?;
        if queued == QueuedDue::New {
            tracing::info!(run.id = %run.id, synchronization.id = %synchronization_id, trigger = run.trigger, due = rfc3339(due), "run queued");
            self.bus.wake(AgentIdentity::of(&run));
        }
        Ok(queued)
    }

    /// A run as it waits in the queue; `None` where there is no such synchronization.
    async fn ordered(
        &self,
        account_id: &str,
        synchronization_id: &str,
        order: RunOrder,
    ) -> anyhow::Result<Option<Run>> {
        let Some(state) = self.store.sync_state(account_id, synchronization_id).await? else {
            return Ok(None);
        };
        let settings = EffectiveSettings::merge(&state.settings, &Settings::default(), order.dry_run);
        let (id, now) = (new_id(IdKind::Run), self.clock.now());
        let run = Run {
            trigger: order.trigger.as_str().to_owned(),
            mode: if order.full { Mode::Full } else { Mode::Delta },
            full_because: order.full.then_some(FullBecause::Asked),
            full_asked: order.full,
            // What the server's own settings say of it is for the agent that opens it.
            dry_run: order.dry_run,
            ..Run::queued(account_id, synchronization_id, id, (&state, settings), now)
        };
        Ok(Some(run))
    }

    /// The agent that was told to do a queued run could not even open it.
    pub async fn fail_queued(
        &self,
        agent: &AgentIdentity,
        run_id: &str,
        error: &RunError,
    ) -> anyhow::Result<()> {
        // Whatever the agent calls its own: another synchronization's run it is not.
        let known = self.store.run(&agent.account_id, run_id).await?;
        let Some(run) = known.filter(|run| run.synchronization_id == agent.synchronization_id) else {
            return Ok(());
        };
        let (from, to, now) = (RunState::Queued, RunState::Failed, self.clock.now());
        if self.store.end_run(&agent.account_id, run_id, from, to, Some(error), now).await? {
            metrics::run_ended(&run, to, now);
            tracing::warn!(run.id = %run_id, synchronization.id = %agent.synchronization_id, "run failed before it began: {}", error.message);
            self.bus.wake(agent.clone());
        }
        Ok(())
    }

    /// Takes a run out of the queue; `false` when it is not there.
    pub(super) async fn cancel_queued(&self, run: &Run, error: &RunError) -> anyhow::Result<bool> {
        let (from, to) = (RunState::Queued, RunState::Cancelled);
        let now = self.clock.now();
        let ended = self.store.end_run(&run.account_id, &run.id, from, to, Some(error), now).await?;
        if ended {
            metrics::run_ended(run, to, now);
        }
        self.bus.wake(AgentIdentity::of(run));
        Ok(ended)
    }

    /// The run that was queued, if the agent opens one that was.
    pub(super) async fn queued(
        &self,
        agent: &AgentIdentity,
        run_id: &str,
        trigger: Trigger,
    ) -> ApiResult<Option<Run>> {
        let known = self.store.run(&agent.account_id, run_id).await?;
        if known.is_none() && trigger.is_queued() {
            return Err(run_not_found(run_id));
        }
        let queued = known.filter(|run| run.state == RunState::Queued);
        match queued {
            Some(run) if run.synchronization_id != agent.synchronization_id => Err(run_not_found(run_id)),
            queued => Ok(queued),
        }
    }
}

/// The run that takes over from one whose agent vanished; `None` where nobody waits for it, or it was tried often enough.
pub(super) fn successor(interrupted: &Run, now: Millis) -> Option<Run> {
    let wanted = Trigger::of(&interrupted.trigger).is_some_and(Trigger::is_queued);
    let full = interrupted.full_asked;
    (wanted && interrupted.attempt < ATTEMPTS).then(|| Run {
        id: new_id(IdKind::Run),
        state: RunState::Queued,
        mode: if full { Mode::Full } else { Mode::Delta },
        full_because: full.then_some(FullBecause::Asked),
        agent: AgentInfo { host: String::new(), version: String::new(), instance: None },
        receipt: None,
        error: None,
        created_at: now,
        started_at: None,
        finished_at: None,
        takes_over: Some(interrupted.id.clone()),
        attempt: interrupted.attempt + 1,
        ..interrupted.clone()
    })
}

/// What an agent hears that was told to do a run which another one does by now.
pub(super) fn done_by_another(run: &Run) -> Problem {
    Problem::conflict("run-taken", format!("The run {} is done by the agent on {}.", run.id, run.agent.host))
        .with_run(&run.id)
}
