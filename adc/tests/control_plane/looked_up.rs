//! What look-ups found: groups that are too many, or too big, to travel together.

use std::collections::BTreeMap;

use adc::imp::{Options, Surroundings, imp};
use adc_core::protocol::{
    Confirm, Counts, Doubt, Doubts, LookUpOutcome, MEMBERS_PER_PART, Mode, Next, ReadCounts, RecordBatch,
    RunReport, RunState, SentCounts, Trigger,
};
use adc_core::record::{Digest, Kind};
use adc_core::settings::{EffectiveSettings, Settings};
use adc_sandbox::{Attributes, Directory, Sandbox, sample};

use crate::run::{config, opened};
use crate::script::{Answer, Request, Script};

/// Together they come to more than a body need hold.
const GROUPS: usize = 16;
/// The members of each, with names of some four hundred bytes.
const MEMBERS: usize = 700;
/// No batch is bigger by more than its last record.
const MUCH: usize = 2 << 20;

/// Groups that travel whole, and one that does not.
fn groups(directory: &mut Directory) -> Vec<Doubt> {
    let mut groups: Vec<(String, usize, String)> =
        (0..GROUPS).map(|number| (format!("team {number}"), MEMBERS, "a long name ".repeat(32))).collect();
    groups.push(("everybody".to_owned(), MEMBERS_PER_PART + 1, String::new()));
    let add = |(name, members, prefix): (String, usize, String)| {
        let dn = format!("cn={name},{}", sample::BASE_DN);
        let group = Attributes::new().with("objectClass", "groupOfNames").with("cn", &name);
        directory.add(&dn, group).expect("added");
        let members = (0..members).map(|number| format!("cn={prefix}{number},{}", sample::BASE_DN));
        directory.set(&dn, "member", members).expect("set");
        let source_id = directory.get(&dn).and_then(|entry| entry.text("entryUUID")).expect("has one");
        Doubt {
            kind: Kind::Group,
            source_id: source_id.to_owned(),
            source_id_as_read: None,
            dn,
            digest: None,
        }
    };
    groups.into_iter().map(add).collect()
}

/// A control plane that has all of them looked up, and asks for whomever it was not answered for.
fn asking_for(doubts: Vec<Doubt>) -> impl FnMut(&Request) -> Answer {
    let mut doubts: BTreeMap<String, Doubt> =
        doubts.into_iter().map(|doubt| (doubt.source_id.clone(), doubt)).collect();
    move |request| {
        let what = request.path.rsplit('/').next().expect("a path");
        if what == "confirm" {
            let confirm: Confirm = serde_json::from_slice(&request.unpacked()).expect("JSON");
            for looked_up in confirm.objects {
                assert!(
                    doubts.remove(&looked_up.source_id).is_some(),
                    "it was asked for, and not answered yet"
                );
            }
        }
        match what {
            "runs" => Answer::json(200, &opened()),
            "records" => Answer::json(200, r#"{"seq":0}"#),
            "finish" | "confirm" => {
                let objects: Vec<Doubt> = doubts.values().cloned().collect();
                let next = if objects.is_empty() {
                    Next::Done { report: Box::new(applied()) }
                } else {
                    Next::Confirm(Doubts { objects, containers: Vec::new() })
                };
                Answer::json(200, &serde_json::to_string(&next).expect("prints"))
            }
            _ => Answer::json(200, "{}"),
        }
    }
}

fn applied() -> RunReport {
    RunReport {
        run_id: "run_1".to_owned(),
        mode: Mode::Full,
        full_because: None,
        dry_run: false,
        state: RunState::Applied,
        held_because: Vec::new(),
        settings: EffectiveSettings::merge(&Settings::default(), &Settings::default(), false),
        read: ReadCounts::default(),
        counts: Counts::default(),
        needs_attention: 0,
        sent: SentCounts::default(),
        duration_ms: 0,
        report_url: String::new(),
        error: None,
    }
}

/// A run in which these are looked up; what the agent asked of the control plane.
async fn looking_up(sandbox: &Sandbox, doubts: Vec<Doubt>) -> Vec<Request> {
    let script = Script::answering(asking_for(doubts)).await;
    let options = Options {
        run_id: "run_1".to_owned(),
        dry_run: false,
        full: false,
        trigger: Trigger::Agent,
        instance: None,
    };
    let ended = imp(&config(&script, sandbox, ""), &options, &Surroundings::default()).await;
    ended.result.expect("is applied");
    script.requests()
}

#[tokio::test]
async fn what_the_control_plane_had_was_sent_to_it_again() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let mut doubts = groups(&mut sandbox.directory());
    let read = looking_up(&sandbox, doubts.clone()).await;
    let batches = read.iter().filter(|request| request.path.ends_with("/records"));
    let records = batches.flat_map(|request| {
        serde_json::from_slice::<RecordBatch>(&request.unpacked()).expect("JSON").records
    });
    let digests: BTreeMap<String, Digest> =
        records.map(|record| (record.source_id.clone(), record.digest())).collect();
    for doubt in &mut doubts {
        doubt.digest = Some(digests[&doubt.source_id]);
    }
    // One of them is not as it was.
    let other = doubts.first_mut().expect("some");
    other.digest = Some(Digest::of(b"another"));
    let other = other.source_id.clone();
    let requests = looking_up(&sandbox, doubts).await;
    let answers = requests.iter().filter(|request| request.path.ends_with("/confirm"));
    let answers: Vec<Confirm> =
        answers.map(|request| serde_json::from_slice(&request.unpacked()).expect("JSON")).collect();
    let [Confirm { objects, .. }] = &answers[..] else { panic!("{} answers", answers.len()) };
    assert_eq!(objects.len(), GROUPS + 1);
    for looked_up in objects {
        let is_sent = matches!(looked_up.outcome, LookUpOutcome::Found { .. });
        assert_eq!(is_sent, looked_up.source_id == other, "{}", looked_up.source_id);
    }
}

#[tokio::test]
async fn groups_that_were_looked_up_had_to_fit_into_one_body() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let doubts = groups(&mut sandbox.directory());
    let requests = looking_up(&sandbox, doubts).await;
    let bodies = |what: &str| -> Vec<Vec<u8>> {
        requests.iter().filter(|request| request.path.ends_with(what)).map(Request::unpacked).collect()
    };
    let answers = bodies("/confirm");
    assert!(answers.iter().map(Vec::len).sum::<usize>() > 2 * MUCH, "it is worth being split");
    for body in answers.iter().chain(&bodies("/records")) {
        assert!(body.len() < MUCH, "{} bytes", body.len());
    }
    // What has too many members to travel whole was told of once, its members before it, in their order.
    let answers = answers.iter().map(|body| serde_json::from_slice::<Confirm>(body).expect("JSON"));
    let apart = answers.flat_map(|confirm| confirm.objects).filter_map(|looked_up| match looked_up.outcome {
        LookUpOutcome::Found { record } if record.member_count.is_some() => Some(*record),
        _ => None,
    });
    let apart: Vec<_> = apart.collect();
    assert_eq!(apart.len(), 1);
    let batches = bodies("/records");
    let batches = batches.iter().map(|body| serde_json::from_slice::<RecordBatch>(body).expect("JSON"));
    let parts = batches.flat_map(|batch| batch.members).filter(|part| part.source_id == apart[0].source_id);
    // Once when it was read, once when it was looked up.
    assert_eq!(parts.map(|part| part.part).collect::<Vec<_>>(), [0, 1, 0, 1]);
}
