//! The parser of filters (RFC 4515).

use super::Filter;
use crate::syntax::{Cursor, SyntaxError};

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an LDAP filter: {0}")]
pub struct FilterError(#[from] pub SyntaxError);

/// How deep filters may be nested. Reading, printing and evaluating recurse, so that a filter of a million
/// parentheses would end the process; what people and tools write is rarely deeper than ten.
pub const MAX_DEPTH: usize = 100;

/// Parses one filter. White space may stand around parentheses, as people break long filters into lines.
pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    let mut cursor = Cursor::new(text);
    let parsed = filter(&mut cursor, MAX_DEPTH)?;
    match cursor.peek() {
        None => Ok(parsed),
        Some(_) => Err(cursor.error("the end of the filter").into()),
    }
}

/// A filter in parentheses, and the white space around it.
fn filter(cursor: &mut Cursor<'_>, depth: usize) -> Result<Filter, SyntaxError> {
    cursor.skip_spaces();
    if depth == 0 {
        return Err(cursor.error("no more than 100 filters inside each other"));
    }
    cursor.expect("(", "\"(\"")?;
    cursor.skip_spaces();
    let parsed = if cursor.eat("&") {
        Filter::And(list(cursor, depth - 1)?)
    } else if cursor.eat("|") {
        Filter::Or(list(cursor, depth - 1)?)
    } else if cursor.eat("!") {
        Filter::Not(Box::new(filter(cursor, depth - 1)?))
    } else {
        item(cursor)?
    };
    cursor.expect(")", "\")\"")?;
    cursor.skip_spaces();
    Ok(parsed)
}

fn list(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<Filter>, SyntaxError> {
    let mut filters = Vec::new();
    cursor.skip_spaces();
    while cursor.peek() == Some(b'(') {
        filters.push(filter(cursor, depth)?);
    }
    Ok(filters)
}

fn item(cursor: &mut Cursor<'_>) -> Result<Filter, SyntaxError> {
    if cursor.peek() == Some(b':') {
        return extensible(cursor, None);
    }
    let attribute = attribute(cursor)?.to_owned();
    if cursor.eat("~=") {
        Ok(Filter::Approx { attribute, value: value(cursor)? })
    } else if cursor.eat(">=") {
        Ok(Filter::GreaterOrEqual { attribute, value: value(cursor)? })
    } else if cursor.eat("<=") {
        Ok(Filter::LessOrEqual { attribute, value: value(cursor)? })
    } else if cursor.peek() == Some(b':') {
        extensible(cursor, Some(attribute))
    } else {
        cursor.expect("=", "\"=\", \"~=\", \">=\", \"<=\" or \":=\"")?;
        equality_or_substrings(cursor, attribute)
    }
}

/// An attribute description (RFC 4512, 2.5): a type, and perhaps options.
fn attribute<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, SyntaxError> {
    let attribute =
        cursor.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b';'));
    if attribute.is_empty() || attribute.starts_with(['-', '_', '.', ';']) {
        return Err(cursor.error("an attribute such as cn or 2.5.4.3"));
    }
    Ok(attribute)
}

/// What follows `=`: a value, perhaps with asterisks. RFC 4515 lets a part between them be empty; it says nothing.
fn equality_or_substrings(cursor: &mut Cursor<'_>, attribute: String) -> Result<Filter, SyntaxError> {
    let first = value_part(cursor)?;
    if cursor.peek() != Some(b'*') {
        return Ok(Filter::Equality { attribute, value: first });
    }
    let mut parts = Vec::new();
    while cursor.eat("*") {
        parts.push(value_part(cursor)?);
    }
    let some = |part: Vec<u8>| (!part.is_empty()).then_some(part);
    let initial = some(first);
    let last = parts.pop().and_then(some);
    let any: Vec<_> = parts.into_iter().filter_map(some).collect();
    Ok(if initial.is_none() && last.is_none() && any.is_empty() {
        Filter::Present { attribute }
    } else {
        Filter::Substrings { attribute, initial, any, last }
    })
}

/// `:dn`, `:rule` and `:=value`, after the attribute if there is one.
fn extensible(cursor: &mut Cursor<'_>, attribute: Option<String>) -> Result<Filter, SyntaxError> {
    let mut dn_attributes = false;
    let mut rule = None;
    while !cursor.eat(":=") {
        cursor.expect(":", "\":=\"")?;
        let word = cursor.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        if word.is_empty() {
            return Err(cursor.error("\"dn\" or a matching rule"));
        }
        if rule.is_some() {
            return Err(cursor.error("\":=\" after the matching rule"));
        }
        if word.eq_ignore_ascii_case("dn") && !dn_attributes {
            dn_attributes = true;
        } else {
            rule = Some(word.to_owned());
        }
    }
    if attribute.is_none() && rule.is_none() {
        return Err(cursor.error("an attribute or a matching rule before \":=\""));
    }
    Ok(Filter::Extensible { attribute, dn_attributes, rule, value: value(cursor)? })
}

/// A value in which an asterisk has no meaning and so must be escaped.
fn value(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, SyntaxError> {
    let value = value_part(cursor)?;
    match cursor.peek() {
        Some(b'*') => Err(cursor.error("the \"*\" escaped as \"\\2a\"")),
        _ => Ok(value),
    }
}

/// A value up to `)` or `*`, or the end. White space belongs to it.
fn value_part(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, SyntaxError> {
    let mut value = Vec::new();
    loop {
        match cursor.peek() {
            None | Some(b')' | b'*') => return Ok(value),
            Some(b'(') => return Err(cursor.error("the \"(\" escaped as \"\\28\"")),
            Some(0) => return Err(cursor.error("the NUL escaped as \"\\00\"")),
            Some(b'\\') => {
                cursor.skip(1);
                value.push(cursor.hex_pair().ok_or_else(|| {
                    cursor.error("two hexadecimal digits after \"\\\" (a \"\\\" of the value itself is written \"\\5c\")")
                })?);
            }
            Some(byte) => {
                value.push(byte);
                cursor.skip(1);
            }
        }
    }
}
