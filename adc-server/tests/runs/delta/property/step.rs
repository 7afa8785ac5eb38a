//! What may happen to the directory, between two runs, and to them.

use proptest::{prelude::*, sample::Index};

use super::company::{GROUPS, PEOPLE, PLACES};

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
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
    /// An account expires so many hours from now, or has expired so many hours ago.
    Expire {
        who: u8,
        hours: i64,
    },
    /// An account expires after a run saw that it will, without anything being written.
    Lapse {
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
    /// So many hours pass.
    Pass {
        hours: i64,
    },
    Switch {
        which: Switch,
        on: bool,
    },
    Rule(Rule),
    /// The feed loses its log: it sweeps the next time.
    LoseLog,
    /// An agent opens a run, names what was touched, and is never heard of again.
    AgentDies,
    /// A run, and what an administrator says if its plan is held.
    Run(Verdict),
}

/// A switch of adc.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Switch {
    NoCreate,
    NoUpdate,
    NoDelete,
    DeleteDisables,
    /// What it did stays when it is turned off.
    CreateAsDisabled,
}

/// A policy, by what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Default,
    /// Whoever has the first title is left out.
    ExcludesJuniors,
    /// Whoever leaves is held.
    HoldsLeavers,
    /// Newcomers are recognized, and nothing else.
    AddsNobody,
}

/// What an administrator says to a plan that is held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict {
    Approved,
    Rejected,
    /// Nothing: the next run supersedes it.
    Left,
}

/// Fewer than so many steps, and somewhere among them a story that hardly ever comes about by chance.
pub(super) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let story = prop_oneof![turned_down(), edited()];
    (proptest::collection::vec(step(), 1..most), story, any::<Index>()).prop_map(|(mut steps, story, at)| {
        let at = at.index(steps.len());
        steps.splice(at..at, story);
        steps
    })
}

/// Somebody leaves, the plan is turned down, and nothing else happens until the next run: it has to find the same again.
fn turned_down() -> impl Strategy<Value = Vec<Step>> {
    (0..PEOPLE).prop_map(|who| {
        vec![
            Step::Switch { which: Switch::NoDelete, on: false },
            Step::Write { who, title: 0 },
            Step::Rule(Rule::HoldsLeavers),
            Step::Run(Verdict::Approved),
            Step::Remove { who },
            Step::Run(Verdict::Rejected),
            Step::Run(Verdict::Approved),
        ]
    })
}

/// A rule comes, and goes, that leaves somebody out to whom nothing happened.
fn edited() -> impl Strategy<Value = Vec<Step>> {
    (0..PEOPLE).prop_map(|who| {
        vec![
            Step::Rule(Rule::Default),
            Step::Write { who, title: 1 },
            Step::Run(Verdict::Approved),
            Step::Rule(Rule::ExcludesJuniors),
            Step::Run(Verdict::Approved),
            Step::Rule(Rule::Default),
            Step::Run(Verdict::Approved),
        ]
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![18 => of_people(), 7 => of_units(), 4 => of_the_control_plane(), 6 => run()]
}

fn of_people() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE;
    prop_oneof![
        4 => (who.clone(), 0..4u8).prop_map(|(who, title)| Step::Write { who, title }),
        1 => (who.clone(), 0..PEOPLE).prop_map(|(who, whose)| Step::TakeName { who, whose }),
        3 => (who.clone(), 0..3u8, 0..PLACES.len()).prop_map(|(who, name, place)| Step::Move { who, name, place }),
        2 => who.clone().prop_map(|who| Step::Remove { who }),
        2 => who.clone().prop_map(|who| Step::Hide { who }),
        1 => who.clone().prop_map(|who| Step::Replace { who }),
        2 => (who.clone(), 0..PEOPLE).prop_map(|(who, manager)| Step::Manage { who, manager }),
        1 => who.clone().prop_map(|who| Step::Disable { who }),
        1 => (who.clone(), -2..4i64).prop_map(|(who, hours)| Step::Expire { who, hours }),
        2 => who.prop_map(|who| Step::Lapse { who }),
    ]
}

fn of_units() -> impl Strategy<Value = Step> {
    let group = 0..GROUPS;
    prop_oneof![
        3 => (group.clone(), 0..PEOPLE).prop_map(|(group, who)| Step::Member { group, who }),
        2 => (group.clone(), 0..GROUPS).prop_map(|(group, inner)| Step::Nest { group, inner }),
        1 => group.prop_map(|group| Step::Disband { group }),
        1 => (0..PLACES.len(), 0..2u8).prop_map(|(place, name)| Step::RenameUnit { place, name }),
    ]
}

fn of_the_control_plane() -> impl Strategy<Value = Step> {
    let switch = prop_oneof![
        3 => Just(Switch::NoCreate),
        3 => Just(Switch::NoUpdate),
        3 => Just(Switch::NoDelete),
        3 => Just(Switch::DeleteDisables),
        1 => Just(Switch::CreateAsDisabled),
    ];
    let rule = prop_oneof![
        Just(Rule::Default),
        Just(Rule::ExcludesJuniors),
        Just(Rule::HoldsLeavers),
        Just(Rule::AddsNobody)
    ];
    prop_oneof![
        2 => (switch, any::<bool>()).prop_map(|(which, on)| Step::Switch { which, on }),
        2 => rule.prop_map(Step::Rule),
        2 => (1..6i64).prop_map(|hours| Step::Pass { hours }),
        1 => Just(Step::LoseLog),
        1 => Just(Step::AgentDies),
    ]
}

fn run() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Run(Verdict::Approved)),
        2 => Just(Step::Run(Verdict::Rejected)),
        1 => Just(Step::Run(Verdict::Left)),
    ]
}
