//! What a run is told at its beginning: full or delta, and from where.

use adc_core::{
    protocol::{
        Abort, ChangeFeed, FullBecause, Mark, Mode, RunError, RunReport, TouchedBatch, TouchedObject,
    },
    record::{Kind, Record},
};

use crate::world::{Directory, World, body, group};

const MARK: &str = "contextCSN";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A control plane whose agent follows changes.
async fn following() -> World {
    let mut world = World::new().await;
    world.feed = Some(ChangeFeed { name: "syncrepl".to_owned(), mark: MARK.to_owned() });
    world
}

/// A run that reads everything and leaves a mark.
async fn read_everything(world: &World, directory: &Directory) -> RunReport {
    let opened = world.open(false).await.expect("opens");
    assert_eq!(opened.mode, Mode::Full);
    let mut receipt = world.send(&opened, directory).await.expect("sends");
    receipt.mark = Some(Mark { kind: MARK.to_owned(), values: vec!["1".to_owned()] });
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
