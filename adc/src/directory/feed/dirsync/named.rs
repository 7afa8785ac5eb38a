//! What a search of the feed names.

use std::collections::BTreeSet;

use adc_core::entry::Entry;
use adc_core::source_id::{IdAttribute, SourceId, SourceIdError};

use super::ID;

/// Whether an object was removed (MS-ADTS 3.1.1.5.5).
const IS_DELETED: &str = "isDeleted";
/// What a removed object's name ends with, before its GUID: it keeps others free to be called the same (MS-ADTS 3.1.1.5.5).
const TOMBSTONE: &str = "\\0ADEL:";

/// What tells that an object is new, renamed, moved, removed or back, whatever else is read of it. An object of which
/// nothing that is asked for changed is left out.
pub(super) const ALWAYS_ASKED_FOR: [&str; 6] =
    [ID, "sAMAccountName", "objectClass", "name", "parentGUID", IS_DELETED];

/// More objects than this are not worth being read one by one.
const MOST: usize = 100_000;

/// The objects that the rounds of a search named. The last word about an object counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// They are there, changed.
    pub(super) changed: BTreeSet<SourceId>,
    /// They were removed at some time, and may be there again.
    pub(super) removed: BTreeSet<SourceId>,
    /// Those among the removed that were still so when they were named.
    pub(super) tombstones: BTreeSet<SourceId>,
    /// The name of something that was touched and shows no identity: who it is nobody can tell.
    pub(super) nameless: Option<String>,
}

impl Named {
    /// An object was named.
    pub(super) fn note(&mut self, entry: &Entry) -> Result<(), SourceIdError> {
        let id = match IdAttribute::new(ID).read(entry) {
            Err(SourceIdError::Missing { .. }) => {
                self.nameless.get_or_insert_with(|| entry.dn().to_owned());
                return Ok(());
            }
            id => id?,
        };
        let is_tombstone = entry.dn().contains(TOMBSTONE) || entry.text(IS_DELETED) == Some("TRUE");
        // Said, but without a value: it is removed no longer.
        let came_back =
            entry.attributes().iter().any(|attribute| attribute.name.eq_ignore_ascii_case(IS_DELETED));
        if is_tombstone {
            self.tombstones.insert(id.clone());
        } else {
            self.tombstones.remove(&id);
        }
        if is_tombstone || came_back || self.removed.contains(&id) {
            self.changed.remove(&id);
            self.removed.insert(id);
        } else {
            self.changed.insert(id);
        }
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.changed.len() + self.removed.len() + usize::from(self.nameless.is_some())
    }

    /// Whether there is too much to go on.
    pub(super) fn is_too_much(&self) -> bool {
        self.len() > MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: [u8; 16] =
        [0xc4, 0x04, 0x8e, 0xe9, 0x70, 0xcf, 0x0a, 0x46, 0xae, 0x89, 0xec, 0xcd, 0x92, 0x3e, 0x69, 0xbc];
    const TEXT: &str = "e98e04c4-cf70-460a-ae89-eccd923e69bc";
    const THERE: &str = "CN=zoe,DC=lg,DC=local";
    const GONE: &str = "CN=zoe\\0ADEL:e98e04c4-cf70-460a-ae89-eccd923e69bc,CN=Deleted Objects,DC=lg,DC=local";

    fn entry(dn: &str) -> Entry {
        let mut entry = Entry::new(dn);
        entry.push(ID, vec![GUID.to_vec()]);
        entry
    }

    fn named(entries: &[Entry]) -> [Vec<String>; 3] {
        let mut named = Named::default();
        for entry in entries {
            named.note(entry).expect("it has an id, or none");
        }
        [named.changed, named.removed, named.tombstones]
            .map(|ids| ids.into_iter().map(String::from).collect())
    }

    #[test]
    fn an_object_is_named_by_its_guid_as_it_is_written() {
        assert_eq!(named(&[entry(THERE).with("title", &["x"])]), [vec![TEXT.to_owned()], vec![], vec![]]);
        let mut named = Named::default();
        named.note(&Entry::new(THERE)).expect("it may be hidden");
        assert_eq!((named.nameless.as_deref(), named.len()), (Some(THERE), 1), "nobody knows whom");
    }

    #[test]
    fn a_tombstone_is_known_by_its_name_and_by_what_it_says() {
        let gone = [vec![], vec![TEXT.to_owned()], vec![TEXT.to_owned()]];
        assert_eq!(named(&[entry(GONE)]), gone);
        assert_eq!(named(&[entry(THERE).with("isDeleted", &["TRUE"])]), gone);
        assert_eq!(named(&[entry(THERE), entry(GONE).with("isDeleted", &["TRUE"])]), gone);
    }

    #[test]
    fn who_was_removed_and_is_back_was_removed_and_has_no_tombstone() {
        let back = [vec![], vec![TEXT.to_owned()], vec![]];
        let mut cleared = entry(THERE);
        cleared.push("isDeleted", vec![]);
        assert_eq!(named(&[cleared.clone()]), back);
        assert_eq!(named(&[entry(GONE), cleared.clone()]), back);
        assert_eq!(named(&[entry(GONE), entry(THERE)]), back);
        assert_eq!(named(&[cleared, entry(THERE)]), back);
    }
}
