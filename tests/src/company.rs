//! A company's directory, written tersely.

use std::collections::BTreeMap;

use crate::ldif::push_line;

/// The entries of a directory: its suffix, the bind account, and whatever a test adds.
///
/// ```
/// # use adc_tests::{Company, Person};
/// let company = Company::new("dc=lg,dc=local")
///     .ou("people/sales")
///     .person("jane")
///     .person(Person::new("max").with("title", "Head of sales"))
///     .ou("groups")
///     .group("sales", ["jane", "max"]);
/// assert_eq!(company.dn("jane"), "uid=jane,ou=sales,ou=people,dc=lg,dc=local");
/// ```
#[derive(Clone, Debug)]
pub struct Company {
    suffix: String,
    parent: String,
    entries: Vec<Entry>,
    names: BTreeMap<String, String>,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands (RFC 4514).
    pub dn: String,
    /// Its attributes in the order written, one pair a value.
    pub attributes: Vec<(String, Vec<u8>)>,
}

/// A person still to be put somewhere: an `inetOrgPerson` named by `uid`, with a name and an address.
#[derive(Clone, Debug)]
pub struct Person {
    name: String,
    rdn: String,
    has_address: bool,
    attributes: Vec<(String, Vec<u8>)>,
}

/// A `groupOfNames` still to be put somewhere.
#[derive(Clone, Debug)]
pub struct Group {
    name: String,
    members: Vec<String>,
    attributes: Vec<(String, Vec<u8>)>,
}

impl Company {
    /// The password of the bind account that every company has, as in the adc.yaml that administrators know.
    pub const BIND_PASSWORD: &'static str = "readonly";

    /// The password of every person.
    pub const PERSON_PASSWORD: &'static str = "correct horse";

    /// An empty directory under a suffix made of `dc` parts, with its bind account `cn=readonly`.
    pub fn new(suffix: &str) -> Self {
        let first = suffix.split(',').next().and_then(|rdn| rdn.strip_prefix("dc=")).unwrap_or_else(|| {
            panic!("{suffix} does not start with dc=: the harness writes suffixes of that form only")
        });
        let root = Entry::new(suffix)
            .with("objectClass", "dcObject")
            .with("objectClass", "organization")
            .with("dc", first)
            .with("o", first);
        let bind_account = Entry::new(&format!("cn=readonly,{suffix}"))
            .with("objectClass", "organizationalRole")
            .with("objectClass", "simpleSecurityObject")
            .with("cn", "readonly")
            .with("userPassword", Self::BIND_PASSWORD);
        Self {
            suffix: suffix.to_owned(),
            parent: suffix.to_owned(),
            entries: vec![root, bind_account],
            names: BTreeMap::new(),
        }
    }

    /// Goes to the org unit at a path from the suffix, made where it does not exist: `people/sales` is
    /// `ou=sales,ou=people,…`. What is added next stands there. The empty path is the suffix itself.
    #[must_use]
    pub fn ou(mut self, path: &str) -> Self {
        self.parent.clone_from(&self.suffix);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let dn = format!("ou={name},{}", self.parent);
            if !self.entries.iter().any(|entry| entry.dn == dn) {
                let unit = Entry::new(&dn).with("objectClass", "organizationalUnit").with("ou", name);
                self.entries.push(unit);
            }
            self.parent = dn;
        }
        self
    }

    /// Adds a person where the company stands now.
    #[must_use]
    pub fn person(mut self, person: impl Into<Person>) -> Self {
        let person = person.into();
        let name = person.name.clone();
        let entry = self.entry_of(person);
        self.names.insert(name, entry.dn.clone());
        self.entries.push(entry);
        self
    }

    /// Adds `count` people named `user00001` and so on.
    #[must_use]
    pub fn crowd(self, count: usize) -> Self {
        (1..=count).fold(self, |company, number| company.person(format!("user{number:05}").as_str()))
    }

    /// Adds a group of people or groups that were added before it, or of DNs (whatever contains `=`).
    #[must_use]
    pub fn group<const N: usize>(self, name: &str, members: [&str; N]) -> Self {
        self.add_group(members.into_iter().fold(Group::new(name), Group::member))
    }

    /// Adds a group with attributes of its own.
    #[must_use]
    pub fn add_group(mut self, group: Group) -> Self {
        let mut entry = Entry::new(&format!("cn={},{}", group.name, self.parent))
            .with("objectClass", "groupOfNames")
            .with("cn", &group.name);
        if group.members.is_empty() {
            // The schema wants a member; the empty DN is how administrators write nobody.
            entry = entry.with("member", "");
        }
        for member in &group.members {
            let dn = if member.contains('=') { member.clone() } else { self.dn(member) };
            entry = entry.with("member", &dn);
        }
        entry.attributes.extend(group.attributes);
        self.names.insert(group.name, entry.dn.clone());
        self.entries.push(entry);
        self
    }

    /// Gives all that was added so far a value of an attribute.
    #[must_use]
    pub fn all_with(mut self, attribute: &str, value: &str) -> Self {
        self.entries = self.entries.into_iter().map(|entry| entry.with(attribute, value)).collect();
        self
    }

    /// The entry that [`Company::person`] would add, for a person who joins later.
    pub fn entry_of(&self, person: impl Into<Person>) -> Entry {
        let mut person = person.into();
        if person.has_address {
            let address = format!("{}@{}", person.name, self.domain());
            person.attributes.push(("mail".to_owned(), address.into_bytes()));
        }
        Entry { dn: format!("{},{}", person.rdn, self.parent), attributes: person.attributes }
    }

    /// The DN of a person or group by its short name.
    pub fn dn(&self, name: &str) -> String {
        self.names.get(name).cloned().unwrap_or_else(|| panic!("the company has no {name}; add it first"))
    }

    /// The suffix: the base DN of everything.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The domain of everybody's address: `lg.local` for `dc=lg,dc=local`.
    pub fn domain(&self) -> String {
        self.suffix.split(',').map(|rdn| rdn.trim_start_matches("dc=")).collect::<Vec<_>>().join(".")
    }

    /// The whole directory as LDIF, parents before children.
    pub fn ldif(&self) -> String {
        self.entries.iter().map(Entry::ldif).collect()
    }
}

impl Entry {
    /// An entry without attributes.
    pub fn new(dn: &str) -> Self {
        Self { dn: dn.to_owned(), attributes: Vec::new() }
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, attribute: &str, value: impl AsRef<[u8]>) -> Self {
        self.attributes.push((attribute.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The entry as an LDIF record, with the empty line that ends it.
    pub fn ldif(&self) -> String {
        let mut ldif = String::new();
        push_line(&mut ldif, "dn", self.dn.as_bytes());
        for (attribute, value) in &self.attributes {
            push_line(&mut ldif, attribute, value);
        }
        ldif.push('\n');
        ldif
    }
}

impl Person {
    /// A person with the user name given; `jane` is Jane Doe, who has an address in the company's domain.
    pub fn new(name: &str) -> Self {
        let given_name = capitalized(name);
        let person = Self {
            name: name.to_owned(),
            rdn: format!("uid={name}"),
            has_address: true,
            attributes: vec![("objectClass".to_owned(), b"inetOrgPerson".to_vec())],
        };
        person
            .with("uid", name)
            .with("cn", format!("{given_name} Doe"))
            .with("givenName", given_name)
            .with("sn", "Doe")
            .with("userPassword", Company::PERSON_PASSWORD)
    }

    /// Adds a value of an attribute.
    #[must_use]
    pub fn with(mut self, attribute: &str, value: impl AsRef<[u8]>) -> Self {
        self.attributes.push((attribute.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Gives an attribute this one value instead of the ones it has.
    #[must_use]
    pub fn set(self, attribute: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(attribute).with(attribute, value)
    }

    /// Leaves an attribute out.
    #[must_use]
    pub fn without(mut self, attribute: &str) -> Self {
        if attribute.eq_ignore_ascii_case("mail") {
            self.has_address = false;
        }
        self.attributes.retain(|(name, _)| !name.eq_ignore_ascii_case(attribute));
        self
    }

    /// Names the entry by another relative DN, as it stands in the DN: `cn=Doe\, Jane`. The entry must also have
    /// the value.
    #[must_use]
    pub fn rdn(mut self, rdn: &str) -> Self {
        rdn.clone_into(&mut self.rdn);
        self
    }
}

impl From<&str> for Person {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl Group {
    /// A group without members.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), members: Vec::new(), attributes: Vec::new() }
    }

    /// Adds a member: a person or group of the company by its short name, or any DN.
    #[must_use]
    pub fn member(mut self, member: &str) -> Self {
        self.members.push(member.to_owned());
        self
    }

    /// Adds a value of another attribute.
    #[must_use]
    pub fn with(mut self, attribute: &str, value: impl AsRef<[u8]>) -> Self {
        self.attributes.push((attribute.to_owned(), value.as_ref().to_vec()));
        self
    }
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
