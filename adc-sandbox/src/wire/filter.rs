//! The filter of a search request, decoded from BER (RFC 4511, section 4.5.1).

use ldap3_lber::common::TagClass;
use ldap3_lber::structure::{PL, StructureTag};

use super::request::WireError;
use crate::filter::{Extensible, Filter, Substrings};

/// Reads the `Filter` choice. Its nesting is bounded by the BER parser's own depth limit.
pub(super) fn decode(tag: StructureTag) -> Result<Filter, WireError> {
    if tag.class != TagClass::Context {
        return Err(WireError::Malformed("filter"));
    }
    match (tag.id, tag.payload) {
        (0, PL::C(parts)) => Ok(Filter::And(all(parts)?)),
        (1, PL::C(parts)) => Ok(Filter::Or(all(parts)?)),
        (2, PL::C(parts)) => {
            let [part] = exactly(parts)?;
            Ok(Filter::Not(Box::new(decode(part)?)))
        }
        (3, PL::C(parts)) => assertion(parts).map(|(attribute, value)| Filter::Equal(attribute, value)),
        (4, PL::C(parts)) => substrings(parts),
        (5, PL::C(parts)) => assertion(parts).map(|(attribute, value)| Filter::AtLeast(attribute, value)),
        (6, PL::C(parts)) => assertion(parts).map(|(attribute, value)| Filter::AtMost(attribute, value)),
        (7, PL::P(attribute)) => Ok(Filter::Present(text(attribute)?)),
        (8, PL::C(parts)) => assertion(parts).map(|(attribute, value)| Filter::Approximate(attribute, value)),
        (9, PL::C(parts)) => extensible(parts),
        _ => Err(WireError::Malformed("filter")),
    }
}

fn all(parts: Vec<StructureTag>) -> Result<Vec<Filter>, WireError> {
    parts.into_iter().map(decode).collect()
}

/// `AttributeValueAssertion`.
fn assertion(parts: Vec<StructureTag>) -> Result<(String, Vec<u8>), WireError> {
    let [attribute, value] = exactly(parts)?;
    Ok((text(bytes(attribute)?)?, bytes(value)?))
}

fn substrings(parts: Vec<StructureTag>) -> Result<Filter, WireError> {
    let [attribute, pieces] = exactly(parts)?;
    let PL::C(pieces) = pieces.payload else { return Err(WireError::Malformed("substring filter")) };
    let mut substrings = Substrings::default();
    for piece in pieces {
        let id = piece.id;
        let value = bytes(piece)?;
        match id {
            0 => substrings.initial = Some(value),
            1 => substrings.any.push(value),
            2 => substrings.last = Some(value),
            _ => return Err(WireError::Malformed("substring filter")),
        }
    }
    Ok(Filter::Substrings(text(bytes(attribute)?)?, substrings))
}

/// `MatchingRuleAssertion`.
fn extensible(parts: Vec<StructureTag>) -> Result<Filter, WireError> {
    let mut assertion = Extensible { attribute: None, rule: None, value: Vec::new(), dn_attributes: false };
    for part in parts {
        let id = part.id;
        let value = bytes(part)?;
        match id {
            1 => assertion.rule = Some(text(value)?),
            2 => assertion.attribute = Some(text(value)?),
            3 => assertion.value = value,
            4 => assertion.dn_attributes = value.iter().any(|byte| *byte != 0),
            _ => return Err(WireError::Malformed("extensible filter")),
        }
    }
    Ok(Filter::Extensible(assertion))
}

fn exactly<const N: usize>(parts: Vec<StructureTag>) -> Result<[StructureTag; N], WireError> {
    parts.try_into().map_err(|_| WireError::Malformed("filter"))
}

fn bytes(tag: StructureTag) -> Result<Vec<u8>, WireError> {
    tag.expect_primitive().ok_or(WireError::Malformed("filter"))
}

fn text(bytes: Vec<u8>) -> Result<String, WireError> {
    String::from_utf8(bytes).map_err(|_| WireError::Malformed("attribute of a filter"))
}
