//! Batches that come twice, out of order, changed, for somebody else's run, or not at all; agents and servers that die.

use crate::{
    polled::polled,
    world::{Directory, World, body, empty_receipt, look_up, new_run_id, person},
};
use adc_core::{
    protocol::{Abort, DigestBatch, Finish, MAX_BATCH_ITEMS, Next, RecordBatch, RunError, RunState},
    record::{Digest, Kind, Record},
    settings::Settings,
};
use adc_server::{
    runs::AgentIdentity,
    store::{Editable, Synchronization},
};
use std::time::{Duration, Instant};

fn records(seq: u32, names: &[&str]) -> RecordBatch {
    RecordBatch { seq, records: names.iter().map(|name| person(name, name)).collect(), members: Vec::new() }
}

#[tokio::test]
async fn a_batch_that_comes_twice_counts_once_also_after_a_restart() {
    let mut world = World::new().await;
    let opened = world.open(false).await.expect("opens");
    let batch = records(0, &["anna", "bert"]);
    for _ in 0..2 {
        world
            .engine
            .records(&world.agent, &opened.run_id, batch.clone(), body(&batch))
            .await
            .expect("is taken");
    }
    world.restart().await;
    world.engine.records(&world.agent, &opened.run_id, batch.clone(), body(&batch)).await.expect("is taken");

    let mut receipt = empty_receipt();
    (receipt.record_batches, receipt.read.users) = (1, 2);
    receipt.searches[1].entries = 2;
    let report = world.finish(&opened.run_id, &Directory::default(), receipt).await.expect("finishes");
    assert_eq!((report.state, report.counts.create), (RunState::Applied, 2));
}

#[tokio::test]
async fn digests_sent_again_after_a_restart_get_the_same_answer() {
    let mut world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert", "carl"]);
    world.import(&directory).await.expect("imports");
    directory.user("bert").fields.clear();
    let opened = world.open(false).await.expect("opens");
    let items: Vec<(String, Digest)> =
        directory.objects.values().map(|record| (record.source_id.clone(), record.digest())).collect();
    let batch = DigestBatch { seq: 0, kind: Kind::User, items };
    let before =
        world.engine.digests(&world.agent, &opened.run_id, &batch, body(&batch)).await.expect("answers");
    assert_eq!(before.wanted, [1]);
    world.restart().await;
    let after =
        world.engine.digests(&world.agent, &opened.run_id, &batch, body(&batch)).await.expect("answers");
    assert_eq!(after, before);

    let bert = RecordBatch { seq: 0, records: vec![directory.user("bert").clone()], members: Vec::new() };
    let mut receipt = empty_receipt();
    (receipt.digest_batches, receipt.read.users) = (1, 3);
    receipt.searches[1].entries = 3;
    let early = world
        .engine
        .finish(&world.agent, &opened.run_id, &Finish { receipt: receipt.clone() })
        .await
        .expect_err("a wanted record is missing");
    assert_eq!(early.code(), "records-missing");
    world.engine.records(&world.agent, &opened.run_id, bert.clone(), body(&bert)).await.expect("is taken");
    receipt.record_batches = 1;
    let report = world.finish(&opened.run_id, &directory, receipt).await.expect("finishes");
    assert_eq!((report.counts.update, report.counts.delete, report.counts.unchanged), (1, 0, 2));
}

#[tokio::test]
async fn a_batch_whose_agent_hung_up_half_way_is_taken_when_it_comes_again() {
    let world = World::new().await;
    world.import(&Directory::of(&["anna"])).await.expect("imports");
    for polls in 0.. {
        let mut directory = Directory::of(&["anna", "bert"]);
        directory.user("anna").fields.insert("title".to_owned(), polls.to_string().as_str().into());
        let opened = world.open(false).await.expect("opens");
        let items = directory.objects.values().map(|record| (record.source_id.clone(), record.digest()));
        let batch = DigestBatch { seq: 0, kind: Kind::User, items: items.collect() };
        let records = RecordBatch {
            seq: 0,
            records: directory.objects.values().cloned().collect(),
            members: Vec::new(),
        };

        let digests = || world.engine.digests(&world.agent, &opened.run_id, &batch, body(&batch));
        let first = polled(polls, digests()).await;
        world.store.clear_staging("run_of_nobody").await.expect("waits for what is still being written");
        assert_eq!(digests().await.expect("is taken").wanted.first(), Some(&0));
        let records = || world.engine.records(&world.agent, &opened.run_id, records.clone(), body(&records));
        let second = polled(polls, records()).await;
        world.store.clear_staging("run_of_nobody").await.expect("waits for what is still being written");
        records().await.expect("is taken");

        let mut receipt = empty_receipt();
        (receipt.digest_batches, receipt.record_batches, receipt.read.users) = (1, 1, 2);
        receipt.searches[1].entries = 2;
        let report = world.finish(&opened.run_id, &directory, receipt).await.expect("finishes");
        assert_eq!(report.state, RunState::Applied);
        if first.is_some() && second.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn look_ups_whose_answer_was_lost_get_it_again_though_the_run_has_ended() {
    let world = World::new().await;
    world.import(&Directory::of(&["anna", "bert"])).await.expect("imports");
    let directory = Directory::of(&["anna"]);
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send(&opened, &directory).await.expect("is taken");
    let next =
        world.engine.finish(&world.agent, &opened.run_id, &Finish { receipt }).await.expect("finishes");
    let Next::Confirm(doubts) = next else { panic!("{next:?}") };
    let confirm = async || {
        let confirm = look_up(&directory, &doubts);
        world.engine.confirm(&world.agent, &opened.run_id, confirm).await.expect("answers")
    };
    let first = confirm().await;
    assert!(matches!(&first, Next::Done { report } if report.counts.delete == 1), "{first:?}");
    assert_eq!(confirm().await, first);
}

#[tokio::test]
async fn whoever_is_told_that_a_run_failed_may_open_the_next_one_at_once() {
    let world = World::new().await;
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    for round in 0..20 {
        let opened = world.open(false).await.expect("opens");
        let directory = Directory::of(&["anna"]);
        let receipt = world.send(&opened, &directory).await.expect("is taken");
        let switched = |current: &Synchronization| {
            let settings = Settings { no_delete: Some(round % 2 == 0), ..Settings::default() };
            Ok::<_, ()>(Editable { settings, ..current.editable() })
        };
        world.store.edit_synchronization(account_id, id, 0, switched).await.expect("edits");
        let failed = world.finish(&opened.run_id, &directory, receipt).await.expect_err("fails");
        assert_eq!(failed.code(), "settings-changed");
    }
}

#[tokio::test]
async fn batches_may_come_out_of_order_and_none_may_be_missing() {
    let world = World::new().await;
    let opened = world.open(false).await.expect("opens");
    let (zero, one) = (records(0, &["anna"]), records(1, &["bert"]));
    world.engine.records(&world.agent, &opened.run_id, one.clone(), body(&one)).await.expect("is taken");
    let mut receipt = empty_receipt();
    (receipt.record_batches, receipt.read.users) = (2, 2);
    receipt.searches[1].entries = 2;
    let finish = Finish { receipt };
    let early = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect_err("one is missing");
    assert_eq!(early.code(), "batch-missing");
    world.engine.records(&world.agent, &opened.run_id, zero.clone(), body(&zero)).await.expect("is taken");
    let done = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("finishes");
    let Next::Done { report } = done else { panic!("{done:?}") };
    assert_eq!(report.counts.create, 2);
    let again = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("answers again");
    assert_eq!(again, Next::Done { report });
}

#[tokio::test]
async fn a_changed_batch_a_too_large_one_and_one_for_a_strangers_run_are_refused() {
    let world = World::new().await;
    let opened = world.open(false).await.expect("opens");
    let batch = records(0, &["anna"]);
    world.engine.records(&world.agent, &opened.run_id, batch.clone(), body(&batch)).await.expect("is taken");
    let changed = records(0, &["bert"]);
    let refused = world
        .engine
        .records(&world.agent, &opened.run_id, changed.clone(), body(&changed))
        .await
        .expect_err("is another");
    assert_eq!(refused.code(), "batch-mismatch");

    let items = (0..=MAX_BATCH_ITEMS).map(|number| (number.to_string(), Digest::of(b""))).collect();
    let large = DigestBatch { seq: 0, kind: Kind::User, items };
    let refused = world
        .engine
        .digests(&world.agent, &opened.run_id, &large, body(&large))
        .await
        .expect_err("is too large");
    assert_eq!(refused.code(), "batch-too-large");

    let stranger = AgentIdentity { synchronization_id: "syn_other".to_owned(), ..world.agent.clone() };
    let refused = world
        .engine
        .records(&stranger, &opened.run_id, batch.clone(), body(&batch))
        .await
        .expect_err("is not the stranger's run");
    assert_eq!(refused.code(), "run-not-found");
}

/// A person of another name than identity.
fn called(id: &str, name: &str) -> Record {
    Record { source_id: id.to_owned(), ..person(name, name) }
}

#[tokio::test]
async fn one_identity_for_two_objects_ends_the_run() {
    let world = World::new().await;
    let opened = world.open(false).await.expect("opens");
    let batch = RecordBatch {
        seq: 0,
        records: vec![called("same", "anna"), called("same", "bert")],
        members: Vec::new(),
    };
    let refused = world
        .engine
        .records(&world.agent, &opened.run_id, batch.clone(), body(&batch))
        .await
        .expect_err("is refused");
    assert_eq!(refused.code(), "duplicate-source-id");
    let said = refused.to_string();
    assert!(said.contains("uid=anna") && said.contains("uid=bert"), "{said}");
    let run =
        world.store.run(&world.agent.account_id, &opened.run_id).await.expect("reads").expect("is there");
    assert_eq!(run.state, RunState::Failed);
}

#[tokio::test]
async fn two_objects_of_one_identity_were_named_by_it_alone() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert"]);
    world.import(&directory).await.expect("imports");
    for anna_is_unchanged in [true, false] {
        if !anna_is_unchanged {
            directory.user("anna").fields.insert("title".to_owned(), "Lead".into());
        }
        let opened = world.open(false).await.expect("opens");
        let twice = [directory.user("anna").clone(), called("anna", "zoe")];
        let items = twice.iter().map(|record| (record.source_id.clone(), record.digest())).collect();
        let digests = DigestBatch { seq: 0, kind: Kind::User, items };
        let answer = world.engine.digests(&world.agent, &opened.run_id, &digests, body(&digests)).await;
        let wanted = answer.expect("asks for records").wanted;
        let records = wanted.iter().map(|index| twice[*index as usize].clone()).collect();
        let batch = RecordBatch { seq: 0, records, members: Vec::new() };
        let digest = body(&batch);
        let refused =
            world.engine.records(&world.agent, &opened.run_id, batch, digest).await.expect_err("is refused");
        let said = refused.to_string();
        assert!(said.contains("uid=anna") && said.contains("uid=zoe"), "{said}");
    }
}

#[tokio::test]
async fn two_agents_cannot_run_at_once_and_an_aborted_run_gives_its_place_up() {
    let world = World::new().await;
    let run_id = new_run_id();
    world.open_as(&run_id, false).await.expect("opens");
    world.open_as(&run_id, false).await.expect("the same request again is answered again");
    let refused = world.open(false).await.expect_err("one is under way");
    assert_eq!(refused.code(), "run-active");
    let abort =
        Abort { error: RunError { code: "connection-lost".to_owned(), message: "It died.".to_owned() } };
    world.engine.abort(&world.agent, &run_id, &abort).await.expect("aborts");
    world.open(false).await.expect("opens");
}

#[tokio::test]
async fn a_receipt_of_an_incomplete_read_is_refused() {
    let world = World::new().await;
    world.import(&Directory::of(&["anna"])).await.expect("imports");
    let opened = world.open(false).await.expect("opens");
    let mut receipt = empty_receipt();
    receipt.searches[1].result_codes = vec![0, 4];
    let limit = world.engine.finish(&world.agent, &opened.run_id, &Finish { receipt: receipt.clone() }).await;
    assert_eq!(limit.expect_err("sizeLimitExceeded").code(), "receipt-incomplete");
    receipt.searches[1].result_codes = vec![0];
    receipt.searches[1].complete = false;
    let cookie =
        world.engine.finish(&world.agent, &opened.run_id, &Finish { receipt: receipt.clone() }).await;
    assert_eq!(cookie.expect_err("a page was left").code(), "receipt-incomplete");
    receipt.searches.clear();
    let nothing = world.engine.finish(&world.agent, &opened.run_id, &Finish { receipt }).await;
    assert_eq!(nothing.expect_err("nothing was searched").code(), "receipt-incomplete");
}

#[tokio::test]
async fn a_database_that_cannot_grow_changes_nothing_and_the_next_run_heals_it() {
    let world = World::with(adc_core::settings::Settings::default(), None, Some(100)).await;
    let small = Directory::people(10);
    world.import(&small).await.expect("fits");
    let refused = world.import(&Directory::people(3_000)).await.expect_err("does not fit");
    assert_eq!(refused.code(), "storage-full");
    assert_eq!(world.import(&small).await.expect("imports").counts.unchanged, 10);
}

#[tokio::test]
async fn a_silent_agents_place_is_free_after_the_lease() {
    let world = World::new().await;
    let opened = world.open(false).await.expect("opens");
    let state = async || {
        world
            .store
            .run(&world.agent.account_id, &opened.run_id)
            .await
            .expect("reads")
            .expect("is there")
            .state
    };
    world.engine.interrupt_silent_runs(Instant::now() + Duration::from_secs(9)).await;
    assert_eq!(state().await, RunState::Running);
    world.engine.interrupt_silent_runs(Instant::now() + Duration::from_secs(10)).await;
    assert_eq!(state().await, RunState::Interrupted);
    world.open(false).await.expect("opens");
}

#[tokio::test]
async fn a_run_that_was_cancelled_is_never_applied() {
    let world = World::new().await;
    let directory = Directory::of(&["anna", "bert"]);
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send(&opened, &directory).await.expect("sends");
    let finish = Finish { receipt };
    let (cancelled, finished) = tokio::join!(
        world.engine.cancel(&world.agent.account_id, &opened.run_id),
        world.engine.finish(&world.agent, &opened.run_id, &finish),
    );
    let run =
        world.store.run(&world.agent.account_id, &opened.run_id).await.expect("reads").expect("is there");
    assert_eq!(cancelled.is_ok(), run.state == RunState::Cancelled, "{cancelled:?} {finished:?}");
    assert_eq!(finished.is_ok(), run.state == RunState::Applied, "{cancelled:?} {finished:?}");
}

#[tokio::test]
async fn a_strangers_run_id_does_not_open_what_it_has_staged() {
    let world = World::new().await;
    let directory = Directory::people(3);
    let opened = world.open(false).await.expect("opens");
    world.send(&opened, &directory).await.expect("sends");
    let stranger = world.stranger().await;
    let refused = world.open_for(&stranger, &opened.run_id, false).await.expect_err("is somebody else's");
    assert_eq!(refused.code(), "run-id-taken");
}

#[tokio::test]
async fn an_excluded_person_without_a_name_is_no_obstacle() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna"]);
    let mut nameless = person("service", "");
    (nameless.name, nameless.excluded_by) = (String::new(), Some("services".to_owned()));
    directory.put(nameless);
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.create, report.counts.skip), (1, 1));
}
