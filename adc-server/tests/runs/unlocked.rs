//! People whom the directory had locked out and who are enabled: unlocked, or the mark went out of sight.

use crate::world::{Directory, World};
use adc_core::{
    protocol::{Fingerprint, RunReport, RunState},
    reason::Reason,
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
