//! Search filters as the server sees them: values are bytes (an `objectGUID` is no text), truth has three
//! values.
//!
//! Written apart from the filter of `adc-core` on purpose: a directory that shared the agent's evaluation
//! would agree with its mistakes.

use std::fmt;

use adc_core::dn::Rdn;

use crate::entry::{Attributes, Entry};
use crate::matching;

/// A filter of a search request (RFC 4511, section 4.5.1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Present(String),
    Equal(String, Vec<u8>),
    AtLeast(String, Vec<u8>),
    AtMost(String, Vec<u8>),
    Approximate(String, Vec<u8>),
    Substrings(String, Substrings),
    Extensible(Extensible),
}

/// The pieces of `initial*any*any*final`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Substrings {
    pub(crate) initial: Option<Vec<u8>>,
    pub(crate) any: Vec<Vec<u8>>,
    pub(crate) last: Option<Vec<u8>>,
}

/// `(attribute:dn:rule:=value)`; at least one of attribute and rule is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extensible {
    pub(crate) attribute: Option<String>,
    pub(crate) rule: Option<String>,
    pub(crate) value: Vec<u8>,
    /// Whether the values of the entry's DN count as attributes too.
    pub(crate) dn_attributes: bool,
}

impl Filter {
    /// Whether the filter is true for an entry; undefined is not true.
    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        self.evaluate(entry) == Some(true)
    }

    /// RFC 4511's three-valued logic; `None` is Undefined.
    fn evaluate(&self, entry: &Entry) -> Option<bool> {
        let any_value = |attribute: &str, test: &dyn Fn(&str, &[u8]) -> bool| {
            Some(any_value_of(&entry.attributes, attribute, test))
        };
        match self {
            Filter::And(parts) => parts.iter().map(|part| part.evaluate(entry)).fold(Some(true), and),
            Filter::Or(parts) => parts.iter().map(|part| part.evaluate(entry)).fold(Some(false), or),
            Filter::Not(part) => part.evaluate(entry).map(|truth| !truth),
            Filter::Present(attribute) => any_value(attribute, &|_, _| true),
            Filter::Equal(attribute, value) | Filter::Approximate(attribute, value) => {
                any_value(attribute, &|name, stored| matching::equal(name, stored, value))
            }
            Filter::AtLeast(attribute, value) => {
                any_value(attribute, &|name, stored| matching::order(name, stored, value).is_ge())
            }
            Filter::AtMost(attribute, value) => {
                any_value(attribute, &|name, stored| matching::order(name, stored, value).is_le())
            }
            Filter::Substrings(attribute, pieces) => {
                any_value(attribute, &|name, stored| matching::substrings(name, stored, pieces))
            }
            Filter::Extensible(assertion) => assertion.evaluate(entry),
        }
    }
}

impl Extensible {
    fn evaluate(&self, entry: &Entry) -> Option<bool> {
        let rule = matching::rule(self.rule.as_deref())?;
        let test = |name: &str, stored: &[u8]| rule(name, stored, &self.value);
        let found = match &self.attribute {
            Some(attribute) => any_value_of(&entry.attributes, attribute, &test),
            None => entry
                .attributes
                .iter()
                .any(|attribute| attribute.values.iter().any(|v| test(&attribute.name, v))),
        };
        Some(found || (self.dn_attributes && self.matches_dn(entry, &test)))
    }

    fn matches_dn(&self, entry: &Entry, test: &dyn Fn(&str, &[u8]) -> bool) -> bool {
        entry.parsed.rdns().iter().flat_map(Rdn::parts).any(|part| {
            let name = part.attribute();
            self.attribute.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(&name))
                && test(&name, part.value().to_text().as_bytes())
        })
    }
}

fn any_value_of(attributes: &Attributes, description: &str, test: &dyn Fn(&str, &[u8]) -> bool) -> bool {
    attributes
        .described_by(description)
        .any(|attribute| attribute.values.iter().any(|v| test(description, v)))
}

fn and(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

impl fmt::Display for Filter {
    /// RFC 4515: what the journal shows and what faults look into.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sign: &str, parts: &[Filter]| {
            write!(f, "({sign}")?;
            parts.iter().try_for_each(|part| write!(f, "{part}"))?;
            f.write_str(")")
        };
        match self {
            Filter::And(parts) => list(f, "&", parts),
            Filter::Or(parts) => list(f, "|", parts),
            Filter::Not(part) => write!(f, "(!{part})"),
            Filter::Present(attribute) => write!(f, "({attribute}=*)"),
            Filter::Equal(attribute, value) => write!(f, "({attribute}={})", Escaped(value)),
            Filter::AtLeast(attribute, value) => write!(f, "({attribute}>={})", Escaped(value)),
            Filter::AtMost(attribute, value) => write!(f, "({attribute}<={})", Escaped(value)),
            Filter::Approximate(attribute, value) => write!(f, "({attribute}~={})", Escaped(value)),
            Filter::Substrings(attribute, pieces) => write!(f, "({attribute}={pieces})"),
            Filter::Extensible(assertion) => write!(f, "({assertion})"),
        }
    }
}

impl fmt::Display for Substrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*", Escaped(self.initial.as_deref().unwrap_or_default()))?;
        self.any.iter().try_for_each(|piece| write!(f, "{}*", Escaped(piece)))?;
        write!(f, "{}", Escaped(self.last.as_deref().unwrap_or_default()))
    }
}

impl fmt::Display for Extensible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.attribute.as_deref().unwrap_or_default())?;
        if self.dn_attributes {
            f.write_str(":dn")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, ":{rule}")?;
        }
        write!(f, ":={}", Escaped(&self.value))
    }
}

/// A value with the characters escaped that mean something in a filter, and bytes that are no text.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '*' | '(' | ')' | '\\' | '\0' => write!(f, "\\{:02x}", character as u32)?,
                    _ => write!(f, "{character}")?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
