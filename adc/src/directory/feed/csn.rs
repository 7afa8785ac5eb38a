//! OpenLDAP's change sequence numbers, and the cookie that is made of them.
//!
//! slapd takes a cookie that it cannot read for none, sends everything it holds as if it were new, and calls that all that
//! happened: what was removed would never be named. So a mark is looked at more closely than slapd looks at a cookie.

use std::collections::BTreeMap;

use adc_core::protocol::Mark;

use super::ahead::{Ahead, is_read};
use super::numbers::is_noted;
use super::started::is_start;
use crate::directory::mark::CONTEXT_CSN;

/// Time with microseconds; count of changes within one; server; modification within a change.
const PARTS: [usize; 4] = ["YYYYmmddHHMMSS.ffffffZ".len(), 6, 3, 6];

/// The cookie of a mark: the number that this consumer has (it has none, and is told from no other), and the change
/// sequence number of every server, or from when on it has to be asked. `None` if slapd would not read it as it is meant.
pub(super) fn cookie(mark: &Mark) -> Option<Vec<u8>> {
    let ahead = Ahead::of(mark).ok()?;
    cookie_of(mark, |csn, server| match &ahead {
        Some(ahead) => ahead.capped(csn, server),
        None => csn.to_owned(),
    })
}

/// The cookie of a mark to listen with, which names nothing but what happens from now on where the mark lies in the future.
pub(super) fn cookie_of_place(mark: &Mark) -> Option<Vec<u8>> {
    cookie_of(mark, |csn, _| csn.to_owned())
}

fn cookie_of(mark: &Mark, position: impl Fn(&str, &str) -> String) -> Option<Vec<u8>> {
    if mark.kind != CONTEXT_CSN {
        return None;
    }
    let mut by_server = BTreeMap::new();
    for csn in mark.values.iter().filter(|value| is_position(value)) {
        // Two positions of one server are none.
        let server = server(csn)?;
        if by_server.insert(server, position(csn, server)).is_some() {
            return None;
        }
    }
    let csns: Vec<String> = by_server.into_values().collect();
    (!csns.is_empty()).then(|| format!("rid=000,csn={}", csns.join(";")).into_bytes())
}

/// Tells the positions from what else a mark holds.
pub(super) fn is_position(value: &str) -> bool {
    !is_start(value) && !is_noted(value) && !is_read(value)
}

/// A mark right before the last change, which the directory may answer for or not; `None` where there is no such moment.
pub(super) fn before_last_change(mark: &Mark) -> Option<Mark> {
    let values = mark
        .values
        .iter()
        .map(|value| if is_position(value) { a_microsecond_before(value) } else { Some(value.clone()) });
    Some(Mark { kind: mark.kind.clone(), values: values.collect::<Option<_>>()? })
}

fn a_microsecond_before(csn: &str) -> Option<String> {
    server(csn)?;
    let (seconds, rest) = csn.split_once('.')?;
    let (fraction, rest) = rest.split_once('Z')?;
    let before = fraction.parse::<u32>().ok()?.checked_sub(1)?;
    Some(format!("{seconds}.{before:06}Z{rest}"))
}

/// The server that a change sequence number is of, if it is one: `20261122043638.123456Z#000000#001#000000`.
fn server(csn: &str) -> Option<&str> {
    let parts: Vec<&str> = csn.split('#').collect();
    let [time, change, server, modification] = parts.as_slice() else { return None };
    let is_whole = parts.iter().map(|part| part.len()).eq(PARTS);
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let numbered = [change, server, modification].into_iter().all(|text| is_hex(text));
    (is_whole && numbered && is_time(time)).then_some(*server)
}

/// Whether there is such a moment: `20261122043638.123456Z`.
fn is_time(text: &str) -> bool {
    let Some((seconds, rest)) = text.split_once('.') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(fraction) = rest.strip_suffix('Z') else { return false };
    if !digits(seconds) || !digits(fraction) || seconds.len() != "YYYYmmddHHMMSS".len() {
        return false;
    }
    let number = |range: std::ops::Range<usize>| seconds[range].parse::<i8>().unwrap_or(i8::MAX);
    let year = seconds[..4].parse().unwrap_or(i16::MAX);
    jiff::civil::DateTime::new(
        year,
        number(4..6),
        number(6..8),
        number(8..10),
        number(10..12),
        number(12..14),
        0,
    )
    .is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CSN: &str = "20261122043638.123456Z#000000#000#000000";
    const OTHER: &str = "20261122043638.000001Z#00000a#0fe#000000";

    fn cookie_of(values: &[&str]) -> Option<String> {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let cookie = cookie(&Mark { kind: CONTEXT_CSN.to_owned(), values });
        cookie.map(|cookie| String::from_utf8(cookie).expect("text"))
    }

    #[test]
    fn the_cookie_holds_every_servers_position_in_the_order_of_servers() {
        assert_eq!(cookie_of(&[CSN]), Some(format!("rid=000,csn={CSN}")));
        let mark = [OTHER, CSN, "started=20261122043000Z"];
        assert_eq!(cookie_of(&mark), Some(format!("rid=000,csn={CSN};{OTHER}")));
    }

    #[test]
    fn the_moment_before_is_a_microsecond_earlier() {
        let mark = |csn: &str| Mark {
            kind: CONTEXT_CSN.to_owned(),
            values: vec![csn.to_owned(), "started=20261122043000Z".to_owned()],
        };
        let earlier = mark("20261122043638.123455Z#000000#000#000000");
        assert_eq!(before_last_change(&mark(CSN)), Some(earlier));
        assert_eq!(before_last_change(&mark("20261122043638.000000Z#000000#000#000000")), None);
    }

    #[test]
    fn a_garbage_cookie_would_have_slapd_say_that_nobody_left() {
        for garbage in [
            "",
            "20261122043638.123456Z",
            "20261122043638Z#000000#00#000000",
            "20261122043638.123456Z#000000#000",
            "20261122043638.123456Z#000000#000#000000#",
            "20261122043638.123456Z#00000#0000#000000",
            "20261122043638.123456Z#00000G#000#000000",
            "20261122043638.123456Z#000000#0A0#000000",
            "20261122043638.1234567#000000#000#000000",
            "2026112204363.1234567Z#000000#000#000000",
            "20261322043638.123456Z#000000#000#000000",
            "20260230043638.123456Z#000000#000#000000",
            "20261122243638.123456Z#000000#000#000000",
            "20261122043660.123456Z#000000#000#000000",
            "+0261122043638.123456Z#000000#000#000000",
            " 0261122043638.123456Z#000000#000#000000",
            "2026112204363é.12345Z#000000#000#000000",
            "20261122043638.123456Z#000000#000#000000,rid=001",
        ] {
            assert_eq!(cookie_of(&[garbage]), None, "{garbage}");
            assert_eq!(cookie_of(&[CSN, garbage]), None, "{garbage} beside a sound one");
        }
    }

    #[test]
    fn a_mark_of_another_kind_without_values_or_with_a_server_twice_is_none() {
        assert_eq!(cookie_of(&[]), None);
        assert_eq!(cookie_of(&["started=20261122043000Z"]), None);
        assert_eq!(cookie_of(&[CSN, "20261122043639.123456Z#000000#000#000000"]), None);
        assert_eq!(
            cookie(&Mark { kind: "highestCommittedUSN".to_owned(), values: vec![CSN.to_owned()] }),
            None
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,50}", at in 0usize..40, with in "\\PC") {
            let _ = server(&text);
            let mut spoiled = CSN.to_owned();
            spoiled.replace_range(at..=at, &with);
            prop_assert!(spoiled.len() == CSN.len() || server(&spoiled).is_none());
        }
    }
}
