//! What may be asked of the directory.

use super::{Flavor, MappingError, secret};
use crate::{
    entry::{attribute_type, is_attribute_description},
    filter::Filter,
    record::Kind,
};
use std::collections::BTreeSet;

/// The attributes that mappings, samples and filters may name: adc.yaml's, else the preset's; secrets never.
///
/// Attributes compare by type, so that one which is allowed is allowed with options too. One that is asked for by another
/// name or by its OID is not recognized, and so not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Lower-cased types.
    types: BTreeSet<String>,
    /// What bounds them.
    bounds: By,
}

/// What bounds the attributes that may be asked for, besides that secrets are among none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The preset.
    Preset,
    /// adc.yaml, which names them.
    Configuration,
    /// What no agent has been asked about yet.
    Nothing,
}

impl Allowed {
    /// `configured` is `backend.ldap.attributes`; `id` is the identity's attribute, which is always read.
    pub(super) fn new(flavor: Flavor, id: &str, configured: Option<&[String]>) -> Result<Self, MappingError> {
        let mut types = BTreeSet::new();
        let mut add = |attribute: &str| {
            types.insert(attribute_type(attribute).to_ascii_lowercase());
        };
        check_name("backend.ldap.id_attribute", id)?;
        add(id);
        if let Some(configured) = configured {
            for attribute in configured {
                check_name("backend.ldap.attributes", attribute)?;
                add(attribute);
            }
        } else {
            for kind in Kind::ALL {
                flavor.fields(kind).iter().flat_map(|(_, attributes)| *attributes).for_each(|name| add(name));
                flavor.filter(kind).attributes().iter().for_each(|name| add(name));
            }
            flavor.status_attributes().iter().for_each(|name| add(name));
            flavor.member_attributes().iter().for_each(|name| add(name));
            flavor.group_type_attribute().iter().for_each(|name| add(name));
        }
        let bounds = if configured.is_some() { By::Configuration } else { By::Preset };
        Ok(Self { types, bounds })
    }

    /// Everything that some agent might allow.
    pub(super) fn by_nobody_yet() -> Self {
        Self { types: BTreeSet::new(), bounds: By::Nothing }
    }

    /// The attributes' types, lower-cased, in order.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(String::as_str)
    }

    /// Whether the attribute may be asked for.
    pub fn contains(&self, attribute: &str) -> bool {
        self.bounds == By::Nothing || self.types.contains(&attribute_type(attribute).to_ascii_lowercase())
    }

    /// Refuses an attribute that may not be asked for; `place` says who asks, such as `the field "cost_center"`.
    pub fn check(&self, place: &str, attribute: &str) -> Result<(), MappingError> {
        check_name(place, attribute)?;
        if self.contains(attribute) {
            return Ok(());
        }
        let (place, attribute) = (place.to_owned(), attribute.to_owned());
        Err(match self.bounds {
            By::Configuration => MappingError::NotAllowed { place, attribute },
            By::Preset | By::Nothing => MappingError::NotInPreset { place, attribute },
        })
    }

    /// Refuses a filter that asks attributes which may not be asked for; `place` says whose it is.
    pub fn check_filter(&self, place: &str, filter: &Filter) -> Result<(), MappingError> {
        if filter.asks_every_attribute() {
            return Err(MappingError::EveryAttribute { place: place.to_owned() });
        }
        filter.attributes().iter().try_for_each(|attribute| self.check(place, attribute))
    }
}

/// Refuses what is no attribute, and secrets.
fn check_name(place: &str, attribute: &str) -> Result<(), MappingError> {
    if !is_attribute_description(attribute) {
        return Err(MappingError::NoAttribute { place: place.to_owned(), text: attribute.to_owned() });
    }
    refuse_secret(place, attribute)
}

/// Refuses an attribute that holds a secret; `place` says who asks.
fn refuse_secret(place: &str, attribute: &str) -> Result<(), MappingError> {
    match secret::find(attribute_type(attribute)) {
        None => Ok(()),
        Some(secret) => Err(MappingError::Secret {
            place: place.to_owned(),
            attribute: attribute.to_owned(),
            what: secret.what,
        }),
    }
}
