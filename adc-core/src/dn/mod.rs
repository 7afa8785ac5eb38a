//! Distinguished names: parsed, compared normalized, never as strings.
//!
//! A server may spell one and the same name in many ways (OpenLDAP returns `\,` as `\2C`, a group's `member` may be
//! written otherwise than the entry's own DN), so two names are equal when their normalized forms are.

mod attribute_type;
mod extended;
mod key;
mod parse;
mod value;

pub use extended::{Reference, value_without_guid, without_guid};
pub use key::{BadDnKey, DnKey};
pub use parse::DnError;
pub use value::Value;

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, cmp::Ordering, fmt, hash, str::FromStr};

/// A distinguished name (RFC 4514), nearest component first as written.
///
/// Equality, order and hash are those of [`Dn::normalized`]; [`fmt::Display`] keeps the spelling of types and values
/// and escapes as RFC 4514 wants it.
#[derive(Debug, Clone, Default)]
pub struct Dn {
    rdns: Vec<Rdn>,
}

impl Dn {
    /// Parses a distinguished name; empty text is the empty name (the root DSE's).
    ///
    /// Reads RFC 4514 and what servers and people write beside it (RFC 2253 and 1779): spaces around separators,
    /// `;` as separator, quoted values, `OID.` before numeric types, unescaped `<`, `>`, `#` and `=` inside values.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        parse::parse(text).map(|rdns| Self { rdns })
    }

    /// Whether a text is a name, as [`Dn::parse`] reads it; quicker for most, as every entry's is asked about.
    ///
    /// # Errors
    /// It is none.
    pub fn check(text: &str) -> Result<(), DnError> {
        match key::normalize_plain(text, &mut [0; key::PLAIN_LIMIT]) {
            Some(_) => Ok(()),
            None => Self::parse(text).map(drop),
        }
    }

    /// The form under which names compare: types lower-cased and by their usual short name, values NFC,
    /// case-folded and with single spaces, the parts of a multi-valued component sorted, one way to escape.
    pub fn normalized(&self) -> String {
        let mut normalized =
            String::with_capacity(self.rdns.iter().map(|rdn| rdn.normalized.len() + 1).sum());
        for (index, rdn) in self.rdns.iter().enumerate() {
            if index > 0 {
                normalized.push(',');
            }
            normalized.push_str(&rdn.normalized);
        }
        normalized
    }

    /// 128 bits that stand for the normalized name.
    pub fn key(&self) -> DnKey {
        DnKey::of_normalized(&self.normalized())
    }

    /// The name of the entry above, or `None` where there is none to read: above a name of one component, and of none.
    pub fn parent(&self) -> Option<Self> {
        (self.rdns.len() > 1).then(|| Self { rdns: self.rdns[1..].to_vec() })
    }

    /// The names above, nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        (1..self.rdns.len()).map(|from| Self { rdns: self.rdns[from..].to_vec() })
    }

    /// Whether this name is `base` or stands anywhere below it. Everything stands below the empty name.
    pub fn is_within(&self, base: &Self) -> bool {
        self.rdns.ends_with(&base.rdns)
    }

    /// Whether this name stands directly below `base`.
    pub fn is_child_of(&self, base: &Self) -> bool {
        self.rdns.len() == base.rdns.len() + 1 && self.is_within(base)
    }

    /// Whether this is the empty name.
    pub fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// The components, nearest first.
    pub fn rdns(&self) -> &[Rdn] {
        &self.rdns
    }

    /// The first component's first value, for display: `Jane Doe` of `cn=Jane Doe,dc=lg`. Empty for the empty name.
    pub fn rdn_value(&self) -> Cow<'_, str> {
        self.rdns
            .first()
            .and_then(|rdn| rdn.parts.first())
            .map_or(Cow::Borrowed(""), |part| part.value.to_text())
    }
}

/// One component of a [`Dn`]: usually one attribute and its value, sometimes several joined by `+`.
#[derive(Debug, Clone)]
pub struct Rdn {
    parts: Vec<Part>,
    normalized: String,
}

impl Rdn {
    fn new(parts: Vec<Part>) -> Self {
        let mut normalized: Vec<String> = parts.iter().map(Part::normalized).collect();
        normalized.sort_unstable();
        Self { parts, normalized: normalized.join("+") }
    }

    /// The component's attributes and values as written; at least one.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

impl PartialEq for Rdn {
    fn eq(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }
}

impl Eq for Rdn {}

/// An attribute type and its value inside an [`Rdn`].
#[derive(Debug, Clone)]
pub struct Part {
    attribute: String,
    value: Value,
}

impl Part {
    /// The attribute type's usual short name, lower-cased: `cn` for `2.5.4.3` and `commonName`.
    pub fn attribute(&self) -> Cow<'_, str> {
        attribute_type::canonical(&self.attribute)
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    fn normalized(&self) -> String {
        format!("{}={}", self.attribute(), self.value.normalized())
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.rdns.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{rdn}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            write!(f, "{}={}", part.attribute, part.value)?;
        }
        Ok(())
    }
}

impl FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.rdns == other.rdns
    }
}

impl Eq for Dn {}

impl PartialOrd for Dn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dn {
    /// From the root down, so that a sorted list shows every entry behind the one above it.
    fn cmp(&self, other: &Self) -> Ordering {
        let from_root =
            |dn: &'_ Self| dn.rdns.iter().rev().map(|rdn| rdn.normalized.clone()).collect::<Vec<_>>();
        from_root(self).cmp(&from_root(other))
    }
}

impl hash::Hash for Dn {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.normalized().hash(state);
    }
}

impl Serialize for Dn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
