//! What an administrator does to the directory, with the tools of ldap-utils.

use std::process::Child;

use super::Slapd;
use crate::company::{Company, Entry};
use crate::ldap_tools::{Login, replacement};

/// How often [`Slapd::keep_writing`] writes at most: minutes of it.
const CHANGES: u32 = 200_000;

impl Slapd {
    /// Adds an entry.
    pub fn add(&self, entry: &Entry) {
        self.as_root("ldapadd", &[], &entry.ldif());
    }

    /// Gives an attribute of an entry these values instead of the ones it has; none removes the attribute.
    pub fn set<const N: usize>(&self, dn: &str, attribute: &str, values: [&str; N]) {
        self.modify(&replacement(dn, attribute, &values));
    }

    /// Applies LDIF change records.
    pub fn modify(&self, ldif: &str) {
        self.as_root("ldapmodify", &[], ldif);
    }

    /// Gives an entry one title after the other, without a pause, as long as the directory runs: whoever started it ends it.
    pub fn keep_writing(&self, dn: &str) -> Child {
        let titles = (0..CHANGES).map(|number| replacement(dn, "title", &[&number.to_string()]) + "\n");
        let (url, name) = (self.url(), self.root_dn());
        let login = Login { url: &url, authority: None, name: &name, password: Self::ROOT_PASSWORD };
        login
            .start("ldapmodify", &titles.collect::<String>())
            .unwrap_or_else(|error| panic!("nobody writes: {error:#}"))
    }

    /// Applies LDIF change records where the schema leaves an attribute to the server (the relax rules control).
    pub fn modify_what_the_server_keeps(&self, ldif: &str) {
        self.as_root("ldapmodify", &["-e", "!relax"], ldif);
    }

    /// Brings back an entry that was removed, with the `entryUUID` it had: another server still knew it.
    pub fn restore(&self, entry: &Entry, entry_uuid: &str) {
        let entry = entry.clone().with("entryUUID", entry_uuid);
        self.as_root("ldapadd", &["-e", "!relax"], &entry.ldif());
    }

    /// Removes an entry and everything below it.
    pub fn delete(&self, dn: &str) {
        self.as_root("ldapdelete", &["-r", dn], "");
    }

    /// Gives an entry another relative DN where it stands; the old name's value is removed.
    pub fn rename(&self, dn: &str, new_rdn: &str) {
        self.as_root("ldapmodrdn", &["-r", dn, new_rdn], "");
    }

    /// Moves an entry, with everything below it, under another parent.
    pub fn move_to(&self, dn: &str, new_parent: &str) {
        let (rdn, _) = dn.split_once(',').expect("an entry below the suffix has a parent");
        self.as_root("ldapmodrdn", &["-r", "-s", new_parent, dn, rdn], "");
    }

    /// What the bind account sees: the LDIF of a search below the suffix, without comments and line folding.
    pub fn search(&self, filter: &str, attributes: &[&str]) -> String {
        let (url, name) = (self.url(), self.bind_dn());
        let login = Login { url: &url, authority: None, name: &name, password: Company::BIND_PASSWORD };
        login
            .search(self.suffix(), filter, attributes)
            .unwrap_or_else(|error| panic!("the directory could not be searched: {error:#}"))
    }

    /// When the process was started, to the second.
    pub(super) fn age(&self) -> String {
        self.as_root("ldapsearch", &["-LLL", "-s", "base", "-b", "cn=Subschema", "createTimestamp"], "")
    }

    #[track_caller]
    fn as_root(&self, tool: &str, arguments: &[&str], input: &str) -> String {
        let (url, name) = (self.url(), self.root_dn());
        let login = Login { url: &url, authority: None, name: &name, password: Self::ROOT_PASSWORD };
        login.run(tool, arguments, input).unwrap_or_else(|error| panic!("the directory refused: {error:#}"))
    }
}
