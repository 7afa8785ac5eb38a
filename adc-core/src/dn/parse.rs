//! The parser of distinguished names.

use super::{Part, Rdn, Value};
use crate::syntax::{Cursor, SyntaxError, is_space};

/// A text that is no distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a distinguished name: {0}")]
pub struct DnError(#[from] pub SyntaxError);

pub(super) fn parse(text: &str) -> Result<Vec<Rdn>, DnError> {
    let mut cursor = Cursor::new(text);
    let mut rdns = Vec::new();
    cursor.skip_spaces();
    if cursor.peek().is_none() {
        return Ok(rdns);
    }
    loop {
        rdns.push(rdn(&mut cursor)?);
        if cursor.peek().is_none() {
            return Ok(rdns);
        }
        if !cursor.eat(";") {
            cursor.expect(",", "\",\" or \"+\"")?;
        }
    }
}

fn rdn(cursor: &mut Cursor<'_>) -> Result<Rdn, SyntaxError> {
    let mut parts = vec![part(cursor)?];
    while cursor.eat("+") {
        parts.push(part(cursor)?);
    }
    Ok(Rdn::new(parts))
}

fn part(cursor: &mut Cursor<'_>) -> Result<Part, SyntaxError> {
    cursor.skip_spaces();
    let attribute = attribute_type(cursor)?.to_owned();
    cursor.skip_spaces();
    cursor.expect("=", "\"=\"")?;
    cursor.skip_spaces();
    let value = match cursor.peek() {
        Some(b'#') => hex_string(cursor)?,
        Some(b'"') => quoted(cursor)?,
        _ => string(cursor)?,
    };
    cursor.skip_spaces();
    Ok(Part { attribute, value })
}

/// `descr` or `numericoid` (RFC 4512, 1.4), the latter perhaps after `OID.`; `_` is in no RFC, but in some servers.
fn attribute_type<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, SyntaxError> {
    let prefixed = cursor.eat("OID.");
    match cursor.peek() {
        Some(b'0'..=b'9') => Ok(cursor.take_while(|byte| byte.is_ascii_digit() || byte == b'.')),
        Some(byte) if byte.is_ascii_alphabetic() && !prefixed => {
            Ok(cursor.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')))
        }
        _ => Err(cursor.error("an attribute type such as cn or 2.5.4.3")),
    }
}

/// `#` and hexadecimal digits: the BER encoding of the value.
fn hex_string(cursor: &mut Cursor<'_>) -> Result<Value, SyntaxError> {
    const EXPECTED: &str =
        "pairs of hexadecimal digits after \"#\" (a \"#\" of the value itself is written \"\\#\")";
    cursor.skip(1);
    let ber: Vec<u8> = std::iter::from_fn(|| cursor.hex_pair()).collect();
    if ber.is_empty() || cursor.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
        return Err(cursor.error(EXPECTED));
    }
    Ok(Value::from_ber(ber))
}

/// A value in quotes (RFC 2253, 4): separators inside mean themselves.
fn quoted(cursor: &mut Cursor<'_>) -> Result<Value, SyntaxError> {
    cursor.skip(1);
    let mut octets = Vec::new();
    loop {
        match cursor.peek() {
            None => return Err(cursor.error("a closing quote")),
            Some(b'"') => break,
            Some(b'\\') => octets.push(escape(cursor)?),
            Some(byte) => {
                octets.push(byte);
                cursor.skip(1);
            }
        }
    }
    cursor.skip(1);
    Ok(Value::from_octets(octets))
}

/// A value as RFC 4514 writes it; unescaped spaces before the separator do not belong to it.
fn string(cursor: &mut Cursor<'_>) -> Result<Value, SyntaxError> {
    let mut octets = Vec::new();
    let mut kept = 0;
    loop {
        match cursor.peek() {
            None | Some(b',' | b';' | b'+') => break,
            Some(b'"') => return Err(cursor.error("the quote escaped as \"\\\"\"")),
            Some(b'\\') => {
                octets.push(escape(cursor)?);
                kept = octets.len();
            }
            Some(byte) => {
                octets.push(byte);
                cursor.skip(1);
                if !is_space(byte) {
                    kept = octets.len();
                }
            }
        }
    }
    octets.truncate(kept);
    Ok(Value::from_octets(octets))
}

/// A backslash and what it escapes: a special character, or an octet as two hexadecimal digits.
fn escape(cursor: &mut Cursor<'_>) -> Result<u8, SyntaxError> {
    cursor.skip(1);
    match cursor.peek() {
        Some(byte @ (b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\')) => {
            cursor.skip(1);
            Ok(byte)
        }
        _ => cursor
            .hex_pair()
            .ok_or_else(|| cursor.error("a special character or two hexadecimal digits after \"\\\"")),
    }
}
