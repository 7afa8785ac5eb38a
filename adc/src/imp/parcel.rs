//! A record on its way, and the members that are too many to travel inside it.

use adc_core::dn::DnKey;
use adc_core::entry::Entry;
use adc_core::mapping::Mapping;
use adc_core::protocol::{MEMBERS_PER_PART, MembersPart};
use adc_core::record::{Kind, Problem, Record, members_digest_of};

use crate::packed::Packed;

/// The attribute under which members are mapped that came apart from their entry.
const MEMBER: &str = "member";

/// A record to be sent, and the members that are too many to travel inside it, packed until they are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) record: Record,
    /// At most [`MEMBERS_PER_PART`] each.
    pub(super) parts: Vec<Packed>,
}

impl Parcel {
    /// Takes the members of a big group out of its record; its digest stays the same.
    pub(super) fn of(mut record: Record) -> Self {
        if record.members.len() <= MEMBERS_PER_PART {
            return Self { record, parts: Vec::new() };
        }
        let members = std::mem::take(&mut record.members);
        Self::with_members(record, std::iter::once(Ok(members)))
    }

    /// Maps an entry, of whose members more may have come apart: a part of them is in memory at a time.
    pub(super) fn mapped(mapping: &Mapping, kind: Kind, entry: &Entry, more_members: &[Packed]) -> Self {
        let mut record = mapping.map(kind, entry);
        if more_members.is_empty() {
            return Self::of(record);
        }
        let listed = std::mem::take(&mut record.members);
        let more = more_members.iter().map(|packed| {
            let mut part = Entry::new(entry.dn());
            part.push(MEMBER, packed.values());
            mapping.members(&part)
        });
        Self::with_members(record, std::iter::once(Ok(listed)).chain(more))
    }

    /// How many bytes the members take.
    pub(super) fn size(&self) -> usize {
        self.parts.iter().map(Packed::size).sum()
    }

    fn with_members(mut record: Record, lists: impl Iterator<Item = Result<Vec<String>, Problem>>) -> Self {
        let (mut keys, mut parts): (Vec<DnKey>, Vec<Packed>) = (Vec::new(), Vec::new());
        for list in lists {
            match list {
                Ok(members) => {
                    keys.extend(members.iter().map(|member| DnKey::of(member)));
                    parts.extend(members.chunks(MEMBERS_PER_PART).map(Packed::of));
                }
                Err(problem) => {
                    record.problem.get_or_insert(problem);
                    return Self { record, parts: Vec::new() };
                }
            }
        }
        record.member_count = Some(keys.len() as u64);
        record.members_digest = Some(members_digest_of(keys));
        Self { record, parts }
    }
}

/// A part of a group's members, unpacked to be sent.
pub(super) fn part(source_id: &str, number: usize, packed: &Packed) -> MembersPart {
    let part = u32::try_from(number).expect("a group's parts are few");
    MembersPart { source_id: source_id.to_owned(), part, members: packed.texts() }
}

#[cfg(test)]
mod tests {
    use adc_core::mapping::{Bounds, RootDse};
    use adc_core::policy::Policy;

    use super::*;

    fn group(members: usize) -> Record {
        let mut group = Record::new(Kind::Group, "g", "cn=g,dc=lg", "g");
        group.members = (0..members).map(|n| format!("uid={n},dc=lg")).collect();
        group
    }

    #[test]
    fn a_big_group_travels_in_parts_and_keeps_its_digest() {
        let whole = group(2 * MEMBERS_PER_PART + 1);
        let parcel = Parcel::of(whole.clone());
        assert!(parcel.record.members.is_empty());
        assert_eq!(parcel.record.digest(), whole.digest());
        assert_eq!(parcel.record.member_count, Some(whole.members.len() as u64));
        let parts = parcel.parts.iter().enumerate().map(|(number, packed)| part("g", number, packed));
        let parts: Vec<MembersPart> = parts.collect();
        assert_eq!(parts.iter().map(|part| part.part).collect::<Vec<_>>(), [0, 1, 2]);
        let together: Vec<String> = parts.into_iter().flat_map(|part| part.members).collect();
        assert_eq!(together, whole.members);
    }

    #[test]
    fn a_group_that_fits_travels_whole() {
        let parcel = Parcel::of(group(MEMBERS_PER_PART));
        assert_eq!((parcel.record.members.len(), parcel.parts.len()), (MEMBERS_PER_PART, 0));
        assert_eq!(parcel.record.member_count, None);
    }

    fn mapping() -> Mapping {
        Mapping::compile(&Policy::default(), &Bounds::default(), &RootDse::default()).expect("compiles")
    }

    #[test]
    fn members_that_came_apart_are_members_like_others() {
        let entry = Entry::new("cn=g,dc=lg").with("entryUUID", &["g"]).with("cn", &["g"]);
        let of = |numbers: std::ops::Range<usize>| -> Vec<String> {
            numbers.map(|number| format!("uid={number},dc=lg")).collect()
        };
        // One of them twice, as a list that was read while it changed.
        let (listed, first, second) =
            (of(0..10), of(10..MEMBERS_PER_PART), of(MEMBERS_PER_PART - 1..2 * MEMBERS_PER_PART));
        let texts = |names: &[String]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut with_listed = entry.clone();
        with_listed.push("member", texts(&listed));
        let apart = [Packed::of(&first), Packed::of(&second)];
        let parcel = Parcel::mapped(&mapping(), Kind::Group, &with_listed, &apart);

        let mut with_all = entry;
        with_all.push("member", texts(&[listed, first, second].concat()));
        let whole = mapping().map(Kind::Group, &with_all);
        assert_eq!(parcel.record.digest(), whole.digest());
        let sent: usize = parcel.parts.iter().map(Packed::count).sum();
        assert_eq!(parcel.record.member_count, Some(sent as u64));
    }

    #[test]
    fn a_member_whose_name_is_no_text_makes_the_group_a_conflict_as_ever() {
        let entry = Entry::new("cn=g,dc=lg").with("entryUUID", &["g"]).with("cn", &["g"]);
        let apart = [Packed::of(&[b"uid=a,dc=lg"]), Packed::of(&[[0xff]])];
        let parcel = Parcel::mapped(&mapping(), Kind::Group, &entry, &apart);
        assert!(parcel.record.problem.is_some() && parcel.parts.is_empty());
        assert_eq!((parcel.record.members.len(), parcel.record.member_count), (0, None));
    }
}
