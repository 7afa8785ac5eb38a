//! A directory small enough to print: people, groups and org units, by their source ids.

use adc_core::{
    plan::names::USERNAME,
    reason::Reason,
    record::{FieldValue, Kind, Problem, Record},
    text,
};
use std::collections::{BTreeMap, BTreeSet};

/// The one field that the policy calls unique.
pub(crate) const UNIQUE_FIELD: &str = "badge";

/// What the agent can see, and what it would find by id outside its scope.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Directory {
    pub(crate) people: BTreeMap<String, Person>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) org_units: BTreeSet<String>,
    /// People who left the scope but exist.
    pub(crate) outside: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) org_unit: String,
    pub(crate) active: bool,
    pub(crate) expires_at: Option<i64>,
    pub(crate) excluded: bool,
    pub(crate) broken: bool,
    pub(crate) badge: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Source ids of people, who may have left.
    pub(crate) members: BTreeSet<String>,
}

/// Somebody in order, called `name`.
pub(crate) fn person(name: &str) -> Person {
    Person {
        name: name.to_owned(),
        title: None,
        org_unit: "people".to_owned(),
        active: true,
        expires_at: None,
        excluded: false,
        broken: false,
        badge: None,
    }
}

impl Directory {
    /// A directory of people in order, by source id and name.
    pub(crate) fn of(people: &[(&str, &str)]) -> Self {
        let people = people.iter().map(|(id, name)| ((*id).to_owned(), person(name))).collect();
        Self { people, ..Self::default() }
    }

    /// What the agent would send of all this.
    pub(crate) fn records(&self) -> Vec<Record> {
        let org_units = self
            .org_units
            .iter()
            .map(|name| Record::new(Kind::OrgUnit, format!("ou-{name}"), org_unit_dn(name), name.clone()));
        let people = self.people.iter().map(|(id, person)| person.record(id));
        let groups = self.groups.iter().map(|(id, group)| {
            let mut record = Record::new(Kind::Group, id, format!("cn={id},dc=lg"), group.name.clone());
            record.members = group.members.iter().map(|id| format!("uid={id},ou=people,dc=lg")).collect();
            record
        });
        org_units.chain(people).chain(groups).collect()
    }

    /// The same people, with nothing left to mend: nobody broken, names and badges given once and none that are `taken`
    /// (by [`text::key`]). Who has to give way gets a name of their own, and no badge.
    pub(crate) fn mended(&self, taken: impl Fn(&str) -> BTreeSet<String>) -> Self {
        let mut mended = self.clone();
        let (mut names, mut badges) = (taken(USERNAME), taken(UNIQUE_FIELD));
        for (id, person) in &mut mended.people {
            person.broken = false;
            if person.excluded {
                continue;
            }
            if !names.insert(text::key(&person.name).into_owned()) {
                person.name = format!("{id}-mended");
            }
            if person.badge.as_ref().is_some_and(|badge| !badges.insert(text::key(badge).into_owned())) {
                person.badge = None;
            }
        }
        mended
    }
}

impl Person {
    fn record(&self, id: &str) -> Record {
        let dn = format!("uid={id},{}", org_unit_dn(&self.org_unit));
        let mut record = Record::new(Kind::User, id, dn, self.name.clone());
        record.email = Some(format!("{}@lg.local", self.name));
        if let Some(title) = &self.title {
            record.fields.insert("title".to_owned(), FieldValue::Text(title.clone()));
        }
        if let Some(badge) = &self.badge {
            record.fields.insert(UNIQUE_FIELD.to_owned(), FieldValue::Text(badge.clone()));
            record.unique.insert(UNIQUE_FIELD.to_owned(), badge.clone());
        }
        record.active = self.active;
        record.expires_at = self.expires_at;
        record.excluded_by = self.excluded.then(|| "contractors".to_owned());
        record.problem = self
            .broken
            .then(|| Problem { reason: Reason::NotUtf8, detail: "field title, attribute title".to_owned() });
        record
    }

    /// Whether the directory lets this person in at `now`.
    pub(crate) fn is_active_at(&self, now: i64) -> bool {
        self.record("").is_active_at(now)
    }
}

fn org_unit_dn(name: &str) -> String {
    format!("ou={name},dc=lg")
}
