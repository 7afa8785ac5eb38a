//! A company's directory that is a map, and what a change feed names of it.

use adc_core::record::{Kind, Record};

use super::step::Step;
use crate::{
    delta::feed::{Feed, keep_in_step},
    world::{BASE, Directory, group, person},
};

/// People and groups there may be: few, so that they meet.
pub(super) const PEOPLE: u8 = 8;
pub(super) const GROUPS: u8 = 3;
/// Organizational units that people may be in; all of them are synchronized but the last.
pub(super) const PLACES: [&str; 4] = ["people", "sales", "old", "attic"];

const HOUR: i64 = 3_600_000;

/// The directory, what was touched since the last run, and whether it keeps references in step.
pub(super) struct Company {
    pub(super) directory: Directory,
    pub(super) feed: Feed,
    refint: bool,
    units: [String; PLACES.len()],
    replacements: usize,
}

impl Company {
    pub(super) fn new(refint: bool) -> Self {
        let units = PLACES.map(|name| format!("ou={name},{BASE}"));
        let mut company =
            Self { directory: Directory::default(), feed: Feed::default(), refint, units, replacements: 0 };
        for place in 0..PLACES.len() {
            company.put_unit(place);
        }
        for who in 0..PEOPLE {
            company.happen(&Step::Write { who, title: 0 }, 0);
        }
        // Whom nobody has seen in scope.
        company.happen(&Step::Hide { who: PEOPLE - 1 }, 0);
        company
    }

    /// What happens to the directory at a time (milliseconds since 1970 UTC).
    pub(super) fn happen(&mut self, step: &Step, now: i64) {
        match *step {
            Step::Write { who, title } => self.write(who, |record| {
                record.fields.insert("title".to_owned(), format!("title {title}").as_str().into());
            }),
            Step::TakeName { who, whose } => self.write(who, |record| {
                record.name = format!("p{whose}@lg.local");
                record.email = Some(record.name.clone());
            }),
            Step::Move { who, name, place } => self.relocate(who, name, place),
            Step::Remove { who } => self.remove(Kind::User, &format!("p{who}")),
            Step::Hide { who } => self.hide(who),
            Step::Replace { who } => self.replace(who),
            Step::Manage { who, manager } => {
                let Some(manager) = self.place_of(manager) else { return };
                self.write(who, |record| {
                    record.fields.insert("manager".to_owned(), manager.as_str().into());
                });
            }
            Step::Disable { who } => self.write(who, |record| record.active = !record.active),
            Step::Expire { who, hours } => {
                self.write(who, |record| record.expires_at = Some(now + hours * HOUR));
            }
            Step::Member { group, who } => {
                let Some(member) = self.place_of(who) else { return };
                self.list(group, member);
            }
            Step::Nest { group, inner } => self.list(group, format!("cn=g{inner},ou=groups,{BASE}")),
            Step::Disband { group } => self.remove(Kind::Group, &format!("g{group}")),
            Step::RenameUnit { place, name } => self.rename_unit(place, name),
            // Of an id that came back meanwhile nothing would tell any more that it had been away.
            Step::LoseLog => self.feed.swept |= !self.feed.removed.iter().any(|id| self.is_there(id)),
            Step::Lapse { who } => self.happen(&Step::Expire { who, hours: 1 }, now),
            Step::Pass { .. } | Step::Switch { .. } | Step::Rule(_) | Step::AgentDies | Step::Run(_) => {}
        }
    }

    fn is_there(&self, id: &str) -> bool {
        self.directory.objects.keys().chain(self.directory.out_of_scope.keys()).any(|key| key.1 == id)
    }

    /// Whether there is an entry of this name.
    fn is_taken(&self, dn: &str) -> bool {
        let places = self.directory.objects.values().map(|record| &record.dn);
        places.chain(self.directory.out_of_scope.values()).any(|place| place == dn)
    }

    fn write(&mut self, who: u8, change: impl FnOnce(&mut Record)) {
        let id = format!("p{who}");
        if self.directory.out_of_scope.contains_key(&(Kind::User, id.clone())) {
            return;
        }
        if self.feed.swept && self.feed.removed.contains(&id) {
            return;
        }
        let unit = self.units[0].clone();
        if !self.is_there(&id) {
            if self.is_taken(&format!("uid={id},{unit}")) {
                return;
            }
            self.feed.made.insert(id.clone());
        }
        let record = self.directory.objects.entry((Kind::User, id.clone())).or_insert_with(|| {
            let mut record = person(&id, &id);
            record.dn = format!("uid={id},{unit}");
            record
        });
        change(record);
        self.feed.touched.insert(id);
    }

    /// Where somebody is, in scope or not.
    fn place_of(&self, who: u8) -> Option<String> {
        let key = (Kind::User, format!("p{who}"));
        let inside = self.directory.objects.get(&key).map(|record| record.dn.clone());
        inside.or_else(|| self.directory.out_of_scope.get(&key).cloned())
    }

    fn relocate(&mut self, who: u8, name: u8, place: usize) {
        let key = (Kind::User, format!("p{who}"));
        // Only one entry of a name in a place.
        let dn = format!("uid={}.{name},{}", key.1, self.units[place]);
        if self.is_taken(&dn) {
            return;
        }
        let place = match self.directory.objects.get_mut(&key) {
            Some(record) => &mut record.dn,
            None => match self.directory.out_of_scope.get_mut(&key) {
                Some(place) => place,
                None => return,
            },
        };
        let before = std::mem::replace(place, dn.clone());
        self.feed.touched.insert(key.1);
        self.keep_in_step(&before, Some(&dn));
    }

    fn replace(&mut self, who: u8) {
        let Some(dn) = self.place_of(who) else { return };
        self.remove(Kind::User, &format!("p{who}"));
        self.replacements += 1;
        let id = format!("r{}", self.replacements);
        let mut record = person(&id, &id);
        record.dn = dn;
        self.directory.put(record);
        self.feed.made.insert(id.clone());
        self.feed.touched.insert(id);
    }

    fn remove(&mut self, kind: Kind, id: &str) {
        let key = (kind, id.to_owned());
        let before = self.directory.objects.remove(&key).map(|record| record.dn);
        if let Some(before) = before.or_else(|| self.directory.out_of_scope.remove(&key)) {
            self.feed.removed.insert(key.1.clone());
            self.feed.touched.insert(key.1);
            self.keep_in_step(&before, None);
        }
    }

    fn hide(&mut self, who: u8) {
        let key = (Kind::User, format!("p{who}"));
        if let Some(record) = self.directory.objects.remove(&key) {
            self.directory.out_of_scope.insert(key.clone(), record.dn);
        } else if let Some(dn) = self.directory.out_of_scope.remove(&key) {
            let mut record = person(&key.1, &key.1);
            record.dn = dn;
            self.directory.put(record);
        } else {
            return;
        }
        self.feed.touched.insert(key.1);
    }

    fn list(&mut self, number: u8, member: String) {
        let id = format!("g{number}");
        let record =
            self.directory.objects.entry((Kind::Group, id.clone())).or_insert_with(|| group(&id, &[]));
        match record.members.iter().position(|listed| *listed == member) {
            Some(position) => drop(record.members.remove(position)),
            None => record.members.push(member),
        }
        self.feed.touched.insert(id);
    }

    fn put_unit(&mut self, place: usize) {
        let (id, dn) = (format!("o{place}"), self.units[place].clone());
        // The last one is not synchronized.
        if place + 1 == PLACES.len() {
            self.directory.out_of_scope.insert((Kind::OrgUnit, id.clone()), dn);
        } else {
            let name = dn.trim_start_matches("ou=").split(',').next().unwrap_or_default().to_owned();
            self.directory.put(Record::new(Kind::OrgUnit, id.clone(), dn, name));
        }
        self.feed.touched.insert(id);
    }

    fn rename_unit(&mut self, place: usize, name: u8) {
        let before = format!(",{}", self.units[place]);
        self.units[place] = format!("ou={}{name},{BASE}", PLACES[place]);
        let after = format!(",{}", self.units[place]);
        self.put_unit(place);
        let mut moved = Vec::new();
        let records = self.directory.objects.values_mut().map(|record| &mut record.dn);
        for dn in records.chain(self.directory.out_of_scope.values_mut()) {
            if let Some(name) = dn.strip_suffix(&before) {
                let now = format!("{name}{after}");
                moved.push((std::mem::replace(dn, now.clone()), now));
            }
        }
        // Of whom it took along the feed says nothing.
        for (before, now) in moved {
            self.keep_in_step(&before, Some(&now));
        }
    }

    /// References follow, and the feed does not say so.
    fn keep_in_step(&mut self, before: &str, after: Option<&str>) {
        if self.refint {
            keep_in_step(&mut self.directory, before, after);
        }
    }
}
