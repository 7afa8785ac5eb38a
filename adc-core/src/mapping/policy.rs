//! What can be told of a policy before any agent hears of it.

use super::{
    Flavor, MappingError, allowed,
    template::{self, Template},
};
use crate::{
    filter::Filter,
    policy::{FieldMapping, FieldSource, MappingPolicy, Policy, Preset},
    record::Kind,
};
use std::collections::BTreeMap;

/// Refuses a policy that maps, or filters people by, an attribute that holds a [secret](super::SECRETS).
///
/// Agents refuse it too (invariant 5), but only when their next run starts; who writes the policy should hear of it. To
/// know what a template asks for it must be readable, so one that is not is refused as well.
pub fn refuse_secrets(policy: &Policy) -> Result<(), MappingError> {
    for field in &policy.mapping.fields {
        refuse_in_field(field)?;
    }
    for filter in &policy.include {
        refuse_in_filter(&format!("policy.include: the filter {filter}"), filter)?;
    }
    for rule in &policy.exclude {
        refuse_in_filter(&format!("policy.exclude: the rule \"{}\"", rule.name), &rule.filter)?;
    }
    Ok(())
}

/// Whether two policies map people alike, in a directory of this kind where they do not name one: written otherwise, or the preset's own
/// fields written out.
///
/// A policy's `preset: auto` is taken for none: the agent's adc.yaml, or the directory itself, decides.
pub fn is_same_mapping(one: &MappingPolicy, other: &MappingPolicy, flavor: Flavor) -> bool {
    let flavor = |policy: &MappingPolicy| match policy.preset {
        None | Some(Preset::Auto) => flavor,
        Some(Preset::InetOrgPerson) => Flavor::InetOrgPerson,
        Some(Preset::ActiveDirectory) => Flavor::ActiveDirectory,
    };
    flavor(one) == flavor(other) && sources(one, flavor(one)) == sources(other, flavor(other))
}

/// What one field of people is filled from: attributes lower-cased, or a template as it is.
#[derive(PartialEq, Eq)]
struct Source {
    from: Vec<String>,
    required: bool,
    unique: bool,
    multi_valued: bool,
}

/// By field, the preset's and those of the policy in their place or beside them.
fn sources(policy: &MappingPolicy, flavor: Flavor) -> BTreeMap<&str, Source> {
    let is_username = |name: &str| name == "username";
    let preset = flavor.fields(Kind::User).iter().map(|(name, attributes)| {
        let from = attributes.iter().map(|attribute| attribute.to_ascii_lowercase()).collect();
        (*name, Source { from, required: is_username(name), unique: false, multi_valued: false })
    });
    let mut sources: BTreeMap<&str, Source> = preset.collect();
    for FieldMapping { name, from, required, unique, multi_valued } in &policy.fields {
        let from = match from {
            None => {
                sources.remove(name.as_str());
                continue;
            }
            Some(FieldSource::One(text)) if template::is_template(text) => vec![text.clone()],
            Some(FieldSource::One(attribute)) => vec![attribute.trim().to_ascii_lowercase()],
            Some(FieldSource::FirstOf(attributes)) => {
                attributes.iter().map(|attribute| attribute.trim().to_ascii_lowercase()).collect()
            }
        };
        let required = *required || is_username(name);
        sources.insert(name, Source { from, required, unique: *unique, multi_valued: *multi_valued });
    }
    sources
}

fn refuse_in_field(field: &FieldMapping) -> Result<(), MappingError> {
    let place = format!("policy.mapping: the field \"{}\"", field.name);
    let refuse = |attribute: &String| allowed::refuse_secret(&place, attribute.trim());
    match &field.from {
        None => Ok(()),
        Some(FieldSource::One(text)) if template::is_template(text) => {
            Template::compile(&place, text)?.attributes().iter().try_for_each(refuse)
        }
        Some(FieldSource::One(attribute)) => refuse(attribute),
        Some(FieldSource::FirstOf(attributes)) => attributes.iter().try_for_each(refuse),
    }
}

fn refuse_in_filter(place: &str, filter: &Filter) -> Result<(), MappingError> {
    filter.attributes().iter().try_for_each(|attribute| allowed::refuse_secret(place, attribute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(policy: &str) -> Result<(), String> {
        let policy: Policy = serde_json::from_str(policy).expect(policy);
        refuse_secrets(&policy).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_found_wherever_a_policy_can_name_one() {
        for (policy, place, attribute) in [
            (
                r#"{"mapping":{"fields":[{"name":"pw","from":"userPassword"}]}}"#,
                "the field \"pw\"",
                "userPassword",
            ),
            (
                r#"{"mapping":{"fields":[{"name":"pw","from":" USERPASSWORD;binary "}]}}"#,
                "\"pw\"",
                "USERPASSWORD;binary",
            ),
            (r#"{"mapping":{"fields":[{"name":"pw","from":["mail","2.5.4.35"]}]}}"#, "\"pw\"", "2.5.4.35"),
            (
                r#"{"mapping":{"fields":[{"name":"pw","from":"{{ cn }} {{ unicodePwd|lower }}"}]}}"#,
                "\"pw\"",
                "unicodePwd",
            ),
            (r#"{"include":["(|(cn=a)(!(userPassword=a*)))"]}"#, "policy.include", "userPassword"),
            (
                r#"{"exclude":[{"name":"laps","filter":"(ms-Mcs-AdmPwdExpirationTime=*)"}]}"#,
                "the rule \"laps\"",
                "ms-mcs-admpwdexpirationtime",
            ),
        ] {
            let error = refuse(policy).expect_err(policy);
            assert!(error.contains(place) && error.contains(attribute), "{policy}: {error}");
            assert!(error.contains("take it out"), "{policy}: {error}");
        }
    }

    #[test]
    fn what_is_no_secret_is_left_to_the_agent() {
        for policy in [
            "{}",
            r#"{"mapping":{"fields":[{"name":"a","from":"shoeSize"},{"name":"b"}]}}"#,
            r#"{"include":["(pwdLastSet=0)"],"exclude":[{"name":"a","filter":"(cn=userPassword)"}]}"#,
        ] {
            assert_eq!(refuse(policy), Ok(()), "{policy}");
        }
        assert!(refuse(r#"{"mapping":{"fields":[{"name":"a","from":"{{ cn"}]}}"#).is_err());
    }

    #[test]
    fn what_the_preset_says_anyway_counted_as_another_mapping() {
        let mapping = |text: &str| serde_json::from_str::<MappingPolicy>(text).expect(text);
        let same = |one: &str, other: &str| {
            Flavor::ALL.map(|flavor| is_same_mapping(&mapping(one), &mapping(other), flavor))
        };
        for written in [
            r#"{"preset":"auto"}"#,
            r#"{"fields":[{"name":"title","from":"Title"},{"name":"given_name","from":["givenName"],"required":false}]}"#,
        ] {
            assert_eq!(same("{}", written), [true; 2], "{written}");
        }
        assert_eq!(same("{}", r#"{"preset":"inetorgperson"}"#), [true, false]);
        assert_eq!(same("{}", r#"{"fields":[{"name":"username","from":["mail","uid"]}]}"#), [true, false]);
        for written in [
            r#"{"fields":[{"name":"title"}]}"#,
            r#"{"fields":[{"name":"title","from":"title","unique":true}]}"#,
            r#"{"fields":[{"name":"title","from":"{{ title }}"}]}"#,
            r#"{"fields":[{"name":"shoe_size","from":"shoeSize"}]}"#,
        ] {
            assert_eq!(same("{}", written), [false; 2], "{written}");
            assert_eq!(same(written, written), [true; 2]);
        }
    }
}
