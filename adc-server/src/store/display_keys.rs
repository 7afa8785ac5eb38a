//! By what a search compares display names. The keys are made here and not in SQL, so that they are the same in every database.

use super::{backfill, runs::json};
use adc_core::{
    record::{FieldValue, Fields},
    text,
};
use sqlx::{Row, SqlitePool};

/// The field that is searched beside user name and mail address.
const FIELD: &str = "display_name";

/// The key of the display name among these fields; empty where there is none.
pub fn display_key(fields: &Fields) -> String {
    match fields.get(FIELD) {
        None => String::new(),
        Some(FieldValue::Text(name)) => text::key(name).into_owned(),
        Some(FieldValue::List(names)) => text::key(&names.join("\n")).into_owned(),
    }
}

/// Gives users whom a version before wrote their keys.
pub(super) async fn fill_in(pool: &SqlitePool) -> anyhow::Result<()> {
    backfill::fill_in(
        pool,
        "SELECT fields, account_id, id FROM users WHERE display_key IS NULL LIMIT $1",
        "UPDATE users SET display_key = $1 WHERE account_id = $2 AND id = $3",
        |user| Ok(display_key(&json(user.try_get(0)?)?)),
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::super::{Store, UsersFilter};

    #[tokio::test]
    async fn whom_a_version_before_wrote_was_found_by_no_display_name() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let url = format!("sqlite:{}", folder.path().join("adc.db").display());
        let store = Store::open(&url, None).await.expect("opens");
        sqlx::query(
            "INSERT INTO users (account_id, id, username, username_key, status, status_by, dn, fields, created_at, updated_at)
             VALUES ('a', 'u1', 'jane', 'jane', 'active', 'administrator', '', '{\"display_name\":\"Zoë One\"}', 1, 1),
                    ('a', 'u2', 'john', 'john', 'active', 'administrator', '', '{}', 1, 1)",
        )
        .execute(&store.write)
        .await
        .expect("inserts");
        let found = async |store: &Store| {
            let filter = UsersFilter { status: None, pattern: Some("%zoë%".to_owned()) };
            store.users("a", &filter, None, 10).await.expect("lists").len()
        };
        assert_eq!(found(&store).await, 0);
        drop(store);
        assert_eq!(found(&Store::open(&url, None).await.expect("opens")).await, 1);
    }
}
