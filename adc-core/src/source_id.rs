//! How an object's immutable identity becomes text, and how the object is found again by it.

use crate::{dn::DnKey, entry::Entry, filter::Filter, syntax::Cursor, text};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Ordering,
    fmt::{self, Write},
    hash::{Hash, Hasher},
};

/// An object's immutable identity as text, and, where it was just read, how the directory writes it: an attribute that compares
/// exactly finds nobody by anything else. Identities are equal whose texts are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId {
    text: String,
    #[serde(skip)]
    as_read: Option<String>,
}

impl SourceId {
    /// Stands in for the identity of an object without a usable one, so that its report can be found: no user ever
    /// hangs on it, and it ends with the next rename.
    pub fn in_place_of_one(dn: &str) -> Self {
        format!("{DN_PREFIX}{}", DnKey::of(dn)).into()
    }

    /// The identity of an object whose `entryUUID` has these octets, which is how change feeds name it (RFC 4533 section 2.1.1).
    pub fn of_uuid(octets: &[u8; 16]) -> Self {
        dashed(octets).into()
    }

    /// Where those that only [stand in for an identity](Self::in_place_of_one) begin and end, sorted by bytes: the end is none of them.
    pub const STAND_INS: [&'static str; 2] = [DN_PREFIX, "dn;"];

    /// Whether this only [stands in for an identity](Self::in_place_of_one). No identity that was read looks like it.
    pub fn is_stand_in(&self) -> bool {
        self.text.starts_with(DN_PREFIX)
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How the directory writes it, where that is known and is not [the text](Self::as_str).
    pub fn as_read(&self) -> Option<&str> {
        self.as_read.as_deref()
    }

    /// The same identity, with [how the directory writes it](Self::as_read).
    #[must_use]
    pub fn read_as(self, as_read: Option<String>) -> Self {
        Self { as_read, ..self }
    }
}

impl PartialEq for SourceId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SourceId {}

impl PartialOrd for SourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for SourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl From<String> for SourceId {
    fn from(text: String) -> Self {
        Self { text, as_read: None }
    }
}

impl From<&str> for SourceId {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<SourceId> for String {
    fn from(id: SourceId) -> Self {
        id.text
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The attribute that holds the identity, and how its value is written as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdAttribute {
    name: String,
    form: Form,
}

/// How a value and its text relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Sixteen octets, the first three groups little-endian as Microsoft stores them: `objectGUID`.
    Guid,
    /// Hexadecimal text that compares in any case: `entryUUID`, `nsUniqueId`.
    Uuid,
    /// Text under the [key](text::key) by which it compares, [`HEX_PREFIX`] and hexadecimal digits for anything else.
    /// Most directories find `jdoe` and `JDoe` by each other, so that they must be one object here too. Where the attribute compares
    /// exactly they still are: whose id is only written otherwise is nobody else.
    Text,
}

/// Marks an identity whose value is no printable text. Such text that begins with it is written in the same way, so
/// that no two values share a text.
const HEX_PREFIX: &str = "hex:";

/// Marks what stands in for an identity; text of a directory that begins with it is written in hexadecimal digits.
const DN_PREFIX: &str = "dn:";

/// The longest identity, in octets. It is a key in every table, and no directory's own identity is near it.
pub const MAX_ID_LENGTH: usize = 256;

impl IdAttribute {
    /// The identity in this attribute. `objectGUID` and `mS-DS-ConsistencyGuid` are GUIDs, `entryUUID` and
    /// `nsUniqueId` are UUIDs; any other is used as text that compares in any case.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let form = match name.to_ascii_lowercase().as_str() {
            "objectguid" | "ms-ds-consistencyguid" | "invocationid" => Form::Guid,
            "entryuuid" | "nsuniqueid" => Form::Uuid,
            _ => Form::Text,
        };
        Self { name, form }
    }

    /// The attribute's name as configured, which is how it is asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identity of an entry.
    pub fn read(&self, entry: &Entry) -> Result<SourceId, SourceIdError> {
        let attribute = || self.name.clone();
        let value = match entry.values(&self.name) {
            [] => return Err(SourceIdError::Missing { attribute: attribute() }),
            [value] => value,
            values => return Err(SourceIdError::Several { attribute: attribute(), count: values.len() }),
        };
        self.of_value(value)
    }

    /// Whether one of the entry's values is this identity, be it the only one or not.
    pub fn has(&self, entry: &Entry, id: &SourceId) -> bool {
        entry.values(&self.name).iter().any(|value| self.of_value(value).as_ref() == Ok(id))
    }

    fn of_value(&self, value: &[u8]) -> Result<SourceId, SourceIdError> {
        let attribute = || self.name.clone();
        if value.len() > MAX_ID_LENGTH {
            return Err(SourceIdError::TooLong { attribute: attribute(), length: value.len() });
        }
        let id = match self.form {
            Form::Guid if value.is_empty() => String::new(),
            Form::Guid => match <&[u8; 16]>::try_from(value) {
                Ok(octets) => guid_text(octets),
                Err(_) => {
                    return Err(SourceIdError::NoGuid { attribute: attribute(), length: value.len() });
                }
            },
            Form::Uuid | Form::Text => text_of(value, self.form),
        };
        if id.is_empty() {
            return Err(SourceIdError::Missing { attribute: attribute() });
        }
        let as_read = match self.form {
            // Numbers, which compare as such.
            Form::Guid | Form::Uuid => None,
            Form::Text => {
                std::str::from_utf8(value).ok().filter(|read| self.octets_of(&id) != read.as_bytes())
            }
        };
        Ok(SourceId { as_read: as_read.map(str::to_owned), text: id })
    }

    /// The filters of which each finds the object again: `(objectGUID=\xx…)`, `(entryUUID=…)`. There are two where the directory
    /// writes the identity [otherwise](SourceId::as_read): as it was read last, and as it compares, which it may have become since.
    ///
    /// A text that [`IdAttribute::read`] never made (another attribute held the identity by then) is asked for as it is, and so
    /// finds nothing.
    pub fn filters(&self, id: &SourceId) -> Vec<Filter> {
        let as_read = id.as_read().map(|read| read.as_bytes().to_vec());
        let values = as_read.into_iter().chain([self.octets_of(id.as_str())]);
        values.map(|value| Filter::equality(self.name.clone(), value)).collect()
    }

    /// The value whose identity this text is, or one that a directory that ignores case takes for it.
    fn octets_of(&self, id: &str) -> Vec<u8> {
        let value = match self.form {
            Form::Guid => guid_octets(id).map(|octets| octets.to_vec()),
            Form::Uuid | Form::Text => id.strip_prefix(HEX_PREFIX).and_then(octets),
        };
        value.unwrap_or_else(|| id.as_bytes().to_vec())
    }
}

/// An entry without a usable identity; the object cannot be synchronized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceIdError {
    /// The entry does not have the attribute, or it is empty.
    #[error(
        "the entry has no {attribute}; let the bind account read it, or set id_attribute to one that every entry has"
    )]
    Missing {
        /// The identity's attribute.
        attribute: String,
    },
    /// More than one value: none of them is the identity.
    #[error(
        "the entry has {count} values of {attribute}; set id_attribute to an attribute with a single value"
    )]
    Several {
        /// The identity's attribute.
        attribute: String,
        /// How many values it has.
        count: usize,
    },
    /// Not the sixteen octets of a GUID.
    #[error("{attribute} has {length} octets where a GUID has 16")]
    NoGuid {
        /// The identity's attribute.
        attribute: String,
        /// The value's length.
        length: usize,
    },
    /// Longer than [`MAX_ID_LENGTH`].
    #[error(
        "{attribute} has {length} octets and is too long for an identity (at most {MAX_ID_LENGTH}); set id_attribute to another one"
    )]
    TooLong {
        /// The identity's attribute.
        attribute: String,
        /// The value's length.
        length: usize,
    },
}

fn text_of(value: &[u8], form: Form) -> String {
    let Ok(text) = std::str::from_utf8(value) else { return hex(value) };
    if text.chars().any(char::is_control) {
        return hex(value);
    }
    let folded = match form {
        Form::Uuid => text.to_ascii_lowercase().into(),
        Form::Guid | Form::Text => text::key(text),
    };
    if folded.starts_with(HEX_PREFIX) || folded.starts_with(DN_PREFIX) {
        return hex(folded.as_bytes());
    }
    folded.into_owned()
}

fn hex(value: &[u8]) -> String {
    let mut text = String::with_capacity(HEX_PREFIX.len() + 2 * value.len());
    text.push_str(HEX_PREFIX);
    push_hex(&mut text, value);
    text
}

fn push_hex<'a>(text: &mut String, octets: impl IntoIterator<Item = &'a u8>) {
    for octet in octets {
        write!(text, "{octet:02x}").expect("a String takes everything");
    }
}

/// The octets that pairs of hexadecimal digits are.
fn octets(digits: &str) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(digits);
    let octets = std::iter::from_fn(|| cursor.hex_pair()).collect();
    cursor.peek().is_none().then_some(octets)
}

/// Where the octets of a GUID as stored go in its text.
const GUID_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

fn guid_text(octets: &[u8; 16]) -> String {
    dashed(&GUID_ORDER.map(|from| octets[from]))
}

/// Sixteen octets as the text of a UUID (RFC 4122 section 3).
fn dashed(octets: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, octet) in octets.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hex(&mut text, [octet]);
    }
    text
}

fn guid_octets(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<&str> = text.split('-').collect();
    if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
        return None;
    }
    let shown = octets(&groups.concat())?;
    let mut stored = [0; 16];
    for (index, to) in GUID_ORDER.into_iter().enumerate() {
        stored[to] = *shown.get(index)?;
    }
    Some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `objectGUID` of a Samba AD DC, as it came over the wire.
    const GUID: [u8; 16] =
        [0x52, 0x1b, 0x4e, 0xd8, 0x0c, 0x4f, 0x69, 0x45, 0xa3, 0x85, 0x28, 0x7c, 0x0e, 0x2f, 0x91, 0xb5];

    fn entry(name: &str, value: &[u8]) -> Entry {
        let mut entry = Entry::new("cn=jane");
        entry.push(name, vec![value.to_vec()]);
        entry
    }

    fn read(name: &str, value: &[u8]) -> String {
        IdAttribute::new(name).read(&entry(name, value)).expect("an identity").to_string()
    }

    #[test]
    fn identities_are_shown_as_their_directory_shows_them() {
        assert_eq!(read("objectGUID", &GUID), "d84e1b52-4f0c-4569-a385-287c0e2f91b5");
        assert_eq!(
            read("entryUUID", b"597AE2F6-16A6-1027-98F4-D28B5365DC14"),
            "597ae2f6-16a6-1027-98f4-d28b5365dc14"
        );
        assert_eq!(
            read("nsUniqueId", b"4a2e2e81-2b7111ec-8c5ae5c9-2d4f6d3b"),
            "4a2e2e81-2b7111ec-8c5ae5c9-2d4f6d3b"
        );
        assert_eq!(read("employeeNumber", b"Ab-7"), "ab-7");
        assert_eq!(read("objectSid", &[1, 0xff]), "hex:01ff");
        assert_eq!(read("employeeNumber", b"hex:00"), "hex:6865783a3030");
        assert_eq!(read("employeeNumber", b"HEX:00"), "hex:6865783a3030");
    }

    #[test]
    fn the_octets_of_a_uuid_are_the_identity_that_its_text_is() {
        let octets =
            [0x59, 0x7a, 0xe2, 0xf6, 0x16, 0xa6, 0x10, 0x27, 0x98, 0xf4, 0xd2, 0x8b, 0x53, 0x65, 0xdc, 0x14];
        assert_eq!(
            SourceId::of_uuid(&octets).as_str(),
            read("entryUUID", b"597ae2f6-16a6-1027-98f4-d28b5365dc14")
        );
    }

    #[test]
    fn an_identity_that_changes_case_stays_the_same() {
        assert_eq!(read("uid", b"JDoe"), read("uid", b"jdoe"));
        assert_eq!(read("uid", "ZO\u{cb}".as_bytes()), read("uid", "zoe\u{308}".as_bytes()));
        assert_ne!(read("uid", b"jdoe"), read("uid", b"jdoe2"));
        let several = Entry::new("").with("uid", &["john", "JDoe"]);
        assert!(IdAttribute::new("uid").has(&several, &"jdoe".into()));
        assert!(!IdAttribute::new("uid").has(&several, &"jane".into()));
    }

    #[test]
    fn who_is_known_by_capital_letters_was_not_found_where_ids_compare_exactly() {
        let id = IdAttribute::new("labeledURI");
        let asked = |of: &SourceId| id.filters(of).iter().map(Filter::to_string).collect::<Vec<_>>();
        let read = id.read(&entry("labeledURI", b"AB-1")).expect("an identity");
        assert_eq!(asked(&read), ["(labeledURI=AB-1)", "(labeledURI=ab-1)"]);
        assert_eq!(
            asked(&id.read(&entry("labeledURI", b"ab-1")).expect("an identity")),
            ["(labeledURI=ab-1)"]
        );
        assert_eq!(
            asked(&id.read(&entry("labeledURI", b"HEX:1")).expect("an identity"))[0],
            "(labeledURI=HEX:1)"
        );
        let told = SourceId::from("ab-1").read_as(read.as_read().map(str::to_owned));
        assert_eq!((asked(&told), &told), (asked(&read), &read));
        assert_eq!(serde_json::to_string(&read).expect("prints"), "\"ab-1\"");
    }

    #[test]
    fn what_stands_in_for_an_identity_is_told_from_one() {
        let stand_in = SourceId::in_place_of_one("CN=Jane,DC=lg");
        assert_eq!(stand_in, SourceId::in_place_of_one("cn=jane, dc=LG"));
        assert!(stand_in.is_stand_in());
        assert!(!SourceId::from(read("uid", b"dn:cn=jane,dc=lg")).is_stand_in());
    }

    #[test]
    fn the_filter_of_an_identity_is_what_real_servers_want() {
        let filter = |name: &str, id: &str| {
            IdAttribute::new(name).filters(&id.into()).iter().map(Filter::to_string).collect::<String>()
        };
        assert_eq!(
            filter("objectGUID", "d84e1b52-4f0c-4569-a385-287c0e2f91b5"),
            r"(objectGUID=R\1bN\d8\0cOiE\a3\85\28|\0e/\91\b5)"
        );
        assert_eq!(
            filter("entryUUID", "597ae2f6-16a6-1027-98f4-d28b5365dc14"),
            "(entryUUID=597ae2f6-16a6-1027-98f4-d28b5365dc14)"
        );
        assert_eq!(filter("uid", "*"), r"(uid=\2a)");
        assert_eq!(filter("objectGUID", "jane"), "(objectGUID=jane)");
        assert_eq!(
            filter("objectGUID", "d84e1b52-4f0c-4569-a385-287c0e2f91zz"),
            "(objectGUID=d84e1b52-4f0c-4569-a385-287c0e2f91zz)"
        );
    }

    #[test]
    fn an_entry_without_a_usable_identity_is_an_error() {
        let error = |name: &str, entry: &Entry| {
            IdAttribute::new(name).read(entry).expect_err("no identity").to_string()
        };
        insta::assert_snapshot!(
            [
                error("entryUUID", &Entry::new("")),
                error("uid", &entry("uid", b"")),
                error("uid", &entry("uid", b" ")),
                error("uid", &Entry::new("").with("uid", &["a", "b"])),
                error("objectGUID", &entry("objectGUID", b"short")),
                error("uid", &entry("uid", &[b'x'; MAX_ID_LENGTH + 1])),
            ]
            .join("\n"),
            @r#"
    the entry has no entryUUID; let the bind account read it, or set id_attribute to one that every entry has
    the entry has no uid; let the bind account read it, or set id_attribute to one that every entry has
    the entry has no uid; let the bind account read it, or set id_attribute to one that every entry has
    the entry has 2 values of uid; set id_attribute to an attribute with a single value
    objectGUID has 5 octets where a GUID has 16
    uid has 257 octets and is too long for an identity (at most 256); set id_attribute to another one
    "#
        );
    }

    /// Whether a directory takes two values for one another.
    fn equal(one: &[u8], other: &[u8]) -> bool {
        match (std::str::from_utf8(one), std::str::from_utf8(other)) {
            (Ok(one), Ok(other)) => text::key(one) == text::key(other),
            _ => one == other,
        }
    }

    proptest! {
        #[test]
        fn an_object_is_found_again_by_its_identity(
            value in prop_oneof![proptest::collection::vec(any::<u8>(), 1..20), "\\PC{1,8}|(hex|HEX|dn):[0-9a-f]{0,4}".prop_map(String::into_bytes)],
            guid in any::<[u8; 16]>(),
        ) {
            for (name, value) in [("employeeNumber", value.as_slice()), ("objectGUID", &guid)] {
                let id = IdAttribute::new(name);
                let Ok(read) = id.read(&entry(name, value)) else {
                    prop_assert!(std::str::from_utf8(value).is_ok_and(|text| text.trim().is_empty()));
                    continue;
                };
                prop_assert!(!read.is_stand_in());
                let asked: Vec<Vec<u8>> = id.filters(&read).into_iter().map(|filter| match filter {
                    Filter::Equality { value, .. } => value,
                    other => panic!("{other} is no equality"),
                }).collect();
                prop_assert!(asked.iter().any(|asked| asked == value), "{:?} for {:?}", asked, value);
                prop_assert!(asked.iter().all(|asked| equal(asked, value)), "{:?} for {:?}", asked, value);
            }
        }

        #[test]
        fn no_two_values_share_an_identity(one in proptest::collection::vec(any::<u8>(), 1..4), other in "\\PC{1,4}|(hex|HEX|dn):[0-9a-f]{0,4}") {
            prop_assume!(!equal(&one, other.as_bytes()) && !other.trim().is_empty());
            prop_assume!(std::str::from_utf8(&one).map_or(true, |one| !text::key(one).is_empty()));
            prop_assert_ne!(read("uid", &one), read("uid", other.as_bytes()));
        }
    }
}
