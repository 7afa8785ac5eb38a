//! What a run's result depends on.

use crate::mapping::Flavor;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// What a checkpoint and a configuration depend on; another fingerprint means a full run.
///
/// The values stand readable, so that a report can say what differs; nothing secret is among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fingerprint {
    /// The directory server's identity; the agent's *configuration* leaves it out.
    pub server: String,
    /// Bind account, base DN, scope, filters, attributes, preset: by name, as adc.yaml says them.
    pub configuration: BTreeMap<String, String>,
    /// The same as it comes to: names normalized, filters in their canonical form, the preset's where adc.yaml leaves them to it.
    /// Empty of an agent that does not say so; its configuration is compared as it is written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub effective: BTreeMap<String, String>,
}

impl Fingerprint {
    /// How references are joined. No key of adc.yaml: the directory's software decides it, and what the agent can ask of it.
    pub const REFERENCES: &str = "references";
    /// The key of the preset: of the effective one, its [`Flavor`].
    pub const PRESET: &str = "preset";

    /// What differs between two configurations, the server's identity apart: keys of adc.yaml, or what else people understand.
    ///
    /// What they come to is compared. A fingerprint that was stored by a version that did not say so is compared by how it is
    /// written, so that an upgrade alone changes nothing; the next applied run stores both.
    pub fn configuration_differences(&self, other: &Self) -> Vec<String> {
        let (one, other) = if self.effective.is_empty() || other.effective.is_empty() {
            (&self.configuration, &other.configuration)
        } else {
            (&self.effective, &other.effective)
        };
        let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
        names
            .into_iter()
            .filter(|name| one.get(*name) != other.get(*name))
            .map(|name| match name.as_str() {
                Self::REFERENCES => REFERENCES_CHANGED.to_owned(),
                name => name.to_owned(),
            })
            .collect()
    }

    /// Whether the same is read from the same server.
    pub fn is_same(&self, other: &Self) -> bool {
        self.server == other.server && self.configuration_differences(other).is_empty()
    }

    /// The kind of directory that adc.yaml, or the directory itself, says this is; `None` where the agent does not say so.
    pub fn flavor(&self) -> Option<Flavor> {
        Flavor::ALL
            .into_iter()
            .find(|flavor| self.effective.get(Self::PRESET).is_some_and(|it| it == flavor.as_str()))
    }
}

/// What a change of [`Fingerprint::REFERENCES`] is for people, who never wrote that word.
const REFERENCES_CHANGED: &str =
    "how the directory names members and managers (after an upgrade of adc or of the directory)";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(written: &str, effective: &str) -> Fingerprint {
        let map = |value: &str| BTreeMap::from([("bind_dn".to_owned(), value.to_owned())]);
        let effective = if effective.is_empty() { BTreeMap::new() } else { map(effective) };
        Fingerprint { server: "ldap1".to_owned(), configuration: map(written), effective }
    }

    #[test]
    fn another_spelling_counted_as_another_configuration() {
        assert!(of("cn=A, dc=lg", "cn=a,dc=lg").is_same(&of("CN=a,dc=lg", "cn=a,dc=lg")));
        let changed =
            of("cn=a,dc=lg", "cn=a,dc=lg").configuration_differences(&of("cn=b,dc=lg", "cn=b,dc=lg"));
        assert_eq!(changed, ["bind_dn"]);
    }

    #[test]
    fn what_an_older_version_stored_is_compared_as_it_is_written() {
        let stored: Fingerprint =
            serde_json::from_str(r#"{"server":"ldap1","configuration":{"bind_dn":"cn=A, dc=lg"}}"#)
                .expect("parses");
        assert!(stored.is_same(&of("cn=A, dc=lg", "cn=a,dc=lg")));
        assert_eq!(stored.configuration_differences(&of("cn=b", "cn=b")), ["bind_dn"]);
    }

    #[test]
    fn another_server_is_another_fingerprint_and_the_same_configuration() {
        let elsewhere = Fingerprint { server: "ldap2".to_owned(), ..of("cn=a", "cn=a") };
        assert!(!of("cn=a", "cn=a").is_same(&elsewhere));
        assert!(of("cn=a", "cn=a").configuration_differences(&elsewhere).is_empty());
    }

    #[test]
    fn an_upgrade_was_said_to_change_a_key_that_nobody_wrote() {
        let fingerprint = |configuration: &[(&str, &str)]| Fingerprint {
            server: "ldap1".to_owned(),
            configuration: configuration
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            ..Fingerprint::default()
        };
        let before = fingerprint(&[("base_dn", "dc=lg")]);
        let upgraded = fingerprint(&[("base_dn", "dc=lg"), (Fingerprint::REFERENCES, "by GUID")]);
        assert_eq!(before.configuration_differences(&upgraded), [REFERENCES_CHANGED]);
        assert_eq!(fingerprint(&[("base_dn", "dc=x")]).configuration_differences(&before), ["base_dn"]);
    }
}
