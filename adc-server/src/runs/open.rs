//! Opens a run: settings merged, policy handed out, one run at a time.

use super::{AgentIdentity, Engine, ended_problem, queue::done_by_another};
use crate::{
    api::problem::{ApiResult, Problem},
    clock::Millis,
    store::{Checkpoint, Opened, Run, SyncState},
};
use adc_core::{
    protocol::{FullBecause, Mode, OpenRun, OpenedRun, RunState},
    settings::EffectiveSettings,
};

/// The longest run id taken: `run_` and 32 hexadecimal digits.
const RUN_ID_LENGTH: usize = 36;
/// How often a run is prepared again because a held plan was approved, or the settings changed, meanwhile.
const ATTEMPTS: usize = 5;
/// How long deltas may follow each other (milliseconds): a day. Then a run reads everything, which makes good what no
/// change feed tells: rights given back, attributes hidden by access rules, references that a server rewrites late, groups
/// whose members are computed.
const DELTAS_FOR_MS: Millis = 24 * 60 * 60 * 1000;

impl Engine {
    /// Opens a run under the agent's id, or answers again as it did before.
    pub async fn open(&self, agent: &AgentIdentity, request: &OpenRun) -> ApiResult<OpenedRun> {
        check_run_id(&request.run_id)?;
        for _ in 0..ATTEMPTS {
            let state = self.state_of(agent).await?;
            let queued = self.queued(agent, &request.run_id, request.trigger).await?;
            let run = match queued {
                None => self.prepare(agent, request, &state).await?,
                Some(queued) => self.prepare_queued(agent, request, &state, &queued).await?,
            };
            let run = match self.store.open_run(&run, &state).await? {
                Opened::New => run,
                Opened::Outdated => continue,
                Opened::Taken => return Err(id_taken()),
                Opened::Before(before) if before.synchronization_id != agent.synchronization_id => {
                    return Err(id_taken());
                }
                Opened::Before(before) if before.state != RunState::Running => {
                    return Err(ended_problem(&before));
                }
                Opened::Before(before) if before.agent.instance != request.agent.instance => {
                    return Err(done_by_another(&before));
                }
                Opened::Before(before) => *before,
                Opened::Busy(active) => return Err(busy(&active)),
                Opened::Held(held) => return Err(plan_held(&held)),
            };
            self.activate(&run).lease.renew();
            tracing::info!(run.id = %run.id, synchronization.id = %run.synchronization_id, agent.host = %run.agent.host, "run opened");
            let others_were_read = others_were_read(&state, request).is_some();
            let (checkpoint, left) =
                state.checkpoint.map(|Checkpoint { mark, left, .. }| (mark, left)).unzip();
            return Ok(OpenedRun {
                mirror_empty: self.store.mirror_is_empty(&run.account_id, &run.synchronization_id).await?,
                run_id: run.id,
                mode: run.mode,
                full_because: run.full_because,
                settings: run.settings,
                policy: run.policy,
                checkpoint,
                left: left.unwrap_or_default().into_iter().collect(),
                others_were_read,
            });
        }
        Err(changing())
    }

    async fn state_of(&self, agent: &AgentIdentity) -> ApiResult<SyncState> {
        self.store.sync_state(&agent.account_id, &agent.synchronization_id).await?.ok_or_else(|| {
            Problem::not_found(
                "synchronization-not-found",
                "This synchronization was deleted; ask for a new one.",
            )
        })
    }

    /// The run that is asked for, as `state` would have it.
    async fn prepare(&self, agent: &AgentIdentity, request: &OpenRun, state: &SyncState) -> ApiResult<Run> {
        let settings = EffectiveSettings::merge(&state.settings, &request.settings, request.dry_run);
        let now = self.clock.now();
        let full_because = match full_because(state, request) {
            None if self.is_overdue(agent, now).await? => Some(FullBecause::Overdue),
            full_because => full_because,
        };
        let AgentIdentity { account_id, synchronization_id } = agent;
        let id = request.run_id.clone();
        Ok(Run {
            trigger: request.trigger.as_str().to_owned(),
            mode: if full_because.is_some() { Mode::Full } else { Mode::Delta },
            full_because,
            full_asked: request.full,
            state: RunState::Running,
            fingerprint: request.fingerprint.clone(),
            agent: request.agent.clone(),
            started_at: Some(now),
            ..Run::queued(account_id, synchronization_id, id, (state, settings), now)
        })
    }

    /// The run that was queued, as it was asked for there; the agent can only narrow it.
    async fn prepare_queued(
        &self,
        agent: &AgentIdentity,
        request: &OpenRun,
        state: &SyncState,
        queued: &Run,
    ) -> ApiResult<Run> {
        let asked = OpenRun {
            dry_run: request.dry_run || queued.dry_run,
            full: request.full || queued.full_asked,
            ..request.clone()
        };
        let run = self.prepare(agent, &asked, state).await?;
        Ok(Run {
            trigger: queued.trigger.clone(),
            takes_over: queued.takes_over.clone(),
            attempt: queued.attempt,
            created_at: queued.created_at,
            ..run
        })
    }

    /// Whether nothing of the last day read everything.
    async fn is_overdue(&self, agent: &AgentIdentity, now: Millis) -> anyhow::Result<bool> {
        let read = self.store.was_read_in_full_since(
            &agent.account_id,
            &agent.synchronization_id,
            now - DELTAS_FOR_MS,
        );
        Ok(!read.await?)
    }
}

/// Why a run has to read everything, however lately that was done; `None` where a delta is enough.
fn full_because(state: &SyncState, request: &OpenRun) -> Option<FullBecause> {
    if state.last_applied_run.is_none() {
        Some(FullBecause::FirstRun)
    } else if request.full {
        Some(FullBecause::Asked)
    } else if let Some(because) = others_were_read(state, request) {
        Some(because)
    } else {
        let Some(feed) = &request.feed else { return Some(FullBecause::NoChangeFeed) };
        let goes_on = state.checkpoint.as_ref().is_some_and(|checkpoint| {
            checkpoint.mark.kind == feed.mark && checkpoint.server == request.fingerprint.server
        });
        (!goes_on).then_some(FullBecause::NoCheckpoint)
    }
}

/// Whether the last applied run read by another configuration or policy, and which of them.
fn others_were_read(state: &SyncState, request: &OpenRun) -> Option<FullBecause> {
    let fingerprint_changed =
        state.fingerprint.as_ref().is_some_and(|fingerprint| !fingerprint.is_same(&request.fingerprint));
    // A changed setting is decided anew from what was seen; another policy may want to see something else.
    let policy_changed =
        state.decided_on.as_ref().is_none_or(|decided_on| !decided_on.policy.decides_like(&state.policy));
    if fingerprint_changed {
        Some(FullBecause::FingerprintChanged)
    } else {
        policy_changed.then_some(FullBecause::PolicyChanged)
    }
}

fn id_taken() -> Problem {
    Problem::conflict("run-id-taken", "This run id is in use; choose another.")
}

pub(super) fn busy(active: &str) -> Problem {
    Problem::conflict(
        "run-active",
        format!(
            "The run {active} of this synchronization is under way; wait until it has ended, or cancel it."
        ),
    )
    .with_run(active)
    .retry_after(1)
}

/// Somebody keeps changing what the run would rest on.
fn changing() -> Problem {
    Problem::conflict(
        "synchronization-changing",
        format!("The synchronization was changed again and again while the run was opened ({ATTEMPTS} attempts); try again."),
    )
    .retry_after(1)
}

/// Whoever follows changes waits until somebody has decided; a person who runs anew supersedes the plan.
pub(super) fn plan_held(held: &str) -> Problem {
    Problem::conflict(
        "plan-held",
        format!(
            "The plan of run {held} is held and waits for a decision; changes are followed again once it is approved or \
             rejected, or superseded by a run that a person starts."
        ),
    )
    .with_run(held)
}

fn check_run_id(id: &str) -> ApiResult<()> {
    let digits = id.strip_prefix("run_").unwrap_or_default();
    let fits = id.len() <= RUN_ID_LENGTH
        && digits.len() >= 16
        && digits.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase());
    if fits {
        Ok(())
    } else {
        Err(Problem::bad_request(
            "bad-run-id",
            "A run id is \"run_\" and 16 to 32 lower-case letters or digits.",
        ))
    }
}
