//! People whom the directory had locked out and who are enabled: unlocked, or the mark went out of sight.

use crate::{
    configuration::{contractors, rule, showing},
    world::{Directory, World},
};
use adc_core::{
    policy::{ExcludeRule, Policy},
    protocol::{Fingerprint, RunReport, RunState},
    reason::Reason,
    record::{Kind, Problem},
    settings::Settings,
};

/// So many people, the first of them marked as inactive.
fn locked(people: usize, locked: usize) -> Directory {
    let mut directory = Directory::people(people);
    for number in 0..locked {
        directory.user(&format!("{number:05}")).active = false;
    }
    directory
}

/// The same of a directory that has dates of expiry: those of the first have passed.
fn expired(people: usize, expired: usize) -> Directory {
    let mut directory = Directory::people(people);
    for number in 0..expired {
        directory.user(&format!("{number:05}")).expires_at = Some(1);
    }
    directory
}

async fn of_active_directory() -> World {
    let mut world = World::new().await;
    let preset = [(Fingerprint::PRESET.to_owned(), "active-directory".to_owned())].into();
    world.fingerprint = Fingerprint { effective: preset, ..Fingerprint::default() };
    world
}

/// The rest of the directory while those who are locked out are out of sight.
fn without_the_first(directory: &Directory, people: usize) -> Directory {
    let mut rest = directory.clone();
    for number in 0..people {
        rest.remove(&format!("{number:05}"));
    }
    rest
}

/// The first are left out by the rule for contractors.
fn excluded(mut directory: Directory, people: usize) -> Directory {
    for number in 0..people {
        let person = directory.user(&format!("{number:05}"));
        person.excluded_by = Some("contractors".to_owned());
        person.shows = Some(showing("employeetype"));
    }
    directory
}

/// A world that has seen sixty people, and then has not seen the forty of them who are locked out.
async fn out_of_sight(settings: Settings) -> World {
    let world = World::with(settings, None, None).await;
    world.import(&locked(60, 40)).await.expect("imports");
    approve(&world, &world.import(&without_the_first(&locked(60, 40), 40)).await.expect("runs")).await;
    world
}

/// Approves the plan, if it is held.
async fn approve(world: &World, report: &RunReport) {
    if report.state == RunState::Held {
        world.engine.approve(&world.agent.account_id, &report.run_id).await.expect("is approved");
    }
}

fn assert_lets_in(report: &RunReport, people: u64, of: u64) {
    let reasons: Vec<_> = report.held_because.iter().map(|held| held.reason).collect();
    assert_eq!((report.state, reasons), (RunState::Held, vec![Reason::GuardEnabled]), "{report:?}");
    let detail = &report.held_because[0].detail;
    assert!(detail.starts_with(&format!("{people} of {of} people")), "{detail}");
}

fn assert_held(report: &RunReport, enable: u64) {
    let reasons: Vec<_> = report.held_because.iter().map(|held| held.reason).collect();
    assert_eq!((report.state, reasons), (RunState::Held, vec![Reason::GuardEnabled]));
    assert_eq!(report.counts.enable, enable);
}

fn assert_applied(report: &RunReport, enable: u64) {
    assert_eq!((report.state, report.counts.enable), (RunState::Applied, enable), "{report:?}");
}

#[tokio::test]
async fn the_attribute_that_locks_people_out_was_hidden_and_all_were_enabled() {
    let world = World::new().await;
    world.import(&locked(60, 40)).await.expect("imports");
    let held = world.import(&locked(60, 0)).await.expect("runs");
    assert_held(&held, 40);
    assert!(held.held_because[0].detail.starts_with("40 of 40 people"), "{held:?}");
    world.engine.approve(&world.agent.account_id, &held.run_id).await.expect("is approved");
    assert_eq!(world.import(&locked(60, 0)).await.expect("imports").counts.unchanged, 60);
}

#[tokio::test]
async fn whoever_is_unlocked_is_enabled_and_they_add_up_within_a_day() {
    let world = World::new().await;
    world.import(&locked(9, 4)).await.expect("imports");
    assert_applied(&world.import(&locked(9, 3)).await.expect("imports"), 1);
    assert_applied(&world.import(&locked(9, 2)).await.expect("imports"), 1);
    assert_held(&world.import(&locked(9, 1)).await.expect("runs"), 1);
    world.pass_time(24 * 60 * 60 * 1000 + 1);
    assert_applied(&world.import(&locked(9, 1)).await.expect("imports"), 1);
    world.pass_time(24 * 60 * 60 * 1000 + 1);
    assert_applied(&world.import(&locked(9, 0)).await.expect("imports"), 1);
}

#[tokio::test]
async fn no_update_for_one_run_hid_that_nobody_was_marked_any_more() {
    let mut world = World::new().await;
    world.import(&locked(60, 40)).await.expect("imports");
    world.settings.no_update = Some(true);
    assert_applied(&world.import(&locked(60, 0)).await.expect("imports"), 0);
    world.settings.no_update = None;
    assert_held(&world.import(&locked(60, 0)).await.expect("runs"), 40);
}

#[tokio::test]
async fn active_directory_says_itself_that_people_are_unlocked() {
    let world = of_active_directory().await;
    world.import(&locked(9, 4)).await.expect("imports");
    assert_applied(&world.import(&locked(9, 0)).await.expect("imports"), 4);
}

#[tokio::test]
async fn dates_of_expiry_were_hidden_and_everybody_who_had_expired_was_enabled() {
    let world = of_active_directory().await;
    world.import(&expired(9, 4)).await.expect("imports");
    assert_held(&world.import(&expired(9, 0)).await.expect("runs"), 4);
    let mut prolonged = expired(9, 4);
    for number in 0..4 {
        prolonged.user(&format!("{number:05}")).expires_at = Some(world.now() + 1);
    }
    assert_applied(&world.import(&prolonged).await.expect("imports"), 4);
}

#[tokio::test]
async fn the_locked_came_back_into_sight_without_their_mark_and_all_were_enabled() {
    let switches = [
        Settings { delete_disables: Some(true), ..Settings::default() },
        Settings { no_delete: Some(true), ..Settings::default() },
        // Removed, and restored.
        Settings::default(),
    ];
    for settings in switches {
        let world = out_of_sight(settings).await;
        assert_lets_in(&world.import(&locked(60, 0)).await.expect("runs"), 40, 40);
        let shown = world.import(&locked(60, 40)).await.expect("imports");
        assert_eq!((shown.state, shown.counts.enable), (RunState::Applied, 0), "{settings:?}");
        assert_held(&world.import(&locked(60, 0)).await.expect("runs"), 40);
    }
}

#[tokio::test]
async fn the_locked_came_back_in_conflict_or_while_a_switch_kept_them_out() {
    let world = out_of_sight(Settings::default()).await;
    let mut hidden = locked(60, 0);
    for number in 0..40 {
        let problem = Problem { reason: Reason::ClassHidden, detail: "the entry".to_owned() };
        hidden.user(&format!("{number:05}")).problem = Some(problem);
    }
    assert_eq!(world.import(&hidden).await.expect("imports").counts.conflict, 40);
    assert_lets_in(&world.import(&locked(60, 0)).await.expect("runs"), 40, 40);

    let mut world = out_of_sight(Settings::default()).await;
    world.settings.no_create = Some(true);
    assert_eq!(world.import(&locked(60, 0)).await.expect("imports").counts.skip, 40);
    world.settings.no_create = None;
    assert_lets_in(&world.import(&locked(60, 0)).await.expect("runs"), 40, 40);
}

#[tokio::test]
async fn locked_newcomers_who_waited_lost_their_mark_and_became_active_users() {
    let mut world = World::new().await;
    world.import(&without_the_first(&locked(60, 40), 40)).await.expect("imports");
    world.settings.no_create = Some(true);
    for locked_out in [40, 0] {
        assert_eq!(world.import(&locked(60, locked_out)).await.expect("imports").counts.skip, 40);
    }
    world.settings.no_create = None;
    assert_lets_in(&world.import(&locked(60, 0)).await.expect("runs"), 40, 40);
}

#[tokio::test]
async fn the_rule_that_left_the_locked_out_was_dropped_while_their_mark_was_hidden() {
    for (were_users, hidden_before) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = World::with(Settings::default(), Some(contractors()), None).await;
        if were_users {
            world.import(&locked(60, 40)).await.expect("imports");
        }
        approve(&world, &world.import(&excluded(locked(60, 40), 40)).await.expect("runs")).await;
        if hidden_before {
            let hidden = world.import(&excluded(locked(60, 0), 40)).await.expect("imports");
            assert_eq!((hidden.state, hidden.counts.effective()), (RunState::Applied, 0));
        }
        rule(&world, Policy::default()).await;
        assert_lets_in(&world.import(&locked(60, 0)).await.expect("runs"), 40, 40);
        let shown = world.import(&locked(60, 40)).await.expect("imports");
        assert_eq!((shown.state, shown.counts.conflict), (RunState::Applied, 0), "{shown:?}");
    }
}

#[tokio::test]
async fn the_mark_that_is_kept_of_somebody_told_for_what_rules_left_them_out() {
    let mut policy = contractors();
    let filter = "(title=guest)".parse().expect("a filter");
    policy.exclude.push(ExcludeRule { name: "guests".to_owned(), filter });
    for waits in [false, true] {
        let mut world = World::with(Settings::default(), Some(policy.clone()), None).await;
        world.import(&excluded(locked(9, 4), 4)).await.expect("imports");
        let mut guests = excluded(locked(9, 0), 4);
        for number in 0..4 {
            let guest = guests.user(&format!("{number:05}"));
            (guest.excluded_by, guest.shows) = (Some("guests".to_owned()), Some(showing("title")));
        }
        world.import(&guests).await.expect("imports");
        // They are employees, and show it: whether they are guests is hidden.
        let mut hidden = locked(9, 0);
        for number in 0..4 {
            hidden.user(&format!("{number:05}")).shows = Some(showing("employeetype"));
        }
        if waits {
            world.settings.no_create = Some(true);
            world.import(&hidden).await.expect("imports");
            world.settings.no_create = None;
        }
        let held = world.import(&hidden).await.expect("runs");
        let reasons: Vec<_> = held.held_because.iter().map(|held| held.reason).collect();
        assert_eq!(reasons, [Reason::GuardEnabled, Reason::GuardLetIn]);
        let detail = &held.held_because[1].detail;
        assert!(detail.starts_with("4 of 4 people whom rules left out for their title"), "{detail}");
    }
}

#[tokio::test]
async fn expired_people_came_back_into_sight_without_their_date_and_all_were_enabled() {
    let world = of_active_directory().await;
    world.import(&expired(9, 4)).await.expect("imports");
    approve(&world, &world.import(&without_the_first(&expired(9, 4), 4)).await.expect("runs")).await;
    assert_lets_in(&world.import(&expired(9, 0)).await.expect("runs"), 4, 4);

    let world = of_active_directory().await;
    rule(&world, contractors()).await;
    for directory in [expired(9, 4), expired(9, 0)] {
        world.import(&excluded(directory, 4)).await.expect("imports");
    }
    rule(&world, Policy::default()).await;
    assert_lets_in(&world.import(&expired(9, 0)).await.expect("runs"), 4, 4);
}

#[tokio::test]
async fn leavers_who_were_never_locked_come_back() {
    let world =
        World::with(Settings { delete_disables: Some(true), ..Settings::default() }, None, None).await;
    let everybody = locked(9, 0);
    world.import(&everybody).await.expect("imports");
    approve(&world, &world.import(&without_the_first(&everybody, 4)).await.expect("runs")).await;
    assert_applied(&world.import(&everybody).await.expect("imports"), 4);
}

#[tokio::test]
async fn one_person_unlocked_twice_within_a_day_was_two_and_held_everything() {
    let world = World::new().await;
    world.import(&locked(9, 1)).await.expect("imports");
    for _ in 0..3 {
        assert_applied(&world.import(&locked(9, 0)).await.expect("imports"), 1);
        world.import(&locked(9, 1)).await.expect("imports");
    }
    // Another one, while the first is locked out again.
    let mut other = locked(9, 1);
    other.user("00001").active = false;
    world.import(&other).await.expect("imports");
    assert_applied(&world.import(&locked(9, 1)).await.expect("imports"), 1);
}

#[tokio::test]
async fn whom_an_explicit_value_says_is_active_held_everything() {
    let unlocked = |people: usize| {
        let mut directory = locked(60, 0);
        for number in 0..people {
            directory.user(&format!("{number:05}")).shown_active = true;
        }
        directory
    };
    let world = World::new().await;
    world.import(&locked(60, 40)).await.expect("imports");
    assert_applied(&world.import(&unlocked(40)).await.expect("imports"), 40);
    let world = World::new().await;
    world.import(&locked(60, 40)).await.expect("imports");
    assert_lets_in(&world.import(&unlocked(10)).await.expect("runs"), 30, 40);
}

#[tokio::test]
async fn one_contractor_who_came_in_twice_within_a_day_was_two_and_held_everything() {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    world.import(&excluded(Directory::people(9), 1)).await.expect("imports");
    for _ in 0..3 {
        let came_in = world.import(&Directory::people(9)).await.expect("imports");
        assert_eq!((came_in.state, came_in.read.of(Kind::User)), (RunState::Applied, 9), "{came_in:?}");
        world.import(&excluded(Directory::people(9), 1)).await.expect("imports");
    }
}
