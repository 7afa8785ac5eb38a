//! Why an agent is not the one that follows the directory's changes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why an agent does not follow changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NotFollowing {
    /// No run of the synchronization was ever applied: somebody starts the first one, by hand or by a schedule.
    NeverApplied,
    /// The policy says no (`follow_changes`).
    Policy,
    /// What is found would not be applied.
    DryRun,
    /// A plan waits for a decision.
    PlanHeld,
    /// Another agent of the synchronization does.
    AnotherFollows,
    /// Its directory offers no change feed for what is read.
    NoFeed,
    /// It cannot work with its directory, and tries again by itself.
    DirectoryTrouble,
    /// A reason that a newer control plane has.
    #[serde(other)]
    Other,
}
