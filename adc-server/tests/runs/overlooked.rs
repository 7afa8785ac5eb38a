//! Reads that were cut without a word: look-ups find whom they did not show.

use crate::world::{BASE, Directory, World, person};
use adc_core::{
    protocol::{RunReport, RunState},
    reason::Reason,
    record::{Problem as Trouble, Record},
    source_id::SourceId,
};
use adc_server::{api::problem::Problem, store::UsersFilter};

/// Imports what is there, of which the read shows only some.
async fn import_showing(
    world: &World,
    directory: &Directory,
    shown: impl Fn(&Record) -> bool,
) -> Result<RunReport, Problem> {
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send_those(&opened, directory, shown).await.expect("sends");
    world.finish(&opened.run_id, directory, receipt).await
}

async fn people(world: &World) -> usize {
    let everybody = UsersFilter::default();
    world.store.users(&world.agent.account_id, &everybody, None, 500).await.expect("reads").len()
}

#[tokio::test]
async fn a_read_that_was_cut_counted_as_complete_where_look_ups_found_the_rest() {
    let world = World::new().await;
    let mut directory = Directory::people(100);
    world.import(&directory).await.expect("imports");
    directory.user("00003").fields.insert("title".to_owned(), "Engineer".into());
    directory.put(person("joiner", "joiner"));

    let first_page = |record: &Record| *record.source_id < *"00020";
    let cut = import_showing(&world, &directory, first_page).await.expect_err("is not believed");
    assert_eq!((cut.code(), people(&world).await), ("receipt-incomplete", 100));
    insta::assert_snapshot!(cut, @"The directory's answer to the search for people was not complete, though it said so: of 100 people that were there before, 80 did not come and are found when they are looked up by id, where they were; nothing was changed. Try again; if it stays so, ask who runs the directory, or what lies between, what cuts its answers. (receipt-incomplete)");

    let whole = world.import(&directory).await.expect("imports");
    assert_eq!((whole.counts.create, whole.counts.update, people(&world).await), (1, 1, 101));
}

#[tokio::test]
async fn a_few_who_are_overlooked_do_not_fail_a_run() {
    let world = World::new().await;
    let directory = Directory::people(100);
    world.import(&directory).await.expect("imports");
    let few = |record: &Record| *record.source_id >= *"00010";
    let report = import_showing(&world, &directory, few).await.expect("imports");
    assert_eq!((report.state, report.counts.effective(), people(&world).await), (RunState::Applied, 0, 100));
}

#[tokio::test]
async fn a_container_that_is_renamed_while_it_is_read_does_not_fail_the_run() {
    let world = World::new().await;
    let mut directory = Directory::people(100);
    world.import(&directory).await.expect("imports");
    let is_moved = |record: &Record| *record.source_id < *"00030";
    for record in directory.objects.values_mut().filter(|record| is_moved(record)) {
        record.dn = format!("uid={},ou=staff,{BASE}", record.source_id);
    }
    let report = import_showing(&world, &directory, |record| !is_moved(record)).await.expect("imports");
    assert_eq!((report.state, report.counts.update), (RunState::Applied, 30));
}

#[tokio::test]
async fn people_whose_ids_are_hidden_were_shown_as_strangers() {
    let world = World::new().await;
    let mut directory = Directory::people(100);
    world.import(&directory).await.expect("imports");
    for id in (0..20).map(|number| format!("{number:05}")) {
        let record = directory.user(&id);
        record.problem = Some(Trouble { reason: Reason::MissingSourceId, detail: "no entryUUID".to_owned() });
        let as_read = Record { source_id: SourceId::in_place_of_one(&record.dn).into(), ..record.clone() };
        directory.put(as_read);
    }
    let is_shown = |record: &Record| !record.source_id.starts_with("000") || *record.source_id >= *"00020";
    let report = import_showing(&world, &directory, is_shown).await.expect("imports");
    assert_eq!((report.state, report.counts.conflict), (RunState::Applied, 20));
}
