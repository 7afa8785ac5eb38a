//! An agent on strings: it speaks the run protocol as told, in any order, twice, or not to its end.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use adc_core::protocol::{
    Accepted, AgentInfo, DigestBatch, Fingerprint, Finish, Mark, Next, OpenRun, OpenedRun, Receipt,
    RecordBatch, RunReport, SearchReceipt, Trigger, Wanted,
};
use adc_core::record::{Kind, Record};
use adc_core::settings::Settings;
use adc_tests::Answer;
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::directory::Directory;
use super::script::{Fault, Manner, Moment};
use super::stage::{Account, Stage};

/// What the agent has in its adc.yaml.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) settings: Settings,
    /// Stands for everything that makes a fingerprint.
    pub(super) number: u8,
}

/// One run of an agent.
pub(super) struct Puppet<'a> {
    pub(super) stage: &'a mut Stage,
    pub(super) account: &'a Account,
    pub(super) run_id: String,
    pub(super) configuration: &'a Configuration,
    /// What the read returns, and what a look-up by id finds.
    pub(super) read: &'a Directory,
    pub(super) directory: &'a Directory,
    pub(super) manner: &'a Manner,
    /// The request in which an administrator acts meanwhile, until it was sent.
    pub(super) meanwhile: Option<Request>,
    /// What was sent so far, by kind, for [`Moment`].
    pub(super) batches: (usize, usize),
    pub(super) fault: Option<(Moment, Fault)>,
}

/// An administrator's request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
}

/// How a run ended, as far as the agent knows.
#[derive(Debug)]
pub(super) enum Ended {
    /// With a report.
    Done(Box<RunReport>),
    /// A request was refused.
    Refused(Answer),
    /// The agent died.
    Dead,
}

/// Ends the run early.
type Asked<T> = Result<T, Ended>;

impl Puppet<'_> {
    /// One whole run, or as much of it as the manner allows.
    pub(super) fn run(&mut self) -> Ended {
        match self.play() {
            Ok(report) => Ended::Done(report),
            Err(ended) => ended,
        }
    }

    /// Whether the administrator has acted.
    pub(super) fn was_interfered_with(&self) -> bool {
        self.manner.meanwhile.is_some() && self.meanwhile.is_none()
    }

    /// The run's mark: the directory's position, here simply the run's number.
    pub(super) fn mark(run_id: &str) -> Mark {
        Mark { kind: "run".to_owned(), values: vec![run_id.to_owned()] }
    }

    fn play(&mut self) -> Asked<Box<RunReport>> {
        let opened: OpenedRun = self.ask(Moment::Open, "", &self.opening())?;
        let mut receipt = Receipt { mark: Some(Self::mark(&self.run_id)), ..Receipt::default() };
        let records = self.read.records();
        for kind in Kind::ALL {
            let entries = records.iter().filter(|record| record.kind == kind).count() as u64;
            receipt.searches.push(SearchReceipt { kind, result_codes: vec![0], entries, complete: true });
            *receipt.read.of_mut(kind) = entries;
        }
        let records = self.shuffled(records);
        let wanted = if opened.mirror_empty { records } else { self.wanted(records, &mut receipt)? };
        let batches = self.shuffled(wanted.chunks(self.manner.batch).enumerate().collect());
        receipt.record_batches = batches.len().try_into().expect("few batches");
        for (seq, records) in batches {
            let seq = seq.try_into().expect("few batches");
            let batch = RecordBatch { seq, records: records.to_vec(), members: Vec::new() };
            let moment = Moment::Records(self.batches.1);
            self.batches.1 += 1;
            self.ask::<Accepted>(moment, "/records", &batch)?;
        }
        let finish = Finish { receipt };
        let mut next: Next = self.ask(Moment::Finish, "/finish", &finish)?;
        loop {
            next = match next {
                Next::Done { report } => return Ok(report),
                Next::Wait => self.ask(Moment::Finish, "/finish", &finish)?,
                Next::Confirm(doubts) => {
                    self.ask(Moment::Confirm, "/confirm", &self.directory.look_up(&doubts))?
                }
                Next::ReadEverything { .. } => panic!("it reads everything anyhow"),
            };
        }
    }

    fn opening(&self) -> OpenRun {
        let configuration = [("number".to_owned(), self.configuration.number.to_string())].into();
        OpenRun {
            run_id: self.run_id.clone(),
            agent: AgentInfo { host: "puppet".to_owned(), version: "0".to_owned(), instance: None },
            settings: self.configuration.settings,
            dry_run: self.manner.dry,
            full: false,
            fingerprint: Fingerprint { server: "map".to_owned(), configuration, ..Fingerprint::default() },
            feed: None,
            trigger: Trigger::Agent,
        }
    }

    /// Names everything, batch by batch, and keeps what the control plane wants.
    fn wanted(&mut self, records: Vec<Record>, receipt: &mut Receipt) -> Asked<Vec<Record>> {
        let mut batches = Vec::new();
        for kind in Kind::ALL {
            let of_kind: Vec<&Record> = records.iter().filter(|record| record.kind == kind).collect();
            for chunk in of_kind.chunks(self.manner.batch) {
                let items = chunk.iter().map(|record| (record.source_id.clone(), record.digest())).collect();
                batches.push((DigestBatch { seq: receipt.digest_batches, kind, items }, chunk.to_vec()));
                receipt.digest_batches += 1;
            }
        }
        let mut wanted = Vec::new();
        for (batch, chunk) in self.shuffled(batches) {
            let moment = Moment::Digests(self.batches.0);
            self.batches.0 += 1;
            let answer: Wanted = self.ask(moment, "/digests", &batch)?;
            assert_eq!(answer.seq, batch.seq);
            wanted.extend(answer.wanted.iter().map(|at| {
                let at = usize::try_from(*at).expect("positions are small");
                chunk[at].clone()
            }));
        }
        Ok(wanted)
    }

    /// Sends one request, with whatever the manner has in store for it, until it is answered.
    fn ask<T: DeserializeOwned>(&mut self, moment: Moment, action: &str, body: &impl Serialize) -> Asked<T> {
        let path = match action {
            "" => "/agent/runs".to_owned(),
            action => format!("/agent/runs/{}{action}", self.run_id),
        };
        let body = serde_json::to_string(body).expect("the protocol's types are JSON");
        let answer = self.send(moment, &path, &body)?;
        if answer.status != 200 {
            return Err(Ended::Refused(answer));
        }
        if self.manner.twice {
            let again = self.stage.send(self.account, &path, &body);
            assert_eq!(again, answer, "{path}: the same request got another answer");
        }
        let parsed = serde_json::from_value(answer.body.clone());
        Ok(parsed.unwrap_or_else(|error| panic!("{path}: {} is no answer: {error}", answer.body)))
    }

    fn send(&mut self, moment: Moment, path: &str, body: &str) -> Asked<Answer> {
        let _under_way = self.meanwhile_at(moment, path, body);
        match self.fault.take_if(|(at, _)| *at == moment).map(|(_, fault)| fault) {
            None => {}
            Some(Fault::Dies) => return Err(Ended::Dead),
            Some(Fault::DiesAfterSending(wait)) => {
                drop(self.stage.fire(self.account, path, body, wait));
                return Err(Ended::Dead);
            }
            Some(Fault::AnswerLost(wait)) => drop(self.stage.fire(self.account, path, body, wait)),
            Some(Fault::KilledBefore) => self.stage.crash(),
            Some(Fault::KilledDuring(wait)) => {
                let _fired = self.stage.fire(self.account, path, body, wait);
                self.stage.crash();
            }
            Some(Fault::KilledAfter) => {
                let before = self.stage.send(self.account, path, body);
                self.stage.crash();
                if before.status == 200 {
                    let again = self.stage.send(self.account, path, body);
                    assert_eq!(again, before, "{path}: another answer after a restart");
                }
            }
        }
        Ok(self.stage.send(self.account, path, body))
    }

    /// Lets the administrator act if it is time: before a batch, but while the run concludes.
    fn meanwhile_at(&mut self, moment: Moment, path: &str, body: &str) -> Option<super::stage::Fired> {
        let (_, _, wait) = self.manner.meanwhile.as_ref().filter(|(at, _, _)| *at == moment)?;
        let request = self.meanwhile.take()?;
        let concludes = matches!(moment, Moment::Finish | Moment::Confirm);
        let fired = concludes.then(|| self.stage.fire(self.account, path, body, *wait));
        let answer = self.stage.administer(self.account, request.method, &request.path, &request.body);
        assert!([200, 201, 409].contains(&answer.status), "{}: {}", request.path, answer.body);
        fired
    }

    fn shuffled<T>(&self, items: Vec<T>) -> Vec<T> {
        let key = |at: &usize| {
            let mut hasher = DefaultHasher::new();
            (self.manner.order, at).hash(&mut hasher);
            hasher.finish()
        };
        let mut items: Vec<(usize, T)> = items.into_iter().enumerate().collect();
        if self.manner.order != 0 {
            items.sort_by_key(|(at, _)| key(at));
        }
        items.into_iter().map(|(_, item)| item).collect()
    }
}
