//! A directory entry mapped to the control plane's fields, its canonical form and its digest.

mod digest;

pub use digest::{BadDigest, Digest};

use crate::{dn::DnKey, reason::Reason};
use digest::Canonical;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};
use utoipa::ToSchema;

/// What an object of the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An organizational unit; planned first, so that people find their place.
    OrgUnit,
    /// A person.
    User,
    /// A group of people and of other groups.
    Group,
}

impl Kind {
    /// All kinds, in the order in which they are read and planned.
    pub const ALL: [Self; 3] = [Self::OrgUnit, Self::User, Self::Group];

    /// The word used in tables, on the wire and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrgUnit => "org_unit",
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// A text that names no [`Kind`].
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no kind of object; the kinds are user, group and org_unit")]
pub struct UnknownKind(String);

/// The value of a mapped field: one text, or a sorted list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum FieldValue {
    /// A single-valued field.
    Text(String),
    /// A multi-valued field; LDAP keeps no order, so the mapping sorts it.
    List(Vec<String>),
}

impl From<&str> for FieldValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::List(list) => f.write_str(&list.join(", ")),
        }
    }
}

/// A record's fields by name; ordered, so that what is printed and digested repeats.
pub type Fields = BTreeMap<String, FieldValue>;

/// Why a record cannot be synchronized as it is: somebody must mend the directory's data or the mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `not-utf8`, `missing-required-field`, `mapping-template`, …
    pub reason: Reason,
    /// What exactly: the field and attribute, never the value.
    pub detail: String,
}

/// An object of the directory, mapped.
///
/// The agent makes it; only what stands here leaves the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// User, group or org unit.
    pub kind: Kind,
    /// The object's immutable identity: `objectGUID`, `entryUUID`, `nsUniqueId`, or a configured attribute.
    pub source_id: String,
    /// How the directory writes the identity, where that is not `source_id`: it is looked up by that as well
    /// ([`SourceId::as_read`](crate::source_id::SourceId::as_read)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id_as_read: Option<String>,
    /// The distinguished name as the directory wrote it.
    pub dn: String,
    /// The object's `objectGUID` in hexadecimal digits, where the directory refers to objects by it ([`crate::dn::Reference`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// A user's name, a group's or an org unit's name: what it is known by. Empty only with a [`Problem`].
    pub name: String,
    /// A user's or a group's mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The other mapped fields. `manager` holds the manager's DN as read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: Fields,
    /// The manager's GUID, where the directory refers by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager_guid: Option<String>,
    /// What kind of group: `security`, `distribution` or `group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_kind: Option<GroupKind>,
    /// Whether the directory lets this person in, its expiry date apart.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub active: bool,
    /// Whether an attribute that marks people as inactive says that this one is not: then it is not out of sight. Where it marks
    /// nobody else the directory says nothing. No part of the digest: it tells how `active` is known, and changes nothing.
    #[serde(default, skip_serializing_if = "is_no")]
    pub shown_active: bool,
    /// When the account expires (milliseconds since 1970 UTC); compared with the run's own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// A group's direct members, as references as read ([`crate::dn::Reference::to_text`]). Members of a big group travel apart, in parts
    /// ([`crate::protocol::MembersPart`]); then this is empty and `member_count` says how many come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// How many members travel in parts; `None` when they all stand in `members`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_count: Option<u64>,
    /// BLAKE3 over the sorted member keys, when the members travel in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_digest: Option<Digest>,
    /// The policy's rule that leaves this object out, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_by: Option<String>,
    /// Of the attributes that the policy's rules look for to leave people out ([`crate::mapping::looked_for`]), those of which the entry
    /// shows a value; of somebody left out those alone for which the rules do that. Whoever comes in and does not show them any
    /// more may be let in by a lost right to read them. Somebody left out always says so, if only that it is none; `None` there is an
    /// earlier version of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<BTreeSet<String>>,
    /// What keeps this one object from being synchronized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The values of fields the policy calls `unique`, by field name: nobody else of the synchronization may have them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unique: BTreeMap<String, String>,
}

/// What a group is for; Active Directory's `groupType` tells the first two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// Grants rights.
    Security,
    /// Receives mail.
    Distribution,
    /// The directory does not say.
    Group,
}

impl GroupKind {
    /// The word used in tables, on the wire and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Distribution => "distribution",
            Self::Group => "group",
        }
    }
}

impl Record {
    /// A record that says nothing but what and who it is.
    pub fn new(
        kind: Kind,
        source_id: impl Into<String>,
        dn: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            source_id: source_id.into(),
            source_id_as_read: None,
            dn: dn.into(),
            guid: None,
            name: name.into(),
            email: None,
            fields: Fields::new(),
            manager_guid: None,
            group_kind: None,
            active: true,
            shown_active: false,
            expires_at: None,
            members: Vec::new(),
            member_count: None,
            members_digest: None,
            excluded_by: None,
            shows: None,
            problem: None,
            unique: BTreeMap::new(),
        }
    }

    /// Whether the person may be let in at `now` (milliseconds since 1970 UTC): marked active and not expired.
    pub fn is_active_at(&self, now: i64) -> bool {
        self.active && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// What references to this object are joined with it by.
    pub fn key(&self) -> DnKey {
        self.guid.as_deref().map_or_else(|| DnKey::of(&self.dn), DnKey::of_guid)
    }

    /// What the manager is found by; `None` for whoever has none.
    pub fn manager_key(&self) -> Option<DnKey> {
        match self.fields.get(MANAGER_FIELD)? {
            FieldValue::Text(dn) => {
                Some(self.manager_guid.as_deref().map_or_else(|| DnKey::of(dn), DnKey::of_guid))
            }
            FieldValue::List(_) => None,
        }
    }

    /// The digest of the record's canonical form: equal digests mean there is nothing to send.
    ///
    /// A reference counts by its key, so that a server that respells DNs changes nothing, nor does one that refers by GUID
    /// when it renames; the object's own DN counts as written, because it is shown.
    pub fn digest(&self) -> Digest {
        let mut canonical = Canonical::default();
        canonical.text(self.kind.as_str());
        canonical.text(&self.source_id);
        canonical.text(&self.dn);
        canonical.optional(self.guid.as_deref());
        canonical.text(&self.name);
        canonical.optional(self.email.as_deref());
        canonical.count(self.fields.len());
        for (name, value) in &self.fields {
            canonical.text(name);
            match value {
                FieldValue::Text(_) if name == MANAGER_FIELD => {
                    let key = self.manager_key().expect("the field is there, and a text");
                    canonical.bytes(key.as_bytes());
                }
                FieldValue::Text(text) => canonical.text(text),
                FieldValue::List(list) => {
                    canonical.count(list.len());
                    for text in list {
                        canonical.text(text);
                    }
                }
            }
        }
        canonical.optional(self.group_kind.map(GroupKind::as_str));
        canonical.bytes(&[u8::from(self.active)]);
        canonical.bytes(&self.expires_at.map_or([0; 9], |at| {
            let mut bytes = [1; 9];
            bytes[1..].copy_from_slice(&at.to_be_bytes());
            bytes
        }));
        canonical.bytes(self.members_digest.unwrap_or_else(|| members_digest(&self.members)).as_bytes());
        canonical.optional(self.excluded_by.as_deref());
        canonical.optional(self.problem.as_ref().map(|problem| problem.reason.code()));
        canonical.optional(self.problem.as_ref().map(|problem| problem.detail.as_str()));
        canonical.count(self.unique.len());
        for (name, value) in &self.unique {
            canonical.text(name);
            canonical.text(value);
        }
        // Records of before have the digest that they had.
        if let Some(shows) = &self.shows {
            canonical.count(shows.len());
            for attribute in shows {
                canonical.text(attribute);
            }
        }
        if let Some(as_read) = &self.source_id_as_read {
            canonical.text(as_read);
        }
        canonical.digest()
    }
}

/// The field that refers to another person by DN.
pub const MANAGER_FIELD: &str = "manager";

/// The digest of a group's members: their DN keys, sorted and each once, so that neither order nor spelling counts.
pub fn members_digest(members: &[String]) -> Digest {
    if members.is_empty() {
        // Most records are people: they need not hash nothing.
        return Digest::NOTHING;
    }
    members_digest_of(members.iter().map(|member| DnKey::of(member)).collect())
}

/// As [`members_digest`], for whoever has no more than the keys of the DNs.
pub fn members_digest_of(mut keys: Vec<DnKey>) -> Digest {
    keys.sort_unstable();
    keys.dedup();
    let mut hasher = blake3::Hasher::new();
    for key in &keys {
        hasher.update(key.as_bytes());
    }
    Digest::from_hash(hasher.finalize())
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_no(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "52a6803a93d5a04f8a80b8e2a57b2af9";

    fn jane() -> Record {
        let mut jane = Record::new(Kind::User, "1", "uid=jane,ou=people,dc=lg,dc=local", "jane@lg.local");
        jane.email = Some("jane@lg.local".to_owned());
        jane.fields.insert("title".to_owned(), "Engineer".into());
        jane.fields.insert("languages".to_owned(), FieldValue::List(vec!["de".to_owned(), "en".to_owned()]));
        jane
    }

    #[test]
    fn every_part_of_a_record_counts_in_its_digest() {
        let changes: [fn(&mut Record); 18] = [
            |r| r.kind = Kind::Group,
            |r| r.source_id.push('2'),
            |r| r.source_id_as_read = Some("A".to_owned()),
            |r| r.dn.push('x'),
            |r| r.guid = Some(ID.to_owned()),
            |r| {
                r.fields.insert(MANAGER_FIELD.to_owned(), "cn=boss".into());
            },
            |r| r.name.push('x'),
            |r| r.email = None,
            |r| r.email = Some(String::new()),
            |r| {
                r.fields.insert("title".to_owned(), "Manager".into());
            },
            |r| {
                r.fields.insert("languages".to_owned(), FieldValue::List(vec!["deen".to_owned()]));
            },
            |r| r.group_kind = Some(GroupKind::Security),
            |r| r.active = false,
            |r| r.expires_at = Some(0),
            |r| r.members.push("cn=a".to_owned()),
            |r| r.excluded_by = Some(String::new()),
            |r| r.shows = Some(BTreeSet::from(["title".to_owned()])),
            |r| {
                r.unique.insert("employee_id".to_owned(), "7".to_owned());
            },
        ];
        let mut digests = vec![jane().digest()];
        for change in changes {
            let mut altered = jane();
            change(&mut altered);
            digests.push(altered.digest());
        }
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }

    #[test]
    fn every_record_had_another_digest_after_an_upgrade_and_was_sent_again() {
        assert_eq!(jane().digest().to_string(), "a7aecb766ef4e87c22650d06d91b6104");
    }

    #[test]
    fn respelled_references_are_the_same_references() {
        let mut one = jane();
        one.members = vec!["CN=Doe\\, Jane,DC=lg".to_owned(), "cn=b,dc=lg".to_owned()];
        let mut other = jane();
        other.members = vec!["cn=b, dc=LG".to_owned(), "cn=doe\\2c jane,dc=lg".to_owned()];
        assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn a_reference_by_guid_leads_to_its_object_under_any_name() {
        let of = |manager: &str, guid: Option<&str>, member: &str| {
            let mut record = jane();
            record.fields.insert(MANAGER_FIELD.to_owned(), manager.into());
            record.manager_guid = guid.map(str::to_owned);
            record.members.push(member.to_owned());
            record
        };
        let (before, after) = ("cn=boss,dc=lg", "cn=chief,dc=lg");
        let by_guid = |name: &str| format!("<GUID={ID}>;{name}");
        let one = of(before, Some(ID), &by_guid(before));
        assert_eq!(one.digest(), of(after, Some(ID), &by_guid(after)).digest());
        assert_ne!(one.digest(), of(before, None, before).digest());

        let mut boss = Record::new(Kind::User, "b", after, "boss");
        assert_ne!(Some(boss.key()), one.manager_key());
        boss.guid = Some(ID.to_ascii_uppercase());
        assert_eq!((Some(boss.key()), boss.key()), (one.manager_key(), DnKey::of(&one.members[0])));
    }

    #[test]
    fn members_sent_in_parts_give_the_same_digest() {
        let mut whole = jane();
        whole.members = vec!["cn=a,dc=lg".to_owned(), "cn=b,dc=lg".to_owned()];
        let mut parts = whole.clone();
        parts.members_digest = Some(members_digest(&whole.members));
        parts.member_count = Some(2);
        parts.members.clear();
        assert_eq!(whole.digest(), parts.digest());
    }

    #[test]
    fn no_members_have_the_digest_of_nothing() {
        assert_eq!(members_digest(&[]), Digest::of(b""));
    }

    #[test]
    fn an_expiry_counts_from_the_time_given() {
        let mut record = jane();
        record.expires_at = Some(1_000);
        assert!(record.is_active_at(999));
        assert!(!record.is_active_at(1_000));
    }

    #[test]
    fn digests_and_records_survive_json() {
        let record = jane();
        let text = serde_json::to_string(&record).expect("prints");
        let back: Record = serde_json::from_str(&text).expect("parses");
        assert_eq!(back, record);
        let digest = record.digest();
        assert_eq!(digest.to_string().parse::<Digest>().expect("parses"), digest);
        assert!("zz".parse::<Digest>().is_err());
    }
}
