//! Two directories that feed one account: people of both claim the same names, and have the same ids.

use crate::world::{BASE, Directory, World, group, person};
use adc_core::{
    plan::{Provider, UserStatus},
    protocol::{Change, RunReport, RunState},
    reason::Reason,
    record::{Kind, Record},
};
use adc_server::{
    runs::AgentIdentity,
    store::{ChangesFilter, UsersFilter},
};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use std::collections::{BTreeMap, BTreeSet};

/// People of each directory, by their ids.
const PEOPLE: [&str; 4] = ["p0", "p1", "p2", "p3"];
/// The names that all of them share.
const NAMES: [&str; 5] = ["ann", "ben", "cem", "dea", "eve"];
/// A name that nobody claims before the end.
const LAST: &str = "zoe";
/// Longer than removals add up for a guard, in milliseconds.
const SOME_DAYS: i64 = 48 * 60 * 60 * 1000;

/// What happens to one of the two directories.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody has this name from now on; whoever had it there has theirs, or none if they are new.
    Called(usize, &'static str, &'static str),
    Leaves(usize, &'static str),
    Imports(usize),
}

/// Who is in a directory, by id, and how they are called.
type People = BTreeMap<&'static str, &'static str>;

/// Somebody of one of the directories.
type Whose = (usize, &'static str);

/// What the account holds: of which directory, by id, who is called how, and whether they are deleted.
type Users = BTreeMap<Whose, (&'static str, bool)>;

/// What the account holds, and what is remembered of who has whom.
#[derive(Debug, Default)]
struct Expected {
    users: Users,
    /// Who got what they claimed when their directory was imported last.
    in_step: BTreeSet<Whose>,
    /// Whom the other directory took over since.
    lost: BTreeSet<Whose>,
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(64) })]

    #[test]
    fn a_name_is_whose_directory_had_it_first_until_they_give_it_up(steps in vec(step(), 1..40)) {
        block_on(play(&steps, [false, false]));
    }

    #[test]
    fn a_directory_that_adopts_takes_names_over_and_the_other_hears_of_it(
        steps in vec(step(), 1..40),
        so_does_the_other in any::<bool>(),
    ) {
        block_on(play(&steps, [so_does_the_other, true]));
    }
}

fn step() -> impl Strategy<Value = Step> {
    let whose = || (0..2_usize, prop::sample::select(&PEOPLE[..]));
    prop_oneof![
        4 => (whose(), prop::sample::select(&NAMES[..])).prop_map(|((at, who), name)| Step::Called(at, who, name)),
        1 => whose().prop_map(|(at, who)| Step::Leaves(at, who)),
        3 => (0..2_usize).prop_map(Step::Imports),
    ]
}

fn block_on(play: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds").block_on(play);
}

/// Plays a sequence; each directory adopts users of the other, or leaves them alone.
async fn play(steps: &[Step], adopts: [bool; 2]) {
    let mut world = World::new().await;
    let agents = [world.agent.clone(), world.another_source().await];
    let mut people: [People; 2] = [[("p0", "ann")].into(), [("p0", "ben")].into()];
    let mut expected = Expected::default();
    for step in steps {
        match step {
            Step::Called(at, who, name) => call(&mut people[*at], who, name),
            // A directory that nobody is read from is an error, and not what is tried here.
            Step::Leaves(at, who) if people[*at].len() > 1 => drop(people[*at].remove(who)),
            Step::Leaves(..) => {}
            Step::Imports(at) => import(&mut world, &agents, *at, adopts, &people[*at], &mut expected).await,
        }
    }
    // One of them gives up every name: the other gets what it claims.
    people[1] = [("p3", LAST)].into();
    for at in [1, 0] {
        import(&mut world, &agents, at, adopts, &people[at], &mut expected).await;
    }
    for (who, name) in &people[0] {
        assert_eq!(expected.users[&(0, *who)], (*name, false));
    }
}

/// Somebody is called so from now on; whoever was takes their name, if they had one.
fn call(people: &mut People, who: &'static str, name: &'static str) {
    let other = people.iter().find(|(other, theirs)| **other != who && **theirs == name);
    let other = other.map(|(other, _)| *other);
    match (other, people.insert(who, name)) {
        (Some(other), Some(before)) => drop(people.insert(other, before)),
        (Some(other), None) => drop(people.remove(other)),
        (None, _) => {}
    }
}

/// Imports a directory and compares what the account holds then with what it should.
async fn import(
    world: &mut World,
    agents: &[AgentIdentity; 2],
    at: usize,
    adopts: [bool; 2],
    people: &People,
    expected: &mut Expected,
) {
    world.settings.no_update_provider_mismatch = Some(!adopts[at]);
    world.pass_time(SOME_DAYS);
    world.agent = agents[at].clone();
    let mut directory = Directory::default();
    for (who, name) in people {
        // Each in a container of their own: who leaves one alone leaves like anybody.
        directory.put(Record { dn: format!("uid={who},ou={who},{BASE}"), ..person(who, name) });
    }
    let report = world.import(&directory).await.expect("imports");
    let conflicts = follow(expected, at, adopts[at], people);
    assert_eq!((report.state, report.counts.conflict), (RunState::Applied, conflicts), "{report:?}");
    assert_eq!(users(world, agents).await, expected.users);
}

/// What an import makes of the users; returns how many people do not get the name they claim.
fn follow(expected: &mut Expected, at: usize, adopts: bool, people: &People) -> u64 {
    let Expected { users, in_step, lost } = expected;
    for ((_, who), (_, deleted)) in users.iter_mut().filter(|((of, _), _)| *of == at) {
        *deleted |= !people.contains_key(who);
    }
    let holder_elsewhere = |users: &Users, (at, who): Whose| {
        let claims =
            users.iter().find(|((of, _), user)| *of != at && people.get(who) == Some(&user.0) && !user.1);
        claims.map(|(holder, _)| *holder).filter(|_| !users.contains_key(&(at, who)))
    };
    // Whoever was taken over is left alone until the other directory gives the name up.
    lost.retain(|whose| whose.0 != at || holder_elsewhere(users, *whose).is_some());
    for (who, name) in people.iter().filter(|_| adopts) {
        if let Some(holder) = holder_elsewhere(users, (at, *who)).filter(|_| !lost.contains(&(at, *who))) {
            users.remove(&holder);
            users.insert((at, who), (name, false));
            if in_step.remove(&holder) {
                lost.insert(holder);
            }
        }
    }
    let mut granted = people.clone();
    // Whoever claims what its holder keeps keeps their own, which somebody else may have counted on.
    while let Some(who) = granted.iter().find(|(who, name)| is_kept(users, &granted, (at, who), name)) {
        let who = *who.0;
        granted.remove(who);
    }
    users.extend(granted.iter().map(|(who, name)| ((at, *who), (*name, false))));
    in_step.retain(|(of, _)| *of != at);
    in_step.extend(granted.keys().map(|who| (at, *who)));
    (people.len() - granted.len()) as u64
}

/// Whether somebody other than `whose` keeps the name when these names are granted.
fn is_kept(users: &Users, granted: &People, whose: (usize, &str), name: &str) -> bool {
    users.iter().any(|((of, who), (held, deleted))| {
        let gives_it_up = *of == whose.0 && granted.get(who).is_some_and(|next| next != held);
        !deleted && *held == name && (*of, *who) != whose && !gives_it_up
    })
}

/// Everybody the account holds.
async fn users(world: &World, agents: &[AgentIdentity; 2]) -> Users {
    let mut users = Users::new();
    for status in [None, Some(UserStatus::Deleted)] {
        let filter = UsersFilter { status, pattern: None };
        let shown = world.store.users(&world.agent.account_id, &filter, None, 100).await.expect("reads");
        for (_, user) in shown {
            let Provider::Directory { synchronization_id, source_id, .. } = user.provider else {
                panic!("{user:?} is nobody's")
            };
            let at = agents.iter().position(|agent| agent.synchronization_id == synchronization_id);
            let who = PEOPLE.into_iter().find(|who| *who == source_id);
            let is_called = |name: &&str| format!("{name}@lg.local") == user.state.username;
            let name = NAMES.into_iter().chain([LAST]).find(is_called);
            let whose = (at.expect("is of one of the two"), who.expect("is one of them"));
            let twice = users.insert(whose, (name.expect("is one of theirs"), status.is_some()));
            assert_eq!(twice, None, "{whose:?} has two users");
        }
    }
    users
}

#[tokio::test]
async fn groups_of_two_directories_stay_apart_though_ids_and_dns_are_the_same() {
    let mut world = World::new().await;
    let agents = [world.agent.clone(), world.another_source().await];
    let mut directories = [("ann", "ben"), ("cem", "dea")].map(|(one, other)| {
        let mut directory = Directory::default();
        directory.put(person("p0", one));
        directory.put(person("p1", other));
        directory.put(group("staff", &["p0", "p1"]));
        directory
    });
    for at in [0, 1] {
        world.agent = agents[at].clone();
        assert_eq!(world.import(&directories[at]).await.expect("imports").counts.create, 3);
    }
    assert_eq!(staff(&world, &agents).await, [["ann", "ben"], ["cem", "dea"]]);

    world.agent = agents[0].clone();
    directories[0].put(group("staff", &["p1"]));
    world.import(&directories[0]).await.expect("imports");
    assert_eq!(staff(&world, &agents).await, [vec!["ben"], vec!["cem", "dea"]]);

    directories[0].objects.remove(&(Kind::Group, "staff".to_owned()));
    world.import(&directories[0]).await.expect("imports");
    assert_eq!(staff(&world, &agents).await, [vec![], vec!["cem", "dea"]]);
}

/// The names of whom the group of each directory lists; nobody where there is none.
async fn staff(world: &World, agents: &[AgentIdentity; 2]) -> [Vec<String>; 2] {
    let mut staff = [Vec::new(), Vec::new()];
    let account_id = &world.agent.account_id;
    for group in world.store.units(account_id, Kind::Group, None, None, 10).await.expect("reads") {
        let at = agents.iter().position(|agent| agent.synchronization_id == group.synchronization_id);
        let members = world.store.direct_members(&group, None, 10).await.expect("reads");
        let names = members.into_iter().map(|member| {
            let name = member.resolved.expect("is in the account").name;
            name.trim_end_matches("@lg.local").to_owned()
        });
        let names: BTreeSet<_> = names.collect();
        staff[at.expect("is of one of the two")] = names.into_iter().collect();
    }
    staff
}

#[tokio::test]
async fn whom_another_directory_took_over_stayed_synced_where_they_have_no_user_any_more() {
    let mut world = World::new().await;
    let agents = [world.agent.clone(), world.another_source().await];
    let directory = Directory::of(&["ann", "ben"]);
    world.import(&directory).await.expect("imports");
    world.settings.no_update_provider_mismatch = Some(false);
    world.agent = agents[1].clone();
    assert_eq!(world.import(&Directory::of(&["ann"])).await.expect("imports").counts.update, 1);

    world.settings.no_update_provider_mismatch = None;
    world.agent = agents[0].clone();
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.unchanged), (1, 1), "{report:?}");
}

#[tokio::test]
async fn two_directories_that_both_adopt_took_a_person_from_each_other_at_every_run() {
    let mut world = World::new().await;
    let agents = [world.agent.clone(), world.another_source().await];
    let directory = Directory::of(&["ann", "ben"]);
    world.import(&directory).await.expect("imports");
    world.settings.no_update_provider_mismatch = Some(false);
    world.agent = agents[1].clone();
    let branch = Directory::of(&["ann"]);
    assert_eq!(world.import(&branch).await.expect("imports").counts.update, 1);
    for _ in 0..2 {
        world.agent = agents[0].clone();
        let left_alone = world.import(&directory).await.expect("imports");
        assert_eq!((left_alone.counts.conflict, left_alone.counts.unchanged), (1, 1), "{left_alone:?}");
        let said = &changes_of(&world, &left_alone).await[0];
        assert_eq!(said.reason, Reason::AdoptedElsewhere);
        assert!(
            said.detail.as_ref().is_some_and(|told| told.ends_with("called \"another directory\"")),
            "{said:?}"
        );
        world.agent = agents[1].clone();
        assert_eq!(world.import(&branch).await.expect("imports").counts.unchanged, 1);
    }

    // The way back: the switch is turned on where the person is now.
    world.settings.no_update_provider_mismatch = None;
    assert_eq!(world.import(&branch).await.expect("imports").counts.unchanged, 1);
    world.settings.no_update_provider_mismatch = Some(false);
    world.agent = agents[0].clone();
    assert_eq!(world.import(&directory).await.expect("imports").counts.update, 1);
    // And not even the switch that is turned off again begins it anew.
    for (agent, of_them, alone) in [(1, &branch, 1), (0, &directory, 0), (1, &branch, 1)] {
        world.agent = agents[agent].clone();
        let report = world.import(of_them).await.expect("imports");
        assert_eq!((report.counts.conflict, report.counts.effective()), (alone, 0), "{report:?}");
    }
}

#[tokio::test]
async fn whom_the_other_directory_had_no_more_stayed_disabled() {
    let mut world = World::new().await;
    world.settings.no_update_provider_mismatch = Some(false);
    world.settings.delete_disables = Some(true);
    let agents = [world.agent.clone(), world.another_source().await];
    let directory = Directory::of(&["ann", "ben"]);
    world.import(&directory).await.expect("imports");
    world.agent = agents[1].clone();
    world.import(&Directory::of(&["ann", "zoe"])).await.expect("imports");
    world.agent = agents[0].clone();
    assert_eq!(world.import(&directory).await.expect("imports").counts.conflict, 1);
    world.agent = agents[1].clone();
    assert_eq!(world.import(&Directory::of(&["zoe"])).await.expect("imports").counts.disable, 1);
    world.agent = agents[0].clone();
    let back = world.import(&directory).await.expect("imports");
    assert_eq!((back.counts.conflict, back.counts.effective()), (0, 1), "{back:?}");
    let active = UsersFilter { status: Some(UserStatus::Active), pattern: None };
    let active = world.store.users(&world.agent.account_id, &active, None, 10).await.expect("reads");
    assert_eq!(active.len(), 3, "ann among them");
}

/// The lines of a run's plan.
async fn changes_of(world: &World, report: &RunReport) -> Vec<Change> {
    let all = ChangesFilter::default();
    let lines = world.store.changes(&world.agent.account_id, &report.run_id, &all, i64::MIN, 10);
    lines.await.expect("reads").into_iter().map(|line| line.change).collect()
}
