//! Containers that go out of sight without a word of the feed: of those in there it names only who is changed.

use adc_core::{
    protocol::{Finish, FullBecause, Mode, Next, OpenedRun, Receipt, RunReport, RunState},
    reason::Reason,
    record::{Kind, Record},
};

use super::feed::{Feed, marked};
use crate::world::{BASE, Directory, World, group, look_up, person};

/// A person of an org unit.
fn member_of(org_unit: &str, name: &str) -> Record {
    Record { dn: format!("uid={name},ou={org_unit},{BASE}"), ..person(name, name) }
}

/// Two dozen people in one org unit, and twenty in another.
fn company() -> Directory {
    let mut directory = Directory::people(24);
    for number in 0..20 {
        directory.put(member_of("sales", &format!("s{number:02}")));
    }
    directory
}

/// What is left of the directory for a bind account that lost sight of people.
fn without(directory: &Directory, hidden: impl Fn(&Record) -> bool) -> Directory {
    let mut rest = directory.clone();
    rest.objects.retain(|_, record| !hidden(record));
    rest
}

fn is_in_sales(record: &Record) -> bool {
    record.dn.ends_with(&format!("ou=sales,{BASE}"))
}

#[track_caller]
fn assert_held(report: &RunReport, who: usize) {
    let reasons: Vec<_> = report.held_because.iter().map(|held| held.reason).collect();
    assert_eq!((report.mode, report.state), (Mode::Delta, RunState::Held), "{report:?}");
    assert!(reasons.contains(&Reason::GuardOuDisappeared), "{reasons:?}");
    assert_eq!(report.counts.delete, who as u64);
}

#[tokio::test]
async fn an_org_unit_that_went_out_of_sight_was_emptied_one_by_one() {
    let world = World::new().await;
    world.read_everything(&company()).await;
    let hidden = without(&company(), is_in_sales);
    let held = world.follow(&hidden, &Feed::of(&["s07"])).await;
    assert_held(&held, 20);
    // A full run of the same directory says the same.
    let full = world.read_everything_again(&hidden).await;
    assert_eq!((full.held_because, full.counts.delete), (held.held_because, 20));
}

#[tokio::test]
async fn an_org_unit_whose_attributes_were_hidden_was_emptied_one_by_one() {
    let world = World::new().await;
    world.read_everything(&company()).await;
    // Whether the filter should find them cannot be told any more: they look out of scope, where they stand.
    let mut hidden = without(&company(), is_in_sales);
    for (key, record) in company().objects {
        if is_in_sales(&record) {
            hidden.out_of_scope.insert(key, record.dn);
        }
    }
    assert_held(&world.follow(&hidden, &Feed::of(&["s07"])).await, 20);
}

#[tokio::test]
async fn the_groups_of_an_org_unit_went_one_by_one() {
    let world = World::new().await;
    let mut directory = company();
    for name in ["red", "blue", "green"] {
        directory.put(group(name, &["s01"]));
    }
    world.read_everything(&directory).await;
    let hidden = without(&directory, |record| record.kind == Kind::Group);
    assert_held(&world.follow(&hidden, &Feed::of(&["blue"])).await, 3);
}

#[tokio::test]
async fn a_part_of_an_org_unit_that_went_out_of_sight_is_found_as_a_full_run_finds_it() {
    let world = World::new().await;
    world.read_everything(&company()).await;
    let hidden = without(&company(), |record| is_in_sales(record) && record.source_id.as_str() >= "s08");
    let report = world.follow(&hidden, &Feed::of(&["s09"])).await;
    assert_eq!((report.mode, report.state), (Mode::Delta, RunState::Held));
    assert_eq!(report.held_because[0].reason, Reason::GuardRemovals, "12 of 44 people");
    assert_eq!(report.counts.delete, 12);
}

#[tokio::test]
async fn a_swept_delta_looks_beside_the_missing_too() {
    let world = World::new().await;
    world.read_everything(&company()).await;
    let hidden = without(&company(), is_in_sales);
    // The feed names with all rights who is there: nobody is missing but whoever was touched.
    let opened = world.open_following().await;
    let feed = Feed { swept: true, ..Feed::default() };
    let mut batch = feed.batch(&company());
    batch.present.retain(|id| id != "s07");
    world.touch(&opened.run_id, &batch).await.expect("is noted");
    let receipt = Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) };
    assert_held(&world.finish(&opened.run_id, &hidden, receipt).await.expect("finishes"), 20);
}

#[tokio::test]
async fn the_last_people_of_an_org_unit_leave_one_by_one() {
    let world = World::new().await;
    let mut directory = Directory::people(24);
    for name in ["anna", "ben", "cem"] {
        directory.put(member_of("sales", name));
    }
    world.read_everything(&directory).await;
    for name in ["ben", "anna", "cem"] {
        directory.remove(name);
        let report = world.follow(&directory, &Feed::of(&[name])).await;
        assert_eq!(
            (report.mode, report.state, report.counts.delete),
            (Mode::Delta, RunState::Applied, 1),
            "{name}"
        );
    }
}

/// Whom the control plane asks for in a delta beside whoever was named, and what it says in the end.
async fn asked_beside(
    world: &World,
    opened: &OpenedRun,
    directory: &Directory,
    feed: &Feed,
) -> (Vec<String>, Next) {
    world.touch(&opened.run_id, &feed.batch(directory)).await.expect("is noted");
    let receipt = Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) };
    let finish = Finish { receipt };
    let mut next = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("finishes");
    let mut asked = Vec::new();
    while let Next::Confirm(doubts) = next {
        asked.extend(doubts.objects.iter().map(|doubt| doubt.source_id.clone()));
        let confirm = look_up(directory, &doubts);
        next = world.engine.confirm(&world.agent, &opened.run_id, confirm).await.expect("confirms");
    }
    asked.retain(|id| !feed.touched.contains(id));
    (asked, next)
}

#[tokio::test]
async fn few_are_looked_up_beside_the_missing_and_others_beside_others() {
    let world = World::new().await;
    let mut directory = Directory::default();
    // As Active Directory writes people's names, the second in its own way.
    for number in 0..30 {
        let comma = if number == 1 { "\\2C" } else { "\\," };
        let id = format!("{number:02}");
        let dn = format!("CN=Doe{comma} John {id},OU=Sales\\, East,{BASE}");
        directory.put(Record { dn, ..person(&id, &id) });
    }
    world.read_everything(&directory).await;
    for (left, beside) in [("03", ["04", "05", "06", "07", "08"]), ("28", ["00", "01", "02", "04", "29"])] {
        directory.remove(left);
        let opened = world.open_following().await;
        let (asked, _) = asked_beside(&world, &opened, &directory, &Feed::of(&[left])).await;
        assert_eq!(asked, beside);
    }
}

/// More than are looked up in any delta.
const MANY: usize = 2_000;

#[tokio::test]
async fn everybody_was_looked_up_beside_a_few_who_left_while_the_delta_ran() {
    let world = World::new().await;
    let mut directory = Directory::people(MANY);
    world.read_everything(&directory).await;
    // The feed was asked after the first of them.
    for number in 500..504 {
        directory.remove(&format!("{number:05}"));
    }
    let opened = world.open_following().await;
    let (asked, next) = asked_beside(&world, &opened, &directory, &Feed::of(&["00500"])).await;
    let Next::Done { report } = next else { panic!("{next:?}") };
    assert_eq!((report.mode, report.state, report.counts.delete), (Mode::Delta, RunState::Applied, 4));
    assert_eq!(asked.len(), 3 + 5 + 3 * 50, "the other three, and who has to be found for that");
}

#[tokio::test]
async fn everybody_was_looked_up_in_a_big_org_unit_that_went_out_of_sight() {
    let world = World::new().await;
    let mut directory = company();
    for number in 0..MANY {
        directory.put(member_of("sales", &format!("t{number:04}")));
    }
    world.read_everything(&directory).await;
    let hidden = without(&directory, is_in_sales);
    let opened = world.open_following().await;
    let (asked, next) = asked_beside(&world, &opened, &hidden, &Feed::of(&["t0700"])).await;
    assert_eq!(next, Next::ReadEverything { because: FullBecause::RightsInDoubt });
    assert_eq!(asked.len(), 5 + (5 + 5 * 50), "five first, and more because of them");
    let full = world.read_in(&opened, &hidden).await.expect("runs");
    assert_eq!((full.mode, full.state, full.counts.delete), (Mode::Full, RunState::Held, 20 + MANY as u64));
    assert!(full.held_because.iter().any(|held| held.reason == Reason::GuardOuDisappeared), "{full:?}");
}
