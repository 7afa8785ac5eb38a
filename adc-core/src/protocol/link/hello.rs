//! How a link begins: what an agent says of itself, and whether it is served.

use super::CloseCode;
use crate::mapping::Flavor;
use crate::protocol::RunError;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The agent's first message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// This process: random, and another one after every start.
    pub instance: String,
    /// The machine it runs on.
    pub host: String,
    /// The agent's version.
    pub version: String,
    /// What is known of the directory by now; `None` while it cannot be reached.
    #[serde(default)]
    pub directory: Option<DirectoryInfo>,
    /// The configuration's part of the [`Fingerprint`](crate::protocol::Fingerprint), by name and readable: agents of one
    /// synchronization must agree on what it [comes to](super::different_configuration).
    pub configuration: BTreeMap<String, String>,
    /// The switches of adc.yaml.
    #[serde(default)]
    pub settings: Settings,
    /// The X25519 public key (base64) that passwords are sealed to; without one the agent checks none.
    #[serde(default)]
    pub public_key: Option<String>,
    /// How long it tries a password at most (milliseconds); nobody waits much longer for its answer. An older agent does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_timeout_ms: Option<u64>,
    /// The runs that it was told to do, or does, and that are not over.
    #[serde(default)]
    pub runs: Vec<String>,
}

/// A directory, as its agent sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DirectoryInfo {
    /// `openldap`, `active-directory`, or `ldap` for any other; `unknown` while it was never reached.
    pub kind: String,
    /// The change feed that is followed; `None` where the directory offers none.
    pub feed: Option<String>,
    /// Why the agent cannot work with it by now; `None` where it can.
    #[serde(default)]
    pub trouble: Option<RunError>,
}

impl DirectoryInfo {
    /// The [`kind`](DirectoryInfo::kind) of Active Directory.
    pub const ACTIVE_DIRECTORY: &'static str = "active-directory";
    /// The kind of a directory that was never reached.
    pub const UNKNOWN: &'static str = "unknown";

    /// How it names things, once it was reached.
    pub fn flavor(&self) -> Option<Flavor> {
        match self.kind.as_str() {
            Self::UNKNOWN => None,
            Self::ACTIVE_DIRECTORY => Some(Flavor::ActiveDirectory),
            _ => Some(Flavor::InetOrgPerson),
        }
    }
}

/// The answer to a [`Hello`] that is welcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The control plane's version.
    pub version: String,
    /// How often it pings (seconds).
    pub ping_seconds: u64,
    /// After how much silence either side takes the link for dead (seconds).
    pub deadline_seconds: u64,
}

/// Why an agent is not served, or not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// In one word.
    pub reason: Refusal,
    /// What is wrong, and what to do.
    pub detail: String,
}

/// Why an agent is not served, in one word. Most last until somebody does something about it; see [`passes`](Refusal::passes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The Secret Token was replaced, or the synchronization deleted.
    Revoked,
    /// The agent's version is too old.
    VersionTooOld,
    /// It is configured otherwise than the synchronization's other agents. It passes: when they are configured anew one after the
    /// other, the last one agrees with the rest in the end.
    DifferentConfiguration,
    /// So many of the synchronization's agents are connected that no more are served. It passes when some go.
    TooManyLinks,
    /// The control plane cannot look up its own database right now. It passes.
    Unavailable,
    /// Some reason that a newer control plane has.
    #[serde(other)]
    Other,
}

impl Refusal {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Revoked,
        Self::VersionTooOld,
        Self::DifferentConfiguration,
        Self::TooManyLinks,
        Self::Unavailable,
        Self::Other,
    ];

    /// Whether the agent may be served later without anything done to it: it comes back by itself.
    pub fn passes(self) -> bool {
        match self {
            Self::DifferentConfiguration | Self::TooManyLinks | Self::Unavailable => true,
            Self::Revoked | Self::VersionTooOld | Self::Other => false,
        }
    }

    /// What the link is closed with.
    pub fn close_code(self) -> CloseCode {
        if self.passes() { CloseCode::NotNow } else { CloseCode::Refused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_a_newer_control_plane_is_a_refusal_all_the_same() {
        let refused: Refused =
            serde_json::from_str(r#"{"reason":"license-expired","detail":"Pay."}"#).expect("understood");
        assert_eq!(refused, Refused { reason: Refusal::Other, detail: "Pay.".to_owned() });
    }
}
