//! A change feed over the directory that is a map, and an agent that follows it.

use std::collections::BTreeSet;

use adc_core::{
    protocol::{
        AgentInfo, ChangeFeed, FeedReceipt, Mark, Mode, Noted, OpenRun, OpenedRun, Receipt, RunReport,
        TouchedBatch, TouchedObject, Trigger, Whereabouts,
    },
    record::{Kind, Record},
};
use adc_server::api::problem::Problem;

use crate::world::{Directory, World, body, new_run_id};

const MARK: &str = "contextCSN";

/// What a feed names of a directory's changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    pub(super) touched: BTreeSet<String>,
    /// Of those, the ones that were made since the last run.
    pub(super) made: BTreeSet<String>,
    /// Of those, the ones it called removed.
    pub(super) removed: BTreeSet<String>,
    /// The feed lost its log and names what is there instead of what was removed.
    pub(super) swept: bool,
}

impl World {
    pub(super) async fn open_following(&self) -> OpenedRun {
        self.open_wanting(false).await
    }

    /// Opens a run that reads everything, whatever is known already, if it is wanted to.
    pub(super) async fn open_wanting(&self, full: bool) -> OpenedRun {
        let request = OpenRun {
            run_id: new_run_id(),
            agent: AgentInfo { host: "test".to_owned(), version: "0".to_owned(), instance: None },
            settings: self.settings,
            dry_run: false,
            full,
            fingerprint: self.fingerprint.clone(),
            feed: Some(ChangeFeed { name: "syncrepl".to_owned(), mark: MARK.to_owned() }),
            trigger: Trigger::Agent,
        };
        self.engine.open(&self.agent, &request).await.expect("opens")
    }

    /// A full run that leaves a checkpoint, where none is there yet.
    pub(super) async fn read_everything(&self, directory: &Directory) -> RunReport {
        let opened = self.open_following().await;
        self.read_in(&opened, directory).await.expect("runs")
    }

    /// A full run, whatever is known already.
    pub(super) async fn read_everything_again(&self, directory: &Directory) -> RunReport {
        let opened = self.open_wanting(true).await;
        self.read_in(&opened, directory).await.expect("runs")
    }

    pub(super) async fn read_in(
        &self,
        opened: &OpenedRun,
        directory: &Directory,
    ) -> Result<RunReport, Problem> {
        self.read_until(opened, directory, mark(0)).await
    }

    /// A full run that leaves this mark.
    pub(super) async fn read_until(
        &self,
        opened: &OpenedRun,
        directory: &Directory,
        mark: Mark,
    ) -> Result<RunReport, Problem> {
        let receipt = Receipt { mark: Some(mark), ..self.send(opened, directory).await? };
        self.finish(&opened.run_id, directory, receipt).await
    }

    pub(super) async fn touch(&self, run_id: &str, batch: &TouchedBatch) -> Result<Noted, Problem> {
        self.engine.touched(&self.agent, run_id, batch, body(batch)).await
    }

    /// A delta, as the agent does it: what was touched, then the records of it; a full run where that is called for.
    pub(super) async fn follow(&self, directory: &Directory, feed: &Feed) -> RunReport {
        let opened = self.open_following().await;
        self.follow_until(&opened, directory, feed, mark(0)).await
    }

    /// The same for a run that was opened, which leaves this mark.
    pub(super) async fn follow_until(
        &self,
        opened: &OpenedRun,
        directory: &Directory,
        feed: &Feed,
        mark: Mark,
    ) -> RunReport {
        let everything = async |mark| self.read_until(opened, directory, mark).await.expect("runs");
        if opened.mode == Mode::Full {
            return everything(mark).await;
        }
        let noted = self.touch(&opened.run_id, &feed.batch(directory)).await.expect("is noted");
        if noted.mode == Mode::Full {
            return everything(mark).await;
        }
        let touched = |record: &Record| feed.touched.contains(&record.source_id);
        let receipt = self.send_those(opened, directory, touched).await.expect("sends");
        let mut batches = 1;
        if receipt.sent.records > 0 {
            let read = TouchedBatch { seq: 1, sweep: feed.swept, read: true, ..TouchedBatch::default() };
            if self.touch(&opened.run_id, &read).await.expect("is noted").mode == Mode::Full {
                return everything(mark).await;
            }
            batches += 1;
        }
        let feed = Some(feed.receipt(batches));
        let receipt = Receipt { searches: Vec::new(), feed, mark: Some(mark), ..receipt };
        self.finish(&opened.run_id, directory, receipt).await.expect("finishes")
    }
}

impl Feed {
    pub(super) fn of(touched: &[&str]) -> Self {
        Self { touched: touched.iter().map(|id| (*id).to_owned()).collect(), ..Self::default() }
    }

    pub(super) fn batch(&self, directory: &Directory) -> TouchedBatch {
        let objects = self.touched.iter().map(|id| TouchedObject {
            source_id: id.clone(),
            place: whereabouts(directory, id, self.made.contains(id)),
            removed: !self.swept && self.removed.contains(id),
            tombstone: false,
        });
        // Without its log, a feed does not name what is not there.
        let objects = objects.filter(|object| !self.swept || object.place.is_some());
        let there = directory.objects.keys().chain(directory.out_of_scope.keys()).map(|(_, id)| id);
        let present = there.filter(|id| self.swept && !self.touched.contains(*id)).cloned();
        TouchedBatch {
            seq: 0,
            total: None,
            objects: objects.collect(),
            sweep: self.swept,
            present: present.collect(),
            strangers: false,
            read: false,
            full_because: None,
        }
    }

    pub(super) fn receipt(&self, batches: u32) -> FeedReceipt {
        FeedReceipt {
            name: "syncrepl".to_owned(),
            result_codes: vec![0],
            batches,
            touched: self.touched.len() as u64,
        }
    }
}

pub(super) fn marked(receipt: Receipt) -> Receipt {
    Receipt { mark: Some(mark(0)), ..receipt }
}

/// Where the directory stands after so many changes.
pub(super) fn mark(changes: u32) -> Mark {
    let position = format!("20261122000000.{changes:06}Z#000000#000#000000");
    Mark { kind: MARK.to_owned(), values: vec![position] }
}

fn whereabouts(directory: &Directory, id: &str, new: bool) -> Option<Whereabouts> {
    let with_id = |key: &&(Kind, String)| key.1 == id;
    let inside = directory.objects.keys().find(with_id).map(|key| directory.objects[key].dn.clone());
    let dn = inside.or_else(|| {
        directory.out_of_scope.keys().find(with_id).map(|key| directory.out_of_scope[key].clone())
    })?;
    let beneath = format!(",{dn}");
    let mut all = directory.objects.values().map(|record| &record.dn).chain(directory.out_of_scope.values());
    let container = all.any(|other| other.ends_with(&beneath));
    Some(Whereabouts { dn, container, new })
}

/// What referential integrity does: the old name becomes the new one, or goes.
pub(super) fn keep_in_step(directory: &mut Directory, before: &str, after: Option<&str>) {
    for record in directory.objects.values_mut() {
        if let Some(position) = record.members.iter().position(|member| member == before) {
            match after {
                Some(after) => after.clone_into(&mut record.members[position]),
                None => drop(record.members.remove(position)),
            }
        }
        if record.fields.get("manager") == Some(&before.into()) {
            match after {
                Some(after) => drop(record.fields.insert("manager".to_owned(), after.into())),
                None => drop(record.fields.remove("manager")),
            }
        }
    }
}
