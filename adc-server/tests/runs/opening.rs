//! What a run is told at its beginning: full or delta, and from where.

use std::{pin::pin, time::Duration};

use adc_core::{
    policy::{Guards, Policy},
    protocol::{
        Abort, ChangeFeed, Fingerprint, FullBecause, Mark, Mode, OpenedRun, RunError, RunReport, RunState,
        TouchedBatch, TouchedObject,
    },
    record::{Kind, Record},
    settings::Settings,
};
use tokio::time::timeout;

use crate::{
    polled::polled,
    world::{Directory, World, body, group, new_run_id},
};

const MARK: &str = "contextCSN";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A control plane whose agent follows changes.
async fn following() -> World {
    let mut world = World::new().await;
    world.feed = Some(ChangeFeed { name: "syncrepl".to_owned(), mark: MARK.to_owned() });
    world
}

/// A run that reads everything and leaves the mark "1".
async fn read_everything(world: &World, directory: &Directory) -> RunReport {
    let opened = world.open(false).await.expect("opens");
    assert_eq!(opened.mode, Mode::Full);
    read_until(world, &opened, directory, "1").await
}

/// A run that shows all of a directory, and leaves a mark.
async fn read_until(world: &World, opened: &OpenedRun, directory: &Directory, position: &str) -> RunReport {
    let mut receipt = world.send(opened, directory).await.expect("sends");
    receipt.mark = Some(Mark { kind: MARK.to_owned(), values: vec![position.to_owned()] });
    world.finish(&opened.run_id, directory, receipt).await.expect("runs")
}

/// Why the next run would be full; it is given up at once.
async fn full_because(world: &World) -> Option<FullBecause> {
    let opened = world.open(false).await.expect("opens");
    give_up(world, &opened.run_id).await;
    opened.full_because
}

async fn give_up(world: &World, run_id: &str) {
    let error = RunError { code: "given-up".to_owned(), message: "Enough.".to_owned() };
    world.engine.abort(&world.agent, run_id, &Abort { error }).await.expect("aborts");
}

#[tokio::test]
async fn what_no_feed_told_was_never_made_good() {
    let world = following().await;
    let directory = Directory::people(3);
    read_everything(&world, &directory).await;
    world.pass_time(DAY_MS);
    assert_eq!(full_because(&world).await, None);
    world.pass_time(1);
    for _ in 0..2 {
        assert_eq!(full_because(&world).await, Some(FullBecause::Overdue), "what failed made nothing good");
    }
    assert_eq!(read_everything(&world, &directory).await.full_because, Some(FullBecause::Overdue));
    assert_eq!(full_because(&world).await, None);
}

#[tokio::test]
async fn a_container_that_is_a_group_too_was_taken_for_a_leaf() {
    let world = following().await;
    let mut directory = Directory::people(3);
    let both = group("staff", &["00000"]);
    directory.put(Record::new(Kind::OrgUnit, "staff", &*both.dn, "staff"));
    directory.put(both);
    directory.put(group("friends", &["00000"]));
    read_everything(&world, &directory).await;
    for (id, because) in [("friends", None), ("staff", Some(FullBecause::ContainerGone))] {
        let opened = world.open(false).await.expect("opens");
        assert_eq!(opened.mode, Mode::Delta);
        let out_of_sight =
            TouchedObject { source_id: id.to_owned(), place: None, removed: false, tombstone: false };
        let batch = TouchedBatch { objects: vec![out_of_sight], ..TouchedBatch::default() };
        let noted = world.engine.touched(&world.agent, &opened.run_id, &batch, body(&batch)).await;
        assert_eq!(noted.expect("is noted").full_because, because, "{id}");
        give_up(&world, &opened.run_id).await;
    }
}

/// How long an approval may take that nobody is in the way of.
const UNDISTURBED: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_delta_went_on_from_where_an_approved_plan_had_not_been_applied_yet() {
    let guards = Guards { max_removals: 0, max_removals_percent: 0, ..Guards::default() };
    let mut world =
        World::with(Settings::default(), Some(Policy { guards, ..Policy::default() }), None).await;
    let (account_id, id) = (world.agent.account_id.clone(), world.agent.synchronization_id.clone());
    let feed = ChangeFeed { name: "syncrepl".to_owned(), mark: MARK.to_owned() };
    let (mut before, mut after) = (0, 0);
    // The approval comes a step of the opening later each time.
    for polls in 0.. {
        world.feed = None;
        let mut directory = Directory::of(&["anna", "bert"]);
        let opened = world.open(false).await.expect("opens");
        read_until(&world, &opened, &directory, &format!("{polls} before")).await;
        directory.remove("bert");
        let opened = world.open(false).await.expect("opens");
        let held = read_until(&world, &opened, &directory, &format!("{polls} held")).await;
        assert_eq!(held.state, RunState::Held);
        world.feed = Some(feed.clone());

        let run_id = new_run_id();
        let mut opening = pin!(world.open_as(&run_id, false));
        let early = polled(polls, opening.as_mut()).await;
        let was_early = early.is_some();
        let mut approval = pin!(world.engine.approve(&account_id, &held.run_id));
        let approved = timeout(UNDISTURBED, approval.as_mut()).await;
        let opening = async {
            match early {
                Some(opened) => opened,
                None => opening.await,
            }
        };
        let (opened, approved) = match approved {
            Ok(approved) => (opening.await, approved),
            Err(_in_the_way) => tokio::join!(opening, approval),
        };
        let opened = opened.expect("opens");
        *if approved.is_ok() { &mut before } else { &mut after } += 1;
        let now = world.store.synchronization(&account_id, &id).await.expect("reads").expect("is there");
        assert_eq!(
            opened.checkpoint,
            now.checkpoint.map(|checkpoint| checkpoint.mark),
            "after {polls} polls"
        );
        give_up(&world, &run_id).await;
        if was_early {
            break;
        }
    }
    assert!(before > 0 && after > 0, "{before} approvals came first, {after} did not");
}

/// Asked to read everything, the agent took those whom the new filter does not find for proof that the directory went back.
#[tokio::test]
async fn a_full_run_that_was_asked_for_hid_that_others_are_read() {
    let mut world = following().await;
    read_everything(&world, &Directory::people(3)).await;
    for others in [false, true] {
        if others {
            world.fingerprint = Fingerprint {
                configuration: [("filter".to_owned(), "(uid=p1*)".to_owned())].into(),
                ..world.fingerprint.clone()
            };
        }
        let opened = world.open_asked().await.expect("opens");
        assert_eq!((opened.full_because, opened.others_were_read), (Some(FullBecause::Asked), others));
        give_up(&world, &opened.run_id).await;
    }
}
