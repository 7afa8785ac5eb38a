//! What a run does to the account.

use crate::world::{Directory, World, group, person};
use adc_core::{
    policy::{FieldMapping, FieldSource, Policy},
    protocol::{Counts, RunState},
    reason::Reason,
    record::{Kind, Problem, Record},
    settings::Settings,
};

fn counts(create: u64, update: u64, delete: u64, unchanged: u64) -> Counts {
    Counts { create, update, delete, unchanged, ..Counts::default() }
}

#[tokio::test]
async fn a_first_import_creates_everybody_and_a_second_nobody() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert", "carl"]);
    directory.put(group("staff", &["anna", "bert"]));

    let first = world.import(&directory).await.expect("imports");
    assert_eq!((first.state, first.counts), (RunState::Applied, counts(4, 0, 0, 0)));

    let second = world.import(&directory).await.expect("imports");
    assert_eq!((second.state, second.counts), (RunState::Applied, counts(0, 0, 0, 4)));
    assert_eq!(second.sent.records, 0);
}

#[tokio::test]
async fn a_preview_says_what_the_import_does_and_does_nothing() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert"]);
    let preview = world.preview(&directory).await.expect("previews");
    assert_eq!(preview.state, RunState::Previewed);
    let import = world.import(&directory).await.expect("imports");
    assert_eq!(preview.counts, import.counts);

    directory.remove("anna");
    directory.user("bert").fields.insert("title".to_owned(), "Engineer".into());
    directory.put(person("carl", "carl"));
    let preview = world.preview(&directory).await.expect("previews");
    assert_eq!(preview.counts, counts(1, 1, 1, 0));
    assert_eq!(world.import(&directory).await.expect("imports").counts, preview.counts);
}

#[tokio::test]
async fn a_leaver_is_deleted_and_comes_back_as_the_same_user() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert"]);
    world.import(&directory).await.expect("imports");
    let anna = directory.remove("anna");
    assert_eq!(world.import(&directory).await.expect("imports").counts, counts(0, 0, 1, 1));
    assert_eq!(world.import(&directory).await.expect("imports").counts, counts(0, 0, 0, 1));
    directory.put(anna);
    let back = world.import(&directory).await.expect("imports");
    assert_eq!((back.counts.restore, back.counts.create), (1, 0));
}

#[tokio::test]
async fn people_swap_names_and_a_joiner_takes_a_leavers_name() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert", "carl"]);
    world.import(&directory).await.expect("imports");
    directory.user("anna").name = "bert@lg.local".to_owned();
    directory.user("bert").name = "anna@lg.local".to_owned();
    directory.remove("carl");
    directory.put(person("carla", "carl"));
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.state, report.counts), (RunState::Applied, counts(1, 2, 1, 0)));
    assert_eq!(world.import(&directory).await.expect("imports").counts, counts(0, 0, 0, 3));
}

#[tokio::test]
async fn two_who_claim_one_name_are_conflicts_until_one_is_mended() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert"]);
    directory.put(person("b2", "bert"));
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.create, report.counts.conflict, report.needs_attention), (1, 2, 2));
    directory.user("b2").name = "bert2@lg.local".to_owned();
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.create, report.counts.conflict), (2, 0), "also the one that was not touched");
}

#[tokio::test]
async fn what_a_switch_kept_back_is_caught_up_with_though_nothing_changed_since() {
    let mut world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert", "carl"]);
    world.import(&directory).await.expect("imports");
    world.settings = Settings {
        no_create: Some(true),
        no_update: Some(true),
        no_delete: Some(true),
        ..Settings::default()
    };
    directory.remove("anna");
    directory.user("bert").fields.insert("title".to_owned(), "Engineer".into());
    directory.put(person("dora", "dora"));
    directory.put(group("staff", &["bert", "dora"]));
    for _ in 0..2 {
        let kept_back = world.import(&directory).await.expect("imports");
        assert_eq!((kept_back.counts.skip, kept_back.counts.effective()), (4, 0));
    }
    world.settings = Settings::default();
    let caught_up = world.import(&directory).await.expect("imports");
    assert_eq!(caught_up.counts, counts(2, 1, 1, 1));
    assert_eq!(world.import(&directory).await.expect("imports").counts, counts(0, 0, 0, 4));
}

#[tokio::test]
async fn an_expiry_passes_without_any_change_in_the_directory() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert"]);
    directory.user("anna").expires_at = Some(1_795_348_800_000 + 60_000);
    world.import(&directory).await.expect("imports");
    world.pass_time(60_000);
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.disable, report.sent.records), (1, 0));
    assert_eq!(world.import(&directory).await.expect("imports").counts, counts(0, 0, 0, 2));
}

#[tokio::test]
async fn whoever_was_only_missed_is_read_again_and_stays() {
    let world = World::new().await;
    let directory = Directory::of(&["anna", "bert"]);
    world.import(&directory).await.expect("imports");
    let mut read = directory.clone();
    read.remove("anna");
    let opened = world.open(false).await.expect("opens");
    let receipt = world.send(&opened, &read).await.expect("sends");
    // The look-up asks the directory as it is.
    let report = world.finish(&opened.run_id, &directory, receipt).await.expect("finishes");
    assert_eq!(report.counts.effective(), 0);
}

#[tokio::test]
async fn group_members_come_and_go_and_respelling_changes_nothing() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert", "carl"]);
    directory.put(group("staff", &["anna", "bert"]));
    world.import(&directory).await.expect("imports");
    let mut respelled = group("staff", &["anna", "bert"]);
    respelled.members = respelled.members.iter().map(|dn| dn.to_uppercase().replace(',', ", ")).collect();
    directory.put(respelled);
    assert_eq!(world.import(&directory).await.expect("imports").counts, counts(0, 0, 0, 4));
    directory.put(group("staff", &["bert", "carl"]));
    assert_eq!(world.import(&directory).await.expect("imports").counts, counts(0, 1, 0, 3));
    assert_eq!(world.import(&directory).await.expect("imports").counts, counts(0, 0, 0, 4));
}

#[tokio::test]
async fn a_conflict_that_locks_somebody_out_went_without_attention() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna"]);
    world.import(&directory).await.expect("imports");
    let anna = directory.user("anna");
    anna.active = false;
    anna.problem = Some(Problem { reason: Reason::NotUtf8, detail: "field title".to_owned() });
    let locked_out = world.import(&directory).await.expect("imports");
    assert_eq!((locked_out.counts.disable, locked_out.needs_attention), (1, 1));
}

#[tokio::test]
async fn a_unique_value_held_already_hid_another_that_is_not() {
    let mut policy = Policy::default();
    for name in ["badge", "room"] {
        policy.mapping.fields.push(FieldMapping {
            name: name.to_owned(),
            from: Some(FieldSource::One(name.to_owned())),
            required: false,
            unique: true,
            multi_valued: false,
        });
    }
    let world = World::with(Settings::default(), Some(policy), None).await;
    let give = |record: &mut Record, field: &str, value: &str| {
        record.fields.insert(field.to_owned(), value.into());
        record.unique.insert(field.to_owned(), value.to_owned());
    };
    let mut directory = Directory::of(&["anna", "bert"]);
    give(directory.user("anna"), "badge", "7");
    give(directory.user("bert"), "room", "1");
    world.import(&directory).await.expect("imports");

    directory.put(person("carl", "carl"));
    give(directory.user("carl"), "badge", "7");
    give(directory.user("anna"), "room", "1");
    let import = world.import(&directory).await.expect("imports");
    assert_eq!(import.counts, Counts { conflict: 2, unchanged: 1, ..Counts::default() });
}

#[tokio::test]
async fn whose_name_was_spoiled_was_taken_out_of_every_group() {
    let world = World::new().await;
    let mut directory = Directory::of(&["anna", "bert"]);
    directory.put(group("staff", &["anna", "bert"]));
    world.import(&directory).await.expect("imports");
    let before = members(&world).await;
    assert_eq!(before.len(), 2);

    let anna = directory.user("anna");
    anna.problem = Some(Problem { reason: Reason::InvalidDn, detail: "it is none".to_owned() });
    anna.dn = "not a dn".to_owned();
    let report = world.import(&directory).await.expect("imports");
    assert_eq!((report.counts.conflict, report.counts.effective()), (1, 0));
    assert_eq!(members(&world).await, before);
}

/// The people whom the account knows in its only group.
async fn members(world: &World) -> Vec<String> {
    let groups =
        world.store.units(&world.agent.account_id, Kind::Group, None, None, 10).await.expect("reads");
    let listed = world.store.direct_members(&groups[0], None, 10).await.expect("reads");
    listed.into_iter().filter_map(|member| Some(member.resolved?.name)).collect()
}
