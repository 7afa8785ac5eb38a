//! Attribute values as text.

use crate::{
    dn::{Reference, without_guid},
    entry::Entry,
    reason::Reason,
    record::Problem,
    text,
};
use std::cmp::Ordering;

/// Bytes of the longest value that is a field: names, addresses and descriptions are far shorter, and a batch of a
/// thousand people must fit into one request.
pub(super) const MAX_VALUE_BYTES: usize = 64 << 10;

/// A value that is no text the control plane can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotText {
    /// Not valid UTF-8.
    NotUtf8,
    /// With a NUL, which databases do not take in text.
    Nul,
    /// Longer than [`MAX_VALUE_BYTES`].
    TooLong,
}

impl NotText {
    /// The problem, without the value.
    pub(super) fn in_field(self, field: &str, attribute: &str) -> Problem {
        let (reason, what) = match self {
            Self::NotUtf8 => (Reason::NotUtf8, "is not valid UTF-8"),
            Self::Nul => (Reason::NotUtf8, "contains a NUL character"),
            Self::TooLong => (Reason::ValueTooLong, "is longer than 64 KiB"),
        };
        Problem { reason, detail: format!("field \"{field}\": a value of {attribute} {what}") }
    }
}

/// A value as text, without outer white space; of a reference its name.
pub(super) fn text(value: &[u8]) -> Result<&str, NotText> {
    raw_text(value).map(without_guid)
}

/// A value that refers to an object, as short as it can be: its name, and its GUID where the directory gave that.
pub(super) fn reference(value: &[u8]) -> Result<Reference<'_>, NotText> {
    raw_text(value).map(Reference::of)
}

fn raw_text(value: &[u8]) -> Result<&str, NotText> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(NotText::TooLong);
    }
    let text = std::str::from_utf8(value).map_err(|_| NotText::NotUtf8)?;
    if value.contains(&0) { Err(NotText::Nul) } else { Ok(text.trim()) }
}

/// The smallest value after case folding; `None` if there is none, or only empty ones.
pub(super) fn smallest<'e>(entry: &'e Entry, attribute: &str) -> Result<Option<&'e str>, NotText> {
    pick(entry.values(attribute), Some)
}

/// All values but empty ones, sorted after case folding, each once.
pub(super) fn sorted<'e>(entry: &'e Entry, attribute: &str) -> Result<Vec<&'e str>, NotText> {
    let mut texts = entry.values(attribute).iter().map(|value| text(value)).collect::<Result<Vec<_>, _>>()?;
    texts.retain(|text| !text.is_empty());
    texts.sort_by(|one, other| folded_order(one, other));
    texts.dedup();
    Ok(texts)
}

/// The values that are integers.
pub(super) fn numbers<'e>(entry: &'e Entry, attribute: &str) -> impl Iterator<Item = i64> + use<'e> {
    entry.texts(attribute).filter_map(|text| text.trim().parse().ok())
}

/// The primary mail address among Exchange's `proxyAddresses`: the one whose prefix is in capitals.
pub(super) fn primary_address<'e>(entry: &'e Entry, attribute: &str) -> Result<Option<&'e str>, NotText> {
    pick(entry.values(attribute), |text| text.strip_prefix(PRIMARY_ADDRESS).map(str::trim))
}

/// How `proxyAddresses` marks the primary mail address; the others have `smtp:`.
pub(super) const PRIMARY_ADDRESS: &str = "SMTP:";

/// Every value is looked at, so that which of two a directory names first makes no difference, not even to errors.
fn pick<'e>(
    values: &'e [Vec<u8>],
    part: impl Fn(&'e str) -> Option<&'e str>,
) -> Result<Option<&'e str>, NotText> {
    let mut smallest: Option<&str> = None;
    for value in values {
        let Some(text) = part(text(value)?).filter(|text| !text.is_empty()) else { continue };
        if smallest.is_none_or(|smallest| folded_order(text, smallest).is_lt()) {
            smallest = Some(text);
        }
    }
    Ok(smallest)
}

fn folded_order(one: &str, other: &str) -> Ordering {
    text::key(one).cmp(&text::key(other)).then_with(|| one.cmp(other))
}
