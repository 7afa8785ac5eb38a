//! What becomes of each object: `decide(object, facts)`, one object at a time.
//!
//! The control plane supplies the facts (which user the object is linked to, who holds its name); nothing here asks
//! anybody. A decision that depends on somebody else's name or unique value becoming free is settled by [`names`] once all are known.

mod difference;
pub mod names;
#[cfg(test)]
mod tests;
mod unit;
mod user;

pub use difference::{Difference, MembersDifference};
pub use unit::{NextUnit, Unit, UnitFacts, decide_unit};
pub use user::{NextUser, Provider, StatusBy, User, UserFacts, UserStatus, decide_user};

use crate::{reason::Reason, record::Problem, settings::EffectiveSettings};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is added.
    Create,
    /// Its fields, name or place change.
    Update,
    /// The user can no longer log in.
    Disable,
    /// The user can log in again.
    Enable,
    /// It is removed; kept for audit, and restored when its source id returns.
    Delete,
    /// It was deleted and comes back as the same one.
    Restore,
    /// A rule or a switch said no.
    Skip,
    /// Somebody must mend data.
    Conflict,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::Update,
        Self::Disable,
        Self::Enable,
        Self::Delete,
        Self::Restore,
        Self::Skip,
        Self::Conflict,
    ];

    /// The word used in tables, on the wire and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Skip => "skip",
            Self::Conflict => "conflict",
        }
    }

    /// Whether applying it changes anything.
    pub fn is_effective(self) -> bool {
        !matches!(self, Self::Skip | Self::Conflict)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

/// A text that names no [`Action`].
#[derive(Debug, thiserror::Error)]
#[error(
    "\"{0}\" is no action; the actions are create, update, disable, enable, delete, restore, skip and conflict"
)]
pub struct UnknownAction(String);

/// What became of an object of the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ObjectStatus {
    /// The account holds what the directory says.
    Synced,
    /// A switch or a protection stands in the way; every run tries again.
    Pending,
    /// Somebody must mend data; every run tries again.
    Conflict,
    /// A rule of the policy leaves it out.
    Excluded,
    /// An administrator took it out.
    Desynced,
    /// An undo pinned it.
    Pinned,
}

impl ObjectStatus {
    /// All statuses.
    pub const ALL: [Self; 6] =
        [Self::Synced, Self::Pending, Self::Conflict, Self::Excluded, Self::Desynced, Self::Pinned];

    /// The word used in tables, on the wire and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Pending => "pending",
            Self::Conflict => "conflict",
            Self::Excluded => "excluded",
            Self::Desynced => "desynced",
            Self::Pinned => "pinned",
        }
    }
}

impl FromStr for ObjectStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// A text that names no [`ObjectStatus`].
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no status; the statuses are synced, pending, conflict, excluded, desynced and pinned")]
pub struct UnknownStatus(String);

/// The terms on which a run decides: the same for every object.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The settings in force; dry-run plays no part here (invariant 3).
    pub settings: &'a EffectiveSettings,
    /// The synchronization that decides.
    pub synchronization_id: &'a str,
    /// Whether newcomers of the directory become users ([`Policy::auto_synchronization`](crate::policy::Policy)).
    pub auto_synchronization: bool,
    /// The run's own time (milliseconds since 1970 UTC).
    pub now: i64,
}

/// How it was proved that an object is no longer there (invariant 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Looked up by id: not found.
    Gone,
    /// Looked up by id: found outside the scope.
    OutOfScope,
}

impl Absence {
    fn reason(self) -> Reason {
        match self {
            Self::Gone => Reason::Gone,
            Self::OutOfScope => Reason::OutOfScope,
        }
    }
}

/// What the mirror remembers of an object from the last applied run that touched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// Whether it was there.
    pub present: bool,
    /// What became of it.
    pub status: ObjectStatus,
    /// Whether it left then, or was left out, and its removal was put off ([`Reason::PUT_OFF`]).
    pub put_off: bool,
    /// Whether it was active in the directory when it was last synchronized. An administrator's word about a user
    /// stands until this flips.
    pub active: Option<bool>,
    /// When its account was to expire, as it was seen last (milliseconds since 1970 UTC).
    pub expires_at: Option<i64>,
}

/// What is to happen to an object, and what becomes of it when the plan is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<Next> {
    /// The line in the plan; `None` when there is nothing to do.
    pub line: Option<Line<Next>>,
    /// What the mirror says of the object after the plan was applied.
    pub status: ObjectStatus,
    /// Why the status is not `synced`.
    pub status_reason: Option<Reason>,
    /// What [`Remembered::active`] becomes.
    pub active: Option<bool>,
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<Next> {
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What the reason leaves open.
    pub detail: Option<String>,
    /// What differs; what a skip would have changed. Empty for the creation of a user: there `next` says everything.
    pub difference: Difference,
    /// What the account holds afterwards; `None` where nothing is changed.
    pub next: Option<Next>,
    /// Whether it counts as a removal for the guards: a delete or a disable for absence or by a rule.
    pub removal: bool,
    /// Whose name and unique values this line needs: it only holds if they give them up in the same plan.
    pub needs: Vec<names::Holding>,
}

impl<Next> Decision<Next> {
    /// Whether a removal is put off ([`Reason::PUT_OFF`]).
    pub fn puts_off(&self) -> bool {
        self.status_reason.is_some_and(|reason| Reason::PUT_OFF.contains(&reason))
    }

    /// Whether it may be there all the same and so is not removed, or may be one that is missing ([`Reason::UnprovenAbsence`]).
    pub fn is_unproven(&self) -> bool {
        self.status_reason == Some(Reason::UnprovenAbsence)
    }

    /// Nothing to do: the account holds what the directory says.
    fn settled(active: Option<bool>) -> Self {
        Self { line: None, status: ObjectStatus::Synced, status_reason: None, active }
    }

    fn effective(
        action: Action,
        reason: Reason,
        difference: Difference,
        next: Next,
        active: Option<bool>,
    ) -> Self {
        let line = Line {
            action,
            reason,
            detail: None,
            difference,
            next: Some(next),
            removal: false,
            needs: Vec::new(),
        };
        Self { line: Some(line), status: ObjectStatus::Synced, status_reason: None, active }
    }

    fn skip(reason: Reason, status: ObjectStatus, difference: Difference, active: Option<bool>) -> Self {
        let line = Line {
            action: Action::Skip,
            reason,
            detail: None,
            difference,
            next: None,
            removal: false,
            needs: Vec::new(),
        };
        Self { line: Some(line), status, status_reason: Some(reason), active }
    }

    /// Somebody must mend data.
    pub fn conflict(reason: Reason, detail: Option<String>, active: Option<bool>) -> Self {
        let line = Line {
            action: Action::Conflict,
            reason,
            detail,
            difference: Difference::default(),
            next: None,
            removal: false,
            needs: Vec::new(),
        };
        Self { line: Some(line), status: ObjectStatus::Conflict, status_reason: Some(reason), active }
    }
}

/// Why a record with a problem is a conflict. That it has no identity matters more where it may be one that is missed.
fn reason_of(problem: &Problem, perhaps_missing: bool) -> Reason {
    match problem.reason {
        Reason::MissingSourceId if perhaps_missing => Reason::UnprovenAbsence,
        reason => reason,
    }
}

/// Who was not found, and which entries that one may be.
fn may_be(own: &str, others: &[String]) -> String {
    format!("{own} was not found by its id, and may be {}", others.join(" or "))
}

/// What several objects claim: who they are.
fn also_claimed(what: &str, own: &str, others: &[String]) -> String {
    format!("{what}: {own} and {}", others.join(" and "))
}
