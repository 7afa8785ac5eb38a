//! Whether those whom a delta had no reason to touch are still in sight, where others are missing.
//!
//! A feed names who was changed or removed as the bind account sees it. When that loses sight of a container, nobody in there was
//! changed: a delta hears of one after the other, as they are, and finds each of them gone. A full run finds all of them
//! missing at once, and its guards ask why. So whoever is missing has some looked up who stood beside them. If these are
//! all there, the missing one left; if one of them is not, the feed does not tell who left, and everybody in that container is
//! looked up, as in a full run.

use super::{Engine, finish::container_of, sight::Sight};
use crate::store::{Expected, Run};
use adc_core::{dn::DnKey, protocol::MAX_CONFIRM_IDS, record::Kind};
use std::{collections::BTreeMap, ops::ControlFlow};

/// How many are looked up in each container that somebody is missing from, which is one search for several containers. If half of
/// one is out of sight, these are all there one time in thirty-two, and beside the next who is missing stand others.
const ENOUGH: usize = 5;

/// What look-ups found in a container.
#[derive(Default)]
struct Container {
    /// What the names of those in it end with, as the directory spells it.
    end: String,
    /// Somebody is missing.
    missing: bool,
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
            let (missing, mut wanting) = self.wanting(run, sight, kind).await?;
            if wanting.is_empty() {
                continue;
            }
            let each = |one: Expected, dn: &str| {
                let stands_in = wanting.iter_mut().find(|(key, (container, _))| container.holds(**key, dn));
                if let Some((key, (_, wants))) = stands_in
                    && !sight.has_seen(&one)
                {
                    beside.push(one);
                    *wants -= 1;
                    if *wants == 0 {
                        let key = *key;
                        wanting.remove(&key);
                    }
                }
                let enough = wanting.is_empty() || beside.len() >= MAX_CONFIRM_IDS;
                if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let all = self.store.untouched(run, kind, &missing, each).await?;
            if all.is_continue() {
                sight.nobody_else_in(wanting.into_keys().map(|container| (kind, container)));
            }
        }
        Ok(beside)
    }

    /// The containers in which more people, or groups, have to be looked up, and how many in each; and the id of somebody who is
    /// missing.
    async fn wanting(
        &self,
        run: &Run,
        sight: &Sight,
        kind: Kind,
    ) -> anyhow::Result<(String, BTreeMap<DnKey, (Container, usize)>)> {
        let mut containers: BTreeMap<DnKey, Container> = BTreeMap::new();
        let mut missing = String::new();
        for looked_up in self.store.looked_up(run, kind).await? {
            let Some(dn) = container_of(&looked_up.dn) else { continue };
            let container = containers.entry(DnKey::of(&dn)).or_default();
            end_of(&looked_up.dn).clone_into(&mut container.end);
            if looked_up.found {
                container.found += 1;
            } else {
                container.missing = true;
                container.untold |= !sight.was_named(kind, &looked_up.source_id);
                missing = looked_up.source_id;
            }
        }
        let wanting = containers.into_iter().filter_map(|(key, container)| {
            let wants = container.wants();
            (wants > 0 && !sight.is_nobody_else_in(kind, key)).then_some((key, (container, wants)))
        });
        Ok((missing, wanting.collect()))
    }
}

impl Container {
    /// How many more have to be looked up, as far as there are any.
    fn wants(&self) -> usize {
        match self {
            Self { missing: false, .. } => 0,
            Self { untold: true, .. } => MAX_CONFIRM_IDS,
            Self { found, .. } => ENOUGH.saturating_sub(*found),
        }
    }

    /// Whether an entry stands in it. Directories spell the container of all that it holds alike, so that of most names it need not
    /// be asked what they mean.
    fn holds(&self, key: DnKey, dn: &str) -> bool {
        end_of(dn).eq_ignore_ascii_case(&self.end)
            && container_of(dn).is_some_and(|container| DnKey::of(&container) == key)
    }
}

/// The text behind the first comma that no backslash precedes: what an entry lies in, as its name spells it.
fn end_of(dn: &str) -> &str {
    let mut escaped = false;
    let comma = dn.bytes().position(|byte| {
        let parts = byte == b',' && !escaped;
        escaped = byte == b'\\' && !escaped;
        parts
    });
    comma.map_or("", |comma| &dn[comma + 1..])
}
