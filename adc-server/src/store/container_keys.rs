//! By what those who lie in one container are found. The keys are made here and not in SQL, so that they are the same in every database.

use super::backfill;
use adc_core::dn::DnKey;
use sqlx::{Row, SqlitePool};

/// The key of the container of an entry of this name; empty where it has none.
pub(super) fn container_key(dn: &str) -> String {
    DnKey::of_container(dn).map(|key| key.to_string()).unwrap_or_default()
}

/// Gives objects that a version before saw their keys.
pub(super) async fn fill_in(pool: &SqlitePool) -> anyhow::Result<()> {
    backfill::fill_in(
        pool,
        "SELECT dn, account_id, synchronization_id, kind, source_id FROM mirror WHERE container_key IS NULL LIMIT $1",
        "UPDATE mirror SET container_key = $1
         WHERE account_id = $2 AND synchronization_id = $3 AND kind = $4 AND source_id = $5",
        |object| Ok(container_key(object.try_get(0)?)),
    )
    .await
}
