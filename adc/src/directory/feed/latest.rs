//! The latest changes of all that is read, by which the next picture tells whether the directory went back.
//!
//! A directory that was restored from a backup, or a replica that has not heard of all, shows who was changed last as they were
//! before, or does not show them at all. One who is not shown may have left; all of them hardly ever, without another change. And it
//! shows who had left by then as they were before they did.

use std::collections::{BTreeMap, BTreeSet};

use adc_core::protocol::Mark;
use adc_core::source_id::SourceId;
use serde::{Deserialize, Serialize};

use super::plausible::Plausible;

/// So many changes are remembered: more than leave at once, as a rule, among those who were changed last.
const REMEMBERED: usize = 8;

/// Who was changed last, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latest {
    changes: BTreeSet<(String, SourceId)>,
    /// The last change that was ever seen of each server that numbers its own, also of those who have left since.
    #[serde(default)]
    last_of: BTreeMap<String, String>,
}

/// What was known when the last applied run ended.
#[derive(Debug, Clone, Copy)]
pub struct Before<'b> {
    /// The mark that it left.
    pub mark: Option<&'b Mark>,
    /// Who had left by then, some of those who did last.
    pub left: &'b BTreeSet<SourceId>,
    /// The same was read then, with the same rights: who is not there any more has left.
    pub comparable: bool,
}

/// What became of those who had been changed last, or had left.
#[derive(Debug, Default)]
pub(super) struct Watched {
    before: BTreeMap<SourceId, String>,
    left: BTreeSet<SourceId>,
    /// The last change of those who were there.
    last: String,
    /// The last change that had been seen of anybody, by the server it was made on.
    last_of: BTreeMap<String, String>,
    comparable: bool,
    /// When those who are shown were changed: of several who claim an identity, the last one.
    shown: BTreeMap<SourceId, String>,
    /// Somebody is shown who was changed after all of them.
    is_any_newer: bool,
    /// Somebody is shown who had left, and was not changed since.
    is_any_back: bool,
}

impl Latest {
    /// Of nobody yet, where everything is read anew.
    pub(super) fn anew(&self) -> Self {
        Self { changes: BTreeSet::new(), last_of: self.last_of.clone() }
    }

    /// Notes when somebody was changed: the number of the change where the directory shows it, else the time.
    ///
    /// Whatever is seen was made before. A clock that was wrong once would have everybody who joins again, until its time comes, look as
    /// if they had not been changed since; and whoever is changed by a right one as if by the wrong one's time they had been.
    pub(super) fn note(&mut self, id: &SourceId, changed: &str, plausible: &Plausible) {
        let is_later = |(earliest, of): &(String, SourceId)| (earliest.as_str(), of) < (changed, id);
        let is_among_the_last = self.changes.len() < REMEMBERED || self.changes.first().is_some_and(is_later);
        if is_among_the_last && !plausible.is_future(changed) {
            self.changes.insert((changed.to_owned(), id.clone()));
            if self.changes.len() > REMEMBERED {
                self.changes.pop_first();
            }
        }
        let made = plausible.made(changed);
        match self.last_of.get_mut(server_of(changed)) {
            Some(last) if last.as_str() < made => made.clone_into(last),
            Some(_) => {}
            None => _ = self.last_of.insert(server_of(changed).to_owned(), made.to_owned()),
        }
    }

    /// Forgets these: what became of them is noted anew, if they are there.
    pub(super) fn forget(&mut self, these: &BTreeSet<SourceId>) {
        self.changes.retain(|(_, id)| !these.contains(id));
    }

    /// When the last change was made of those who are there; `None` where there was none.
    pub(super) fn last(&self) -> Option<&str> {
        self.changes.last().map(|(changed, _)| changed.as_str())
    }

    /// The text that [`Self::read`] reads.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts are JSON")
    }

    /// What a text says. Of a mark that an earlier version left nothing is known: it wrote identities so that some could not be read.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

impl Watched {
    /// Looks for those who had been changed last, or had left.
    pub(super) fn since(latest: &Latest, left: &BTreeSet<SourceId>, comparable: bool) -> Self {
        let before = latest.changes.iter().map(|(changed, id)| (id.clone(), changed.clone()));
        let last = latest.last().unwrap_or_default().to_owned();
        // Whoever reads something else sees others, who never left.
        let left = if comparable { left.clone() } else { BTreeSet::new() };
        Self {
            before: before.collect(),
            left,
            last,
            last_of: latest.last_of.clone(),
            comparable,
            ..Self::default()
        }
    }

    /// Somebody is shown, changed then.
    pub(super) fn note(&mut self, id: &SourceId, changed: &str, plausible: &Plausible) {
        self.is_any_newer |= is_before(&self.last, changed);
        if self.before.contains_key(id) {
            let shown = self.shown.entry(id.clone()).or_default();
            if shown.as_str() < changed {
                changed.clone_into(shown);
            }
        }
        self.is_any_back |=
            self.left.contains(id) && !changed.is_empty() && self.was_made(changed, plausible);
    }

    /// Whether a change had been made when the last one was seen of its server. The clocks of two servers differ, and so far in the future no
    /// time tells anything.
    fn was_made(&self, changed: &str, plausible: &Plausible) -> bool {
        let its_server = server_of(changed);
        let mut last = self.last_of.iter().filter(|(server, _)| are_one(server, its_server));
        last.any(|(_, last)| !is_before(last, changed) || plausible.is_future(changed))
    }

    /// Whether somebody is shown as they were before: proof that the directory went back.
    ///
    /// The clocks of two servers that people are changed on differ: who was changed on both of them proves nothing.
    pub(super) fn is_proved(&self) -> bool {
        self.older().any(|(before, shown)| is_of_one_server(before, shown))
    }

    /// Whether somebody is shown as they were before, or though they had left, whoever else is read.
    pub(super) fn is_any_older(&self) -> bool {
        self.is_any_back || self.older().next().is_some()
    }

    /// Whether as many are looked for as are ever remembered: a few of them may leave one after the other.
    pub(super) fn are_enough(&self) -> bool {
        self.before.len() == REMEMBERED
    }

    /// Whether the directory shows less than it did.
    pub(super) fn is_older(&self) -> bool {
        let is_any_shown = self.is_any_newer || !self.shown.is_empty();
        self.is_any_older() || (self.comparable && !self.before.is_empty() && !is_any_shown)
    }

    /// When those who are shown as they were before had been changed, and when they were changed as it is shown.
    fn older(&self) -> impl Iterator<Item = (&str, &str)> {
        let both = self.shown.iter().map(|(id, shown)| (self.before[id].as_str(), shown.as_str()));
        both.filter(|(before, shown)| is_before(shown, before))
    }
}

/// Whether a change was made before another one. Their numbers begin with the time, and may be hidden by now, or shown.
pub(super) fn is_before(one: &str, other: &str) -> bool {
    let length = one.len().min(other.len());
    one.as_bytes()[..length] < other.as_bytes()[..length]
}

/// Whether nothing says that two changes were made on different servers: `20261122043638.123456Z#000000#001#000000`.
fn is_of_one_server(one: &str, other: &str) -> bool {
    are_one(server_of(one), server_of(other))
}

/// Whether two servers may be one: of those that number nothing nothing is known.
fn are_one(one: &str, other: &str) -> bool {
    one.is_empty() || other.is_empty() || one == other
}

/// The server that numbered a change; empty where none did.
fn server_of(changed: &str) -> &str {
    changed.split('#').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn latest(changes: &[(u128, &str)]) -> Latest {
        let mut latest = Latest::default();
        for (id, changed) in changes {
            latest.note(&SourceId::of_uuid(&id.to_be_bytes()), changed, &noon());
        }
        latest
    }

    /// Our clock, hours after most of what is changed here.
    fn noon() -> Plausible {
        Plausible::at("2026-11-22T12:00:00Z".parse().expect("a time"))
    }

    fn watched(before: &[(u128, &str)], left: &[u128], now: &[(u128, &str)]) -> Watched {
        let left = left.iter().map(|id| SourceId::of_uuid(&id.to_be_bytes())).collect();
        let mut watched = Watched::since(&Latest::read(&latest(before).text()), &left, true);
        for (id, changed) in now {
            watched.note(&SourceId::of_uuid(&id.to_be_bytes()), changed, &noon());
        }
        watched
    }

    fn is_older(before: &[(u128, &str)], now: &[(u128, &str)]) -> bool {
        watched(before, &[], now).is_older()
    }

    fn is_proved(before: &[(u128, &str)], now: &[(u128, &str)]) -> bool {
        watched(before, &[], now).is_proved()
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
    fn what_was_shown_as_it_was_before_the_backup_was_no_proof() {
        assert!(is_proved(&[(1, NINE), (2, TEN)], &[(1, NINE), (2, NINE), (3, "20261122110000")]));
        assert!(is_proved(&[(1, NUMBERED)], &[(1, "20261122090000.000001Z#000000#000#000000")]));
        assert!(is_proved(&[(1, NUMBERED)], &[(1, NINE)]));
        assert!(!is_proved(&[(1, NINE), (2, TEN)], &[(3, NINE)]), "they may have left");
        assert!(!is_proved(&[(1, NUMBERED)], &[(1, "")]), "the numbers are hidden now");
    }

    #[test]
    fn whose_clock_is_late_proves_nothing() {
        let before = [(1, "20261122100000.000001Z#000000#001#000000")];
        let late = [(1, "20261122095959.000001Z#000000#002#000000")];
        assert!(is_older(&before, &late));
        assert!(!is_proved(&before, &late), "who was changed on another server since");
        assert!(is_proved(&before, &[(1, "20261122095959.000001Z#000000#001#000000")]));
    }

    #[test]
    fn two_who_claim_one_identity_had_every_plan_held() {
        let before = [(1, NINE), (1, TEN), (2, TEN)];
        for now in [before, [(1, TEN), (1, NINE), (2, TEN)]] {
            assert!(!is_older(&before, &now));
        }
    }

    #[test]
    fn whoever_had_left_came_back_from_a_backup() {
        let before = [(1, NINE), (2, TEN)];
        let is_older = |now: &[(u128, &str)]| watched(&before, &[7], now).is_older();
        assert!(is_older(&[(1, NINE), (2, TEN), (7, NINE)]));
        assert!(is_older(&[(1, NINE), (2, TEN), (7, TEN), (3, "20261122110000")]));
        assert!(!watched(&before, &[7], &[(7, NINE)]).is_proved(), "they may have been out of sight");
        assert!(
            !is_older(&[(1, NINE), (2, TEN), (7, "20261122100001")]),
            "they joined anew, or were moved back"
        );
        assert!(!is_older(&[(1, NINE), (2, TEN), (7, "")]), "when is hidden");
        assert!(!watched(&[], &[7], &[(7, NINE)]).is_older(), "it is not known when they left");
        let others =
            Watched::since(&latest(&before), &[SourceId::of_uuid(&7_u128.to_be_bytes())].into(), false);
        assert!(others.left.is_empty(), "others are read, who never left");
    }

    #[test]
    fn whoever_was_changed_last_and_left_came_back_from_a_backup() {
        for others in [&[][..], &[(1_u128, NINE)]] {
            let changes: Vec<_> = others.iter().copied().chain([(7, TEN)]).collect();
            let seven = BTreeSet::from([SourceId::of_uuid(&7_u128.to_be_bytes())]);
            let mut in_a_delta = latest(&changes);
            in_a_delta.forget(&seven);
            let mut in_a_full_run = latest(&changes).anew();
            for (id, changed) in others {
                in_a_full_run.note(&SourceId::of_uuid(&id.to_be_bytes()), changed, &noon());
            }
            assert_eq!(in_a_delta, in_a_full_run);
            let mut watched = Watched::since(&Latest::read(&in_a_delta.text()), &seven, true);
            watched.note(seven.first().expect("there"), TEN, &noon());
            assert!(watched.is_any_older(), "{others:?}");
        }
    }

    #[test]
    fn a_change_from_the_future_held_whoever_joined_again_until_then() {
        let future = "20270101000000";
        let before = [(1, NINE), (2, future)];
        let is_older = |now: &[(u128, &str)]| watched(&before, &[2, 7], now).is_any_older();
        assert!(!is_older(&[(1, NINE), (7, "20261122120001")]), "she joined after it was seen");
        assert!(is_older(&[(1, NINE), (7, TEN)]), "as before she left");
        assert!(is_older(&[(1, NINE), (2, future)]), "nobody knows when he was changed");
        // The clock of a directory may be ahead of ours a little.
        let ahead = [(1, "20261122120459")];
        assert!(watched(&ahead, &[7], &[(7, "20261122120459")]).is_any_older());
        assert!(!watched(&ahead, &[7], &[(7, "20261122120500")]).is_any_older());
    }

    #[test]
    fn whoever_was_changed_after_a_clock_was_set_right_looked_as_if_put_back() {
        let ahead = "20271122000000";
        for later in [TEN, "20261122120001", "20261122120459"] {
            let before = [(1, ahead), (2, NINE)];
            assert!(!is_older(&before, &[(1, later), (2, NINE)]));
            assert!(!is_proved(&before, &[(1, later), (2, NINE)]));
            assert!(
                is_proved(&[(1, ahead), (2, TEN)], &[(1, later), (2, NINE)]),
                "somebody else is as before"
            );
        }
        let all: Vec<(u128, &str)> = (0..20).map(|id| (id, ahead)).collect();
        assert!(!is_older(&all, &[(1, TEN)]) && !is_older(&all, &[(30, TEN)]));
        // Who is the last one that tells anything may leave.
        assert!(!is_older(&[(1, ahead), (2, NINE)], &[(1, ahead)]));
    }

    #[test]
    fn whoever_was_put_back_on_a_server_whose_clock_is_late_waited_for_approval() {
        let of = |time: &str, server: &str| format!("{time}.000001Z#000000#{server}#000000");
        let (first, second) = (of(TEN, "001"), of(NINE, "002"));
        let before = [(1, first.as_str()), (2, second.as_str())];
        let is_back = |number: &str| watched(&before, &[7], &[(1, &first), (7, number)]).is_any_older();
        assert!(!is_back(&of("20261122095959", "002")), "that server's last change was at nine");
        assert!(is_back(&of(NINE, "002")) && is_back(&of("20261122085959", "002")));
        assert!(is_back(&of("20261122095959", "001")));
        assert!(!is_back(&of(NINE, "003")), "it has changed nobody yet");
        assert!(is_back(TEN), "the numbers are hidden now");
    }

    #[test]
    fn the_last_few_are_remembered() {
        let times: Vec<String> = (0..60).map(|minute| format!("2026112210{minute:02}00")).collect();
        let changes: Vec<(u128, &str)> =
            times.iter().enumerate().map(|(index, time)| (index as u128 * 7 % 60, time.as_str())).collect();
        let latest = latest(&changes);
        assert_eq!((latest.changes.len(), latest.last()), (REMEMBERED, Some("20261122105900")));
        assert_eq!(latest.changes.first().expect("some").0, "20261122105200");
        assert_eq!(Latest::read(&latest.text()), latest);
        assert_eq!(Latest::read("no change"), Latest::default());
    }

    /// An earlier version wrote them so, and could not read an address again.
    #[test]
    fn a_mark_of_an_earlier_version_says_nothing_of_anybody() {
        for earlier in ["", &format!("jane@lg.local@{NUMBERED} max@lg.local@{NUMBERED}"), "7 of 9@1"] {
            assert_eq!(Latest::read(earlier), Latest::default());
        }
    }

    proptest! {
        #[test]
        fn whoever_is_known_by_an_address_was_never_found_again(
            ids in proptest::collection::btree_set("[ -~]{0,12}|\\PC{0,8}|.{0,4}", 0..20),
        ) {
            let mut latest = Latest::default();
            for (id, minute) in ids.iter().zip(10..) {
                latest.note(&SourceId::from(id.as_str()), &format!("2026112210{minute}00"), &noon());
            }
            prop_assert_eq!(Latest::read(&latest.text()), latest);
        }
    }
}
