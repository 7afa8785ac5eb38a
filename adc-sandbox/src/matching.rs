//! Comparing values the way their attribute's syntax wants it (RFC 4517, section 4.2).

use std::borrow::Cow;
use std::cmp::Ordering;

use adc_core::dn::Dn;

use crate::filter::Substrings;
use crate::schema::{Syntax, syntax_of, without_options};

/// Tests a stored value of the named attribute against an asserted one.
pub(crate) type Rule = fn(&str, &[u8], &[u8]) -> bool;

/// The attribute's own equality.
pub(crate) fn equal(attribute: &str, stored: &[u8], asserted: &[u8]) -> bool {
    prepared(attribute, stored) == prepared(attribute, asserted)
}

/// The order of a stored value and an asserted one: as numbers where both are, else as prepared text.
pub(crate) fn order(attribute: &str, stored: &[u8], asserted: &[u8]) -> Ordering {
    match (integer(stored), integer(asserted)) {
        (Some(stored), Some(asserted)) => stored.cmp(&asserted),
        _ => prepared(attribute, stored).cmp(&prepared(attribute, asserted)),
    }
}

/// Whether the pieces occur in a stored value, in their order and without overlapping.
pub(crate) fn substrings(attribute: &str, stored: &[u8], pieces: &Substrings) -> bool {
    if syntax_of(without_options(attribute)) == Syntax::Dn {
        return false; // DNs have no substring rule; servers answer nothing.
    }
    let value = prepared(attribute, stored);
    let initial = prepare_piece(attribute, pieces.initial.as_deref().unwrap_or_default());
    let last = prepare_piece(attribute, pieces.last.as_deref().unwrap_or_default());
    let Some(mut rest) = value.strip_prefix(&*initial) else { return false };
    for piece in &pieces.any {
        let piece = prepare_piece(attribute, piece);
        let Some(start) = find(rest, &piece) else { return false };
        rest = &rest[start + piece.len()..];
    }
    rest.ends_with(&last)
}

/// The matching rule of an extensible filter, by OID or name; `None` makes the filter Undefined, as servers
/// do.
pub(crate) fn rule(name: Option<&str>) -> Option<Rule> {
    let Some(name) = name else { return Some(equal) };
    match name.to_ascii_lowercase().as_str() {
        AD_BIT_AND => {
            Some(|_, stored, asserted| bits(stored, asserted, |stored, mask| stored & mask == mask))
        }
        AD_BIT_OR => Some(|_, stored, asserted| bits(stored, asserted, |stored, mask| stored & mask != 0)),
        "2.5.13.5" | "caseexactmatch" => Some(|_, stored, asserted| stored == asserted),
        "2.5.13.2" | "caseignorematch" => Some(|_, stored, asserted| fold(stored) == fold(asserted)),
        "2.5.13.1" | "distinguishednamematch" => Some(|_, stored, asserted| dn(stored) == dn(asserted)),
        _ => None,
    }
}

/// `LDAP_MATCHING_RULE_BIT_AND` of Active Directory: all asserted bits are set.
const AD_BIT_AND: &str = "1.2.840.113556.1.4.803";
/// `LDAP_MATCHING_RULE_BIT_OR` of Active Directory: at least one asserted bit is set.
const AD_BIT_OR: &str = "1.2.840.113556.1.4.804";

fn bits(stored: &[u8], asserted: &[u8], test: fn(i64, i64) -> bool) -> bool {
    matches!((integer(stored), integer(asserted)), (Some(stored), Some(mask)) if test(stored, mask))
}

fn integer(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The form in which values of an attribute compare; a value that is not of its syntax compares as its bytes.
fn prepared<'a>(attribute: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
    match syntax_of(without_options(attribute)) {
        Syntax::Dn => dn(value),
        Syntax::Exact => Cow::Borrowed(value),
        Syntax::Telephone => Cow::Owned(value.iter().copied().filter(|byte| !b" -".contains(byte)).collect()),
        Syntax::IgnoreCase => fold(value),
    }
}

/// Like [`prepared`], but a piece keeps one space at its ends: `*z m*` finds "Zoë Müller" only as it stands
/// there.
fn prepare_piece<'a>(attribute: &str, piece: &'a [u8]) -> Cow<'a, [u8]> {
    match (syntax_of(without_options(attribute)), std::str::from_utf8(piece)) {
        (Syntax::IgnoreCase, Ok(text)) => Cow::Owned(text.to_lowercase().into_bytes()),
        _ => prepared(attribute, piece),
    }
}

fn dn(value: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(value).ok().and_then(|text| Dn::parse(text).ok()) {
        Some(dn) => Cow::Owned(dn.normalized().into_bytes()),
        None => Cow::Borrowed(value),
    }
}

fn fold(value: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(value) {
        Ok(text) => {
            let words: Vec<String> =
                text.split(' ').filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
            Cow::Owned(words.join(" ").into_bytes())
        }
        Err(_) => Cow::Borrowed(value),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}
