//! Delta equals full (invariant 7) on a real domain controller: random histories, after each of whose runs a full read finds
//! nothing more.

use adc_tests::{Samba, Scene};
use proptest::prelude::*;

use super::super::domain::{SECURITY, below, group, person, unit};
use super::Rights;
use crate::deltas::is_up_to_date;

/// Samba takes its time; each case is a domain of its own.
const CASES: u32 = 3;
const PEOPLE: u8 = 4;
const PLACES: [&str; 2] = ["Sales", "Support"];
const GROUP: &str = "CN=Everybody,OU=Groups";

/// Something that happens to the domain. Whatever it refuses (somebody is not there, a name is taken) does not happen.
#[derive(Debug, Clone)]
enum Step {
    Join { who: u8, place: usize },
    Leave { who: u8 },
    Title { who: u8, title: u8 },
    Lock { who: u8, locked: bool },
    Rename { who: u8, name: u8 },
    Move { who: u8, place: usize },
    Member { who: u8 },
    RenameUnit { place: usize, name: u8 },
    Rights { replicate: bool, see_deleted: bool },
    Run,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE;
    prop_oneof![
        3 => (who.clone(), 0..PLACES.len()).prop_map(|(who, place)| Step::Join { who, place }),
        2 => who.clone().prop_map(|who| Step::Leave { who }),
        1 => (who.clone(), 0..4u8).prop_map(|(who, title)| Step::Title { who, title }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, locked)| Step::Lock { who, locked }),
        2 => (who.clone(), 0..3u8).prop_map(|(who, name)| Step::Rename { who, name }),
        2 => (who.clone(), 0..PLACES.len()).prop_map(|(who, place)| Step::Move { who, place }),
        2 => who.prop_map(|who| Step::Member { who }),
        1 => (0..PLACES.len(), 0..2u8).prop_map(|(place, name)| Step::RenameUnit { place, name }),
        1 => any::<(bool, bool)>().prop_map(|(replicate, see_deleted)| Step::Rights { replicate, see_deleted }),
        3 => Just(Step::Run),
    ]
}

/// What the domain holds, as far as the steps need to know.
struct Model {
    scene: Scene<Samba>,
    units: [String; PLACES.len()],
    /// Everybody's relative name and place.
    people: Vec<Option<(String, usize)>>,
    members: Vec<bool>,
    /// What happened since the last run.
    somebody_left: bool,
    unit_renamed: bool,
}

impl Model {
    fn of(scene: Scene<Samba>) -> Self {
        let people = PEOPLE.into();
        let units = PLACES.map(|place| format!("OU={place},OU=People"));
        Self {
            scene,
            units,
            people: vec![None; people],
            members: vec![false; people],
            somebody_left: false,
            unit_renamed: false,
        }
    }

    fn happen(&mut self, step: &Step) {
        let (leaves, renames) = (matches!(step, Step::Leave { .. }), matches!(step, Step::RenameUnit { .. }));
        if leaves && self.unit_renamed || renames && self.somebody_left {
            // A department that is no longer there together with whoever was in it would hold the plan.
            self.run();
        }
        self.somebody_left |= leaves;
        self.unit_renamed |= renames;
        let samba = &self.scene.directory;
        match *step {
            Step::Join { who, place } if self.people[usize::from(who)].is_none() => {
                let name = format!("CN=p{who}");
                samba.add(&[person(&format!("{name},{}", self.units[place]), &format!("p{who}"))]);
                self.people[usize::from(who)] = Some((name, place));
            }
            Step::RenameUnit { place, name } => {
                let rdn = format!("OU={}{name}", PLACES[place]);
                let now = format!("{rdn},OU=People");
                if now != self.units[place] {
                    samba.rename(&below(&self.units[place]), &rdn);
                    self.units[place] = now;
                }
            }
            Step::Rights { replicate, see_deleted } => {
                samba.let_replicate(replicate);
                samba.let_see_deleted(see_deleted);
            }
            Step::Run => self.run(),
            Step::Join { who, .. }
            | Step::Leave { who }
            | Step::Title { who, .. }
            | Step::Lock { who, .. }
            | Step::Rename { who, .. }
            | Step::Move { who, .. }
            | Step::Member { who } => self.happen_to(usize::from(who), step),
        }
    }

    fn run(&mut self) {
        self.scene.imp_with(&[], 0);
        is_up_to_date(&self.scene);
        (self.somebody_left, self.unit_renamed) = (false, false);
    }

    fn happen_to(&mut self, who: usize, step: &Step) {
        let Some((name, place)) = self.people[who].clone() else { return };
        let dn = below(&format!("{name},{}", self.units[place]));
        let samba = &self.scene.directory;
        match *step {
            Step::Leave { .. } => {
                samba.delete(&dn);
                self.people[who] = None;
                self.members[who] = false;
            }
            Step::Title { title, .. } => samba.set(&dn, "title", [&format!("title {title}")]),
            Step::Lock { locked, .. } => {
                samba.set(&dn, "userAccountControl", [if locked { "546" } else { "544" }]);
            }
            Step::Rename { name: to, .. } => {
                let to = format!("CN=p{who}.{to}");
                if to != name {
                    samba.rename(&dn, &to);
                    self.people[who] = Some((to, place));
                }
            }
            Step::Move { place: to, .. } if to != place => {
                samba.move_to(&dn, &name, &below(&self.units[to]));
                self.people[who] = Some((name, to));
            }
            Step::Member { .. } => {
                let action = if self.members[who] { "delete" } else { "add" };
                samba.modify(&format!(
                    "dn: {}\nchangetype: modify\n{action}: member\nmember: {dn}\n",
                    below(GROUP)
                ));
                self.members[who] = !self.members[who];
            }
            _ => {}
        }
    }
}

fn domain(rights: Rights) -> Scene<Samba> {
    let samba = Samba::start();
    samba.add(&[
        unit("OU=People"),
        unit("OU=Sales,OU=People"),
        unit("OU=Support,OU=People"),
        unit("OU=Groups"),
        group(GROUP, SECURITY, []),
    ]);
    samba.let_replicate(rights.replicate);
    samba.let_see_deleted(rights.see_deleted);
    Scene::of_domain(samba)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 8, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn delta_equals_full(rights in any::<(bool, bool)>(), steps in proptest::collection::vec(step(), 5..20)) {
        let (replicate, see_deleted) = rights;
        let scene = domain(Rights { replicate, see_deleted });
        scene.imp();
        let mut model = Model::of(scene);
        for step in steps.iter().chain([&Step::Run]) {
            model.happen(step);
        }
    }
}
