//! Directories that were put back from a backup, and replicas that have not heard of everything.

use crate::{
    guards::without,
    world::{Directory, World},
};
use adc_core::{
    protocol::{Mark, Receipt, RunState},
    reason::Reason,
    source_id::SourceId,
};

#[tokio::test]
async fn a_replica_that_was_failed_over_to_made_leavers_of_those_who_had_just_joined() {
    let mut world = World::new().await;
    let directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    world.fingerprint.server = "another server".to_owned();
    let behind = world.import(&without(&directory, 1)).await.expect("runs");
    assert_eq!((behind.state, behind.held_because[0].reason), (RunState::Held, Reason::GuardServerBehind));
    let level = world.import(&directory).await.expect("runs");
    assert_eq!(level.state, RunState::Applied, "it shows everybody, so that nobody is held");
    let leaver = world.import(&without(&directory, 1)).await.expect("runs");
    assert_eq!(
        (leaver.state, leaver.counts.delete),
        (RunState::Applied, 1),
        "it is the one that is known by now"
    );
}

#[tokio::test]
async fn a_replica_that_was_failed_over_to_brought_leavers_back() {
    let mut world = World::new().await;
    let mut directory = Directory::people(50);
    world.import(&directory).await.expect("imports");
    world.import(&without(&directory, 1)).await.expect("imports");
    world.fingerprint.server = "another server".to_owned();
    let behind = world.import(&directory).await.expect("runs");
    assert_eq!((behind.state, behind.held_because[0].reason), (RunState::Held, Reason::GuardServerBehind));
    directory.remove("00000");
    directory.user("00001").fields.clear();
    let level = world.import(&directory).await.expect("runs");
    assert_eq!((level.state, level.counts.update), (RunState::Applied, 1), "what changed may be new");
}

#[tokio::test]
async fn a_replica_that_is_known_to_lag_undid_what_had_changed() {
    let world = World::new().await;
    let directory = Directory::people(50);
    let run = async |second: u8, directory: &Directory| {
        let opened = world.open(false).await.expect("opens");
        let mut receipt = world.send(&opened, directory).await.expect("sends");
        let position = format!("202611221200{second:02}.000000Z#000000#001#000000");
        receipt.mark = Some(Mark { kind: "contextCSN".to_owned(), values: vec![position] });
        world.finish(&opened.run_id, directory, receipt).await.expect("finishes")
    };
    let mut promoted = directory.clone();
    promoted.user("00001").fields.insert("title".to_owned(), "Lead".into());
    run(1, &directory).await;
    assert_eq!(run(5, &promoted).await.state, RunState::Applied);
    assert_eq!(run(4, &promoted).await.state, RunState::Applied, "it shows nothing that would be undone");
    assert_eq!(run(5, &promoted).await.state, RunState::Applied);
    let behind = run(3, &directory).await;
    assert_eq!((behind.state, behind.held_because[0].reason), (RunState::Held, Reason::GuardServerBehind));
    assert_eq!(run(6, &directory).await.state, RunState::Applied, "it has heard of everything");
}

#[tokio::test]
async fn a_directory_that_was_put_back_and_written_to_took_memberships_away_again() {
    let world = World::new().await;
    let directory = Directory::people(50);
    let run = async |second: u8, directory: &Directory, [went_back, shows_earlier]: [bool; 2]| {
        let opened = world.open(false).await.expect("opens");
        let mut receipt = world.send(&opened, directory).await.expect("sends");
        let position = format!("202611221200{second:02}.000000Z#000000#000#000000");
        receipt.mark = Some(Mark { kind: "contextCSN".to_owned(), values: vec![position] });
        let receipt = Receipt { went_back, shows_earlier, ..receipt };
        world.finish(&opened.run_id, directory, receipt).await.expect("finishes")
    };
    let mut titled = directory.clone();
    titled.user("00001").fields.insert("title".to_owned(), "Lead".into());
    run(1, &directory, [false; 2]).await;
    run(2, &titled, [false; 2]).await;
    let proved = run(3, &directory, [true, true]).await;
    assert_eq!((proved.state, proved.held_because[0].reason), (RunState::Held, Reason::GuardServerBehind));
    assert_eq!(run(4, &titled, [true, true]).await.state, RunState::Applied, "nothing would be undone");
    let perhaps = run(5, &directory, [true, false]).await;
    assert_eq!((perhaps.state, perhaps.counts.update), (RunState::Applied, 1), "nobody is removed by it");
}

#[tokio::test]
async fn the_next_run_is_told_who_left_until_they_are_back() {
    let world = World::new().await;
    let all = Directory::people(50);
    let fewer = without(&all, 2);
    let run = async |directory: &Directory| {
        let opened = world.open(false).await.expect("opens");
        let mut receipt = world.send(&opened, directory).await.expect("sends");
        receipt.mark = Some(Mark { kind: "contextCSN".to_owned(), values: vec!["1".to_owned()] });
        world.finish(&opened.run_id, directory, receipt).await.expect("finishes");
        opened.left.into_iter().map(String::from).collect::<Vec<_>>()
    };
    assert!(run(&all).await.is_empty());
    assert!(run(&fewer).await.is_empty());
    assert_eq!(run(&fewer).await, ["00000", "00001"]);
    assert_eq!(run(&without(&all, 1)).await, ["00000", "00001"], "nobody left since");
    assert_eq!(run(&without(&all, 1)).await, ["00000"], "the other one is back");
    assert_eq!(run(&without(&all, 4)).await, ["00000"]);
    assert_eq!(run(&without(&all, 4)).await, ["00000", "00001", "00002", "00003"], "also who left before");
}

#[tokio::test]
async fn of_many_who_left_the_first_by_their_ids_were_remembered_and_not_the_last() {
    let world = World::new().await;
    let all = Directory::people(1000);
    let run = async |directory: &Directory| {
        let opened = world.open(false).await.expect("opens");
        let mut receipt = world.send(&opened, directory).await.expect("sends");
        receipt.mark = Some(Mark { kind: "contextCSN".to_owned(), values: vec!["1".to_owned()] });
        world.finish(&opened.run_id, directory, receipt).await.expect("finishes");
        opened.left
    };
    for left in [0, 65, 66, 67] {
        run(&without(&all, left)).await;
    }
    let remembered = run(&without(&all, 67)).await;
    assert_eq!(remembered.len(), 64);
    for last in ["00065", "00066"] {
        assert!(remembered.contains(&SourceId::from(last.to_owned())), "{remembered:?}");
    }
}
