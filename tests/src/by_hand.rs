//! The run protocol spoken by the test itself, for what the real agent never does.

use std::collections::BTreeSet;

use adc_core::plan::Action;
use adc_core::protocol::{
    Abort, AgentInfo, Confirm, ContainerLookedUp, DigestBatch, Doubts, Fingerprint, Finish, LookUpOutcome,
    LookedUp, Next, OpenRun, OpenedRun, ReadCounts, Receipt, RecordBatch, RunError, RunReport, SearchReceipt,
    Trigger, Wanted,
};
use adc_core::record::{Kind, Record};
use adc_core::settings::Settings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{Answer, Api};
use crate::control_plane::{ControlPlane, Synchronization};

/// An agent whose every request is the test's own. Its directory is a list of records.
#[derive(Debug)]
pub struct ByHand {
    api: Api,
    run_id: String,
    digest_batches: u32,
    record_batches: u32,
    read: ReadCounts,
}

impl ByHand {
    /// An agent of a synchronization that will call its run `run_` and this number, in 32 digits.
    pub fn new(control_plane: &ControlPlane, synchronization: &Synchronization, run: u64) -> Self {
        Self {
            api: control_plane.anonymous_api().as_agent(synchronization),
            run_id: format!("run_{run:032}"),
            digest_batches: 0,
            record_batches: 0,
            read: ReadCounts::default(),
        }
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The request that opens the run, with settings that leave everything to the server.
    pub fn open_request(&self) -> OpenRun {
        OpenRun {
            run_id: self.run_id.clone(),
            agent: AgentInfo { host: "test".to_owned(), version: "0".to_owned(), instance: None },
            settings: Settings::default(),
            dry_run: false,
            full: true,
            fingerprint: Fingerprint { server: "test".to_owned(), ..Fingerprint::default() },
            feed: None,
            trigger: Trigger::Agent,
        }
    }

    /// Opens the run.
    #[track_caller]
    pub fn open(&self) -> OpenedRun {
        parsed(self.send("", &self.open_request()))
    }

    /// Opens a run that only previews.
    #[track_caller]
    pub fn open_dry(&self) -> OpenedRun {
        parsed(self.send("", &OpenRun { dry_run: true, ..self.open_request() }))
    }

    /// Names objects of one kind; returns the positions of those that are wanted.
    #[track_caller]
    pub fn digests(&mut self, kind: Kind, records: &[Record]) -> Vec<u32> {
        let batch = self.digest_batch(kind, records);
        parsed::<Wanted>(self.send("/digests", &batch)).wanted
    }

    /// The next batch of digests, counted as read but not sent.
    pub fn digest_batch(&mut self, kind: Kind, records: &[Record]) -> DigestBatch {
        let items = records.iter().map(|record| (record.source_id.clone(), record.digest())).collect();
        let batch = DigestBatch { seq: self.digest_batches, kind, items };
        self.digest_batches += 1;
        *self.read.of_mut(kind) += records.len() as u64;
        batch
    }

    /// Sends records.
    #[track_caller]
    pub fn records(&mut self, records: Vec<Record>) {
        let batch = self.record_batch(records);
        self.send("/records", &batch).ok();
    }

    /// The next batch of records, not sent.
    pub fn record_batch(&mut self, records: Vec<Record>) -> RecordBatch {
        let batch = RecordBatch { seq: self.record_batches, records, members: Vec::new() };
        self.record_batches += 1;
        batch
    }

    /// The receipt of everything read so far: every search was complete.
    pub fn receipt(&self) -> Receipt {
        let search = |kind| {
            let entries = self.read.of(kind);
            SearchReceipt { kind, result_codes: vec![0], entries, complete: true }
        };
        Receipt {
            searches: Kind::ALL.map(search).to_vec(),
            digest_batches: self.digest_batches,
            record_batches: self.record_batches,
            read: self.read,
            ..Receipt::default()
        }
    }

    /// Finishes with this receipt.
    #[track_caller]
    pub fn finish_with(&self, receipt: Receipt) -> Answer {
        self.send("/finish", &Finish { receipt })
    }

    /// Finishes, and looks up what is asked for in the directory given, until the run has ended.
    #[track_caller]
    pub fn finish(&self, directory: &[Record]) -> RunReport {
        let mut next: Next = parsed(self.finish_with(self.receipt()));
        loop {
            next = match next {
                Next::Done { report } => return *report,
                Next::Wait => parsed(self.finish_with(self.receipt())),
                Next::Confirm(doubts) => parsed(self.send("/confirm", &looked_up(&doubts, directory))),
                Next::ReadEverything { .. } => panic!("it reads everything anyhow"),
            };
        }
    }

    /// Reads the whole directory: names everything, sends what is wanted, finishes.
    #[track_caller]
    pub fn read(&mut self, directory: &[Record]) -> RunReport {
        for kind in Kind::ALL {
            let records: Vec<Record> =
                directory.iter().filter(|record| record.kind == kind).cloned().collect();
            let wanted = self.digests(kind, &records);
            if !wanted.is_empty() {
                let wanted: BTreeSet<u32> = wanted.into_iter().collect();
                self.records(
                    (0..).zip(records).filter(|(at, _)| wanted.contains(at)).map(|(_, one)| one).collect(),
                );
            }
        }
        self.finish(directory)
    }

    /// Gives the run up.
    #[track_caller]
    pub fn abort(&self) {
        let error = RunError { code: "test".to_owned(), message: "The test gives up.".to_owned() };
        self.send("/abort", &Abort { error }).ok();
    }

    /// Sends any body to `/agent/runs/{id}{action}`, or opens the run when the action is empty.
    #[track_caller]
    pub fn send(&self, action: &str, body: &impl Serialize) -> Answer {
        self.api.post(&self.path(action), &to_json(body))
    }

    /// Like [`ByHand::send`], to a control plane that may not be there; nothing when it did not answer.
    pub fn try_send(&self, action: &str, body: &impl Serialize) -> Option<Answer> {
        let request = self.api.request(reqwest::Method::POST, &self.path(action)).json(&to_json(body));
        self.api.try_send(request).ok()
    }

    fn path(&self, action: &str) -> String {
        if action.is_empty() {
            "/agent/runs".to_owned()
        } else {
            format!("/agent/runs/{}{action}", self.run_id)
        }
    }
}

/// The answer to doubts: what the directory has is found, all else is gone.
pub fn looked_up(doubts: &Doubts, directory: &[Record]) -> Confirm {
    let object = |doubt: &adc_core::protocol::Doubt| {
        let found = directory.iter().find(|one| one.kind == doubt.kind && one.source_id == doubt.source_id);
        let outcome = match found {
            Some(record) => LookUpOutcome::Found { record: Box::new(record.clone()) },
            None => LookUpOutcome::Gone,
        };
        LookedUp { kind: doubt.kind, source_id: doubt.source_id.clone(), outcome }
    };
    Confirm {
        objects: doubts.objects.iter().map(object).collect(),
        containers: doubts
            .containers
            .iter()
            .map(|dn| ContainerLookedUp { dn: dn.clone(), exists: true })
            .collect(),
    }
}

/// A person of a directory that exists in the test only.
pub fn person(source_id: &str, username: &str) -> Record {
    let dn = format!("uid={source_id},ou=people,dc=lg,dc=local");
    Record { email: Some(username.to_owned()), ..Record::new(Kind::User, source_id, dn, username) }
}

/// Whether a report holds no change at all.
pub fn changes_nothing(report: &RunReport) -> bool {
    let mut counts = report.counts;
    Action::ALL.iter().all(|action| *counts.of_mut(*action) == 0)
}

#[track_caller]
fn parsed<T: DeserializeOwned>(answer: Answer) -> T {
    let body = answer.ok();
    serde_json::from_value(body.clone())
        .unwrap_or_else(|error| panic!("not what the protocol says ({error}): {body}"))
}

fn to_json(body: &impl Serialize) -> Value {
    serde_json::to_value(body).expect("the protocol's types are JSON")
}
