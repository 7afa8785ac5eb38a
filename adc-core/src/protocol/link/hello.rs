//! How a link begins: what an agent says of itself, and whether it is served.

use super::CloseCode;
use crate::mapping::{Flavor, RootDse};
use crate::protocol::{Fingerprint, RunError, in_effect};
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
    /// synchronization must agree on what it [comes to](different_configuration).
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

/// Says what differs between an agent's configuration and that of the agents that are connected, in one sentence; `None` where they
/// agree: what they come to is compared, and shown as it is written. `host` is a machine that one of the others runs on.
///
/// `kind` is the directory's, as far as anybody has reached it. As long as nobody has, an adc.yaml that leaves the preset to the
/// directory agrees with one that names it: whoever cannot reach the directory is to keep nobody out.
pub fn different_configuration(
    own: &BTreeMap<String, String>,
    others: &BTreeMap<String, String>,
    kind: Option<Flavor>,
    host: &str,
) -> Option<String> {
    let kind = kind.or_else(|| named_preset(own)).or_else(|| named_preset(others));
    let (here, there) = (come_to(own, kind), come_to(others, kind));
    let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| here.get(*name) != there.get(*name))
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

/// What a configuration comes to with a directory of this kind.
fn come_to(written: &BTreeMap<String, String>, kind: Option<Flavor>) -> BTreeMap<String, String> {
    let mut written = written.clone();
    if let (None, Some(kind)) = (named_preset(&written), kind) {
        written.insert(Fingerprint::PRESET.to_owned(), kind.as_str().to_owned());
    }
    in_effect(&written, &RootDse::default())
}

/// The kind of directory that a configuration names itself.
fn named_preset(written: &BTreeMap<String, String>) -> Option<Flavor> {
    let word = written.get(Fingerprint::PRESET)?;
    Flavor::ALL.into_iter().find(|flavor| flavor.as_str() == word)
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
            different_configuration(&here, &there, None, "dc2").expect("they differ"),
            @r#"This agent is configured otherwise than the one on dc2 that serves the same synchronization: base_dn is "dc=a" here and "dc=b" there; sync.filter is "(uid=*)" here and not set there. Make both adc.yaml files agree, or stop the other agent first."#
        );
        assert_eq!(different_configuration(&here, &here, None, "dc2"), None);
    }

    #[test]
    fn another_spelling_was_taken_for_another_configuration() {
        let usual = [
            ("bind_dn", "cn=readonly,dc=lg"),
            ("base_dn", "dc=lg"),
            ("preset", "auto"),
            ("id_attribute", "preset"),
            ("attributes", "cn, mail"),
            ("sync.filter", "preset"),
        ];
        let with = |key: &str, value: &str| {
            let mut configuration = configuration(&usual);
            configuration.insert(key.to_owned(), value.to_owned());
            configuration
        };
        let differs =
            |key, value, kind| different_configuration(&with(key, value), &configuration(&usual), kind, "b");
        let (rfc2798, domain) = (Some(Flavor::InetOrgPerson), Some(Flavor::ActiveDirectory));
        for (key, value, kind) in [
            ("bind_dn", "CN=ReadOnly, dc=lg", None),
            ("preset", "inetorgperson", None),
            ("preset", "active-directory", None),
            ("preset", "active-directory", domain),
            ("id_attribute", "entryuuid", rfc2798),
            ("id_attribute", "objectGUID", domain),
            ("attributes", "cn, entryuuid, mail", rfc2798),
            ("sync.filter", "(objectclass=inetOrgPerson)", rfc2798),
        ] {
            assert_eq!(differs(key, value, kind), None, "{key} {value} {kind:?}");
        }
        for (key, value, kind) in [
            ("bind_dn", "cn=other,dc=lg", None),
            ("preset", "active-directory", rfc2798),
            ("id_attribute", "entryuuid", domain),
            ("attributes", "cn", rfc2798),
            ("sync.filter", "(objectclass=inetOrgPerson)", domain),
            ("sync.filter", "no filter", rfc2798),
        ] {
            let says = differs(key, value, kind).expect(value);
            assert!(says.contains(&format!("{key} is \"{value}\" here")), "{says}");
        }
    }

    #[test]
    fn a_refusal_of_a_newer_control_plane_is_a_refusal_all_the_same() {
        let refused: Refused =
            serde_json::from_str(r#"{"reason":"license-expired","detail":"Pay."}"#).expect("understood");
        assert_eq!(refused, Refused { reason: Refusal::Other, detail: "Pay.".to_owned() });
    }
}
