//! People: as the account holds them, what there is to know about one, and what becomes of them.

mod decide;

pub use decide::decide_user;

use super::{Absence, Remembered, names::USERNAME};
use crate::{
    dn::DnKey,
    record::{Fields, Record},
    text,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// A user as the account holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The control plane's id.
    pub id: String,
    /// What the user logs in with; unique among the account's users that are not deleted.
    pub username: String,
    /// The mail address.
    pub email: Option<String>,
    /// The mapped fields.
    pub fields: Fields,
    /// What the manager is found by, whatever the field of that name says.
    pub manager_key: Option<DnKey>,
    /// Active, disabled or deleted.
    pub status: UserStatus,
    /// Who decided the status.
    pub status_by: StatusBy,
    /// Who may update and remove the user.
    pub provider: Provider,
    /// Owns the account: never removed and never adopted by a directory.
    pub account_owner: bool,
    /// Administers the account: never adopted by a directory.
    pub administrator: bool,
    /// What would be orphaned by a removal, such as `bot:42`.
    pub owns: Vec<String>,
}

/// Whether a user can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    /// Can log in.
    Active,
    /// Cannot, for now.
    Disabled,
    /// Cannot; kept for audit.
    Deleted,
}

impl UserStatus {
    /// The word used in tables, on the wire and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }
}

/// Who decided a user's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusBy {
    /// The directory; it may decide otherwise later.
    Directory,
    /// An administrator; the directory does not enable what an administrator disabled.
    Administrator,
    /// `create-as-disabled`; an administrator enables the user.
    Creation,
}

impl StatusBy {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Administrator => "administrator",
            Self::Creation => "creation",
        }
    }
}

/// Who may update and remove a user (invariant 12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// The account's administrators.
    Local,
    /// One synchronization.
    Directory {
        /// Which.
        synchronization_id: String,
        /// The object's immutable identity there.
        source_id: String,
        /// Where it stands there.
        dn: String,
    },
}

impl User {
    /// Whether the user holds `value` in a field that the policy calls unique; a deleted one holds nothing.
    pub fn holds(&self, field: &str, value: &str) -> bool {
        self.status != UserStatus::Deleted
            && self.value_of(field).is_some_and(|own| text::key(&own) == text::key(value))
    }

    /// The value of a field, the user name and the mail address among them, as it is compared where the policy calls it unique.
    pub fn value_of(&self, field: &str) -> Option<Cow<'_, str>> {
        value_of(field, &self.username, self.email.as_deref(), &self.fields)
    }
}

impl NextUser {
    /// See [`User::value_of`].
    pub fn value_of(&self, field: &str) -> Option<Cow<'_, str>> {
        value_of(field, &self.username, self.email.as_deref(), &self.fields)
    }
}

fn value_of<'v>(
    field: &str,
    username: &'v str,
    email: Option<&'v str>,
    fields: &Fields,
) -> Option<Cow<'v, str>> {
    match field {
        USERNAME => Some(username.into()),
        "email" => email.map(Cow::Borrowed),
        field => fields.get(field).map(|value| value.to_string().into()),
    }
}

impl Provider {
    /// Where the user stands in its directory; empty for local users.
    pub fn dn(&self) -> &str {
        match self {
            Self::Local => "",
            Self::Directory { dn, .. } => dn,
        }
    }

    fn is(&self, synchronization_id: &str) -> bool {
        matches!(self, Self::Directory { synchronization_id: own, .. } if own == synchronization_id)
    }
}

/// What there is to know about a person of the directory.
#[derive(Debug, Clone)]
pub struct UserFacts<'a> {
    /// The record, or how it was proved that there is none any more.
    pub seen: Result<&'a Record, Absence>,
    /// What the mirror remembers; `None` for a newcomer.
    pub remembered: Option<Remembered>,
    /// The user of this synchronization and source id, deleted or not.
    pub linked: Option<&'a User>,
    /// The user, not deleted, who holds the record's user name, unless it is `linked`.
    pub holder: Option<&'a User>,
    /// The other synchronization, by its name, that took the person over, has `holder`, and would take the user over again: two
    /// that both do would take from each other at every run.
    pub taken_over_by: Option<&'a str>,
    /// The users of the synchronization, not deleted, who hold a value that the record claims in a field that the policy calls
    /// unique, by the field; `linked` is none of them.
    pub value_holders: &'a [(&'a str, &'a User)],
    /// What `holder` or a value's holder is known to keep: [`USERNAME`] or the field. Everybody is decided with `None`
    /// first; whoever then needs what [`super::names::Names`] says does not become free is decided again with that.
    pub kept: Option<&'a str>,
    /// The DNs of objects that are there, have no usable identity, and may be the linked user whom no look-up found.
    pub unidentified: &'a [String],
    /// It has no usable identity itself, and may be somebody whom no look-up found.
    pub perhaps_missing: bool,
    /// The DNs of the other objects of the synchronization that claim the same user name.
    pub rivals: &'a [String],
    /// A unique field whose value other objects have too, and their DNs. Where there are several such fields: the
    /// first whose value `linked` does not hold already ([`User::holds`]).
    pub duplicate_value: Option<(&'a str, &'a [String])>,
}

/// A user as the account holds it once the plan was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextUser {
    /// See [`User::username`].
    pub username: String,
    /// See [`User::email`].
    pub email: Option<String>,
    /// See [`User::fields`].
    pub fields: Fields,
    /// See [`User::manager_key`].
    pub manager_key: Option<DnKey>,
    /// See [`User::status`].
    pub status: UserStatus,
    /// See [`User::status_by`].
    pub status_by: StatusBy,
    /// Where it stands in the directory.
    pub dn: String,
}
