//! A plan's lines, written as they are decided.

use super::{Run, Store, Turns, bulk};
use adc_core::{
    plan::{Action, ObjectStatus, StatusBy, UserStatus},
    reason::Reason,
    record::{GroupKind, Kind},
};

/// A line of a plan on its way into the database.
#[derive(Debug, Clone)]
pub struct ChangeRow {
    /// What the object is.
    pub kind: Kind,
    /// Which object.
    pub source_id: String,
    /// Where it stands, or stood.
    pub dn: String,
    /// What it is called.
    pub username: String,
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What the reason leaves open.
    pub detail: Option<String>,
    /// What differs, as it was: JSON.
    pub before: Option<String>,
    /// What differs, as it will be: JSON; `None` for a user's creation, which [`NextState`] tells.
    pub after: Option<String>,
    /// What the account holds afterwards; `None` where nothing is changed.
    pub next: Option<NextState>,
}

/// What the account holds of a user or a unit after the plan was applied.
#[derive(Debug, Clone)]
pub struct NextState {
    /// The user's or the unit's id.
    pub id: String,
    /// The user name, or the unit's name.
    pub name: String,
    /// The key by which names compare.
    pub name_key: String,
    /// The mail address.
    pub email: Option<String>,
    /// Active, disabled or deleted.
    pub status: UserStatus,
    /// Who decided the status.
    pub status_by: StatusBy,
    /// Where it stands.
    pub dn: String,
    /// The fields, as JSON.
    pub fields: String,
    /// The [`super::display_key`] of a user's fields; `None` of a unit.
    pub display_key: Option<String>,
    /// The manager's DN key.
    pub manager_key: Option<String>,
    /// What kind of group.
    pub group_kind: Option<GroupKind>,
}

/// What becomes of an object, where it is not simply `synced`.
#[derive(Debug, Clone)]
pub struct OutcomeRow {
    /// What the object is.
    pub kind: Kind,
    /// Which object.
    pub source_id: String,
    /// What became of it.
    pub status: ObjectStatus,
    /// Why it is not `synced`.
    pub reason: Option<Reason>,
    /// Whether it was active when last synchronized.
    pub active: Option<bool>,
    /// When it went, or somebody who it may be, where that one's absence is in doubt.
    pub doubt: Option<Turns>,
}

impl Store {
    /// Forgets the lines of a plan that is about to be made again.
    pub async fn clear_changes(&self, run: &Run) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM changes WHERE account_id = $1 AND run_id = $2")
            .bind(&run.account_id)
            .bind(&run.id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Forgets what becomes of the objects of a plan that is about to be made again.
    pub async fn clear_outcomes(&self, run: &Run) -> anyhow::Result<()> {
        let mut tx = self.begin_staging().await?;
        sqlx::query("DELETE FROM staging.outcomes WHERE run_id = $1").bind(&run.id).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Appends lines to a run's plan; `first` is the first one's place.
    pub async fn append_changes(&self, run: &Run, first: i64, rows: &[ChangeRow]) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        let mut seq = first;
        bulk::insert(
            &mut tx,
            "INSERT INTO changes (account_id, run_id, seq, kind, source_id, dn, username, action, reason, detail,
                 before_state, after_state, target_id, next_name, next_name_key, next_email, next_status,
                 next_status_by, next_dn, next_fields, next_display_key, next_manager_key, next_group_kind)",
            23,
            "",
            rows,
            |query, row| {
                let next = row.next.as_ref();
                // What a line says anyway is not said twice: see the columns in the migration.
                let unless = |text: &'_ str, said: &str| (text != said).then(|| text.to_owned());
                let query = query
                    .bind(&run.account_id)
                    .bind(&run.id)
                    .bind(seq)
                    .bind(row.kind.as_str())
                    .bind(&row.source_id)
                    .bind(&row.dn)
                    .bind(&row.username)
                    .bind(row.action.as_str())
                    .bind(row.reason.code())
                    .bind(row.detail.as_deref())
                    .bind(row.before.as_deref())
                    .bind(row.after.as_deref());
                seq += 1;
                query
                    .bind(next.map(|next| next.id.as_str()))
                    .bind(next.and_then(|next| unless(&next.name, &row.username)))
                    .bind(next.and_then(|next| unless(&next.name_key, &row.username)))
                    .bind(next.and_then(|next| next.email.as_deref()))
                    .bind(next.map(|next| next.status.as_str()))
                    .bind(next.map(|next| next.status_by.as_str()))
                    .bind(next.and_then(|next| unless(&next.dn, &row.dn)))
                    .bind(next.map(|next| next.fields.as_str()))
                    .bind(next.and_then(|next| next.display_key.as_deref()))
                    .bind(next.and_then(|next| next.manager_key.as_deref()))
                    .bind(next.and_then(|next| next.group_kind).map(GroupKind::as_str))
            },
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Notes what becomes of objects that are not simply `synced` after the plan.
    pub async fn append_outcomes(&self, run: &Run, rows: &[OutcomeRow]) -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin_staging().await?;
        bulk::insert(
            &mut tx,
            "INSERT INTO staging.outcomes (run_id, kind, source_id, status, reason, active, doubt_from, doubt_until)",
            8,
            "",
            rows,
            |query, row| {
                query
                    .bind(&run.id)
                    .bind(row.kind.as_str())
                    .bind(&row.source_id)
                    .bind(row.status.as_str())
                    .bind(row.reason.map(Reason::code))
                    .bind(row.active.map(i64::from))
                    .bind(row.doubt.map(|turns| turns.from))
                    .bind(row.doubt.map(|turns| turns.until))
            },
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
