//! Deltas: what a change feed names is all that is read, and the result is that of a full run.

mod beside;
mod failing_over;
mod feed;
mod parts;
mod property;
mod rights;
mod snapshot;

use adc_core::{
    policy::Policy,
    protocol::{
        Abort, FeedReceipt, Finish, FullBecause, Mode, Next, Receipt, RunError, RunState, TouchedBatch,
        TouchedObject, Whereabouts,
    },
    record::{Kind, Record},
};

use adc_server::store::{Editable, Synchronization};

use crate::world::{BASE, Directory, World, group};
use feed::{Feed, keep_in_step, marked};

fn org_unit(id: &str, name: &str) -> Record {
    Record::new(Kind::OrgUnit, id, format!("ou={name},{BASE}"), name)
}

#[tokio::test]
async fn a_delta_reads_what_was_touched_and_finds_the_leaver() {
    let world = World::new().await;
    let mut directory = Directory::people(30);
    world.read_everything(&directory).await;
    directory.user("00003").fields.insert("title".to_owned(), "Lead".into());
    directory.remove("00004");
    // Nobody touched it, and it does not stand beside whoever is missing: a delta does not see it.
    directory.user("00020").fields.insert("title".to_owned(), "Nobody looks".into());
    let report = world.follow(&directory, &Feed::of(&["00003", "00004"])).await;
    assert_eq!((report.mode, report.full_because), (Mode::Delta, None));
    assert_eq!((report.counts.update, report.counts.delete, report.read.users), (1, 1, 1));
}

#[tokio::test]
async fn a_run_is_full_until_there_is_a_mark_that_the_feed_goes_on_from() {
    let world = World::new().await;
    let directory = Directory::people(3);
    world.import(&directory).await.expect("imports");
    let opened = world.open_following().await;
    assert_eq!((opened.mode, opened.full_because), (Mode::Full, Some(FullBecause::NoCheckpoint)));
    world.read_in(&opened, &directory).await.expect("runs");
    assert_eq!(world.open_following().await.mode, Mode::Delta);
}

#[tokio::test]
async fn another_policy_reads_everything() {
    let world = World::new().await;
    let directory = Directory::people(3);
    world.read_everything(&directory).await;
    let mut policy = Policy::default();
    policy.guards.max_removals = 99;
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    let edit = |current: &Synchronization| {
        Ok::<_, ()>(Editable { policy: Some(policy.clone()), ..current.editable() })
    };
    world.store.edit_synchronization(account_id, id, 0, edit).await.expect("edits");
    assert_eq!(world.open_following().await.full_because, Some(FullBecause::PolicyChanged));
}

#[tokio::test]
async fn everything_was_read_because_changes_were_to_be_followed_no_more() {
    let world = World::new().await;
    let directory = Directory::people(3);
    world.read_everything(&directory).await;
    let policy = Policy { follow_changes: false, login_without_domain: true, ..Policy::default() };
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    let edit = |current: &Synchronization| {
        Ok::<_, ()>(Editable { policy: Some(policy.clone()), ..current.editable() })
    };
    world.store.edit_synchronization(account_id, id, 0, edit).await.expect("edits");
    assert_eq!(world.open_following().await.mode, Mode::Delta);
}

#[tokio::test]
async fn a_touched_object_that_is_there_after_all_is_nobody_s_leaver() {
    let world = World::new().await;
    let directory = Directory::people(20);
    world.read_everything(&directory).await;
    let opened = world.open_following().await;
    // The agent's search by id missed everybody: each is looked up before anything is concluded.
    let feed = Feed::of(&["00001", "00002", "00003"]);
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    let receipt = Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) };
    let report = world.finish(&opened.run_id, &directory, receipt).await.expect("finishes");
    assert_eq!((report.state, report.counts.delete, report.counts.effective()), (RunState::Applied, 0, 0));
}

#[tokio::test]
async fn a_receipt_without_the_feed_s_own_end_proves_nothing() {
    let world = World::new().await;
    let directory = Directory::people(3);
    world.read_everything(&directory).await;
    let opened = world.open_following().await;
    let feed = Feed::of(&["00001"]);
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    let cut = FeedReceipt { result_codes: vec![80], ..feed.receipt(1) };
    let unfinished = FeedReceipt { result_codes: Vec::new(), ..feed.receipt(1) };
    let another_batch_is_missing = feed.receipt(2);
    for (feed, code) in [
        (None, "receipt-incomplete"),
        (Some(cut), "receipt-incomplete"),
        (Some(unfinished), "receipt-incomplete"),
        (Some(another_batch_is_missing), "batch-missing"),
    ] {
        let receipt = Receipt { feed, ..marked(Receipt::default()) };
        let refused = world.finish(&opened.run_id, &directory, receipt).await.expect_err("is refused");
        assert_eq!(refused.code(), code);
    }
}

#[tokio::test]
async fn whoever_refers_to_a_renamed_person_is_read_again() {
    let world = World::new().await;
    let mut directory = Directory::of(&["ann", "bob"]);
    directory.put(group("crew", &["ann", "bob"]));
    let ann = directory.user("ann").dn.clone();
    directory.user("bob").fields.insert("manager".to_owned(), ann.as_str().into());
    world.read_everything(&directory).await;
    // The directory keeps references in step, and calls neither the group nor the report changed.
    directory.user("ann").dn = format!("uid=anna,ou=people,{BASE}");
    keep_in_step(&mut directory, &ann, Some(&format!("uid=anna,ou=people,{BASE}")));
    let report = world.follow(&directory, &Feed::of(&["ann"])).await;
    assert_eq!(report.mode, Mode::Delta);
    let seen = world.snapshot().await;
    assert_eq!(
        seen.members["crew"],
        ["uid=anna,ou=people,dc=lg,dc=local=ann", "uid=bob,ou=people,dc=lg,dc=local=bob"]
    );
    assert!(seen.users["bob"].contains("ann@lg.local"), "{:?}", seen.users["bob"]);
}

#[tokio::test]
async fn a_newcomer_joined_the_groups_of_somebody_unseen_who_had_stood_there() {
    let world = World::new().await;
    let mut directory = Directory::of(&["ann", "bob"]);
    let unseen = format!("uid=cid,ou=people,{BASE}");
    directory.put(group("crew", &["ann", "cid"]));
    world.read_everything(&directory).await;
    // The directory took the reference back when the unseen one went, and called the group unchanged.
    keep_in_step(&mut directory, &unseen, None);
    directory.put(crate::world::person("cid", "cid"));
    let newcomer = Feed { made: ["cid".to_owned()].into(), ..Feed::of(&["cid"]) };
    let report = world.follow(&directory, &newcomer).await;
    assert_eq!(report.mode, Mode::Delta);
    assert_eq!(world.snapshot().await.members["crew"], ["uid=ann,ou=people,dc=lg,dc=local=ann"]);
}

#[tokio::test]
async fn a_container_that_moved_or_vanished_makes_the_run_full() {
    let world = World::new().await;
    let mut directory = Directory::people(3);
    directory.put(org_unit("people", "people"));
    world.read_everything(&directory).await;
    for (batch, because) in [
        (touched("people", Some(("ou=folk,dc=lg,dc=local", true))), FullBecause::ContainerMoved),
        (touched("unknown", Some(("cn=new,dc=lg,dc=local", true))), FullBecause::ContainerMoved),
        (touched("people", None), FullBecause::ContainerGone),
        (touched("unknown", None), FullBecause::ContainerGone),
        (
            TouchedBatch { full_because: Some(FullBecause::FeedLostPlace), ..TouchedBatch::default() },
            FullBecause::FeedLostPlace,
        ),
    ] {
        let opened = world.open_following().await;
        assert_eq!(opened.mode, Mode::Delta);
        for _ in 0..2 {
            let noted = world.touch(&opened.run_id, &batch).await.expect("is noted");
            assert_eq!((noted.mode, noted.full_because), (Mode::Full, Some(because)));
        }
        let report = world.read_in(&opened, &directory).await.expect("runs");
        assert_eq!(
            (report.mode, report.full_because, report.counts.unchanged),
            (Mode::Full, Some(because), 4)
        );
    }
    let back = TouchedObject {
        source_id: "00001".to_owned(),
        place: Some(Whereabouts { dn: format!("uid=00001,ou=people,{BASE}"), container: false, new: false }),
        removed: true,
        tombstone: false,
    };
    let opened = world.open_following().await;
    let batch = TouchedBatch { objects: vec![back], ..TouchedBatch::default() };
    let noted = world.touch(&opened.run_id, &batch).await.expect("is noted");
    assert_eq!(noted.full_because, Some(FullBecause::CameBack));
    world.engine.abort(&world.agent, &opened.run_id, &given_up()).await.expect("aborts");
    for harmless in [
        // What is shown to be removed was empty by then, or whoever lay there is named too.
        buried("people"),
        buried("unknown"),
        touched("people", Some(("OU=People,DC=lg,DC=local", true))),
        touched("00001", None),
        touched("unknown", Some(("cn=printer,dc=lg,dc=local", false))),
    ] {
        let opened = world.open_following().await;
        assert_eq!(world.touch(&opened.run_id, &harmless).await.expect("is noted").mode, Mode::Delta);
        world.engine.abort(&world.agent, &opened.run_id, &given_up()).await.expect("aborts");
    }
}

#[tokio::test]
async fn most_of_a_directory_was_read_object_by_object() {
    let world = World::new().await;
    let directory = Directory::people(3_300);
    world.read_everything(&directory).await;
    let named = |seq: u32, numbers: std::ops::Range<usize>| {
        let ids: Vec<String> = numbers.map(|number| format!("{number:05}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        TouchedBatch { seq, ..Feed::of(&ids).batch(&directory) }
    };
    let opened = world.open_following().await;
    let noted = world.touch(&opened.run_id, &named(0, 0..1_000)).await.expect("is noted");
    assert_eq!(noted.mode, Mode::Delta);
    let noted = world.touch(&opened.run_id, &named(1, 1_000..1_100)).await.expect("is noted");
    assert_eq!(noted.mode, Mode::Delta, "a third of them");
    let noted = world.touch(&opened.run_id, &named(2, 1_100..1_101)).await.expect("is noted");
    assert_eq!((noted.mode, noted.full_because), (Mode::Full, Some(FullBecause::TooMuchTouched)));
    let report = world.read_in(&opened, &directory).await.expect("runs");
    assert_eq!((report.mode, report.counts.unchanged), (Mode::Full, 3_300));
}

#[tokio::test]
async fn everybody_who_was_touched_was_looked_for_before_they_were_found_too_many() {
    let world = World::new().await;
    let directory = Directory::people(3_300);
    world.read_everything(&directory).await;
    let announced = |total| TouchedBatch { total: Some(total), ..TouchedBatch::default() };
    let opened = world.open_following().await;
    assert_eq!(world.touch(&opened.run_id, &announced(1_100)).await.expect("is noted").mode, Mode::Delta);
    world.engine.abort(&world.agent, &opened.run_id, &given_up()).await.expect("aborts");
    let opened = world.open_following().await;
    let noted = world.touch(&opened.run_id, &announced(50_000)).await.expect("is noted");
    assert_eq!((noted.mode, noted.full_because), (Mode::Full, Some(FullBecause::TooMuchTouched)));
}

#[tokio::test]
async fn what_a_delta_was_told_survives_a_restart() {
    let mut world = World::new().await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    directory.remove("00007");
    let opened = world.open_following().await;
    let feed = Feed::of(&["00007"]);
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    world.restart().await;
    // The answer was lost, too: the same batch again.
    assert_eq!(
        world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted").mode,
        Mode::Delta
    );
    let receipt = Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) };
    let report = world.finish(&opened.run_id, &directory, receipt).await.expect("finishes");
    assert_eq!(report.counts.delete, 1);
}

#[tokio::test]
async fn somebody_who_was_touched_was_not_looked_for_because_they_were_called_present_too() {
    let world = World::new().await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    for (id, is_named_first) in [("00007", true), ("00008", false)] {
        directory.remove(id);
        let feed = Feed { swept: true, ..Feed::default() };
        let mut named = TouchedBatch { sweep: true, ..touched(id, None) };
        let mut present = feed.batch(&directory);
        present.present.push(id.to_owned());
        if is_named_first {
            present.seq = 1;
        } else {
            named.seq = 1;
        }
        // The same once more, as if the answer had been lost.
        let in_order = if is_named_first { [&named, &present, &present] } else { [&present, &named, &named] };
        let opened = world.open_following().await;
        for batch in in_order {
            assert_eq!(world.touch(&opened.run_id, batch).await.expect("is noted").mode, Mode::Delta);
        }
        let receipt = Receipt { feed: Some(feed.receipt(2)), ..marked(Receipt::default()) };
        let report = world.finish(&opened.run_id, &directory, receipt).await.expect("finishes");
        assert_eq!((report.mode, report.counts.delete), (Mode::Delta, 1), "{id}");
    }
}

#[tokio::test]
async fn a_removal_that_a_switch_keeps_back_is_proved_again_by_each_delta() {
    let mut world = World::new().await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    directory.remove("00007");
    world.settings.no_delete = Some(true);
    let kept = world.follow(&directory, &Feed::of(&["00007"])).await;
    assert_eq!((kept.counts.delete, kept.counts.skip), (0, 1));
    world.settings.no_delete = None;
    let caught_up = world.follow(&directory, &Feed::default()).await;
    assert_eq!((caught_up.mode, caught_up.counts.delete), (Mode::Delta, 1));
}

#[tokio::test]
async fn a_full_run_takes_no_word_of_a_feed() {
    let world = World::new().await;
    let directory = Directory::people(3);
    let opened = world.open_following().await;
    let noted = world.touch(&opened.run_id, &touched("00001", None)).await.expect("is noted");
    assert_eq!((noted.mode, noted.full_because), (Mode::Full, Some(FullBecause::FirstRun)));
    assert_eq!(world.read_in(&opened, &directory).await.expect("runs").counts.create, 3);
}

#[tokio::test]
async fn the_next_question_of_a_delta_is_for_the_touched_alone() {
    let world = World::new().await;
    let directory = Directory::people(300);
    world.read_everything(&directory).await;
    let opened = world.open_following().await;
    let feed = Feed::of(&["00001"]);
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    let finish = Finish { receipt: Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) } };
    let Next::Confirm(doubts) =
        world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("finishes")
    else {
        panic!("00001 was not seen");
    };
    assert_eq!(doubts.objects.iter().map(|doubt| doubt.source_id.as_str()).collect::<Vec<_>>(), ["00001"]);
}

fn touched(id: &str, place: Option<(&str, bool)>) -> TouchedBatch {
    let place = place.map(|(dn, container)| Whereabouts { dn: dn.to_owned(), container, new: false });
    TouchedBatch {
        objects: vec![TouchedObject { source_id: id.to_owned(), place, removed: false, tombstone: false }],
        ..TouchedBatch::default()
    }
}

fn buried(id: &str) -> TouchedBatch {
    let mut batch = touched(id, None);
    for object in &mut batch.objects {
        (object.removed, object.tombstone) = (true, true);
    }
    batch
}

fn given_up() -> Abort {
    let error = RunError { code: "given-up".to_owned(), message: "Enough.".to_owned() };
    Abort { error }
}
