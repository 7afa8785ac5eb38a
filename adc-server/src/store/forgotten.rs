//! Plans that were never applied: the lines of old ones are forgotten, or a synchronization that previews by the hour would fill
//! the disk with what nobody reads.
//!
//! The run itself stays, with its settings, receipt and counts. The lines of applied plans are the ledger, and stay; those of a
//! held plan stay as long as it waits, and count from its end.

use super::Store;

/// So many plans of a synchronization keep their lines without ever having been applied: enough to compare a preview with what
/// it was under some other rules. A preview of a first import takes a third of what the import itself will, so that these
/// take less than twice its room.
pub const UNAPPLIED_PLANS_KEPT: u8 = 5;

/// Runs whose lines are given up in one statement. More come after a database of an older version was taken over.
const RUNS_AT_ONCE: i64 = 100;
/// Lines deleted in one transaction (some kilobytes of the log each, index included): whoever else writes waits for tens of
/// milliseconds, not until a plan of 1,000,000 lines is gone.
const LINES_AT_ONCE: i64 = 2_000;

impl Store {
    /// Forgets the lines of all plans of a synchronization that were never applied, apart from the newest
    /// [`UNAPPLIED_PLANS_KEPT`], and of those of whichever where a crash came in between.
    ///
    /// What has ended without a plan, and may have left a part of one, has nothing to keep.
    pub async fn forget_lines(&self, account_id: &str, synchronization_id: &str) -> anyhow::Result<()> {
        while self.give_up_lines(account_id, synchronization_id).await? > 0 {}
        // Written down first, so that nobody takes what is left half way for a plan.
        let going: Vec<(String, String)> =
            sqlx::query_as("SELECT account_id, id FROM runs WHERE lines = 'going' ORDER BY account_id, id")
                .fetch_all(&self.read)
                .await?;
        for (account_id, run_id) in going {
            while self.delete_some_lines(&account_id, &run_id).await? > 0 {}
        }
        Ok(())
    }

    /// Says of some runs that their lines are going; how many these were.
    async fn give_up_lines(&self, account_id: &str, synchronization_id: &str) -> anyhow::Result<u64> {
        let mut tx = self.begin().await?;
        let given_up = sqlx::query(
            "UPDATE runs SET lines = 'going' WHERE account_id = $1 AND id IN (
                 SELECT id FROM runs
                 WHERE account_id = $1 AND synchronization_id = $2 AND lines = 'kept'
                   AND state NOT IN ('queued', 'running', 'held', 'applied')
                   AND id NOT IN (
                       SELECT id FROM runs
                       WHERE account_id = $1 AND synchronization_id = $2 AND lines = 'kept'
                         AND state NOT IN ('queued', 'running', 'held', 'applied') AND plan_digest IS NOT NULL
                       ORDER BY finished_at DESC, id DESC LIMIT $3)
                 LIMIT $4)",
        )
        .bind(account_id)
        .bind(synchronization_id)
        .bind(i64::from(UNAPPLIED_PLANS_KEPT))
        .bind(RUNS_AT_ONCE)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(given_up.rows_affected())
    }

    /// Deletes some lines of a run, and notes when none are left; how many they were.
    async fn delete_some_lines(&self, account_id: &str, run_id: &str) -> anyhow::Result<u64> {
        let mut tx = self.begin().await?;
        let deleted = sqlx::query(
            "DELETE FROM changes WHERE account_id = $1 AND run_id = $2 AND seq IN (
                 SELECT seq FROM changes WHERE account_id = $1 AND run_id = $2 ORDER BY seq LIMIT $3)",
        )
        .bind(account_id)
        .bind(run_id)
        .bind(LINES_AT_ONCE)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if deleted == 0 {
            sqlx::query(
                "UPDATE runs SET lines = 'gone' WHERE account_id = $1 AND id = $2 AND lines = 'going'",
            )
            .bind(account_id)
            .bind(run_id)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(deleted)
    }
}
