//! The tables of what runs send, in a file of their own.

use sqlx::SqlitePool;

/// Their names.
pub(super) const TABLES: [&str; 7] =
    ["batches", "objects", "members", "claims", "unchanged", "containers", "outcomes"];

/// The tables, as this version has them.
const SCHEMA: &str = include_str!("../staging.sql");

/// Makes the tables. Those of another version go with what is in them: its runs begin again, and a plan that it held is stale.
pub(in super::super) async fn make_tables(pool: &SqlitePool) -> sqlx::Result<()> {
    let version = schema_version();
    let made_by: i32 = sqlx::query_scalar("PRAGMA staging.user_version").fetch_one(pool).await?;
    if made_by != version {
        for table in TABLES {
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP TABLE IF EXISTS staging.{table}")))
                .execute(pool)
                .await?;
        }
        let mark = format!("PRAGMA staging.user_version = {version}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(pool).await?;
    }
    sqlx::raw_sql(SCHEMA).execute(pool).await?;
    Ok(())
}

/// A number that changes with the tables.
fn schema_version() -> i32 {
    let hash = blake3::hash(SCHEMA.as_bytes());
    let first = hash.as_bytes().first_chunk().expect("a hash is longer than four bytes");
    i32::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::super::super::Store;

    #[tokio::test]
    async fn tables_of_a_version_before_were_kept_and_lacked_a_column() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let url = format!("sqlite:{}", folder.path().join("adc.db").display());
        let store = Store::open(&url, None).await.expect("opens");
        let tampering = "DROP TABLE staging.objects; CREATE TABLE staging.objects (run_id TEXT NOT NULL);
             PRAGMA staging.user_version = 1";
        sqlx::raw_sql(tampering).execute(&store.write).await.expect("makes it old");
        drop(store);
        let store = Store::open(&url, None).await.expect("opens");
        let columns =
            sqlx::query("SELECT kind, container_key FROM staging.objects").fetch_all(&store.read).await;
        assert!(columns.is_ok(), "{columns:?}");
    }

    #[tokio::test]
    async fn what_runs_have_sent_outlives_a_restart() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let url = format!("sqlite:{}", folder.path().join("adc.db").display());
        let staged = "INSERT INTO staging.containers (run_id, dn, is_there) VALUES ('r', 'ou=a', 1)";
        let store = Store::open(&url, None).await.expect("opens");
        sqlx::raw_sql(staged).execute(&store.write).await.expect("inserts");
        drop(store);
        let store = Store::open(&url, None).await.expect("opens");
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM staging.containers")
            .fetch_one(&store.read)
            .await
            .expect("counts");
        assert_eq!(left, 1);
    }
}
