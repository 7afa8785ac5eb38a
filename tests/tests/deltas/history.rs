//! Random histories of a directory: the same on a real slapd and on a real domain controller.

use std::fmt::{Debug, Write as _};

use adc_tests::Scene;
use proptest::prelude::*;
use serde_json::json;

use super::is_up_to_date;

const PLACES: [&str; 2] = ["Sales", "Support"];
const BASE: &str = "DC=lg,DC=local";
/// Where everybody lives.
pub(crate) const PEOPLE: &str = "OU=People";
/// The group that people join and leave.
pub(crate) const GROUP: &str = "CN=Everybody,OU=Groups";

/// Something that happens to a directory. Whatever it refuses (somebody is not there, a name is taken) does not happen.
#[derive(Debug, Clone)]
pub(crate) enum Step<Own> {
    Join {
        who: usize,
        place: usize,
    },
    Leave {
        who: usize,
    },
    Title {
        who: usize,
        title: u8,
    },
    Rename {
        who: usize,
        name: u8,
    },
    Move {
        who: usize,
        place: usize,
    },
    Member {
        who: usize,
    },
    Boss {
        who: usize,
        boss: usize,
    },
    /// The switch `no-create`: whoever comes waits.
    NoCreate {
        on: bool,
    },
    RenameUnit {
        place: usize,
        name: u8,
    },
    Own(Own),
    Run,
}

/// A directory that is imported.
pub(crate) trait Stage {
    type Directory;
    /// What happens to such a directory alone.
    type Own: Debug + Clone + 'static;
    /// How many people there may be at a time.
    const PEOPLE: usize;
    /// Whether whoever lies in an org unit that is renamed is listed by their new name.
    const LISTS_FOLLOW_UNITS: bool;

    fn scene(&self) -> &Scene<Self::Directory>;
    /// Applies LDIF change records.
    fn change(&self, ldif: &str);
    fn join(&self, dn: &str, account: &str);
    /// `people` are where they are.
    fn happen(&mut self, own: &Self::Own, people: &[Option<String>]);
}

/// Some steps, of which the stage's own are one in so many.
pub(crate) fn steps<S: Stage>(
    own: impl Strategy<Value = S::Own> + 'static,
    most: usize,
) -> impl Strategy<Value = Vec<Step<S::Own>>> {
    let who = 0..S::PEOPLE;
    let place = 0..PLACES.len();
    let step = prop_oneof![
        3 => (who.clone(), place.clone()).prop_map(|(who, place)| Step::Join { who, place }),
        2 => who.clone().prop_map(|who| Step::Leave { who }),
        2 => (who.clone(), 0..4u8).prop_map(|(who, title)| Step::Title { who, title }),
        2 => (who.clone(), 0..3u8).prop_map(|(who, name)| Step::Rename { who, name }),
        2 => (who.clone(), place.clone()).prop_map(|(who, place)| Step::Move { who, place }),
        2 => who.clone().prop_map(|who| Step::Member { who }),
        2 => (who.clone(), who).prop_map(|(who, boss)| Step::Boss { who, boss }),
        1 => any::<bool>().prop_map(|on| Step::NoCreate { on }),
        1 => (place, 0..2u8).prop_map(|(place, name)| Step::RenameUnit { place, name }),
        1 => own.prop_map(Step::Own),
        4 => Just(Step::Run),
    ];
    proptest::collection::vec(step, 5..most)
}

/// Plays these steps on a directory that holds [`org_units`] and [`GROUP`], and runs once more.
pub(crate) fn play<S: Stage>(stage: S, steps: &[Step<S::Own>]) {
    let mut history = History {
        stage,
        units: PLACES.map(|place| below(&format!("OU={place},{PEOPLE}"))),
        people: vec![None; S::PEOPLE],
        members: Vec::new(),
    };
    for step in steps.iter().chain([&Step::Run]) {
        history.happen(step);
    }
}

/// The org units of the beginning, by their places below the base.
pub(crate) fn org_units() -> Vec<String> {
    let places = PLACES.map(|place| format!("OU={place},{PEOPLE}"));
    [PEOPLE.to_owned(), "OU=Groups".to_owned()].into_iter().chain(places).collect()
}

fn below(place: &str) -> String {
    format!("{place},{BASE}")
}

/// What a directory holds, as far as the steps need to know.
struct History<S> {
    stage: S,
    /// Where the departments are.
    units: [String; PLACES.len()],
    /// Everybody's relative name and department.
    people: Vec<Option<(String, usize)>>,
    /// The names that the group lists.
    members: Vec<String>,
}

impl<S: Stage> History<S> {
    fn happen(&mut self, step: &Step<S::Own>) {
        match *step {
            Step::Join { who, place } => self.join(who, place),
            Step::Leave { who } => self.leave(who),
            Step::Title { who, title } => {
                if let Some(dn) = self.dn(who) {
                    let title = format!("replace: title\ntitle: title {title}");
                    self.change(&dn, &format!("modify\n{title}"));
                }
            }
            Step::Rename { who, name } => {
                if let Some((_, place)) = self.people[who] {
                    self.go(who, (format!("CN=p{who}.{name}"), place));
                }
            }
            Step::Move { who, place } => {
                if let Some((name, _)) = self.people[who].clone() {
                    self.go(who, (name, place));
                }
            }
            Step::Member { who } => self.list(who),
            Step::Boss { who, boss } => {
                if let (Some(dn), Some(boss)) = (self.dn(who), self.dn(boss)) {
                    self.change(&dn, &format!("modify\nreplace: manager\nmanager: {boss}"));
                }
            }
            Step::NoCreate { on } => self.stage.scene().set(&json!({ "no-create": on })),
            Step::RenameUnit { place, name } => self.rename_unit(place, name),
            Step::Own(ref own) => {
                let people: Vec<Option<String>> = (0..S::PEOPLE).map(|who| self.dn(who)).collect();
                self.stage.happen(own, &people);
            }
            Step::Run => self.run(),
        }
    }

    /// An import. A department that was renamed when its last person left looks as if it had vanished with people in it, and
    /// the plan is held until somebody knows better.
    fn run(&self) {
        let scene = self.stage.scene();
        let outcome = scene.agent.imp();
        if outcome.code == 5 {
            let run = outcome.json()["run_id"].as_str().expect("an id").to_owned();
            scene.api.post(&format!("/runs/{run}/approve"), &json!({})).ok();
        } else {
            outcome.expect_code(0);
        }
        is_up_to_date(scene);
    }

    fn change(&self, dn: &str, what: &str) {
        self.stage.change(&format!("dn: {dn}\nchangetype: {what}\n"));
    }

    fn dn(&self, who: usize) -> Option<String> {
        self.people[who].as_ref().map(|(name, place)| format!("{name},{}", self.units[*place]))
    }

    fn join(&mut self, who: usize, place: usize) {
        if self.people[who].is_none() {
            self.people[who] = Some((format!("CN=p{who}"), place));
            self.stage.join(&self.dn(who).expect("just joined"), &format!("p{who}"));
        }
    }

    fn leave(&mut self, who: usize) {
        if let Some(dn) = self.dn(who) {
            self.change(&dn, "delete");
            self.people[who] = None;
            // Every such directory keeps its lists in step.
            self.members.retain(|member| *member != dn);
        }
    }

    fn go(&mut self, who: usize, (name, place): (String, usize)) {
        let Some(before) = self.dn(who) else { return };
        let mut rename = format!("modrdn\nnewrdn: {name}\ndeleteoldrdn: 1");
        if self.people[who].as_ref().is_some_and(|(_, here)| *here != place) {
            write!(rename, "\nnewsuperior: {}", self.units[place]).expect("a String takes everything");
        }
        self.people[who] = Some((name, place));
        let now = self.dn(who).expect("is there");
        if now != before {
            self.change(&before, &rename);
            self.members
                .iter_mut()
                .filter(|member| **member == before)
                .for_each(|member| now.clone_into(member));
        }
    }

    fn list(&mut self, who: usize) {
        let Some(dn) = self.dn(who) else { return };
        let listed = self.members.iter().position(|member| *member == dn);
        let action = if listed.is_some() { "delete" } else { "add" };
        self.change(&below(GROUP), &format!("modify\n{action}: member\nmember: {dn}"));
        match listed {
            Some(position) => drop(self.members.remove(position)),
            None => self.members.push(dn),
        }
    }

    fn rename_unit(&mut self, place: usize, name: u8) {
        let rdn = format!("OU={}{name}", PLACES[place]);
        let now = below(&format!("{rdn},{PEOPLE}"));
        let before = std::mem::replace(&mut self.units[place], now.clone());
        if before == now {
            return;
        }
        self.change(&before, &format!("modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1"));
        if S::LISTS_FOLLOW_UNITS {
            for member in &mut self.members {
                *member = member.replace(&before, &now);
            }
        }
    }
}
