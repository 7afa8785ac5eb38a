//! API keys of administrators and scripts, kept as hashes.

use super::Store;
use crate::{clock::Millis, roles::Role};

/// An API key without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// `key_…`
    pub id: String,
    /// The account it is for; `None` for the whole system.
    pub account_id: Option<String>,
    /// What it allows.
    pub role: Role,
}

impl Store {
    /// Keeps a key by the hash of what is shown once.
    pub async fn create_api_key(&self, key: &ApiKey, key_hash: &str, now: Millis) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO api_keys (account_id, id, key_hash, role, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(key.account_id.as_deref().unwrap_or_default())
        .bind(&key.id)
        .bind(key_hash)
        .bind(key.role.as_str())
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The key of which this hash was kept.
    ///
    /// Finding it by an index gives nothing away: whoever could time the look-up learns about the hash of what they
    /// sent, and cannot steer towards the hash of 256 random bits.
    pub async fn api_key(&self, key_hash: &str) -> anyhow::Result<Option<ApiKey>> {
        let row: Option<(String, String, String)> =
            sqlx::query_as("SELECT id, account_id, role FROM api_keys WHERE key_hash = $1")
                .bind(key_hash)
                .fetch_optional(&self.read)
                .await?;
        row.map(|(id, account_id, role)| {
            Ok(ApiKey { id, account_id: Some(account_id).filter(|id| !id.is_empty()), role: role.parse()? })
        })
        .transpose()
    }
}
