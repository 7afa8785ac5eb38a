//! The latest changes of all that is read, by which the next picture tells whether the directory went back.
//!
//! A directory that was restored from a backup, or a replica that has not heard of all, shows who was changed last as they were
//! before, or does not show them at all. One who is not shown may have left; all of them hardly ever, without another change.

use std::collections::{BTreeMap, BTreeSet};

use adc_core::source_id::SourceId;

/// Between an identity and when it was changed; neither UUIDs nor times have one.
const AT: char = '@';
/// So many changes are remembered: more than leave at once, as a rule, among those who were changed last.
const REMEMBERED: usize = 8;

/// Who was changed last, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Latest(BTreeSet<(String, SourceId)>);

/// What became of those who had been changed last.
#[derive(Debug, Default)]
pub(super) struct Watched {
    before: BTreeMap<SourceId, String>,
    last: String,
    /// One of them is shown, or somebody who was changed after all of them.
    is_any_shown: bool,
    /// One of them is shown as they were before.
    is_any_older: bool,
}

impl Latest {
    /// Notes when somebody was changed: the number of the change where the directory shows it, else the time.
    pub(super) fn note(&mut self, id: &SourceId, changed: &str) {
        let is_later = |(earliest, of): &(String, SourceId)| (earliest.as_str(), of) < (changed, id);
        if self.0.len() < REMEMBERED || self.0.first().is_some_and(is_later) {
            self.0.insert((changed.to_owned(), id.clone()));
            if self.0.len() > REMEMBERED {
                self.0.pop_first();
            }
        }
    }

    /// Forgets these: what became of them is noted anew, if they are there.
    pub(super) fn forget(&mut self, these: &BTreeSet<SourceId>) {
        self.0.retain(|(_, id)| !these.contains(id));
    }

    /// When the last change was made; `None` where there was none.
    pub(super) fn last(&self) -> Option<&str> {
        self.0.last().map(|(changed, _)| changed.as_str())
    }

    /// The text that [`Self::read`] reads.
    pub(super) fn text(&self) -> String {
        let each = self.0.iter().map(|(changed, id)| format!("{id}{AT}{changed}"));
        each.collect::<Vec<_>>().join(" ")
    }

    /// What a text says.
    pub(super) fn read(text: &str) -> Self {
        let each = text.split_whitespace().filter_map(|one| one.split_once(AT));
        Self(each.map(|(id, changed)| (changed.to_owned(), SourceId::from(id))).collect())
    }
}

impl Watched {
    /// Looks for those who had been changed last.
    pub(super) fn since(latest: &Latest) -> Self {
        let before = latest.0.iter().map(|(changed, id)| (id.clone(), changed.clone()));
        let last = latest.last().unwrap_or_default().to_owned();
        Self { before: before.collect(), last, ..Self::default() }
    }

    /// Somebody is shown, changed then.
    pub(super) fn note(&mut self, id: &SourceId, changed: &str) {
        let before = self.before.get(id);
        self.is_any_shown |= before.is_some() || is_before(&self.last, changed);
        self.is_any_older |= before.is_some_and(|before| is_before(changed, before));
    }

    /// Whether somebody is shown as they were before, whoever else is read.
    pub(super) fn is_any_older(&self) -> bool {
        self.is_any_older
    }

    /// Whether as many are looked for as are ever remembered: a few of them may leave one after the other.
    pub(super) fn are_enough(&self) -> bool {
        self.before.len() == REMEMBERED
    }

    /// Whether the directory shows less than it did.
    pub(super) fn is_older(&self) -> bool {
        self.is_any_older || !(self.before.is_empty() || self.is_any_shown)
    }
}

/// Whether a change was made before another one. Their numbers begin with the time, and may be hidden by now, or shown.
fn is_before(one: &str, other: &str) -> bool {
    let length = one.len().min(other.len());
    one.as_bytes()[..length] < other.as_bytes()[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest(changes: &[(u128, &str)]) -> Latest {
        let mut latest = Latest::default();
        for (id, changed) in changes {
            latest.note(&SourceId::of_uuid(&id.to_be_bytes()), changed);
        }
        latest
    }

    fn is_older(before: &[(u128, &str)], now: &[(u128, &str)]) -> bool {
        let mut watched = Watched::since(&Latest::read(&latest(before).text()));
        for (id, changed) in now {
            watched.note(&SourceId::of_uuid(&id.to_be_bytes()), changed);
        }
        watched.is_older()
    }

    const NINE: &str = "20261122090000";
    const TEN: &str = "20261122100000";
    const NUMBERED: &str = "20261122100000.000001Z#000000#000#000000";

    #[test]
    fn a_directory_that_shows_somebody_as_they_were_went_back() {
        let before = [(1, NINE), (2, TEN)];
        assert!(!is_older(&before, &before));
        assert!(!is_older(&before, &[(1, TEN), (2, TEN), (3, NINE)]));
        assert!(is_older(&before, &[(1, NINE), (2, NINE)]));
        assert!(is_older(&[(1, NUMBERED)], &[(1, NINE)]));
        assert!(!is_older(&[(1, NUMBERED)], &[(1, TEN)]), "the numbers are hidden now");
        assert!(!is_older(&[(1, TEN)], &[(1, NUMBERED)]));
    }

    #[test]
    fn whoever_was_changed_last_may_leave_but_not_all_of_them() {
        let before = [(1, NINE), (2, TEN)];
        assert!(!is_older(&before, &[(1, NINE)]));
        assert!(is_older(&before, &[(3, NINE)]));
        assert!(is_older(&before, &[(3, TEN)]));
        assert!(!is_older(&before, &[(3, "20261122100001")]), "something happened since");
        assert!(!is_older(&[], &[(3, NINE)]), "there was nobody");
    }

    #[test]
    fn the_last_few_are_remembered() {
        let times: Vec<String> = (0..60).map(|minute| format!("2026112210{minute:02}00")).collect();
        let changes: Vec<(u128, &str)> =
            times.iter().enumerate().map(|(index, time)| (index as u128 * 7 % 60, time.as_str())).collect();
        let latest = latest(&changes);
        assert_eq!((latest.0.len(), latest.last()), (REMEMBERED, Some("20261122105900")));
        assert_eq!(latest.0.first().expect("some").0, "20261122105200");
        assert_eq!(Latest::read(&latest.text()), latest);
        assert_eq!(Latest::read("no change"), Latest::default());
    }
}
