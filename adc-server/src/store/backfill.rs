//! Columns that came with a version, filled in for the rows of those before, where no SQL that both databases know can.

use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

/// Rows that get their value in one transaction.
const CHUNK: i64 = 2_000;

/// Gives rows their value. `lacking` selects at most `$1` of those without one: first what `value` makes it of, then the texts of the
/// primary key; `update` writes the value (`$1`) under that key (`$2` and so on). Where it is interrupted the next start goes on.
///
/// # Errors
/// The database cannot be read or written, or `value` can make nothing of a row.
pub(super) async fn fill_in(
    pool: &SqlitePool,
    lacking: &'static str,
    update: &'static str,
    value: impl Fn(&SqliteRow) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    loop {
        let mut tx = pool.begin().await?;
        let rows = sqlx::query(lacking).bind(CHUNK).fetch_all(&mut *tx).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            let mut query = sqlx::query(update).bind(value(row)?);
            for column in 1..row.len() {
                query = query.bind(row.try_get::<&str, _>(column)?);
            }
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
    }
}
