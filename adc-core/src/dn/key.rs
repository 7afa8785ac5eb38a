//! What a distinguished name is joined by.

use super::{Dn, Reference, attribute_type};
use crate::text;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};

/// 128 bits of BLAKE3 over a distinguished name's normalized form: equal keys mean the same name. Where the directory refers by
/// GUID ([`Reference`]), over that: equal keys mean the same object.
///
/// Written as 22 characters of unpadded base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnKey([u8; 16]);

impl DnKey {
    /// The key of any text that refers to an object.
    ///
    /// A text that is no distinguished name gets a key of its own (over its trimmed and case-folded text), equal to
    /// no name's: a broken reference stays unresolved, and is neither lost nor an error.
    pub fn of(text: &str) -> Self {
        if let Reference { guid: Some(guid), .. } = Reference::of(text) {
            return Self::of_guid(guid);
        }
        let mut buffer = [0; PLAIN_LIMIT];
        if let Some(normalized) = normalize_plain(text, &mut buffer) {
            return Self::hash(normalized);
        }
        match Dn::parse(text) {
            Ok(dn) => dn.key(),
            Err(_) => Self::hash(format!("\0{}", text::key(text)).as_bytes()),
        }
    }

    /// The key of the entry right above the one of this name, below which it lies. `None` for a name without one, and for a text
    /// that is no name.
    pub fn of_container(dn: &str) -> Option<Self> {
        let Reference { dn, .. } = Reference::of(dn);
        let mut buffer = [0; PLAIN_LIMIT];
        match normalize_plain(dn, &mut buffer) {
            // A comma inside a value would be escaped, and the name not this simple.
            Some(normalized) => {
                let comma = normalized.iter().position(|byte| *byte == b',')?;
                Some(Self::hash(&normalized[comma + 1..]))
            }
            None => Dn::parse(dn).ok()?.parent().map(|container| container.key()),
        }
    }

    /// The key of an object's GUID in hexadecimal digits, whatever its name is.
    pub fn of_guid(guid: &str) -> Self {
        // No name in its normalized form begins like that.
        Self::hash(format!("\0guid {}", guid.to_ascii_lowercase()).as_bytes())
    }

    /// The key of a name in its normalized form.
    pub(super) fn of_normalized(normalized: &str) -> Self {
        Self::hash(normalized.as_bytes())
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn hash(bytes: &[u8]) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        Self(key)
    }
}

impl From<[u8; 16]> for DnKey {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<&Dn> for DnKey {
    fn from(dn: &Dn) -> Self {
        dn.key()
    }
}

/// The longest normalized name that [`normalize_plain`] handles; longer ones go the general way.
pub(super) const PLAIN_LIMIT: usize = 512;

/// The normalized form of a name that needs neither Unicode nor escapes, which in most directories are nearly all.
///
/// `None` means no more than "not this simple": the general parser decides. It exists because a run asks for the keys
/// of hundreds of thousands of group members.
pub(super) fn normalize_plain<'b>(text: &str, buffer: &'b mut [u8; PLAIN_LIMIT]) -> Option<&'b [u8]> {
    let bytes = text.as_bytes();
    let skip_spaces = |mut at: usize| {
        while bytes.get(at) == Some(&b' ') {
            at += 1;
        }
        at
    };
    let mut out = Output { buffer, length: 0 };
    let mut at = 0;
    loop {
        let start = skip_spaces(at);
        at = start;
        while bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
            at += 1;
        }
        let attribute = text.get(start..at)?;
        if !attribute.as_bytes().first()?.is_ascii_alphabetic() {
            return None;
        }
        match attribute_type::short_name(attribute) {
            Some(short) => short.bytes().try_for_each(|byte| out.push(byte))?,
            None => attribute.bytes().try_for_each(|byte| out.push(byte.to_ascii_lowercase()))?,
        }
        at = skip_spaces(at);
        if bytes.get(at) != Some(&b'=') {
            return None;
        }
        out.push(b'=')?;
        at = skip_spaces(at + 1);
        let value_starts = out.length;
        loop {
            match bytes.get(at) {
                None => return Some(out.into_bytes()),
                Some(b',') => break,
                Some(b' ') => {
                    at = skip_spaces(at);
                    if !matches!(bytes.get(at), None | Some(b',')) {
                        out.push(b' ')?;
                    }
                    continue;
                }
                Some(b'#') if out.length == value_starts => return None,
                Some(b'"' | b'+' | b';' | b'<' | b'>' | b'\\') => return None,
                Some(byte) if byte.is_ascii_graphic() => out.push(byte.to_ascii_lowercase())?,
                Some(_) => return None,
            }
            at += 1;
        }
        out.push(b',')?;
        at += 1;
    }
}

/// Bytes written into a buffer of limited size.
struct Output<'b> {
    buffer: &'b mut [u8; PLAIN_LIMIT],
    length: usize,
}

impl<'b> Output<'b> {
    fn push(&mut self, byte: u8) -> Option<()> {
        *self.buffer.get_mut(self.length)? = byte;
        self.length += 1;
        Some(())
    }

    fn into_bytes(self) -> &'b [u8] {
        &self.buffer[..self.length]
    }
}

impl fmt::Display for DnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 22];
        let length =
            URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).expect("16 bytes are 22 characters of base64");
        f.write_str(std::str::from_utf8(&text[..length]).expect("base64 is ASCII"))
    }
}

impl fmt::Debug for DnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DnKey({self})")
    }
}

/// A text that is no [`DnKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a DN key is 22 characters of unpadded base64url")]
pub struct BadDnKey;

impl FromStr for DnKey {
    type Err = BadDnKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadDnKey)?;
        bytes.try_into().map(Self).map_err(|_| BadDnKey)
    }
}

impl Serialize for DnKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DnKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for DnKey {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for DnKey {}
