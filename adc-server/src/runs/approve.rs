//! What happens after a plan: applied, previewed, held; and what people do with a held one.

use super::{
    ActiveRun, AgentIdentity, Engine, ended_problem,
    planner::{Lines, make_plan},
};
use crate::{
    api::problem::{ApiResult, Problem},
    clock::millis,
    metrics,
    store::{Applied, Conclusion, Run},
};
use adc_core::protocol::{RunError, RunState};
use std::{sync::Arc, time::Instant};

/// How often a plan is made again because somebody changed the account's people meanwhile, before the run gives up.
const ATTEMPTS: usize = 5;

impl Engine {
    /// Plans a run and does what the plan calls for; the outcome is told to all who wait. The caller has claimed its end.
    pub(super) async fn conclude(&self, active: &Arc<ActiveRun>) {
        let Err(problem) = self.plan_and_act(active).await else {
            active.tell(Ok(()));
            self.forget(&active.run_id);
            return;
        };
        tracing::error!(run.id = %active.run_id, synchronization.id = %active.synchronization_id, "run failed: {problem}");
        let error = RunError { code: problem.code().to_owned(), message: problem.detail().to_owned() };
        let problem = Arc::new(problem);
        let closed = match self.store.run(&active.account_id, &active.run_id).await {
            Ok(Some(run)) => self.close(active, &run, RunState::Failed, &error, &problem).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = closed {
            // A database that cannot be written now: the agent may try again, else the lease runs out.
            tracing::error!(run.id = %active.run_id, synchronization.id = %active.synchronization_id, "cannot note that the run failed: {error:#}");
            active.release_end();
        }
        active.tell(Err(problem));
    }

    async fn plan_and_act(&self, active: &ActiveRun) -> ApiResult<()> {
        let run = self.run_in(&active.account_id, &active.run_id).await?;
        if run.state != RunState::Running {
            return Err(ended_problem(&run));
        }
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let started = Instant::now();
            let plan = make_plan(&self.store, &run, now, Lines::Write).await?;
            let planned_at = Instant::now();
            if plan.conclusion.state != RunState::Applied {
                let shelved = self.store.shelve(&run, &plan.conclusion, self.clock.now()).await?;
                self.tidy_up(&run);
                if !shelved {
                    return Err(self.ended_meanwhile(&run).await?);
                }
                tell_shelved(&run, &plan.conclusion);
                metrics::run_ended(&run, plan.conclusion.state, self.clock.now());
                return Ok(());
            }
            match self.store.apply(&run, &plan.conclusion, plan.planned_at, now).await? {
                Applied::Done => {
                    tracing::info!(
                        run.id = %run.id, synchronization.id = %run.synchronization_id,
                        changes = plan.conclusion.counts.effective(),
                        plan_ms = millis(planned_at - started), apply_ms = millis(planned_at.elapsed()),
                        "run applied"
                    );
                    metrics::run_ended(&run, RunState::Applied, self.clock.now());
                    self.tidy_up(&run);
                    return Ok(());
                }
                Applied::PeopleChanged => {}
                Applied::Ended | Applied::Busy => return Err(self.ended_meanwhile(&run).await?),
                Applied::SettingsChanged => {
                    return Err(Problem::conflict(
                        "settings-changed",
                        "The synchronization's settings or policy changed during the run; nothing was changed. Run it again.",
                    ));
                }
            }
        }
        Err(Problem::conflict(
            "people-changed",
            format!(
                "The account's people were changed again and again while the plan was made ({ATTEMPTS} attempts); nothing \
                 was changed. Run it again."
            ),
        ))
    }

    /// Applies a held plan, as long as nothing it rests on has changed. Of several who approve it at once, one does.
    pub async fn approve(&self, account_id: &str, run_id: &str) -> ApiResult<()> {
        let _alone = self.approving.lock().await;
        let mut run = self.held_run(account_id, run_id).await?;
        let state = self.store.sync_state(account_id, &run.synchronization_id).await?;
        if state.is_none_or(|state| state.version != run.sync_version) {
            return Err(stale(run_id, "the synchronization's settings or policy changed"));
        }
        if let Some(receipt) = &run.receipt
            && self.check_nothing_is_lost(&run, receipt).await.is_err()
        {
            return Err(stale(run_id, "what it rests on was lost when the control plane was upgraded"));
        }
        let now = self.clock.now();
        let plan = make_plan(&self.store, &run, now, Lines::Weigh).await?;
        if Some(plan.conclusion.plan_digest) != run.plan_digest {
            return Err(stale(run_id, "the account's people changed in a way that changes the plan"));
        }
        run.approved_at = Some(now);
        match self.store.apply(&run, &plan.conclusion, plan.planned_at, now).await? {
            Applied::Done => {
                tracing::info!(run.id = %run.id, synchronization.id = %run.synchronization_id, "held plan approved and applied");
                self.bus.wake(AgentIdentity::of(&run));
                self.tidy_up(&run);
                Ok(())
            }
            Applied::PeopleChanged => Err(stale(run_id, "the account's people changed just now")),
            Applied::SettingsChanged => Err(stale(run_id, "the settings or the policy changed just now")),
            Applied::Busy => Err(Problem::conflict(
                "run-active",
                "Another run of this synchronization is under way; wait until it has ended, then look at what is held.",
            )),
            Applied::Ended => Err(self
                .held_run(account_id, run_id)
                .await
                .err()
                .unwrap_or_else(|| not_held(run_id, "changing hands"))),
        }
    }

    /// What there is to say of a run that somebody ended while it was planned.
    async fn ended_meanwhile(&self, run: &Run) -> ApiResult<Problem> {
        Ok(ended_problem(&self.run_in(&run.account_id, &run.id).await?))
    }

    /// Turns a held plan down; the next run proposes it again.
    pub async fn reject(&self, account_id: &str, run_id: &str) -> ApiResult<()> {
        let run = self.held_run(account_id, run_id).await?;
        let now = self.clock.now();
        if !self.store.end_run(account_id, run_id, RunState::Held, RunState::Rejected, None, now).await? {
            return Err(not_held(&run.id, "no longer held"));
        }
        tracing::info!(run.id = %run.id, synchronization.id = %run.synchronization_id, "held plan rejected");
        self.bus.wake(AgentIdentity::of(&run));
        self.tidy_up(&run);
        Ok(())
    }

    async fn held_run(&self, account_id: &str, run_id: &str) -> ApiResult<Run> {
        let run = self.run_in(account_id, run_id).await?;
        match run.state {
            RunState::Held => Ok(run),
            RunState::Superseded => Err(Problem::conflict(
                "superseded",
                format!("The plan of run {run_id} was superseded by a later run; look at that one."),
            )),
            state => Err(not_held(run_id, state.as_str())),
        }
    }

    /// What ended runs have staged, this one or one that it superseded, is of no use any more, nor are old plans that were
    /// never applied. Nobody waits for it to be forgotten; failing harms nobody: the next run or start tries again.
    pub(super) fn tidy_up(&self, run: &Run) {
        let store = self.store.clone();
        let AgentIdentity { account_id, synchronization_id } = AgentIdentity::of(run);
        tokio::spawn(async move {
            if let Err(error) = store.clear_stale_staging().await {
                tracing::warn!("cannot clear what was staged: {error:#}");
            }
            if let Err(error) = store.forget_lines(&account_id, &synchronization_id).await {
                tracing::warn!("cannot forget old plans that were never applied: {error:#}");
            }
            if let Err(error) = store.checkpoint_wal().await {
                tracing::warn!("cannot move the write-ahead log into the database: {error:#}");
            }
        });
    }
}

fn stale(run_id: &str, why: &str) -> Problem {
    Problem::conflict(
        "plan-stale",
        format!(
            "The plan of run {run_id} is out of date: {why}. Run the synchronization again and look at the new plan."
        ),
    )
}

/// Says that a plan was not applied: loudly where somebody has to decide about it.
fn tell_shelved(run: &Run, conclusion: &Conclusion) {
    let changes = conclusion.counts.effective();
    if conclusion.state != RunState::Held {
        let state = conclusion.state.as_str();
        tracing::info!(run.id = %run.id, synchronization.id = %run.synchronization_id, changes, "run {state}");
        return;
    }
    let why: Vec<_> = conclusion.held_because.iter().map(|held| held.reason.sentence()).collect();
    tracing::warn!(
        run.id = %run.id, synchronization.id = %run.synchronization_id, changes,
        "run held, nothing was changed ({}); look at its plan and approve or reject it: \
         no change of the directory is brought over before",
        why.join("; ")
    );
}

fn not_held(run_id: &str, state: &str) -> Problem {
    Problem::conflict(
        "not-held",
        format!("The run {run_id} is {state}; only a held plan can be approved or rejected."),
    )
}
