//! Delta equals full (invariant 7) on a real slapd: random histories, after each of whose runs a full read finds nothing more.

use adc_tests::{Company, Entry, Scene, Slapd};
use proptest::prelude::*;
use serde_json::json;

use super::is_up_to_date;

const CASES: u32 = 12;
const PEOPLE: u8 = 6;
const PLACES: [&str; 2] = ["sales", "support"];

/// Something that happens to the directory. Whatever it refuses (somebody is not there, a name is taken) does not happen.
#[derive(Debug, Clone)]
enum Step {
    Join { who: u8, place: usize },
    Leave { who: u8 },
    Title { who: u8, title: u8 },
    Rename { who: u8, name: u8 },
    Move { who: u8, place: usize },
    Member { who: u8 },
    RenameUnit { place: usize, name: u8 },
    Crash,
    Run,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE;
    prop_oneof![
        3 => (who.clone(), 0..PLACES.len()).prop_map(|(who, place)| Step::Join { who, place }),
        2 => who.clone().prop_map(|who| Step::Leave { who }),
        2 => (who.clone(), 0..4u8).prop_map(|(who, title)| Step::Title { who, title }),
        2 => (who.clone(), 0..3u8).prop_map(|(who, name)| Step::Rename { who, name }),
        2 => (who.clone(), 0..PLACES.len()).prop_map(|(who, place)| Step::Move { who, place }),
        2 => who.prop_map(|who| Step::Member { who }),
        1 => (0..PLACES.len(), 0..2u8).prop_map(|(place, name)| Step::RenameUnit { place, name }),
        1 => Just(Step::Crash),
        4 => Just(Step::Run),
    ]
}

/// What the directory holds, as far as the steps need to know.
struct Model<'s> {
    scene: &'s mut Scene,
    units: [String; PLACES.len()],
    /// Everybody's relative name and place.
    people: Vec<Option<(String, usize)>>,
    members: Vec<String>,
}

impl<'s> Model<'s> {
    fn of(scene: &'s mut Scene) -> Self {
        let units = PLACES.map(|place| format!("ou={place},ou=people,dc=lg,dc=local"));
        Self { scene, units, people: vec![None; PEOPLE.into()], members: Vec::new() }
    }

    fn happen(&mut self, step: &Step) {
        match *step {
            Step::Join { who, place } => self.join(who.into(), place),
            Step::Leave { who } => self.leave(who.into()),
            Step::Title { who, title } => {
                if let Some(dn) = self.dn(who.into()) {
                    self.scene.directory.set(&dn, "title", [&format!("title {title}")]);
                }
            }
            Step::Rename { who, name } => self.rename(who.into(), name),
            Step::Move { who, place } => self.relocate(who.into(), place),
            Step::Member { who } => self.list(who.into()),
            Step::RenameUnit { place, name } => self.rename_unit(place, name),
            Step::Crash => self.scene.directory.crash(),
            Step::Run => {
                self.run();
                is_up_to_date(self.scene);
            }
        }
    }

    /// An import. A department that was renamed when its last person left looks as if it had vanished with people in it, and
    /// the plan is held until somebody knows better.
    fn run(&self) {
        let outcome = self.scene.agent.imp();
        if outcome.code != 5 {
            outcome.expect_code(0);
            return;
        }
        let run = outcome.json()["run_id"].as_str().expect("an id").to_owned();
        self.scene.api.post(&format!("/runs/{run}/approve"), &json!({})).ok();
    }

    fn dn(&self, who: usize) -> Option<String> {
        self.people[who].as_ref().map(|(name, place)| format!("uid={name},{}", self.units[*place]))
    }

    fn join(&mut self, who: usize, place: usize) {
        if self.people[who].is_some() {
            return;
        }
        self.people[who] = Some((format!("p{who}"), place));
        let dn = self.dn(who).expect("just joined");
        let entry = Entry::new(&dn)
            .with("objectClass", "inetOrgPerson")
            .with("uid", format!("p{who}"))
            .with("cn", format!("Person {who}"))
            .with("sn", "Person")
            .with("mail", format!("p{who}@lg.local"));
        self.scene.directory.add(&entry);
    }

    fn leave(&mut self, who: usize) {
        if let Some(dn) = self.dn(who) {
            self.scene.directory.delete(&dn);
            self.people[who] = None;
            self.members.retain(|member| *member != dn);
        }
    }

    fn rename(&mut self, who: usize, name: u8) {
        let name = format!("p{who}.{name}");
        if let Some(before) = self.dn(who).filter(|dn| !dn.starts_with(&format!("uid={name},"))) {
            self.scene.directory.rename(&before, &format!("uid={name}"));
            self.people[who].as_mut().expect("is there").0 = name;
            self.follow(&before, who);
        }
    }

    fn relocate(&mut self, who: usize, place: usize) {
        let Some(before) = self.dn(who) else { return };
        if self.people[who].as_ref().is_some_and(|(_, now)| *now != place) {
            self.scene.directory.move_to(&before, &self.units[place]);
            self.people[who].as_mut().expect("is there").1 = place;
            self.follow(&before, who);
        }
    }

    /// The group's member is renamed too: by referential integrity.
    fn follow(&mut self, before: &str, who: usize) {
        let now = self.dn(who).expect("is there");
        self.members.iter_mut().filter(|member| *member == before).for_each(|member| now.clone_into(member));
    }

    fn list(&mut self, who: usize) {
        let Some(dn) = self.dn(who) else { return };
        let action = if self.members.contains(&dn) { "delete" } else { "add" };
        self.scene
            .directory
            .modify(&format!("dn: {GROUP}\nchangetype: modify\n{action}: member\nmember: {dn}\n"));
        match self.members.iter().position(|member| *member == dn) {
            Some(position) => drop(self.members.remove(position)),
            None => self.members.push(dn),
        }
    }

    fn rename_unit(&mut self, place: usize, name: u8) {
        let before = self.units[place].clone();
        let rdn = format!("ou={}{name}", PLACES[place]);
        let now = format!("{rdn},ou=people,dc=lg,dc=local");
        if before != now {
            // Referential integrity looks at the renamed entry alone: who lies beneath it is listed by an old name.
            self.scene.directory.rename(&before, &rdn);
            self.units[place] = now;
        }
    }
}

const GROUP: &str = "cn=all,ou=groups,dc=lg,dc=local";

fn company() -> Company {
    // Somebody else is always there: a group must not become empty.
    Company::new("dc=lg,dc=local")
        .ou("people/sales")
        .ou("people/support")
        .ou("people")
        .person("jane")
        .ou("groups")
        .group("all", ["jane"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn delta_equals_full(log in proptest::option::of(Just(100)), steps in proptest::collection::vec(step(), 5..25)) {
        let company = company();
        let slapd = Slapd::builder(&company)
            .overlay("refint", ["refint_attributes member manager"])
            .syncprov(log)
            .start();
        let mut scene = Scene::between(company, slapd);
        scene.imp();
        let mut model = Model::of(&mut scene);
        for step in steps.iter().chain([&Step::Run]) {
            model.happen(step);
        }
    }
}
