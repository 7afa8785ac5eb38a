//! Whether those whom a delta had no reason to touch are still in sight, where others are missing.
//!
//! A feed names who was changed or removed as the bind account sees it. When that loses sight of a container, nobody in there was
//! changed: a delta hears of one after the other, as they are, and finds each of them gone. A full run finds all of them
//! missing at once, and its guards ask why. So whoever is missing has some looked up who stood beside them. If these are
//! all there, the missing one left; if one of them is not, the feed does not tell who left, and everybody in that container is
//! looked up, as in a full run.

use super::{Engine, sight::Sight};
use crate::store::{Expected, Run};
use adc_core::{dn::DnKey, protocol::MAX_CONFIRM_IDS, record::Kind};
use std::{collections::BTreeMap, ops::ControlFlow};

/// How many are looked up in each container that somebody is missing from, which is one search for several containers. If half of
/// one is out of sight, these are all there one time in thirty-two, and beside the next who is missing stand others.
const ENOUGH: usize = 5;

/// What look-ups found in a container.
#[derive(Default)]
struct Container {
    /// Somebody who is missing.
    missing: Option<String>,
    /// Somebody is missing of whom nobody had said that anything happened to them.
    untold: bool,
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
        for kind in [Kind::User, Kind::Group] {
            for (key, container) in self.looked_into(run, sight, kind).await? {
                let room = MAX_CONFIRM_IDS.saturating_sub(beside.len());
                let mut wants = container.wants().min(room);
                let Some(missing) =
                    container.missing.filter(|_| wants > 0 && !sight.is_nobody_else_in(kind, key))
                else {
                    continue;
                };
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
        }
        Ok(beside)
    }

    /// What look-ups found, container by container.
    async fn looked_into(
        &self,
        run: &Run,
        sight: &Sight,
        kind: Kind,
    ) -> anyhow::Result<BTreeMap<DnKey, Container>> {
        let mut containers: BTreeMap<DnKey, Container> = BTreeMap::new();
        for looked_up in self.store.looked_up(run, kind).await? {
            let Some(key) = DnKey::of_container(&looked_up.dn) else { continue };
            let container = containers.entry(key).or_default();
            if looked_up.found {
                container.found += 1;
            } else {
                container.untold |= !sight.was_named(kind, &looked_up.source_id);
                container.missing = Some(looked_up.source_id);
            }
        }
        Ok(containers)
    }
}

impl Container {
    /// How many more have to be looked up, as far as there are any.
    fn wants(&self) -> usize {
        match self {
            Self { missing: None, .. } => 0,
            Self { untold: true, .. } => MAX_CONFIRM_IDS,
            Self { found, .. } => ENOUGH.saturating_sub(*found),
        }
    }
}
