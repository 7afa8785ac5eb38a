//! The people of an account, as administrators see and change them.

use super::{
    Edit, Store, Tx, display_key, inserted,
    ledger::{self, LocalChange},
    runs::{from_word, json},
};
use crate::clock::Millis;
use adc_core::{
    plan::{Provider, StatusBy, UserStatus},
    record::{FieldValue, Fields, MANAGER_FIELD},
    text,
};
use sqlx::{Row, sqlite::SqliteRow};

/// A user as the account holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredUser {
    /// Whose it is.
    pub account_id: String,
    /// `usr_…`
    pub id: String,
    /// The provider, with where it stands there.
    pub provider: Provider,
    /// What administrators change, some of it only of local users.
    pub state: UserState,
    /// When it was made.
    pub created_at: Millis,
    /// When it was changed last.
    pub updated_at: Millis,
    /// When it was deleted.
    pub deleted_at: Option<Millis>,
}

/// The part of a user that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct UserState {
    /// What the user logs in with; unique among those that are not deleted.
    pub username: String,
    /// The mail address.
    pub email: Option<String>,
    /// The mapped fields; `manager` is the manager's user name where it is known, else the DN as read.
    pub fields: Fields,
    /// Active, disabled or deleted.
    pub status: UserStatus,
    /// Who decided the status.
    pub status_by: StatusBy,
    /// Owns the account.
    pub account_owner: bool,
    /// Administers the account.
    pub administrator: bool,
    /// What would be orphaned by a removal.
    pub owns: Vec<String>,
}

/// Which users are wanted.
#[derive(Debug, Clone, Default)]
pub struct UsersFilter {
    /// Of this status; `None` means active and disabled.
    pub status: Option<UserStatus>,
    /// Whose user name, mail address or display name has a key like this pattern.
    pub pattern: Option<String>,
}

macro_rules! select {
    ($which:expr) => {
        concat!(
            "SELECT u.*,
                 (SELECT MIN(b.username) FROM mirror m JOIN users b ON b.account_id = m.account_id
                      AND b.synchronization_id = m.synchronization_id AND b.source_id = m.source_id
                  WHERE m.account_id = u.account_id AND m.synchronization_id = u.synchronization_id
                      AND m.dn_key = u.manager_key AND m.kind = 'user' AND m.present = 1
                      AND b.status <> 'deleted') AS manager_name
             FROM users u ",
            $which
        )
    };
}

const SELECT_ONE: &str = select!("WHERE u.account_id = $1 AND u.id = $2");

/// The end of a list's query.
macro_rules! select_list {
    ($which:literal) => {
        select!(concat!(
            "WHERE u.account_id = $1 AND ",
            $which,
            " AND (u.username_key, u.id) > ($2, $3)
              AND (CAST($4 AS TEXT) IS NULL OR u.username_key LIKE $4 ESCAPE '\\' OR lower(u.email) LIKE $4 ESCAPE '\\'
                   OR u.display_key LIKE $4 ESCAPE '\\')
              ORDER BY u.username_key, u.id LIMIT $5"
        ))
    };
}

impl Store {
    /// One user of an account, deleted or not.
    pub async fn user(&self, account_id: &str, id: &str) -> anyhow::Result<Option<StoredUser>> {
        let row = sqlx::query(SELECT_ONE).bind(account_id).bind(id).fetch_optional(&self.read).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Users of an account by name, each with its sort key (the name's key and the id), those after `after`.
    pub async fn users(
        &self,
        account_id: &str,
        filter: &UsersFilter,
        after: Option<&(String, String)>,
        limit: i64,
    ) -> anyhow::Result<Vec<((String, String), StoredUser)>> {
        // One text each, so that the index on the names of those who are not deleted can be used.
        let sql = match filter.status {
            None => select_list!("u.status <> 'deleted'"),
            Some(UserStatus::Active) => select_list!("u.status <> 'deleted' AND u.status = 'active'"),
            Some(UserStatus::Disabled) => select_list!("u.status <> 'deleted' AND u.status = 'disabled'"),
            Some(UserStatus::Deleted) => select_list!("u.status = 'deleted'"),
        };
        let rows = sqlx::query(sql)
            .bind(account_id)
            .bind(after.map_or("", |(key, _)| key))
            .bind(after.map_or("", |(_, id)| id))
            .bind(&filter.pattern)
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter()
            .map(|row| Ok(((row.try_get("username_key")?, row.try_get("id")?), from_row(row)?)))
            .collect()
    }

    /// Adds a local user; `false` when its name is taken.
    pub async fn create_user(&self, user: &StoredUser, entry: &LocalChange) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let result = sqlx::query(
            "INSERT INTO users (account_id, id, username, username_key, email, status, status_by, dn, fields,
                 display_key, account_owner, administrator, owns, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9, $10, $11, $12, $13, $13)",
        )
        .bind(&user.account_id)
        .bind(&user.id)
        .bind(&user.state.username)
        .bind(text::key(&user.state.username))
        .bind(&user.state.email)
        .bind(user.state.status.as_str())
        .bind(user.state.status_by.as_str())
        .bind(serde_json::to_string(&user.state.fields)?)
        .bind(display_key(&user.state.fields))
        .bind(i64::from(user.state.account_owner))
        .bind(i64::from(user.state.administrator))
        .bind(serde_json::to_string(&user.state.owns)?)
        .bind(user.created_at)
        .execute(&mut *tx)
        .await;
        if !inserted(result)? {
            return Ok(false);
        }
        ledger::record(&mut tx, &user.account_id, entry, user.created_at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Changes a user to what `edit` makes of it, with the ledger's entry; `None` from `edit` changes nothing. It is told whether
    /// the person has left: the user's directory no longer has them, or a rule leaves them out.
    pub async fn edit_user<E>(
        &self,
        account_id: &str,
        id: &str,
        now: Millis,
        edit: impl FnOnce(&StoredUser, bool) -> Result<Option<(UserState, LocalChange)>, E>,
    ) -> anyhow::Result<Edit<StoredUser, E>> {
        let mut tx = self.begin().await?;
        let Some(current) = fetch(&mut tx, account_id, id).await? else { return Ok(Edit::NotFound) };
        let has_left = has_left(&mut tx, &current).await?;
        let (state, entry) = match edit(&current, has_left) {
            Ok(Some(edited)) => edited,
            Ok(None) => return Ok(Edit::Done(current)),
            Err(refusal) => return Ok(Edit::Refused(refusal)),
        };
        if !update(&mut tx, &current, &state, now).await? {
            return Ok(Edit::NameTaken);
        }
        ledger::record(&mut tx, account_id, &entry, now).await?;
        let changed = fetch(&mut tx, account_id, id).await?;
        tx.commit().await?;
        Ok(changed.map_or(Edit::NotFound, Edit::Done))
    }
}

/// Whether the directory that the user comes from no longer has the person, or a rule leaves the person out.
async fn has_left(tx: &mut Tx, user: &StoredUser) -> anyhow::Result<bool> {
    let Provider::Directory { synchronization_id, source_id, .. } = &user.provider else { return Ok(false) };
    let left: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM mirror
         WHERE account_id = $1 AND synchronization_id = $2 AND kind = 'user' AND source_id = $3
           AND (present = 0 OR status = 'excluded')",
    )
    .bind(&user.account_id)
    .bind(synchronization_id)
    .bind(source_id)
    .fetch_one(&mut **tx)
    .await?;
    Ok(left > 0)
}

/// Writes what differs in the right columns; `false` when the name is taken.
async fn update(tx: &mut Tx, current: &StoredUser, state: &UserState, now: Millis) -> anyhow::Result<bool> {
    let fields = changed_fields(tx, current, state).await?;
    let manager = |state: &UserState| state.fields.get(MANAGER_FIELD).cloned();
    let result = sqlx::query(
        "UPDATE users SET username = $1, username_key = $2, email = $3, fields = COALESCE($4, fields),
             display_key = COALESCE($5, display_key), manager_key = CASE WHEN $6 = 1 THEN NULL ELSE manager_key END,
             status = $7, status_by = $8, account_owner = $9, administrator = $10, owns = $11, updated_at = $12
         WHERE account_id = $13 AND id = $14",
    )
    .bind(&state.username)
    .bind(text::key(&state.username))
    .bind(&state.email)
    .bind(fields.as_ref().map(serde_json::to_string).transpose()?)
    .bind(fields.as_ref().map(display_key))
    .bind(i64::from(manager(state) != manager(&current.state)))
    .bind(state.status.as_str())
    .bind(state.status_by.as_str())
    .bind(i64::from(state.account_owner))
    .bind(i64::from(state.administrator))
    .bind(serde_json::to_string(&state.owns)?)
    .bind(now)
    .bind(&current.account_id)
    .bind(&current.id)
    .execute(&mut **tx)
    .await;
    Ok(inserted(result)?)
}

/// The fields as they are to be kept; `None` where they stay. A manager who stays is kept as read, which is not how it is shown:
/// see `manager_name`.
async fn changed_fields(
    tx: &mut Tx,
    current: &StoredUser,
    state: &UserState,
) -> anyhow::Result<Option<Fields>> {
    if state.fields == current.state.fields {
        return Ok(None);
    }
    let mut fields = state.fields.clone();
    if fields.get(MANAGER_FIELD) == current.state.fields.get(MANAGER_FIELD) {
        let kept: String = sqlx::query_scalar("SELECT fields FROM users WHERE account_id = $1 AND id = $2")
            .bind(&current.account_id)
            .bind(&current.id)
            .fetch_one(&mut **tx)
            .await?;
        let mut kept: Fields = json(kept)?;
        fields.extend(kept.remove_entry(MANAGER_FIELD));
    }
    Ok(Some(fields))
}

async fn fetch(tx: &mut Tx, account_id: &str, id: &str) -> anyhow::Result<Option<StoredUser>> {
    let row = sqlx::query(SELECT_ONE).bind(account_id).bind(id).fetch_optional(&mut **tx).await?;
    row.as_ref().map(from_row).transpose()
}

fn from_row(row: &SqliteRow) -> anyhow::Result<StoredUser> {
    let mut fields: Fields = json(row.try_get("fields")?)?;
    if let Some(manager) = row.try_get::<Option<String>, _>("manager_name")? {
        fields.insert(MANAGER_FIELD.to_owned(), FieldValue::Text(manager));
    }
    let synchronization_id: Option<String> = row.try_get("synchronization_id")?;
    let source_id: Option<String> = row.try_get("source_id")?;
    let provider = match synchronization_id.zip(source_id) {
        Some((synchronization_id, source_id)) => {
            Provider::Directory { synchronization_id, source_id, dn: row.try_get("dn")? }
        }
        None => Provider::Local,
    };
    Ok(StoredUser {
        account_id: row.try_get("account_id")?,
        id: row.try_get("id")?,
        provider,
        state: UserState {
            username: row.try_get("username")?,
            email: row.try_get("email")?,
            fields,
            status: from_word(row.try_get("status")?)?,
            status_by: from_word(row.try_get("status_by")?)?,
            account_owner: row.try_get::<i64, _>("account_owner")? != 0,
            administrator: row.try_get::<i64, _>("administrator")? != 0,
            owns: json(row.try_get("owns")?)?,
        },
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        deleted_at: row.try_get("deleted_at")?,
    })
}
