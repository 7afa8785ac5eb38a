//! Whom a name may mean that somebody signs in with.

use super::{Store, runs::optional_json};
use adc_core::{policy::Policy, sign_in::without_domain, text};
use sqlx::{Row, sqlite::SqliteRow};

/// Somebody whom a name may mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Nominee {
    /// The account.
    pub account_id: String,
    /// What people call it.
    pub account_name: String,
    /// The user.
    pub user_id: String,
    /// How the name means the user.
    pub by: Named,
}

/// How a name means somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It is the user's name.
    Exactly,
    /// It is, but for the domain, which the policy of the user's synchronization allows.
    ButForTheDomain,
    /// It was the name of a user who was deleted, and is nobody's now.
    BeforeDeletion,
}

/// More than this of one name are not looked at: two are too many already.
const MOST: i64 = 50;

macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT a.id AS account_id, a.name AS account_name, u.id, u.email, s.policy
             FROM accounts a JOIN users u ON u.account_id = a.id
                 LEFT JOIN synchronizations s ON s.account_id = u.account_id AND s.id = u.synchronization_id
             WHERE (CAST($1 AS TEXT) IS NULL OR a.id = $1) AND ",
            $which,
            " ORDER BY a.name, a.id, u.id LIMIT $3"
        )
    };
}

impl Store {
    /// Whom a name means in an account, or in all of them: in each those of this very name, else those whom it means but for the
    /// domain, else those who had it when they were deleted.
    pub async fn nominees(&self, account_id: Option<&str>, name: &str) -> anyhow::Result<Vec<Nominee>> {
        let key = text::key(name);
        let mut nominees = Vec::new();
        let exactly =
            self.of(account_id, &key, select!("u.username_key = $2 AND u.status <> 'deleted'")).await?;
        add(&mut nominees, exactly.iter().map(|row| nominee(row, Named::Exactly)))?;
        let but_for_the_domain = match without_domain(&key) {
            // "A" follows "@": whatever begins with the name and an "@" lies between them.
            None => {
                self.of(
                    account_id,
                    &key,
                    select!(
                        "u.username_key >= $2 || '@' AND u.username_key < $2 || 'A' AND u.status <> 'deleted'"
                    ),
                )
                .await?
            }
            Some(local) => {
                let rows = self
                    .of(account_id, local, select!("u.username_key = $2 AND u.status <> 'deleted'"))
                    .await?;
                let mut with_the_address = Vec::new();
                for row in rows {
                    let email: Option<String> = row.try_get("email")?;
                    if email.is_some_and(|email| text::key(&email) == key) {
                        with_the_address.push(row);
                    }
                }
                with_the_address
            }
        };
        let mut allowed = Vec::new();
        for row in &but_for_the_domain {
            let policy: Option<Policy> = optional_json(row.try_get("policy")?)?;
            if policy.is_some_and(|policy| policy.login_without_domain) {
                allowed.push(nominee(row, Named::ButForTheDomain));
            }
        }
        add(&mut nominees, allowed.into_iter())?;
        let deleted =
            self.of(account_id, &key, select!("u.username_key = $2 AND u.status = 'deleted'")).await?;
        add(&mut nominees, deleted.iter().map(|row| nominee(row, Named::BeforeDeletion)))?;
        Ok(nominees)
    }

    async fn of(
        &self,
        account_id: Option<&str>,
        key: &str,
        sql: &'static str,
    ) -> anyhow::Result<Vec<SqliteRow>> {
        Ok(sqlx::query(sql).bind(account_id).bind(key).bind(MOST).fetch_all(&self.read).await?)
    }
}

/// Adds those of accounts in which the name means nobody yet.
fn add(nominees: &mut Vec<Nominee>, more: impl Iterator<Item = sqlx::Result<Nominee>>) -> sqlx::Result<()> {
    let before = nominees.len();
    for nominee in more {
        let nominee = nominee?;
        if nominees[..before].iter().all(|other| other.account_id != nominee.account_id) {
            nominees.push(nominee);
        }
    }
    Ok(())
}

fn nominee(row: &SqliteRow, by: Named) -> sqlx::Result<Nominee> {
    Ok(Nominee {
        account_id: row.try_get("account_id")?,
        account_name: row.try_get("account_name")?,
        user_id: row.try_get("id")?,
        by,
    })
}
