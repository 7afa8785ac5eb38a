//! Made-up histories: what happens in a directory and to an account between runs.

use crate::{
    account::{Account, local},
    directory::{Directory, Group, Person, person},
};
use adc_core::{
    plan::{StatusBy, UserStatus},
    settings::Settings,
};
use proptest::{collection, option, prelude::*};
use std::collections::BTreeSet;

/// People who may come, go and return; few, so that much happens to each of them.
const PEOPLE: usize = 8;
/// As few names as people, so that they collide, swap and change hands; the last one is the first in capitals.
const NAMES: [&str; 8] = ["ann", "ben", "cem", "dea", "eve", "fay", "gus", "ANN"];
const BADGES: [&str; 3] = ["a1", "b2", "A1"];
const TITLES: [&str; 2] = ["Engineer", "Manager"];
const ORG_UNITS: [&str; 3] = ["people", "it", "graz"];
const GROUPS: usize = 2;
/// Milliseconds that may pass between two runs.
const PAUSE: i64 = 1_000;

/// What happens between two runs, and the terms of the run then.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) events: Vec<Event>,
    pub(crate) acts: Vec<Act>,
    pub(crate) settings: Settings,
    pub(crate) pause: i64,
}

/// What happens in the directory.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Joins(usize, Person),
    Leaves(usize),
    LeavesScope(usize),
    IsRenamed(usize, String),
    Swap(usize, usize),
    /// Somebody leaves and another gets the name.
    IsReplaced(usize, usize),
    IsChanged(usize, Option<String>),
    Moves(usize, String),
    IsActive(usize, bool),
    Expires(usize, Option<i64>),
    IsExcluded(usize, bool),
    IsBroken(usize, bool),
    GetsBadge(usize, Option<String>),
    GroupIs(usize, Option<Group>),
    OrgUnitIs(String, bool),
}

/// What an administrator does in the control plane; users are counted in the order of their ids.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Adds(String),
    Disables(usize),
    Enables(usize),
    MakesOwner(usize, bool),
    MakesAdministrator(usize, bool),
    GivesResources(usize, bool),
}

/// Which acts a history may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acts {
    /// None.
    None,
    /// Local users may be added.
    Adding,
    /// All of them.
    All,
}

/// Up to six steps, on terms made by `settings`.
pub(crate) fn history(
    settings: impl Strategy<Value = Settings> + Clone,
    acts: Acts,
) -> impl Strategy<Value = Vec<Step>> {
    collection::vec(step(settings, acts), 1..=6)
}

/// All switches but dry-run, in any combination.
pub(crate) fn any_settings() -> impl Strategy<Value = Settings> + Clone {
    proptest::array::uniform6(proptest::bool::weighted(0.2)).prop_map(
        |[no_update, no_create, no_delete, delete_disables, adopting, create_as_disabled]| Settings {
            dry_run: None,
            no_update: Some(no_update),
            no_create: Some(no_create),
            no_delete: Some(no_delete),
            delete_disables: Some(delete_disables),
            no_update_provider_mismatch: Some(!adopting),
            create_as_disabled: Some(create_as_disabled),
        },
    )
}

/// Plays a history from nothing: before each run the directory changes and the administrator acts; `run` runs.
pub(crate) fn play(steps: &[Step], mut run: impl FnMut(&mut Account, &Directory, Settings, i64)) {
    let (mut account, mut directory, mut now) = (Account::default(), Directory::default(), 0);
    for step in steps {
        now += step.pause;
        for event in &step.events {
            event.happens_in(&mut directory, now);
        }
        for act in &step.acts {
            act.is_done_to(&mut account);
        }
        run(&mut account, &directory, step.settings, now);
    }
}

impl Event {
    fn happens_in(&self, directory: &mut Directory, now: i64) {
        let people = &mut directory.people;
        let mut change = |who: &usize, change: &dyn Fn(&mut Person)| {
            if let Some(person) = people.get_mut(&id(*who)) {
                change(person);
            }
        };
        match self {
            Self::IsRenamed(who, name) => change(who, &|person| person.name.clone_from(name)),
            Self::IsChanged(who, title) => change(who, &|person| person.title.clone_from(title)),
            Self::Moves(who, org_unit) => change(who, &|person| person.org_unit.clone_from(org_unit)),
            Self::IsActive(who, active) => change(who, &|person| person.active = *active),
            Self::Expires(who, after) => change(who, &|person| {
                person.expires_at = after.map(|after| now + after);
            }),
            Self::IsExcluded(who, excluded) => change(who, &|person| person.excluded = *excluded),
            Self::IsBroken(who, broken) => change(who, &|person| person.broken = *broken),
            Self::GetsBadge(who, badge) => change(who, &|person| person.badge.clone_from(badge)),
            Self::Joins(who, person) => {
                directory.outside.remove(&id(*who));
                people.insert(id(*who), person.clone());
            }
            Self::Leaves(who) => {
                people.remove(&id(*who));
            }
            Self::LeavesScope(who) => {
                people.remove(&id(*who));
                directory.outside.insert(id(*who));
            }
            Self::Swap(one, other) => {
                let names = [one, other].map(|who| people.get(&id(*who)).map(|person| person.name.clone()));
                if let [Some(own), Some(others)] = names {
                    people.get_mut(&id(*one)).expect("is there").name = others;
                    people.get_mut(&id(*other)).expect("is there").name = own;
                }
            }
            Self::IsReplaced(who, by) => {
                if let Some(leaver) = people.remove(&id(*who)) {
                    people.insert(id(*by), person(&leaver.name));
                }
            }
            Self::GroupIs(which, Some(group)) => {
                directory.groups.insert(format!("g{which}"), group.clone());
            }
            Self::GroupIs(which, None) => {
                directory.groups.remove(&format!("g{which}"));
            }
            Self::OrgUnitIs(name, true) => {
                directory.org_units.insert(name.clone());
            }
            Self::OrgUnitIs(name, false) => {
                directory.org_units.remove(name);
            }
        }
    }
}

impl Act {
    fn is_done_to(&self, account: &mut Account) {
        let (who, change): (usize, &dyn Fn(&mut adc_core::plan::User)) = match self {
            Self::Adds(name) => {
                let user = local(name);
                if account.holder(name).is_none() && !account.users.contains_key(&user.id) {
                    account.users.insert(user.id.clone(), user);
                }
                return;
            }
            // To disable whom the directory disabled already is a word, too.
            Self::Disables(who) => (*who, &|user| {
                (user.status, user.status_by) = (UserStatus::Disabled, StatusBy::Administrator);
            }),
            Self::Enables(who) => (*who, &|user| {
                if user.status == UserStatus::Disabled {
                    (user.status, user.status_by) = (UserStatus::Active, StatusBy::Administrator);
                }
            }),
            Self::MakesOwner(who, owner) => (*who, &|user| user.account_owner = *owner),
            Self::MakesAdministrator(who, administrator) => {
                (*who, &|user| user.administrator = *administrator)
            }
            Self::GivesResources(who, owns) => {
                (*who, &|user| user.owns = if *owns { vec!["bot:42".to_owned()] } else { Vec::new() })
            }
        };
        let users = account.users.len();
        if users > 0
            && let Some(user) = account.users.values_mut().nth(who % users)
            && user.status != UserStatus::Deleted
        {
            change(user);
        }
    }
}

fn step(settings: impl Strategy<Value = Settings>, acts: Acts) -> impl Strategy<Value = Step> {
    let most_acts = if acts == Acts::None { 0 } else { 3 };
    let acts = collection::vec(act(acts), 0..=most_acts);
    (collection::vec(event(), 0..=10), acts, settings, 0..=2 * PAUSE)
        .prop_map(|(events, acts, settings, pause)| Step { events, acts, settings, pause })
}

fn event() -> impl Strategy<Value = Event> {
    let who = || 0..PEOPLE;
    prop_oneof![
        6 => (who(), a_person()).prop_map(|(who, person)| Event::Joins(who, person)),
        3 => who().prop_map(Event::Leaves),
        1 => who().prop_map(Event::LeavesScope),
        3 => (who(), name()).prop_map(|(who, name)| Event::IsRenamed(who, name)),
        2 => (who(), who()).prop_map(|(one, other)| Event::Swap(one, other)),
        1 => (who(), who()).prop_map(|(who, by)| Event::IsReplaced(who, by)),
        1 => (who(), title()).prop_map(|(who, title)| Event::IsChanged(who, title)),
        1 => (who(), org_unit()).prop_map(|(who, org_unit)| Event::Moves(who, org_unit)),
        3 => (who(), any::<bool>()).prop_map(|(who, active)| Event::IsActive(who, active)),
        1 => (who(), option::of(-PAUSE..=3 * PAUSE)).prop_map(|(who, after)| Event::Expires(who, after)),
        2 => (who(), any::<bool>()).prop_map(|(who, excluded)| Event::IsExcluded(who, excluded)),
        2 => (who(), any::<bool>()).prop_map(|(who, broken)| Event::IsBroken(who, broken)),
        1 => (who(), badge()).prop_map(|(who, badge)| Event::GetsBadge(who, badge)),
        1 => (0..GROUPS, option::of(group())).prop_map(|(which, group)| Event::GroupIs(which, group)),
        1 => (org_unit(), any::<bool>()).prop_map(|(name, there)| Event::OrgUnitIs(name, there)),
    ]
}

fn act(acts: Acts) -> BoxedStrategy<Act> {
    let adds = name().prop_map(Act::Adds);
    if acts != Acts::All {
        return adds.boxed();
    }
    let who = || 0..PEOPLE;
    prop_oneof![
        adds,
        who().prop_map(Act::Disables),
        who().prop_map(Act::Enables),
        (who(), any::<bool>()).prop_map(|(who, owner)| Act::MakesOwner(who, owner)),
        (who(), any::<bool>()).prop_map(|(who, administrator)| Act::MakesAdministrator(who, administrator)),
        (who(), any::<bool>()).prop_map(|(who, owns)| Act::GivesResources(who, owns)),
    ]
    .boxed()
}

fn a_person() -> impl Strategy<Value = Person> {
    (
        name(),
        proptest::bool::weighted(0.75),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
        badge(),
    )
        .prop_map(|(name, active, excluded, broken, badge)| Person {
            active,
            excluded,
            broken,
            badge,
            ..person(&name)
        })
}

fn group() -> impl Strategy<Value = Group> {
    (name(), collection::btree_set(0..PEOPLE, 0..4)).prop_map(|(name, members)| Group {
        name,
        members: members.into_iter().map(id).collect::<BTreeSet<_>>(),
    })
}

fn name() -> impl Strategy<Value = String> {
    one_of(&NAMES)
}

fn title() -> impl Strategy<Value = Option<String>> {
    option::of(one_of(&TITLES))
}

fn org_unit() -> impl Strategy<Value = String> {
    one_of(&ORG_UNITS)
}

fn badge() -> impl Strategy<Value = Option<String>> {
    option::weighted(0.3, one_of(&BADGES))
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(texts).prop_map(str::to_owned)
}

fn id(who: usize) -> String {
    format!("p{who:02}")
}
