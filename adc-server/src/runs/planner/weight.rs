//! What a plan weighs: whom and what it would take away, and what the guards compare that with.

use crate::{
    clock::Millis,
    runs::finish::container_of,
    store::{Outcome, Planned, Run, Store, SyncState},
};
use adc_core::{
    guard::{Behind, Blanked, GuardFacts},
    plan::{Absence, Action, Line, NextUser},
    protocol::Counts,
};
use std::collections::BTreeMap;

/// What has been decided so far, as far as a guard may mind it.
#[derive(Debug, Default)]
pub(super) struct Weight {
    removals: u64,
    group_removals: u64,
    emptied_groups: u64,
    /// People and groups that are gone, by the DN of what they stood in.
    gone_from: BTreeMap<String, u64>,
    /// People who lose the value of a field, by the field.
    blanked: BTreeMap<String, u64>,
}

impl Weight {
    /// People removed: what later plans add up.
    pub(super) fn removals(&self) -> u64 {
        self.removals
    }

    /// Groups removed: what later plans add up.
    pub(super) fn group_removals(&self) -> u64 {
        self.group_removals
    }

    /// Adds what was decided for a person.
    pub(super) fn add_person(&mut self, planned: &Planned, line: &Line<NextUser>) {
        if line.removal {
            self.removals += 1;
            self.add_gone(planned);
        }
        if line.action.is_effective() {
            for field in line.difference.blanked_fields() {
                *self.blanked.entry(field.to_owned()).or_default() += 1;
            }
        }
    }

    /// Adds what was decided for a group; `emptied` says that it loses every member.
    pub(super) fn add_group(&mut self, planned: &Planned, action: Action, emptied: bool) {
        self.emptied_groups += u64::from(emptied && action == Action::Update);
        if action == Action::Delete {
            self.group_removals += 1;
            self.add_gone(planned);
        }
    }

    /// The whole plan's weight, beside what the synchronization holds and what it was before.
    pub(super) async fn guard_facts(
        &self,
        store: &Store,
        run: &Run,
        now: Millis,
        counts: &Counts,
    ) -> anyhow::Result<GuardFacts> {
        let having =
            if self.blanked.is_empty() { BTreeMap::new() } else { store.count_valued_fields(run).await? };
        let blanked = self.blanked.iter().map(|(field, blanked)| {
            (field.clone(), Blanked { blanked: *blanked, having: having.get(field).copied().unwrap_or(0) })
        });
        let before = store.sync_state(&run.account_id, &run.synchronization_id).await?;
        let containers = store.containers(&run.id).await?;
        let disappeared = containers.into_iter().filter(|(_, exists)| !exists).map(|(dn, _)| {
            let people = self.gone_from.get(&dn).copied().unwrap_or(0);
            (dn, people)
        });
        let removed_before = store.removed_lately(run, now).await?;
        Ok(GuardFacts {
            // Only a plan that removes somebody is weighed against how many there are.
            users: if self.removals > 0 { store.count_users(run).await? } else { 0 },
            groups: if self.group_removals > 0 { store.count_groups(run).await? } else { 0 },
            group_removals: self.group_removals,
            removals: self.removals,
            removed_before: removed_before.users,
            groups_removed_before: removed_before.groups,
            disappeared: disappeared.collect(),
            blanked: blanked.collect(),
            emptied_groups: Blanked {
                blanked: self.emptied_groups,
                having: if self.emptied_groups > 0 { store.count_groups_with_members(run).await? } else { 0 },
            },
            configuration_differences: before
                .as_ref()
                .map(|before| configuration_differences(before, run))
                .unwrap_or_default(),
            changes: counts.effective(),
            returns: counts.restore + counts.enable,
            behind: before.and_then(|before| behind(&before, run)),
        })
    }

    fn add_gone(&mut self, planned: &Planned) {
        if planned.outcome == Outcome::Absent(Absence::Gone)
            && let Some(container) = container_of(&planned.dn)
        {
            *self.gone_from.entry(container).or_default() += 1;
        }
    }
}

/// What the agent was configured with, and how entries were mapped, that is not as it was for the last applied run.
fn configuration_differences(before: &SyncState, run: &Run) -> Vec<String> {
    let mut differences = before
        .fingerprint
        .as_ref()
        .map(|fingerprint| fingerprint.configuration_differences(&run.fingerprint))
        .unwrap_or_default();
    if before.decided_on.as_ref().is_some_and(|before| before.policy.mapping != run.policy.mapping) {
        differences.push("mapping".to_owned());
    }
    differences
}

/// The server that was read, where it has not heard of all that the last applied run saw: a replica after a fail-over, or a
/// directory that was restored from a backup.
fn behind(before: &SyncState, run: &Run) -> Option<Behind> {
    let then = before.checkpoint.as_ref().map(|checkpoint| &checkpoint.mark);
    let now = run.receipt.as_ref().and_then(|receipt| receipt.mark.as_ref());
    let another = before.fingerprint.as_ref().is_some_and(|before| before.server != run.fingerprint.server);
    let server = || run.fingerprint.server.clone();
    match then.zip(now).and_then(|(then, now)| now.includes(then)) {
        Some(true) => None,
        Some(false) => Some(Behind::Surely(server())),
        None => another.then(|| Behind::Perhaps(server())),
    }
}
