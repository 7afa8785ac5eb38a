//! Fields that the policy calls unique are so among users too, whatever keeps somebody's from following the directory.

use crate::world::{Directory, World, person};
use adc_core::{
    plan::ObjectStatus,
    policy::{FieldMapping, FieldSource, MappingPolicy, Policy},
    protocol::RunState,
    reason::Reason,
    record::{Kind, Record},
    settings::Settings,
    text,
};
use adc_server::store::{ObjectsFilter, UsersFilter};
use std::collections::BTreeMap;

const FIELD: &str = "employee_id";

async fn world() -> World {
    let field = FieldMapping {
        name: FIELD.to_owned(),
        from: Some(FieldSource::One("employeeNumber".to_owned())),
        required: false,
        unique: true,
        multi_valued: false,
    };
    let mapping = MappingPolicy { fields: vec![field], ..MappingPolicy::default() };
    World::with(Settings::default(), Some(Policy { mapping, ..Policy::default() }), None).await
}

fn numbered(name: &str, number: &str) -> Record {
    let mut record = person(name, name);
    record.fields.insert(FIELD.to_owned(), number.into());
    record.unique.insert(FIELD.to_owned(), number.to_owned());
    record
}

/// People by name, each with a number; and some without, so that nothing is held.
fn people(people: &[(&str, &str)]) -> Directory {
    let mut directory = Directory::people(3);
    for (name, number) in people {
        directory.put(numbered(name, number));
    }
    directory
}

fn set(switch: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    switch(&mut settings);
    settings
}

/// Who has which number, of those who are not deleted.
async fn holders(world: &World) -> BTreeMap<String, String> {
    let users = UsersFilter { status: None, pattern: None };
    let users = world.store.users(&world.agent.account_id, &users, None, 100).await.expect("reads");
    let mut holders = BTreeMap::new();
    for (_, user) in users {
        let Some(number) = user.state.fields.get(FIELD) else { continue };
        let name = user.state.username.split('@').next().unwrap_or_default().to_owned();
        let twice = holders.insert(text::key(&number.to_string()).into_owned(), name);
        assert_eq!(twice, None, "two users have the number {number}");
    }
    holders
}

fn held(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(number, name)| ((*number).to_owned(), (*name).to_owned())).collect()
}

async fn status_of(world: &World, name: &str) -> (ObjectStatus, Option<Reason>) {
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    let filter = ObjectsFilter { kind: Some(Kind::User), ..ObjectsFilter::default() };
    let objects = world.store.objects(account_id, id, &filter, None, 100).await.expect("reads");
    let object = objects.into_iter().find(|object| object.source_id == name).expect("is known");
    (object.status, object.reason)
}

const REFUSED: (ObjectStatus, Option<Reason>) = (ObjectStatus::Conflict, Some(Reason::DuplicateValue));

#[tokio::test]
async fn a_joiner_got_the_number_of_a_leaver_whom_no_delete_kept() {
    let mut world = world().await;
    world.import(&people(&[("leaver", "A7")])).await.expect("imports");
    let directory = people(&[("joiner", "a7")]);
    world.settings = set(|settings| settings.no_delete = Some(true));
    for _ in 0..2 {
        world.import(&directory).await.expect("imports");
        assert_eq!(holders(&world).await, held(&[("a7", "leaver")]));
        assert_eq!(status_of(&world, "joiner").await, REFUSED);
    }
    world.settings = Settings::default();
    world.import(&directory).await.expect("imports");
    assert_eq!(holders(&world).await, held(&[("a7", "joiner")]));
}

#[tokio::test]
async fn a_joiner_got_the_number_that_somebody_was_to_give_up_and_no_update_kept() {
    let mut world = world().await;
    world.import(&people(&[("anna", "8")])).await.expect("imports");
    let directory = people(&[("anna", "9"), ("joiner", "8")]);
    world.settings = set(|settings| settings.no_update = Some(true));
    for _ in 0..2 {
        world.import(&directory).await.expect("imports");
        assert_eq!(holders(&world).await, held(&[("8", "anna")]));
    }
    world.settings = Settings::default();
    world.import(&directory).await.expect("imports");
    assert_eq!(holders(&world).await, held(&[("9", "anna"), ("8", "joiner")]));
}

#[tokio::test]
async fn a_disabled_leaver_keeps_the_number_also_from_whoever_comes_later() {
    let mut world = world().await;
    world.import(&people(&[("leaver", "7"), ("anna", "1")])).await.expect("imports");
    world.settings = set(|settings| settings.delete_disables = Some(true));
    world.import(&people(&[("anna", "1"), ("early", "7")])).await.expect("imports");
    assert_eq!(status_of(&world, "early").await, REFUSED);
    world.import(&people(&[("anna", "1"), ("late", "7")])).await.expect("imports");
    assert_eq!(status_of(&world, "late").await, REFUSED);
    assert_eq!(world.import(&people(&[("anna", "7")])).await.expect("imports").counts.conflict, 1);
    assert_eq!(holders(&world).await, held(&[("7", "leaver"), ("1", "anna")]));
}

#[tokio::test]
async fn whom_a_problem_keeps_as_they_are_keeps_the_number() {
    let world = world().await;
    world.import(&people(&[("anna", "8"), ("ben", "9")])).await.expect("imports");
    let mut directory = people(&[("anna", "9"), ("ben", "7")]);
    directory.user("ben").problem =
        Some(adc_core::record::Problem { reason: Reason::NotUtf8, detail: "attribute cn".to_owned() });
    world.import(&directory).await.expect("imports");
    assert_eq!(holders(&world).await, held(&[("8", "anna"), ("9", "ben")]), "ben is a conflict and stays");
    assert_eq!(status_of(&world, "anna").await, REFUSED);
    directory.user("ben").problem = None;
    world.import(&directory).await.expect("imports");
    assert_eq!(holders(&world).await, held(&[("9", "anna"), ("7", "ben")]));
}

#[tokio::test]
async fn numbers_change_hands_in_one_run() {
    let world = world().await;
    world.import(&people(&[("anna", "1"), ("ben", "2"), ("leaver", "3")])).await.expect("imports");
    let swapped =
        world.import(&people(&[("anna", "2"), ("ben", "1"), ("joiner", "3")])).await.expect("imports");
    assert_eq!((swapped.state, swapped.counts.conflict), (RunState::Applied, 0));
    assert_eq!(holders(&world).await, held(&[("2", "anna"), ("1", "ben"), ("3", "joiner")]));
}

#[tokio::test]
async fn a_chain_of_numbers_stands_when_its_last_does_not_move() {
    let mut world = world().await;
    world.import(&people(&[("anna", "1"), ("ben", "2"), ("leaver", "3")])).await.expect("imports");
    world.settings = set(|settings| settings.no_delete = Some(true));
    let directory = people(&[("anna", "2"), ("ben", "3"), ("joiner", "1")]);
    let stands = world.import(&directory).await.expect("imports");
    assert_eq!(stands.counts.conflict, 3);
    assert_eq!(holders(&world).await, held(&[("1", "anna"), ("2", "ben"), ("3", "leaver")]));
    world.settings = Settings::default();
    world.import(&directory).await.expect("imports");
    assert_eq!(holders(&world).await, held(&[("2", "anna"), ("3", "ben"), ("1", "joiner")]));
}
