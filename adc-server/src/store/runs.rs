//! Runs: opened, concluded, and what the next one must know of them.

mod made;

use super::{Store, Tx};
use crate::clock::Millis;
use adc_core::{
    guard::Emptied,
    policy::Policy,
    protocol::{
        AgentInfo, Counts, Fingerprint, FullBecause, HeldBecause, Mark, Mode, Receipt, RunError, RunState,
        Trigger,
    },
    record::Digest,
    settings::{EffectiveSettings, Settings},
    source_id::SourceId,
};
use anyhow::Context;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sqlx::Row;

/// A run as it is kept.
#[derive(Debug, Clone)]
pub struct Run {
    /// Whose it is.
    pub account_id: String,
    /// Its id, chosen by the agent.
    pub id: String,
    /// What it synchronizes.
    pub synchronization_id: String,
    /// What started it: `agent`, `manual`, `schedule`, `change`, `csv`, `undo`.
    pub trigger: String,
    /// Full or delta.
    pub mode: Mode,
    /// Why it is full.
    pub full_because: Option<FullBecause>,
    /// Whether somebody asked for it to read everything: it may have other reasons too.
    pub full_asked: bool,
    /// Where it stands.
    pub state: RunState,
    /// Whether it only previews.
    pub dry_run: bool,
    /// The settings in force.
    pub settings: EffectiveSettings,
    /// The policy in force.
    pub policy: Policy,
    /// The version of settings and policy it was opened with.
    pub sync_version: i64,
    /// What the agent reads, and with what.
    pub fingerprint: Fingerprint,
    /// Who runs it.
    pub agent: AgentInfo,
    /// The proof that the read was complete, once there is one.
    pub receipt: Option<Receipt>,
    /// What the plan holds, once there is one.
    pub counts: Option<Counts>,
    /// Skips and conflicts that wait for somebody.
    pub needs_attention: u64,
    /// Which guards hold it.
    pub held_because: Vec<HeldBecause>,
    /// The plan's digest, by which an approval knows that nothing it rests on has changed.
    pub plan_digest: Option<Digest>,
    /// Users the plan removes.
    pub removals: u64,
    /// When it was approved.
    pub approved_at: Option<Millis>,
    /// Why it failed.
    pub error: Option<RunError>,
    /// When it was asked for: queued, or opened where it never was.
    pub created_at: Millis,
    /// When an agent opened it; `None` while it waits for one, and where it ended so.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// The run before, whose agent vanished, and whose place in the queue it took.
    pub takes_over: Option<String>,
    /// How many tries that makes, this one included.
    pub attempt: u32,
    /// Whether its plan's lines are kept no longer: see [`Store::forget_lines`].
    pub lines_forgotten: bool,
}

/// What a new run must know of its synchronization.
#[derive(Debug, Clone)]
pub struct SyncState {
    /// The server's own switches.
    pub settings: Settings,
    /// The policy in force.
    pub policy: Policy,
    /// Raised by every change of the two.
    pub version: i64,
    /// Where the last applied run ended.
    pub checkpoint: Option<Checkpoint>,
    /// What the last applied run read, and with what.
    pub fingerprint: Option<Fingerprint>,
    /// What the last applied run decided with.
    pub decided_on: Option<DecidedOn>,
    /// The last applied run.
    pub last_applied_run: Option<String>,
}

/// A directory's position and the server it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The server's identity: a position means nothing elsewhere.
    pub server: String,
    /// The position.
    pub mark: Mark,
    /// Some of those who had left, the last ones first: a directory that shows them as they were was put back from a backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<SourceId>,
}

/// What a plan was decided with: another value plans the whole mirror again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecidedOn {
    /// [`EffectiveSettings::deciding_values`].
    pub settings: [bool; 6],
    /// The policy.
    pub policy: Policy,
}

impl DecidedOn {
    /// Whether a plan comes out the same, decided with the one or the other.
    pub fn decides_like(&self, other: &Self) -> bool {
        self.settings == other.settings && self.policy.decides_like(&other.policy)
    }

    /// Whether `no-update-provider-mismatch` was on.
    pub fn leaves_others_alone(&self) -> bool {
        let [_, _, _, _, no_update_provider_mismatch, _] = self.settings;
        no_update_provider_mismatch
    }
}

/// How a run's plan came out.
#[derive(Debug, Clone)]
pub struct Conclusion {
    /// `previewed`, `held` or `applied`.
    pub state: RunState,
    /// What the plan holds.
    pub counts: Counts,
    /// Skips and conflicts that wait for somebody.
    pub needs_attention: u64,
    /// Which guards hold it.
    pub held_because: Vec<HeldBecause>,
    /// The plan's digest.
    pub plan_digest: Digest,
    /// Users the plan removes.
    pub removals: u64,
    /// Groups the plan removes.
    pub group_removals: u64,
    /// Org units the plan removes.
    pub org_unit_removals: u64,
    /// Groups and fields the plan empties, and whom it lets in.
    pub emptied: Emptied,
    /// Whether nobody has vouched yet for the configuration and the rules it was made with.
    pub unvouched: bool,
}

/// Who was removed of a synchronization without approval within the last 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemovedLately {
    /// Users.
    pub users: u64,
    /// Groups.
    pub groups: u64,
    /// Org units.
    pub org_units: u64,
}

/// What came of opening a run.
#[derive(Debug)]
pub enum Opened {
    /// It is running now.
    New,
    /// The same request came before.
    Before(Box<Run>),
    /// Another run of the synchronization is running.
    Busy(String),
    /// The run follows a change, and this run's plan waits for a decision.
    Held(String),
    /// The id names a run of somebody else.
    Taken,
    /// The run was prepared with a state of the synchronization that is gone: read it again.
    Outdated,
}

impl Store {
    /// Opens a run that was prepared with `state`, unless another one of the synchronization is running.
    pub async fn open_run(&self, run: &Run, state: &SyncState) -> anyhow::Result<Opened> {
        let mut tx = self.begin().await?;
        if !is_still(&mut tx, run, state).await? {
            return Ok(Opened::Outdated);
        }
        let before = fetch_run(&mut tx, &run.account_id, &run.id).await?;
        let was_queued = before.as_ref().is_some_and(|before| before.state == RunState::Queued);
        if let Some(before) = before.filter(|_| !was_queued) {
            return Ok(Opened::Before(Box::new(before)));
        }
        let taken: Option<String> =
            sqlx::query_scalar("SELECT id FROM runs WHERE id = $1 AND account_id <> $2")
                .bind(&run.id)
                .bind(&run.account_id)
                .fetch_optional(&mut *tx)
                .await?;
        if taken.is_some() {
            return Ok(Opened::Taken);
        }
        let active: Option<String> = sqlx::query_scalar(
            "SELECT id FROM runs WHERE account_id = $1 AND synchronization_id = $2 AND state = 'running'",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(active) = active {
            return Ok(Opened::Busy(active));
        }
        if Trigger::of(&run.trigger).is_some_and(Trigger::waits_for_decision)
            && let Some(held) = held_run(&mut tx, run).await?
        {
            return Ok(Opened::Held(held));
        }
        if was_queued {
            sqlx::query("DELETE FROM runs WHERE account_id = $1 AND id = $2")
                .bind(&run.account_id)
                .bind(&run.id)
                .execute(&mut *tx)
                .await?;
        }
        insert_run(&mut tx, run).await?;
        tx.commit().await?;
        Ok(Opened::New)
    }

    /// One run of an account.
    pub async fn run(&self, account_id: &str, run_id: &str) -> anyhow::Result<Option<Run>> {
        let row = sqlx::query("SELECT * FROM runs WHERE account_id = $1 AND id = $2")
            .bind(account_id)
            .bind(run_id)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(Run::from_row).transpose()
    }

    /// The runs that were under way when the process ended.
    pub async fn running_runs(&self) -> anyhow::Result<Vec<Run>> {
        let rows = sqlx::query("SELECT * FROM runs WHERE state = 'running' ORDER BY id")
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(Run::from_row).collect()
    }

    /// What a new run must know of its synchronization; `None` when it was deleted.
    pub async fn sync_state(&self, account_id: &str, id: &str) -> anyhow::Result<Option<SyncState>> {
        let row = sqlx::query(
            "SELECT settings, policy, version, checkpoint, fingerprint, decided_on, last_applied_run
             FROM synchronizations WHERE account_id = $1 AND id = $2",
        )
        .bind(account_id)
        .bind(id)
        .fetch_optional(&self.read)
        .await?;
        row.map(|row| {
            Ok(SyncState {
                settings: json(row.try_get("settings")?)?,
                policy: optional_json(row.try_get("policy")?)?.unwrap_or_default(),
                version: row.try_get("version")?,
                checkpoint: optional_json(row.try_get("checkpoint")?)?,
                fingerprint: optional_json(row.try_get("fingerprint")?)?,
                decided_on: optional_json(row.try_get("decided_on")?)?,
                last_applied_run: row.try_get("last_applied_run")?,
            })
        })
        .transpose()
    }

    /// Whether a full run that was opened at `since` or later was applied.
    pub async fn was_read_in_full_since(
        &self,
        account_id: &str,
        synchronization_id: &str,
        since: Millis,
    ) -> anyhow::Result<bool> {
        let read: Option<String> = sqlx::query_scalar(
            "SELECT id FROM runs
             WHERE account_id = $1 AND synchronization_id = $2 AND created_at >= $3 AND mode = 'full' AND state = 'applied'
             ORDER BY created_at DESC LIMIT 1",
        )
        .bind(account_id)
        .bind(synchronization_id)
        .bind(since)
        .fetch_optional(&self.read)
        .await?;
        Ok(read.is_some())
    }

    /// Keeps the agent's proof that the read was complete; `false` when the run is not running any more, or has become full.
    pub async fn keep_receipt(&self, run: &Run, receipt: &Receipt) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let kept = sqlx::query(
            "UPDATE runs SET receipt = $1 WHERE account_id = $2 AND id = $3 AND state = 'running' AND mode = $4",
        )
        .bind(serde_json::to_string(receipt)?)
        .bind(&run.account_id)
        .bind(&run.id)
        .bind(word(&run.mode)?)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Forgets the proof of a run that is to read more: it is not finished any more.
    pub(super) async fn forget_receipt(&self, run: &Run) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE runs SET receipt = NULL WHERE account_id = $1 AND id = $2 AND state = 'running'")
            .bind(&run.account_id)
            .bind(&run.id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends a run that changes nothing: failed, cancelled, interrupted, rejected. `from` is the state it must be in.
    pub async fn end_run(
        &self,
        account_id: &str,
        run_id: &str,
        from: RunState,
        to: RunState,
        error: Option<&RunError>,
        now: Millis,
    ) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let ended = end(&mut tx, account_id, run_id, from, (to, error), now).await?;
        tx.commit().await?;
        Ok(ended)
    }
}

/// Writes how a run's plan came out, in the transaction that makes it so; `false` when the run is no longer in the state
/// it was planned in. Whatever else is held of the synchronization is superseded, unless this run was only a preview.
pub(super) async fn conclude(
    tx: &mut Tx,
    run: &Run,
    conclusion: &Conclusion,
    now: Millis,
) -> anyhow::Result<bool> {
    if conclusion.state != RunState::Previewed {
        sqlx::query(
            "UPDATE runs SET state = 'superseded', finished_at = $1
             WHERE account_id = $2 AND synchronization_id = $3 AND state = 'held' AND id <> $4",
        )
        .bind(now)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(&run.id)
        .execute(&mut **tx)
        .await?;
    }
    let updated = sqlx::query(
        "UPDATE runs SET state = $1, counts = $2, needs_attention = $3, held_because = $4, plan_digest = $5,
             removals = $6, group_removals = $7, org_unit_removals = $8, emptied = $9, finished_at = $10, approved_at = $11
         WHERE account_id = $12 AND id = $13 AND state = $14",
    )
    .bind(conclusion.state.as_str())
    .bind(serde_json::to_string(&conclusion.counts)?)
    .bind(i64::try_from(conclusion.needs_attention)?)
    .bind(serde_json::to_string(&conclusion.held_because)?)
    .bind(conclusion.plan_digest.to_string())
    .bind(i64::try_from(conclusion.removals)?)
    .bind(i64::try_from(conclusion.group_removals)?)
    .bind(i64::try_from(conclusion.org_unit_removals)?)
    .bind((!conclusion.emptied.is_nothing()).then(|| serde_json::to_string(&conclusion.emptied)).transpose()?)
    .bind(now)
    .bind(run.approved_at)
    .bind(&run.account_id)
    .bind(&run.id)
    .bind(run.state.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Writes a run that is new.
pub(super) async fn insert_run(tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO runs (account_id, id, synchronization_id, triggered_by, mode, full_because, state, dry_run,
             settings, policy, sync_version, fingerprint, agent, created_at, takes_over, attempt, full_asked, started_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )
    .bind(&run.account_id)
    .bind(&run.id)
    .bind(&run.synchronization_id)
    .bind(&run.trigger)
    .bind(word(&run.mode)?)
    .bind(run.full_because.as_ref().map(word).transpose()?)
    .bind(run.state.as_str())
    .bind(i64::from(run.dry_run))
    .bind(serde_json::to_string(&run.settings)?)
    .bind(serde_json::to_string(&run.policy)?)
    .bind(run.sync_version)
    .bind(serde_json::to_string(&run.fingerprint)?)
    .bind(serde_json::to_string(&run.agent)?)
    .bind(run.created_at)
    .bind(&run.takes_over)
    .bind(i64::from(run.attempt))
    .bind(i64::from(run.full_asked))
    .bind(run.started_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends a run that changes nothing; `false` when it is not `from` any more.
pub(super) async fn end(
    tx: &mut Tx,
    account_id: &str,
    run_id: &str,
    from: RunState,
    (to, error): (RunState, Option<&RunError>),
    now: Millis,
) -> anyhow::Result<bool> {
    let ended = sqlx::query(
        "UPDATE runs SET state = $1, error = $2, finished_at = $3 WHERE account_id = $4 AND id = $5 AND state = $6",
    )
    .bind(to.as_str())
    .bind(error.map(serde_json::to_string).transpose()?)
    .bind(now)
    .bind(account_id)
    .bind(run_id)
    .bind(from.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(ended.rows_affected() == 1)
}

async fn fetch_run(tx: &mut Tx, account_id: &str, run_id: &str) -> anyhow::Result<Option<Run>> {
    let row = sqlx::query("SELECT * FROM runs WHERE account_id = $1 AND id = $2")
        .bind(account_id)
        .bind(run_id)
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(Run::from_row).transpose()
}

pub(super) fn json<T: DeserializeOwned>(text: String) -> anyhow::Result<T> {
    serde_json::from_str(&text).context("a JSON column of the database")
}

pub(super) fn optional_json<T: DeserializeOwned>(text: Option<String>) -> anyhow::Result<Option<T>> {
    text.map(json).transpose()
}

async fn held_run(tx: &mut Tx, run: &Run) -> anyhow::Result<Option<String>> {
    let held = sqlx::query_scalar(
        "SELECT id FROM runs WHERE account_id = $1 AND synchronization_id = $2 AND state = 'held'",
    )
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(held)
}

/// Whether nothing was applied meanwhile, and neither settings nor policy were changed.
async fn is_still(tx: &mut Tx, run: &Run, state: &SyncState) -> anyhow::Result<bool> {
    let row = sqlx::query(
        "SELECT version, last_applied_run FROM synchronizations WHERE account_id = $1 AND id = $2",
    )
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    Ok(row.try_get::<i64, _>(0)? == state.version
        && row.try_get::<Option<String>, _>(1)? == state.last_applied_run)
}

/// An enum as the one word it is in JSON.
pub(super) fn word<T: Serialize>(value: &T) -> anyhow::Result<String> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => anyhow::bail!("{other} is no word"),
    }
}

pub(super) fn from_word<T: DeserializeOwned>(word: String) -> anyhow::Result<T> {
    serde_json::from_value(serde_json::Value::String(word)).context("a word of the database")
}
