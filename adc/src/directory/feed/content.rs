//! What the messages of one content synchronization add up to (RFC 4533 section 3.3.2).

use std::collections::BTreeSet;

use adc_core::source_id::SourceId;

use super::sync::{Info, State};
use super::uuids::{Uuid, Uuids};
use super::{Lost, Touched};

/// More changed objects than this are not worth being read one by one; so many fit into memory easily.
const MOST_CHANGED: usize = 100_000;

/// What was said so far.
///
/// The last word about an object counts: a server says what happened in the order in which it happened, so that an
/// object that was removed and came back is there, and one that changed before it was removed is not.
#[derive(Debug, Default)]
pub(super) struct Content {
    changed: Uuids,
    removed: Uuids,
    present: Uuids,
    /// The server named what is still there, and so does not name all that was removed.
    present_phase: bool,
    /// It said that it had named all that was removed.
    delete_phase: bool,
    /// It showed an entry without saying what became of it.
    unmarked: bool,
}

impl Content {
    /// One object was named.
    pub(super) fn note(&mut self, state: State, uuid: Uuid) {
        match state {
            State::Added | State::Modified => {
                self.removed.take(&uuid);
                self.present.take(&uuid);
                self.changed.put(uuid);
            }
            State::Deleted => {
                self.changed.take(&uuid);
                self.present.take(&uuid);
                self.removed.put(uuid);
            }
            State::Present => {
                self.present_phase = true;
                // What was removed and is there again has changed, whatever it is called.
                if self.removed.take(&uuid) {
                    self.changed.put(uuid);
                } else if !self.changed.holds(&uuid) {
                    self.present.put(uuid);
                }
            }
        }
    }

    /// Something was said between the entries.
    pub(super) fn inform(&mut self, info: Info) {
        match info {
            Info::NewCookie => {}
            Info::RefreshDelete => self.delete_phase = true,
            Info::RefreshPresent => self.present_phase = true,
            Info::IdSet { removed, uuids } => {
                self.present_phase |= !removed;
                let state = if removed { State::Deleted } else { State::Present };
                for uuid in uuids {
                    self.note(state, uuid);
                }
            }
        }
    }

    /// An entry came without its Sync State control: what is said is not all that happens.
    pub(super) fn note_unmarked(&mut self) {
        self.unmarked = true;
    }

    /// Whether some entry came like that.
    pub(super) fn is_unmarked(&self) -> bool {
        self.unmarked
    }

    /// How many objects were named.
    pub(super) fn named(&self) -> u64 {
        (self.changed.len() + self.removed.len() + self.present.len()) as u64
    }

    /// Whether there is too much to go on.
    pub(super) fn is_too_much(&self) -> bool {
        self.changed.len().max(self.removed.len()) > MOST_CHANGED
    }

    /// The synchronization came to its end with this result code; `named_removals` is what its last message says of itself.
    ///
    /// Whatever speaks of a present phase makes it one: a candidate too many is looked up and found, one too few is
    /// somebody who left and stays.
    pub(super) fn end(self, named_removals: bool, result_code: u32) -> Result<Touched, Lost> {
        if self.is_too_much() {
            return Err(Lost::TooMuch);
        }
        let in_presence = self.present_phase || !(named_removals || self.delete_phase);
        let ids = |uuids: &Uuids| uuids.iter().collect::<BTreeSet<SourceId>>();
        Ok(Touched {
            changed: ids(&self.changed),
            removed: ids(&self.removed),
            present: in_presence.then_some(self.present),
            result_codes: vec![result_code],
            ..Touched::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = [0xa; 16];
    const B: Uuid = [0xb; 16];
    const C: Uuid = [0xc; 16];

    fn set(uuids: &[Uuid]) -> BTreeSet<SourceId> {
        uuids.iter().map(SourceId::of_uuid).collect()
    }

    fn removed(uuids: &[Uuid]) -> Info {
        Info::IdSet { removed: true, uuids: uuids.to_vec() }
    }

    fn present(uuids: &[Uuid]) -> Info {
        Info::IdSet { removed: false, uuids: uuids.to_vec() }
    }

    fn ended(content: Content, named_removals: bool) -> Touched {
        content.end(named_removals, 0).expect("not too much")
    }

    fn all_present(touched: &Touched) -> Option<BTreeSet<SourceId>> {
        touched.present.as_ref().map(|present| present.iter().collect())
    }

    #[test]
    fn a_delete_phase_names_what_changed_and_what_is_gone() {
        let mut content = Content::default();
        content.inform(removed(&[A]));
        content.note(State::Deleted, B);
        content.note(State::Added, C);
        let touched = ended(content, true);
        assert_eq!((touched.changed, touched.removed), (set(&[C]), set(&[A, B])));
        assert_eq!((touched.present, touched.result_codes), (None, vec![0]));
    }

    #[test]
    fn a_present_phase_names_what_is_there() {
        let mut content = Content::default();
        content.inform(present(&[A]));
        content.note(State::Present, B);
        content.note(State::Modified, C);
        let touched = ended(content, false);
        assert_eq!((all_present(&touched), touched.changed), (Some(set(&[A, B])), set(&[C])));
    }

    #[test]
    fn a_present_phase_without_anybody_present_is_one_still() {
        let touched = ended(Content::default(), false);
        assert_eq!((all_present(&touched), touched.removed), (Some(BTreeSet::new()), BTreeSet::new()));
    }

    #[test]
    fn a_present_phase_before_a_delete_phase_is_not_forgotten() {
        let mut content = Content::default();
        content.inform(present(&[A, B]));
        content.inform(Info::RefreshPresent);
        content.inform(removed(&[B]));
        let touched = ended(content, true);
        assert_eq!((all_present(&touched), touched.removed), (Some(set(&[A])), set(&[B])));
    }

    #[test]
    fn a_delete_phase_that_said_so_is_one_though_its_end_does_not_say_so() {
        let mut content = Content::default();
        content.inform(removed(&[A]));
        content.inform(Info::RefreshDelete);
        content.inform(Info::NewCookie);
        assert_eq!(ended(content, false).present, None);
    }

    #[test]
    fn the_last_word_about_an_object_counts() {
        for (words, expected) in [
            (&[State::Deleted, State::Added][..], "changed"),
            (&[State::Added, State::Deleted], "removed"),
            (&[State::Present, State::Deleted], "removed"),
            (&[State::Present, State::Modified], "changed"),
            // To read again once too often does no harm.
            (&[State::Modified, State::Present], "changed"),
            (&[State::Deleted, State::Present], "changed"),
        ] {
            let mut content = Content::default();
            for word in words {
                content.note(*word, A);
            }
            let touched = ended(content, true);
            let among: Vec<&str> = [
                ("changed", touched.changed.len()),
                ("removed", touched.removed.len()),
                ("present", touched.present.as_ref().map_or(0, Uuids::len)),
            ]
            .into_iter()
            .filter_map(|(name, count)| (count > 0).then_some(name))
            .collect();
            assert_eq!(among, [expected], "{words:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_said_and_not_kept() {
        let mut content = Content::default();
        for number in 0..=MOST_CHANGED {
            assert!(!content.is_too_much(), "{number}");
            content.note(State::Added, (number as u128).to_be_bytes());
        }
        assert!(content.is_too_much());
        assert_eq!(content.end(true, 0), Err(Lost::TooMuch));
    }
}
