//! Runs that wait for an agent, and what the hub must know of a synchronization to deal with its agents.

use super::{
    Run, Store, Tx,
    runs::{insert_run, json, optional_json},
    schedules::{is_still_wanted, succeed},
};
use crate::clock::Millis;
use adc_core::{
    policy::Policy,
    protocol::{AgentInfo, RunError, RunState, Trigger},
    settings::Settings,
};
use sqlx::{Row, sqlite::SqliteRow};

/// What came of queueing a run.
#[derive(Debug)]
pub enum Queued {
    /// It waits now.
    New,
    /// This run of the synchronization is under way, or waits already.
    Busy(String),
    /// Nobody asked for the run by hand, and this run's plan waits for a decision.
    Held(String),
    /// The synchronization is not there.
    NotFound,
}

/// A synchronization, as the hub must know it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The run that waits for an agent.
    pub queued: Option<Box<Run>>,
    /// The run that is under way.
    pub running: Option<String>,
    /// The run whose plan waits for a decision.
    pub held: Option<String>,
    /// Whether any run was ever applied.
    pub ever_applied: bool,
    /// The server's own switches.
    pub settings: Settings,
    /// The policy in force.
    pub policy: Policy,
    /// The process that fell silent in the run that the queued one takes over.
    pub vanished: Option<String>,
}

impl Store {
    /// Puts a run into the queue of its synchronization.
    pub async fn queue_run(&self, run: &Run) -> anyhow::Result<Queued> {
        let mut tx = self.begin().await?;
        let others = others(&mut tx, &run.account_id, &run.synchronization_id).await?;
        let Some(others) = others else { return Ok(Queued::NotFound) };
        if let Some(busy) = others.running.or(others.queued) {
            return Ok(Queued::Busy(busy));
        }
        if let Some(held) = others.held
            && Trigger::of(&run.trigger).is_some_and(Trigger::waits_for_decision)
        {
            return Ok(Queued::Held(held));
        }
        insert_run(&mut tx, run).await?;
        tx.commit().await?;
        Ok(Queued::New)
    }

    /// Ends a run that changes nothing; `false` when it is not `from` any more. In the same transaction `successor` takes its place
    /// in the queue, unless another run waits there, or the schedule that made it was switched off meanwhile.
    pub async fn end_run_with_successor(
        &self,
        run: &Run,
        from: RunState,
        (to, error): (RunState, &RunError),
        successor: Option<&Run>,
        now: Millis,
    ) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let ended = super::runs::end(&mut tx, &run.account_id, &run.id, from, (to, Some(error)), now).await?;
        if let Some(successor) = successor.filter(|_| ended) {
            let waiting = others(&mut tx, &run.account_id, &run.synchronization_id).await?;
            if waiting.is_some_and(|others| others.queued.is_none()) && is_still_wanted(&mut tx, run).await? {
                insert_run(&mut tx, successor).await?;
                succeed(&mut tx, run, successor).await?;
            }
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// The synchronizations with a run that waits for an agent, each after its account.
    pub async fn synchronizations_with_queued_runs(&self) -> anyhow::Result<Vec<(String, String)>> {
        let waiting = sqlx::query_as(
            "SELECT account_id, synchronization_id FROM runs WHERE state = 'queued' ORDER BY account_id, id",
        );
        Ok(waiting.fetch_all(&self.read).await?)
    }

    /// How a synchronization stands; `None` when it was deleted.
    pub async fn standing(&self, account_id: &str, id: &str) -> anyhow::Result<Option<Standing>> {
        let row = sqlx::query(
            "SELECT settings, policy, last_applied_run FROM synchronizations WHERE account_id = $1 AND id = $2",
        )
        .bind(account_id)
        .bind(id)
        .fetch_optional(&self.read)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let open = sqlx::query(
            "SELECT * FROM runs WHERE account_id = $1 AND synchronization_id = $2
               AND state IN ('queued', 'running', 'held')",
        )
        .bind(account_id)
        .bind(id)
        .fetch_all(&self.read)
        .await?;
        let open = open.iter().map(Run::from_row).collect::<anyhow::Result<Vec<_>>>()?;
        let in_state = |state| open.iter().find(|run| run.state == state);
        let queued = in_state(RunState::Queued);
        Ok(Some(Standing {
            vanished: match queued.and_then(|run| run.takes_over.as_ref()) {
                Some(before) => self.instance_of(account_id, before).await?,
                None => None,
            },
            queued: queued.cloned().map(Box::new),
            running: in_state(RunState::Running).map(|run| run.id.clone()),
            held: in_state(RunState::Held).map(|run| run.id.clone()),
            ever_applied: row.try_get::<Option<String>, _>("last_applied_run")?.is_some(),
            settings: json(row.try_get("settings")?)?,
            policy: optional_json(row.try_get("policy")?)?.unwrap_or_default(),
        }))
    }

    /// The process that did a run.
    async fn instance_of(&self, account_id: &str, run_id: &str) -> anyhow::Result<Option<String>> {
        let agent: Option<String> =
            sqlx::query_scalar("SELECT agent FROM runs WHERE account_id = $1 AND id = $2")
                .bind(account_id)
                .bind(run_id)
                .fetch_optional(&self.read)
                .await?;
        Ok(optional_json::<AgentInfo>(agent)?.and_then(|agent| agent.instance))
    }
}

/// The runs of a synchronization that are in the way of others.
pub(super) struct Others {
    pub(super) queued: Option<String>,
    pub(super) running: Option<String>,
    pub(super) held: Option<String>,
}

pub(super) async fn others(tx: &mut Tx, account_id: &str, id: &str) -> anyhow::Result<Option<Others>> {
    let row = sqlx::query(
        "SELECT (SELECT id FROM runs r WHERE r.account_id = $1 AND r.synchronization_id = $2 AND r.state = 'queued') AS queued,
                (SELECT id FROM runs r WHERE r.account_id = $1 AND r.synchronization_id = $2 AND r.state = 'running') AS running,
                (SELECT id FROM runs r WHERE r.account_id = $1 AND r.synchronization_id = $2 AND r.state = 'held') AS held
         FROM synchronizations WHERE account_id = $1 AND id = $2",
    )
    .bind(account_id)
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    let read = |row: SqliteRow| -> anyhow::Result<Others> {
        Ok(Others {
            queued: row.try_get("queued")?,
            running: row.try_get("running")?,
            held: row.try_get("held")?,
        })
    };
    row.map(read).transpose()
}
