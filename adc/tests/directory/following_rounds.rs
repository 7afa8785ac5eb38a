//! The change feed of a domain controller, as the in-memory server plays it: in rounds, with rights and without.

use std::collections::BTreeSet;

use adc::config::Scope;
use adc::directory::Query;
use adc::directory::feed::{Feed, Lost, MissingRight, Subject, Touched};
use adc_core::protocol::Mark;
use adc_core::record::Kind;
use adc_core::source_id::IdAttribute;
use adc_sandbox::{ActiveDirectory, Behaviour, DirSync, Sandbox, sample};

use crate::{config, open};

/// Rounds so small that a day's changes take several.
fn in_rounds() -> DirSync {
    let mut feed = DirSync::default();
    feed.objects_per_round = 3;
    feed
}

fn behaviour(feed: DirSync) -> Behaviour {
    let mut limits = ActiveDirectory::default();
    limits.dir_sync = Some(feed);
    let mut behaviour = Behaviour::default();
    behaviour.active_directory = Some(limits);
    behaviour
}

async fn domain(feed: DirSync) -> Sandbox {
    Sandbox::builder().behaviour(behaviour(feed)).start().await.expect("starts")
}

/// Everybody, of whom nothing but the title is read.
fn everybody() -> Subject {
    let query = Query {
        kind: Kind::User,
        base: sample::BASE_DN.to_owned(),
        scope: Scope::Sub,
        filter: "(title=*)".parse().expect("parses"),
        attributes: vec!["title".to_owned()],
        unlisted: None,
    };
    Subject { queries: vec![query], id: IdAttribute::new("objectGUID"), ..Subject::default() }
}

async fn mark(sandbox: &Sandbox) -> Mark {
    open(config(sandbox)).await.expect("opens").mark().await.expect("answers").expect("a mark")
}

async fn since(sandbox: &Sandbox, mark: &Mark) -> Result<Touched, Lost> {
    let mut directory = open(config(sandbox)).await.expect("opens");
    directory.touched(Feed::DirSync, mark, &everybody()).await.expect("answers")
}

fn id(sandbox: &Sandbox, dn: &str) -> String {
    sandbox.directory().get(dn).and_then(|entry| entry.text("entryUUID").map(str::to_owned)).expect(dn)
}

fn texts(ids: &BTreeSet<adc_core::source_id::SourceId>) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// People of the sample company.
fn people(sandbox: &Sandbox, count: usize) -> Vec<String> {
    let directory = sandbox.directory();
    let people = directory.entries().filter(|entry| entry.text("employeeNumber").is_some());
    people.map(|entry| entry.dn().to_owned()).take(count).collect()
}

/// Ten people get another title, and one of them goes; who changed, and who went.
fn a_day_passes(sandbox: &Sandbox) -> (BTreeSet<String>, BTreeSet<String>) {
    let people = people(sandbox, 10);
    let mut ids: BTreeSet<String> = people.iter().map(|dn| id(sandbox, dn)).collect();
    let gone = BTreeSet::from([id(sandbox, &people[4])]);
    let mut directory = sandbox.directory();
    for dn in &people {
        directory.set(dn, "title", ["Head"]).expect("is there");
    }
    directory.delete(&people[4]).expect("is there");
    ids.retain(|id| !gone.contains(id));
    (ids, gone)
}

#[tokio::test]
async fn a_feed_is_followed_over_all_its_rounds() {
    let sandbox = domain(in_rounds()).await;
    let before = mark(&sandbox).await;
    let (changed, gone) = a_day_passes(&sandbox);
    let touched = since(&sandbox, &before).await.expect("goes on");
    assert_eq!(texts(&touched.changed), changed);
    assert_eq!((texts(&touched.removed), texts(&touched.tombstones)), (gone.clone(), gone));
    assert_eq!(touched.result_codes, [0; 4], "nine that changed and one that went, three at a time");
    assert_eq!(touched.present, None);
    let nothing = since(&sandbox, &touched.mark.expect("a mark")).await.expect("goes on");
    assert_eq!((nothing.changed.len(), nothing.removed.len(), nothing.result_codes.len()), (0, 0, 1));
}

#[tokio::test]
async fn without_tombstones_or_the_right_to_replicate_all_ids_say_who_is_left() {
    for (may_replicate, sees_deleted) in [(true, false), (false, true), (false, false)] {
        let mut feed = in_rounds();
        (feed.may_replicate, feed.sees_deleted) = (may_replicate, sees_deleted);
        let sandbox = domain(feed).await;
        let missing = open(config(&sandbox)).await.expect("opens").missing_rights().await.expect("answers");
        let lacks = [(may_replicate, MissingRight::Replicate), (sees_deleted, MissingRight::SeeDeleted)];
        assert!(lacks.iter().all(|(has, right)| missing.contains(right) != *has), "{missing:?}");

        let before = mark(&sandbox).await;
        let (changed, gone) = a_day_passes(&sandbox);
        let touched = since(&sandbox, &before).await.expect("goes on");
        assert_eq!(touched.removed.is_empty(), !sees_deleted);
        let present: BTreeSet<String> =
            touched.present.expect("all ids are read").iter().map(|id| id.to_string()).collect();
        assert_eq!(present.len() + changed.len(), sandbox.directory().entries().count());
        assert!(present.is_disjoint(&gone) && present.is_disjoint(&changed));
    }
}

#[tokio::test]
async fn a_cookie_of_another_domain_controller_and_one_that_was_lost_are_no_place() {
    let sandbox = domain(in_rounds()).await;
    let before = mark(&sandbox).await;
    let mut another = in_rounds();
    another.invocation = 2;
    sandbox.set_behaviour(behaviour(another));
    assert_eq!(since(&sandbox, &before).await, Err(Lost::MarkNotUnderstood));
    sandbox.set_behaviour(behaviour(in_rounds()));
    since(&sandbox, &before).await.expect("its own it understands");
    let without = |name: &str| {
        let values = before.values.iter().filter(|value| !value.starts_with(name)).cloned().collect();
        Mark { values, ..before.clone() }
    };
    for name in ["cookie=", "currentTime=", "highestCommittedUSN="] {
        assert_eq!(since(&sandbox, &without(name)).await, Err(Lost::MarkNotUnderstood), "{name}");
    }
}
