//! Filters put to an entry, in the three-valued logic of RFC 4511, 4.5.1.7.

use super::{Filter, compare};
use crate::{
    dn::{Dn, Rdn},
    entry::Entry,
    matching::single_spaces,
    text,
};
use std::{borrow::Cow, cmp::Ordering};

/// `None` is Undefined: neither the part nor its negation matches.
type Truth = Option<bool>;

impl Filter {
    /// Whether the entry matches, as far as that can be told without the directory's schema.
    ///
    /// Values compare like `caseIgnoreMatch`, and like distinguished names where they are such; `>=` and `<=` compare
    /// integers and times as what they are; `~=` is `=`. An attribute the entry does not have is false, and so its
    /// negation true, as in every directory. Undefined, and so no match either way, are a matching rule unknown here
    /// (among them Active Directory's in-chain rule: only the directory can follow the chain), a bit rule without a
    /// number, and an attribute of which the directory sent only a part.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.evaluate(entry) == Some(true)
    }

    fn evaluate(&self, entry: &Entry) -> Truth {
        match self {
            Self::And(filters) => unless(filters, entry, false),
            Self::Or(filters) => unless(filters, entry, true),
            Self::Not(filter) => filter.evaluate(entry).map(|matches| !matches),
            Self::Present { attribute } => {
                Some(entry.all_values(attribute).next().is_some() || entry.is_partial(attribute))
            }
            Self::Equality { attribute, value } | Self::Approx { attribute, value } => {
                any_value(entry, attribute, |own| equals(attribute, own, value))
            }
            Self::GreaterOrEqual { attribute, value } => {
                any_value(entry, attribute, |own| compare::order(own, value) != Ordering::Less)
            }
            Self::LessOrEqual { attribute, value } => {
                any_value(entry, attribute, |own| compare::order(own, value) != Ordering::Greater)
            }
            Self::Substrings { attribute, initial, any, last } => any_value(entry, attribute, |own| {
                compare::has_substrings(own, initial.as_deref(), any, last.as_deref())
            }),
            Self::Extensible { attribute, dn_attributes, rule, value } => {
                let attribute = attribute.as_deref()?;
                let rule = rule.as_deref().map_or(Some(Rule::Equality), Rule::named)?;
                let assertion = Assertion::new(rule, attribute, value)?;
                let found = any_value(entry, attribute, |own| assertion.holds_for(own));
                if found != Some(true)
                    && *dn_attributes
                    && any_in_name(entry, attribute, |own| assertion.holds_for(own))
                {
                    return Some(true);
                }
                found
            }
        }
    }
}

/// And (`decisive` false) or Or (`decisive` true): one decisive part decides; else one undefined part leaves it open.
fn unless(filters: &[Filter], entry: &Entry, decisive: bool) -> Truth {
    let mut truth = Some(!decisive);
    for filter in filters {
        match filter.evaluate(entry) {
            Some(matches) if matches == decisive => return Some(decisive),
            Some(_) => {}
            None => truth = None,
        }
    }
    truth
}

/// Whether one of the attribute's values matches; undefined if none does and not all of them are here.
fn any_value(entry: &Entry, attribute: &str, matches: impl Fn(&[u8]) -> bool) -> Truth {
    if entry.all_values(attribute).any(matches) {
        Some(true)
    } else if entry.is_partial(attribute) {
        None
    } else {
        Some(false)
    }
}

/// Whether the attribute stands in the entry's name with a value that matches.
fn any_in_name(entry: &Entry, attribute: &str, matches: impl Fn(&[u8]) -> bool) -> bool {
    Dn::parse(entry.dn()).is_ok_and(|dn| {
        dn.rdns()
            .iter()
            .flat_map(Rdn::parts)
            .filter(|part| part.attribute().eq_ignore_ascii_case(attribute))
            .any(|part| matches(part.value().to_text().as_bytes()))
    })
}

/// Equality of an attribute's value, with the one attribute that Active Directory lets people abbreviate.
fn equals(attribute: &str, value: &[u8], asserted: &[u8]) -> bool {
    compare::equals(value, asserted)
        || (attribute.eq_ignore_ascii_case("objectCategory") && is_category(value, asserted))
}

/// Whether `CN=Organizational-Unit,CN=Schema,…` is what `(objectCategory=organizationalUnit)` means: the value is the
/// name of a schema object, people write the class. `user` has no category of its own.
fn is_category(value: &[u8], class: &[u8]) -> bool {
    let (Ok(value), Ok(class)) = (std::str::from_utf8(value), std::str::from_utf8(class)) else {
        return false;
    };
    let category = if class.eq_ignore_ascii_case("user") { "person" } else { class };
    Dn::parse(value).is_ok_and(|dn| dn.rdn_value().replace('-', "").eq_ignore_ascii_case(category))
}

/// The matching rules known here.
#[derive(Clone, Copy)]
enum Rule {
    /// The attribute's own, `caseIgnoreMatch` and `distinguishedNameMatch`.
    Equality,
    /// Text of the same case; anything else octet by octet.
    Exact,
    Integer,
    /// Active Directory's: all these bits.
    BitAnd,
    /// Active Directory's: one of these bits.
    BitOr,
}

/// OIDs and names of RFC 4517, 4.2, and of Microsoft's `[MS-ADTS]`, 3.1.1.3.4.4.
const RULES: [(&str, &str, Rule); 9] = [
    ("2.5.13.1", "distinguishedNameMatch", Rule::Equality),
    ("2.5.13.2", "caseIgnoreMatch", Rule::Equality),
    ("1.3.6.1.4.1.1466.109.114.2", "caseIgnoreIA5Match", Rule::Equality),
    ("2.5.13.5", "caseExactMatch", Rule::Exact),
    ("1.3.6.1.4.1.1466.109.114.1", "caseExactIA5Match", Rule::Exact),
    ("2.5.13.17", "octetStringMatch", Rule::Exact),
    ("2.5.13.14", "integerMatch", Rule::Integer),
    ("1.2.840.113556.1.4.803", "integerBitAndMatch", Rule::BitAnd),
    ("1.2.840.113556.1.4.804", "integerBitOrMatch", Rule::BitOr),
];

impl Rule {
    fn named(name: &str) -> Option<Self> {
        RULES
            .iter()
            .find(|(oid, known, _)| *oid == name || known.eq_ignore_ascii_case(name))
            .map(|(.., rule)| *rule)
    }

    fn needs_number(self) -> bool {
        matches!(self, Self::Integer | Self::BitAnd | Self::BitOr)
    }
}

/// Whether a matching rule can be evaluated here.
pub(super) fn is_known_rule(name: &str) -> bool {
    Rule::named(name).is_some()
}

/// A rule and what is asserted by it.
struct Assertion<'a> {
    rule: Rule,
    attribute: &'a str,
    value: &'a [u8],
    /// The value as a number, where the rule wants one.
    number: i128,
}

impl<'a> Assertion<'a> {
    /// `None` if the rule has no meaning for the value.
    fn new(rule: Rule, attribute: &'a str, value: &'a [u8]) -> Option<Self> {
        let number = if rule.needs_number() { number(value)? } else { 0 };
        Some(Self { rule, attribute, value, number })
    }

    fn holds_for(&self, own: &[u8]) -> bool {
        match self.rule {
            Rule::Equality => equals(self.attribute, own, self.value),
            Rule::Exact => composed(own) == composed(self.value),
            Rule::Integer => number(own) == Some(self.number),
            Rule::BitAnd => number(own).is_some_and(|own| own & self.number == self.number),
            Rule::BitOr => number(own).is_some_and(|own| own & self.number != 0),
        }
    }
}

fn number(octets: &[u8]) -> Option<i128> {
    std::str::from_utf8(octets).ok().and_then(compare::integer)
}

/// Text in NFC and with single spaces, anything else as it is.
fn composed(octets: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(octets) {
        Ok(text) => single_spaces(text::nfc(text).trim()).into_bytes().into(),
        Err(_) => octets.into(),
    }
}
