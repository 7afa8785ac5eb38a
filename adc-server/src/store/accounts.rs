//! Accounts: the customer organizations that everything else belongs to.

use super::{Store, inserted};
use crate::clock::Millis;

/// A customer organization.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Account {
    /// `acc_…`
    pub id: String,
    /// What people call it; unique.
    pub name: String,
    /// When it was made.
    pub created_at: Millis,
}

impl Store {
    /// Adds an account; `false` when its name is taken.
    pub async fn create_account(&self, account: &Account) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let result = sqlx::query("INSERT INTO accounts (id, name, created_at) VALUES ($1, $2, $3)")
            .bind(&account.id)
            .bind(&account.name)
            .bind(account.created_at)
            .execute(&mut *tx)
            .await;
        if !inserted(result)? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The account of this id, else of this name.
    pub async fn account(&self, id_or_name: &str) -> anyhow::Result<Option<Account>> {
        Ok(sqlx::query_as("SELECT id, name, created_at FROM accounts WHERE id = $1 OR name = $1")
            .bind(id_or_name)
            .fetch_optional(&self.read)
            .await?)
    }

    /// Accounts by name, those after `after`.
    pub async fn accounts(&self, after: Option<&str>, limit: i64) -> anyhow::Result<Vec<Account>> {
        Ok(sqlx::query_as("SELECT id, name, created_at FROM accounts WHERE name > $1 ORDER BY name LIMIT $2")
            .bind(after.unwrap_or_default())
            .bind(limit)
            .fetch_all(&self.read)
            .await?)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> anyhow::Result<()> {
        sqlx::query("SELECT 1").execute(&self.read).await?;
        Ok(())
    }
}
