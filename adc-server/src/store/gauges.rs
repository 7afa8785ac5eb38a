//! What there is, counted for Prometheus.

use super::{
    Store,
    runs::{json, optional_json},
    schedules::is_in_force,
};
use crate::clock::Millis;
use adc_core::{policy::Policy, protocol::Counts, settings::Settings};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// How things stand in the whole control plane, over all accounts. Names nobody: words and ids only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Runs by state. What is `held` waits for approval.
    pub runs: BTreeMap<String, i64>,
    /// Users by status.
    pub users: BTreeMap<String, i64>,
    /// All synchronizations.
    pub synchronizations: Vec<String>,
    /// When the last applied run of a synchronization ended, by the synchronization's id.
    pub last_applied: BTreeMap<String, Millis>,
    /// The synchronizations whose changes are to be followed: by their policy, and unless all their runs are to be dry.
    pub following: BTreeSet<String>,
    /// Since when a run is due that nothing came of and nobody has decided on, by synchronization; `None` where that is so of no run. Only of
    /// schedules that are in force.
    pub due_since: BTreeMap<String, Option<Millis>>,
    /// The objects in conflict in the last applied run of a synchronization.
    pub conflicts: BTreeMap<String, u64>,
    /// Since when a run of a synchronization waits for an agent.
    pub queued_since: BTreeMap<String, Millis>,
    /// Since when a plan of a synchronization waits for approval.
    pub held_since: BTreeMap<String, Millis>,
    /// Bytes of the database's files: `main` and `staging`.
    pub bytes: BTreeMap<String, i64>,
}

/// The states of runs that were applied, previewed as somebody wanted it, or decided on by somebody.
const CAME_TO_SOMETHING: [&str; 5] = ["applied", "previewed", "rejected", "superseded", "cancelled"];

impl Store {
    /// Counts what there is now. No row is read but those of synchronizations and of runs that wait: the rest are look-ups in
    /// indexes, and the number of all users is counted page by page of one (under a millisecond for 100,000).
    pub async fn gauges(&self) -> anyhow::Result<Gauges> {
        let runs =
            sqlx::query_as("SELECT state, COUNT(*) FROM runs GROUP BY state").fetch_all(&self.read).await?;
        // Counted by who is not active: few of many, and SQLite counts all of them without reading a row.
        let users = sqlx::query_as(
            "SELECT status, COUNT(*) FROM users WHERE status <> 'active' GROUP BY status
             UNION ALL
             SELECT 'active', (SELECT COUNT(*) FROM users)
                 - (SELECT COUNT(*) FROM users WHERE status <> 'active')",
        )
        .fetch_all(&self.read)
        .await?;
        let mut gauges = Gauges {
            runs: runs.into_iter().collect(),
            users: users.into_iter().collect(),
            bytes: self.bytes().await?,
            ..Gauges::default()
        };
        let synchronizations = sqlx::query(
            "SELECT s.id, s.settings, s.policy, s.schedule, s.schedule_last_due, r.finished_at, r.counts, d.state AS due_run
             FROM synchronizations s
             LEFT JOIN runs r ON r.account_id = s.account_id AND r.id = s.last_applied_run
             LEFT JOIN runs d ON d.account_id = s.account_id AND d.id = s.schedule_last_run",
        )
        .fetch_all(&self.read)
        .await?;
        for row in synchronizations {
            let id: String = row.try_get("id")?;
            let finished: Option<Millis> = row.try_get("finished_at")?;
            let counts: Option<Counts> = optional_json(row.try_get("counts")?)?;
            let (settings, policy): (Settings, Option<Policy>) =
                (json(row.try_get("settings")?)?, optional_json(row.try_get("policy")?)?);
            if policy.unwrap_or_default().follow_changes && settings.dry_run != Some(true) {
                gauges.following.insert(id.clone());
            }
            if is_in_force(optional_json(row.try_get("schedule")?)?.as_ref()) {
                let due: Option<Millis> = row.try_get("schedule_last_due")?;
                let became: Option<String> = row.try_get("due_run")?;
                let is_open = became.as_deref().is_none_or(|state| !CAME_TO_SOMETHING.contains(&state));
                let due = due.filter(|due| is_open && finished.is_none_or(|finished| finished < *due));
                gauges.due_since.insert(id.clone(), due);
            }
            gauges.last_applied.extend(finished.map(|at| (id.clone(), at)));
            gauges.conflicts.extend(counts.map(|counts| (id.clone(), counts.conflict)));
            gauges.synchronizations.push(id);
        }
        // At most one of each for a synchronization.
        let waiting: Vec<(String, String, Millis)> = sqlx::query_as(
            "SELECT synchronization_id, state, created_at FROM runs WHERE state IN ('queued', 'held')",
        )
        .fetch_all(&self.read)
        .await?;
        for (synchronization, state, since) in waiting {
            let list = if state == "held" { &mut gauges.held_since } else { &mut gauges.queued_since };
            list.insert(synchronization, since);
        }
        Ok(gauges)
    }

    /// As SQLite counts them; what waits in the write-ahead logs comes on top.
    async fn bytes(&self) -> anyhow::Result<BTreeMap<String, i64>> {
        let bytes = sqlx::query_as(
            "SELECT d.name, c.page_count * s.page_size
             FROM pragma_database_list d, pragma_page_count(d.name) c, pragma_page_size(d.name) s
             WHERE d.name IN ('main', 'staging')",
        )
        .fetch_all(&self.read)
        .await?;
        Ok(bytes.into_iter().collect())
    }
}
