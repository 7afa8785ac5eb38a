//! What an entry holds: attributes with their spelling, in the order a server would answer them.

use std::collections::{BTreeMap, BTreeSet};

use adc_core::dn::{Dn, DnKey};

use crate::schema::without_options;

/// An entry of the directory: its DN as stored, and its attributes.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(crate) dn: String,
    pub(crate) parsed: Dn,
    pub(crate) attributes: Attributes,
}

impl Entry {
    /// The DN, spelled as it was stored.
    pub fn dn(&self) -> &str {
        &self.dn
    }

    /// All attributes, the operational ones (`entryUUID`, `entryCSN`, …) included.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The first value of an attribute as text; `None` where it is missing or not UTF-8.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.values(attribute).first().and_then(|value| std::str::from_utf8(value).ok())
    }

    pub(crate) fn key(&self) -> DnKey {
        self.parsed.key()
    }
}

/// Attributes with their values, found by name in any case, kept as spelled.
///
/// ```
/// use adc_sandbox::Attributes;
///
/// let person = Attributes::new()
///     .with("objectClass", "inetOrgPerson")
///     .with("cn", "Zoë Müller")
///     .with("jpegPhoto", [0xFF, 0xD8, 0xFF]);
/// assert_eq!(person.values("CN"), ["Zoë Müller".as_bytes()]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, Attribute>);

/// One attribute: its description as spelled, and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute description, with its options if any (`cn;lang-de`).
    pub name: String,
    /// The values in the order they were added; LDAP promises none.
    pub values: Vec<Vec<u8>>,
}

impl Attributes {
    /// No attributes yet.
    pub fn new() -> Attributes {
        Attributes::default()
    }

    /// These attributes and one more value, for writing an entry down as one expression.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Attributes {
        self.add(name, value);
        self
    }

    /// The values of an attribute; empty where there is none.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.0.get(&name.to_ascii_lowercase()).map_or(&[], |attribute| &attribute.values)
    }

    /// Whether the attribute has a value.
    pub fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// Adds a value, unless these very bytes are there already: LDAP values are a set.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let attribute = self
            .0
            .entry(name.to_ascii_lowercase())
            .or_insert_with(|| Attribute { name: name.to_owned(), values: Vec::new() });
        if !attribute.values.iter().any(|known| known == value.as_ref()) {
            attribute.values.push(value.as_ref().to_vec());
        }
    }

    /// Replaces all values of an attribute; none at all removes it.
    pub fn set<V: AsRef<[u8]>>(&mut self, name: &str, values: impl IntoIterator<Item = V>) {
        // As `add` would, but long lists are set in one go.
        let mut known = BTreeSet::new();
        let mut values: Vec<Vec<u8>> = values.into_iter().map(|value| value.as_ref().to_vec()).collect();
        values.retain(|value| known.insert(value.clone()));
        self.remove(name);
        if !values.is_empty() {
            self.0.insert(name.to_ascii_lowercase(), Attribute { name: name.to_owned(), values });
        }
    }

    /// Removes an attribute with all its values.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(&name.to_ascii_lowercase());
    }

    /// Removes one value, and the attribute with its last one. Answers whether the value was there.
    pub fn remove_value(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        let Some(attribute) = self.0.get_mut(&name.to_ascii_lowercase()) else {
            return false;
        };
        let before = attribute.values.len();
        attribute.values.retain(|known| known != value.as_ref());
        let removed = attribute.values.len() < before;
        if attribute.values.is_empty() {
            self.remove(name);
        }
        removed
    }

    /// All attributes, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.0.values()
    }

    /// The attributes that a description names, subtypes by option included.
    pub(crate) fn described_by(&self, description: &str) -> impl Iterator<Item = &Attribute> {
        self.iter().filter(move |attribute| attribute.is_described_by(description))
    }
}

impl Attribute {
    /// Whether a description covers this attribute: `cn` covers `cn;lang-de` too (RFC 4512, section 2.5.2).
    pub(crate) fn is_described_by(&self, description: &str) -> bool {
        let name = if description.contains(';') { &self.name } else { without_options(&self.name) };
        name.eq_ignore_ascii_case(description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_kept_as_spelled() {
        let attributes = Attributes::new().with("givenName", "Zoë").with("GIVENNAME", "Zoe");
        assert_eq!(attributes.values("givenname").len(), 2);
        assert_eq!(attributes.iter().next().unwrap().name, "givenName");
    }

    #[test]
    fn the_last_value_takes_the_attribute_with_it() {
        let mut attributes = Attributes::new().with("mail", "a@example.com");
        assert!(!attributes.remove_value("mail", "b@example.com"));
        assert!(attributes.remove_value("MAIL", "a@example.com"));
        assert_eq!(attributes, Attributes::new());
    }

    #[test]
    fn a_plain_description_covers_its_options_but_not_the_reverse() {
        let attributes = Attributes::new().with("cn", "Zoe").with("cn;lang-de", "Zoë");
        assert_eq!(attributes.described_by("CN").count(), 2);
        assert_eq!(attributes.described_by("cn;lang-de").count(), 1);
    }
}
