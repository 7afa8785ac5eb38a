//! What there is, counted for Prometheus.

use super::Store;
use crate::clock::Millis;
use std::collections::BTreeMap;

/// How things stand in the whole control plane, over all accounts. Names nobody: words and ids only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Runs by state. What is `held` waits for approval.
    pub runs: BTreeMap<String, i64>,
    /// Users by status.
    pub users: BTreeMap<String, i64>,
    /// When the last applied run of a synchronization ended, by the synchronization's id.
    pub last_applied: BTreeMap<String, Millis>,
}

impl Store {
    /// Counts what there is now.
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
        let last_applied = sqlx::query_as(
            "SELECT s.id, r.finished_at FROM synchronizations s
             JOIN runs r ON r.account_id = s.account_id AND r.id = s.last_applied_run
             WHERE r.finished_at IS NOT NULL",
        )
        .fetch_all(&self.read)
        .await?;
        Ok(Gauges {
            runs: runs.into_iter().collect(),
            users: users.into_iter().collect(),
            last_applied: last_applied.into_iter().collect(),
        })
    }
}
