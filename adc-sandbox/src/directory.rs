//! The tree of entries, and the changes a test or the demo makes to it while the server runs.
//!
//! These changes are Rust methods on purpose. Over the wire the directory is read-only, like the accounts
//! `adc` binds with ought to be.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use adc_core::dn::{Dn, DnKey, Rdn};
use jiff::Timestamp;

use crate::dir_sync;
use crate::entry::{Attributes, Entry};
use crate::random::Random;
use crate::rdn::{first_rdn, split_rdns};

/// Where an entry stands in the server's order; entries are answered in the order they were added, as slapd
/// does.
pub(crate) type EntryId = u64;

/// A directory in memory: one naming context with everything below it.
///
/// Every entry carries `entryUUID`, the same as `objectGUID`, `entryDN`, `createTimestamp`, `modifyTimestamp`, `entryCSN` and `uSNChanged`; the base
/// entry carries `contextCSN`, which grows with every change as OpenLDAP's does.
#[derive(Debug, Clone)]
pub struct Directory {
    base: Dn,
    entries: BTreeMap<EntryId, Arc<Entry>>,
    ids: BTreeMap<DnKey, EntryId>,
    passwords: BTreeMap<EntryId, String>,
    /// What is left of the entries that were removed, for a domain controller's change feed.
    tombstones: Vec<Arc<Entry>>,
    next_id: EntryId,
    random: Random,
    now: Timestamp,
    changes_at_now: u32,
    usn: u64,
}

/// Why a change to the directory was refused; the directory is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The text is not a DN (RFC 4514).
    #[error("`{0}` is not a distinguished name; write it like `cn=Zoe,ou=People,dc=example,dc=com`")]
    InvalidDn(String),
    /// No entry has that DN.
    #[error("there is no entry `{0}`; add it first")]
    NoSuchEntry(String),
    /// The entry above is missing, or outside this directory.
    #[error("`{0}` has no entry above it; add its parent first")]
    NoSuchParent(String),
    /// The DN, in whatever spelling, is taken.
    #[error("there is already an entry `{0}`")]
    AlreadyExists(String),
    /// Entries with children are removed with `delete_subtree`.
    #[error("`{0}` has entries below it; remove them first, or use delete_subtree")]
    NotALeaf(String),
    /// An entry cannot be moved below itself.
    #[error("`{0}` cannot be moved below itself")]
    IntoItself(String),
    /// The base entry carries the directory and stays.
    #[error("`{0}` is the base of the directory and cannot be removed")]
    TheBase(String),
}

impl Directory {
    /// A directory with its base entry and nothing else. `seed` decides every `entryUUID`, `now` the first
    /// timestamps.
    pub fn new(
        base: &str,
        attributes: Attributes,
        seed: u64,
        now: Timestamp,
    ) -> Result<Directory, DirectoryError> {
        let mut directory = Directory {
            base: parse(base)?,
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            passwords: BTreeMap::new(),
            tombstones: Vec::new(),
            next_id: 1,
            random: Random::new(seed),
            now,
            changes_at_now: 0,
            usn: 0,
        };
        directory.insert(base, directory.base.clone(), attributes);
        Ok(directory)
    }

    /// The sample company: three hundred people of `dc=example,dc=com`; see the `sample` module for who is
    /// who.
    pub fn sample() -> Directory {
        crate::sample::company()
    }

    /// The time of the next changes. It never runs backwards: an earlier time leaves the clock as it is.
    pub fn set_time(&mut self, now: Timestamp) {
        if now > self.now {
            self.now = now;
            self.changes_at_now = 0;
        }
    }

    /// Gives every entry the time of now, as if all had been loaded anew.
    pub fn load_anew(&mut self, now: Timestamp) {
        self.set_time(now);
        let all: Vec<EntryId> = self.entries.keys().copied().collect();
        for id in all {
            self.touch(id);
        }
    }

    /// The time that the next change gets.
    pub fn time(&self) -> Timestamp {
        self.now
    }

    /// The base of the naming context, as stored.
    pub fn base_dn(&self) -> &str {
        &self.base_entry().dn
    }

    /// The `contextCSN` of the base: the CSN of the latest change.
    pub fn context_csn(&self) -> &str {
        self.base_entry().text(CONTEXT_CSN).expect("every change writes the base's contextCSN")
    }

    /// The entry with this DN, however either is spelled.
    pub fn get(&self, dn: &str) -> Option<&Entry> {
        let id = self.ids.get(&Dn::parse(dn).ok()?.key())?;
        self.entries.get(id).map(Arc::as_ref)
    }

    /// All entries, in the order they were added.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(Arc::as_ref)
    }

    /// Adds an entry below an existing one. The RDN's value joins the attributes; operational attributes that
    /// are given are kept (an `entryUUID` that comes back), the missing ones are made.
    pub fn add(&mut self, dn: &str, attributes: Attributes) -> Result<(), DirectoryError> {
        let parsed = self.free_place(dn)?;
        self.insert(dn, parsed, attributes);
        Ok(())
    }

    /// Changes the attributes of an entry as one change: one new `entryCSN` and `modifyTimestamp`.
    pub fn modify(&mut self, dn: &str, change: impl FnOnce(&mut Attributes)) -> Result<(), DirectoryError> {
        let id = self.id_of(dn)?;
        change(&mut self.entry_mut(id).attributes);
        self.touch(id);
        Ok(())
    }

    /// Replaces the values of one attribute; none at all removes it.
    pub fn set<V: AsRef<[u8]>>(
        &mut self,
        dn: &str,
        attribute: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<(), DirectoryError> {
        self.modify(dn, |attributes| attributes.set(attribute, values))
    }

    /// Takes a value away without anybody being told: the entry counts as not changed. So Active Directory treats the groups
    /// of an object that is removed.
    pub fn forget(
        &mut self,
        dn: &str,
        attribute: &str,
        value: impl AsRef<[u8]>,
    ) -> Result<(), DirectoryError> {
        let id = self.id_of(dn)?;
        self.entry_mut(id).attributes.remove_value(attribute, value);
        Ok(())
    }

    /// Gives an entry another RDN where it is; what lies below it goes along. Answers the new DN.
    pub fn rename(&mut self, dn: &str, new_rdn: &str) -> Result<String, DirectoryError> {
        let id = self.id_of(dn)?;
        let stored = &self.entries[&id].dn;
        let parents = &split_rdns(stored)[1..];
        let renamed = [&[new_rdn], parents].concat().join(",");
        self.relocate(id, &renamed)?;
        Ok(renamed)
    }

    /// Moves an entry, and what lies below it, under another parent. Answers the new DN.
    pub fn move_to(&mut self, dn: &str, new_parent: &str) -> Result<String, DirectoryError> {
        let id = self.id_of(dn)?;
        let parent = self.entries[&self.id_of(new_parent)?].dn.clone();
        let new_dn = format!("{},{parent}", first_rdn(&self.entries[&id].dn));
        self.relocate(id, &new_dn)?;
        Ok(new_dn)
    }

    /// Removes an entry that has none below it. References to it stay, as in a server without referential
    /// integrity.
    pub fn delete(&mut self, dn: &str) -> Result<(), DirectoryError> {
        let id = self.removable(dn)?;
        if self.subtree(id).len() > 1 {
            return Err(DirectoryError::NotALeaf(dn.to_owned()));
        }
        self.remove(id);
        Ok(())
    }

    /// Removes an entry and everything below it. Answers how many entries went.
    pub fn delete_subtree(&mut self, dn: &str) -> Result<usize, DirectoryError> {
        let subtree = self.subtree(self.removable(dn)?);
        subtree.iter().rev().for_each(|id| self.remove(*id));
        Ok(subtree.len())
    }

    /// Lets an entry bind with this password. It is kept beside the entry, so that no search can return it.
    pub fn set_password(&mut self, dn: &str, password: &str) -> Result<(), DirectoryError> {
        let id = self.id_of(dn)?;
        self.passwords.insert(id, password.to_owned());
        Ok(())
    }

    /// The stored DN of the entry that this name and password prove, if they do.
    pub(crate) fn authenticate(&self, dn: &Dn, password: &str) -> Option<&str> {
        let id = self.ids.get(&dn.key())?;
        let expected = self.passwords.get(id)?;
        (expected == password).then(|| self.entries[id].dn.as_str())
    }

    /// Active Directory's update sequence number: how many changes there were.
    pub(crate) fn usn(&self) -> u64 {
        self.usn
    }

    /// What changed after so many changes, removed entries among it, in the order in which it did.
    pub(crate) fn changed_after(&self, usn: u64) -> Vec<(u64, Arc<Entry>)> {
        let number = |entry: &Entry| entry.text("uSNChanged").and_then(|number| number.parse().ok());
        let entries = self.entries.values().chain(&self.tombstones);
        let mut changed: Vec<(u64, Arc<Entry>)> = entries
            .filter_map(|entry| Some((number(entry)?, Arc::clone(entry))))
            .filter(|(changed, _)| *changed > usn)
            .collect();
        changed.sort_by_key(|(changed, _)| *changed);
        changed
    }

    /// The entry of a parsed DN.
    pub(crate) fn find(&self, dn: &Dn) -> Option<(EntryId, &Arc<Entry>)> {
        let id = *self.ids.get(&dn.key())?;
        Some((id, &self.entries[&id]))
    }

    /// The entries after `id` in the server's order; all of them after `None`.
    pub(crate) fn after(&self, id: Option<EntryId>) -> impl Iterator<Item = (EntryId, &Arc<Entry>)> {
        let start = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((start, Bound::Unbounded)).map(|(id, entry)| (*id, entry))
    }

    fn base_entry(&self) -> &Entry {
        self.entries.values().next().expect("the base is the first entry and cannot be removed alone")
    }

    fn id_of(&self, dn: &str) -> Result<EntryId, DirectoryError> {
        self.ids.get(&parse(dn)?.key()).copied().ok_or_else(|| DirectoryError::NoSuchEntry(dn.to_owned()))
    }

    fn removable(&self, dn: &str) -> Result<EntryId, DirectoryError> {
        let id = self.id_of(dn)?;
        match self.entries.first_key_value() {
            Some((base, _)) if *base == id => Err(DirectoryError::TheBase(dn.to_owned())),
            _ => Ok(id),
        }
    }

    fn entry_mut(&mut self, id: EntryId) -> &mut Entry {
        Arc::make_mut(self.entries.get_mut(&id).expect("ids name entries"))
    }

    /// A DN that no entry has, below an entry that exists.
    fn free_place(&self, dn: &str) -> Result<Dn, DirectoryError> {
        let parsed = parse(dn)?;
        if self.ids.contains_key(&parsed.key()) {
            return Err(DirectoryError::AlreadyExists(dn.to_owned()));
        }
        match parsed.parent() {
            Some(parent) if self.ids.contains_key(&parent.key()) => Ok(parsed),
            _ => Err(DirectoryError::NoSuchParent(dn.to_owned())),
        }
    }

    fn insert(&mut self, dn: &str, parsed: Dn, mut attributes: Attributes) {
        let id = self.next_id;
        self.next_id += 1;
        add_rdn_values(&mut attributes, &parsed);
        attributes.set("entryDN", [dn]);
        if !attributes.has("entryUUID") {
            attributes.set("entryUUID", [self.random.uuid()]);
        }
        if !attributes.has("objectGUID") {
            let guid = attributes.values("entryUUID").first().and_then(|uuid| dir_sync::guid(uuid));
            attributes.set("objectGUID", guid);
        }
        if !attributes.has("createTimestamp") {
            attributes.set("createTimestamp", [generalized_time(self.now)]);
        }
        self.ids.insert(parsed.key(), id);
        self.entries.insert(id, Arc::new(Entry { dn: dn.to_owned(), parsed, attributes }));
        self.touch(id);
    }

    fn remove(&mut self, id: EntryId) {
        let entry = self.entries.remove(&id).expect("ids name entries");
        self.ids.remove(&entry.key());
        self.passwords.remove(&id);
        let csn = self.next_csn();
        let tombstone = dir_sync::tombstone(&entry, self.base_dn(), self.usn);
        self.tombstones.push(Arc::new(tombstone));
        self.publish(&csn);
    }

    /// Gives an entry a new DN and everything below it the matching one. Only the entry itself counts as
    /// modified.
    fn relocate(&mut self, id: EntryId, new_dn: &str) -> Result<(), DirectoryError> {
        let old = Arc::clone(&self.entries[&id]);
        let new = parse(new_dn)?;
        if new.key() != old.key() {
            if new.is_within(&old.parsed) {
                return Err(DirectoryError::IntoItself(old.dn.clone()));
            }
            self.free_place(new_dn)?;
        }
        for (moved, dn, parsed) in self.respelled(id, new_dn)? {
            self.ids.remove(&self.entries[&moved].key());
            self.ids.insert(parsed.key(), moved);
            let entry = self.entry_mut(moved);
            entry.attributes.set("entryDN", [&dn]);
            (entry.dn, entry.parsed) = (dn, parsed);
        }
        let attributes = &mut self.entry_mut(id).attributes;
        remove_rdn_values(attributes, &old.parsed);
        add_rdn_values(attributes, &new);
        self.touch(id);
        Ok(())
    }

    /// What an entry and everything below it will be called once the entry has its new DN.
    fn respelled(&self, id: EntryId, new_dn: &str) -> Result<Vec<(EntryId, String, Dn)>, DirectoryError> {
        let depth = split_rdns(&self.entries[&id].dn).len();
        let respell = |moved: EntryId| {
            let rdns = split_rdns(&self.entries[&moved].dn);
            let dn = [&rdns[..rdns.len() - depth], &[new_dn]].concat().join(",");
            let parsed = parse(&dn)?;
            Ok((moved, dn, parsed))
        };
        self.subtree(id).into_iter().map(respell).collect()
    }

    /// The entry itself and all below it.
    fn subtree(&self, id: EntryId) -> Vec<EntryId> {
        let top = &self.entries[&id].parsed;
        self.entries.iter().filter(|(_, entry)| entry.parsed.is_within(top)).map(|(id, _)| *id).collect()
    }

    /// Marks an entry as changed now, and the context with it.
    fn touch(&mut self, id: EntryId) {
        let csn = self.next_csn();
        let time = generalized_time(self.now);
        let usn = self.usn.to_string();
        let attributes = &mut self.entry_mut(id).attributes;
        attributes.set("entryCSN", [&csn]);
        attributes.set("modifyTimestamp", [time]);
        attributes.set("uSNChanged", [usn]);
        self.publish(&csn);
    }

    fn publish(&mut self, csn: &str) {
        if let Some((&base, _)) = self.entries.first_key_value() {
            self.entry_mut(base).attributes.set(CONTEXT_CSN, [csn]);
        }
    }

    /// OpenLDAP's change sequence number: time, a count of changes within it, server id, and modification
    /// count.
    fn next_csn(&mut self) -> String {
        self.changes_at_now += 1;
        self.usn += 1;
        format!("{}#{:06x}#000#000000", self.now.strftime("%Y%m%d%H%M%S.%6fZ"), self.changes_at_now)
    }
}

const CONTEXT_CSN: &str = "contextCSN";

fn parse(dn: &str) -> Result<Dn, DirectoryError> {
    Dn::parse(dn).map_err(|_| DirectoryError::InvalidDn(dn.to_owned()))
}

/// Every entry holds the values that its RDN names (RFC 4512, section 2.3.2).
fn add_rdn_values(attributes: &mut Attributes, dn: &Dn) {
    for part in dn.rdns().iter().take(1).flat_map(Rdn::parts) {
        attributes.add(&part.attribute(), part.value().to_text().as_bytes());
    }
}

fn remove_rdn_values(attributes: &mut Attributes, dn: &Dn) {
    for part in dn.rdns().iter().take(1).flat_map(Rdn::parts) {
        attributes.remove_value(&part.attribute(), part.value().to_text().as_bytes());
    }
}

/// RFC 4517, section 3.3.13, without fraction, as servers write their timestamps.
fn generalized_time(time: Timestamp) -> String {
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}
