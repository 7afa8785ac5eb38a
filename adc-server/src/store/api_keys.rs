//! API keys of administrators and scripts, kept as hashes.

use super::Store;
use crate::{clock::Millis, roles::Role};
use sqlx::Row;

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

/// An API key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedApiKey {
    /// The key.
    pub key: ApiKey,
    /// What its account is called; `None` for a key of the whole system.
    pub account: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When it was revoked.
    pub revoked_at: Option<Millis>,
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

    /// The key of which this hash was kept, unless it was revoked.
    ///
    /// Finding it by an index gives nothing away: whoever could time the look-up learns about the hash of what they
    /// sent, and cannot steer towards the hash of 256 random bits.
    pub async fn api_key(&self, key_hash: &str) -> anyhow::Result<Option<ApiKey>> {
        let row: Option<(String, String, String)> = sqlx::query_as(
            "SELECT id, account_id, role FROM api_keys WHERE key_hash = $1 AND revoked_at IS NULL",
        )
        .bind(key_hash)
        .fetch_optional(&self.read)
        .await?;
        row.map(|(id, account_id, role)| key(id, account_id, &role)).transpose()
    }

    /// All keys, or those of an account, the oldest first.
    pub async fn api_keys(&self, account_id: Option<&str>) -> anyhow::Result<Vec<ListedApiKey>> {
        let rows = sqlx::query(
            "SELECT k.id, k.account_id, k.role, k.created_at, k.revoked_at, a.name FROM api_keys k
             LEFT JOIN accounts a ON a.id = k.account_id
             WHERE CAST($1 AS TEXT) IS NULL OR k.account_id = $1
             ORDER BY k.created_at, k.id",
        )
        .bind(account_id)
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ListedApiKey {
                    key: key(row.try_get("id")?, row.try_get("account_id")?, row.try_get("role")?)?,
                    account: row.try_get("name")?,
                    created_at: row.try_get("created_at")?,
                    revoked_at: row.try_get("revoked_at")?,
                })
            })
            .collect()
    }

    /// Revokes a key; `false` when there is none of this id that was not revoked before.
    pub async fn revoke_api_key(&self, id: &str, now: Millis) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let revoked = sqlx::query("UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
            .bind(now)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(revoked.rows_affected() == 1)
    }
}

fn key(id: String, account_id: String, role: &str) -> anyhow::Result<ApiKey> {
    Ok(ApiKey { id, account_id: Some(account_id).filter(|id| !id.is_empty()), role: role.parse()? })
}
