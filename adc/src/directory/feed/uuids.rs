//! A set of UUIDs that takes little more than their sixteen octets each: of a million objects that are still there.

use std::collections::BTreeSet;

use adc_core::source_id::SourceId;

/// A UUID as the wire has it (RFC 4533 section 2.1.1).
pub(super) type Uuid = [u8; 16];

/// An ordered set of objects' identities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uuids(BTreeSet<Uuid>);

impl Uuids {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// They, in the order of their texts.
    pub fn iter(&self) -> impl Iterator<Item = SourceId> {
        self.0.iter().map(SourceId::of_uuid)
    }

    pub(super) fn holds(&self, uuid: &Uuid) -> bool {
        self.0.contains(uuid)
    }

    pub(super) fn put(&mut self, uuid: Uuid) {
        self.0.insert(uuid);
    }

    /// Leaves out whoever has this identity, if it is a UUID's.
    pub(super) fn leave_out(&mut self, id: &SourceId) {
        let digits = id.as_str().replace('-', "");
        if let Ok(uuid) = u128::from_str_radix(&digits, 16) {
            self.take(&uuid.to_be_bytes());
        }
    }

    /// Whether it was there.
    pub(super) fn take(&mut self, uuid: &Uuid) -> bool {
        self.0.remove(uuid)
    }
}
