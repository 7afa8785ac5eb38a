//! What administrators read of runs and of what they recognized: lists, page by page.

use super::{
    Run, Store,
    runs::{json, optional_json},
};
use crate::clock::Millis;
use adc_core::{
    plan::{Action, ObjectStatus},
    protocol::Change,
    reason::Reason,
    record::Kind,
};
use serde_json::Value;
use sqlx::{Row, sqlite::SqliteRow};

/// Which lines of a plan are wanted; `None` means all.
#[derive(Debug, Clone, Default)]
pub struct ChangesFilter {
    /// Of this action.
    pub action: Option<Action>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Whose name or DN is like this pattern.
    pub pattern: Option<String>,
    /// Only lines that change something when applied.
    pub effective_only: bool,
}

/// A line of a plan and the user or unit that it changes.
#[derive(Debug, Clone)]
pub struct ChangeOfRun {
    /// The line.
    pub change: Change,
    /// `usr_…`, `grp_…` or `oun_…`; `None` where nothing is changed.
    pub object_id: Option<String>,
}

/// Which objects are wanted; `None` means all.
#[derive(Debug, Clone, Default)]
pub struct ObjectsFilter {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Of which this became.
    pub status: Option<ObjectStatus>,
    /// Whose DN or claimed user name is like this pattern.
    pub pattern: Option<String>,
}

/// An object of the directory that an applied run has seen, and what became of it.
#[derive(Debug, Clone)]
pub struct RecognizedObject {
    /// What it is.
    pub kind: Kind,
    /// Which it is.
    pub source_id: String,
    /// Where it stands, or stood.
    pub dn: String,
    /// What it is called.
    pub name: String,
    /// Whether it is there.
    pub present: bool,
    /// What became of it.
    pub status: ObjectStatus,
    /// Why it is not `synced`.
    pub reason: Option<Reason>,
    /// The user or unit it is in the account.
    pub object_id: Option<String>,
}

impl Store {
    /// The runs of a synchronization, newest first; those older than `after`, a time and an id.
    pub async fn runs(
        &self,
        account_id: &str,
        synchronization_id: &str,
        after: Option<&(Millis, String)>,
        limit: i64,
    ) -> anyhow::Result<Vec<Run>> {
        let rows = sqlx::query(
            "SELECT * FROM runs
             WHERE account_id = $1 AND synchronization_id = $2 AND (created_at, id) < ($3, $4)
             ORDER BY created_at DESC, id DESC LIMIT $5",
        )
        .bind(account_id)
        .bind(synchronization_id)
        .bind(after.map_or(Millis::MAX, |(created_at, _)| *created_at))
        .bind(after.map_or("", |(_, id)| id))
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(Run::from_row).collect()
    }

    /// A plan's lines after `seq`, in the plan's order.
    pub async fn changes(
        &self,
        account_id: &str,
        run_id: &str,
        filter: &ChangesFilter,
        seq: i64,
        limit: i64,
    ) -> anyhow::Result<Vec<ChangeOfRun>> {
        let rows = sqlx::query(
            "SELECT * FROM changes
             WHERE account_id = $1 AND run_id = $2 AND seq > $3
               AND (CAST($4 AS TEXT) IS NULL OR action = $4) AND (CAST($5 AS TEXT) IS NULL OR kind = $5)
               AND (CAST($6 AS TEXT) IS NULL OR lower(username) LIKE lower($6) ESCAPE '\\'
                    OR lower(dn) LIKE lower($6) ESCAPE '\\')
               AND ($7 = 0 OR action NOT IN ('skip', 'conflict'))
             ORDER BY seq LIMIT $8",
        )
        .bind(account_id)
        .bind(run_id)
        .bind(seq)
        .bind(filter.action.map(Action::as_str))
        .bind(filter.kind.map(Kind::as_str))
        .bind(&filter.pattern)
        .bind(i64::from(filter.effective_only))
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(change_of_row).collect()
    }

    /// What applied runs of a synchronization have seen, those after `after`, a kind and a source id.
    pub async fn objects(
        &self,
        account_id: &str,
        synchronization_id: &str,
        filter: &ObjectsFilter,
        after: Option<&(Kind, String)>,
        limit: i64,
    ) -> anyhow::Result<Vec<RecognizedObject>> {
        let rows = sqlx::query(
            "SELECT m.*, COALESCE(u.id, n.id) AS object_id FROM mirror m
             LEFT JOIN users u ON m.kind = 'user' AND u.account_id = m.account_id
                 AND u.synchronization_id = m.synchronization_id AND u.source_id = m.source_id
             LEFT JOIN units n ON n.account_id = m.account_id AND n.synchronization_id = m.synchronization_id
                 AND n.kind = m.kind AND n.source_id = m.source_id
             WHERE m.account_id = $1 AND m.synchronization_id = $2
               AND (m.kind, m.source_id) > ($3, $4)
               AND (CAST($5 AS TEXT) IS NULL OR m.kind = $5) AND (CAST($6 AS TEXT) IS NULL OR m.status = $6)
               AND (CAST($7 AS TEXT) IS NULL OR m.name_key LIKE lower($7) ESCAPE '\\' OR lower(m.dn) LIKE lower($7) ESCAPE '\\')
             ORDER BY m.kind, m.source_id LIMIT $8",
        )
        .bind(account_id)
        .bind(synchronization_id)
        .bind(after.map_or("", |(kind, _)| kind.as_str()))
        .bind(after.map_or("", |(_, source_id)| source_id))
        .bind(filter.kind.map(Kind::as_str))
        .bind(filter.status.map(ObjectStatus::as_str))
        .bind(&filter.pattern)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(object_of_row).collect()
    }
}

fn change_of_row(row: &SqliteRow) -> anyhow::Result<ChangeOfRun> {
    let (kind, action): (Kind, Action) =
        (row.try_get::<&str, _>("kind")?.parse()?, row.try_get::<&str, _>("action")?.parse()?);
    let after = match optional_json(row.try_get("after_state")?)? {
        None if kind == Kind::User && action == Action::Create => Some(created_user(row)?),
        after => after,
    };
    let change = Change {
        seq: row.try_get("seq")?,
        kind,
        source_id: row.try_get("source_id")?,
        dn: row.try_get("dn")?,
        username: row.try_get("username")?,
        action,
        reason: row.try_get::<&str, _>("reason")?.parse()?,
        detail: row.try_get("detail")?,
        before: optional_json(row.try_get("before_state")?)?,
        after,
    };
    Ok(ChangeOfRun { change, object_id: row.try_get("target_id")? })
}

/// What a plan says of a user it creates; kept once, as what the user will be.
fn created_user(row: &SqliteRow) -> anyhow::Result<Value> {
    let fields: Value = json(row.try_get("next_fields")?)?;
    Ok(serde_json::json!({
        "username": row.try_get::<Option<&str>, _>("next_name")?.unwrap_or(row.try_get("username")?),
        "email": row.try_get::<Option<&str>, _>("next_email")?,
        "status": row.try_get::<&str, _>("next_status")?,
        "dn": row.try_get::<Option<&str>, _>("next_dn")?.unwrap_or(row.try_get("dn")?),
        "fields": fields,
    }))
}

fn object_of_row(row: &SqliteRow) -> anyhow::Result<RecognizedObject> {
    /// The part of a record that a list shows.
    #[derive(serde::Deserialize)]
    struct Named {
        name: String,
    }
    let record: Named = json(row.try_get("record")?)?;
    Ok(RecognizedObject {
        kind: row.try_get::<&str, _>("kind")?.parse()?,
        source_id: row.try_get("source_id")?,
        dn: row.try_get("dn")?,
        name: record.name,
        present: row.try_get::<i64, _>("present")? != 0,
        status: row.try_get::<&str, _>("status")?.parse()?,
        reason: row.try_get::<Option<&str>, _>("reason")?.map(str::parse).transpose()?,
        object_id: row.try_get("object_id")?,
    })
}
