//! A place in the feed of a domain controller: the cookie, and what tells that the server can still go on from it.
//!
//! A cookie says nothing of itself. Samba takes one that is newer than itself for the present, and no server remembers whom it
//! removed for ever: of both the feed would say nothing, and somebody who left would stay.

use adc_core::protocol::Mark;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;

use crate::directory::root::Root;

/// The kind of a mark that holds such a place.
pub(in crate::directory) const DIRSYNC: &str = "dirsync";

/// What each value of the mark begins with.
const COOKIE: &str = "cookie=";
const NUMBER: &str = "highestCommittedUSN=";
pub(in crate::directory) const TIME: &str = "currentTime=";
/// By it whoever compares two marks knows whether one life of one server counted both.
const INVOCATION: &str = "invocationId=";

/// Where a search of the feed ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// What only the server understands.
    pub(super) cookie: Vec<u8>,
    /// Its sequence number then: one that counted back was restored, and does not know the cookie.
    pub(super) number: u64,
    /// Its time then.
    pub(super) time: DateTime,
    /// Which life of its database it was in, where it shows that.
    pub(super) invocation: Option<String>,
}

impl Place {
    /// Where a server stands that gave this cookie; `None` if it does not say what the place is worth.
    pub(super) fn of(root: &Root, cookie: Vec<u8>) -> Option<Self> {
        let invocation = root.invocation.clone();
        Some(Self { cookie, number: number(root)?, time: time(root)?, invocation })
    }

    /// The place that a mark is.
    pub(super) fn read(mark: &Mark) -> Option<Self> {
        let value = |name: &str| match mark
            .values
            .iter()
            .filter_map(|value| value.strip_prefix(name))
            .collect::<Vec<_>>()[..]
        {
            [value] => Some(value),
            _ => None,
        };
        let cookie = STANDARD.decode(value(COOKIE)?).ok().filter(|cookie| !cookie.is_empty())?;
        (mark.kind == DIRSYNC).then_some(())?;
        let (number, time) = (value(NUMBER)?.parse().ok()?, value(TIME)?.parse().ok()?);
        Some(Self { cookie, number, time, invocation: value(INVOCATION).map(str::to_owned) })
    }

    /// The mark that is this place.
    pub(super) fn mark(&self) -> Mark {
        let mut values = vec![
            format!("{COOKIE}{}", STANDARD.encode(&self.cookie)),
            format!("{NUMBER}{}", self.number),
            format!("{TIME}{}", self.time),
        ];
        values.extend(self.invocation.iter().map(|life| format!("{INVOCATION}{life}")));
        values.sort_unstable();
        Mark { kind: DIRSYNC.to_owned(), values }
    }
}

/// The server's sequence number.
pub(super) fn number(root: &Root) -> Option<u64> {
    root.highest_committed_usn.as_deref()?.parse().ok()
}

/// The server's time, of its form `20261122051036.0Z`.
pub(super) fn time(root: &Root) -> Option<DateTime> {
    let (seconds, fraction) = root.current_time.as_deref()?.split_once('.')?;
    // The format would take fewer digits, and read them as another time.
    let is_whole = seconds.len() == "YYYYmmddHHMMSS".len() && fraction.ends_with('Z');
    is_whole.then(|| DateTime::strptime("%Y%m%d%H%M%S", seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use adc_core::entry::Entry;
    use proptest::prelude::*;

    use super::*;

    fn root(time: &str) -> Root {
        Root::of(&Entry::new("").with("currentTime", &[time]).with("highestCommittedUSN", &["4048"]))
    }

    #[test]
    fn a_place_is_written_and_read_again() {
        let place = Place::of(&root("20261122051036.0Z"), vec![0, 1, 0xff]).expect("a place");
        let mark = place.mark();
        assert_eq!(
            mark.values,
            ["cookie=AAH/", "currentTime=2026-11-22T05:10:36", "highestCommittedUSN=4048"]
        );
        assert_eq!(Place::read(&mark), Some(place.clone()));
        let of_a_life = Place { invocation: Some("e98e04c4".to_owned()), ..place };
        assert_eq!(of_a_life.mark().values[3], "invocationId=e98e04c4");
        assert_eq!(Place::read(&of_a_life.mark()), Some(of_a_life));
    }

    #[test]
    fn a_domain_controller_that_was_put_back_from_a_copy_was_believed() {
        let place = |number: u64, life: &str| {
            let place = Place::of(&root("20261122051036.0Z"), vec![1]).expect("a place");
            Place { number, invocation: Some(life.to_owned()), ..place }.mark()
        };
        assert_eq!(place(4047, "a").includes(&place(4048, "a")), Some(false));
        assert_eq!(place(4048, "a").includes(&place(4048, "a")), Some(true));
        assert_eq!(place(4047, "b").includes(&place(4048, "a")), None, "each life counts for itself");
    }

    #[test]
    fn a_server_that_does_not_say_when_it_is_gives_no_place() {
        for time in ["", "20261122051036Z", "20261322051036.0Z", "2026112205103.0Z", "20261122051036.0"] {
            assert_eq!(Place::of(&root(time), vec![1]), None, "{time}");
        }
        assert_eq!(Place::of(&Root::default(), vec![1]), None);
    }

    #[test]
    fn a_mark_that_is_not_whole_is_no_place() {
        let whole = Place::of(&root("20261122051036.0Z"), vec![1]).expect("a place").mark();
        for missing in 0..whole.values.len() {
            let mut mark = whole.clone();
            mark.values.remove(missing);
            assert_eq!(Place::read(&mark), None, "{mark:?}");
            mark.values = [whole.values.clone(), vec![whole.values[missing].clone()]].concat();
            assert_eq!(Place::read(&mark), None, "{mark:?}");
        }
        for garbage in ["cookie=", "cookie=*", "cookie=AAH"] {
            let mut mark = whole.clone();
            mark.values[0] = garbage.to_owned();
            assert_eq!(Place::read(&mark), None, "{mark:?}");
        }
        assert_eq!(Place::read(&Mark { kind: "contextCSN".to_owned(), ..whole }), None);
    }

    proptest! {
        #[test]
        fn no_mark_makes_it_panic(values in proptest::collection::vec("(cookie=|currentTime=|highestCommittedUSN=)?\\PC{0,30}", 0..5)) {
            let _ = Place::read(&Mark { kind: DIRSYNC.to_owned(), values });
        }
    }
}
