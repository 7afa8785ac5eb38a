//! Whom plans let in or enabled.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// People whom plans let in or enabled. They are told apart, so that whoever goes out and comes in again is one person, and whoever
/// is out again none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Admitted {
    /// Their source ids.
    people: BTreeSet<String>,
    /// How many more.
    more: u64,
}

/// So many people of one plan are told apart: beyond it, nobody is mistaken for many by coming twice, and a row of `runs` stays small.
const TOLD_APART: usize = 1_000;

impl Admitted {
    /// Adds somebody, once in a plan.
    pub fn add(&mut self, source_id: &str) {
        if self.people.len() < TOLD_APART {
            self.people.insert(source_id.to_owned());
        } else {
            self.more += 1;
        }
    }

    /// Adds whom another plan let in or enabled.
    pub fn merge(&mut self, other: Self) {
        self.people.extend(other.people);
        self.more += other.more;
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.people.len() as u64 + self.more
    }

    /// Whether there is none.
    pub fn is_nobody(&self) -> bool {
        *self == Self::default()
    }

    /// The source ids of those who are told apart.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.people.iter().map(String::as_str)
    }

    /// Takes away those who are kept out again.
    pub fn retain(&mut self, still_in: impl Fn(&str) -> bool) {
        self.people.retain(|source_id| still_in(source_id));
    }
}

/// How it is written down: runs of earlier versions only counted.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Counted(u64),
    ToldApart { people: BTreeSet<String>, more: u64 },
}

impl From<Stored> for Admitted {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Counted(more) => Self { people: BTreeSet::new(), more },
            Stored::ToldApart { people, more } => Self { people, more },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(people: &[&str]) -> Admitted {
        let mut admitted = Admitted::default();
        for one in people {
            admitted.add(one);
        }
        admitted
    }

    #[test]
    fn one_person_who_came_in_twice_was_two() {
        let mut both = of(&["a", "b"]);
        both.merge(of(&["b", "c"]));
        assert_eq!(both.count(), 3);
        both.retain(|one| one != "c");
        assert_eq!((both.count(), both.people().collect()), (2, vec!["a", "b"]));
    }

    #[test]
    fn what_earlier_versions_counted_is_not_forgotten() {
        let mut counted: Admitted = serde_json::from_str("3").expect("a number");
        counted.merge(of(&["a"]));
        assert_eq!(counted.count(), 4);
        let json = serde_json::to_string(&counted).expect("prints");
        assert_eq!(serde_json::from_str::<Admitted>(&json).expect("reads"), counted);
    }

    #[test]
    fn many_people_are_counted_and_not_all_told_apart() {
        let mut many = Admitted::default();
        for number in 0..=TOLD_APART {
            many.add(&number.to_string());
        }
        assert_eq!((many.count(), many.people().count()), (TOLD_APART as u64 + 1, TOLD_APART));
    }
}
