//! Places that lie in the future.
//!
//! slapd's place is the latest of all times of changes. Once its clock was ahead, or something was loaded with a time to come, the
//! place stays there until that time: slapd names nothing that is changed before it, nor whoever is removed. So a mark that is ahead
//! of our clock says when it was read, and the feed is asked from there.

use adc_core::protocol::Mark;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::csn::is_position;
use super::plausible::CLOCKS_DIFFER;

/// What the time is called among the values of a mark.
const READ: &str = "read=";
/// How times are written in change sequence numbers.
const TIME: &str = "%Y%m%d%H%M%S.%6fZ";

/// Tells that time from the positions among the values of a mark.
pub(super) fn is_read(value: &str) -> bool {
    value.starts_with(READ)
}

/// What a mark has to say of its reading, `now` by our clock, if one of its positions lies in the future.
pub(in crate::directory) fn note(values: &[String], now: Timestamp) -> Option<String> {
    let now = written(now);
    let is_ahead = values.iter().any(|value| is_position(value) && time_of(value) > now.as_str());
    is_ahead.then(|| format!("{READ}{now}"))
}

/// When a mark was read that is ahead, and from when on it has to be asked what changed.
#[derive(Debug)]
pub(super) struct Ahead {
    read: String,
    since: String,
}

impl Ahead {
    /// What a mark says of that, if it does; an error if it makes no sense.
    pub(super) fn of(mark: &Mark) -> Result<Option<Self>, jiff::Error> {
        let Some(read) = mark.values.iter().find_map(|value| value.strip_prefix(READ)) else {
            return Ok(None);
        };
        let time = DateTime::strptime(TIME, read)?.to_zoned(TimeZone::UTC)?.timestamp();
        // Whatever is changed after the reading has a later time, as far as the clocks agree.
        Ok(Some(Self { read: written(time), since: written(time.checked_sub(CLOCKS_DIFFER)?) }))
    }

    /// The position of a server from which everything is named that was changed after the reading.
    pub(super) fn capped(&self, csn: &str, server: &str) -> String {
        if time_of(csn) > self.read.as_str() {
            format!("{}#000000#{server}#000000", self.since)
        } else {
            csn.to_owned()
        }
    }
}

fn written(time: Timestamp) -> String {
    time.strftime(TIME).to_string()
}

fn time_of(csn: &str) -> &str {
    csn.split('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::csn::cookie;
    use super::*;
    use crate::directory::mark::CONTEXT_CSN;

    const EARLIER: &str = "20261122043638.123456Z#000000#001#000000";
    const AHEAD: &str = "20271122043638.123456Z#00000a#000#000001";

    fn now() -> Timestamp {
        "2026-11-22T04:40:00.5Z".parse().expect("a time")
    }

    fn cookie_of(values: &[&str]) -> Option<String> {
        let mark = Mark {
            kind: CONTEXT_CSN.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        cookie(&mark).map(|cookie| String::from_utf8(cookie).expect("text"))
    }

    fn note_of(values: &[&str]) -> Option<String> {
        note(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>(), now())
    }

    #[test]
    fn a_mark_says_when_it_was_read_where_it_is_ahead_alone() {
        assert_eq!(note_of(&[EARLIER, "started=20991122043000Z"]), None);
        assert_eq!(note_of(&["20261122044000.500000Z#000000#001#000000"]), None);
        let read = Some("read=20261122044000.500000Z".to_owned());
        assert_eq!(note_of(&[EARLIER, AHEAD]), read);
        assert_eq!(note_of(&["20261122044000.500001Z#000000#001#000000"]), read);
    }

    #[test]
    fn whatever_changed_before_a_place_in_the_future_was_not_asked_for() {
        let note = note_of(&[EARLIER, AHEAD]).expect("it is ahead");
        let since = "20261122043500.500000Z#000000#000#000000";
        assert_eq!(cookie_of(&[AHEAD, &note]), Some(format!("rid=000,csn={since}")));
        assert_eq!(cookie_of(&[AHEAD, EARLIER, &note]), Some(format!("rid=000,csn={since};{EARLIER}")));
    }

    #[test]
    fn a_time_of_reading_that_is_none_leaves_no_cookie() {
        for read in ["", "yesterday", "20261322043638.123456Z", "-99990101000000.000000Z"] {
            assert_eq!(cookie_of(&[AHEAD, &format!("read={read}")]), None, "{read}");
        }
    }
}
