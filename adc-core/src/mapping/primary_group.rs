//! Active Directory's primary groups: the members that a group has without listing them.
//!
//! A person names one group by number, `primaryGroupID`, and that group's `member` leaves the person out (MS-SAMR
//! 3.1.1.8.2). The number is the last part of the group's security identifier; the parts before it are those of the
//! person's own, for both belong to one domain.

use crate::{entry::Entry, filter::Filter};

/// The number of a person's primary group.
const PRIMARY_GROUP_ID: &str = "primaryGroupID";
/// A security identifier, in its binary form.
const OBJECT_SID: &str = "objectSid";

/// What is read of people and of groups to bring them together.
pub(super) const OF_PEOPLE: [&str; 2] = [OBJECT_SID, PRIMARY_GROUP_ID];
/// See [`OF_PEOPLE`].
pub(super) const OF_GROUPS: [&str; 1] = [OBJECT_SID];

/// The octets before the parts: revision, number of parts, authority (MS-DTYP 2.4.2.2).
const HEADER: usize = 8;
/// The octets of a part, a little-endian number.
const PART: usize = 4;

/// A security identifier of Active Directory (MS-DTYP 2.4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid(Vec<u8>);

impl Sid {
    /// The identifier that these octets are, if they are one.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let parts = usize::from(*octets.get(1)?);
        (parts > 0 && octets.len() == HEADER + PART * parts).then(|| Self(octets.to_vec()))
    }

    /// The entry's own identifier.
    pub fn of(entry: &Entry) -> Option<Self> {
        entry.values(OBJECT_SID).first().and_then(|octets| Self::from_octets(octets))
    }

    /// The identifier of a person's primary group.
    pub fn of_primary_group(person: &Entry) -> Option<Self> {
        let number: u32 = person.text(PRIMARY_GROUP_ID)?.trim().parse().ok()?;
        let Self(mut octets) = Self::of(person)?;
        let last = octets.len() - PART;
        octets[last..].copy_from_slice(&number.to_le_bytes());
        Some(Self(octets))
    }

    /// Finds whom it identifies.
    pub fn filter(&self) -> Filter {
        Filter::equality(OBJECT_SID, self.0.as_slice())
    }

    /// The last part, by which members of its domain name a group.
    pub fn number(&self) -> u32 {
        let last = self.0[self.0.len() - PART..].try_into().expect("an identifier has at least one part");
        u32::from_le_bytes(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `S-1-5-21-1-2-3-NUMBER`.
    fn sid(number: u32) -> Vec<u8> {
        let mut octets = vec![1, 5, 0, 0, 0, 0, 0, 5];
        for part in [21, 1, 2, 3, number] {
            octets.extend(u32::to_le_bytes(part));
        }
        octets
    }

    fn person(own: &[u8], primary_group: &str) -> Entry {
        let mut person = Entry::new("cn=jane").with("primaryGroupID", &[primary_group]);
        person.push("objectSid", vec![own.to_vec()]);
        person
    }

    #[test]
    fn a_persons_primary_group_is_of_the_persons_domain() {
        let group = Sid::of_primary_group(&person(&sid(1104), "513")).expect("a group");
        assert_eq!(Some(&group), Sid::from_octets(&sid(513)).as_ref());
        assert_eq!(group.number(), 513);
    }

    #[test]
    fn what_is_no_identifier_leads_to_no_group() {
        for own in [&[][..], &[1], &[1, 0, 0, 0, 0, 0, 0, 5], &sid(7)[..27], &[&sid(7)[..], &[0]].concat()] {
            assert_eq!(Sid::of_primary_group(&person(own, "513")), None, "{own:?}");
        }
        assert_eq!(Sid::of_primary_group(&person(&sid(7), "many")), None);
        assert_eq!(Sid::of_primary_group(&Entry::new("cn=a")), None);
    }
}
