//! What can be told of a policy before any agent hears of it.

use super::{
    MappingError, allowed,
    template::{self, Template},
};
use crate::{
    filter::Filter,
    policy::{FieldMapping, FieldSource, Policy},
};

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
}
