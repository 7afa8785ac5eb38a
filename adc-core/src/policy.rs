//! What to read and how, held by the control plane: mapping, rules and guards of a synchronization.

use crate::{
    filter::Filter,
    mapping::{Flavor, is_same_mapping},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A synchronization's policy. The default reads all people, groups and org units with the preset's mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How attributes become fields.
    pub mapping: MappingPolicy,
    /// Only people whom one of these filters matches; empty means everybody.
    #[schema(value_type = Vec<String>)]
    pub include: Vec<Filter>,
    /// People left out, whatever `include` says.
    pub exclude: Vec<ExcludeRule>,
    /// Limits beyond which a plan waits for approval.
    pub guards: Guards,
    /// Whether a connected agent follows the directory's changes.
    pub follow_changes: bool,
    /// Whether newcomers of the directory become users. If not, people are recognized, and only those whom an administrator made
    /// come in: local users of their names, once `no-update-provider-mismatch` is off and a run has taken them over.
    pub auto_synchronization: bool,
    /// Whether people may leave out the domain of their user name when they sign in, or give that of their mail address.
    pub login_without_domain: bool,
}

/// Which preset to use and what to change of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MappingPolicy {
    /// The preset; when unset the agent's adc.yaml or the directory itself decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Fields of people that differ from the preset's, and custom ones.
    pub fields: Vec<FieldMapping>,
}

/// A directory's way of naming things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// What the rootDSE suggests.
    #[default]
    Auto,
    /// RFC 2798, as OpenLDAP and 389 DS have it.
    #[serde(rename = "inetorgperson")]
    InetOrgPerson,
    /// Active Directory.
    ActiveDirectory,
}

/// One field of people: where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    /// The field: `username`, `email`, `department`, …, or a name of your own.
    pub name: String,
    /// The attribute, the attributes of which the first that has a value counts, or a `{{ template }}`; `null` drops
    /// the preset's field.
    #[serde(default)]
    pub from: Option<FieldSource>,
    /// An object without a value is a conflict.
    #[serde(default)]
    pub required: bool,
    /// No two people of the synchronization may have the same value.
    #[serde(default)]
    pub unique: bool,
    /// All values, as a sorted list, instead of one.
    #[serde(default)]
    pub multi_valued: bool,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected an attribute, a template, or a list of attributes")]
pub enum FieldSource {
    /// An attribute's name, or a template when it contains `{{`.
    One(String),
    /// Attributes in order of preference.
    FirstOf(Vec<String>),
}

/// People left out by a filter, under a name that the report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExcludeRule {
    /// The rule's name.
    pub name: String,
    /// Whom it leaves out.
    #[schema(value_type = String)]
    pub filter: Filter,
}

/// Limits beyond which a plan is held for approval. A removal is a delete or a disable for absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// Removals within 24 hours without approval that always pass.
    pub max_removals: u32,
    /// Per cent of the synchronization's users that may be removed within 24 hours without approval; a plan is held
    /// when it is over both limits.
    pub max_removals_percent: u8,
    /// Per cent of the users having a field (of at least [`Guards::BLANKED_AT_LEAST`]) for whom one plan may empty it.
    pub max_blanked_percent: u8,
}

impl Guards {
    /// Fewer users than this having a field prove nothing about its being blanked.
    pub const BLANKED_AT_LEAST: u64 = 20;

    /// Whether so many removals are too many to pass whatever there is besides, so that this has to be counted.
    pub fn weighs_removals(&self, removed: u64) -> bool {
        removed > u64::from(self.max_removals)
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self { max_removals: 10, max_removals_percent: 10, max_blanked_percent: 50 }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mapping: MappingPolicy::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            guards: Guards::default(),
            follow_changes: true,
            auto_synchronization: true,
            login_without_domain: false,
        }
    }
}

impl Policy {
    /// What differs between two policies as to who is read and how: a change of it may remove people. What they come to is
    /// compared, in a directory of this kind where it is known: neither another spelling, nor an order, nor a preset's field
    /// written out, nor the name of a rule is a change.
    pub fn reading_differences(&self, other: &Self, flavor: Option<Flavor>) -> Vec<String> {
        let flavors = flavor.as_ref().map_or(&Flavor::ALL[..], std::slice::from_ref);
        let same_mapping =
            flavors.iter().all(|flavor| is_same_mapping(&self.mapping, &other.mapping, *flavor));
        [
            ("policy.mapping", !same_mapping),
            ("policy.include", canonical(&self.include) != canonical(&other.include)),
            ("policy.exclude", canonical(self.excluding()) != canonical(other.excluding())),
        ]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name.to_owned())
        .collect()
    }

    fn excluding(&self) -> impl Iterator<Item = &Filter> {
        self.exclude.iter().map(|rule| &rule.filter)
    }

    /// Whether there are rules that may leave people out.
    pub fn has_rules(&self) -> bool {
        !self.include.is_empty() || !self.exclude.is_empty()
    }

    /// Whether a plan comes out the same under both policies: they differ at most in what is done besides, such as whether changes are
    /// followed.
    pub fn decides_like(&self, other: &Self) -> bool {
        let Self { follow_changes, login_without_domain, .. } = *other;
        Self { follow_changes, login_without_domain, ..self.clone() } == *other
    }

    /// Checks what the types cannot: names that are given once, percentages, sources that name something.
    ///
    /// Whether the attributes may be asked for is the agent's to say (invariant 5); it knows `attributes:` of adc.yaml.
    pub fn validate(&self) -> Result<(), PolicyError> {
        for (index, field) in self.mapping.fields.iter().enumerate() {
            if field.name.is_empty()
                || !field.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            {
                return Err(PolicyError::FieldName(field.name.clone()));
            }
            if self.mapping.fields[..index].iter().any(|earlier| earlier.name == field.name) {
                return Err(PolicyError::FieldTwice(field.name.clone()));
            }
            if field.from.as_ref().is_some_and(FieldSource::is_empty) {
                return Err(PolicyError::EmptySource(field.name.clone()));
            }
            if field.name == "username" && (field.from.is_none() || field.multi_valued) {
                return Err(PolicyError::Username);
            }
        }
        for (index, rule) in self.exclude.iter().enumerate() {
            if rule.name.trim().is_empty()
                || self.exclude[..index].iter().any(|earlier| earlier.name == rule.name)
            {
                return Err(PolicyError::RuleName(rule.name.clone()));
            }
        }
        if self.guards.max_removals_percent > 100 || self.guards.max_blanked_percent > 100 {
            return Err(PolicyError::Percent);
        }
        Ok(())
    }
}

/// Filters any of which may match, in their canonical form.
fn canonical<'a>(filters: impl IntoIterator<Item = &'a Filter>) -> BTreeSet<String> {
    filters.into_iter().map(|filter| filter.canonical().to_string()).collect()
}

impl FieldSource {
    fn is_empty(&self) -> bool {
        match self {
            Self::One(source) => source.trim().is_empty(),
            Self::FirstOf(sources) => {
                sources.is_empty() || sources.iter().any(|source| source.trim().is_empty())
            }
        }
    }
}

/// Why a policy cannot be stored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A field's name does not fit.
    #[error(
        "policy.mapping.fields: \"{0}\" is no field name; use lower-case letters, digits and underscores"
    )]
    FieldName(String),
    /// A field stands twice.
    #[error("policy.mapping.fields: \"{0}\" stands twice; keep one of them")]
    FieldTwice(String),
    /// A source names nothing.
    #[error(
        "policy.mapping.fields: the source of \"{0}\" is empty; name an attribute, or use null to drop the field"
    )]
    EmptySource(String),
    /// The user name is what people are matched by.
    #[error(
        "policy.mapping.fields: \"username\" needs one value from an attribute or a template; people are matched by it"
    )]
    Username,
    /// A rule has no name of its own.
    #[error("policy.exclude: each rule needs a name of its own; \"{0}\" is empty or stands twice")]
    RuleName(String),
    /// A percentage over 100.
    #[error("policy.guards: a percentage is a number from 0 to 100")]
    Percent,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Policy, String> {
        let policy: Policy = serde_json::from_str(text).map_err(|error| error.to_string())?;
        policy.validate().map_err(|error| error.to_string())?;
        Ok(policy)
    }

    #[test]
    fn the_default_is_valid_and_says_the_documented_guards() {
        let policy = parse("{}").expect("valid");
        assert_eq!((policy.guards.max_removals, policy.guards.max_removals_percent), (10, 10));
        assert_eq!(policy, Policy::default());
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_sentence() {
        for (text, expected) in [
            (r#"{"mapping":{"fields":[{"name":"Cost Center","from":"x"}]}}"#, "no field name"),
            (r#"{"mapping":{"fields":[{"name":"a","from":"x"},{"name":"a","from":"y"}]}}"#, "stands twice"),
            (r#"{"mapping":{"fields":[{"name":"a","from":[]}]}}"#, "is empty"),
            (r#"{"mapping":{"fields":[{"name":"username"}]}}"#, "matched by it"),
            (r#"{"exclude":[{"name":"","filter":"(cn=a)"}]}"#, "name of its own"),
            (r#"{"guards":{"max_removals_percent":101}}"#, "0 to 100"),
            (r#"{"guard":{}}"#, "unknown field"),
            (r#"{"exclude":[{"name":"a","filter":"(cn=a"}]}"#, ""),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_rule_that_was_only_written_otherwise_counted_as_another() {
        let policy = |text: &str| parse(text).expect(text);
        let differences = |one: &str, other: &str| {
            policy(one).reading_differences(&policy(other), Some(Flavor::InetOrgPerson))
        };
        let written =
            r#"{"include":["(OU=a)","(ou=b)"],"exclude":[{"name":"x","filter":"(&(cn=a)(mail=*))"}]}"#;
        let otherwise = r#"{"include":["(ou=b)","(ou=a)"],"exclude":[{"name":"y","filter":"(&(mail=*)(CN=a))"}],
                            "mapping":{"preset":"inetorgperson"},"guards":{"max_removals":1}}"#;
        assert_eq!(differences(written, otherwise), [""; 0]);
        assert_eq!(policy(written).reading_differences(&policy(otherwise), None), ["policy.mapping"]);
        assert_eq!(differences(written, r#"{"include":["(ou=a)"]}"#), ["policy.include", "policy.exclude"]);
        assert_eq!(differences("{}", r#"{"mapping":{"fields":[{"name":"title"}]}}"#), ["policy.mapping"]);
    }
}
