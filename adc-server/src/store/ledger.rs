//! The ledger: what was applied, append-only, in commit order per account.
//!
//! A row stands for the effective changes of one applied run, or for one change that an administrator made; that of a
//! removed synchronization comes with a line for each object it held. Its sequence is the account's counter: whoever
//! changes the account's people raises it, and a plan that was made at another value is stale.

use super::{Store, Tx, runs::json};
use crate::clock::Millis;
use adc_core::{plan::Action, reason::Reason};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Row, sqlite::SqliteRow};

/// A change that an administrator made, as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalChange {
    /// The API key that made it.
    pub by: String,
    /// `user` or `synchronization`.
    pub kind: String,
    /// What was changed: `usr_…` or `syn_…`.
    pub object_id: String,
    /// The source it comes from, if any.
    pub synchronization_id: Option<String>,
    /// Its immutable identity there, if any.
    pub source_id: String,
    /// Where it stands there, if anywhere.
    pub dn: String,
    /// Its name.
    pub username: String,
    /// What happened.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What differs, as it was.
    pub before: Option<Value>,
    /// What differs, as it is now.
    pub after: Option<Value>,
}

impl LocalChange {
    /// The synchronization whose removal this is: what became of all it held follows as
    /// [lines](Store::released) of the same row.
    pub fn removed_synchronization(&self) -> Option<&str> {
        (self.kind == SYNCHRONIZATION).then_some(&self.object_id)
    }
}

/// The kind of change that is the removal of a synchronization: nothing else of one is an event.
pub(super) const SYNCHRONIZATION: &str = "synchronization";

/// A row of the ledger.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    /// Its place among the account's.
    pub seq: i64,
    /// What it stands for.
    pub entry: LedgerEntry,
    /// When it was committed.
    pub at: Millis,
}

/// What a row of the ledger stands for.
#[derive(Debug, Clone)]
pub enum LedgerEntry {
    /// The effective changes of an applied run.
    Run {
        /// The run.
        id: String,
        /// What it synchronized.
        synchronization_id: String,
    },
    /// One change made here.
    Local(Box<LocalChange>),
}

impl Store {
    /// The account's ledger from a sequence on, oldest first.
    pub async fn ledger_from(
        &self,
        account_id: &str,
        seq: i64,
        limit: i64,
    ) -> anyhow::Result<Vec<LedgerRow>> {
        let rows = sqlx::query(
            "SELECT l.seq, l.at, l.run_id, r.synchronization_id, l.change
             FROM ledger l LEFT JOIN runs r ON r.account_id = l.account_id AND r.id = l.run_id
             WHERE l.account_id = $1 AND l.seq >= $2 ORDER BY l.seq LIMIT $3",
        )
        .bind(account_id)
        .bind(seq)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(from_row).collect()
    }
}

fn from_row(row: &SqliteRow) -> anyhow::Result<LedgerRow> {
    let entry = match row.try_get::<Option<String>, _>("change")? {
        Some(change) => LedgerEntry::Local(Box::new(json(change)?)),
        None => LedgerEntry::Run {
            id: row.try_get("run_id")?,
            synchronization_id: row.try_get("synchronization_id")?,
        },
    };
    Ok(LedgerRow { seq: row.try_get("seq")?, entry, at: row.try_get("at")? })
}

/// Raises the account's sequence and returns it. With `expected` only if it still is that: the fence of plans.
pub(super) async fn advance(
    tx: &mut Tx,
    account_id: &str,
    expected: Option<i64>,
) -> anyhow::Result<Option<i64>> {
    Ok(sqlx::query_scalar(
        "UPDATE accounts SET ledger_seq = ledger_seq + 1 WHERE id = $1 AND (CAST($2 AS BIGINT) IS NULL OR ledger_seq = $2)
         RETURNING ledger_seq",
    )
    .bind(account_id)
    .bind(expected)
    .fetch_optional(&mut **tx)
    .await?)
}

/// Writes a change that an administrator made, with the account's next sequence.
pub(super) async fn record(
    tx: &mut Tx,
    account_id: &str,
    change: &LocalChange,
    now: Millis,
) -> anyhow::Result<()> {
    let seq = advance(tx, account_id, None).await?;
    let seq = seq.ok_or_else(|| anyhow::anyhow!("there is no account {account_id}"))?;
    sqlx::query("INSERT INTO ledger (account_id, seq, change, at) VALUES ($1, $2, $3, $4)")
        .bind(account_id)
        .bind(seq)
        .bind(serde_json::to_string(change)?)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
