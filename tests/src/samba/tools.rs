//! What an administrator does to the domain, with the tools of ldap-utils.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Samba, provision};
use crate::company::Entry;
use crate::ldap_tools::{Login, replacement};

/// The control that makes DNs begin with the entry's GUID (MS-ADTS 3.1.1.3.4.1.5), critical; its value asks for the GUID
/// as text: `SEQUENCE { INTEGER 1 }`.
const EXTENDED_DN: &str = "!1.2.840.113556.1.4.529=::MAMCAQE=";

/// The control that lets removed entries be seen (MS-ADTS 3.1.1.3.4.1.14), critical.
const SHOW_DELETED: &str = "!1.2.840.113556.1.4.417";

impl Samba {
    /// The account that may do everything.
    pub const ADMINISTRATOR_NAME: &'static str = "administrator@lg.local";

    /// Adds entries, in this order.
    pub fn add(&self, entries: &[Entry]) {
        let ldif: Vec<String> = entries.iter().map(Entry::ldif).collect();
        self.as_administrator("ldapadd", &[], &ldif.concat());
    }

    /// Gives an attribute of an entry these values instead of the ones it has; none removes the attribute.
    pub fn set<const N: usize>(&self, dn: &str, attribute: &str, values: [&str; N]) {
        self.modify(&replacement(dn, attribute, &values));
    }

    /// Applies LDIF change records.
    pub fn modify(&self, ldif: &str) {
        self.as_administrator("ldapmodify", &[], ldif);
    }

    /// Removes an entry.
    pub fn delete(&self, dn: &str) {
        self.as_administrator("ldapdelete", &[dn], "");
    }

    /// Brings back the entry with this `objectGUID` that was removed from a DN.
    pub fn restore(&self, guid: &str, dn: &str) {
        let (rdn, _) = dn.split_once(',').expect("no domain is ever removed");
        let tombstone = format!("{rdn}\\0ADEL:{guid},CN=Deleted Objects,{}", Self::DOMAIN_DN);
        let ldif = format!(
            "dn: {tombstone}\nchangetype: modify\ndelete: isDeleted\n-\nreplace: distinguishedName\ndistinguishedName: {dn}\n"
        );
        self.as_administrator("ldapmodify", &["-e", SHOW_DELETED], &ldif);
    }

    /// Gives an entry another relative DN where it stands.
    pub fn rename(&self, dn: &str, new_rdn: &str) {
        self.as_administrator("ldapmodrdn", &["-r", dn, new_rdn], "");
    }

    /// Moves an entry, with everything below it, under another parent; it keeps this relative DN.
    pub fn move_to(&self, dn: &str, rdn: &str, new_parent: &str) {
        self.as_administrator("ldapmodrdn", &["-r", "-s", new_parent, dn, rdn], "");
    }

    /// What the bind account sees: the LDIF of a search in the domain.
    pub fn search(&self, filter: &str, attributes: &[&str]) -> String {
        self.login(Self::BIND_NAME, Self::BIND_PASSWORD, |login| {
            login.search(Self::DOMAIN_DN, filter, attributes)
        })
        .unwrap_or_else(|error| panic!("the directory could not be searched: {error:#}"))
    }

    /// The `objectGUID` of the one entry that a filter finds, as Active Directory itself writes it.
    pub fn guid(&self, filter: &str) -> String {
        let arguments =
            ["-LLL", "-o", "ldif-wrap=no", "-b", Self::DOMAIN_DN, "-E", EXTENDED_DN, filter, "1.1"];
        let found = self
            .login(Self::BIND_NAME, Self::BIND_PASSWORD, |login| login.run("ldapsearch", &arguments, ""))
            .unwrap_or_else(|error| panic!("the directory could not be searched: {error:#}"));
        // LDIF writes what begins with `<` in base64.
        let name = found.lines().find_map(|line| STANDARD.decode(line.strip_prefix("dn:: ")?).ok());
        let name = String::from_utf8(name.unwrap_or_default()).unwrap_or_default();
        let guid = name.strip_prefix("<GUID=").and_then(|rest| rest.split_once('>'));
        guid.unwrap_or_else(|| panic!("nothing matches {filter}: {found}")).0.to_owned()
    }

    #[track_caller]
    fn as_administrator(&self, tool: &str, arguments: &[&str], input: &str) {
        let done = self.login(Self::ADMINISTRATOR_NAME, provision::ADMINISTRATOR_PASSWORD, |login| {
            login.run(tool, arguments, input)
        });
        if let Err(error) = done {
            panic!("the directory refused the change: {error:#}");
        }
    }

    fn login<T>(&self, name: &str, password: &str, act: impl FnOnce(Login<'_>) -> T) -> T {
        let (url, authority) = (self.ldaps_url(), self.authority_file());
        act(Login { url: &url, authority: Some(&authority), name, password })
    }
}
