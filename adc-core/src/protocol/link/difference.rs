//! What differs between two agents of a synchronization, which must read the same.

use crate::mapping::{Flavor, RootDse};
use crate::protocol::{Fingerprint, OF_THE_PRESET, in_effect};
use std::collections::{BTreeMap, BTreeSet};

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
    let differing = differences(own, others, kind);
    let says = |[name, here, there]: &[String; 3]| format!("{name} is {here} here and {there} there");
    (!differing.is_empty()).then(|| {
        format!(
            "This agent is configured otherwise than the one on {host} that serves the same synchronization: {}. Make both \
             adc.yaml files agree, or stop the other agent first.",
            differing.iter().map(says).collect::<Vec<_>>().join("; ")
        )
    })
}

/// What differs: its name, and what either side has, never twice the same.
///
/// With another preset all differs that is left to it. That only follows, and who reads it is to mend what is written.
fn differences(
    own: &BTreeMap<String, String>,
    others: &BTreeMap<String, String>,
    kind: Option<Flavor>,
) -> Vec<[String; 3]> {
    let kind = kind.or_else(|| named_preset(own)).or_else(|| named_preset(others));
    let (here, there) = (Side::of(own, kind), Side::of(others, kind));
    let names: BTreeSet<&String> = own.keys().chain(others.keys()).collect();
    names
        .into_iter()
        .filter(|name| here.comes_to.get(*name) != there.comes_to.get(*name))
        .filter(|name| own.get(*name) != others.get(*name))
        .map(|name| [name.clone(), here.shown(name), there.shown(name)])
        .collect()
}

/// One of the two configurations.
struct Side<'a> {
    written: &'a BTreeMap<String, String>,
    comes_to: BTreeMap<String, String>,
    /// What is left to the preset is not known before the directory was reached.
    presets_known: bool,
}

impl<'a> Side<'a> {
    fn of(written: &'a BTreeMap<String, String>, kind: Option<Flavor>) -> Self {
        Self { written, comes_to: come_to(written, kind), presets_known: kind.is_some() }
    }

    /// A value as it is written, and what it comes to where that is left to the preset or the directory.
    fn shown(&self, name: &str) -> String {
        let Some(written) = self.written.get(name) else { return "not set".to_owned() };
        let comes_to = self.comes_to.get(name).filter(|it| self.presets_known && *it != written);
        match (written.as_str(), comes_to) {
            (OF_THE_PRESET, None) => "the preset's".to_owned(),
            (OF_THE_PRESET, Some(comes_to)) => format!("the preset's \"{comes_to}\""),
            (written, Some(comes_to)) if name == Fingerprint::PRESET => {
                format!("\"{written}\" ({comes_to})")
            }
            (written, _) => format!("\"{written}\""),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

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

    /// A configuration that leaves all to the preset.
    const USUAL: [(&str, &str); 6] = [
        ("bind_dn", "cn=readonly,dc=lg"),
        ("base_dn", "dc=lg"),
        ("preset", "auto"),
        ("id_attribute", OF_THE_PRESET),
        ("attributes", OF_THE_PRESET),
        ("sync.filter", OF_THE_PRESET),
    ];

    /// The same with other values.
    fn with(values: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut configuration = configuration(&USUAL);
        configuration.extend(self::configuration(values));
        configuration
    }

    #[test]
    fn what_followed_from_another_preset_was_said_to_be_the_same_on_both_sides() {
        let says = |here: &[(&str, &str)], kind| {
            let differing = differences(&with(here), &with(&[]), kind).into_iter();
            differing
                .map(|[name, here, there]| format!("{name}: {here}, {there}"))
                .collect::<Vec<_>>()
                .join("; ")
        };
        let (rfc2798, domain) = (Some(Flavor::InetOrgPerson), Some(Flavor::ActiveDirectory));
        insta::assert_snapshot!(says(&[("preset", "active-directory")], rfc2798), @r#"preset: "active-directory", "auto" (inetorgperson)"#);
        insta::assert_snapshot!(says(&[("id_attribute", "uid")], domain), @r#"id_attribute: "uid", the preset's "objectguid""#);
        insta::assert_snapshot!(says(&[("sync.filter", "(uid=j*)")], rfc2798), @r#"sync.filter: "(uid=j*)", the preset's "(objectclass=inetOrgPerson)""#);
        insta::assert_snapshot!(says(&[("sync.filter", "(uid=j*)")], None), @r#"sync.filter: "(uid=j*)", the preset's"#);
        insta::assert_snapshot!(says(&[("attributes", "cn")], rfc2798), @r#"attributes: "cn", the preset's"#);
    }

    #[test]
    fn another_spelling_was_taken_for_another_configuration() {
        let usual = [("attributes", "cn, mail")];
        let differs = |key, value, kind| {
            different_configuration(&with(&[usual[0], (key, value)]), &with(&usual), kind, "b")
        };
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

    /// Any configuration of these values, each key of which may be missing.
    fn any_configuration() -> impl Strategy<Value = BTreeMap<String, String>> {
        let of = |values: &'static [&'static str]| proptest::option::of(select(values));
        let names = ["bind_dn", "preset", "id_attribute", "attributes", "sync.filter", "sync.groups.filter"];
        let values = (
            of(&["cn=a,dc=lg", "CN=A, dc=lg", "cn=b,dc=lg"]),
            of(&["auto", "inetorgperson", "active-directory", "of a newer version"]),
            of(&[OF_THE_PRESET, "entryUUID", "entryuuid", "objectGUID", "uid"]),
            of(&[OF_THE_PRESET, "cn, mail", "cn, entryuuid, mail", "cn, mail, uid", "userPassword", ""]),
            of(&[OF_THE_PRESET, "(objectClass=inetOrgPerson)", "(objectclass=inetorgperson)", "none"]),
            of(&[OF_THE_PRESET, "(cn=*)"]),
        );
        values.prop_map(move |(account, preset, id, attributes, people, groups)| {
            let values = [account, preset, id, attributes, people, groups];
            let set = names.iter().zip(values).filter_map(|(name, value)| Some((*name, value?)));
            configuration(&set.collect::<Vec<_>>())
        })
    }

    proptest! {
        #[test]
        fn what_differs_is_said_and_is_never_the_same_on_both_sides(
            here in any_configuration(),
            there in any_configuration(),
            kind in select(vec![None, Some(Flavor::InetOrgPerson), Some(Flavor::ActiveDirectory)]),
        ) {
            let differing = differences(&here, &there, kind);
            for [name, here, there] in &differing {
                prop_assert_ne!(here, there, "{}", name);
            }
            let assumed = kind.or_else(|| named_preset(&here)).or_else(|| named_preset(&there));
            let agree = come_to(&here, assumed) == come_to(&there, assumed);
            prop_assert_eq!(differing.is_empty(), agree);
        }
    }
}
