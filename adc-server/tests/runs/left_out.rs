//! People whom a rule left out and who were gone, or in conflict, before it left them out no more.

use crate::{
    configuration::{assert_let_in, contractors, rule, under},
    rules_edited::excluding,
    world::{Directory, World},
};
use adc_core::{
    policy::Policy,
    protocol::RunState,
    reason::Reason,
    record::{Kind, Problem},
    settings::Settings,
};

/// Eight people: contractors, as far as the rule can tell.
const CONTRACTORS: [&str; 4] = ["00002", "00003", "00004", "00005"];

async fn world() -> World {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    world.import(&under("contractors", &CONTRACTORS)).await.expect("imports");
    world
}

fn without(directory: &Directory, whom: &[&str]) -> Directory {
    let mut fewer = directory.clone();
    for id in whom {
        fewer.remove(id);
    }
    fewer
}

/// The contractors do not show any more what class they are of.
fn class_hidden() -> Directory {
    let mut directory = under("", &[]);
    for id in CONTRACTORS {
        let problem = Problem { reason: Reason::ClassHidden, detail: "the entry".to_owned() };
        directory.user(id).problem = Some(problem);
    }
    directory
}

#[tokio::test]
async fn contractors_who_had_been_out_of_sight_came_in_when_the_rule_went_blind() {
    let world = world().await;
    let gone = world.import(&without(&under("", &[]), &CONTRACTORS)).await.expect("imports");
    assert_eq!((gone.state, gone.counts.effective()), (RunState::Applied, 0));
    let held = world.import(&under("", &[])).await.expect("runs");
    assert_let_in(&held, 4);
    assert!(held.held_because[0].detail.starts_with("4 of 4 people whom rules left out"), "{held:?}");
    let back = world.import(&under("contractors", &CONTRACTORS)).await.expect("imports");
    assert_eq!((back.state, back.counts.effective()), (RunState::Applied, 0));
}

#[tokio::test]
async fn some_who_are_back_come_in_among_many_whom_the_rule_leaves_out() {
    let world = world().await;
    world.import(&without(&under("", &[]), &CONTRACTORS)).await.expect("imports");
    let half = world.import(&under("contractors", &CONTRACTORS[..2])).await.expect("imports");
    assert_eq!((half.state, half.counts.create), (RunState::Applied, 2), "{half:?}");
}

#[tokio::test]
async fn contractors_who_were_in_conflict_held_the_whole_plan_as_if_they_came_in() {
    let world = world().await;
    let conflicts = world.import(&class_hidden()).await.expect("imports");
    assert_eq!((conflicts.state, conflicts.counts.conflict), (RunState::Applied, 4), "{conflicts:?}");
    let again = world.import(&class_hidden()).await.expect("imports");
    assert_eq!((again.state, again.counts.conflict), (RunState::Applied, 4));
}

#[tokio::test]
async fn contractors_who_had_been_in_conflict_came_in_when_the_rule_went_blind() {
    for gone_between in [false, true] {
        let world = world().await;
        if gone_between {
            world.import(&without(&under("", &[]), &CONTRACTORS)).await.expect("imports");
        }
        world.import(&class_hidden()).await.expect("imports");
        assert_let_in(&world.import(&under("", &[])).await.expect("runs"), 4);
        world.import(&without(&under("", &[]), &CONTRACTORS)).await.expect("imports");
        assert_let_in(&world.import(&under("", &[])).await.expect("runs"), 4);
    }
}

#[tokio::test]
async fn leavers_who_come_back_in_conflict_were_never_left_out() {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    let leavers = &CONTRACTORS[..2];
    world.import(&under("", &[])).await.expect("imports");
    world.import(&without(&under("", &[]), leavers)).await.expect("imports");
    world.import(&class_hidden()).await.expect("imports");
    let back = world.import(&under("", &[])).await.expect("imports");
    assert_eq!((back.state, back.counts.restore), (RunState::Applied, 2));
    assert_eq!(back.read.of(Kind::User), 8);
}

#[tokio::test]
async fn renaming_the_rule_forgot_who_had_come_in_within_the_day() {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    let five = ["00002", "00003", "00004", "00005", "00006"];
    world.import(&under("contractors", &five)).await.expect("imports");
    let one = world.import(&under("contractors", &five[1..])).await.expect("imports");
    assert_eq!((one.state, one.counts.create), (RunState::Applied, 1));
    rule(&world, excluding(&[("externals", "(employeeType=contractor)")])).await;
    let others = world.import(&under("externals", &five[3..])).await.expect("runs");
    assert_let_in(&others, 2);
    let detail = &others.held_because[0].detail;
    assert!(detail.starts_with("3 of 5 people"), "{detail}");
}

#[tokio::test]
async fn a_leaver_waited_because_of_people_whom_a_switch_kept_out() {
    let no_create = Settings { no_create: Some(true), ..Settings::default() };
    let recognizes_only = Policy { auto_synchronization: false, ..contractors() };
    for (settings, policy) in [(no_create, contractors()), (Settings::default(), recognizes_only)] {
        let mut world = world().await;
        world.settings = settings;
        rule(&world, policy).await;
        let directory = without(&under("", &[]), &["00000"]);
        let removed = world.import(&directory).await.expect("imports");
        let counts = (removed.counts.skip, removed.counts.delete);
        assert_eq!((removed.state, counts), (RunState::Applied, (4, 1)), "{removed:?}");
        assert_eq!(world.import(&directory).await.expect("imports").state, RunState::Applied);
        world.settings = Settings::default();
        rule(&world, contractors()).await;
        let lifted = world.import(&directory).await.expect("runs");
        assert_let_in(&lifted, 4);
        assert!(lifted.held_because[0].detail.starts_with("4 of 4 people"), "{lifted:?}");
        let shown = world.import(&without(&under("contractors", &CONTRACTORS), &["00000"])).await;
        assert_eq!(shown.expect("imports").counts.effective(), 0);
    }
}

#[tokio::test]
async fn contractors_whose_users_were_kept_disabled_are_held_while_they_would_be_enabled() {
    let disables = Settings { delete_disables: Some(true), ..Settings::default() };
    let mut world = World::with(disables, None, None).await;
    world.import(&under("", &[])).await.expect("imports");
    rule(&world, contractors()).await;
    let left_out = world.import(&under("contractors", &CONTRACTORS)).await.expect("runs");
    world.engine.approve(&world.agent.account_id, &left_out.run_id).await.expect("is approved");
    world.settings.no_update = Some(true);
    let kept = world.import(&under("", &[])).await.expect("imports");
    assert_eq!((kept.state, kept.counts.skip), (RunState::Applied, 4), "{kept:?}");
    world.settings.no_update = None;
    let held = world.import(&under("", &[])).await.expect("runs");
    assert_let_in(&held, 0);
    assert_eq!(held.counts.enable, 4);
}
