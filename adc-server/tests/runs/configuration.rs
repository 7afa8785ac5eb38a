//! Configurations and rules that nobody has vouched for: whom they would remove is held, by whichever detour.

use crate::world::{BASE, Directory, World, group, own_account};
use adc_core::{
    plan::UserStatus,
    policy::{ExcludeRule, Policy},
    protocol::{Fingerprint, FullBecause, RunReport, RunState},
    reason::Reason,
    record::{Kind, Record},
    settings::Settings,
};
use adc_server::{
    admin::users,
    api::auth::Administrator,
    clock::Clock,
    store::{Editable, Synchronization, UsersFilter},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Of the agent's adc.yaml: one value that says which one it is.
fn configured(world: &mut World, filter: &str) {
    world.fingerprint = Fingerprint {
        server: String::new(),
        configuration: [("sync.filter".to_owned(), filter.to_owned())].into(),
        ..Fingerprint::default()
    };
}

/// The same company, seen through a filter that leaves somebody out.
fn narrowed(directory: &Directory) -> Directory {
    let mut narrowed = directory.clone();
    let left_out = narrowed.remove("00007");
    narrowed.out_of_scope.insert((left_out.kind, left_out.source_id), left_out.dn);
    narrowed
}

async fn switch(world: &World, settings: Settings) {
    edit(world, |current| Editable { settings, ..current.editable() }).await;
}

pub(crate) async fn rule(world: &World, policy: Policy) {
    edit(world, |current| Editable { policy: Some(policy), ..current.editable() }).await;
}

async fn edit(world: &World, edit: impl FnOnce(&Synchronization) -> Editable) {
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    let edited = |current: &Synchronization| Ok::<_, ()>(edit(current));
    world.store.edit_synchronization(account_id, id, 0, edited).await.expect("edits");
}

fn no_delete() -> Settings {
    Settings { no_delete: Some(true), ..Settings::default() }
}

fn assert_held(report: &RunReport) {
    let reasons: Vec<_> = report.held_because.iter().map(|held| held.reason).collect();
    assert_eq!((report.state, reasons), (RunState::Held, vec![Reason::GuardFingerprint]));
}

#[tokio::test]
async fn no_delete_for_one_run_vouched_for_a_filter_that_left_somebody_out() {
    let mut world = World::new().await;
    let directory = Directory::people(50);
    configured(&mut world, "all");
    world.import(&directory).await.expect("imports");
    configured(&mut world, "some");
    switch(&world, no_delete()).await;
    let put_off = world.import(&narrowed(&directory)).await.expect("imports");
    assert_eq!((put_off.state, put_off.counts.skip), (RunState::Applied, 1));
    world.import(&narrowed(&directory)).await.expect("imports");
    switch(&world, Settings::default()).await;
    world.preview(&narrowed(&directory)).await.expect("previews");
    let held = world.import(&narrowed(&directory)).await.expect("runs");
    assert_held(&held);
    assert!(held.held_because[0].detail.contains("sync.filter"), "{:?}", held.held_because);

    world.engine.approve(&world.agent.account_id, &held.run_id).await.expect("is approved");
    let mut fewer = narrowed(&directory);
    fewer.remove("00008");
    assert_eq!(world.import(&fewer).await.expect("imports").counts.delete, 1, "an approval vouches for it");
}

#[tokio::test]
async fn no_delete_for_one_run_let_everybody_be_made_anew_under_another_id() {
    let mut world = World::new().await;
    let directory = Directory::people(8);
    configured(&mut world, "entryUUID");
    world.import(&directory).await.expect("imports");
    let mut renumbered = Directory::default();
    for number in 0..8 {
        renumbered.put(Record::new(
            Kind::User,
            format!("n{number}"),
            format!("uid={number:05},ou=people,{BASE}"),
            format!("p{number}@lg.local"),
        ));
    }
    configured(&mut world, "employeeNumber");
    switch(&world, no_delete()).await;
    assert_eq!(world.import(&renumbered).await.expect("imports").counts.conflict, 8);
    switch(&world, Settings::default()).await;
    let held = world.import(&renumbered).await.expect("runs");
    assert_eq!(held.state, RunState::Held);
    assert!(held.held_because.iter().any(|held| held.reason == Reason::GuardFingerprint), "{held:?}");
}

#[tokio::test]
async fn whom_a_protection_kept_was_removed_unheld_once_it_was_lifted() {
    let mut world = World::new().await;
    let directory = Directory::people(50);
    configured(&mut world, "all");
    world.import(&directory).await.expect("imports");
    own_account(&world, "p7", true).await;
    configured(&mut world, "some");
    assert_eq!(world.import(&narrowed(&directory)).await.expect("imports").state, RunState::Applied);
    own_account(&world, "p7", false).await;
    assert_held(&world.import(&narrowed(&directory)).await.expect("runs"));
}

#[tokio::test]
async fn somebody_protected_who_had_left_kept_every_later_configuration_from_being_vouched_for() {
    let mut world = World::new().await;
    let mut directory = Directory::people(50);
    configured(&mut world, "all");
    world.import(&directory).await.expect("imports");
    own_account(&world, "p7", true).await;
    directory.remove("00007");
    assert_eq!(world.import(&directory).await.expect("imports").counts.skip, 1);
    configured(&mut world, "another spelling");
    world.import(&directory).await.expect("imports");
    directory.remove("00008");
    let left = world.import(&directory).await.expect("imports");
    assert_eq!((left.state, left.counts.delete), (RunState::Applied, 1));
}

#[tokio::test]
async fn whom_a_filter_would_remove_but_for_a_protection_is_in_doubt_until_somebody_vouched_for_it() {
    let mut world = World::new().await;
    let directory = Directory::people(50);
    configured(&mut world, "all");
    world.import(&directory).await.expect("imports");
    own_account(&world, "p7", true).await;
    configured(&mut world, "some");
    let mut narrowed = narrowed(&directory);
    world.import(&narrowed).await.expect("imports");
    narrowed.remove("00008");
    let held = world.import(&narrowed).await.expect("runs");
    assert_held(&held);
    world.engine.approve(&world.agent.account_id, &held.run_id).await.expect("is approved");
    configured(&mut world, "another spelling");
    world.import(&narrowed).await.expect("imports");
    own_account(&world, "p7", false).await;
    narrowed.remove("00009");
    assert_eq!(world.import(&narrowed).await.expect("imports").counts.delete, 2);
}

#[tokio::test]
async fn a_plan_that_was_approved_for_something_else_vouched_for_a_filter() {
    let mut world = World::new().await;
    let mut directory = Directory::people(50);
    configured(&mut world, "all");
    world.import(&directory).await.expect("imports");
    configured(&mut world, "some");
    switch(&world, no_delete()).await;
    for number in 10..40 {
        directory.user(&format!("{number:05}")).fields.clear();
    }
    let blanked = world.import(&narrowed(&directory)).await.expect("runs");
    assert_eq!((blanked.state, blanked.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
    world.engine.approve(&world.agent.account_id, &blanked.run_id).await.expect("is approved");
    switch(&world, Settings::default()).await;
    assert_held(&world.import(&narrowed(&directory)).await.expect("runs"));
}

#[tokio::test]
async fn a_configuration_that_removes_nobody_is_vouched_for_at_once() {
    let mut world = World::new().await;
    let mut directory = Directory::people(50);
    configured(&mut world, "all");
    world.import(&directory).await.expect("imports");
    configured(&mut world, "another spelling");
    world.import(&directory).await.expect("imports");
    directory.remove("00007");
    assert_eq!(world.import(&directory).await.expect("imports").counts.delete, 1);
}

/// The same configuration, written like this.
fn written(world: &mut World, bind_dn: &str, effective: bool) {
    let configuration = |bind_dn: &str| [("bind_dn".to_owned(), bind_dn.to_owned())].into();
    let effective = if effective { configuration("cn=readonly,dc=lg") } else { [].into() };
    let server = String::new();
    world.fingerprint = Fingerprint { server, configuration: configuration(bind_dn), effective };
}

#[tokio::test]
async fn a_configuration_that_was_only_written_otherwise_held_the_next_leaver() {
    let mut world = World::new().await;
    let mut directory = Directory::people(50);
    written(&mut world, "cn=readonly,dc=lg", true);
    world.import(&directory).await.expect("imports");
    directory.remove("00007");
    written(&mut world, "CN=Readonly, dc=lg", true);
    let opened = world.open(false).await.expect("opens");
    assert_ne!(opened.full_because, Some(FullBecause::FingerprintChanged));
    let receipt = world.send(&opened, &directory).await.expect("sends");
    let left = world.finish(&opened.run_id, &directory, receipt).await.expect("finishes");
    assert_eq!((left.state, left.counts.delete), (RunState::Applied, 1));
}

#[tokio::test]
async fn an_agent_that_was_upgraded_is_configured_as_it_was() {
    let mut world = World::new().await;
    let mut directory = Directory::people(50);
    written(&mut world, "CN=Readonly, dc=lg", false);
    world.import(&directory).await.expect("imports");
    for (spelling, leaver) in [("CN=Readonly, dc=lg", "00007"), ("cn=readonly,dc=lg", "00008")] {
        directory.remove(leaver);
        written(&mut world, spelling, true);
        let left = world.import(&directory).await.expect("imports");
        assert_eq!((left.state, left.counts.delete), (RunState::Applied, 1), "{spelling}");
    }
}

#[tokio::test]
async fn a_rule_that_was_only_written_otherwise_held_the_next_leaver() {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    let mut directory = under("contractors", &["00003"]);
    world.import(&directory).await.expect("imports");
    let filter = "(EmployeeType=contractor)".parse().expect("a filter");
    let exclude = vec![ExcludeRule { name: "contractors".to_owned(), filter }];
    rule(&world, Policy { exclude, ..Policy::default() }).await;
    directory.remove("00004");
    let left = world.import(&directory).await.expect("imports");
    assert_eq!((left.state, left.counts.delete), (RunState::Applied, 1));
}

#[tokio::test]
async fn a_group_that_no_delete_kept_was_removed_by_a_filter_unheld() {
    let mut world = World::new().await;
    let people = Directory::people(3);
    let mut directory = people.clone();
    directory.put(group("staff", &["00000"]));
    configured(&mut world, "all");
    world.import(&directory).await.expect("imports");
    configured(&mut world, "some");
    switch(&world, no_delete()).await;
    world.import(&people).await.expect("imports");
    switch(&world, Settings::default()).await;
    assert_held(&world.import(&people).await.expect("runs"));
}

/// The company as the agent maps it under rules: who is left out is named by the rule, `""` by no include filter. They are those who show
/// what employees they are; of nobody else that is seen.
pub(crate) fn under(rule: &str, whom: &[&str]) -> Directory {
    let mut directory = Directory::people(8);
    for id in whom {
        let person = directory.user(id);
        person.excluded_by = Some(rule.to_owned());
        person.shows = Some(showing("employeetype"));
    }
    directory
}

/// A single attribute, as [`adc_core::record::Record::shows`] has it.
pub(crate) fn showing(attribute: &str) -> BTreeSet<String> {
    BTreeSet::from([attribute.to_owned()])
}

#[tokio::test]
async fn a_mistyped_include_rule_removed_everybody() {
    let world = World::new().await;
    let everybody: Vec<String> = (0..8).map(|number| format!("{number:05}")).collect();
    let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
    world.import(&under("", &[])).await.expect("imports");
    let include = vec!["(uid=nobody)".parse().expect("a filter")];
    rule(&world, Policy { include, ..Policy::default() }).await;
    let held = world.import(&under("", &everybody)).await.expect("runs");
    assert!(held.held_because.iter().any(|held| held.reason == Reason::GuardFingerprint), "{held:?}");
    rule(&world, Policy::default()).await;
    assert_eq!(world.import(&under("", &[])).await.expect("imports").state, RunState::Applied);
    let active = UsersFilter { status: Some(UserStatus::Active), pattern: None };
    let active = world.store.users(&world.agent.account_id, &active, None, 10).await.expect("reads");
    assert_eq!(active.len(), 8);
}

#[tokio::test]
async fn an_exclude_rule_that_would_remove_somebody_is_held_and_whom_it_meets_later_is_not() {
    let world = World::new().await;
    world.import(&under("contractors", &[])).await.expect("imports");
    let filter = "(employeeType=contractor)".parse().expect("a filter");
    let exclude = vec![ExcludeRule { name: "contractors".to_owned(), filter }];
    rule(&world, Policy { exclude, ..Policy::default() }).await;
    switch(&world, no_delete()).await;
    world.import(&under("contractors", &["00003"])).await.expect("imports");
    switch(&world, Settings::default()).await;
    let held = world.import(&under("contractors", &["00003"])).await.expect("runs");
    assert_held(&held);
    assert!(held.held_because[0].detail.contains("exclude"), "{:?}", held.held_because);
    world.engine.approve(&world.agent.account_id, &held.run_id).await.expect("is approved");
    let later = world.import(&under("contractors", &["00003", "00004"])).await.expect("imports");
    assert_eq!((later.state, later.counts.delete), (RunState::Applied, 1));
}

pub(crate) fn contractors() -> Policy {
    let filter = "(employeeType=contractor)".parse().expect("a filter");
    let exclude = vec![ExcludeRule { name: "contractors".to_owned(), filter }];
    Policy { exclude, ..Policy::default() }
}

pub(crate) fn assert_let_in(report: &RunReport, create: u64) {
    let reasons: Vec<_> = report.held_because.iter().map(|held| held.reason).collect();
    assert_eq!((report.state, reasons), (RunState::Held, vec![Reason::GuardLetIn]));
    assert_eq!(report.counts.create, create);
}

#[tokio::test]
async fn the_attribute_of_an_exclude_rule_was_hidden_and_whom_it_kept_out_came_in() {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    world.import(&under("contractors", &["00003", "00004", "00005"])).await.expect("imports");
    let held = world.import(&under("contractors", &[])).await.expect("runs");
    assert_let_in(&held, 3);
    assert!(
        held.held_because[0].detail.contains("3 of 3 people whom rules left out for their employeetype"),
        "{held:?}"
    );
    world.engine.approve(&world.agent.account_id, &held.run_id).await.expect("is approved");
    assert_eq!(world.import(&under("contractors", &[])).await.expect("imports").counts.unchanged, 8);
}

#[tokio::test]
async fn contractors_who_become_employees_come_in_one_by_one_and_add_up_within_a_day() {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    world.import(&under("contractors", &["00003", "00004", "00005"])).await.expect("imports");
    let one = world.import(&under("contractors", &["00004", "00005"])).await.expect("imports");
    assert_eq!((one.state, one.counts.create), (RunState::Applied, 1));
    assert_let_in(&world.import(&under("contractors", &["00005"])).await.expect("runs"), 1);
    world.pass_time(24 * 60 * 60 * 1000 + 1);
    let next_day = world.import(&under("contractors", &["00005"])).await.expect("imports");
    assert_eq!((next_day.state, next_day.counts.create), (RunState::Applied, 1));
    assert_eq!(world.import(&under("contractors", &["00005"])).await.expect("imports").counts.unchanged, 8);
}

#[tokio::test]
async fn whom_a_rule_kept_out_comes_in_when_the_rule_is_taken_away() {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    world.import(&under("contractors", &["00003", "00004", "00005"])).await.expect("imports");
    rule(&world, Policy::default()).await;
    let applied = world.import(&under("contractors", &[])).await.expect("imports");
    assert_eq!((applied.state, applied.counts.create), (RunState::Applied, 3));
}

#[tokio::test]
async fn no_create_for_one_run_hid_that_a_rule_had_gone_blind() {
    let world = World::with(Settings::default(), Some(contractors()), None).await;
    world.import(&under("contractors", &["00003", "00004", "00005"])).await.expect("imports");
    switch(&world, Settings { no_create: Some(true), ..Settings::default() }).await;
    let nobody = world.import(&under("contractors", &[])).await.expect("imports");
    assert_eq!((nobody.state, nobody.counts.skip), (RunState::Applied, 3));
    switch(&world, Settings::default()).await;
    assert_let_in(&world.import(&under("contractors", &[])).await.expect("runs"), 3);
}

#[tokio::test]
async fn the_attribute_that_an_include_filter_wants_absent_was_hidden() {
    let include = vec!["(!(employeeType=contractor))".parse().expect("a filter")];
    let policy = Policy { include, ..Policy::default() };
    let world = World::with(Settings::default(), Some(policy), None).await;
    world.import(&under("", &["00003", "00004"])).await.expect("imports");
    assert_let_in(&world.import(&under("", &[])).await.expect("runs"), 2);
}

#[tokio::test]
async fn people_whom_an_include_filter_finds_at_last_come_in_together() {
    let include = vec!["(employeeType=staff)".parse().expect("a filter")];
    let policy = Policy { include, ..Policy::default() };
    let world = World::with(Settings::default(), Some(policy), None).await;
    world.import(&under("", &["00003", "00004", "00005"])).await.expect("imports");
    let applied = world.import(&under("", &[])).await.expect("imports");
    assert_eq!((applied.state, applied.counts.create), (RunState::Applied, 3));
}

/// Users of an administrator's own, under the names that people of the directory have too.
async fn local_users(world: &World, numbers: std::ops::Range<u8>, fields: &Value) {
    let account_id = world.agent.account_id.clone();
    let administrator = Administrator { account_id, key_id: "key".to_owned() };
    for number in numbers {
        let wishes = json!({ "username": format!("p{number}@lg.local"), "fields": fields });
        let wishes = serde_json::from_value(wishes).expect("wishes");
        users::create(&world.store, &Clock::from_fn(|| 0), &administrator, wishes).await.expect("makes");
    }
}

#[tokio::test]
async fn people_who_are_adopted_lost_what_only_their_local_users_had() {
    let world = World::new().await;
    local_users(&world, 0..25, &json!({ "note": "keep", "phone": "1" })).await;
    switch(&world, Settings { no_update_provider_mismatch: Some(false), ..Settings::default() }).await;
    let held = world.import(&Directory::people(25)).await.expect("runs");
    let details: Vec<_> = held.held_because.iter().map(|held| (held.reason, held.detail.as_str())).collect();
    assert_eq!(
        details,
        [
            (
                Reason::GuardBlanked,
                "the field note would be emptied for 25 of 25 people (25 now, 0 in the last 24 hours)"
            ),
            (
                Reason::GuardBlanked,
                "the field phone would be emptied for 25 of 25 people (25 now, 0 in the last 24 hours)"
            ),
        ]
    );
}

#[tokio::test]
async fn a_few_who_are_adopted_lose_what_the_directory_does_not_say() {
    let world = World::new().await;
    let mut directory = Directory::people(40);
    for number in 0..30 {
        directory.user(&format!("{number:05}")).fields.insert("phone".to_owned(), "2".into());
    }
    local_users(&world, 30..35, &json!({ "phone": "1" })).await;
    switch(&world, Settings { no_update_provider_mismatch: Some(false), ..Settings::default() }).await;
    let mut first = directory.clone();
    for number in 30..35 {
        first.remove(&format!("{number:05}"));
    }
    world.import(&first).await.expect("imports");
    let adopted = world.import(&directory).await.expect("imports");
    assert_eq!((adopted.state, adopted.counts.update), (RunState::Applied, 5));
}
