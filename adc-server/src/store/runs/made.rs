//! Runs as they are made: new, or read from their row.

use super::{Run, SyncState, from_word, json, optional_json};
use crate::clock::Millis;
use adc_core::{
    protocol::{AgentInfo, Fingerprint, Mode, RunState, Trigger},
    settings::EffectiveSettings,
};
use anyhow::Context;
use sqlx::{Row, sqlite::SqliteRow};

impl Run {
    /// A run that waits for an agent, of a synchronization as it stands: nothing is read yet, and nobody has it.
    ///
    /// Whoever knows more of it (who runs it, why it is full) says so by `..Run::queued(…)`.
    pub fn queued(
        account_id: &str,
        synchronization_id: &str,
        id: String,
        (state, settings): (&SyncState, EffectiveSettings),
        now: Millis,
    ) -> Self {
        Self {
            account_id: account_id.to_owned(),
            id,
            synchronization_id: synchronization_id.to_owned(),
            trigger: Trigger::default().as_str().to_owned(),
            mode: Mode::Delta,
            full_because: None,
            full_asked: false,
            state: RunState::Queued,
            dry_run: settings.dry_run.value,
            settings,
            policy: state.policy.clone(),
            sync_version: state.version,
            fingerprint: Fingerprint::default(),
            agent: AgentInfo { host: String::new(), version: String::new(), instance: None },
            receipt: None,
            counts: None,
            needs_attention: 0,
            held_because: Vec::new(),
            plan_digest: None,
            removals: 0,
            approved_at: None,
            error: None,
            created_at: now,
            started_at: None,
            finished_at: None,
            takes_over: None,
            attempt: 1,
            lines_forgotten: false,
        }
    }

    /// Reads a row of `SELECT * FROM runs`.
    pub(in crate::store) fn from_row(row: &SqliteRow) -> anyhow::Result<Self> {
        Ok(Self {
            account_id: row.try_get("account_id")?,
            id: row.try_get("id")?,
            synchronization_id: row.try_get("synchronization_id")?,
            trigger: row.try_get("triggered_by")?,
            mode: from_word(row.try_get("mode")?)?,
            full_because: row.try_get::<Option<String>, _>("full_because")?.map(from_word).transpose()?,
            full_asked: row.try_get::<i64, _>("full_asked")? != 0,
            state: from_word(row.try_get("state")?)?,
            dry_run: row.try_get::<i64, _>("dry_run")? != 0,
            settings: json(row.try_get("settings")?)?,
            policy: json(row.try_get("policy")?)?,
            sync_version: row.try_get("sync_version")?,
            fingerprint: json(row.try_get("fingerprint")?)?,
            agent: json(row.try_get("agent")?)?,
            receipt: optional_json(row.try_get("receipt")?)?,
            counts: optional_json(row.try_get("counts")?)?,
            needs_attention: u64::try_from(row.try_get::<i64, _>("needs_attention")?)?,
            held_because: optional_json(row.try_get("held_because")?)?.unwrap_or_default(),
            plan_digest: row
                .try_get::<Option<String>, _>("plan_digest")?
                .map(|text| text.parse().context("a run's plan digest"))
                .transpose()?,
            removals: u64::try_from(row.try_get::<i64, _>("removals")?)?,
            approved_at: row.try_get("approved_at")?,
            error: optional_json(row.try_get("error")?)?,
            created_at: row.try_get("created_at")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
            takes_over: row.try_get("takes_over")?,
            attempt: u32::try_from(row.try_get::<i64, _>("attempt")?)?,
            lines_forgotten: row.try_get::<&str, _>("lines")? != "kept"
                && row.try_get::<Option<&str>, _>("plan_digest")?.is_some(),
        })
    }
}
