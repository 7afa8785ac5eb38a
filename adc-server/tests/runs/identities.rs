//! Objects whose identity cannot be read.

use crate::world::{Directory, World};
use adc_core::{
    protocol::RunReport,
    reason::Reason,
    record::{Kind, Problem},
    source_id::SourceId,
};

/// Imports what is there, except that the id of one person is hidden: the read takes them for somebody else, the look-up knows them.
pub(crate) async fn import_with_hidden_id(world: &World, directory: &Directory, id: &str) -> RunReport {
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
