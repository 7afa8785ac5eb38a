//! What is said of a run when it is over: its state, its counts, and the plan's lines.

use super::{FullBecause, Mode, ReadCounts, SentCounts};
use crate::{plan::Action, reason::Reason, record::Kind, settings::EffectiveSettings};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What `adc imp` and a run's page say of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunReport {
    /// The run.
    pub run_id: String,
    /// Full or delta.
    pub mode: Mode,
    /// Why it was full.
    pub full_because: Option<FullBecause>,
    /// Whether it only previewed.
    pub dry_run: bool,
    /// How it ended.
    pub state: RunState,
    /// Why it was held: one per guard.
    pub held_because: Vec<HeldBecause>,
    /// The settings that were in force.
    pub settings: EffectiveSettings,
    /// Objects read.
    pub read: ReadCounts,
    /// What the plan holds.
    pub counts: Counts,
    /// Skips and conflicts that wait for somebody (exit code 6).
    pub needs_attention: u64,
    /// What was sent.
    pub sent: SentCounts,
    /// From opening to the end (milliseconds).
    pub duration_ms: i64,
    /// Where the report stands.
    pub report_url: String,
    /// Why it failed.
    pub error: Option<RunError>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Waits for an agent.
    Queued,
    /// Is being read, planned or applied.
    Running,
    /// Ended as a dry run.
    Previewed,
    /// Waits for approval.
    Held,
    /// Was applied.
    Applied,
    /// Was held and turned down.
    Rejected,
    /// Was held until a later run took its place.
    Superseded,
    /// Ended with an error; nothing was changed.
    Failed,
    /// Was cancelled; nothing was changed.
    Cancelled,
    /// Its agent fell silent; nothing was changed.
    Interrupted,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Running,
        Self::Previewed,
        Self::Held,
        Self::Applied,
        Self::Rejected,
        Self::Superseded,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// The word used in tables, on the wire and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Previewed => "previewed",
            Self::Held => "held",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A guard that held a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldBecause {
    /// Which guard.
    pub reason: Reason,
    /// The numbers behind it.
    pub detail: String,
}

/// How many objects met each fate; `adc imp --output json` and the API show these names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Counts {
    /// Created.
    pub create: u64,
    /// Updated.
    pub update: u64,
    /// Disabled.
    pub disable: u64,
    /// Enabled.
    pub enable: u64,
    /// Deleted.
    pub delete: u64,
    /// Restored.
    pub restore: u64,
    /// Left alone by a switch or a rule.
    pub skip: u64,
    /// Waiting for somebody to mend data.
    pub conflict: u64,
    /// Seen and as it should be.
    pub unchanged: u64,
}

impl Counts {
    /// The count of one action, to be raised.
    pub fn of_mut(&mut self, action: Action) -> &mut u64 {
        match action {
            Action::Create => &mut self.create,
            Action::Update => &mut self.update,
            Action::Disable => &mut self.disable,
            Action::Enable => &mut self.enable,
            Action::Delete => &mut self.delete,
            Action::Restore => &mut self.restore,
            Action::Skip => &mut self.skip,
            Action::Conflict => &mut self.conflict,
        }
    }

    /// How many changes the plan would make: skips and conflicts make none.
    pub fn effective(&self) -> u64 {
        self.create + self.update + self.disable + self.enable + self.delete + self.restore
    }
}

/// Why a run failed: a stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunError {
    /// Lower-case words with hyphens.
    pub code: String,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// One line of a plan, as `GET /runs/{id}/changes` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Its place in the plan.
    pub seq: i64,
    /// What the object is.
    pub kind: Kind,
    /// Which object.
    pub source_id: String,
    /// Where it stands, or stood, in the directory.
    pub dn: String,
    /// The user's or the group's name.
    pub username: String,
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What exactly, where the reason leaves it open: both DNs of a duplicate, a missing field's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What differs, as it was; `null` for what did not exist.
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// What differs, as it will be.
    #[schema(value_type = Option<Object>)]
    pub after: Option<serde_json::Value>,
}
