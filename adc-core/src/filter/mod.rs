//! LDAP search filters: parsed, printed, and evaluated here as a directory would.
//!
//! The agent sends filters to the directory, and the rules of a policy are filters too: those are evaluated by the
//! agent on entries it has read.

mod canonical;
mod compare;
mod evaluate;
mod parse;
mod print;

pub use parse::{FilterError, MAX_DEPTH};
pub use print::escape_value;

use crate::entry::attribute_type;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeSet, str::FromStr};

/// A search filter (RFC 4511, 4.5.1.7), written as RFC 4515 wants it: `(&(objectClass=person)(mail=*))`.
///
/// Attributes are descriptions as written, perhaps with options; values are bytes, their escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them; `(&)` is true (RFC 4526).
    And(Vec<Filter>),
    /// At least one of them; `(|)` is false (RFC 4526).
    Or(Vec<Filter>),
    /// Not this one.
    Not(Box<Filter>),
    /// `(mail=jane@example.com)`
    Equality {
        /// The attribute asked.
        attribute: String,
        /// What one of its values must equal.
        value: Vec<u8>,
    },
    /// `(cn=J*ne*oe)`; no part is empty, and there is at least one.
    Substrings {
        /// The attribute asked.
        attribute: String,
        /// What the value begins with.
        initial: Option<Vec<u8>>,
        /// What it has in between, in this order.
        any: Vec<Vec<u8>>,
        /// What it ends with.
        last: Option<Vec<u8>>,
    },
    /// `(uidNumber>=1000)`
    GreaterOrEqual {
        /// The attribute asked.
        attribute: String,
        /// The least value.
        value: Vec<u8>,
    },
    /// `(uidNumber<=1000)`
    LessOrEqual {
        /// The attribute asked.
        attribute: String,
        /// The greatest value.
        value: Vec<u8>,
    },
    /// `(mail=*)`
    Present {
        /// The attribute asked.
        attribute: String,
    },
    /// `(cn~=jane)`
    Approx {
        /// The attribute asked.
        attribute: String,
        /// What one of its values must sound like.
        value: Vec<u8>,
    },
    /// `(userAccountControl:1.2.840.113556.1.4.803:=2)`; it has an attribute, a rule, or both.
    Extensible {
        /// The attribute asked; `None` asks every attribute for which the rule is defined.
        attribute: Option<String>,
        /// Whether the attributes of the entry's distinguished name count as well (`:dn`).
        dn_attributes: bool,
        /// The matching rule by name or OID; `None` is the attribute's own equality.
        rule: Option<String>,
        /// The value asserted.
        value: Vec<u8>,
    },
}

impl Filter {
    /// `(attribute=value)`
    pub fn equality(attribute: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self::Equality { attribute: attribute.into(), value: value.into() }
    }

    /// `(attribute=*)`
    pub fn present(attribute: impl Into<String>) -> Self {
        Self::Present { attribute: attribute.into() }
    }

    /// All of these; a single one stays as it is.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        let mut filters: Vec<Self> = filters.into_iter().collect();
        if filters.len() == 1 { filters.remove(0) } else { Self::And(filters) }
    }

    /// The types of the attributes the filter names, lower-cased and without options.
    ///
    /// [`Filter::asks_every_attribute`] tells the filters that ask more than they name.
    pub fn attributes(&self) -> BTreeSet<String> {
        let mut attributes = BTreeSet::new();
        self.visit(&mut |item| {
            if let Some(attribute) = item.attribute() {
                attributes.insert(attribute_type(attribute).to_ascii_lowercase());
            }
        });
        attributes
    }

    /// Whether some part is put to attributes it does not name, as `(:caseExactMatch:=secret)` is to all.
    pub fn asks_every_attribute(&self) -> bool {
        let mut asks = false;
        self.visit(&mut |item| asks |= item.attribute().is_none());
        asks
    }

    /// Whether some part is negated: it may match an entry for what that entry does not show.
    pub fn negates(&self) -> bool {
        match self {
            Self::Not(_) => true,
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::negates),
            _ => false,
        }
    }

    /// The types of the attributes, lower-cased and without options, of which some part wants a value to be `there`, or to be missing:
    /// where they are out of sight the filter matches fewer than it would, or more.
    pub fn sought(&self, there: bool) -> BTreeSet<String> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(|part| part.sought(there)).collect(),
            Self::Not(part) => part.sought(!there),
            item if there => item.attributes(),
            _ => BTreeSet::new(),
        }
    }

    /// The first matching rule that [`Filter::matches`] does not know, so that the part it stands in matches nobody.
    pub fn unknown_rule(&self) -> Option<String> {
        let mut unknown = None;
        self.visit(&mut |item| {
            if let Self::Extensible { rule: Some(rule), .. } = item
                && unknown.is_none()
                && !evaluate::is_known_rule(rule)
            {
                unknown = Some(rule.clone());
            }
        });
        unknown
    }

    /// Shows every part that is not And, Or, Not.
    fn visit(&self, show: &mut impl FnMut(&Self)) {
        match self {
            Self::And(filters) | Self::Or(filters) => filters.iter().for_each(|filter| filter.visit(show)),
            Self::Not(filter) => filter.visit(show),
            item => show(item),
        }
    }

    fn attribute(&self) -> Option<&str> {
        match self {
            Self::And(_) | Self::Or(_) | Self::Not(_) => None,
            Self::Equality { attribute, .. }
            | Self::Substrings { attribute, .. }
            | Self::GreaterOrEqual { attribute, .. }
            | Self::LessOrEqual { attribute, .. }
            | Self::Present { attribute }
            | Self::Approx { attribute, .. } => Some(attribute),
            Self::Extensible { attribute, .. } => attribute.as_deref(),
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::parse(text)
    }
}

impl Serialize for Filter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Filter {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for Filter {}

#[cfg(test)]
mod tests;
