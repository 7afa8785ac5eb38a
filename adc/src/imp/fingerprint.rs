//! What a run's result depends on: read with another fingerprint, a missing object means nothing.

use std::collections::BTreeMap;

use adc_core::filter::Filter;
use adc_core::protocol::{Fingerprint, OF_THE_PRESET, in_effect};
use serde_json::Value;

use crate::config::DirectoryConfig;
use crate::directory::Directory;

/// The fingerprint of a configuration and the server it reads.
pub(super) fn of(config: &DirectoryConfig, directory: &Directory) -> Fingerprint {
    let mut configuration = of_configuration(config);
    let references = if directory.root().refers_by_guid() { "by GUID" } else { "by name" };
    configuration.insert(Fingerprint::REFERENCES.to_owned(), references.to_owned());
    let effective = in_effect(&configuration, &directory.root().dse);
    Fingerprint { server: directory.server_identity(), configuration, effective }
}

/// The part that adc.yaml alone decides: agents of one synchronization must agree on it.
pub(crate) fn of_configuration(config: &DirectoryConfig) -> BTreeMap<String, String> {
    let filter =
        |filter: &Option<Filter>| filter.as_ref().map_or_else(|| OF_THE_PRESET.to_owned(), Filter::to_string);
    let attributes = config.attributes.as_ref().map_or_else(
        || OF_THE_PRESET.to_owned(),
        |names| {
            let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
            names.sort_unstable();
            names.join(", ")
        },
    );
    // As the wire writes it, so that the fingerprint's words are those of adc.yaml.
    let preset = match serde_json::to_value(config.preset) {
        Ok(Value::String(word)) => word,
        _ => OF_THE_PRESET.to_owned(),
    };
    BTreeMap::from(
        [
            ("bind_dn", config.bind_dn.clone()),
            ("base_dn", config.base_dn.normalized()),
            ("scope", config.scope.as_str().to_owned()),
            (Fingerprint::PRESET, preset),
            ("id_attribute", config.id_attribute.clone().unwrap_or_else(|| OF_THE_PRESET.to_owned())),
            ("attributes", attributes),
            ("sync.filter", filter(&config.people_filter)),
            ("sync.groups.filter", filter(&config.groups_filter)),
            ("sync.org_units.filter", filter(&config.org_units_filter)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

#[cfg(test)]
mod tests {
    use adc_core::mapping::RootDse;

    use super::*;
    use crate::config::file::File;
    use crate::config::{Environment, Overrides, resolve};

    /// What a configuration comes to, by what of `backend.ldap:` may be said in several ways.
    fn of_yaml(bind_dn: &str, more: &str) -> BTreeMap<String, String> {
        let text = format!(
            "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend:\n  ldap:\n    addr: ldaps://x\n    \
             bind_dn: '{bind_dn}'\n    bind_password: p\n    base_dn: dc=lg,dc=local\n{more}"
        );
        let file = File::parse("adc.yaml", &text).expect("parses");
        let config = resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect(&text);
        in_effect(&of_configuration(&config.directory), &RootDse::default())
    }

    #[test]
    fn a_default_that_was_written_out_or_a_name_spelled_otherwise_was_another_configuration() {
        let usual = of_yaml("cn=readonly,dc=lg,dc=local", "");
        for (bind_dn, more) in [
            ("CN=ReadOnly, dc=lg,dc=local", ""),
            ("cn=readonly,dc=lg,dc=local", "    preset: auto\n    scope: sub\n"),
            ("cn=readonly,dc=lg,dc=local", "    preset: inetorgperson\n    id_attribute: entryuuid\n"),
            ("cn=readonly,dc=lg,dc=local", "    sync:\n      filter: (objectClass=inetOrgPerson)\n"),
            (
                "cn=readonly,dc=lg,dc=local",
                "    sync:\n      groups:\n        filter: (|(objectclass=groupOfMembers)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))\n",
            ),
        ] {
            assert_eq!(of_yaml(bind_dn, more), usual, "{bind_dn} {more}");
        }
        assert_eq!(of_yaml("LG\\Readonly", ""), of_yaml("lg\\readonly", ""));
        assert_eq!(of_yaml("Readonly@lg.local", ""), of_yaml("readonly@LG.local", ""));
    }

    #[test]
    fn whatever_changes_who_is_read_is_another_configuration() {
        let bind_dn = "cn=readonly,dc=lg,dc=local";
        let usual = of_yaml(bind_dn, "");
        for (more, key) in [
            ("    sync:\n      filter: (uid=*)\n", "sync.filter"),
            ("    sync:\n      org_units:\n        filter: (ou=a)\n", "sync.org_units.filter"),
            ("    attributes: [mail, cn]\n", "attributes"),
            ("    id_attribute: employeeNumber\n", "id_attribute"),
            ("    scope: one\n", "scope"),
        ] {
            let changed = of_yaml(bind_dn, more);
            let differences: Vec<_> =
                usual.keys().filter(|name| usual.get(*name) != changed.get(*name)).collect();
            assert_eq!(differences, [key], "{more}");
        }
        let preset = of_yaml(bind_dn, "    preset: active-directory\n");
        assert_ne!(preset["preset"], usual["preset"]);
        assert_ne!(preset["sync.filter"], usual["sync.filter"]);
        assert_ne!(of_yaml("cn=other,dc=lg,dc=local", "")["bind_dn"], usual["bind_dn"]);
    }
}
