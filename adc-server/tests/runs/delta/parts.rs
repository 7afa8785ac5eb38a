//! Answers that are too big for one body: they come in parts, and nothing is planned before the last.

use adc_core::{
    protocol::{Confirm, Doubts, Finish, LookUpOutcome, MembersPart, Next, Receipt, RecordBatch, RunState},
    record::{Digest, Kind, members_digest},
};

use super::feed::{Feed, marked};
use crate::world::{Directory, World, body, group, look_up};

/// One answer a part, and the containers with the last, as an agent sends them whose every answer fills a body.
fn in_parts(directory: &Directory, doubts: &Doubts) -> Vec<Confirm> {
    let Confirm { objects, containers } = look_up(directory, doubts);
    let mut parts: Vec<Confirm> =
        objects.into_iter().map(|object| Confirm { objects: vec![object], containers: Vec::new() }).collect();
    match parts.last_mut() {
        Some(last) => last.containers = containers,
        None => parts.push(Confirm { objects: Vec::new(), containers }),
    }
    parts
}

/// A delta in which ann and bob are gone, and out of three groups, whatever happens between two parts of an answer.
async fn answered_in_parts(world: &mut World, restarted: bool) {
    let mut directory = Directory::of(&["ann", "bob", "cid", "dan", "eve"]);
    for name in ["a", "b", "c"] {
        directory.put(group(name, &["ann", "bob", "cid"]));
    }
    world.read_everything(&directory).await;
    directory.remove("ann");
    directory.remove("bob");
    for name in ["a", "b", "c"] {
        directory.put(group(name, &["cid"]));
    }
    let feed = Feed::of(&["ann", "bob"]);
    let opened = world.open_following().await;
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    let finish = Finish { receipt: Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) } };
    let mut next = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("finishes");
    let mut groups_in_parts = 0;
    while let Next::Confirm(doubts) = next {
        let mut parts = in_parts(&directory, &doubts);
        let last = parts.pop().expect("something was asked for");
        groups_in_parts += parts.iter().filter(|part| part.objects[0].kind == Kind::Group).count();
        for (number, part) in parts.iter().enumerate() {
            for _ in 0..2 {
                let confirmed = world.engine.confirm(&world.agent, &opened.run_id, part.clone()).await;
                let said = confirmed.expect("confirms");
                let Next::Confirm(rest) = said else { panic!("not everything was answered: {said:?}") };
                if !restarted {
                    assert_eq!(rest.objects, doubts.objects[number + 1..]);
                }
            }
            if restarted {
                world.restart().await;
            }
        }
        next = world.engine.confirm(&world.agent, &opened.run_id, last).await.expect("confirms");
    }
    let Next::Done { report } = next else { panic!("{next:?}") };
    assert_eq!((report.state, report.counts.delete, report.counts.update), (RunState::Applied, 2, 3));
    assert_eq!(world.snapshot().await.members["a"], ["uid=cid,ou=people,dc=lg,dc=local=cid"]);
    assert!(groups_in_parts > 0);
}

#[tokio::test]
async fn an_answer_in_parts_is_waited_for_to_its_end_though_parts_come_twice() {
    answered_in_parts(&mut World::new().await, false).await;
}

#[tokio::test]
async fn who_was_answered_for_in_the_midst_of_a_restart_is_asked_for_again() {
    answered_in_parts(&mut World::new().await, true).await;
}

#[tokio::test]
async fn members_that_travelled_apart_were_taken_for_a_loss_after_a_restart() {
    let mut world = World::new().await;
    let mut directory = Directory::of(&["ann", "bob", "cid"]);
    directory.put(group("a", &["ann", "bob"]));
    world.read_everything(&directory).await;
    directory.remove("ann");
    directory.put(group("a", &["bob"]));
    let feed = Feed::of(&["ann"]);
    let opened = world.open_following().await;
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    let finish = Finish { receipt: Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) } };
    let mut next = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("finishes");
    let mut batches = 0;
    while let Next::Confirm(doubts) = next {
        let mut confirm = look_up(&directory, &doubts);
        for object in &mut confirm.objects {
            let LookUpOutcome::Found { record } = &mut object.outcome else { continue };
            if record.kind != Kind::Group {
                continue;
            }
            let members = std::mem::take(&mut record.members);
            record.member_count = Some(members.len() as u64);
            record.members_digest = Some(members_digest(&members));
            let part = MembersPart { source_id: record.source_id.clone(), part: 0, members };
            let batch = RecordBatch { seq: batches, records: Vec::new(), members: vec![part] };
            world
                .engine
                .records(&world.agent, &opened.run_id, batch.clone(), body(&batch))
                .await
                .expect("is taken");
            batches += 1;
        }
        if batches == 1 {
            world.restart().await;
        }
        next = world.engine.confirm(&world.agent, &opened.run_id, confirm).await.expect("confirms");
    }
    let Next::Done { report } = next else { panic!("{next:?}") };
    assert_eq!((report.state, report.counts.delete, report.counts.update), (RunState::Applied, 1, 1));
    assert_eq!(batches, 2, "what was answered around the restart is asked for again");
}

#[tokio::test]
async fn groups_that_still_list_a_leaver_were_sent_and_written_again() {
    let mut world = World::new().await;
    let mut directory = Directory::of(&["ann", "bob", "cid"]);
    for name in ["a", "b"] {
        directory.put(group(name, &["ann", "bob"]));
    }
    world.read_everything(&directory).await;
    // Nothing keeps the directory's references in step.
    directory.remove("ann");
    let feed = Feed::of(&["ann"]);
    let opened = world.open_following().await;
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    let finish = Finish { receipt: Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) } };
    let mut next = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("finishes");
    let mut known = Vec::new();
    while let Next::Confirm(doubts) = next {
        let confirm = look_up(&directory, &doubts);
        let unchanged =
            confirm.objects.iter().filter(|object| matches!(object.outcome, LookUpOutcome::Unchanged { .. }));
        known.extend(unchanged.map(|object| object.source_id.clone()));
        next = world.engine.confirm(&world.agent, &opened.run_id, confirm).await.expect("confirms");
        if known == ["a", "b"] {
            // What was found is remembered; who was asked for when it happened is asked for again.
            world.restart().await;
        }
    }
    let Next::Done { report } = next else { panic!("{next:?}") };
    assert_eq!((report.state, report.counts.delete, report.counts.update), (RunState::Applied, 1, 0));
    assert_eq!(known, ["a", "b", "bob", "cid", "bob", "cid"], "her groups, then who stood beside her");
    assert_eq!(world.snapshot().await.members["a"].len(), 2);
}

#[tokio::test]
async fn what_is_not_as_it_was_has_to_be_sent() {
    let world = World::new().await;
    let mut directory = Directory::of(&["ann", "bob"]);
    directory.put(group("a", &["ann", "bob"]));
    world.read_everything(&directory).await;
    directory.remove("ann");
    directory.put(group("a", &["bob"]));
    let feed = Feed::of(&["ann", "a"]);
    let opened = world.open_following().await;
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    let receipt = Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) };
    let finish = Finish { receipt: receipt.clone() };
    let next = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("finishes");
    let Next::Confirm(doubts) = next else { panic!("{next:?}") };
    let mut confirm = look_up(&directory, &doubts);
    for object in &mut confirm.objects {
        object.outcome = LookUpOutcome::Unchanged { digest: Digest::of(b"another") };
    }
    let refused = world.engine.confirm(&world.agent, &opened.run_id, confirm).await.expect_err("is refused");
    assert_eq!(refused.code(), "bad-record");
    let report = world.finish(&opened.run_id, &directory, receipt).await.expect("finishes");
    assert_eq!((report.counts.delete, report.counts.update), (1, 1));
}
