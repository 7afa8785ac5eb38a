//! Proving absence.

use std::collections::BTreeMap;

use adc::config::Scope;
use adc::directory::error::Failure;
use adc::directory::look_up::Found;
use adc::directory::{Directory, Query};
use adc_core::source_id::{IdAttribute, SourceId};
use adc_sandbox::{Fault, Sandbox, sample};

use crate::{config, open, people, read};

fn id_attribute() -> IdAttribute {
    IdAttribute::new("entryUUID")
}

fn id_of(sandbox: &Sandbox, dn: &str) -> SourceId {
    SourceId::from(sandbox.directory().get(dn).and_then(|entry| entry.text("entryUUID")).expect(dn))
}

#[tokio::test]
async fn the_present_the_moved_and_the_gone_are_told_apart() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let (zoe, lukasz, li_na) =
        (id_of(&sandbox, sample::ZOE), id_of(&sandbox, sample::LUKASZ), id_of(&sandbox, sample::LI_NA));
    sandbox.directory().delete(sample::LI_NA).expect("deleted");
    let query =
        Query { base: "ou=Platform,ou=Engineering,ou=People,dc=example,dc=com".to_owned(), ..people() };
    let found = directory
        .look_up(&query, &id_attribute(), &[zoe.clone(), lukasz.clone(), li_na])
        .await
        .expect("answers");
    let shown: BTreeMap<&SourceId, String> = found
        .iter()
        .map(|(id, found)| match found {
            Found::InScope(entry) => (id, format!("in scope {}", entry.dn())),
            Found::OutOfScope { dn } => (id, format!("elsewhere {dn}")),
            Found::Unidentified { error, .. } => (id, error.to_string()),
            Found::ClassHidden { entry } => (id, format!("no class of {}", entry.dn())),
        })
        .collect();
    assert_eq!(
        shown,
        BTreeMap::from([
            (&zoe, format!("in scope {}", sample::ZOE)),
            (&lukasz, format!("elsewhere {}", sample::LUKASZ))
        ])
    );
}

#[tokio::test]
async fn more_ids_than_one_search_takes_are_all_looked_up() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let (entries, _) = read(&mut directory, &people()).await;
    let ids: Vec<SourceId> =
        entries.iter().map(|entry| id_attribute().read(entry).expect("has one")).collect();
    let found = directory.look_up(&people(), &id_attribute(), &ids).await.expect("answers");
    assert_eq!(found.len(), sample::PEOPLE);
}

#[tokio::test]
async fn a_connection_lost_while_the_control_plane_thought_is_made_anew() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let zoe = id_of(&sandbox, sample::ZOE);
    sandbox.faults().inject(Fault::drop_after(0));
    let found =
        directory.look_up(&people(), &id_attribute(), std::slice::from_ref(&zoe)).await.expect("answers");
    assert!(matches!(&found[&zoe], Found::InScope(_)));
    assert_eq!(sandbox.journal().connections, 2);
}

#[tokio::test]
async fn a_look_up_that_is_not_answered_proves_nothing() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let zoe = id_of(&sandbox, sample::ZOE);
    sandbox.faults().inject(Fault::answer_after(0, adc_sandbox::ResultCode::Busy, "").always());
    directory.look_up(&people(), &id_attribute(), &[zoe]).await.expect_err("no answer is no proof");
}

#[tokio::test]
async fn containers_exist_or_not() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    assert_eq!(directory.exists("ou=People, DC=example,dc=com").await, Ok(true));
    assert_eq!(directory.exists("ou=Nowhere,dc=example,dc=com").await, Ok(false));
}

/// Asks where somebody was seen last, by the id that they had.
async fn look_at(directory: &mut Directory, id: &SourceId, dn: &str) -> Option<Found> {
    directory.look_at(&people(), &id_attribute(), id, dn).await.expect("answers")
}

#[tokio::test]
async fn an_entry_whose_id_is_out_of_sight_is_not_called_gone() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let (zoe, li_na) = (id_of(&sandbox, sample::ZOE), id_of(&sandbox, sample::LI_NA));
    sandbox.directory().modify(sample::ZOE, |attributes| attributes.remove("entryUUID")).expect("modified");
    let found =
        directory.look_up(&people(), &id_attribute(), std::slice::from_ref(&zoe)).await.expect("answers");
    assert!(found.is_empty(), "by its id it is not found: {found:?}");
    let hidden = look_at(&mut directory, &zoe, sample::ZOE).await;
    assert!(matches!(hidden, Some(Found::Unidentified { .. })), "{hidden:?}");

    sandbox.directory().delete(sample::LI_NA).expect("deleted");
    assert_eq!(look_at(&mut directory, &li_na, sample::LI_NA).await, None, "is gone");
    let another = look_at(&mut directory, &li_na, sample::LUKASZ).await;
    assert_eq!(another, None, "another one at that place is no obstacle");
    assert_eq!(look_at(&mut directory, &li_na, "no DN at all").await, None, "names nobody");
}

#[tokio::test]
async fn an_entry_whose_class_is_out_of_sight_is_not_called_out_of_scope() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let zoe = id_of(&sandbox, sample::ZOE);
    sandbox.directory().modify(sample::ZOE, |attributes| attributes.remove("objectClass")).expect("modified");
    let found =
        directory.look_up(&people(), &id_attribute(), std::slice::from_ref(&zoe)).await.expect("answers");
    assert!(matches!(&found[&zoe], Found::ClassHidden { entry } if entry.dn() == sample::ZOE), "{found:?}");
}

#[tokio::test]
async fn an_entry_that_shows_its_id_but_is_not_found_by_it_is_not_called_gone() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let zoe = id_of(&sandbox, sample::ZOE);
    assert!(matches!(look_at(&mut directory, &zoe, sample::ZOE).await, Some(Found::InScope(_))));
    let elsewhere = Found::OutOfScope { dn: sample::ZOE.to_owned() };
    for query in [
        Query { filter: "(mail=nobody)".parse().expect("parses"), ..people() },
        Query { scope: Scope::One, ..people() },
        Query { base: sample::LUKASZ.to_owned(), ..people() },
    ] {
        let found = directory.look_at(&query, &id_attribute(), &zoe, sample::ZOE).await.expect("answers");
        assert_eq!(found.as_ref(), Some(&elsewhere), "{query:?}");
    }
}

#[tokio::test]
async fn an_id_that_changed_its_case_was_looked_up_and_not_recognized() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let number = IdAttribute::new("employeeNumber");
    let query = Query { attributes: vec!["employeeNumber".to_owned()], ..people() };
    sandbox.directory().set(sample::ZOE, "employeeNumber", ["AB-7"]).expect("set");
    let found = directory.look_up(&query, &number, &["ab-7".into()]).await.expect("answers");
    assert!(matches!(found.get(&"ab-7".into()), Some(Found::InScope(_))), "{found:?}");

    let several = ["x", "ab-7"];
    sandbox.directory().set(sample::ZOE, "employeeNumber", several).expect("set");
    let found = directory.look_up(&query, &number, &["ab-7".into()]).await.expect("answers");
    assert!(matches!(found.get(&"ab-7".into()), Some(Found::Unidentified { .. })), "{found:?}");
}

#[tokio::test]
async fn whoever_a_look_up_returns_without_having_been_asked_for_is_no_proof_of_absence() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut directory = open(config(&sandbox)).await.expect("opens");
    let number = IdAttribute::new("employeeNumber");
    sandbox.directory().set(sample::ZOE, "employeeNumber", ["a  b"]).expect("set");
    // This directory takes runs of spaces for one.
    let error = directory.look_up(&people(), &number, &["a b".into()]).await.expect_err("proves nothing");
    assert_eq!(error.failure, Failure::IdMismatch);
    assert!(error.message.contains(sample::ZOE) && error.message.contains("id_attribute"), "{error}");
}
