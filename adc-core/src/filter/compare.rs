//! How a value compares with what a filter asserts, without the directory's schema.

use crate::{
    dn::{Dn, DnKey},
    matching::{case_ignore, single_spaces},
    text,
};
use jiff::{SignedDuration, civil::DateTime};
use std::{borrow::Cow, cmp::Ordering};

/// Whether they are equal: octet by octet, else as text of any case and spacing, else as distinguished names.
///
/// Text that looks like a name is compared as one too: without schema nobody knows that `manager` holds names, and
/// no other attribute holds two texts that differ and yet are the same name.
pub(super) fn equals(value: &[u8], asserted: &[u8]) -> bool {
    if value == asserted {
        return true;
    }
    let (Ok(value), Ok(asserted)) = (std::str::from_utf8(value), std::str::from_utf8(asserted)) else {
        return false;
    };
    case_ignore(value) == case_ignore(asserted) || same_name(value, asserted)
}

/// Whether both are distinguished names, and the same one.
pub(super) fn same_name(value: &str, asserted: &str) -> bool {
    value.contains('=')
        && asserted.contains('=')
        && Dn::parse(asserted).is_ok_and(|asserted| asserted.key() == DnKey::of(value))
}

/// How they are ordered: as integers if both are, as times if both are, else as text.
pub(super) fn order(value: &[u8], asserted: &[u8]) -> Ordering {
    let (Ok(value), Ok(asserted)) = (std::str::from_utf8(value), std::str::from_utf8(asserted)) else {
        return value.cmp(asserted);
    };
    if let (Some(value), Some(asserted)) = (integer(value), integer(asserted)) {
        value.cmp(&asserted)
    } else if let (Some(value), Some(asserted)) = (generalized_time(value), generalized_time(asserted)) {
        value.cmp(&asserted)
    } else {
        case_ignore(value).cmp(&case_ignore(asserted))
    }
}

/// Whether the value has these parts in this order, none overlapping.
pub(super) fn has_substrings(
    value: &[u8],
    initial: Option<&[u8]>,
    any: &[Vec<u8>],
    last: Option<&[u8]>,
) -> bool {
    let value = whole(value);
    let mut rest: &[u8] = &value;
    if let Some(initial) = initial {
        match rest.strip_prefix(&*part(initial, Borders { before: false, after: true })) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    if let Some(last) = last {
        match rest.strip_suffix(&*part(last, Borders { before: true, after: false })) {
            Some(before) => rest = before,
            None => return false,
        }
    }
    any.iter().all(|part| {
        let part = self::part(part, Borders { before: true, after: true });
        let found = if part.is_empty() {
            Some(0)
        } else {
            rest.windows(part.len()).position(|window| window == &*part)
        };
        found.is_some_and(|at| {
            rest = &rest[at + part.len()..];
            true
        })
    })
}

/// Folded if it is text, as it is otherwise.
fn whole(octets: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(octets) {
        Err(_) => Cow::Borrowed(octets),
        Ok(text) => Cow::Owned(case_ignore(text).into_owned().into_bytes()),
    }
}

/// Where the white space around a part may be the border of a word inside the value, and so counts.
#[derive(Clone, Copy)]
struct Borders {
    before: bool,
    after: bool,
}

/// A part of a value, folded like the whole.
fn part(octets: &[u8], borders: Borders) -> Cow<'_, [u8]> {
    let Ok(text) = std::str::from_utf8(octets) else { return Cow::Borrowed(octets) };
    let inner = text::key(text);
    let space = |counts: bool| if counts { " " } else { "" };
    let before = space(borders.before && text.starts_with(char::is_whitespace));
    let after = space(borders.after && text.ends_with(char::is_whitespace) && !inner.is_empty());
    Cow::Owned(single_spaces(&format!("{before}{inner}{after}")).into_bytes())
}

/// An integer as directories write them.
pub(super) fn integer(text: &str) -> Option<i128> {
    text.trim().parse().ok()
}

/// A `GeneralizedTime` (RFC 4517, 3.3.13) as time since year 0 UTC: `20240229120000Z`, `202402291200.5+0130`.
fn generalized_time(text: &str) -> Option<SignedDuration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = |from: usize| text.get(from..from + 2)?.parse::<i8>().ok();
    let (minute, second) = match digits {
        10 => (0, 0),
        12 => (number(10)?, 0),
        14 => (number(10)?, number(12)?),
        _ => return None,
    };
    // A leap second is the last one of its minute: nothing depends on the difference.
    let time =
        DateTime::new(text[..4].parse().ok()?, number(4)?, number(6)?, number(8)?, minute, second.min(59), 0)
            .ok()?;
    let (fraction, zone) = fraction(&text[digits..])?;
    let unit = match digits {
        10 => 3600.0,
        12 => 60.0,
        _ => 1.0,
    };
    let since_year_0 = time.duration_since(DateTime::constant(0, 1, 1, 0, 0, 0, 0));
    let fraction = SignedDuration::try_from_secs_f64(fraction * unit).ok()?;
    since_year_0.checked_add(fraction)?.checked_sub(offset(zone)?)
}

/// `.25` or `,25` as 0.25, and what follows.
fn fraction(text: &str) -> Option<(f64, &str)> {
    let Some(decimals) = text.strip_prefix(['.', ',']) else { return Some((0.0, text)) };
    let end = decimals.bytes().take_while(u8::is_ascii_digit).count();
    Some((format!("0.{}", decimals.get(..end)?).parse().ok().filter(|_| end > 0)?, &decimals[end..]))
}

/// `Z`, `+01` or `-0130`.
fn offset(zone: &str) -> Option<SignedDuration> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(SignedDuration::ZERO);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let number = |range: std::ops::Range<usize>| {
        let digits = zone.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let minutes = match zone.len() {
        3 => number(1..3)? * 60,
        5 => number(1..3)? * 60 + number(3..5)?,
        _ => return None,
    };
    Some(SignedDuration::from_mins(sign * minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_compare_as_times_however_they_are_written() {
        let same = [
            "20240229120000Z",
            "202402291200Z",
            "2024022912Z",
            "20240229133000+0130",
            "2024022907-05",
            "20240229115959.5Z",
        ];
        for pair in same[..5].windows(2) {
            assert_eq!(order(pair[0].as_bytes(), pair[1].as_bytes()), Ordering::Equal, "{pair:?}");
        }
        assert_eq!(order(same[5].as_bytes(), same[0].as_bytes()), Ordering::Less);
        assert_eq!(generalized_time("202402291200.5Z"), generalized_time("20240229120030Z"));
        for wrong in [
            "20240230120000Z",
            "20240229120000",
            "20240229120000.Z",
            "20240229120000+1",
            "20240229é20000Z",
            "20240229120000+é1",
        ] {
            assert_eq!(generalized_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_compare_as_numbers_and_everything_else_as_text() {
        assert_eq!(order(b"9", b"10"), Ordering::Less);
        assert_eq!(order(b"-9", b"-10"), Ordering::Greater);
        assert_eq!(order(b"9a", b"10"), Ordering::Greater);
        assert_eq!(order("ZOË".as_bytes(), "zoe\u{308}".as_bytes()), Ordering::Equal);
        assert_eq!(order(&[0xff], b"a"), Ordering::Greater);
    }
}
