//! What a run's result depends on: read with another fingerprint, a missing object means nothing.

use std::collections::BTreeMap;

use adc_core::filter::Filter;
use adc_core::protocol::Fingerprint;
use serde_json::Value;

use crate::config::DirectoryConfig;
use crate::directory::Directory;

/// Stands for what adc.yaml leaves to the preset.
const OF_THE_PRESET: &str = "preset";

/// The fingerprint of a configuration and the server it reads.
pub(super) fn of(config: &DirectoryConfig, directory: &Directory) -> Fingerprint {
    let mut configuration = of_configuration(config);
    let references = if directory.root().refers_by_guid() { "by GUID" } else { "by name" };
    configuration.insert(Fingerprint::REFERENCES.to_owned(), references.to_owned());
    Fingerprint { server: directory.server_identity(), configuration }
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
            ("preset", preset),
            ("id_attribute", config.id_attribute.clone().unwrap_or_else(|| OF_THE_PRESET.to_owned())),
            ("attributes", attributes),
            ("sync.filter", filter(&config.people_filter)),
            ("sync.groups.filter", filter(&config.groups_filter)),
            ("sync.org_units.filter", filter(&config.org_units_filter)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}
