//! A body that holds a password: read and parsed without leaving copies, and wiped.
//!
//! What cannot be wiped from here is what the HTTP and TLS libraries keep in their own buffers until the next bytes come.

use super::{
    json::{JSON, ensure_media_type, too_large, unreadable},
    problem::{ApiResult, Problem},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use zeroize::{Zeroize, Zeroizing};

/// The most bytes: name and password at their longest, every character of them escaped.
const MAX_BYTES: usize = 16 << 10;

/// A name and a password, as JSON.
pub(super) struct NameAndPassword {
    pub(super) username: String,
    pub(super) password: Zeroizing<String>,
}

impl<S: Send + Sync> FromRequest<S> for NameAndPassword {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        ensure_media_type(request.headers(), &[JSON])?;
        // Of the right size at once: a buffer that grows leaves its old content behind.
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
        let mut parts = request.into_body().into_data_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| unreadable())?;
            let fits = body.len() + part.len() <= MAX_BYTES;
            if fits {
                body.extend_from_slice(&part);
            }
            wipe(part);
            if !fits {
                return Err(too_large());
            }
        }
        parse(&body).ok_or_else(|| {
            // Nothing of the body is repeated: any part of it may be a password.
            Problem::unprocessable(
                "invalid-body",
                "The body is not as it should be: an object with the texts username and password, and nothing else.",
            )
        })
    }
}

fn parse(body: &[u8]) -> Option<NameAndPassword> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parts<'b> {
        #[serde(borrow)]
        username: Cow<'b, str>,
        #[serde(borrow)]
        password: &'b RawValue,
    }
    let parts: Parts<'_> = serde_json::from_slice(body).ok()?;
    Some(NameAndPassword { username: parts.username.into_owned(), password: text_of(parts.password.get())? })
}

/// The text that a JSON string is (RFC 8259 section 7). The JSON library would leave an escaped one in a buffer of its own.
fn text_of(json: &str) -> Option<Zeroizing<String>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = Zeroizing::new(String::with_capacity(inner.len()));
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        text.push(match c {
            '\\' => match rest.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => escaped(&mut rest)?,
                itself => itself,
            },
            c => c,
        });
    }
    Some(text)
}

/// The character that `\u` begins: four digits, or twice as many for a surrogate pair.
fn escaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let first = code_unit(rest)?;
    if let Some(c) = char::from_u32(first.into()) {
        return Some(c);
    }
    if (rest.next()?, rest.next()?) != ('\\', 'u') {
        return None;
    }
    char::decode_utf16([first, code_unit(rest)?]).next()?.ok()
}

fn code_unit(rest: &mut std::str::Chars<'_>) -> Option<u16> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | u16::try_from(rest.next()?.to_digit(16)?).ok()?))
}

/// Wipes a part of the body, where nobody else has it.
fn wipe(part: Bytes) {
    if let Ok(mut part) = part.try_into_mut() {
        part.as_mut().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(body: &str) -> Option<(String, String)> {
        parse(body.as_bytes()).map(|parts| (parts.username, parts.password.to_string()))
    }

    #[test]
    fn a_password_is_read_however_it_is_escaped() {
        for (json, expected) in [
            (r#""plain""#, "plain"),
            (r#""""#, ""),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u00e4\u0000""#, "ä\0"),
            (r#""\ud83d\ude00x""#, "😀x"),
        ] {
            let body = format!(r#"{{"username": "jane", "password": {json}}}"#);
            assert_eq!(parsed(&body), Some(("jane".to_owned(), expected.to_owned())), "{json}");
        }
    }

    #[test]
    fn what_is_no_name_and_password_is_refused() {
        for body in [
            "",
            "7",
            "{}",
            r#"{"username": "jane"}"#,
            r#"{"username": "jane", "password": 7}"#,
            r#"{"username": "jane", "password": null}"#,
            r#"{"username": 7, "password": "p"}"#,
            r#"{"username": "jane", "password": "p", "otp": "1"}"#,
            r#"{"username": "jane", "password": "\ud83d"}"#,
            r#"{"username": "jane", "password": "\ud83dx"}"#,
            r#"{"username": "jane", "password": "\ud83d\u0041"}"#,
        ] {
            assert_eq!(parsed(body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn every_password_comes_through(password in "\\PC{0,40}|[\u{0}-\u{7f}]{0,20}") {
            let body = serde_json::json!({ "username": "jane", "password": password }).to_string();
            prop_assert_eq!(parsed(&body), Some(("jane".to_owned(), password)));
        }
    }
}
