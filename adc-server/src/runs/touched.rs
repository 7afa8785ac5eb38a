//! Takes what a change feed named, and says whether a delta can tell all that happened.

use super::{
    AgentIdentity, Engine,
    batches::{another_batch, check_size, refuse_when_finished},
};
use crate::{
    api::problem::ApiResult,
    store::{Channel, Earlier, Known, Origin, Run},
};
use adc_core::{
    dn::DnKey,
    protocol::{FullBecause, Mode, Noted, TouchedBatch, TouchedObject},
    record::{Digest, Kind},
};
use std::collections::BTreeMap;

/// So many named objects are looked up in a moment, however few there are besides.
const NEVER_TOO_MUCH: u64 = 1_000;
/// More than one object in so many: page by page all of them are read faster than these by their ids.
const WORTH_A_FULL_RUN: u64 = 3;

impl Engine {
    /// Notes which objects a delta has to see, or makes it a full run. `body` is the digest of the request's body.
    pub async fn touched(
        &self,
        agent: &AgentIdentity,
        run_id: &str,
        batch: &TouchedBatch,
        body: Digest,
    ) -> ApiResult<Noted> {
        let active = self.active_run(agent, run_id).await?;
        let _answering = active.lease.answering();
        check_size(batch.objects.len())?;
        check_size(batch.present.len())?;
        let mut kept = active.sight.lock().await;
        let run = self.run_of(agent, run_id).await?;
        if run.mode == Mode::Full {
            // Said before: what made it full was forgotten together with everything else the delta had sent.
            return Ok(Noted { seq: batch.seq, mode: Mode::Full, full_because: run.full_because });
        }
        match self.store.earlier_batch(run_id, Channel::Touched, batch.seq, body).await? {
            Some(Earlier::Same(answer)) => return Ok(answer),
            Some(Earlier::Different) => return Err(another_batch(batch.seq)),
            None => {}
        }
        refuse_when_finished(&active)?;
        let full_because = match batch.full_because {
            Some(because) => Some(because),
            None if self.is_too_much(&run, batch.total.unwrap_or(0)).await? => {
                Some(FullBecause::TooMuchTouched)
            }
            None => match self.may_have_moved_others(&run, batch).await? {
                None if batch.read => self.rights_in_doubt(&run, Origin::Read).await?,
                because => because,
            },
        };
        if let Some(because) = full_because {
            *kept = None;
            self.become_full(&run, because).await?;
            return Ok(Noted { seq: batch.seq, mode: Mode::Full, full_because: Some(because) });
        }
        let mut sight = self.take_sight(&active, &mut kept).await?;
        sight.touch(&self.store, &run, batch).await?;
        if self.is_too_much(&run, sight.touched()).await? {
            let because = FullBecause::TooMuchTouched;
            self.become_full(&run, because).await?;
            return Ok(Noted { seq: batch.seq, mode: Mode::Full, full_because: Some(because) });
        }
        let answer = Noted { seq: batch.seq, mode: Mode::Delta, full_because: None };
        self.store.stage_names(run_id, Channel::Touched, batch.seq, body, batch, &answer).await?;
        *kept = Some(sight);
        Ok(answer)
    }

    /// Makes a delta a full run, which has seen nothing yet.
    pub(super) async fn become_full(&self, run: &Run, because: FullBecause) -> anyhow::Result<()> {
        self.store.make_full(run, because).await?;
        tracing::info!(run.id = %run.id, "the delta becomes a full run: {because}");
        Ok(())
    }

    /// Whether so much was named that everything is read faster than that.
    async fn is_too_much(&self, run: &Run, touched: u64) -> ApiResult<bool> {
        Ok(touched > NEVER_TOO_MUCH && touched > self.store.objects_in_mirror(run).await? / WORTH_A_FULL_RUN)
    }

    /// Whether what was read, or looked up, lacks what it had: a delta sees too little to tell people who clear a value from a lost
    /// right to read it.
    pub(super) async fn rights_in_doubt(
        &self,
        run: &Run,
        origin: Origin,
    ) -> anyhow::Result<Option<FullBecause>> {
        let emptied = self.store.emptied_in_sight(run, origin).await?;
        Ok(emptied.map(|dn| {
            tracing::info!(run.id = %run.id, "{dn} lost a value, or all of its members");
            FullBecause::RightsInDoubt
        }))
    }

    /// Whether something was touched that may have taken others along, of which the feed says nothing.
    async fn may_have_moved_others(&self, run: &Run, batch: &TouchedBatch) -> ApiResult<Option<FullBecause>> {
        let ids: Vec<&str> = batch.objects.iter().map(|object| object.source_id.as_str()).collect();
        // An id may stand for objects of several kinds.
        let known = self.store.known(run, &ids).await?;
        let mut by_id: BTreeMap<&str, Vec<&Known>> = BTreeMap::new();
        for known in &known {
            by_id.entry(&known.expected.source_id).or_default().push(known);
        }
        let before =
            |object: &TouchedObject| by_id.get(object.source_id.as_str()).map_or(&[][..], Vec::as_slice);
        let full_because = batch.objects.iter().find_map(|object| took_along(object, before(object)));
        if full_because.is_some() || !batch.objects.iter().any(|object| was_missing(object, before(object))) {
            return Ok(full_because);
        }
        // Something happened to whoever was not found before either: perhaps as one of those whose ids nobody can read.
        let hidden = self.store.has_stand_ins(run).await?;
        Ok(hidden.then_some(FullBecause::RightsInDoubt))
    }
}

/// Whether an object is not found, and was not when it was looked up last.
fn was_missing(object: &TouchedObject, before: &[&Known]) -> bool {
    let absent = |before: &&Known| before.expected.digest.is_none();
    object.place.is_none() && !before.is_empty() && before.iter().all(absent)
}

/// Why an object may have taken others along; `before` is what the mirror knows of it, in each kind that it is of.
fn took_along(object: &TouchedObject, before: &[&Known]) -> Option<FullBecause> {
    match &object.place {
        // With it went the references to it, where the directory keeps them in step, without a word about who referred.
        Some(_) if object.removed && !before.is_empty() => Some(FullBecause::CameBack),
        Some(place) => {
            let here = DnKey::of(&place.dn);
            let stays = !before.is_empty() && before.iter().all(|before| DnKey::of(&before.dn) == here);
            (place.container && !stays).then_some(FullBecause::ContainerMoved)
        }
        None if object.tombstone => None,
        // Whoever is removed is named, and only what is empty can be; but what is moved out of sight takes along who lies
        // beneath it, and of what was never synchronized nobody knows what it was.
        None => {
            let leaf =
                !before.is_empty() && before.iter().all(|before| before.expected.kind != Kind::OrgUnit);
            (!leaf).then_some(FullBecause::ContainerGone)
        }
    }
}
