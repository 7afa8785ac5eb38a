//! People, groups and org units that no look-up finds, beside objects whose identity cannot be read.

use crate::{
    identities::import_with_hidden_id,
    world::{BASE, Directory, World, group, person},
};
use adc_core::{
    protocol::{RunReport, RunState},
    reason::Reason,
    record::{Kind, Problem, Record},
    settings::Settings,
    source_id::SourceId,
};
use adc_server::store::ChangesFilter;

/// An object as a run reads it where it stands and its id cannot be read.
pub(crate) fn unidentified_as(dn: &str, record: Record) -> Record {
    let detail = "the entry has no entryUUID".to_owned();
    Record {
        source_id: stand_in(dn),
        dn: dn.to_owned(),
        problem: Some(Problem { reason: Reason::MissingSourceId, detail }),
        ..record
    }
}

/// Somebody whose id cannot be read.
fn unidentified(dn: &str, name: &str) -> Record {
    unidentified_as(dn, person("", name))
}

fn stand_in(dn: &str) -> String {
    SourceId::in_place_of_one(dn).into()
}

fn dn_of(name: &str) -> String {
    format!("uid={name},ou=people,{BASE}")
}

/// Every line of a plan: what happens to whom, and why.
async fn lines(world: &World, report: &RunReport) -> Vec<String> {
    let (account_id, run_id) = (&world.agent.account_id, &report.run_id);
    let lines =
        world.store.changes(account_id, run_id, &ChangesFilter::default(), 0, 100).await.expect("reads");
    lines
        .into_iter()
        .map(|line| format!("{} {} {}", line.change.username, line.change.action, line.change.reason))
        .collect()
}

/// Of the first of these people everything is another by which they could be told, and the id is hidden.
fn with_a_stranger_for_the_first(directory: &Directory, name: &str) -> Directory {
    let mut directory = directory.clone();
    directory.remove("00000");
    directory.put(unidentified(&dn_of(name), name));
    directory
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
async fn whoever_got_another_name_and_address_together_with_a_hidden_id_was_removed() {
    let everybody = Directory::people(6);
    for hidden_before in [false, true] {
        let world = World::new().await;
        world.import(&everybody).await.expect("imports");
        if hidden_before {
            let report = import_with_hidden_id(&world, &everybody, "00000").await;
            assert_eq!((report.counts.conflict, report.counts.effective()), (1, 0));
        }
        let renamed = with_a_stranger_for_the_first(&everybody, "married");
        let preview = world.preview(&renamed).await.expect("previews");
        let told = ["p0@lg.local conflict unproven-absence", "married@lg.local conflict unproven-absence"];
        assert_eq!(
            (preview.state, lines(&world, &preview).await),
            (RunState::Previewed, told.map(String::from).to_vec())
        );
        for _ in 0..3 {
            let report = world.import(&renamed).await.expect("imports");
            assert_eq!((report.state, report.counts.effective()), (RunState::Applied, 0), "{report:?}");
            assert_eq!((report.counts.conflict, report.needs_attention), (2, 2));
        }
        // Moved, and renamed once more: what stands in for the id is another one each time.
        let mut moved = everybody.clone();
        moved.remove("00000");
        moved.put(unidentified(&dn_of("moved"), "married"));
        for again in [moved, with_a_stranger_for_the_first(&everybody, "divorced")] {
            for _ in 0..2 {
                let report = world.import(&again).await.expect("imports");
                assert_eq!((report.counts.conflict, report.counts.effective()), (2, 0), "{report:?}");
            }
        }
        let mut mended = everybody.clone();
        mended.put(Record { source_id: "00000".to_owned(), ..person("divorced", "divorced") });
        let report = world.import(&mended).await.expect("imports");
        assert_eq!((report.counts.update, report.counts.effective(), report.counts.conflict), (1, 1, 0));
    }
}

#[tokio::test]
async fn a_doubt_ends_with_whom_it_was_about() {
    let everybody = Directory::people(6);
    let stranger = with_a_stranger_for_the_first(&everybody, "new");
    let mut nobody = stranger.clone();
    nobody.remove(&stand_in(&dn_of("new")));
    let mut identified = nobody.clone();
    identified.put(person("new", "new"));
    let mut left_out = stranger.clone();
    left_out.user(&stand_in(&dn_of("new"))).excluded_by = Some("contractors".to_owned());
    left_out.user(&stand_in(&dn_of("new"))).problem = None;
    for (mended, added, skipped) in [(nobody, 0, 0), (identified, 1, 0), (left_out, 0, 1)] {
        let world = World::new().await;
        world.import(&everybody).await.expect("imports");
        let report = world.import(&stranger).await.expect("imports");
        assert_eq!((report.counts.conflict, report.counts.effective()), (2, 0), "{report:?}");
        let report = world.import(&mended).await.expect("imports");
        let counts = &report.counts;
        assert_eq!(
            (counts.delete, counts.create, counts.skip, counts.conflict),
            (1, added, skipped, 0),
            "{report:?}"
        );
    }
}

#[tokio::test]
async fn whoever_never_had_an_id_kept_a_leaver() {
    let world = World::new().await;
    let mut directory = Directory::people(6);
    let contractor = |place: usize| unidentified(&dn_of(&format!("contractor {place}")), "contractor");
    directory.put(contractor(0));
    world.import(&directory).await.expect("imports");
    directory.remove("00000");
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.delete, report.counts.conflict), (1, 1), "{report:?}");
    // Moved, they are known by their name.
    directory.remove(&stand_in(&dn_of("contractor 0")));
    directory.put(contractor(1));
    directory.remove("00001");
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.delete, report.counts.conflict), (1, 1), "{report:?}");
    // Nobody is missing when the next one comes, but afterwards.
    directory.put(unidentified(&dn_of("trainee"), "trainee"));
    world.import(&directory).await.expect("imports");
    directory.remove("00002");
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.delete, report.counts.conflict), (1, 2), "{report:?}");
    assert_eq!(lines(&world, &report).await[1], "contractor@lg.local conflict missing-source-id");
}

#[tokio::test]
async fn whoever_never_had_an_id_prolonged_a_doubt() {
    let world = World::new().await;
    let mut directory = Directory::people(6);
    directory.put(unidentified(&dn_of("contractor"), "contractor"));
    world.import(&directory).await.expect("imports");
    directory.remove("00000");
    directory.put(unidentified(&dn_of("renamed"), "p0"));
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.effective()), (3, 0), "{report:?}");
    directory.user(&stand_in(&dn_of("renamed"))).name = "married@lg.local".to_owned();
    directory.user(&stand_in(&dn_of("renamed"))).email = None;
    for _ in 0..2 {
        let report = world.import(&directory).await.expect("imports");
        assert_eq!((report.counts.conflict, report.counts.effective()), (3, 0), "{report:?}");
    }
    directory.remove(&stand_in(&dn_of("renamed")));
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.delete), (1, 1), "{report:?}");
}

#[tokio::test]
async fn whoever_left_long_ago_was_in_doubt_because_of_a_stranger() {
    let mut world = World::new().await;
    let mut directory = Directory::people(6);
    world.import(&directory).await.expect("imports");
    directory.remove("00000");
    world.settings = Settings { no_delete: Some(true), ..Settings::default() };
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.skip, report.counts.effective()), (1, 0));
    directory.put(unidentified(&dn_of("trainee"), "trainee"));
    world.settings = Settings::default();
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.delete, report.counts.conflict), (1, 1), "{report:?}");
}

#[tokio::test]
async fn groups_and_org_units_that_were_renamed_while_their_ids_were_hidden_were_deleted() {
    let org_unit = |name: &str| Record::new(Kind::OrgUnit, name, format!("ou={name},{BASE}"), name);
    for make in [|name: &str| group(name, &[]), org_unit] {
        let mut everything = Directory::people(6);
        for name in ["a", "b", "c"] {
            everything.put(make(name));
        }
        let kind = make("a").kind;
        // The one is still called the same; the other is not.
        for name in ["a", "another"] {
            let world = World::new().await;
            world.import(&everything).await.expect("imports");
            let mut renamed = everything.clone();
            renamed.objects.remove(&(kind, "a".to_owned()));
            let dn = make("renamed").dn;
            renamed.put(unidentified_as(&dn, Record { name: name.to_owned(), ..make("renamed") }));
            let preview = world.preview(&renamed).await.expect("previews");
            let told = ["a skip unproven-absence".to_owned(), format!("{name} conflict unproven-absence")];
            assert_eq!(lines(&world, &preview).await, told);
            for _ in 0..2 {
                let report = world.import(&renamed).await.expect("imports");
                assert_eq!((report.state, report.counts.effective()), (RunState::Applied, 0), "{report:?}");
                assert_eq!((report.counts.skip, report.counts.conflict, report.needs_attention), (1, 1, 2));
            }
            renamed.objects.remove(&(kind, stand_in(&dn)));
            let report = world.import(&renamed).await.expect("imports");
            assert_eq!((report.counts.delete, report.counts.effective()), (1, 1), "{report:?}");
        }
    }
}

#[tokio::test]
async fn each_who_joined_without_an_id_took_over_the_doubt_of_the_one_before() {
    let world = World::new().await;
    let mut directory = Directory::people(6);
    world.import(&directory).await.expect("imports");
    let newcomer = |day: usize| dn_of(&format!("new {day}"));
    directory.remove("00000");
    directory.put(unidentified(&newcomer(0), "n0"));
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.effective()), (2, 0), "{report:?}");
    directory.put(unidentified(&newcomer(1), "n1"));
    let report = world.import(&directory).await.expect("imports");
    let mut told = lines(&world, &report).await;
    told.sort();
    let later = ["n0@lg.local conflict unproven-absence", "n1@lg.local conflict missing-source-id"];
    assert_eq!(told[..2], later, "who came later is nobody who went before");
    // The first one is given an id, in whatever way that shows; or somebody else has one.
    let mut moved = person("id of n0", "n0");
    moved.dn = dn_of("elsewhere");
    let mut renamed = person("id of n0", "another");
    renamed.dn = newcomer(0);
    let mut address = person("id of n0", "another");
    address.email = Some("N0@lg.local".to_owned());
    for (identified, explained) in [
        (Some(moved), true),
        (Some(renamed), true),
        (Some(address), true),
        (Some(person("another", "another")), false),
        (None, false),
    ] {
        let world = world.copy().await;
        let mut directory = directory.clone();
        directory.remove(&stand_in(&newcomer(0)));
        directory.put(unidentified(&newcomer(2), "n2"));
        if let Some(identified) = identified {
            directory.put(identified);
        }
        let report = world.import(&directory).await.expect("imports");
        assert_eq!(report.counts.delete, u64::from(explained), "{report:?}");
        let unproven =
            lines(&world, &report).await.into_iter().filter(|line| line.ends_with("unproven-absence"));
        let told: &[&str] = if explained {
            &[]
        } else {
            &["p0@lg.local conflict unproven-absence", "n2@lg.local conflict unproven-absence"]
        };
        assert_eq!(unproven.collect::<Vec<_>>(), told);
    }
}

#[tokio::test]
async fn whoever_left_after_a_stranger_had_come_stayed_in_doubt_because_of_that_one() {
    let world = World::new().await;
    let mut directory = Directory::people(6);
    world.import(&directory).await.expect("imports");
    directory.remove("00000");
    directory.put(unidentified(&dn_of("contractor"), "contractor"));
    world.import(&directory).await.expect("imports");
    directory.remove("00001");
    directory.put(unidentified(&dn_of("late"), "late"));
    for _ in 0..2 {
        let report = world.import(&directory).await.expect("imports");
        assert_eq!((report.counts.conflict, report.counts.effective()), (4, 0), "{report:?}");
    }
    let identified = |directory: &Directory, name: &str| {
        let mut directory = directory.clone();
        directory.remove(&stand_in(&dn_of(name)));
        directory.put(person(name, name));
        directory
    };
    // Who is told to be somebody else ends the doubt about whom they came with, and no other.
    for (told, left, kept) in [("late", "p1", "p0"), ("contractor", "p0", "p1")] {
        let world = world.copy().await;
        let directory = identified(&directory, told);
        let report = world.import(&directory).await.expect("imports");
        let lines = lines(&world, &report).await;
        assert_eq!((report.counts.delete, report.counts.conflict), (1, 2), "{lines:?}");
        assert!(lines.contains(&format!("{left}@lg.local delete gone")), "{lines:?}");
        assert!(lines.contains(&format!("{kept}@lg.local conflict unproven-absence")), "{lines:?}");
    }
    // Whoever takes a stranger's place may be both who went when that one had come and who goes now, and nobody who went before.
    directory.remove(&stand_in(&dn_of("late")));
    directory.remove("00002");
    directory.put(unidentified(&dn_of("later"), "later"));
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.effective()), (5, 0), "{report:?}");
    let report = world.import(&identified(&directory, "contractor")).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.delete), (3, 1), "{report:?}");
    let mended = identified(&identified(&directory, "contractor"), "later");
    let report = world.import(&mended).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.delete), (0, 2), "{report:?}");
}

#[tokio::test]
async fn whoever_was_told_by_a_name_that_a_later_stranger_had_for_a_while_was_removed() {
    let world = World::new().await;
    let mut directory = Directory::people(6);
    world.import(&directory).await.expect("imports");
    for (number, stranger) in ["first", "second"].into_iter().enumerate() {
        directory.remove(&format!("{number:05}"));
        directory.put(unidentified(&dn_of(stranger), stranger));
        world.import(&directory).await.expect("imports");
    }
    directory.user(&stand_in(&dn_of("second"))).name = "p0@lg.local".to_owned();
    let report = world.import(&directory).await.expect("imports");
    assert_eq!(
        (report.counts.conflict, report.counts.delete),
        (3, 1),
        "it is told to be the one: {report:?}"
    );
    directory.user(&stand_in(&dn_of("second"))).name = "second@lg.local".to_owned();
    directory.remove(&stand_in(&dn_of("first")));
    directory.put(person("first", "first"));
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.delete), (2, 0), "{report:?}");
}

#[tokio::test]
async fn whoever_had_the_address_of_a_stranger_all_along_explained_where_that_one_went() {
    let world = World::new().await;
    let mut directory = Directory::people(6);
    directory.user("00001").email = Some("team@lg.local".to_owned());
    world.import(&directory).await.expect("imports");
    directory = with_a_stranger_for_the_first(&directory, "new");
    directory.user(&stand_in(&dn_of("new"))).email = Some("team@lg.local".to_owned());
    world.import(&directory).await.expect("imports");
    directory.remove(&stand_in(&dn_of("new")));
    directory.put(unidentified(&dn_of("newer"), "newer"));
    directory.user("00001").fields.insert("title".to_owned(), "Lead".into());
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.update, report.counts.conflict, report.counts.effective()), (1, 2, 1));
}

#[tokio::test]
async fn whoever_took_the_address_that_a_stranger_had_given_up_explained_where_that_one_went() {
    let world = World::new().await;
    let mut directory = Directory::people(6);
    world.import(&directory).await.expect("imports");
    directory = with_a_stranger_for_the_first(&directory, "new");
    directory.user(&stand_in(&dn_of("new"))).email = Some("lead@lg.local".to_owned());
    world.import(&directory).await.expect("imports");
    directory.remove(&stand_in(&dn_of("new")));
    directory.put(unidentified(&dn_of("newer"), "newer"));
    directory.user("00001").email = Some("lead@lg.local".to_owned());
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.update, report.counts.conflict, report.counts.effective()), (1, 2, 1));
}

#[tokio::test]
async fn whoever_moved_to_where_a_rule_leaves_out_all_without_an_id_was_removed() {
    let world = World::new().await;
    let left_out = |name: &str, called: &str| {
        let mut record = unidentified(&dn_of(name), called);
        (record.email, record.problem, record.excluded_by) = (None, None, Some("without id".to_owned()));
        record
    };
    let mut directory = Directory::people(6);
    directory.put(left_out("contractor", "contractor"));
    world.import(&directory).await.expect("imports");
    directory.remove("00000");
    directory.remove("00001");
    directory.put(left_out("moved", "P0"));
    let mut told = vec![
        "p0@lg.local conflict unproven-absence",
        "p1@lg.local delete gone",
        "P0@lg.local skip excluded-by-rule",
    ];
    for _ in 0..2 {
        let report = world.import(&directory).await.expect("imports");
        assert_eq!(
            (report.state, lines(&world, &report).await),
            (RunState::Applied, told.iter().map(|line| (*line).to_owned()).collect())
        );
        // Whom a rule leaves out is not planned again.
        told.truncate(1);
    }
    directory.remove(&stand_in(&dn_of("moved")));
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.delete, report.counts.conflict), (1, 0), "{report:?}");
}
