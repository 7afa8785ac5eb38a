//! Active Directory's change feed: DirSync (MS-ADTS 3.1.1.3.4.1.3), in rounds.
//!
//! A round looks at so many of the objects that changed since its cookie, in the order in which they changed, and returns those
//! that the search finds. It is rougher than a domain controller in one way: an object is named whatever it is that changed of
//! it.

use std::sync::Arc;

use ldap3_proto::proto::{LdapResultCode, LdapSearchScope};

use crate::directory::Directory;
use crate::entry::{Attributes, Entry};
use crate::wire::{Answer, DirSyncRequest, Search};

/// How a domain controller lets its changes be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirSync {
    /// How many objects that changed a round looks at. Default: 1000.
    pub objects_per_round: usize,
    /// Whether everybody who is bound has the right to replicate; else they have to ask with their own rights alone
    /// (`LDAP_DIRSYNC_OBJECT_SECURITY`). Default: true.
    pub may_replicate: bool,
    /// Whether they may see the deleted objects; else nobody tells them who was removed. Default: true.
    pub sees_deleted: bool,
    /// Which domain controller this is: the cookie of another one is not understood. Default: 1.
    pub invocation: u64,
}

impl Default for DirSync {
    fn default() -> DirSync {
        DirSync { objects_per_round: 1_000, may_replicate: true, sees_deleted: true, invocation: 1 }
    }
}

/// What a cookie begins with.
const MAGIC: &[u8; 4] = b"MSDS";
/// Asks for what the bind account may see, not for all that is replicated.
const OBJECT_SECURITY: i32 = 0x1;
/// The well-known GUID of the container of the deleted objects (MS-ADTS 6.1.1.4.8), as a base.
const DELETED_OBJECTS: &str = "<WKGUID=18E2EA80684F11D2B9AA00C04F79F805,";
/// Where the removed objects go.
const CONTAINER: &str = "CN=Deleted Objects";

/// A round: what it found, whether there is more, and where it ended.
pub(crate) type Round = (Vec<Arc<Entry>>, bool, Vec<u8>);

impl DirSync {
    /// One round of a search.
    pub(crate) fn round(
        &self,
        directory: &Directory,
        search: &Search,
        request: &DirSyncRequest,
    ) -> Result<Round, Answer> {
        let is_root = search.base.eq_ignore_ascii_case(directory.base_dn());
        if !is_root || search.scope != LdapSearchScope::Subtree {
            let why = "DirSync begins at the root of a naming context and takes all of it";
            return Err(Answer::new(LdapResultCode::UnwillingToPerform, why));
        }
        if !self.may_replicate && request.flags & OBJECT_SECURITY == 0 {
            let why = "the right Replicating Directory Changes is missing";
            return Err(Answer::new(LdapResultCode::InsufficentAccessRights, why));
        }
        let since =
            self.place(&request.cookie).filter(|since| *since <= directory.usn()).ok_or_else(|| {
                Answer::new(
                    LdapResultCode::UnavailableCriticalExtension,
                    "the cookie is none of this server's",
                )
            })?;
        let mut changes = directory.changed_after(since);
        let more = changes.len() > self.objects_per_round;
        changes.truncate(self.objects_per_round);
        let end = if more { changes.last().map_or(since, |(usn, _)| *usn) } else { directory.usn() };
        let shown = |entry: &Entry| self.sees_deleted || !entry.attributes.has(IS_DELETED);
        let found = changes.into_iter().map(|(_, entry)| entry);
        let found = found.filter(|entry| shown(entry) && search.filter.matches(entry)).collect();
        Ok((found, more, self.cookie(end)))
    }

    /// The container of the deleted objects, where that is what a search asks for.
    pub(crate) fn deleted_objects(
        &self,
        directory: &Directory,
        search: &Search,
    ) -> Option<Result<Vec<Arc<Entry>>, Answer>> {
        search.base.starts_with(DELETED_OBJECTS).then(|| {
            if !self.sees_deleted {
                return Err(Answer::new(LdapResultCode::NoSuchObject, ""));
            }
            let dn = format!("{CONTAINER},{}", directory.base_dn());
            let attributes = Attributes::new().with("objectClass", "container").with(IS_DELETED, "TRUE");
            let parsed = dn.parse().expect("a relative name before a DN is one");
            Ok(vec![Arc::new(Entry { dn, parsed, attributes })])
        })
    }

    fn cookie(&self, usn: u64) -> Vec<u8> {
        [&MAGIC[..], &self.invocation.to_be_bytes(), &usn.to_be_bytes()].concat()
    }

    /// Where a cookie stands; at the beginning, if there is none.
    fn place(&self, cookie: &[u8]) -> Option<u64> {
        if cookie.is_empty() {
            return Some(0);
        }
        let (invocation, usn) = cookie.strip_prefix(MAGIC)?.split_at_checked(8)?;
        (invocation == self.invocation.to_be_bytes()).then_some(())?;
        Some(u64::from_be_bytes(usn.try_into().ok()?))
    }
}

/// Says of an object that it was removed.
const IS_DELETED: &str = "isDeleted";

/// What is left of an object that was removed (MS-ADTS 3.1.1.5.5): its name cannot be in anybody's way.
pub(crate) fn tombstone(entry: &Entry, base: &str, usn: u64) -> Entry {
    let parent = entry.parsed.parent().map(|parent| parent.to_string()).unwrap_or_default();
    let rdn = crate::rdn::first_rdn(&entry.dn);
    let guid = entry.text("entryUUID").unwrap_or_default();
    let dn = format!("{rdn}\\0ADEL:{guid},{CONTAINER},{base}");
    let kept = ["objectClass", "objectGUID"].into_iter();
    let mut attributes = Attributes::new()
        .with(IS_DELETED, "TRUE")
        .with("lastKnownParent", parent)
        .with("uSNChanged", usn.to_string());
    for name in kept {
        attributes.set(name, entry.attributes.values(name));
    }
    let parsed = dn.parse().expect("a relative name before a DN is one");
    Entry { dn, parsed, attributes }
}

/// `entryUUID` as Active Directory stores it: the first three groups the other way round.
pub(crate) fn guid(uuid: &[u8]) -> Option<[u8; 16]> {
    let digits = std::str::from_utf8(uuid).ok()?.replace('-', "");
    let mut octets = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?.to_be_bytes();
    for group in [0..4, 4..6, 6..8] {
        octets[group].reverse();
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_a_uuid_whose_first_groups_are_the_other_way_round() {
        let guid = guid(b"00010203-0405-0607-0809-0a0b0c0d0e0f").expect("a UUID");
        assert_eq!(guid, [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!((super::guid(b"jane"), super::guid(&[0xFF; 32])), (None, None));
    }

    #[test]
    fn a_cookie_is_understood_by_the_server_that_gave_it() {
        let (one, mut other) = (DirSync::default(), DirSync::default());
        other.invocation = 2;
        let cookie = one.cookie(17);
        assert_eq!((one.place(&cookie), other.place(&cookie)), (Some(17), None));
        assert_eq!(one.place(b""), Some(0), "the beginning");
        for spoiled in [&cookie[..cookie.len() - 1], &cookie[1..], b"MSDS"] {
            assert_eq!(one.place(spoiled), None);
        }
    }
}
