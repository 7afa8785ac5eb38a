//! What changes hands within one plan, user names and values of fields that the policy calls unique: who gets it when its
//! holder gives it up, and who does not.

use super::{Line, NextUser, User, UserStatus};
use crate::text;
use std::collections::{BTreeMap, BTreeSet};

/// What a user name is called beside the fields that the policy calls unique.
pub const USERNAME: &str = "username";

/// A user name or a unique value of somebody's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holding {
    /// The user who holds it.
    pub user: String,
    /// [`USERNAME`], or the unique field.
    pub what: String,
}

/// What a plan does with names and unique values, gathered while it is made: only the lines that give one up or need one.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// By what is given up: the object (its source id) whose line does so.
    given_up: BTreeMap<Holding, String>,
    /// By object: what its line needs.
    needs: BTreeMap<String, Vec<Holding>>,
    /// Objects whose lines cannot stand, once [`Self::settle`] was asked.
    disappointed: BTreeSet<String>,
}

impl Names {
    /// Notes what an object's line needs, and what it does with the name and the values of the user it changes, if it changes
    /// one; `unique` names the fields.
    pub fn note<'f>(
        &mut self,
        object: &str,
        user: Option<&User>,
        unique: impl IntoIterator<Item = &'f str>,
        line: &Line<NextUser>,
    ) {
        if !line.needs.is_empty() {
            self.needs.insert(object.to_owned(), line.needs.clone());
        }
        let (Some(user), Some(next)) = (user, &line.next) else { return };
        if user.status == UserStatus::Deleted {
            return;
        }
        let deleted = next.status == UserStatus::Deleted;
        for what in unique.into_iter().chain([USERNAME]) {
            let gives_up = user.value_of(what).is_some_and(|held| {
                deleted || next.value_of(what).is_none_or(|value| text::key(&value) != text::key(&held))
            });
            if gives_up {
                let holding = Holding { user: user.id.clone(), what: what.to_owned() };
                self.given_up.insert(holding, object.to_owned());
            }
        }
    }

    /// Finds the lines that cannot stand: those that need what nobody gives up, and then those that counted on them.
    ///
    /// What is left stands together: chains whose last needs nothing, and circles (swaps). Each name and value is claimed by one
    /// object, rivals are conflicts before they get here.
    pub fn settle(&mut self) {
        let mut counting_on: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut unsettled = Vec::new();
        for (object, needs) in &self.needs {
            for need in needs {
                match self.given_up.get(need) {
                    Some(giver) => counting_on.entry(giver).or_default().push(object),
                    None => unsettled.push(object.as_str()),
                }
            }
        }
        let mut disappointed = BTreeSet::new();
        while let Some(object) = unsettled.pop() {
            if disappointed.insert(object.to_owned()) {
                unsettled.extend(counting_on.get(object).into_iter().flatten());
            }
        }
        self.disappointed = disappointed;
    }

    /// Whether its holder gives up a name or a value in this plan, once that is settled.
    pub fn becomes_free(&self, holding: &Holding) -> bool {
        self.given_up.get(holding).is_some_and(|giver| !self.disappointed.contains(giver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(user: &str) -> Holding {
        Holding { user: user.to_owned(), what: USERNAME.to_owned() }
    }

    /// Each user gives up its name, by an object of the same name, and may need others' names or values.
    fn names(releases: &[(&str, &[Holding])]) -> Names {
        let mut names = Names::default();
        for (user, needs) in releases {
            names.given_up.insert(name_of(user), (*user).to_owned());
            names.needs.insert((*user).to_owned(), needs.to_vec());
        }
        names.settle();
        names
    }

    #[test]
    fn a_leaver_gives_up_its_name() {
        assert!(names(&[("leaver", &[])]).becomes_free(&name_of("leaver")));
        assert!(!names(&[]).becomes_free(&name_of("somebody")));
    }

    #[test]
    fn people_who_swap_names_both_get_them() {
        let swap = names(&[("a", &[name_of("b")]), ("b", &[name_of("a")])]);
        assert!(swap.becomes_free(&name_of("a")) && swap.becomes_free(&name_of("b")));
    }

    #[test]
    fn a_chain_holds_only_if_its_end_does() {
        let ends_free = names(&[("a", &[name_of("b")]), ("b", &[name_of("c")]), ("c", &[])]);
        assert!(ends_free.becomes_free(&name_of("a")));
        let ends_held = names(&[("a", &[name_of("b")]), ("b", &[name_of("c")])]);
        assert!(!ends_held.becomes_free(&name_of("a")) && !ends_held.becomes_free(&name_of("b")));
    }

    #[test]
    fn who_is_refused_a_value_keeps_the_name_that_another_counted_on() {
        let badge = Holding { user: "c".to_owned(), what: "badge".to_owned() };
        let swap = [("a", [name_of("b"), badge].to_vec()), ("b", vec![name_of("a")])];
        let mut names = names(&[("a", &swap[0].1), ("b", &swap[1].1)]);
        assert!(!names.becomes_free(&name_of("a")) && !names.becomes_free(&name_of("b")));
        names.given_up.insert(Holding { user: "c".to_owned(), what: "badge".to_owned() }, "c".to_owned());
        names.settle();
        assert!(names.becomes_free(&name_of("a")) && names.becomes_free(&name_of("b")));
    }
}
