//! Removing a synchronization without losing anybody.

use super::{
    ChangeOfRun, ChangesFilter, Store, Synchronization, Tx,
    ledger::{self, LocalChange},
    synchronizations,
};
use crate::clock::Millis;
use adc_core::{plan::Action, reason::Reason, record::Kind};
use serde_json::json;

/// What came of removing a synchronization.
#[derive(Debug)]
pub enum Removal {
    /// It is gone, and with it the plan that was held, if one was.
    Done(Option<DroppedPlan>),
    /// There is no such synchronization.
    NotFound,
    /// This run of it is under way.
    Busy(String),
}

/// A held plan of which nothing comes any more.
#[derive(Debug)]
pub struct DroppedPlan {
    /// Its run; what that had staged is of no use any more.
    pub run_id: String,
    /// Users it would have removed, who stay as they are.
    pub removals: i64,
}

impl Store {
    /// Removes a synchronization: its people stay as they are and become local users, its groups and org units are
    /// deleted, its runs stay for audit, and a held plan is cancelled. `by` is the API key, for the ledger.
    pub async fn remove_synchronization(
        &self,
        account_id: &str,
        id: &str,
        by: &str,
        now: Millis,
    ) -> anyhow::Result<Removal> {
        let mut tx = self.begin().await?;
        let Some(removed) = synchronizations::fetch(&mut tx, account_id, id).await? else {
            return Ok(Removal::NotFound);
        };
        if let Some(run) = &removed.active_run {
            return Ok(Removal::Busy(run.clone()));
        }
        let dropped = match &removed.held_run {
            Some(run_id) => Some(dropped_plan(&mut tx, account_id, run_id).await?),
            None => None,
        };
        note_what_becomes(&mut tx, account_id, id).await?;
        let people = release(&mut tx, account_id, id, now).await?;
        let entry = entry(&removed, people, dropped.as_ref(), by);
        ledger::record(&mut tx, account_id, &entry, now).await?;
        tx.commit().await?;
        Ok(Removal::Done(dropped))
    }

    /// What became of everything that a removed synchronization held: the lines after `seq`.
    pub async fn released(
        &self,
        account_id: &str,
        synchronization_id: &str,
        seq: i64,
        limit: i64,
    ) -> anyhow::Result<Vec<ChangeOfRun>> {
        let all = ChangesFilter::default();
        let mut lines = self.changes(account_id, synchronization_id, &all, seq, limit).await?;
        for ChangeOfRun { change, .. } in &mut lines {
            (change.before, change.after) = match change.kind {
                Kind::User => (Some(json!({ "dn": change.dn })), Some(json!({ "dn": "" }))),
                Kind::Group | Kind::OrgUnit => {
                    (Some(json!({ "status": "active" })), Some(json!({ "status": "deleted" })))
                }
            };
        }
        Ok(lines)
    }
}

async fn dropped_plan(tx: &mut Tx, account_id: &str, run_id: &str) -> anyhow::Result<DroppedPlan> {
    let removals = sqlx::query_scalar("SELECT removals FROM runs WHERE account_id = $1 AND id = $2")
        .bind(account_id)
        .bind(run_id)
        .fetch_one(&mut **tx)
        .await?;
    Ok(DroppedPlan { run_id: run_id.to_owned(), removals })
}

/// Writes a line for each object the synchronization holds, as if its removal were a run: under its own id, as no run
/// is called. What differs goes without saying until it is read.
async fn note_what_becomes(tx: &mut Tx, account_id: &str, id: &str) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO changes (account_id, run_id, seq, kind, source_id, dn, username, action, reason, target_id)
         SELECT $1, $2, ROW_NUMBER() OVER (ORDER BY kind, id), kind, source_id, dn, name, action, $3, id
         FROM (SELECT kind, id, source_id, dn, name, 'delete' AS action FROM units
               WHERE account_id = $1 AND synchronization_id = $2 AND deleted_at IS NULL
               UNION ALL
               SELECT 'user', id, source_id, dn, username, 'update' FROM users
               WHERE account_id = $1 AND synchronization_id = $2) AS held",
    )
    .bind(account_id)
    .bind(id)
    .bind(Reason::SynchronizationRemoved.code())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives up everything the synchronization held; returns how many people that were.
async fn release(tx: &mut Tx, account_id: &str, id: &str, now: Millis) -> anyhow::Result<u64> {
    let people = sqlx::query(
        "UPDATE users SET synchronization_id = NULL, source_id = NULL, dn = '', manager_key = NULL, updated_at = $1
         WHERE account_id = $2 AND synchronization_id = $3",
    )
    .bind(now)
    .bind(account_id)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    for sql in [
        "UPDATE units SET deleted_at = $1, updated_at = $1
         WHERE account_id = $2 AND synchronization_id = $3 AND deleted_at IS NULL",
        "UPDATE runs SET state = 'cancelled', finished_at = $1
         WHERE account_id = $2 AND synchronization_id = $3 AND state IN ('held', 'queued')",
    ] {
        sqlx::query(sql).bind(now).bind(account_id).bind(id).execute(&mut **tx).await?;
    }
    for sql in [
        "DELETE FROM members WHERE account_id = $1 AND synchronization_id = $2",
        "DELETE FROM claims WHERE account_id = $1 AND synchronization_id = $2",
        "DELETE FROM mirror WHERE account_id = $1 AND synchronization_id = $2",
        "DELETE FROM synchronizations WHERE account_id = $1 AND id = $2",
    ] {
        sqlx::query(sql).bind(account_id).bind(id).execute(&mut **tx).await?;
    }
    Ok(people.rows_affected())
}

fn entry(removed: &Synchronization, people: u64, dropped: Option<&DroppedPlan>, by: &str) -> LocalChange {
    let mut after = json!({ "became_local": people });
    if let Some(DroppedPlan { run_id, removals }) = dropped {
        after["dropped_plan"] = json!({ "run_id": run_id, "removals": removals });
    }
    LocalChange {
        by: by.to_owned(),
        kind: ledger::SYNCHRONIZATION.to_owned(),
        object_id: removed.id.clone(),
        synchronization_id: Some(removed.id.clone()),
        source_id: String::new(),
        dn: String::new(),
        username: removed.name.clone(),
        action: Action::Delete,
        reason: Reason::Administrator,
        before: Some(json!({ "name": removed.name, "application_id": removed.application_id })),
        after: Some(after),
    }
}
