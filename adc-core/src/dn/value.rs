//! An attribute value inside a distinguished name, and how it is escaped.

use crate::matching::case_ignore;
use std::{borrow::Cow, fmt};

/// A value inside a distinguished name, its escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, as nearly all values are.
    Text(String),
    /// Octets that are not UTF-8, written as `\xx` each.
    Octets(Vec<u8>),
    /// The BER encoding of a value that is no string, written as `#` and hexadecimal digits.
    Ber(Vec<u8>),
}

impl Value {
    /// Text where the octets are UTF-8.
    pub(super) fn from_octets(octets: Vec<u8>) -> Self {
        String::from_utf8(octets).map_or_else(|error| Self::Octets(error.into_bytes()), Self::Text)
    }

    /// What `#` and hexadecimal digits stand for: the string inside, if it is one, else the encoding as it is.
    pub(super) fn from_ber(ber: Vec<u8>) -> Self {
        match string_inside(&ber) {
            Some(content) => Self::from_octets(content.to_vec()),
            None => Self::Ber(ber),
        }
    }

    /// The value for display: its text, or its escaped form where it is none.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Octets(_) | Self::Ber(_) => Cow::Owned(self.to_string()),
        }
    }

    /// The form under which values compare, with one way to escape it.
    pub(super) fn normalized(&self) -> String {
        match self {
            Self::Text(text) => Escaped(&case_ignore(text)).to_string(),
            Self::Octets(_) | Self::Ber(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", Escaped(text)),
            Self::Octets(octets) => octets.iter().try_for_each(|octet| write!(f, "\\{octet:02x}")),
            Self::Ber(ber) => {
                f.write_str("#")?;
                ber.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// Text escaped as RFC 4514, 2.4 wants it; control characters as well, so that no line or log breaks on a name.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.char_indices().next_back().map_or(0, |(at, _)| at);
        for (at, c) in self.0.char_indices() {
            match c {
                '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
                '#' if at == 0 => f.write_str("\\#")?,
                ' ' if at == 0 || at == last => f.write_str("\\ ")?,
                c if c.is_ascii_control() => write!(f, "\\{:02x}", u32::from(c))?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

/// The content of a BER-encoded string whose octets are its text: `OCTET STRING`,
/// `UTF8String`, `PrintableString` or `IA5String`.
fn string_inside(ber: &[u8]) -> Option<&[u8]> {
    let (&tag, rest) = ber.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, content) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(*rest.first()?) << 8 | usize::from(*rest.get(1)?), rest.get(2..)?),
        _ => return None,
    };
    (matches!(tag, 0x04 | 0x0c | 0x13 | 0x16) && content.len() == length).then_some(content)
}
