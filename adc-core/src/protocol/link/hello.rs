//! How a link begins: what an agent says of itself, and whether it is served.

use super::CloseCode;
use crate::protocol::RunError;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
    /// synchronization must agree on it.
    pub configuration: BTreeMap<String, String>,
    /// The switches of adc.yaml.
    #[serde(default)]
    pub settings: Settings,
    /// The X25519 public key (base64) that passwords are sealed to; without one the agent checks none.
    #[serde(default)]
    pub public_key: Option<String>,
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

/// Says what differs between an agent's configuration and that of the agents that are connected, in one sentence; `None` where they
/// agree. `host` is a machine that one of the others runs on.
pub fn different_configuration(
    own: &BTreeMap<String, String>,
    others: &BTreeMap<String, String>,
    host: &str,
) -> Option<String> {
    let names: BTreeSet<&String> = own.keys().chain(others.keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| own.get(*name) != others.get(*name))
        .map(|name| format!("{name} is {} here and {} there", shown(own.get(name)), shown(others.get(name))))
        .collect();
    (!differing.is_empty()).then(|| {
        format!(
            "This agent is configured otherwise than the one on {host} that serves the same synchronization: {}. Make both \
             adc.yaml files agree, or stop the other agent first.",
            differing.join("; ")
        )
    })
}

fn shown(value: Option<&String>) -> String {
    value.map_or_else(|| "not set".to_owned(), |value| format!("\"{value}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(parts: &[(&str, &str)]) -> BTreeMap<String, String> {
        parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_differs_is_said_with_both_values() {
        let here = configuration(&[("base_dn", "dc=a"), ("scope", "sub"), ("sync.filter", "(uid=*)")]);
        let there = configuration(&[("base_dn", "dc=b"), ("scope", "sub")]);
        insta::assert_snapshot!(
            different_configuration(&here, &there, "dc2").expect("they differ"),
            @r#"This agent is configured otherwise than the one on dc2 that serves the same synchronization: base_dn is "dc=a" here and "dc=b" there; sync.filter is "(uid=*)" here and not set there. Make both adc.yaml files agree, or stop the other agent first."#
        );
        assert_eq!(different_configuration(&here, &here, "dc2"), None);
    }

    #[test]
    fn a_refusal_of_a_newer_control_plane_is_a_refusal_all_the_same() {
        let refused: Refused =
            serde_json::from_str(r#"{"reason":"license-expired","detail":"Pay."}"#).expect("understood");
        assert_eq!(refused, Refused { reason: Refusal::Other, detail: "Pay.".to_owned() });
    }
}
