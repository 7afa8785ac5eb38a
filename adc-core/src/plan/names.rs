//! Names that change hands within one plan: who gets the name, when its holder gives it up, or does not.

use super::{Line, NextUser, User, UserStatus};
use crate::text;
use std::collections::BTreeMap;

/// What a plan does with names, gathered while it is made: only the lines that give one up or need one.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// By user: the user whose name that user needs in turn before it gives up its own; `None` when it needs nobody's.
    releases: BTreeMap<String, Option<String>>,
}

impl Names {
    /// Notes what a line does with the name of the user it changes.
    pub fn note(&mut self, user: &User, line: &Line<NextUser>) {
        let Some(next) = &line.next else { return };
        let gives_up =
            next.status == UserStatus::Deleted || text::key(&next.username) != text::key(&user.username);
        if user.status != UserStatus::Deleted && gives_up {
            self.gives_up(&user.id, line.needs_name_of.as_deref());
        }
    }

    /// Notes that `user` gives up its name, itself needing the name of `needs`, if anybody's.
    pub fn gives_up(&mut self, user: &str, needs: Option<&str>) {
        self.releases.insert(user.to_owned(), needs.map(str::to_owned));
    }

    /// Whether `user` gives up its name in this plan.
    ///
    /// A chain of people who each take the next one's name holds if its last gives up a name without needing one,
    /// or if it closes to a circle (a swap). No chain runs into somebody else's circle: each name is claimed by one
    /// object, rivals are conflicts before they get here.
    pub fn becomes_free(&self, user: &str) -> bool {
        let mut current = user;
        // More steps than there are users who give up a name can only be a circle, too.
        for _ in 0..=self.releases.len() {
            match self.releases.get(current) {
                None => return false,
                Some(None) => return true,
                Some(Some(next)) if next == user => return true,
                Some(Some(next)) => current = next,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(releases: &[(&str, Option<&str>)]) -> Names {
        let mut names = Names::default();
        for (user, needs) in releases {
            names.gives_up(user, *needs);
        }
        names
    }

    #[test]
    fn a_leaver_gives_up_its_name() {
        assert!(names(&[("leaver", None)]).becomes_free("leaver"));
        assert!(!names(&[]).becomes_free("somebody"));
    }

    #[test]
    fn people_who_swap_names_both_get_them() {
        let swap = names(&[("a", Some("b")), ("b", Some("a"))]);
        assert!(swap.becomes_free("a") && swap.becomes_free("b"));
    }

    #[test]
    fn a_chain_holds_only_if_its_end_does() {
        let ends_free = names(&[("a", Some("b")), ("b", Some("c")), ("c", None)]);
        assert!(ends_free.becomes_free("a"));
        let ends_held = names(&[("a", Some("b")), ("b", Some("c"))]);
        assert!(!ends_held.becomes_free("a") && !ends_held.becomes_free("b"));
    }
}
