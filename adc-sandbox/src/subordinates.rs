//! `hasSubordinates` (X.501), which OpenLDAP and 389 Directory Server work out for whoever asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use adc_core::dn::DnKey;

use crate::directory::Directory;
use crate::entry::Entry;

/// Whether entries lie beneath an entry.
pub(crate) const HAS_SUBORDINATES: &str = "hasSubordinates";

/// Entries that say whether something lies beneath them.
pub(crate) fn with_subordinates(directory: &Directory, entries: &[Arc<Entry>]) -> Vec<Arc<Entry>> {
    let containers: BTreeSet<DnKey> =
        directory.entries().filter_map(|entry| DnKey::of_container(entry.dn())).collect();
    let told = entries.iter().map(|entry| {
        let has = if containers.contains(&entry.key()) { "TRUE" } else { "FALSE" };
        let mut entry = Entry::clone(entry);
        entry.attributes.set(HAS_SUBORDINATES, [has]);
        Arc::new(entry)
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Attributes;

    #[test]
    fn an_org_unit_with_people_is_told_from_its_people() {
        let mut directory =
            Directory::new("dc=lg", Attributes::new(), 1, jiff::Timestamp::UNIX_EPOCH).expect("a base");
        let none = Attributes::new;
        directory.add("ou=people,dc=lg", none()).expect("adds");
        directory.add("uid=jane,ou=people,dc=lg", none()).expect("adds");
        let entries: Vec<_> = directory.after(None).map(|(_, entry)| Arc::clone(entry)).collect();
        let told = with_subordinates(&directory, &entries);
        let said: Vec<_> = told.iter().map(|entry| entry.text(HAS_SUBORDINATES)).collect();
        assert_eq!(said, [Some("TRUE"), Some("TRUE"), Some("FALSE")]);
    }
}
