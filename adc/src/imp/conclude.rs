//! The end of a run: hand in the receipt, look up whom the control plane misses, hear what became of it all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use adc_core::dn::Dn;
use adc_core::mapping::Mapping;
use adc_core::protocol::{
    Confirm, ContainerLookedUp, Doubt, Doubts, Finish, LookUpOutcome, LookedUp, Mode, Next, RUN_LOST,
    Receipt, RunError, RunReport, RunState,
};
use adc_core::reason::Reason;
use adc_core::record::{Kind, Problem, Record};
use adc_core::source_id::SourceId;

use super::Run;
use super::answer::Answer;
use super::parcel::Parcel;
use super::progress::Phase;
use crate::control_plane::ControlPlaneError;
use crate::directory::findable::{Among, Findable};
use crate::directory::look_up::{Found, IDS_PER_SEARCH};
use crate::directory::{Directory, DirectoryError};
use crate::exit::AgentError;
use crate::packed::Packed;

/// Fewer objects without a readable id, or class, than this are somebody's slip each, and a conflict each, so that one emptied
/// value stops nobody else. So many, if they are most of those looked up, are a lost right to read it: then the whole
/// read is worth nothing.
const LOST_RIGHT_AT_LEAST: usize = 10;

/// How far the end of a run got.
pub(super) enum Concluded {
    /// The run is over.
    Over(Box<RunReport>),
    /// The run has become a full one: all has to be read.
    BecameFull,
}

impl Run<'_> {
    /// Finishes the run and answers the control plane's questions until it is over, or begins again.
    pub(super) async fn conclude(
        &mut self,
        directory: &mut Directory,
        mapping: &Arc<Mapping>,
    ) -> Result<Concluded, AgentError> {
        let interrupt = self.surroundings.interrupt.clone();
        let mut may_stop = true;
        self.surroundings.progress.enter(Phase::Planning);
        let mut pending = None;
        loop {
            let asked = async {
                match pending.take() {
                    None => self.finish_once().await.map_err(AgentError::from),
                    Some(doubts) => self.confirm(directory, mapping, &doubts).await,
                }
                .map_err(lost_or)
            };
            let next = tokio::select! {
                next = asked => next?,
                () = interrupt.cancelled(), if may_stop => {
                    if let Some(report) = self.stop().await? {
                        return Ok(Concluded::Over(Box::new(report)));
                    }
                    // It is being applied already: what happens now happens whole, and is worth being told.
                    tracing::warn!("the plan is being applied and cannot be stopped any more; waiting for its end");
                    may_stop = false;
                    continue;
                }
            };
            match next {
                Next::Wait => {}
                Next::Confirm(doubts) => pending = Some(doubts),
                Next::ReadEverything { because } => {
                    tracing::info!("the control plane wants a full run: {because}");
                    (self.opened.mode, self.opened.full_because) = (Mode::Full, Some(because));
                    // What was sent is forgotten there, and proves nothing any more.
                    self.receipt = Receipt::default();
                    return Ok(Concluded::BecameFull);
                }
                Next::Done { report } => return outcome(*report).map(Box::new).map(Concluded::Over),
            }
        }
    }

    /// Hands in the receipt and hears what is next.
    pub(super) async fn finish_once(&self) -> Result<Next, ControlPlaneError> {
        let finish = Finish { receipt: self.receipt.clone() };
        let next = self.control_plane.finish(&self.opened.run_id, &finish).await?;
        self.lease.heard();
        Ok(next)
    }

    async fn confirm(
        &mut self,
        directory: &mut Directory,
        mapping: &Mapping,
        doubts: &Doubts,
    ) -> Result<Next, AgentError> {
        self.surroundings.progress.enter(Phase::LookingUp);
        let last = self.look_up(directory, mapping, doubts).await?;
        let next = self.answer(&last).await?;
        self.surroundings.progress.enter(Phase::Planning);
        Ok(next)
    }

    async fn answer(&self, confirm: &Confirm) -> Result<Next, ControlPlaneError> {
        let next = self.control_plane.confirm(&self.opened.run_id, confirm).await?;
        self.lease.heard();
        Ok(next)
    }

    /// Looks up whoever is in doubt. What fits into no one body is sent; what is returned is the last part, and nothing is taken for
    /// gone before it came.
    async fn look_up(
        &mut self,
        directory: &mut Directory,
        mapping: &Mapping,
        doubts: &Doubts,
    ) -> Result<Confirm, AgentError> {
        let mut answer = Answer::default();
        let (mut unidentified, mut unclassified) = (Vec::new(), Vec::new());
        let mut gone: BTreeMap<Kind, Vec<&str>> = BTreeMap::new();
        let mut looked_up = 0;
        for (kind, doubts) in by_search(&doubts.objects) {
            // What stands in for an id finds nobody, and nobody hangs on it: not seen under it is gone.
            let ids: Vec<SourceId> =
                doubts.iter().map(|(id, _)| id).filter(|id| !id.is_stand_in()).cloned().collect();
            looked_up += ids.len();
            let query = self.query(mapping, kind);
            let mut found = directory.look_up(&query, mapping.id(), &ids).await?;
            for (id, doubt) in doubts {
                let what = match found.remove(&id) {
                    None if !id.is_stand_in() => {
                        directory.look_at(&query, mapping.id(), &id, &doubt.dn).await?
                    }
                    what => what,
                };
                let outcome = match what {
                    None => {
                        if !id.is_stand_in() {
                            gone.entry(kind).or_default().push(&doubt.dn);
                        }
                        LookUpOutcome::Gone
                    }
                    Some(Found::OutOfScope { dn }) => LookUpOutcome::OutOfScope { dn },
                    Some(Found::InScope(entry)) => {
                        let record = mapping.map(kind, &entry);
                        match doubt.digest.filter(|known| *known == record.digest()) {
                            Some(digest) => LookUpOutcome::Unchanged { digest },
                            None => self.send_found(record).await?,
                        }
                    }
                    Some(Found::Unidentified { entry, error }) => {
                        unidentified.push(entry.dn().to_owned());
                        let problem = Problem { reason: Reason::MissingSourceId, detail: error.to_string() };
                        self.send_found(left_as_it_is(mapping.map(kind, &entry), &id, problem)).await?
                    }
                    Some(Found::ClassHidden { entry }) => {
                        unclassified.push(entry.dn().to_owned());
                        let problem = Problem { reason: Reason::ClassHidden, detail: entry.dn().to_owned() };
                        self.send_found(left_as_it_is(mapping.map(kind, &entry), &id, problem)).await?
                    }
                };
                if let Some(part) = answer.push(LookedUp { kind, source_id: id.into(), outcome }) {
                    // What is next is said to the last part.
                    self.answer(&part).await?;
                }
            }
        }
        if let Some(example) = lost_right(&unidentified, looked_up) {
            let attribute = mapping.id().name();
            return Err(DirectoryError::ids_hidden(attribute, unidentified.len(), looked_up, example).into());
        }
        if let Some(example) = lost_right(&unclassified, looked_up) {
            return Err(DirectoryError::classes_hidden(unclassified.len(), looked_up, example).into());
        }
        self.prove_findable(directory, mapping, &gone).await?;
        let mut containers = Vec::with_capacity(doubts.containers.len());
        for dn in &doubts.containers {
            containers.push(ContainerLookedUp { dn: dn.clone(), exists: directory.exists(dn).await? });
        }
        Ok(answer.finish(containers))
    }

    /// Proves that those would have been found by their ids who are not: others are, of their kind and where they were seen last.
    async fn prove_findable(
        &self,
        directory: &mut Directory,
        mapping: &Mapping,
        gone: &BTreeMap<Kind, Vec<&str>>,
    ) -> Result<(), AgentError> {
        for (kind, dns) in gone {
            let query = self.query(mapping, *kind);
            // The last of its kind has nobody beside it; anybody has to do.
            let others =
                Kind::ALL.into_iter().filter(|other| other != kind).map(|kind| self.query(mapping, kind));
            for query in [query.clone()].into_iter().chain(others) {
                if is_found(directory.are_findable(&query, mapping.id(), Among::All).await?, mapping)? {
                    break;
                }
            }
            let parents = dns.iter().filter_map(|dn| Dn::parse(dn).ok()?.parent());
            let containers: BTreeSet<String> = parents.map(|parent| parent.normalized()).collect();
            for container in &containers {
                is_found(
                    directory.are_findable(&query, mapping.id(), Among::ChildrenOf(container)).await?,
                    mapping,
                )?;
            }
        }
        Ok(())
    }

    async fn send_found(&mut self, record: Record) -> Result<LookUpOutcome, AgentError> {
        let Parcel { record, parts } = Parcel::of(record);
        if !parts.is_empty() {
            self.send_members(&record.source_id, parts).await?;
        }
        Ok(LookUpOutcome::Found { record: Box::new(record) })
    }

    /// Members of a big group travel before the answer that names the group, and count in the receipt.
    async fn send_members(&mut self, source_id: &str, parts: Vec<Packed>) -> Result<(), AgentError> {
        let mut outbox = self.outbox(true, self.receipt.record_batches);
        outbox.push_members(source_id, parts);
        let (sent, _, record_batches) = outbox.finish().await?;
        self.receipt.record_batches = record_batches;
        self.receipt.sent.bytes += sent.bytes;
        Ok(())
    }
}

/// Those in doubt, kind by kind, as many as one search finds: big groups may be among them, and of no more are the entries kept.
fn by_search(doubts: &[Doubt]) -> impl Iterator<Item = (Kind, Vec<(SourceId, &Doubt)>)> {
    Kind::ALL.into_iter().flat_map(|kind| {
        let of_kind: Vec<&Doubt> = doubts.iter().filter(|doubt| doubt.kind == kind).collect();
        let searches = of_kind.chunks(IDS_PER_SEARCH).map(|doubts| {
            let id = |doubt: &Doubt| {
                SourceId::from(doubt.source_id.as_str()).read_as(doubt.source_id_as_read.clone())
            };
            (kind, doubts.iter().map(|doubt| (id(doubt), *doubt)).collect())
        });
        searches.collect::<Vec<_>>()
    })
}

/// What was sent was taken, each batch of it: if it is not there any more it was lost.
fn lost_or(error: AgentError) -> AgentError {
    match error {
        AgentError::ControlPlane(refused) if matches!(refused.code(), "batch-missing" | "records-missing") => {
            AgentError::RunFailed(RunError {
                code: RUN_LOST.to_owned(),
                message: "the control plane has lost what this run had sent, for it was upgraded meanwhile; nothing was \
                          changed: run it again"
                    .to_owned(),
            })
        }
        error => error,
    }
}

/// Whether somebody was found by their id; an error if they were not, although they are there.
fn is_found(findable: Findable, mapping: &Mapping) -> Result<bool, DirectoryError> {
    match findable {
        Findable::Found => Ok(true),
        Findable::Nobody => Ok(false),
        Findable::Missed { dn } => Err(DirectoryError::ids_not_searchable(mapping.id().name(), &dn)),
    }
}

/// One of the entries that do not show what they must, where they are too many for slips.
fn lost_right(hidden: &[String], looked_up: usize) -> Option<&String> {
    hidden.first().filter(|_| hidden.len() >= LOST_RIGHT_AT_LEAST && hidden.len() * 2 > looked_up)
}

/// The record of an object that does not show all it must, under the id it is known by: a conflict, which leaves its user as it is.
fn left_as_it_is(mapped: Record, id: &SourceId, problem: Problem) -> Record {
    Record {
        source_id: id.to_string(),
        source_id_as_read: id.as_read().map(str::to_owned),
        excluded_by: None,
        problem: Some(problem),
        ..mapped
    }
}

/// A run that failed on the control plane's side is an error here too.
pub(super) fn outcome(report: RunReport) -> Result<RunReport, AgentError> {
    match (&report.state, report.error.clone()) {
        (RunState::Failed | RunState::Cancelled | RunState::Interrupted, Some(error)) => {
            Err(AgentError::RunFailed(error))
        }
        _ => Ok(report),
    }
}
