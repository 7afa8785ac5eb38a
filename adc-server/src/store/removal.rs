//! Removing a synchronization without losing anybody.

use super::{
    Store, Synchronization, Tx,
    ledger::{self, LocalChange},
    synchronizations,
};
use crate::clock::Millis;
use adc_core::{plan::Action, reason::Reason};
use serde_json::json;

/// What came of removing a synchronization.
#[derive(Debug)]
pub enum Removal {
    /// It is gone, and what it had staged for this held run is of no use any more.
    Done(Option<String>),
    /// There is no such synchronization.
    NotFound,
    /// This run of it is under way.
    Busy(String),
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
        let people = release(&mut tx, account_id, id, now).await?;
        ledger::record(&mut tx, account_id, &entry(&removed, people, by), now).await?;
        tx.commit().await?;
        Ok(Removal::Done(removed.held_run))
    }
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
         WHERE account_id = $2 AND synchronization_id = $3 AND state = 'held'",
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

fn entry(removed: &Synchronization, people: u64, by: &str) -> LocalChange {
    LocalChange {
        by: by.to_owned(),
        kind: "synchronization".to_owned(),
        object_id: removed.id.clone(),
        synchronization_id: Some(removed.id.clone()),
        source_id: String::new(),
        dn: String::new(),
        username: removed.name.clone(),
        action: Action::Delete,
        reason: Reason::Administrator,
        before: Some(json!({ "name": removed.name, "application_id": removed.application_id })),
        after: Some(json!({ "became_local": people })),
    }
}
