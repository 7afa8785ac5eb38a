//! Whom a name may mean that somebody signs in with.

use super::{Store, runs::optional_json};
use adc_core::{policy::Policy, sign_in::without_domain, text};
use futures_util::TryStreamExt;
use sqlx::{
    Row, Sqlite,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

/// Whom a name means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meant {
    /// At most one user of each account, by the account's name.
    These(Vec<Nominee>),
    /// Without its domain it is short for several names, such as these: nobody is meant.
    Several([String; 2]),
}

/// Somebody whom a name means.
#[derive(Debug, Clone, PartialEq)]
pub struct Nominee {
    /// The account.
    pub account_id: String,
    /// What people call it.
    pub account_name: String,
    /// The user.
    pub user_id: String,
}

/// A statement for one account, which is `$2`, and the same for all of them.
///
/// People are looked for account by account, as the index of their names begins with it: one that covers all accounts would be for these
/// look-ups alone, and make every import write it. `CROSS JOIN` says so to SQLite, which reads tables in the order in which it joins them.
macro_rules! select {
    ($which:literal) => {
        Scoped { of_one: select!(" AND a.id = $2", $which), of_all: select!("", $which) }
    };
    ($account:literal, $which:literal) => {
        concat!(
            "SELECT a.id AS account_id, a.name AS account_name, u.id, u.username_key, u.email, s.policy
             FROM accounts a CROSS JOIN users u
                 LEFT JOIN synchronizations s ON s.account_id = u.account_id AND s.id = u.synchronization_id
             WHERE u.account_id = a.id",
            $account,
            " AND ",
            $which
        )
    };
}

/// Who has a name.
const NAMED: Scoped = select!("u.username_key = $1 AND u.status <> 'deleted'");
/// Who had it when deleted, the last one first.
const DELETED: Scoped =
    select!("u.username_key = $1 AND u.status = 'deleted' ORDER BY u.deleted_at DESC, u.id");
/// Whose name is it but for the domain. "A" follows "@": whatever begins with the name and an "@" lies between them.
const WHOLE: Scoped =
    select!("u.username_key >= $1 || '@' AND u.username_key < $1 || 'A' AND u.status <> 'deleted'");

/// A statement about the name `$1`, whether in one account or in all of them.
struct Scoped {
    of_one: &'static str,
    of_all: &'static str,
}

impl Scoped {
    fn ask(&self, account_id: Option<&str>, key: &str) -> Query<'static, Sqlite, SqliteArguments> {
        match account_id {
            Some(account_id) => sqlx::query(self.of_one).bind(key).bind(account_id),
            None => sqlx::query(self.of_all).bind(key),
        }
    }
}

impl Store {
    /// Whom a name means in an account, or in all of them: in each the user of this very name, else the one whom it means but for the
    /// domain where the policy allows that, else the one who had it when last deleted.
    ///
    /// A name without its domain must be short for one name only, in all that is looked at: in two accounts `jane` may be two people,
    /// and the password of one is none of the other's directory's business.
    pub async fn nominees(&self, account_id: Option<&str>, name: &str) -> anyhow::Result<Meant> {
        let key = text::key(name);
        let mut nominees = self.users_named(account_id, &key).await?;
        if let Some(local) = without_domain(&key) {
            let locals = self.users_named(account_id, local).await?;
            let theirs = |email: &String| text::key(email) == key;
            add(
                &mut nominees,
                locals.into_iter().filter(|row| row.allowed && row.email.as_ref().is_some_and(theirs)),
            );
        } else if nominees.is_empty() || account_id.is_none() {
            let mut whole: Vec<String> = nominees.iter().map(|row| row.key.clone()).take(1).collect();
            self.whole_names(account_id, &key, &mut whole).await?;
            match whole.as_slice() {
                [one, other, ..] => return Ok(Meant::Several([one.clone(), other.clone()])),
                [one] if *one != key => {
                    let users = self.users_named(account_id, one).await?;
                    add(&mut nominees, users.into_iter().filter(|row| row.allowed));
                }
                _ => {}
            }
        }
        add(&mut nominees, self.last_deleted(account_id, &key).await?.into_iter());
        nominees.sort_by(|one, other| one.order().cmp(&other.order()));
        Ok(Meant::These(nominees.into_iter().map(|row| row.nominee).collect()))
    }

    /// Who has this name, one in an account at most.
    async fn users_named(&self, account_id: Option<&str>, key: &str) -> anyhow::Result<Vec<Found>> {
        let rows = NAMED.ask(account_id, key).fetch_all(&self.read).await?;
        rows.iter().map(Found::from_row).collect()
    }

    /// Who had this name when deleted, in each account the last one.
    async fn last_deleted(&self, account_id: Option<&str>, key: &str) -> anyhow::Result<Vec<Found>> {
        let rows = DELETED.ask(account_id, key).fetch_all(&self.read).await?;
        let mut found: Vec<Found> = Vec::new();
        for row in &rows {
            add(&mut found, std::iter::once(Found::from_row(row)?));
        }
        Ok(found)
    }

    /// Adds names that a name without its domain may be short for, until there are two.
    async fn whole_names(
        &self,
        account_id: Option<&str>,
        key: &str,
        whole: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let mut rows = WHOLE.ask(account_id, key).fetch(&self.read);
        while whole.len() < 2
            && let Some(row) = rows.try_next().await?
        {
            let row = Found::from_row(&row)?;
            if row.allowed && !whole.contains(&row.key) {
                whole.push(row.key);
            }
        }
        Ok(())
    }
}

/// A user who may be meant.
struct Found {
    nominee: Nominee,
    key: String,
    email: Option<String>,
    /// Whether the policy of the user's synchronization has a name without its domain do.
    allowed: bool,
}

impl Found {
    fn from_row(row: &SqliteRow) -> anyhow::Result<Self> {
        let policy: Option<Policy> = optional_json(row.try_get("policy")?)?;
        Ok(Self {
            nominee: Nominee {
                account_id: row.try_get("account_id")?,
                account_name: row.try_get("account_name")?,
                user_id: row.try_get("id")?,
            },
            key: row.try_get("username_key")?,
            email: row.try_get("email")?,
            allowed: policy.is_some_and(|policy| policy.login_without_domain),
        })
    }

    fn order(&self) -> (&str, &str) {
        (&self.nominee.account_name, &self.nominee.account_id)
    }
}

/// Adds those of accounts in which the name means nobody yet.
fn add(found: &mut Vec<Found>, more: impl Iterator<Item = Found>) {
    for one in more {
        if found.iter().all(|other| other.nominee.account_id != one.nominee.account_id) {
            found.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_signed_in_had_the_names_of_all_people_of_all_accounts_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("adc.db").display());
        let store = Store::open(&url, None).await.expect("a database");
        let plan = async |sql: &str| {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let rows = sqlx::query(sqlx::AssertSqlSafe(explain)).fetch_all(&store.read).await;
            let step = |row: &SqliteRow| row.get::<String, _>("detail");
            rows.expect("a plan").iter().map(step).collect::<Vec<_>>()
        };
        for Scoped { of_one, of_all } in [NAMED, DELETED, WHOLE] {
            for (sql, scans) in [(of_one, Vec::new()), (of_all, vec!["SCAN a"])] {
                let plan = plan(sql).await;
                let scanned: Vec<_> = plan.iter().filter(|step| step.starts_with("SCAN")).collect();
                assert_eq!(scanned, scans, "{sql}");
                let by_name =
                    |step: &String| step.starts_with("SEARCH u") && step.contains("AND username_key");
                assert!(plan.iter().any(by_name), "{sql}: {plan:?}");
            }
        }
    }
}
