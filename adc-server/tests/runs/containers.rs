//! Org units out of sight, and containers that everybody leaves at once.

use crate::world::{BASE, Directory, World, own_account, person};
use adc_core::{
    plan::ObjectStatus,
    protocol::{RunReport, RunState},
    reason::Reason,
    record::{Kind, Record},
    settings::Settings,
};
use adc_server::store::ObjectsFilter;

fn org_unit(name: &str) -> Record {
    Record::new(Kind::OrgUnit, name, format!("ou={name},{BASE}"), name)
}

/// A person of an org unit.
fn member_of(org_unit: &str, name: &str) -> Record {
    Record { dn: format!("uid={name},ou={org_unit},{BASE}"), ..person(name, name) }
}

/// Two dozen people in one org unit, and three in another.
fn company() -> Directory {
    let mut directory = Directory::people(24);
    for name in ["anna", "ben", "cem"] {
        directory.put(member_of("sales", name));
    }
    directory
}

/// Their entries are there, and the filter no longer finds them.
fn unmatched(directory: &Directory, names: &[&str]) -> Directory {
    let mut directory = directory.clone();
    for name in names {
        let record = directory.remove(name);
        directory.out_of_scope.insert((record.kind, record.source_id), record.dn);
    }
    directory
}

fn assert_held(report: &RunReport) {
    let reasons: Vec<_> = report.held_because.iter().map(|held| held.reason).collect();
    assert_eq!((report.state, reasons), (RunState::Held, vec![Reason::GuardOuDisappeared]));
}

#[tokio::test]
async fn the_people_of_an_org_unit_left_the_filter_together_where_they_stood() {
    let world = World::new().await;
    world.import(&company()).await.expect("imports");
    let held = world.import(&unmatched(&company(), &["anna", "ben", "cem"])).await.expect("runs");
    assert_held(&held);
    assert!(held.held_because[0].detail.contains(&format!("ou=sales,{BASE} (3)")), "{:?}", held.held_because);
}

#[tokio::test]
async fn a_rule_left_everybody_of_an_org_unit_out_at_once() {
    let world = World::new().await;
    let mut directory = company();
    directory.put(member_of("sales", "robot"));
    directory.user("robot").excluded_by = Some("robots".to_owned());
    world.import(&directory).await.expect("imports");
    let mut one = directory.clone();
    one.user("anna").excluded_by = Some("include".to_owned());
    assert_eq!(world.import(&one).await.expect("imports").counts.delete, 1, "one alone leaves like anybody");
    world.import(&directory).await.expect("imports");
    for name in ["anna", "ben", "cem"] {
        directory.user(name).excluded_by = Some("include".to_owned());
    }
    assert_held(&world.import(&directory).await.expect("runs"));
}

#[tokio::test]
async fn the_groups_of_an_org_unit_went_out_of_sight_together() {
    let world = World::new().await;
    let group = |org_unit: &str, name: &str| {
        Record::new(Kind::Group, name, format!("cn={name},ou={org_unit},{BASE}"), name)
    };
    let mut directory = company();
    for (org_unit, name) in [("teams", "red"), ("teams", "blue"), ("projects", "moon"), ("projects", "mars")]
    {
        directory.put(group(org_unit, name));
    }
    world.import(&directory).await.expect("imports");
    let dissolve = |directory: &mut Directory, name: &str| {
        directory.objects.remove(&(Kind::Group, name.to_owned())).expect("it is there")
    };
    dissolve(&mut directory, "moon");
    assert_eq!(world.import(&directory).await.expect("imports").counts.delete, 1, "one of two is dissolved");
    for name in ["red", "blue"] {
        dissolve(&mut directory, name);
    }
    assert_held(&world.import(&directory).await.expect("runs"));
}

#[tokio::test]
async fn most_people_of_an_org_unit_left_the_filter_where_they_stood() {
    let world = World::new().await;
    world.import(&company()).await.expect("imports");
    assert_held(&world.import(&unmatched(&company(), &["anna", "ben"])).await.expect("runs"));
    let one = world.import(&unmatched(&company(), &["anna"])).await.expect("imports");
    assert_eq!((one.state, one.counts.delete), (RunState::Applied, 1));
}

#[tokio::test]
async fn everybody_below_an_org_unit_that_stays_went_out_of_sight() {
    let world = World::new().await;
    let mut directory = company();
    world.import(&directory).await.expect("imports");
    for name in ["anna", "ben"] {
        directory.remove(name);
    }
    let two = world.import(&directory).await.expect("imports");
    assert_eq!((two.state, two.counts.delete), (RunState::Applied, 2), "cem is still there");
    directory.put(member_of("sales", "dea"));
    world.import(&directory).await.expect("imports");
    for name in ["cem", "dea"] {
        directory.remove(name);
    }
    assert_held(&world.import(&directory).await.expect("runs"));
}

#[tokio::test]
async fn the_last_one_of_an_org_unit_leaves_like_anybody() {
    let world = World::new().await;
    let mut directory = Directory::people(24);
    directory.put(member_of("sales", "anna"));
    world.import(&directory).await.expect("imports");
    directory.remove("anna");
    assert_eq!(world.import(&directory).await.expect("imports").state, RunState::Applied);
}

#[tokio::test]
async fn an_org_unit_was_moved_out_of_the_base_with_its_people() {
    let world = World::new().await;
    let mut directory = company();
    world.import(&directory).await.expect("imports");
    for name in ["anna", "ben", "cem"] {
        directory.remove(name);
        directory
            .out_of_scope
            .insert((Kind::User, name.to_owned()), format!("uid={name},ou=sales,ou=archive,dc=elsewhere"));
    }
    assert_held(&world.import(&directory).await.expect("runs"));
    directory.containers_gone.insert(format!("ou=sales,{BASE}"));
    assert_held(&world.import(&directory).await.expect("runs"));
}

#[tokio::test]
async fn an_org_unit_was_moved_out_of_the_base_with_one_person() {
    let world = World::new().await;
    let mut directory = Directory::people(24);
    directory.put(member_of("sales", "anna"));
    world.import(&directory).await.expect("imports");
    directory.remove("anna");
    let key = (Kind::User, "anna".to_owned());
    directory.out_of_scope.insert(key, "uid=anna,ou=sales,ou=archive,dc=elsewhere".to_owned());
    directory.containers_gone.insert(format!("ou=sales,{BASE}"));
    assert_held(&world.import(&directory).await.expect("runs"));
}

#[tokio::test]
async fn a_newcomer_hid_that_everybody_else_of_an_org_unit_went_out_of_sight() {
    let world = World::new().await;
    let mut directory = company();
    world.import(&directory).await.expect("imports");
    for name in ["anna", "ben", "cem"] {
        directory.remove(name);
    }
    directory.put(member_of("sales", "dea"));
    assert_held(&world.import(&directory).await.expect("runs"));
}

#[tokio::test]
async fn somebody_who_moved_away_hid_that_everybody_else_of_an_org_unit_went_out_of_sight() {
    let world = World::new().await;
    let mut directory = company();
    world.import(&directory).await.expect("imports");
    for name in ["anna", "ben"] {
        directory.remove(name);
    }
    directory.user("cem").dn = format!("uid=cem,ou=people,{BASE}");
    assert_held(&world.import(&directory).await.expect("runs"));
}

#[tokio::test]
async fn one_of_an_org_unit_leaves_while_another_moves_and_a_third_comes() {
    let world = World::new().await;
    let mut directory = company();
    directory.remove("cem");
    world.import(&directory).await.expect("imports");
    directory.remove("anna");
    directory.user("ben").dn = format!("uid=ben,ou=people,{BASE}");
    directory.put(member_of("sales", "dea"));
    let applied = world.import(&directory).await.expect("imports");
    assert_eq!((applied.state, applied.counts.delete), (RunState::Applied, 1));
}

#[tokio::test]
async fn whom_a_rule_leaves_out_is_no_proof_that_the_others_can_be_seen() {
    let world = World::new().await;
    let mut directory = company();
    world.import(&directory).await.expect("imports");
    for name in ["anna", "ben"] {
        directory.remove(name);
    }
    directory.user("cem").excluded_by = Some("robots".to_owned());
    assert_held(&world.import(&directory).await.expect("runs"));
}

/// The company with its org unit, which is called otherwise now and holds whom it did; by its old name it is not found.
fn renamed(before: &Directory) -> Directory {
    let mut renamed = before.clone();
    renamed.put(Record { dn: format!("ou=marketing,{BASE}"), ..org_unit("sales") });
    for name in ["anna", "ben", "cem"] {
        renamed.user(name).dn = format!("uid={name},ou=marketing,{BASE}");
    }
    renamed.containers_gone.insert(format!("OU=Sales,{BASE}"));
    renamed
}

#[tokio::test]
async fn an_org_unit_that_was_renamed_while_some_of_its_people_left_was_said_to_have_disappeared() {
    for leavers in [&["anna"][..], &["anna", "ben"]] {
        let world = World::new().await;
        let mut directory = company();
        directory.put(org_unit("sales"));
        world.import(&directory).await.expect("imports");
        let mut renamed = renamed(&directory);
        for leaver in leavers {
            renamed.remove(leaver);
        }
        let applied = world.import(&renamed).await.expect("imports");
        assert_eq!((applied.state, applied.counts.delete), (RunState::Applied, leavers.len() as u64));
    }
}

#[tokio::test]
async fn an_org_unit_was_renamed_and_its_people_went_out_of_sight() {
    let world = World::new().await;
    let mut directory = company();
    directory.put(org_unit("sales"));
    world.import(&directory).await.expect("imports");
    let mut renamed = renamed(&directory);
    for name in ["anna", "ben", "cem"] {
        renamed.remove(name);
    }
    assert_held(&world.import(&renamed).await.expect("runs"));
    renamed.objects.remove(&(Kind::OrgUnit, "sales".to_owned())).expect("is there");
    assert_held(&world.import(&renamed).await.expect("runs"));
}

#[tokio::test]
async fn somebody_protected_who_had_left_long_ago_left_again_with_everybody_who_followed() {
    let world = World::new().await;
    let mut directory = company();
    directory.remove("cem");
    world.import(&directory).await.expect("imports");
    own_account(&world, "anna", true).await;
    directory.remove("anna");
    let kept = world.import(&directory).await.expect("imports");
    assert_eq!((kept.state, kept.counts.skip), (RunState::Applied, 1));
    directory.remove("ben");
    let left = world.import(&directory).await.expect("imports");
    assert_eq!((left.state, left.counts.delete, left.counts.skip), (RunState::Applied, 1, 1));
}

#[tokio::test]
async fn somebody_protected_is_missing_like_anybody_who_goes_out_of_sight_with_them() {
    let world = World::new().await;
    let mut directory = company();
    directory.remove("cem");
    world.import(&directory).await.expect("imports");
    own_account(&world, "anna", true).await;
    for name in ["anna", "ben"] {
        directory.remove(name);
    }
    for _ in 0..2 {
        assert_held(&world.import(&directory).await.expect("runs"));
    }
}

#[tokio::test]
async fn people_who_move_elsewhere_leave_no_empty_org_unit_behind() {
    let world = World::new().await;
    let mut directory = company();
    world.import(&directory).await.expect("imports");
    for name in ["anna", "ben", "cem"] {
        directory.user(name).dn = format!("uid={name},ou=people,{BASE}");
    }
    assert_eq!(world.import(&directory).await.expect("imports").state, RunState::Applied);
}

#[tokio::test]
async fn no_delete_for_one_run_hid_that_everybody_left_together() {
    let mut world = World::new().await;
    world.import(&company()).await.expect("imports");
    let gone = unmatched(&company(), &["anna", "ben", "cem"]);
    world.settings = Settings { no_delete: Some(true), ..Settings::default() };
    assert_eq!(world.import(&gone).await.expect("imports").state, RunState::Applied);
    world.settings = Settings::default();
    assert_held(&world.import(&gone).await.expect("runs"));
}

/// Thirty org units with somebody in each.
fn branches() -> Directory {
    let mut directory = Directory::default();
    for number in 0..30 {
        let name = format!("branch{number}");
        directory.put(org_unit(&name));
        directory.put(member_of(&name, &format!("p{number}")));
    }
    directory
}

async fn status_of(world: &World, org_unit: &str) -> (ObjectStatus, Option<Reason>) {
    let (account_id, id) = (&world.agent.account_id, &world.agent.synchronization_id);
    let filter = ObjectsFilter { kind: Some(Kind::OrgUnit), ..ObjectsFilter::default() };
    let objects = world.store.objects(account_id, id, &filter, None, 100).await.expect("reads");
    let object = objects.into_iter().find(|object| object.source_id == org_unit).expect("is known");
    (object.status, object.reason)
}

#[tokio::test]
async fn org_units_whose_entries_were_hidden_were_deleted_from_under_their_people() {
    let world = World::new().await;
    let directory = branches();
    world.import(&directory).await.expect("imports");
    let mut hidden = directory.clone();
    hidden.objects.retain(|(kind, _), _| *kind != Kind::OrgUnit);
    let kept = world.import(&hidden).await.expect("imports");
    assert_eq!((kept.state, kept.counts.delete, kept.counts.skip), (RunState::Applied, 0, 30));
    assert_eq!(status_of(&world, "branch7").await, (ObjectStatus::Pending, Some(Reason::OutOfSight)));
    assert_eq!(world.import(&hidden).await.expect("imports").counts.skip, 30, "as long as it lasts");
    let back = world.import(&directory).await.expect("imports");
    assert_eq!((back.counts.create, back.counts.skip), (0, 0));
    assert_eq!(status_of(&world, "branch7").await, (ObjectStatus::Synced, None));
}

#[tokio::test]
async fn an_org_unit_that_was_made_anew_at_its_place_replaces_the_old_one() {
    let world = World::new().await;
    let mut directory = branches();
    world.import(&directory).await.expect("imports");
    directory.objects.remove(&(Kind::OrgUnit, "branch7".to_owned())).expect("is there");
    directory.put(Record { source_id: "made anew".to_owned(), ..org_unit("branch7") });
    let replaced = world.import(&directory).await.expect("imports");
    assert_eq!((replaced.counts.delete, replaced.counts.create), (1, 1));
}

#[tokio::test]
async fn of_nested_org_units_that_are_missing_the_replaced_one_alone_goes() {
    let world = World::new().await;
    let mut directory = Directory::people(3);
    let below = |name: &str, above: &str| Record {
        dn: format!("ou={name},ou={above},{BASE}"),
        ..org_unit(&format!("{name} of {above}"))
    };
    for record in [org_unit("a"), below("x", "a"), org_unit("b"), member_of("b", "ben")] {
        directory.put(record);
    }
    world.import(&directory).await.expect("imports");
    for missing in ["a", "b"] {
        directory.objects.remove(&(Kind::OrgUnit, missing.to_owned())).expect("is there");
    }
    directory.put(Record { source_id: "made anew".to_owned(), ..org_unit("a") });
    let replaced = world.import(&directory).await.expect("imports");
    assert_eq!((replaced.counts.delete, replaced.counts.create, replaced.counts.skip), (1, 1, 1));
    assert_eq!(status_of(&world, "b").await.1, Some(Reason::OutOfSight));
}

#[tokio::test]
async fn an_org_unit_goes_once_nobody_is_left_below_it() {
    let world = World::new().await;
    let mut directory = branches();
    world.import(&directory).await.expect("imports");
    directory.user("p7").dn = format!("uid=p7,ou=branch8,{BASE}");
    directory.objects.remove(&(Kind::OrgUnit, "branch7".to_owned())).expect("is there");
    assert_eq!(world.import(&directory).await.expect("imports").counts.delete, 1);
}

#[tokio::test]
async fn org_units_went_a_few_at_a_time() {
    let world = World::new().await;
    let mut directory = Directory::people(3);
    for number in 0..40 {
        directory.put(org_unit(&format!("empty{number:02}")));
    }
    world.import(&directory).await.expect("imports");
    let mut remove = |org_units: std::ops::Range<u8>| {
        for number in org_units {
            directory.objects.remove(&(Kind::OrgUnit, format!("empty{number:02}"))).expect("is there");
        }
        directory.clone()
    };
    let ten_fewer = world.import(&remove(0..10)).await.expect("imports");
    assert_eq!((ten_fewer.state, ten_fewer.counts.delete), (RunState::Applied, 10));
    let twenty_fewer = remove(10..20);
    let held = world.import(&twenty_fewer).await.expect("runs");
    assert_eq!((held.state, held.held_because[0].reason), (RunState::Held, Reason::GuardRemovals));
    assert!(held.held_because[0].detail.contains("20 of 40 org units"), "{:?}", held.held_because);
    world.pass_time(24 * 60 * 60 * 1000 + 1);
    assert_eq!(world.import(&twenty_fewer).await.expect("imports").state, RunState::Applied);
}
