//! The end of a run: hand in the receipt, look up whom the control plane misses, hear what became of it all.

use std::sync::Arc;

use adc_core::entry::Entry;
use adc_core::mapping::Mapping;
use adc_core::protocol::{
    Confirm, ContainerLookedUp, Doubt, Doubts, Finish, LookUpOutcome, LookedUp, Next, RunReport, RunState,
};
use adc_core::record::Kind;
use adc_core::source_id::SourceId;

use super::Run;
use super::outbox::{Outbox, Parcel};
use super::progress::Phase;
use super::transfer::query;
use crate::control_plane::ControlPlaneError;
use crate::directory::Directory;
use crate::directory::look_up::Found;
use crate::exit::AgentError;

impl Run<'_> {
    /// Finishes the run and answers the control plane's questions until it is over.
    pub(super) async fn conclude(
        &mut self,
        directory: &mut Directory,
        mapping: &Arc<Mapping>,
    ) -> Result<RunReport, AgentError> {
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
            };
            let next = tokio::select! {
                next = asked => next?,
                () = interrupt.cancelled(), if may_stop => {
                    if let Some(report) = self.stop().await? {
                        return Ok(report);
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
                Next::Done { report } => return outcome(*report),
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
        let confirm = self.look_up(directory, mapping, doubts).await?;
        let next = self.control_plane.confirm(&self.opened.run_id, &confirm).await?;
        self.lease.heard();
        self.surroundings.progress.enter(Phase::Planning);
        Ok(next)
    }

    async fn look_up(
        &mut self,
        directory: &mut Directory,
        mapping: &Mapping,
        doubts: &Doubts,
    ) -> Result<Confirm, AgentError> {
        let mut confirm = Confirm::default();
        for kind in Kind::ALL {
            let doubts: Vec<&Doubt> = doubts.objects.iter().filter(|doubt| doubt.kind == kind).collect();
            let ids: Vec<SourceId> =
                doubts.iter().map(|doubt| SourceId::from(doubt.source_id.as_str())).collect();
            let query = query(&self.config.directory, mapping, kind);
            let mut found = directory.look_up(&query, mapping.id(), &ids).await?;
            for (id, doubt) in ids.into_iter().zip(doubts) {
                let outcome = match found.remove(&id) {
                    None => {
                        directory.prove_gone(mapping.id(), &doubt.dn).await?;
                        LookUpOutcome::Gone
                    }
                    Some(Found::OutOfScope { dn }) => LookUpOutcome::OutOfScope { dn },
                    Some(Found::InScope(entry)) => self.send_found(kind, &entry, mapping).await?,
                };
                confirm.objects.push(LookedUp { kind, source_id: id.into(), outcome });
            }
        }
        for dn in &doubts.containers {
            confirm
                .containers
                .push(ContainerLookedUp { dn: dn.clone(), exists: directory.exists(dn).await? });
        }
        Ok(confirm)
    }

    async fn send_found(
        &mut self,
        kind: Kind,
        entry: &Entry,
        mapping: &Mapping,
    ) -> Result<LookUpOutcome, AgentError> {
        let Parcel { record, members } = Parcel::of(mapping.map(kind, entry));
        if !members.is_empty() {
            self.send_members(&record.source_id, members).await?;
        }
        Ok(LookUpOutcome::Found { record: Box::new(record) })
    }

    /// Members of a big group travel before the answer that names the group, and count in the receipt.
    async fn send_members(&mut self, source_id: &str, members: Vec<String>) -> Result<(), AgentError> {
        let mut outbox = Outbox::new(
            self.control_plane.clone(),
            self.opened.run_id.clone(),
            self.lease.clone(),
            &self.surroundings.progress,
            true,
            self.receipt.record_batches,
        );
        outbox.push_members(source_id, members);
        let (sent, _, record_batches) = outbox.finish().await?;
        self.receipt.record_batches = record_batches;
        self.receipt.sent.bytes += sent.bytes;
        Ok(())
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
