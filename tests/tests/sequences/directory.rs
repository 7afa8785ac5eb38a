//! A directory small enough to print: what is in it, what may happen to it, and what an agent finds there.

use std::collections::{BTreeMap, BTreeSet};

use adc_core::dn::DnKey;
use adc_core::protocol::{Confirm, ContainerLookedUp, Doubts, LookUpOutcome, LookedUp};
use adc_core::record::{Kind, Record};

/// People who may come, go and return.
pub(super) const PEOPLE: usize = 7;
/// Groups that may.
pub(super) const GROUPS: usize = 2;
/// Fewer names than people, so that names collide, swap and change hands; the last one is the first in capitals.
pub(super) const NAMES: [&str; 6] = ["ann", "ben", "cem", "dea", "eve", "ANN"];
/// Where people may stand.
pub(super) const ORG_UNITS: [&str; 3] = ["people", "it", "graz"];

/// The field that nobody may share with anybody.
pub(super) const UNIQUE: &str = "title";
/// The first of the titles that nobody has before all is mended.
const MENDED: u8 = 100;

const BASE: &str = "dc=lg,dc=local";
/// Where people go who leave the scope.
const OUTSIDE: &str = "ou=outside,dc=lg,dc=local";
/// 2001 and 2286: an expiry that has passed, and one that has not, whenever the test runs.
const PAST: i64 = 1_000_000_000_000;
const FUTURE: i64 = 10_000_000_000_000;

/// The whole directory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Directory {
    people: BTreeMap<usize, Person>,
    groups: BTreeMap<usize, BTreeSet<Member>>,
    org_units: BTreeSet<usize>,
    /// People who left the scope but exist: elsewhere, or in an org unit where the filter does not match them any more.
    outside: BTreeMap<usize, Option<usize>>,
    /// Somebody whom reads do not return.
    missed: Option<usize>,
}

/// Somebody, by what may change of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) title: Option<u8>,
    pub(super) org_unit: usize,
    pub(super) active: bool,
    /// Whether their account has an expiry date, and whether it has passed.
    pub(super) expired: Option<bool>,
}

/// Whom a group lists: people, also such as left, and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    Person(usize),
    Group(usize),
}

/// What happens in the directory.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Joins(usize, Person),
    Leaves(usize),
    LeavesScope(usize),
    /// Somebody stays where they are, and the filter does not match them any more.
    Unmatched(usize),
    Renamed(usize, String),
    Swap(usize, usize),
    /// Somebody leaves and another joins under the name.
    Replaced(usize, usize),
    Titled(usize, Option<u8>),
    Moves(usize, usize),
    Active(usize, bool),
    Expires(usize, Option<bool>),
    Group(usize, Option<BTreeSet<Member>>),
    /// An org unit goes, and everybody in it.
    Dissolved(usize),
    /// An org unit's entry cannot be seen any more; everybody in it can.
    Hidden(usize),
}

impl Directory {
    /// Three people in one group.
    pub(super) fn small() -> Self {
        let mut small = Self {
            people: BTreeMap::new(),
            groups: BTreeMap::new(),
            org_units: (0..ORG_UNITS.len()).collect(),
            outside: BTreeMap::new(),
            missed: None,
        };
        for (who, name) in NAMES.iter().enumerate().take(3) {
            small.people.insert(who, Person::called(name));
        }
        small.groups.insert(0, (0..3).map(Member::Person).collect());
        small
    }

    pub(super) fn change(&mut self, change: &Change) {
        match change {
            Change::Joins(who, person) => {
                self.outside.remove(who);
                self.org_units.insert(person.org_unit);
                self.people.insert(*who, person.clone());
            }
            Change::Leaves(who) => drop(self.people.remove(who)),
            Change::LeavesScope(who) => {
                if self.people.remove(who).is_some() {
                    self.outside.insert(*who, None);
                }
            }
            Change::Unmatched(who) => {
                if let Some(person) = self.people.remove(who) {
                    self.outside.insert(*who, Some(person.org_unit));
                }
            }
            Change::Renamed(who, name) => self.with(*who, |person| person.name.clone_from(name)),
            Change::Swap(one, other) => {
                let names = [one, other].map(|who| self.people.get(who).map(|person| person.name.clone()));
                if let [Some(own), Some(others)] = names {
                    self.with(*one, |person| person.name = others);
                    self.with(*other, |person| person.name = own);
                }
            }
            Change::Replaced(who, by) => {
                if let Some(leaver) = self.people.remove(who) {
                    self.outside.remove(by);
                    self.people
                        .insert(*by, Person { org_unit: leaver.org_unit, ..Person::called(&leaver.name) });
                }
            }
            Change::Titled(who, title) => self.with(*who, |person| person.title = *title),
            Change::Moves(who, org_unit) => {
                self.org_units.insert(*org_unit);
                self.with(*who, |person| person.org_unit = *org_unit);
            }
            Change::Active(who, active) => self.with(*who, |person| person.active = *active),
            Change::Expires(who, expired) => self.with(*who, |person| person.expired = *expired),
            Change::Group(which, Some(members)) => drop(self.groups.insert(*which, members.clone())),
            Change::Group(which, None) => drop(self.groups.remove(which)),
            Change::Hidden(org_unit) => drop(self.org_units.remove(org_unit)),
            Change::Dissolved(org_unit) => {
                self.org_units.remove(org_unit);
                self.people.retain(|_, person| person.org_unit != *org_unit);
                self.outside.retain(|_, place| *place != Some(*org_unit));
            }
        }
    }

    /// The same people, each under a name and a title that nobody else ever had, in org units that can be seen.
    pub(super) fn mended(&self) -> Self {
        let mut mended = self.clone();
        mended.org_units.extend(mended.people.values().map(|person| person.org_unit));
        for (who, person) in &mut mended.people {
            person.name = format!("mended-{who}");
            person.title = person.title.and(Some(MENDED + u8::try_from(*who).expect("few people")));
        }
        mended
    }

    /// The same, with at least one person: nobody at all is an error.
    pub(super) fn inhabited(&self) -> Self {
        let mut inhabited = self.clone();
        if inhabited.people.is_empty() {
            inhabited.change(&Change::Joins(0, Person::called(NAMES[0])));
        }
        inhabited
    }

    /// The same, as a read sees it that misses somebody.
    pub(super) fn missing(&self, who: usize) -> Self {
        Self { missed: Some(who), ..self.clone() }
    }

    /// What a full read returns.
    pub(super) fn records(&self) -> Vec<Record> {
        let org_units = self.org_units.iter().map(|which| {
            Record::new(Kind::OrgUnit, ORG_UNITS[*which], org_unit_dn(*which), ORG_UNITS[*which])
        });
        let people = self.people.iter().filter(|(who, _)| Some(**who) != self.missed);
        let people = people.map(|(who, person)| person.record(*who));
        let groups = self.groups.iter().map(|(which, members)| {
            let mut record = Record::new(Kind::Group, group_id(*which), group_dn(*which), group_id(*which));
            record.members = members.iter().map(|member| self.dn(*member)).collect();
            record
        });
        org_units.chain(people).chain(groups).collect()
    }

    /// What look-ups by id find.
    pub(super) fn look_up(&self, doubts: &Doubts) -> Confirm {
        let records = self.records();
        let objects = doubts.objects.iter().map(|doubt| {
            let found = records.iter().find(|one| one.kind == doubt.kind && one.source_id == doubt.source_id);
            let outcome = match found {
                Some(record) if doubt.digest == Some(record.digest()) => {
                    LookUpOutcome::Unchanged { digest: record.digest() }
                }
                Some(record) => LookUpOutcome::Found { record: Box::new(record.clone()) },
                None => match self.outside(&doubt.source_id) {
                    Some(dn) => LookUpOutcome::OutOfScope { dn },
                    None => LookUpOutcome::Gone,
                },
            };
            LookedUp { kind: doubt.kind, source_id: doubt.source_id.clone(), outcome }
        });
        let containers = doubts
            .containers
            .iter()
            .map(|dn| ContainerLookedUp { dn: dn.clone(), exists: !self.is_dissolved(dn) });
        Confirm { objects: objects.collect(), containers: containers.collect() }
    }

    /// Where somebody stands who left the scope.
    pub(super) fn outside(&self, source_id: &str) -> Option<String> {
        let (who, org_unit) = self.outside.iter().find(|(who, _)| person_id(**who) == source_id)?;
        Some(org_unit.map_or_else(|| outside_dn(source_id), |org_unit| person_dn(*who, org_unit)))
    }

    /// Whether the container of this DN is gone.
    pub(super) fn is_dissolved(&self, container: &str) -> bool {
        let dissolved = (0..ORG_UNITS.len()).filter(|which| !self.org_units.contains(which));
        dissolved.into_iter().any(|which| DnKey::of(&org_unit_dn(which)) == DnKey::of(container))
    }

    fn with(&mut self, who: usize, change: impl FnOnce(&mut Person)) {
        if let Some(person) = self.people.get_mut(&who) {
            change(person);
        }
    }

    /// References follow whoever is there; of leavers they keep where they might have been.
    fn dn(&self, member: Member) -> String {
        match member {
            Member::Person(who) => person_dn(who, self.people.get(&who).map_or(0, |person| person.org_unit)),
            Member::Group(which) => group_dn(which),
        }
    }
}

impl Person {
    pub(super) fn called(name: &str) -> Self {
        Self { name: name.to_owned(), title: None, org_unit: 0, active: true, expired: None }
    }

    fn record(&self, who: usize) -> Record {
        let mut record =
            Record::new(Kind::User, person_id(who), person_dn(who, self.org_unit), self.name.clone());
        record.email = Some(format!("{}@lg.local", self.name));
        if let Some(title) = self.title {
            let title = format!("title {title}");
            record.fields.insert(UNIQUE.to_owned(), title.as_str().into());
            record.unique.insert(UNIQUE.to_owned(), title);
        }
        record.active = self.active;
        record.expires_at = self.expired.map(|expired| if expired { PAST } else { FUTURE });
        record
    }
}

fn person_id(who: usize) -> String {
    format!("p{who}")
}

fn person_dn(who: usize, org_unit: usize) -> String {
    format!("uid={},{}", person_id(who), org_unit_dn(org_unit))
}

fn outside_dn(source_id: &str) -> String {
    format!("uid={source_id},{OUTSIDE}")
}

fn group_id(which: usize) -> String {
    format!("g{which}")
}

fn group_dn(which: usize) -> String {
    format!("cn={},ou=groups,{BASE}", group_id(which))
}

fn org_unit_dn(which: usize) -> String {
    format!("ou={},{BASE}", ORG_UNITS[which])
}
