//! What an administrator may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an API key allows; each role may do all that the ones before it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads one account.
    Auditor,
    /// Administers one account.
    AccountAdministrator,
    /// Administers the whole system.
    SystemAdministrator,
}

impl Role {
    /// All roles, from the weakest to the strongest.
    pub const ALL: [Self; 3] = [Self::Auditor, Self::AccountAdministrator, Self::SystemAdministrator];

    /// The word used in tables, on the wire and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::AccountAdministrator => "account-administrator",
            Self::SystemAdministrator => "system-administrator",
        }
    }

    /// Whether the role is about one account, not the whole system.
    pub fn needs_account(self) -> bool {
        self != Self::SystemAdministrator
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A text that names no [`Role`].
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no role; the roles are auditor, account-administrator and system-administrator")]
pub struct UnknownRole(String);
