//! The run protocol: batches twice, out of order, missing, too large; runs at once; other people's secrets.

use adc_core::protocol::{FullBecause, MAX_BATCH_ITEMS, OpenRun, RunState, Wanted};
use adc_core::record::{Kind, Record};
use adc_tests::by_hand::{ByHand, changes_nothing, person};
use adc_tests::{Api, ControlPlane, Synchronization};
use serde_json::{Value, json};

/// A control plane with one synchronization.
struct Place {
    control_plane: ControlPlane,
    synchronization: Synchronization,
    api: Api,
}

impl Place {
    fn new() -> Self {
        let control_plane = ControlPlane::start();
        let synchronization = control_plane.synchronization("LG");
        let api = control_plane.api(&synchronization);
        Self { control_plane, synchronization, api }
    }

    fn agent(&self, run: u64) -> ByHand {
        ByHand::new(&self.control_plane, &self.synchronization, run)
    }

    fn usernames(&self) -> Vec<String> {
        let name = |user: Value| user["username"].as_str().expect("a user has a name").to_owned();
        let mut names: Vec<String> = self.api.all("/users").into_iter().map(name).collect();
        names.sort();
        names
    }

    fn state_of(&self, run: &ByHand) -> Value {
        self.api.get(&format!("/runs/{}", run.run_id())).ok()["state"].clone()
    }
}

fn people() -> Vec<Record> {
    ["jane", "max", "zoe"].map(|name| person(name, &format!("{name}@lg.local"))).to_vec()
}

const NAMES: [&str; 3] = ["jane@lg.local", "max@lg.local", "zoe@lg.local"];

#[test]
fn a_run_by_hand_imports_and_the_next_finds_nothing_to_do() {
    let place = Place::new();
    let mut agent = place.agent(1);
    let opened = agent.open();
    assert_eq!((opened.full_because, opened.mirror_empty), (Some(FullBecause::FirstRun), true));
    let report = agent.read(&people());
    assert_eq!((report.state, report.counts.create), (RunState::Applied, 3));
    assert_eq!(place.usernames(), NAMES);

    let mut again = place.agent(2);
    assert!(!again.open().mirror_empty);
    let report = again.read(&people());
    assert!(changes_nothing(&report), "{report:?}");
    assert_eq!(report.sent.records, 0);
}

#[test]
fn a_batch_sent_twice_counts_once_and_gets_the_same_answer() {
    let place = Place::new();
    let mut agent = place.agent(1);
    assert_eq!(agent.open(), agent.open());
    let digests = agent.digest_batch(Kind::User, &people());
    let first = agent.send("/digests", &digests).ok();
    assert_eq!(agent.send("/digests", &digests).ok(), first);
    let records = agent.record_batch(people());
    let first = agent.send("/records", &records).ok();
    assert_eq!(agent.send("/records", &records).ok(), first);
    let report = agent.finish(&people());
    assert_eq!((report.counts.create, report.read.users), (3, 3));
    // A lost answer: the last request again gets the same report.
    assert_eq!(agent.finish(&people()), report);
}

#[test]
fn a_batch_sent_twice_counts_once_also_after_a_restart() {
    let mut place = Place::new();
    let mut agent = place.agent(1);
    agent.open();
    let digests = agent.digest_batch(Kind::User, &people());
    let answer = agent.send("/digests", &digests).ok();
    let records = agent.record_batch(people());
    agent.send("/records", &records).ok();

    place.control_plane.restart();
    assert_eq!(agent.send("/digests", &digests).ok(), answer);
    agent.send("/records", &records).ok();
    assert_eq!(agent.finish(&people()).counts.create, 3);
    assert_eq!(place.usernames(), NAMES);
}

#[test]
fn the_same_number_with_another_content_is_refused() {
    let place = Place::new();
    let mut agent = place.agent(1);
    agent.open();
    let mut digests = agent.digest_batch(Kind::User, &people());
    agent.send("/digests", &digests).ok();
    digests.items.pop();
    assert_eq!(agent.send("/digests", &digests).problem(), (409, "batch-mismatch"));
    let mut records = agent.record_batch(people());
    agent.send("/records", &records).ok();
    records.records.pop();
    assert_eq!(agent.send("/records", &records).problem(), (409, "batch-mismatch"));
}

#[test]
fn batches_may_come_out_of_order() {
    let place = Place::new();
    let mut agent = place.agent(1);
    agent.open();
    let mut batches: Vec<_> =
        people().iter().map(|one| agent.digest_batch(Kind::User, std::slice::from_ref(one))).collect();
    batches.reverse();
    for batch in &batches {
        let answer: Wanted =
            serde_json::from_value(agent.send("/digests", batch).ok()).expect("an answer to digests");
        assert_eq!((answer.seq, answer.wanted), (batch.seq, vec![0]));
    }
    let mut batches: Vec<_> = people().into_iter().map(|one| agent.record_batch(vec![one])).collect();
    batches.reverse();
    for batch in &batches {
        agent.send("/records", batch).ok();
    }
    assert_eq!(agent.finish(&people()).counts.create, 3);
}

#[test]
fn finish_is_refused_while_a_batch_is_missing() {
    let place = Place::new();
    let mut agent = place.agent(1);
    agent.open();
    let first = agent.digest_batch(Kind::User, &people()[..2]);
    let second = agent.digest_batch(Kind::User, &people()[2..]);
    agent.send("/digests", &second).ok();
    let missing = agent.finish_with(agent.receipt());
    assert_eq!(missing.problem(), (409, "batch-missing"));
    assert!(
        missing.body["detail"].as_str().is_some_and(|detail| detail.contains("missing: 0")),
        "{}",
        missing.body
    );
    assert!(place.usernames().is_empty());

    agent.send("/digests", &first).ok();
    assert_eq!(agent.finish_with(agent.receipt()).problem(), (409, "records-missing"));
    agent.records(people());
    assert_eq!(agent.finish(&people()).state, RunState::Applied);
}

#[test]
fn finish_is_refused_with_a_receipt_that_proves_nothing() {
    let place = Place::new();
    let mut agent = place.agent(1);
    agent.open();
    agent.digests(Kind::User, &people());
    agent.records(people());
    let complete = agent.receipt();

    let mut limited = complete.clone();
    limited.searches[1].result_codes = vec![0, 4];
    let mut unfinished = complete.clone();
    unfinished.searches[1].complete = false;
    let mut unread = complete.clone();
    unread.searches.remove(1);
    let mut miscounted = complete.clone();
    miscounted.read.users += 1;
    for receipt in [limited, unfinished, unread, miscounted] {
        assert_eq!(agent.finish_with(receipt).problem(), (422, "receipt-incomplete"));
    }
    assert!(place.usernames().is_empty());
    assert_eq!(agent.finish_with(complete).ok()["next"], "done");
}

#[test]
fn a_batch_larger_than_allowed_is_refused() {
    let place = Place::new();
    let mut agent = place.agent(1);
    agent.open();
    let many: Vec<Record> = (0..=MAX_BATCH_ITEMS)
        .map(|number| person(&number.to_string(), &format!("{number}@lg.local")))
        .collect();
    let digests = agent.digest_batch(Kind::User, &many);
    assert_eq!(agent.send("/digests", &digests).problem(), (413, "batch-too-large"));
    let records = agent.record_batch(many);
    assert_eq!(agent.send("/records", &records).problem(), (413, "batch-too-large"));

    let mut large = people();
    large[0].fields.insert("title".to_owned(), "x".repeat(17 << 20).as_str().into());
    let records = place.agent(1).record_batch(large);
    assert_eq!(agent.send("/records", &records).problem(), (413, "batch-too-large"));
}

#[test]
fn a_batch_for_a_run_of_another_synchronization_is_refused() {
    let place = Place::new();
    let other = place.control_plane.synchronization_of(&place.synchronization.account_id, "Other");
    let mut agent = place.agent(1);
    agent.open();
    let mut stranger = ByHand::new(&place.control_plane, &other, 1);
    let digests = stranger.digest_batch(Kind::User, &people());
    let (status, _) = stranger.send("/digests", &digests).problem();
    assert_eq!(status, 404, "another's run does not exist for it");
    let records = stranger.record_batch(people());
    assert_eq!(stranger.send("/records", &records).problem().0, 404);
    assert_eq!(stranger.finish_with(stranger.receipt()).problem().0, 404);

    assert_eq!(agent.read(&people()).counts.create, 3);
}

#[test]
fn a_run_id_of_another_synchronization_cannot_be_taken() {
    let place = Place::new();
    let other = place.control_plane.synchronization_of(&place.synchronization.account_id, "Other");
    place.agent(1).open();
    let stranger = ByHand::new(&place.control_plane, &other, 1);
    assert_eq!(stranger.send("", &stranger.open_request()).problem().0, 409);
}

#[test]
fn only_one_run_of_a_synchronization_is_open_at_once() {
    let place = Place::new();
    let first = place.agent(1);
    first.open();
    let second = place.agent(2);
    let refused = second.send("", &second.open_request());
    assert_eq!(refused.problem(), (409, "run-active"));
    assert_eq!(refused.body["run_id"], first.run_id());

    // Another adc.yaml is no other place.
    let mut request = second.open_request();
    request.fingerprint.configuration.insert("base_dn".to_owned(), "dc=other".to_owned());
    assert_eq!(second.send("", &request).problem(), (409, "run-active"));

    first.abort();
    second.open();
    assert_eq!(place.state_of(&first), "failed");
}

#[test]
fn two_agents_that_open_at_the_same_moment_get_one_place() {
    let place = Place::new();
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let agents: Vec<_> = (1..=8)
            .map(|run| {
                let agent = place.agent(run);
                scope.spawn(move || agent.send("", &agent.open_request()).status)
            })
            .collect();
        agents.into_iter().map(|agent| agent.join().expect("the agent's thread does not panic")).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 409).count(), 7, "{codes:?}");
}

#[test]
fn an_ended_run_takes_nothing_more() {
    let place = Place::new();
    let mut agent = place.agent(1);
    agent.open();
    agent.abort();
    let digests = agent.digest_batch(Kind::User, &people());
    assert_eq!(agent.send("/digests", &digests).status, 409);
    assert_eq!(agent.send("", &agent.open_request()).status, 409);
}

#[test]
fn a_silent_run_gives_its_place_up_and_changes_nothing() {
    let place = Place::new();
    let mut silent = place.agent(1);
    silent.open();
    silent.digests(Kind::User, &people());
    silent.records(people());

    // The next one is told how long to wait; nothing else needs to happen.
    let mut next = place.agent(2);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while next.send("", &next.open_request()).status == 409 {
        assert!(std::time::Instant::now() < deadline, "the place is never given up");
        std::thread::yield_now();
    }
    assert_eq!(place.state_of(&silent), "interrupted");
    assert!(place.usernames().is_empty());
    assert_eq!(next.read(&people()).counts.create, 3);
}

#[test]
fn wrong_secrets_open_nothing() {
    let place = Place::new();
    let other = place.control_plane.synchronization("Other");
    let mixed = Synchronization { secret_token: other.secret_token.clone(), ..place.synchronization.clone() };
    let unknown =
        Synchronization { application_id: "app_unknown".to_owned(), ..place.synchronization.clone() };
    let empty = Synchronization { secret_token: String::new(), ..place.synchronization.clone() };
    for wrong in [mixed, unknown, empty] {
        let agent = ByHand::new(&place.control_plane, &wrong, 1);
        assert_eq!(agent.send("", &agent.open_request()).status, 401);
    }
}

#[test]
fn a_rotated_secret_ends_the_old_one() {
    let place = Place::new();
    let path = format!("/synchronizations/{}/rotate-secret", place.synchronization.id);
    let rotated = place.api.post(&path, &json!({})).ok();
    let old = place.agent(1);
    assert_eq!(old.send("", &old.open_request()).status, 401);
    let secret_token = rotated["secret_token"].as_str().expect("it is shown once").to_owned();
    let new = Synchronization { secret_token, ..place.synchronization.clone() };
    ByHand::new(&place.control_plane, &new, 2).open();
    let shown = place.api.get(&format!("/synchronizations/{}", place.synchronization.id)).ok();
    assert!(shown.get("secret_token").is_none(), "{shown}");
}

#[test]
fn a_dry_run_of_the_agent_narrows_whatever_the_server_says() {
    let place = Place::new();
    let path = format!("/synchronizations/{}", place.synchronization.id);
    place.api.patch(&path, &json!({ "settings": { "dry-run": false } })).ok();
    let mut agent = place.agent(1);
    agent.open_dry();
    assert_eq!(agent.read(&people()).state, RunState::Previewed);
    assert!(place.usernames().is_empty());
}

#[test]
fn what_is_no_protocol_is_refused_with_a_reason() {
    let place = Place::new();
    let agent = place.agent(1);
    let mut unknown = serde_json::to_value(agent.open_request()).expect("the protocol's types are JSON");
    unknown["surprise"] = json!(true);
    assert_eq!(agent.send("", &unknown).status, 400);
    let bad_id = OpenRun { run_id: "run_../../etc".to_owned(), ..agent.open_request() };
    assert_eq!(agent.send("", &bad_id).problem(), (400, "bad-run-id"));
}
