//! A read right that is lost shows in a delta only at who was touched.

use adc_core::{
    policy::{ExcludeRule, Policy},
    protocol::{Confirm, Finish, FullBecause, Mode, Next, Receipt, RunState},
    reason::Reason,
    record::FieldValue,
    settings::Settings,
};

use super::feed::{Feed, keep_in_step, marked};
use crate::{
    unidentified::unidentified_as,
    world::{BASE, Directory, World, group, look_up, person},
};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Three groups of one person each.
fn three_groups() -> Directory {
    let mut directory = Directory::of(&["ann", "bob", "cid"]);
    for (name, member) in [("a", "ann"), ("b", "bob"), ("c", "cid")] {
        directory.put(group(name, &[member]));
    }
    directory
}

#[tokio::test]
async fn deltas_emptied_groups_one_after_the_other() {
    let world = World::new().await;
    let mut directory = three_groups();
    world.read_everything(&directory).await;
    directory.put(group("a", &[]));
    let first = world.follow(&directory, &Feed::of(&["a"])).await;
    assert_eq!(first.state, RunState::Applied, "a group may well be dissolved");
    directory.put(group("b", &[]));
    let second = world.follow(&directory, &Feed::of(&["b"])).await;
    assert_eq!((second.state, second.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
    world.pass_time(DAY + 1);
    assert_eq!(
        world.read_everything_again(&directory).await.state,
        RunState::Applied,
        "one of two, a day later"
    );
}

#[tokio::test]
async fn deltas_blanked_people_one_after_the_other() {
    let world = World::new().await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    for number in 0..10 {
        let id = format!("{number:05}");
        directory.user(&id).fields.clear();
        assert_eq!(world.follow(&directory, &Feed::of(&[&id])).await.state, RunState::Applied, "{id}");
    }
    directory.user("00010").fields.clear();
    let eleventh = world.follow(&directory, &Feed::of(&["00010"])).await;
    assert_eq!((eleventh.state, eleventh.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
}

#[tokio::test]
async fn a_delta_emptied_the_only_group_it_read() {
    let world = World::new().await;
    let mut directory = three_groups();
    world.read_everything(&directory).await;
    // Nobody may read members any more, and one group is touched.
    for name in ["a", "b", "c"] {
        directory.put(group(name, &[]));
    }
    let report = world.follow(&directory, &Feed::of(&["a"])).await;
    assert_eq!((report.mode, report.full_because), (Mode::Full, Some(FullBecause::RightsInDoubt)));
    assert_eq!((report.state, report.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
}

#[tokio::test]
async fn a_delta_blanked_the_only_person_it_read() {
    let world = World::new().await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    for number in 0..20 {
        directory.user(&format!("{number:05}")).fields.clear();
    }
    let report = world.follow(&directory, &Feed::of(&["00003"])).await;
    assert_eq!((report.mode, report.full_because), (Mode::Full, Some(FullBecause::RightsInDoubt)));
    assert_eq!((report.state, report.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
}

#[tokio::test]
async fn a_delta_that_empties_nothing_stays_one() {
    let world = World::new().await;
    let mut directory = three_groups();
    directory.put(group("d", &[]));
    directory.put(group("e", &["ann", "bob"]));
    world.read_everything(&directory).await;
    directory.user("ann").fields.insert("title".to_owned(), "Lead".into());
    directory.put(group("d", &["cid"]));
    directory.put(group("e", &["bob"]));
    let report = world.follow(&directory, &Feed::of(&["ann", "d", "e"])).await;
    assert_eq!((report.mode, report.state, report.counts.update), (Mode::Delta, RunState::Applied, 3));
    directory.remove("ann");
    assert_eq!(world.follow(&directory, &Feed::of(&["ann"])).await.mode, Mode::Delta);
}

#[tokio::test]
async fn a_delta_emptied_the_groups_of_whoever_left() {
    let world = World::new().await;
    let mut directory = Directory::of(&["ann", "bob", "cid"]);
    for (name, members) in [("a", ["ann", "bob"]), ("b", ["bob", "cid"]), ("c", ["cid", "ann"])] {
        directory.put(group(name, &members));
    }
    world.read_everything(&directory).await;
    // Nobody may read members any more, and somebody leaves.
    for name in ["a", "b", "c"] {
        directory.put(group(name, &[]));
    }
    directory.remove("ann");
    let report = world.follow(&directory, &Feed::of(&["ann"])).await;
    assert_eq!((report.mode, report.full_because), (Mode::Full, Some(FullBecause::RightsInDoubt)));
    assert_eq!((report.state, report.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
}

#[tokio::test]
async fn a_delta_blanked_who_stood_beside_whoever_left() {
    let world = World::new().await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    for number in 0..20 {
        directory.user(&format!("{number:05}")).email = None;
    }
    directory.remove("00003");
    let report = world.follow(&directory, &Feed::of(&["00003"])).await;
    assert_eq!((report.mode, report.full_because), (Mode::Full, Some(FullBecause::RightsInDoubt)));
    assert_eq!((report.state, report.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
}

#[tokio::test]
async fn references_that_go_with_whoever_left_are_no_loss() {
    let world = World::new().await;
    let mut directory = three_groups();
    let ann = directory.user("ann").dn.clone();
    directory.user("bob").fields.insert("manager".to_owned(), ann.as_str().into());
    directory.user("cid").fields.insert("deputies".to_owned(), FieldValue::List(vec![ann.clone()]));
    world.read_everything(&directory).await;
    directory.remove("ann");
    keep_in_step(&mut directory, &ann, None);
    directory.user("cid").fields.remove("deputies");
    let report = world.follow(&directory, &Feed::of(&["ann"])).await;
    assert_eq!((report.mode, report.state, report.counts.delete), (Mode::Delta, RunState::Applied, 1));
    assert_eq!(report.counts.update, 3, "bob, cid, and the group without anybody");
}

#[tokio::test]
async fn a_delta_that_look_ups_made_full_begins_again_though_nobody_heard_of_it() {
    let mut world = World::new().await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    for number in 0..20 {
        directory.user(&format!("{number:05}")).fields.clear();
    }
    directory.remove("00003");
    let feed = Feed::of(&["00003"]);
    let opened = world.open_following().await;
    world.touch(&opened.run_id, &feed.batch(&directory)).await.expect("is noted");
    let finish = Finish { receipt: Receipt { feed: Some(feed.receipt(1)), ..marked(Receipt::default()) } };
    let again = Next::ReadEverything { because: FullBecause::RightsInDoubt };
    let mut next = world.engine.finish(&world.agent, &opened.run_id, &finish).await.expect("finishes");
    let mut last = Confirm::default();
    while let Next::Confirm(doubts) = next {
        last = look_up(&directory, &doubts);
        next = world.engine.confirm(&world.agent, &opened.run_id, last.clone()).await.expect("confirms");
    }
    assert_eq!(next, again);
    for restarted in [false, true] {
        if restarted {
            world.restart().await;
        }
        let confirmed = world.engine.confirm(&world.agent, &opened.run_id, last.clone()).await;
        assert_eq!(confirmed.expect("confirms"), again, "{restarted}");
        let finished = world.engine.finish(&world.agent, &opened.run_id, &finish).await;
        assert_eq!(finished.expect("finishes"), again, "{restarted}");
    }
    let report = world.read_in(&opened, &directory).await.expect("runs");
    assert_eq!((report.mode, report.full_because), (Mode::Full, Some(FullBecause::RightsInDoubt)));
    assert_eq!((report.state, report.held_because[0].reason), (RunState::Held, Reason::GuardBlanked));
    assert_eq!(report.counts.delete, 1);
}

/// Whom a rule leaves out, and whether a delta may believe it.
async fn left_out_by(filter: &str) -> Option<FullBecause> {
    let filter = filter.parse().expect("a filter");
    let exclude = vec![ExcludeRule { name: "left".to_owned(), filter }];
    let policy = Policy { exclude, ..Policy::default() };
    let world = World::with(Settings::default(), Some(policy), None).await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    directory.user("00003").fields.clear();
    directory.user("00003").excluded_by = Some("left".to_owned());
    let report = world.follow(&directory, &Feed::of(&["00003"])).await;
    assert_eq!((report.state, report.counts.delete), (RunState::Applied, 1));
    report.full_because
}

#[tokio::test]
async fn whoever_came_under_a_rule_made_the_delta_a_full_run() {
    assert_eq!(left_out_by("(employeeType=former)").await, None);
    let for_what_is_not_shown = left_out_by("(&(objectClass=*)(!(employeeType=staff)))").await;
    assert_eq!(for_what_is_not_shown, Some(FullBecause::RightsInDoubt), "the value may be out of sight");
}

#[tokio::test]
async fn a_delta_kept_in_doubt_whoever_was_hidden_and_had_left() {
    let world = World::new().await;
    let mut directory = Directory::people(20);
    world.read_everything(&directory).await;
    let mut hidden = directory.clone();
    hidden.remove("00003");
    let stranger = unidentified_as(&format!("uid=moved,ou=people,{BASE}"), person("", "moved"));
    hidden.put(stranger.clone());
    let report = world.read_everything_again(&hidden).await;
    assert_eq!((report.counts.conflict, report.counts.effective()), (2, 0));
    // Somebody else leaves: that is told of somebody who was there.
    hidden.remove("00005");
    let report = world.follow(&hidden, &Feed::of(&["00005"])).await;
    assert_eq!((report.mode, report.counts.delete, report.counts.conflict), (Mode::Delta, 1, 2));
    // The feed tells of the hidden one by the id, of which nobody knows where it stands.
    directory.remove("00003");
    directory.remove("00005");
    let report = world.follow(&directory, &Feed::of(&["00003"])).await;
    assert_eq!((report.mode, report.full_because), (Mode::Full, Some(FullBecause::RightsInDoubt)));
    assert_eq!((report.counts.delete, report.counts.conflict), (1, 0), "{report:?}");
    let report = world.follow(&directory, &Feed::of(&["00003"])).await;
    assert_eq!(report.mode, Mode::Delta, "nobody is hidden any more");
}
