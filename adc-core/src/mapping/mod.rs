//! How a directory entry becomes a record: which attributes are read, and which field each of them fills.
//!
//! A preset knows the directory's usual attributes; the policy changes fields of people and adds some. What may be
//! asked of the directory at all is bounded by adc.yaml and by [what is secret](SECRETS), whatever the policy says
//! (invariant 5). One object whose data do not fit carries a [`Problem`] and becomes a conflict; mapping never fails.

mod allowed;
mod error;
mod field;
mod policy;
mod preset;
mod primary_group;
mod rules;
mod secret;
mod status;
mod template;
mod value;

pub use allowed::Allowed;
pub use error::MappingError;
pub use policy::{is_same_mapping, refuse_unusable};
pub use preset::{Flavor, RootDse};
pub use primary_group::Sid;
pub use rules::{looked_for, looked_for_by};
pub use secret::{SECRETS, Secret};

use crate::{
    dn::{Dn, Reference},
    entry::Entry,
    filter::Filter,
    policy::{Policy, Preset},
    reason::Reason,
    record::{GroupKind, Kind, Problem, Record},
    source_id::{IdAttribute, SourceId},
};
use field::Field;
use rules::Rules;
use std::collections::BTreeMap;

/// What adc.yaml says about the mapping: the agent's own bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// `backend.ldap.preset`; a policy's preset maps otherwise, and reads no more than this one allows.
    pub preset: Preset,
    /// `backend.ldap.id_attribute`; `None` leaves it to the directory's kind.
    pub id_attribute: Option<String>,
    /// `backend.ldap.attributes`: the most that may leave the network; `None` means the preset's.
    ///
    /// The identity and what tells whether an account is locked are read besides: they leave as an id, and as the
    /// word active or not. Without them nobody would be recognized again, and leavers would stay. So is, where `member` is
    /// among them, what makes people members of their primary group; it does not leave at all.
    pub attributes: Option<Vec<String>>,
}

impl Bounds {
    /// The directory's kind, as adc.yaml or the directory itself says.
    pub fn flavor(&self, root_dse: &RootDse) -> Flavor {
        root_dse.flavor(self.preset)
    }

    /// The attribute that identifies objects.
    pub fn id_attribute(&self, root_dse: &RootDse) -> String {
        let usual = || root_dse.id_attribute(self.flavor(root_dse)).to_owned();
        self.id_attribute.clone().unwrap_or_else(usual)
    }

    /// What may be asked of the directory.
    ///
    /// # Errors
    /// A text that is no attribute, or one that holds a secret.
    pub fn allowed(&self, root_dse: &RootDse) -> Result<Allowed, MappingError> {
        Allowed::new(self.flavor(root_dse), &self.id_attribute(root_dse), self.attributes.as_deref())
    }
}

/// A policy's mapping, checked against adc.yaml's bounds and ready to run for every entry.
#[derive(Debug)]
pub struct Mapping {
    /// Of adc.yaml's preset: what may be read.
    bound: Flavor,
    /// Of the policy's preset, or adc.yaml's: how it is mapped.
    flavor: Flavor,
    id: IdAttribute,
    allowed: Allowed,
    /// Of org units, users and groups, each sorted by name; see [`Mapping::fields`].
    fields: [Vec<Field>; 3],
    /// The attributes of which a group's members are read.
    members: Vec<&'static str>,
    rules: Rules,
    /// What to ask for, of org units, users and groups.
    requested: [Vec<String>; 3],
}

impl Mapping {
    /// Merges preset and policy, and checks every attribute they name.
    ///
    /// An error names the place, the attribute and what to do. A preset's field whose attributes are not among
    /// [`Bounds::attributes`] is no error: it is simply not read.
    pub fn compile(policy: &Policy, bounds: &Bounds, root_dse: &RootDse) -> Result<Self, MappingError> {
        // What adc.yaml leaves to the preset, it leaves to its own: the control plane chooses within that, and cannot widen it.
        let bound = bounds.flavor(root_dse);
        let flavor = policy.mapping.preset.map_or(bound, |preset| root_dse.flavor(preset));
        let id = bounds.id_attribute(root_dse);
        let allowed = bounds.allowed(root_dse)?;
        let fields = [
            field::of_preset(flavor, Kind::OrgUnit, &allowed),
            field::of_people(flavor, &policy.mapping.fields, &allowed)?,
            field::of_preset(flavor, Kind::Group, &allowed),
        ];
        let members =
            flavor.member_attributes().iter().copied().filter(|name| allowed.contains(name)).collect();
        let mut mapping = Self {
            bound,
            flavor,
            id: IdAttribute::new(id),
            rules: Rules::compile(policy, &allowed)?,
            allowed,
            fields,
            members,
            requested: Default::default(),
        };
        mapping.requested = Kind::ALL.map(|kind| mapping.attributes_to_request(kind));
        Ok(mapping)
    }

    /// The directory's kind, as the preset or the rootDSE says.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// Where an object's identity stands, and how to find it again.
    pub fn id(&self) -> &IdAttribute {
        &self.id
    }

    /// What may be asked of the directory: for filters of the policy that the agent sends, and for samples.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// The filter of a kind of object that holds where adc.yaml gives none: that of its own preset, whatever the policy's.
    pub fn filter(&self, kind: Kind) -> Filter {
        self.bound.filter(kind)
    }

    /// The attributes to ask for, each once, sorted without regard to case.
    pub fn attributes(&self, kind: Kind) -> &[String] {
        &self.requested[index(kind)]
    }

    /// Maps one entry. Neither the order of attributes nor that of values makes a difference.
    ///
    /// What does not fit (a DN that is none, a value that is not UTF-8, a required field without one, no identity) is the record's
    /// [`Problem`], the first one by field. An object without an identity gets [what stands in for
    /// one](SourceId::in_place_of_one). Whom a rule of the policy leaves out is named, by the RDN where there is no user
    /// name, and nothing else: their data do not leave the network.
    pub fn map(&self, kind: Kind, entry: &Entry) -> Record {
        let mut record = Record::new(kind, String::new(), entry.dn(), String::new());
        record.guid = entry.reference().guid.map(str::to_owned);
        let unnamed = Dn::check(entry.dn()).err();
        let mut problem =
            unnamed.map(|error| Problem { reason: Reason::InvalidDn, detail: error.to_string() });
        for field in self.fields(kind) {
            match field.read(entry) {
                Ok(value) => field.fill(&mut record, entry, value),
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        match kind {
            Kind::User => {
                let status = status::read(self.flavor, entry);
                record.active = status.active;
                record.shown_active = status.shown_active;
                let hidden = status.hidden.map(|attribute| Problem {
                    reason: Reason::StatusHidden,
                    detail: format!("the entry has no {attribute}"),
                });
                problem = problem.or(hidden);
                record.expires_at = status.expires_at;
                let verdict = self.rules.judge(entry);
                (record.excluded_by, record.shows) = (verdict.excluded_by, verdict.shows);
            }
            Kind::Group => {
                record.group_kind = Some(self.group_kind(entry));
                match self.members(entry) {
                    Ok(members) => record.members = members,
                    Err(error) => problem = problem.or(Some(error)),
                }
            }
            Kind::OrgUnit => {}
        }
        // A person without a user name is a conflict, but not one whom a rule leaves out: that one is only shown.
        if record.name.is_empty() && (kind != Kind::User || record.excluded_by.is_some()) {
            record.name = name_in_dn(entry.dn());
        }
        match self.id.read(entry) {
            Ok(id) => {
                record.source_id_as_read = id.as_read().map(str::to_owned);
                record.source_id = id.into();
            }
            Err(error) => {
                record.source_id = SourceId::in_place_of_one(entry.dn()).into();
                problem = Some(Problem { reason: Reason::MissingSourceId, detail: error.to_string() });
            }
        }
        if record.excluded_by.is_some() {
            return Record {
                active: record.active,
                expires_at: record.expires_at,
                excluded_by: record.excluded_by,
                shows: record.shows,
                guid: record.guid,
                source_id_as_read: record.source_id_as_read,
                ..Record::new(kind, record.source_id, record.dn, record.name)
            };
        }
        record.problem = problem;
        record
    }

    /// The group that has a person as a member without listing them; `None` where members are not read at all.
    pub fn primary_group(&self, person: &Entry) -> Option<Sid> {
        self.has_unlisted_members().then(|| Sid::of_primary_group(person)).flatten()
    }

    /// Whether groups may have members that they do not list, and members are read at all.
    pub fn has_unlisted_members(&self) -> bool {
        !self.members.is_empty() && !self.flavor.primary_group_attributes(Kind::User).is_empty()
    }

    fn fields(&self, kind: Kind) -> &[Field] {
        &self.fields[index(kind)]
    }

    fn attributes_to_request(&self, kind: Kind) -> Vec<String> {
        let mut names = vec![self.id.name().to_owned()];
        names.extend(self.fields(kind).iter().flat_map(Field::attributes).map(str::to_owned));
        match kind {
            Kind::User => {
                names.extend(self.flavor.status_attributes().iter().map(|name| (*name).to_owned()));
                names.extend(self.rules.attributes());
            }
            Kind::Group => {
                names.extend(self.members.iter().map(|name| (*name).to_owned()));
                names.extend(self.group_type().map(str::to_owned));
            }
            Kind::OrgUnit => {}
        }
        if !self.members.is_empty() {
            let besides = self.flavor.primary_group_attributes(kind);
            names.extend(besides.iter().map(|name| (*name).to_owned()));
        }
        // The first spelling stays; to a directory all are the same.
        let mut by_name = BTreeMap::new();
        for name in names {
            by_name.entry(name.to_ascii_lowercase()).or_insert(name);
        }
        by_name.into_values().collect()
    }

    /// A group's members: references as read ([`Reference::to_text`]), sorted, each spelling once.
    ///
    /// # Errors
    /// A list that came in part, a name that is not UTF-8: the problem of a record.
    pub fn members(&self, entry: &Entry) -> Result<Vec<String>, Problem> {
        let mut members = Vec::new();
        for attribute in &self.members {
            if entry.is_partial(attribute) {
                let detail = format!("{attribute} came only in part");
                return Err(Problem { reason: Reason::MembersIncomplete, detail });
            }
            for value in entry.values(attribute) {
                let member = value::reference(value).map_err(|error| error.in_field("members", attribute))?;
                if !member.dn.is_empty() {
                    members.push(Reference { dn: without_uid(member.dn), ..member }.to_text());
                }
            }
        }
        members.sort_unstable();
        members.dedup();
        Ok(members)
    }

    fn group_type(&self) -> Option<&'static str> {
        self.flavor.group_type_attribute().filter(|name| self.allowed.contains(name))
    }

    fn group_kind(&self, entry: &Entry) -> GroupKind {
        match self.group_type().and_then(|name| value::numbers(entry, name).min()) {
            Some(bits) if bits & SECURITY_ENABLED != 0 => GroupKind::Security,
            Some(_) => GroupKind::Distribution,
            None => GroupKind::Group,
        }
    }
}

/// The bit of Active Directory's `groupType` that tells security from distribution groups; as the value is a signed
/// 32-bit number, it is the sign.
const SECURITY_ENABLED: i64 = 0x8000_0000;

/// Where a kind stands in [`Kind::ALL`].
fn index(kind: Kind) -> usize {
    match kind {
        Kind::OrgUnit => 0,
        Kind::User => 1,
        Kind::Group => 2,
    }
}

/// What an object is called by its own DN: the RDN's value, or all of the DN where that is blank.
fn name_in_dn(dn: &str) -> String {
    let value = Dn::parse(dn).map(|dn| dn.rdn_value().trim().to_owned()).unwrap_or_default();
    if value.is_empty() { dn.to_owned() } else { value }
}

/// A `uniqueMember` may end in `#'0101'B` (RFC 4517, 3.3.21), which tells persons of one name apart; nobody uses it.
fn without_uid(member: &str) -> &str {
    match member.rsplit_once("#'") {
        Some((dn, uid)) if uid.ends_with("'B") => dn,
        _ => member,
    }
}

#[cfg(test)]
mod tests;
