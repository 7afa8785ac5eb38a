//! Whether those whom a delta had no reason to touch are still in sight, where others are missing.
//!
//! A feed names who was changed or removed as the bind account sees it. When that loses sight of a container, nobody in there was
//! changed: a delta hears of one after the other, as they are, and finds each of them gone. A full run finds all of them
//! missing at once, and its guards ask why. So whoever is missing has some looked up who stood beside them. If these are
//! all there, the missing one left. If one of them is not, they may have left since the feed was asked, or the feed does not tell
//! who left: many more are looked up, until it is plain that nearly all in there are in sight, or nobody is left to be looked up.
//! Where neither is soon the case, the run becomes a full one: a delta looks up a few for each who was touched, and some hundreds more.

use super::{Engine, sight::Sight};
use crate::store::{Expected, Run};
use adc_core::{dn::DnKey, protocol::MAX_CONFIRM_IDS, record::Kind};
use std::{collections::BTreeMap, ops::ControlFlow};

/// How many are looked up in each container that somebody is missing from, which is one search for several containers. If half of
/// one is out of sight, these are all there one time in thirty-two, and beside the next who is missing stand others.
const ENOUGH: usize = 5;
/// How many more have to be found for each who is missing there untold. Whoever left since the feed was asked is one in many; where
/// more than one in fifty is out of sight, so many are seldom found, and where fewer are, they add up for the guards as leavers do.
const ENOUGH_FOR_EACH_UNTOLD: usize = 50;
/// More than leave in the seconds that a delta takes, and as many as one round of look-ups ([`MAX_CONFIRM_IDS`]) tells about: where
/// more are missing untold, among others who were not looked up, everything is read.
const MOST_UNTOLD: usize = 10;

/// What look-ups found in a container.
#[derive(Default)]
struct Container {
    /// Somebody who is missing.
    missing: Option<String>,
    /// How many are missing of whom nobody had said that anything happened to them.
    untold: usize,
    found: usize,
}

impl Engine {
    /// Whom else to look up, in the containers of those whom look-ups did not find: nobody, once enough is known.
    pub(super) async fn beside_the_missing(
        &self,
        run: &Run,
        sight: &mut Sight,
    ) -> anyhow::Result<Vec<Expected>> {
        let mut beside = Vec::new();
        let containers = self.looked_into(run, sight).await?;
        if too_many_untold(&containers) {
            return Ok(beside);
        }
        for ((kind, key), container) in containers {
            let room = MAX_CONFIRM_IDS.saturating_sub(beside.len());
            let mut wants = container.wants().min(room);
            let Some(missing) = container.missing.filter(|_| wants > 0) else { continue };
            let each = |one: Expected| {
                if !sight.has_seen(&one) {
                    beside.push(one);
                    wants -= 1;
                }
                if wants == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            if self.store.untouched(run, kind, key, &missing, each).await?.is_continue() {
                sight.nobody_else_in(kind, key);
            }
        }
        Ok(beside)
    }

    /// Whether so many are missing untold that only reading everything tells why.
    pub(super) async fn too_many_are_missing(&self, run: &Run, sight: &Sight) -> anyhow::Result<bool> {
        let too_many = too_many_untold(&self.looked_into(run, sight).await?);
        if too_many {
            tracing::info!(run.id = %run.id, "more people or groups are missing than the change feed told of");
        }
        Ok(too_many)
    }

    /// What look-ups found, container by container, as far as somebody is left there to be looked up.
    async fn looked_into(&self, run: &Run, sight: &Sight) -> anyhow::Result<Containers> {
        let mut containers = Containers::new();
        for kind in [Kind::User, Kind::Group] {
            for looked_up in self.store.looked_up(run, kind).await? {
                let key = DnKey::of_container(&looked_up.dn);
                let Some(key) = key.filter(|key| !sight.is_nobody_else_in(kind, *key)) else { continue };
                let container = containers.entry((kind, key)).or_default();
                if looked_up.found {
                    container.found += 1;
                } else {
                    container.untold += usize::from(!sight.was_named(kind, &looked_up.source_id));
                    container.missing = Some(looked_up.source_id);
                }
            }
        }
        Ok(containers)
    }
}

type Containers = BTreeMap<(Kind, DnKey), Container>;

fn too_many_untold(containers: &Containers) -> bool {
    containers.values().map(|container| container.untold).sum::<usize>() > MOST_UNTOLD
}

impl Container {
    /// How many more have to be looked up, as far as there are any.
    fn wants(&self) -> usize {
        match self {
            Self { missing: None, .. } => 0,
            Self { untold, found, .. } => (ENOUGH + untold * ENOUGH_FOR_EACH_UNTOLD).saturating_sub(*found),
        }
    }
}
