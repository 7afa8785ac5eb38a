//! Takes what look-ups found: the proof of absence, or an object that had only been missed.

use super::{
    AgentIdentity, Engine,
    batches::{names_no_place, stage_object},
    finish::begins_again,
    sight::Verdict,
};
use crate::{
    api::problem::{ApiResult, Problem},
    store::{Origin, Outcome, StagedObject, Whereabouts},
};
use adc_core::{
    plan::Absence,
    protocol::{Confirm, LookUpOutcome, Next},
    reason::Reason,
    record::{Kind, Record},
    source_id::SourceId,
};

impl Engine {
    /// Notes what was found, and says what next.
    pub async fn confirm(&self, agent: &AgentIdentity, run_id: &str, confirm: Confirm) -> ApiResult<Next> {
        let active = match self.active_run(agent, run_id).await {
            Ok(active) => active,
            Err(problem) => return self.ended(agent, run_id, problem).await,
        };
        let _answering = active.lease.answering();
        if !active.is_ending() {
            let mut kept = active.sight.lock().await;
            let run = self.run_of(agent, run_id).await?;
            let Some(receipt) = &run.receipt else {
                if let Some(next) = begins_again(&run) {
                    return Ok(next);
                }
                return Err(Problem::conflict(
                    "not-finished",
                    "The run was not finished yet; nothing was asked.",
                ));
            };
            if kept.is_none() {
                // This process begins to know the run: of what is lost everybody would look missing.
                self.check_nothing_is_lost(&run, receipt).await?;
            }
            let mut sight = self.take_sight(&active, &mut kept).await?;
            let (mut objects, mut members, mut unchanged) = (Vec::new(), Vec::new(), Vec::new());
            for looked_up in confirm.objects {
                let (kind, source_id) = (looked_up.kind, looked_up.source_id);
                if !sight.is_missing(kind, &source_id) {
                    // Answered before, or never asked: either way nothing to learn.
                    continue;
                }
                let place =
                    self.store.place(&run, kind, &source_id).await?.unwrap_or_else(Whereabouts::unknown);
                let object = match looked_up.outcome {
                    LookUpOutcome::Unchanged { digest } => {
                        if sight.look(kind, &source_id, digest) != Verdict::Have {
                            return Err(unlike(kind, &source_id));
                        }
                        unchanged.push((kind, source_id));
                        continue;
                    }
                    LookUpOutcome::Gone => StagedObject::absent(kind, source_id, Absence::Gone, place),
                    LookUpOutcome::OutOfScope { dn } => {
                        StagedObject::absent(kind, source_id, Absence::OutOfScope, place.moved_to(dn))
                    }
                    LookUpOutcome::Found { record }
                        if record.kind == kind && record.source_id == source_id =>
                    {
                        objects.extend(seen_as_another(&record)?);
                        let is_nowhere = names_no_place(&record);
                        let object = stage_object(*record, Origin::Confirm, &mut members)?;
                        if is_nowhere { object.left_at(place) } else { object }
                    }
                    LookUpOutcome::Found { record } => {
                        return Err(Problem::unprocessable(
                            "bad-record",
                            format!(
                                "The look-up of {kind} {source_id} answered with {} {}.",
                                record.kind, record.source_id
                            ),
                        ));
                    }
                };
                objects.push(object);
            }
            let containers: Vec<_> =
                confirm.containers.into_iter().map(|container| (container.dn, container.exists)).collect();
            self.store.stage_look_ups(run_id, &objects, &members, &unchanged, &containers).await?;
            for object in &objects {
                sight.stage(object.kind, &object.source_id);
            }
            *kept = Some(sight);
        }
        self.next(agent, &active).await
    }
}

/// Of what is not as the mirror has it the record is needed.
fn unlike(kind: Kind, source_id: &str) -> Problem {
    Problem::unprocessable(
        "bad-record",
        format!(
            "The look-up of {kind} {source_id} was answered without its record, which is not the one that is known; send it."
        ),
    )
}

/// What the read took an object for whose id it could not read, and which a look-up knows by its id all the same: nobody, so
/// that one object is one conflict.
fn seen_as_another(record: &Record) -> ApiResult<Option<StagedObject>> {
    let hidden = record.problem.as_ref().is_some_and(|problem| problem.reason == Reason::MissingSourceId);
    let stand_in = String::from(SourceId::in_place_of_one(&record.dn));
    if !hidden || record.source_id == stand_in {
        return Ok(None);
    }
    let record = Record { source_id: stand_in, ..record.clone() };
    let seen = stage_object(record, Origin::Confirm, &mut Vec::new())?;
    Ok(Some(StagedObject { outcome: Outcome::Absent(Absence::Gone), ..seen }))
}
