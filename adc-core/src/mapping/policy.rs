//! What can be told of a policy before any agent hears of it.

use super::{Allowed, Flavor, MappingError, field, rules::Rules, template};
use crate::{
    policy::{FieldMapping, FieldSource, MappingPolicy, Policy, Preset},
    record::Kind,
};
use std::collections::BTreeMap;

/// Refuses a policy that no agent could use, whatever its adc.yaml allows: what names no attribute or a [secret](super::SECRETS), a
/// template that cannot be read, a filter that cannot be evaluated.
///
/// Agents refuse it too (invariant 5), but only when their next run starts; who writes the policy should hear of it.
///
/// # Errors
/// What the agent would say.
pub fn refuse_unusable(policy: &Policy) -> Result<(), MappingError> {
    let allowed = Allowed::by_nobody_yet();
    // The fields of the policy are read the same way in every directory.
    field::of_people(Flavor::InetOrgPerson, &policy.mapping.fields, &allowed)?;
    Rules::compile(policy, &allowed)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(policy: &str) -> Result<(), String> {
        let policy: Policy = serde_json::from_str(policy).expect(policy);
        refuse_unusable(&policy).map_err(|error| error.to_string())
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
    fn what_only_an_agent_can_tell_is_left_to_it() {
        for policy in [
            "{}",
            r#"{"mapping":{"fields":[{"name":"a","from":"shoeSize"},{"name":"b"}]}}"#,
            r#"{"mapping":{"fields":[{"name":"a","from":["mail;lang-de"," 1.2.840.113556.1.4.221 "]}]}}"#,
            r#"{"mapping":{"fields":[{"name":"a","from":"{{ noSuchAttribute|default('') }}"}]}}"#,
            r#"{"include":["(pwdLastSet=0)"],"exclude":[{"name":"a","filter":"(cn=userPassword)"}]}"#,
        ] {
            assert_eq!(refuse(policy), Ok(()), "{policy}");
        }
    }

    #[test]
    fn a_policy_was_taken_that_no_agent_could_use() {
        let field = |rest: &str| format!(r#"{{"mapping":{{"fields":[{{"name":"full",{rest}}}]}}}}"#);
        let said = [
            field(r#""from":["{{ mail }}"]"#),
            field(r#""from":["mail","{{ uid }}@lg.local"]"#),
            field(r#""from":"given name""#),
            field(r#""from":["mail","*"]"#),
            field(r#""from":"+""#),
            field(r#""from":"{{ cn""#),
            field(r#""from":"{{ cn }}","multi_valued":true"#),
            r#"{"mapping":{"fields":[{"name":"active","from":"mail"}]}}"#.to_owned(),
            r#"{"exclude":[{"name":"a","filter":"(:caseExactMatch:=secret)"}]}"#.to_owned(),
            r#"{"include":["(memberOf:1.2.840.113556.1.4.1941:=cn=a)"]}"#.to_owned(),
        ]
        .map(|policy| refuse(&policy).expect_err(&policy));
        insta::assert_snapshot!(said.join("\n"), @r##"
        policy.mapping: the field "full" has the template "{{ mail }}" in a list, which is of attributes; write it alone ("from": "{{ mail }}"), or name attributes
        policy.mapping: the field "full" has the template "{{ uid }}@lg.local" in a list, which is of attributes; write it alone ("from": "{{ uid }}@lg.local"), or name attributes
        policy.mapping: the field "full" names "given name", which is no attribute; name one as the directory does, such as mail
        policy.mapping: the field "full" names "*", which is no attribute; name one as the directory does, such as mail
        policy.mapping: the field "full" names "+", which is no attribute; name one as the directory does, such as mail
        policy.mapping: the field "full": the template cannot be read: syntax error (unexpected end of input, expected end of variable block)
        policy.mapping: the field "full" is filled by a template, which gives one value; take multi_valued out
        policy.mapping: the field "active" is what the directory says of the account; it cannot be mapped, so choose another name
        policy.exclude: the rule "a" asks every attribute, also those that may not be asked for; name an attribute before the matching rule
        policy.include: the filter (memberOf:1.2.840.113556.1.4.1941:=cn=a) uses the matching rule 1.2.840.113556.1.4.1941, which the agent cannot evaluate, so that it would match nobody; use another
        "##);
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
