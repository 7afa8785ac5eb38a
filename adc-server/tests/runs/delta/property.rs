//! Delta equals full (invariant 7): two accounts see the same history of a directory, one through a change feed and one by
//! reading everything; after every run they hold the same.

use adc_core::{
    protocol::RunState,
    record::{Kind, Record},
};
use proptest::prelude::*;

use super::feed::{Feed, keep_in_step};
use crate::world::{BASE, Directory, World, group, person};

/// People and groups there may be: few, so that they meet.
const PEOPLE: u8 = 8;
const GROUPS: u8 = 3;
/// Organizational units that people may be in; all of them are synchronized but the last.
const PLACES: [&str; 4] = ["people", "sales", "old", "attic"];

/// Something that happens to the directory, or between two runs.
#[derive(Debug, Clone)]
enum Step {
    /// A person joins, comes back, or gets another title.
    Write {
        who: u8,
        title: u8,
    },
    /// Somebody takes somebody's user name.
    TakeName {
        who: u8,
        whose: u8,
    },
    /// The entry gets another name, or another place.
    Move {
        who: u8,
        name: u8,
        place: usize,
    },
    Remove {
        who: u8,
    },
    /// The entry leaves the filter, or enters it again.
    Hide {
        who: u8,
    },
    /// Somebody who leaves is followed by another at the very place.
    Replace {
        who: u8,
    },
    /// Somebody's manager is somebody else.
    Manage {
        who: u8,
        manager: u8,
    },
    Disable {
        who: u8,
    },
    /// A group gets or loses a member: a person, or another group.
    Member {
        group: u8,
        who: u8,
    },
    Nest {
        group: u8,
        inner: u8,
    },
    Disband {
        group: u8,
    },
    /// An OU gets another name, with everybody in it.
    RenameUnit {
        place: usize,
        name: u8,
    },
    /// Nothing is deleted from now on, or again.
    KeepEverybody(bool),
    /// The feed loses its log: it sweeps the next time.
    LoseLog,
    /// Both accounts are brought up to date.
    Run,
}

fn step() -> impl Strategy<Value = Step> {
    let (who, group) = (0..PEOPLE, 0..GROUPS);
    prop_oneof![
        4 => (who.clone(), 0..4u8).prop_map(|(who, title)| Step::Write { who, title }),
        1 => (who.clone(), 0..PEOPLE).prop_map(|(who, whose)| Step::TakeName { who, whose }),
        3 => (who.clone(), 0..3u8, 0..PLACES.len()).prop_map(|(who, name, place)| Step::Move { who, name, place }),
        2 => who.clone().prop_map(|who| Step::Remove { who }),
        2 => who.clone().prop_map(|who| Step::Hide { who }),
        1 => who.clone().prop_map(|who| Step::Replace { who }),
        2 => (who.clone(), 0..PEOPLE).prop_map(|(who, manager)| Step::Manage { who, manager }),
        1 => who.clone().prop_map(|who| Step::Disable { who }),
        3 => (group.clone(), who).prop_map(|(group, who)| Step::Member { group, who }),
        1 => (group.clone(), 0..GROUPS).prop_map(|(group, inner)| Step::Nest { group, inner }),
        1 => group.prop_map(|group| Step::Disband { group }),
        1 => (0..PLACES.len(), 0..2u8).prop_map(|(place, name)| Step::RenameUnit { place, name }),
        1 => any::<bool>().prop_map(Step::KeepEverybody),
        1 => Just(Step::LoseLog),
        5 => Just(Step::Run),
    ]
}

/// The directory, what was touched since the last run, and whether it keeps references in step.
struct Company {
    directory: Directory,
    feed: Feed,
    refint: bool,
    units: [String; PLACES.len()],
    replacements: usize,
}

impl Company {
    fn new(refint: bool) -> Self {
        let units = PLACES.map(|name| format!("ou={name},{BASE}"));
        let mut company =
            Self { directory: Directory::default(), feed: Feed::default(), refint, units, replacements: 0 };
        for place in 0..PLACES.len() {
            company.put_unit(place);
        }
        for who in 0..PEOPLE {
            company.happen(&Step::Write { who, title: 0 });
        }
        // Whom nobody has seen in scope.
        company.happen(&Step::Hide { who: PEOPLE - 1 });
        company
    }

    fn happen(&mut self, step: &Step) {
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
            Step::Member { group, who } => {
                let Some(member) = self.place_of(who) else { return };
                self.list(group, member);
            }
            Step::Nest { group, inner } => self.list(group, format!("cn=g{inner},ou=groups,{BASE}")),
            Step::Disband { group } => self.remove(Kind::Group, &format!("g{group}")),
            Step::RenameUnit { place, name } => self.rename_unit(place, name),
            // Of an id that came back meanwhile nothing would tell any more that it had been away.
            Step::LoseLog => self.feed.swept |= !self.feed.removed.iter().any(|id| self.is_there(id)),
            Step::KeepEverybody(_) | Step::Run => {}
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

async fn play(refint: bool, steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut following, mut reading) = (World::new().await, World::new().await);
    let mut company = Company::new(refint);
    for step in steps.iter().chain([&Step::Run]) {
        company.happen(step);
        match step {
            Step::KeepEverybody(keep) => {
                following.settings.no_delete = Some(*keep);
                reading.settings.no_delete = Some(*keep);
            }
            Step::Run => {
                let delta = following.follow(&company.directory, &company.feed).await;
                let full = reading.read_everything_again(&company.directory).await;
                prop_assert_eq!(
                    delta.state,
                    full.state,
                    "{:?}, {:?}: {:?}; {:?}",
                    delta.full_because,
                    delta.counts,
                    delta.held_because,
                    full.held_because
                );
                prop_assert_eq!(following.snapshot().await, reading.snapshot().await);
                // A plan that is held leaves no mark: the feed says the same again.
                if delta.state == RunState::Applied {
                    company.feed = Feed::default();
                }
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn delta_equals_full(refint in any::<bool>(), steps in proptest::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(refint, &steps))?;
    }
}
