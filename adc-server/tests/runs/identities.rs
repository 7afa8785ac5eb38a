//! Objects whose identity cannot be read.

use crate::world::{BASE, Directory, World, person};
use adc_core::{
    protocol::{RunReport, RunState},
    reason::Reason,
    record::{Kind, Problem, Record},
    source_id::SourceId,
};

/// Imports what is there, except that the id of one person is hidden: the read takes them for somebody else, the look-up knows them.
async fn import_with_hidden_id(world: &World, directory: &Directory, id: &str) -> RunReport {
    let mut hidden = directory.clone();
    let problem =
        Problem { reason: Reason::MissingSourceId, detail: "the entry has no entryUUID".to_owned() };
    hidden.user(id).problem = Some(problem);
    let mut as_read = hidden.user(id).clone();
    as_read.source_id = SourceId::in_place_of_one(&as_read.dn).into();
    hidden.put(as_read);
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send_those(&opened, &hidden, |record| record.source_id != id).await.expect("sends");
    assert_eq!(receipt.read.of(Kind::User), directory.objects.len() as u64);
    world.finish(&opened.run_id, &hidden, receipt).await.expect("ends")
}

/// Somebody whose id cannot be read, as a run reads them.
fn unidentified(dn: &str, name: &str) -> Record {
    let mut record = person(&String::from(SourceId::in_place_of_one(dn)), name);
    dn.clone_into(&mut record.dn);
    let detail = "the entry has no entryUUID".to_owned();
    record.problem = Some(Problem { reason: Reason::MissingSourceId, detail });
    record
}

#[tokio::test]
async fn whoever_was_renamed_while_their_id_was_hidden_was_removed() {
    let world = World::new().await;
    let mut directory = Directory::people(6);
    world.import(&directory).await.expect("imports");
    let renamed = |number: usize| format!("uid=renamed {number},ou=people,{BASE}");
    for number in 0..3 {
        directory.remove(&format!("{number:05}"));
        directory.put(unidentified(&renamed(number), &format!("P{number}")));
    }
    for _ in 0..2 {
        let report = world.import(&directory).await.expect("imports");
        assert_eq!((report.state, report.counts.effective()), (RunState::Applied, 0), "{report:?}");
        assert_eq!((report.counts.conflict, report.needs_attention), (6, 6));
    }
    // One has got another name, another a mail address alone, and the third is gone for good.
    directory.remove(&String::from(SourceId::in_place_of_one(&renamed(0))));
    let id = |number| String::from(SourceId::in_place_of_one(&renamed(number)));
    directory.user(&id(1)).name = "p1-married@lg.local".to_owned();
    directory.user(&id(2)).email = None;
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.delete, report.counts.conflict), (1, 4), "{report:?}");
    let everybody = Directory::people(6);
    let report = world.import(&everybody).await.expect("imports");
    assert_eq!((report.counts.restore, report.counts.conflict, report.counts.unchanged), (1, 0, 5));
}

#[tokio::test]
async fn whoever_lost_a_readable_id_was_counted_twice() {
    let world = World::new().await;
    let directory = Directory::people(5);
    world.import(&directory).await.expect("imports");
    for _ in 0..2 {
        let report = import_with_hidden_id(&world, &directory, "00000").await;
        assert_eq!((report.counts.conflict, report.counts.unchanged), (1, 4));
        assert_eq!((report.counts.effective(), report.needs_attention), (0, 1));
    }
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.unchanged), (0, 5));
}
