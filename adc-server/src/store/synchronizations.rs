//! Synchronizations: the configured sources of an account.

use super::{
    Checkpoint, Store, Tx, inserted,
    runs::{json, optional_json},
    schedules::{is_in_force, take_back},
};
use crate::{
    clock::Millis,
    hosted::{HostedConnection, Sealed},
    runs::AgentIdentity,
};
use adc_core::{policy::Policy, schedule::Schedule, settings::Settings};
use sqlx::{Row, sqlite::SqliteRow};

/// A configured source of an account, without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Synchronization {
    /// Whose it is.
    pub account_id: String,
    /// `syn_…`
    pub id: String,
    /// What people call it; unique within the account.
    pub name: String,
    /// What its agents sign in as: `app_…`.
    pub application_id: String,
    /// The server's own switches.
    pub settings: Settings,
    /// What to read and how; `None` means the default.
    pub policy: Option<Policy>,
    /// When it runs by itself; `None` means never.
    pub schedule: Option<Schedule>,
    /// Where a connector that the control plane runs itself finds the directory; `None` where it runs none.
    pub connection: Option<HostedConnection>,
    /// What was due until then is dealt with.
    pub schedule_handled_until: Option<Millis>,
    /// The last time that was due and became a run.
    pub last_due: Option<LastDue>,
    /// Raised by every change of settings or policy.
    pub version: i64,
    /// Where the last applied run ended.
    pub checkpoint: Option<Checkpoint>,
    /// The last applied run.
    pub last_applied_run: Option<String>,
    /// The run that waits for an agent.
    pub queued_run: Option<String>,
    /// The run that is under way.
    pub active_run: Option<String>,
    /// The run whose plan waits for approval.
    pub held_run: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When it was changed last, or a run was applied.
    pub updated_at: Millis,
}

/// A time that was due, and what it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDue {
    /// When it was due.
    pub due: Millis,
    /// The run.
    pub run_id: String,
}

/// What an agent's credentials are compared with.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AgentCredentials {
    /// The synchronization's account.
    pub account_id: String,
    /// The synchronization.
    pub synchronization_id: String,
    /// The hash of its Secret Token.
    pub secret_hash: String,
}

/// What administrators change of a synchronization.
#[derive(Debug, Clone, PartialEq)]
pub struct Editable {
    /// See [`Synchronization::name`].
    pub name: String,
    /// See [`Synchronization::settings`].
    pub settings: Settings,
    /// See [`Synchronization::policy`].
    pub policy: Option<Policy>,
    /// See [`Synchronization::schedule`].
    pub schedule: Option<Schedule>,
    /// See [`Synchronization::connection`].
    pub connection: Option<HostedConnection>,
}

/// A synchronization after an edit.
#[derive(Debug)]
pub struct Edited {
    /// As it is now.
    pub synchronization: Synchronization,
    /// The run that its schedule had put into the queue and no agent had begun: taken back, as the schedule is not in force any more.
    pub taken_back: Option<String>,
}

/// What came of an edit that `E` may refuse.
#[derive(Debug)]
pub enum Edit<T, E> {
    /// It was made, or changed nothing.
    Done(T),
    /// There is no such thing.
    NotFound,
    /// Somebody else has the name.
    NameTaken,
    /// It is not acceptable.
    Refused(E),
}

macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT s.*,
                 (SELECT r.id FROM runs r WHERE r.account_id = s.account_id AND r.synchronization_id = s.id
                      AND r.state = 'queued') AS queued_run,
                 (SELECT r.id FROM runs r WHERE r.account_id = s.account_id AND r.synchronization_id = s.id
                      AND r.state = 'running') AS active_run,
                 (SELECT r.id FROM runs r WHERE r.account_id = s.account_id AND r.synchronization_id = s.id
                      AND r.state = 'held') AS held_run
             FROM synchronizations s ",
            $which
        )
    };
}

const SELECT_ONE: &str = select!("WHERE s.account_id = $1 AND s.id = $2");

impl Store {
    /// Adds a synchronization; `false` when its name is taken.
    pub async fn create_synchronization(
        &self,
        synchronization: &Synchronization,
        secret_hash: &str,
    ) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let result = sqlx::query(
            "INSERT INTO synchronizations
                 (account_id, id, name, application_id, secret_hash, settings, policy, schedule, schedule_handled_until,
                  version, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(&synchronization.account_id)
        .bind(&synchronization.id)
        .bind(&synchronization.name)
        .bind(&synchronization.application_id)
        .bind(secret_hash)
        .bind(serde_json::to_string(&synchronization.settings)?)
        .bind(synchronization.policy.as_ref().map(serde_json::to_string).transpose()?)
        .bind(synchronization.schedule.as_ref().map(serde_json::to_string).transpose()?)
        .bind(synchronization.schedule_handled_until)
        .bind(synchronization.version)
        .bind(synchronization.created_at)
        .bind(synchronization.updated_at)
        .execute(&mut *tx)
        .await;
        if !inserted(result)? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// One synchronization of an account.
    pub async fn synchronization(
        &self,
        account_id: &str,
        id: &str,
    ) -> anyhow::Result<Option<Synchronization>> {
        let row = sqlx::query(SELECT_ONE).bind(account_id).bind(id).fetch_optional(&self.read).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The synchronization of this name.
    pub async fn synchronization_named(
        &self,
        account_id: &str,
        name: &str,
    ) -> anyhow::Result<Option<Synchronization>> {
        let row = sqlx::query(select!("WHERE s.account_id = $1 AND s.name = $2"))
            .bind(account_id)
            .bind(name)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The synchronizations of an account by name, those after `after`.
    pub async fn synchronizations(
        &self,
        account_id: &str,
        after: Option<&str>,
        limit: i64,
    ) -> anyhow::Result<Vec<Synchronization>> {
        let rows = sqlx::query(select!("WHERE s.account_id = $1 AND s.name > $2 ORDER BY s.name LIMIT $3"))
            .bind(account_id)
            .bind(after.unwrap_or_default())
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// Changes a synchronization to what `edit` makes of it; a change of settings or policy raises its version. Another schedule
    /// begins now: what was due before is forgotten. One that is in force no more takes back what it had queued.
    pub async fn edit_synchronization<E>(
        &self,
        account_id: &str,
        id: &str,
        now: Millis,
        edit: impl FnOnce(&Synchronization) -> Result<Editable, E>,
    ) -> anyhow::Result<Edit<Edited, E>> {
        let mut tx = self.begin().await?;
        let Some(current) = fetch(&mut tx, account_id, id).await? else { return Ok(Edit::NotFound) };
        let edited = match edit(&current) {
            Ok(edited) => edited,
            Err(refusal) => return Ok(Edit::Refused(refusal)),
        };
        let taken_back = if is_in_force(edited.schedule.as_ref()) {
            None
        } else {
            take_back(&mut tx, &current, now).await?
        };
        if edited == current.editable() && taken_back.is_none() {
            return Ok(Edit::Done(Edited { synchronization: current, taken_back }));
        }
        let decides_otherwise = (&edited.settings, &edited.policy) != (&current.settings, &current.policy);
        let rescheduled = edited.schedule != current.schedule;
        let handled_until = if rescheduled { Some(now) } else { current.schedule_handled_until };
        let result = sqlx::query(
            "UPDATE synchronizations SET name = $1, settings = $2, policy = $3, version = version + $4, updated_at = $5,
                 schedule = $6, schedule_handled_until = $7, connection = $8, connection_password = $9
             WHERE account_id = $10 AND id = $11",
        )
        .bind(&edited.name)
        .bind(serde_json::to_string(&edited.settings)?)
        .bind(edited.policy.as_ref().map(serde_json::to_string).transpose()?)
        .bind(i64::from(decides_otherwise))
        .bind(now)
        .bind(edited.schedule.as_ref().map(serde_json::to_string).transpose()?)
        .bind(handled_until)
        .bind(edited.connection.as_ref().map(|kept| serde_json::to_string(&kept.connection)).transpose()?)
        .bind(edited.connection.as_ref().map(|kept| kept.password.as_stored()))
        .bind(account_id)
        .bind(id)
        .execute(&mut *tx)
        .await;
        if !inserted(result)? {
            return Ok(Edit::NameTaken);
        }
        let changed = fetch(&mut tx, account_id, id).await?;
        tx.commit().await?;
        let edited = |synchronization| Edit::Done(Edited { synchronization, taken_back });
        Ok(changed.map_or(Edit::NotFound, edited))
    }

    /// Keeps the hash of a new Secret Token; the old one is worth nothing from now on. `false` when there is no such
    /// synchronization.
    pub async fn replace_secret(
        &self,
        account_id: &str,
        id: &str,
        secret_hash: &str,
        now: Millis,
    ) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let replaced = sqlx::query(
            "UPDATE synchronizations SET secret_hash = $1, updated_at = $2 WHERE account_id = $3 AND id = $4",
        )
        .bind(secret_hash)
        .bind(now)
        .bind(account_id)
        .bind(id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(replaced.rows_affected() == 1)
    }

    /// The synchronizations that have a connection of their own, of all accounts.
    pub async fn hosted_synchronizations(&self) -> anyhow::Result<Vec<AgentIdentity>> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT account_id, id FROM synchronizations WHERE connection IS NOT NULL")
                .fetch_all(&self.read)
                .await?;
        let identity = |(account_id, synchronization_id)| AgentIdentity { account_id, synchronization_id };
        Ok(rows.into_iter().map(identity).collect())
    }

    /// What the credentials of an agent with this Application ID are compared with.
    pub async fn agent_credentials(&self, application_id: &str) -> anyhow::Result<Option<AgentCredentials>> {
        Ok(sqlx::query_as(
            "SELECT account_id, id AS synchronization_id, secret_hash FROM synchronizations
             WHERE application_id = $1",
        )
        .bind(application_id)
        .fetch_optional(&self.read)
        .await?)
    }
}

impl Synchronization {
    /// The part that administrators change.
    pub fn editable(&self) -> Editable {
        Editable {
            name: self.name.clone(),
            settings: self.settings,
            policy: self.policy.clone(),
            schedule: self.schedule.clone(),
            connection: self.connection.clone(),
        }
    }
}

/// One synchronization, inside a transaction.
pub(super) async fn fetch(
    tx: &mut Tx,
    account_id: &str,
    id: &str,
) -> anyhow::Result<Option<Synchronization>> {
    let row = sqlx::query(SELECT_ONE).bind(account_id).bind(id).fetch_optional(&mut **tx).await?;
    row.as_ref().map(from_row).transpose()
}

fn from_row(row: &SqliteRow) -> anyhow::Result<Synchronization> {
    let due: Option<Millis> = row.try_get("schedule_last_due")?;
    let connection = optional_json(row.try_get("connection")?)?;
    let password: Option<String> = row.try_get("connection_password")?;
    let last_due = due.zip(row.try_get("schedule_last_run")?);
    Ok(Synchronization {
        account_id: row.try_get("account_id")?,
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        application_id: row.try_get("application_id")?,
        settings: json(row.try_get("settings")?)?,
        policy: optional_json(row.try_get("policy")?)?,
        schedule: optional_json(row.try_get("schedule")?)?,
        connection: connection.zip(password).map(|(connection, password)| HostedConnection {
            connection,
            password: Sealed::from_stored(password),
        }),
        schedule_handled_until: row.try_get("schedule_handled_until")?,
        last_due: last_due.map(|(due, run_id)| LastDue { due, run_id }),
        version: row.try_get("version")?,
        checkpoint: optional_json(row.try_get("checkpoint")?)?,
        last_applied_run: row.try_get("last_applied_run")?,
        queued_run: row.try_get("queued_run")?,
        active_run: row.try_get("active_run")?,
        held_run: row.try_get("held_run")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
