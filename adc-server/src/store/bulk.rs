//! Many rows in one statement: `INSERT … VALUES (…), (…), …`, and `SELECT … IN (…)`.

use sqlx::{
    AssertSqlSafe, SqliteConnection, SqlitePool,
    query::Query,
    sqlite::{Sqlite, SqliteArguments, SqliteRow},
};

/// Rows in one statement: beyond a few hundred nothing is gained, and SQLite allows 32,766 parameters.
const ROWS: usize = 500;
const MAX_PARAMETERS: usize = 32_766;

/// A query whose parameters are being bound.
pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Inserts `rows` with as few statements as possible.
///
/// `head` is the text up to `VALUES`, `tail` what follows the rows (an `ON CONFLICT` clause or nothing), `columns` how
/// many parameters `bind` binds for each row.
pub(super) async fn insert<T>(
    connection: &mut SqliteConnection,
    head: &'static str,
    columns: usize,
    tail: &'static str,
    rows: &[T],
    mut bind: impl for<'q> FnMut(Bound<'q>, &T) -> Bound<'q>,
) -> sqlx::Result<()> {
    let per_statement = ROWS.min(MAX_PARAMETERS / columns);
    for chunk in rows.chunks(per_statement) {
        let sql = statement(head, columns, tail, chunk.len());
        // A full statement is worth preparing once and keeping; the odd last one is not.
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(chunk.len() == per_statement);
        for row in chunk {
            query = bind(query, row);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Selects the rows whose last column named is one of `among`: `head` ends in that column, and `fixed` are the parameters
/// it names, in order, as `?`.
pub(super) async fn select(
    pool: &SqlitePool,
    head: &'static str,
    fixed: &[&str],
    among: &[&str],
) -> sqlx::Result<Vec<SqliteRow>> {
    let mut rows = Vec::new();
    for chunk in among.chunks(ROWS) {
        let sql = format!("{head} IN (?{})", ",?".repeat(chunk.len() - 1));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(chunk.len() == ROWS);
        for text in fixed.iter().chain(chunk) {
            query = query.bind(*text);
        }
        rows.extend(query.fetch_all(pool).await?);
    }
    Ok(rows)
}

/// The whole statement. Its parameters have no numbers, unlike everywhere else: SQLite keeps numbered ones in a list that
/// it searches for each of them, which for ten thousand takes seconds. PostgreSQL will get its own text here.
fn statement(head: &str, columns: usize, tail: &str, rows: usize) -> String {
    let mut sql = String::with_capacity(head.len() + tail.len() + rows * (2 * columns + 2) + 16);
    sql.push_str(head);
    sql.push_str(" VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(?" } else { ",(?" });
        for _ in 1..columns {
            sql.push_str(",?");
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(tail);
    sql
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_has_its_parameters() {
        assert_eq!(
            super::statement("INSERT INTO t (a, b)", 2, "ON CONFLICT DO NOTHING", 2),
            "INSERT INTO t (a, b) VALUES (?,?),(?,?) ON CONFLICT DO NOTHING"
        );
    }
}
