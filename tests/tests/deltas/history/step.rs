//! What may happen to a directory, between its runs, and to them.

use std::fmt::Debug;

use proptest::{prelude::*, sample::Index};

use super::{GROUPS, PLACES, Stage};

/// The switches that are turned in between. What `create-as-disabled` did stays when it is turned off: no first import
/// would do it.
pub(super) const SWITCHES: [&str; 6] =
    ["no-create", "no-update", "no-delete", "delete-disables", "dry-run", "create-as-disabled"];
const NO_DELETE: usize = 2;
const DRY_RUN: usize = 4;
/// Of the switches, the one whose traces stay.
pub(super) const LASTING: usize = SWITCHES.len() - 1;

/// How many policies there are.
pub(super) const POLICIES: usize = 4;
pub(super) const DEFAULT: usize = 0;
/// Whoever has the title of this number is left out.
pub(super) const EXCLUDES_JUNIORS: usize = 1;
pub(super) const JUNIOR: u8 = 1;
/// Whoever leaves is held.
pub(super) const HOLDS_LEAVERS: usize = 3;

/// Something that happens. Whatever the directory refuses (somebody is not there, a name is taken) does not happen.
#[derive(Debug, Clone)]
pub(crate) enum Step<Own> {
    Join {
        who: usize,
        place: usize,
    },
    Leave {
        who: usize,
    },
    /// Somebody is removed, and another comes at the very DN with the very name.
    Replace {
        who: usize,
    },
    /// Somebody who was removed comes back, with the identity they had.
    Return {
        who: usize,
        place: usize,
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
    /// Somebody leaves the filter, or enters it again.
    Hide {
        who: usize,
    },
    Lock {
        who: usize,
        locked: bool,
    },
    Expire {
        who: usize,
        when: Expiry,
    },
    Boss {
        who: usize,
        boss: usize,
    },
    Member {
        group: usize,
        who: usize,
    },
    Nest {
        group: usize,
        inner: usize,
    },
    RenameGroup {
        group: usize,
        name: u8,
    },
    RenameUnit {
        place: usize,
        name: u8,
    },
    Switch {
        which: usize,
        on: bool,
    },
    Policy {
        which: usize,
    },
    /// A run whose agent is killed while it is under way, after the control plane was asked so often.
    AgentDies {
        after: u8,
    },
    Own(Own),
    Run(Verdict),
}

/// When an account expires.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expiry {
    Never,
    /// It has already.
    Past,
    /// After a run saw that it will, without anything being written.
    Soon,
}

/// What an administrator says to a plan, should it be held.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Approved,
    Rejected,
    /// Nothing: the next run supersedes it.
    Left,
}

/// Fewer than so many steps, and somewhere among them a story that hardly ever comes about by chance.
pub(crate) fn steps<S: Stage>(
    own: impl Strategy<Value = S::Own> + 'static,
    most: usize,
) -> impl Strategy<Value = Vec<Step<S::Own>>> {
    let story = prop_oneof![turned_down(S::PEOPLE), edited(S::PEOPLE)];
    let chance = proptest::collection::vec(step::<S>(own), 5..most);
    (chance, story, any::<Index>()).prop_map(|(mut steps, story, at)| {
        let at = at.index(steps.len());
        steps.splice(at..at, story);
        steps
    })
}

/// Somebody leaves, the plan is turned down, and nothing else happens until the next run: it has to find the same again.
fn turned_down<Own: Debug + Clone + 'static>(people: usize) -> impl Strategy<Value = Vec<Step<Own>>> {
    (0..people, 0..PLACES.len()).prop_map(|(who, place)| {
        let switched_off = [NO_DELETE, DRY_RUN].map(|which| Step::Switch { which, on: false });
        let story = [
            Step::Join { who, place },
            Step::Policy { which: HOLDS_LEAVERS },
            Step::Run(Verdict::Approved),
            Step::Leave { who },
            Step::Run(Verdict::Rejected),
            Step::Run(Verdict::Approved),
        ];
        switched_off.into_iter().chain(story).collect()
    })
}

/// A rule comes, and goes, that leaves somebody out to whom nothing happened.
fn edited<Own: Debug + Clone + 'static>(people: usize) -> impl Strategy<Value = Vec<Step<Own>>> {
    (0..people, 0..PLACES.len()).prop_map(|(who, place)| {
        vec![
            Step::Switch { which: DRY_RUN, on: false },
            Step::Policy { which: DEFAULT },
            Step::Join { who, place },
            Step::Title { who, title: JUNIOR },
            Step::Run(Verdict::Approved),
            Step::Policy { which: EXCLUDES_JUNIORS },
            Step::Run(Verdict::Approved),
            Step::Policy { which: DEFAULT },
            Step::Run(Verdict::Approved),
        ]
    })
}

fn step<S: Stage>(own: impl Strategy<Value = S::Own> + 'static) -> impl Strategy<Value = Step<S::Own>> {
    let run =
        prop_oneof![3 => Just(Verdict::Approved), 2 => Just(Verdict::Rejected), 1 => Just(Verdict::Left)];
    prop_oneof![
        15 => of_people(S::PEOPLE),
        6 => of_units(S::PEOPLE),
        2 => of_the_control_plane(),
        1 => own.prop_map(Step::Own),
        6 => run.prop_map(Step::Run),
    ]
}

fn of_people<Own: Debug + 'static>(people: usize) -> impl Strategy<Value = Step<Own>> {
    let (who, place) = (0..people, 0..PLACES.len());
    let when = prop_oneof![Just(Expiry::Never), Just(Expiry::Past), Just(Expiry::Soon)];
    prop_oneof![
        4 => (who.clone(), place.clone()).prop_map(|(who, place)| Step::Join { who, place }),
        2 => who.clone().prop_map(|who| Step::Leave { who }),
        1 => who.clone().prop_map(|who| Step::Replace { who }),
        1 => (who.clone(), place.clone()).prop_map(|(who, place)| Step::Return { who, place }),
        2 => (who.clone(), 0..4u8).prop_map(|(who, title)| Step::Title { who, title }),
        2 => (who.clone(), 0..3u8).prop_map(|(who, name)| Step::Rename { who, name }),
        1 => (who.clone(), place).prop_map(|(who, place)| Step::Move { who, place }),
        1 => who.clone().prop_map(|who| Step::Hide { who }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, locked)| Step::Lock { who, locked }),
        1 => (who.clone(), when).prop_map(|(who, when)| Step::Expire { who, when }),
        1 => (who.clone(), who).prop_map(|(who, boss)| Step::Boss { who, boss }),
    ]
}

fn of_units<Own: Debug + 'static>(people: usize) -> impl Strategy<Value = Step<Own>> {
    let group = 0..GROUPS;
    prop_oneof![
        3 => (group.clone(), 0..people).prop_map(|(group, who)| Step::Member { group, who }),
        2 => (group.clone(), group.clone()).prop_map(|(group, inner)| Step::Nest { group, inner }),
        1 => (group, 0..2u8).prop_map(|(group, name)| Step::RenameGroup { group, name }),
        1 => (0..PLACES.len(), 0..2u8).prop_map(|(place, name)| Step::RenameUnit { place, name }),
    ]
}

fn of_the_control_plane<Own: Debug + 'static>() -> impl Strategy<Value = Step<Own>> {
    prop_oneof![
        3 => (0..SWITCHES.len(), any::<bool>()).prop_map(|(which, on)| Step::Switch { which, on }),
        3 => (0..POLICIES).prop_map(|which| Step::Policy { which }),
        1 => (0..8u8).prop_map(|after| Step::AgentDies { after }),
    ]
}
