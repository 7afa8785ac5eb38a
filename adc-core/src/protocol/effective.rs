//! What a configuration comes to, however it is written.

use super::Fingerprint;
use crate::{
    dn::Dn,
    filter::Filter,
    mapping::{Bounds, RootDse},
    policy::Preset,
    record::Kind,
    text,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Stands for what adc.yaml leaves to the preset.
pub const OF_THE_PRESET: &str = "preset";

/// What a configuration, by name and as it is written, comes to with a directory: the same words mean that the same is read.
///
/// What cannot be read as what it should be is kept as it is written.
pub fn in_effect(written: &BTreeMap<String, String>, root_dse: &RootDse) -> BTreeMap<String, String> {
    let own = |key: &str| written.get(key).filter(|value| *value != OF_THE_PRESET).cloned();
    let bounds = |attributes| Bounds {
        preset: written.get(Fingerprint::PRESET).and_then(|word| preset(word)).unwrap_or_default(),
        id_attribute: own("id_attribute"),
        attributes,
    };
    let types = |attributes| {
        bounds(attributes).allowed(root_dse).map(|allowed| allowed.types().collect::<Vec<_>>().join(", "))
    };
    let flavor = bounds(None).flavor(root_dse);
    let filter = |key: &str, kind| match own(key) {
        None => Some(flavor.filter(kind).canonical().to_string()),
        Some(text) => text.parse::<Filter>().ok().map(|filter| filter.canonical().to_string()),
    };
    // The account may be written as Active Directory has it besides: as a user principal name, or DOMAIN\name.
    let account = written
        .get("bind_dn")
        .map(|name| Dn::parse(name).map_or_else(|_| text::key(name).into_owned(), |name| name.normalized()));
    // What no mapping takes is no attribute, or a secret; the run ends with that. The preset's attributes are called so, however
    // many of them this version knows.
    let listed =
        |names: String| names.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let names = own("attributes").map(listed);
    let attributes = match (types(names), types(None)) {
        (Ok(own), Ok(of_the_preset)) => {
            Some(if own == of_the_preset { OF_THE_PRESET.to_owned() } else { own })
        }
        _ => None,
    };
    let comes_to = [
        ("bind_dn", account),
        (Fingerprint::PRESET, Some(flavor.as_str().to_owned())),
        ("id_attribute", Some(bounds(None).id_attribute(root_dse).to_ascii_lowercase())),
        ("attributes", attributes),
        ("sync.filter", filter("sync.filter", Kind::User)),
        ("sync.groups.filter", filter("sync.groups.filter", Kind::Group)),
        ("sync.org_units.filter", filter("sync.org_units.filter", Kind::OrgUnit)),
    ];
    let mut effective = written.clone();
    for (key, value) in comes_to {
        if let (Some(written), Some(value)) = (effective.get_mut(key), value) {
            *written = value;
        }
    }
    effective
}

fn preset(word: &str) -> Option<Preset> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}
