//! Takes digests and records: numbered, idempotent, checked.

use super::{
    ActiveRun, AgentIdentity, Engine,
    sight::{Sight, Verdict},
};
use crate::{
    api::problem::{ApiResult, Problem},
    store::{Channel, Earlier, Origin, StageError, StagedObject},
};
use adc_core::{
    protocol::{
        Accepted, DigestBatch, MAX_BATCH_ITEMS, MembersPart, OF_THE_PRESET, RecordBatch, RunError, RunState,
        Wanted,
    },
    reason::Reason,
    record::{Digest, Kind, Record, members_digest},
};
use std::collections::BTreeSet;

/// The key of adc.yaml that chooses the attribute of the identity.
const ID_ATTRIBUTE: &str = "id_attribute";

impl Engine {
    /// "Do you have these?": notes what was seen and asks for what differs. `body` is the digest of the request's body.
    pub async fn digests(
        &self,
        agent: &AgentIdentity,
        run_id: &str,
        batch: &DigestBatch,
        body: Digest,
    ) -> ApiResult<Wanted> {
        let active = self.active_run(agent, run_id).await?;
        let _answering = active.lease.answering();
        check_size(batch.items.len())?;
        let mut kept = active.sight.lock().await;
        match self.store.earlier_batch(run_id, Channel::Digests, batch.seq, body).await? {
            Some(Earlier::Same(answer)) => return Ok(answer),
            Some(Earlier::Different) => return Err(another_batch(batch.seq)),
            None => {}
        }
        refuse_when_finished(&active)?;
        let mut sight = self.take_sight(&active, &mut kept).await?;
        let mut wanted = Vec::new();
        for (index, (source_id, digest)) in (0_u32..).zip(&batch.items) {
            match sight.look(batch.kind, source_id, *digest) {
                Verdict::Have => {}
                // Its record says where it is: then the run ends, and both can be named.
                Verdict::Want | Verdict::Twice => wanted.push(index),
            }
        }
        let answer = Wanted { seq: batch.seq, wanted };
        self.store.stage_names(run_id, Channel::Digests, batch.seq, body, batch, &answer).await?;
        *kept = Some(sight);
        Ok(answer)
    }

    /// Stages records. `body` is the digest of the request's body.
    pub async fn records(
        &self,
        agent: &AgentIdentity,
        run_id: &str,
        batch: RecordBatch,
        body: Digest,
    ) -> ApiResult<Accepted> {
        let active = self.active_run(agent, run_id).await?;
        let _answering = active.lease.answering();
        check_size(batch.records.len())?;
        check_size(batch.members.iter().map(|part| part.members.len()).max().unwrap_or(0))?;
        let mut kept = active.sight.lock().await;
        match self.store.earlier_batch(run_id, Channel::Records, batch.seq, body).await? {
            Some(Earlier::Same(answer)) => return Ok(answer),
            Some(Earlier::Different) => return Err(another_batch(batch.seq)),
            None => {}
        }
        refuse_when_finished(&active)?;
        let mut members = batch.members;
        let mut objects = Vec::with_capacity(batch.records.len());
        for record in batch.records {
            let is_nowhere = names_no_place(&record);
            let object = stage_object(record, Origin::Read, &mut members)?;
            objects.push(if is_nowhere { self.where_it_was(&active, object).await? } else { object });
        }
        let mut sight = self.take_sight(&active, &mut kept).await?;
        if let Some(object) = objects.iter().find(|object| sight.has_come(object.kind, &object.source_id)) {
            return Err(self.fail_duplicate(&active, object, &objects).await?);
        }
        match self.store.stage_records(run_id, batch.seq, body, &objects, &members).await {
            Ok(answer) => {
                for object in &objects {
                    sight.stage(object.kind, &object.source_id);
                }
                *kept = Some(sight);
                Ok(answer)
            }
            Err(StageError::Duplicate(index)) => {
                Err(self.fail_duplicate(&active, &objects[index], &objects).await?)
            }
            Err(StageError::Other(error)) => Err(error.into()),
        }
    }

    /// An object that names no place, in that where the mirror has it.
    async fn where_it_was(&self, active: &ActiveRun, object: StagedObject) -> ApiResult<StagedObject> {
        let run = self.run_in(&active.account_id, &active.run_id).await?;
        let place = self.store.place(&run, object.kind, &object.source_id).await?;
        Ok(match place {
            Some(place) => object.left_at(place),
            None => object,
        })
    }

    /// What the run has seen, made when first needed.
    pub(super) async fn sight_of<'a>(
        &self,
        active: &ActiveRun,
        kept: &'a mut Option<Sight>,
    ) -> ApiResult<&'a Sight> {
        let sight = self.take_sight(active, kept).await?;
        Ok(kept.insert(sight))
    }

    /// What the run has seen, to be changed and then put back.
    ///
    /// Whoever does not get that far, because the database failed or the agent hung up, leaves none behind: it is made
    /// again from what is staged, and never speaks of a batch that was not kept.
    pub(super) async fn take_sight(&self, active: &ActiveRun, kept: &mut Option<Sight>) -> ApiResult<Sight> {
        if let Some(sight) = kept.take() {
            return Ok(sight);
        }
        let run = self.run_in(&active.account_id, &active.run_id).await?;
        Ok(Sight::of(&self.store, &run).await?)
    }

    /// Two objects cannot share an identity: the read is not to be trusted, so the run ends. The other one is in the same batch, or
    /// came before.
    async fn fail_duplicate(
        &self,
        active: &ActiveRun,
        object: &StagedObject,
        batch: &[StagedObject],
    ) -> ApiResult<Problem> {
        let run = self.run_in(&active.account_id, &active.run_id).await?;
        let StagedObject { kind, source_id, .. } = object;
        let mut dns: BTreeSet<String> = batch
            .iter()
            .filter(|other| (other.kind, &other.source_id) == (*kind, source_id))
            .map(|other| other.dn.clone())
            .collect();
        if dns.len() < 2 {
            dns.extend(self.store.seen_at(&run, *kind, source_id).await?);
        }
        let dns = dns.into_iter().collect::<Vec<_>>().join(" and ");
        let written = run.fingerprint.configuration.get(ID_ATTRIBUTE).filter(|it| *it != OF_THE_PRESET);
        let message = match written {
            Some(attribute) => format!(
                "{dns} have the same {attribute}, {source_id} (upper and lower case count as one), by which objects are told apart; \
                 nothing was changed. Give one of them another {attribute}, or set id_attribute in adc.yaml to an attribute that is unique."
            ),
            None => format!(
                "The source id {source_id} came twice in one run: of {dns}; two objects cannot share an identity, and nothing was \
                 changed. Run again: it may have been renamed meanwhile."
            ),
        };
        let error = RunError { code: "duplicate-source-id".to_owned(), message };
        self.end(&run, RunState::Failed, &error).await?;
        Ok(Problem::unprocessable("duplicate-source-id", error.message))
    }
}

pub(super) fn refuse_when_finished(active: &ActiveRun) -> ApiResult<()> {
    if active.is_ending() {
        return Err(Problem::conflict("run-finished", "The run was finished; nothing can be added to it."));
    }
    Ok(())
}

/// Whether what a record has for a name is none.
pub(super) fn names_no_place(record: &Record) -> bool {
    record.problem.as_ref().is_some_and(|problem| problem.reason == Reason::InvalidDn)
}

/// A record as it is staged: checked, its members apart.
pub(super) fn stage_object(
    mut record: Record,
    origin: Origin,
    members: &mut Vec<MembersPart>,
) -> ApiResult<StagedObject> {
    if record.source_id.is_empty()
        || record.name.is_empty() && record.problem.is_none() && record.excluded_by.is_none()
    {
        return Err(Problem::unprocessable(
            "bad-record",
            format!("The record of {} has no source id or no name.", record.dn),
        ));
    }
    let digest = record.digest();
    if record.kind == Kind::Group && record.member_count.is_none() {
        record.member_count = Some(record.members.len() as u64);
        record.members_digest = Some(members_digest(&record.members));
        members.push(MembersPart {
            source_id: record.source_id.clone(),
            part: 0,
            members: std::mem::take(&mut record.members),
        });
    }
    let json = serde_json::to_string(&record).map_err(anyhow::Error::from)?;
    Ok(StagedObject::present(&record, digest, origin, json))
}

pub(super) fn check_size(items: usize) -> ApiResult<()> {
    if items > MAX_BATCH_ITEMS {
        return Err(Problem::too_large(format!(
            "The batch has {items} items; at most {MAX_BATCH_ITEMS} are taken. Send smaller batches."
        )));
    }
    Ok(())
}

pub(super) fn another_batch(seq: u32) -> Problem {
    Problem::conflict(
        "batch-mismatch",
        format!("Batch {seq} came before with another content; a batch that is sent again must be the same."),
    )
}
