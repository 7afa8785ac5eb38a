//! What a plan weighs: whom and what it would take away, and what the guards compare that with.

use crate::{
    clock::Millis,
    runs::finish::container_of,
    store::{LeftOut, Outcome, Planned, Run, Store, SyncState},
};
use adc_core::{
    dn::DnKey,
    guard::{Behind, Blanked, Emptied, GuardFacts, KeptOut, Leaving},
    mapping::Flavor,
    plan::{Absence, Action, Line, NextUser, User},
    policy::Preset,
    protocol::Counts,
    record::Kind,
};
use std::collections::{BTreeMap, BTreeSet};

/// What has been decided so far, as far as a guard may mind it.
#[derive(Debug, Default)]
pub(super) struct Weight {
    removals: u64,
    group_removals: u64,
    org_unit_removals: u64,
    /// Groups that lose every member, people who lose the value of a field, who come in and do not show any more for what rules left
    /// them out, and whom nothing marks as inactive any more.
    emptied: Emptied,
    /// By attribute, how many more people were left out for it than the mirror says, or fewer.
    left_out_besides: BTreeMap<String, i64>,
    /// People who are back, or whom no rule leaves out any more, whom the directory marked as inactive before.
    locked_back: BTreeSet<String>,
    /// Groups that are gone, by what they stood in.
    groups_gone_from: BTreeMap<DnKey, u64>,
    /// How people and groups leave containers, by the containers: where they are, and what they are called.
    leaving: BTreeMap<(Kind, DnKey), (String, Leaving)>,
    /// People of another provider whom the plan adopts and who have a value, by the field.
    adopted_having: BTreeMap<String, u64>,
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

    /// Org units removed: what later plans add up.
    pub(super) fn org_unit_removals(&self) -> u64 {
        self.org_unit_removals
    }

    /// What is emptied, and who is let in or enabled: what later plans add up.
    pub(super) fn emptied(&self) -> &Emptied {
        &self.emptied
    }

    /// Adds what was decided for a person.
    pub(super) fn add_person(&mut self, line: &Line<NextUser>) {
        self.removals += u64::from(line.removal);
        if line.action.is_effective() {
            for field in line.difference.blanked_fields() {
                *self.emptied.fields.entry(field.to_owned()).or_default() += 1;
            }
        }
    }

    /// Adds the user of somebody who is not there any more, or not in scope, or left out by a rule: one who was there until now,
    /// or whose removal was put off and is made good.
    pub(super) fn add_absent(&mut self, planned: &Planned, user: &User, line: Option<&Line<NextUser>>) {
        let held_at = user.provider.dn();
        // Of who left the scope the plan says where they are now.
        let seen = planned.outcome != Outcome::Absent(Absence::Gone);
        let place = if seen { held_at } else { &planned.dn };
        let Some(leaving) = self.leaving(Kind::User, place) else { return };
        leaving.absent += 1;
        leaving.removed += u64::from(line.is_some_and(|line| line.removal));
        leaving.in_place += u64::from(seen && DnKey::of(&planned.dn) == DnKey::of(held_at));
    }

    /// Adds somebody whom rules left out when that could be told last, and who is there, showing this of what the rules look for now;
    /// `comes_in` says that no conflict, switch or rule is in the way.
    ///
    /// Who comes in is compared with those who show still for what they were left out, and not with who stays out anyway: whoever lost
    /// the right to read it sees it of nobody.
    pub(super) fn add_left_out(
        &mut self,
        source_id: &str,
        left_out: &LeftOut,
        looked_for: &BTreeSet<String>,
        shows: &BTreeSet<String>,
        comes_in: bool,
    ) {
        for (attribute, was_shown) in left_out.showing.iter().filter(|(name, _)| looked_for.contains(*name)) {
            let is_shown = shows.contains(attribute);
            if comes_in && !is_shown {
                self.emptied.let_in.entry(attribute.clone()).or_default().add(source_id);
            }
            *self.left_out_besides.entry(attribute.clone()).or_default() +=
                i64::from(comes_in || is_shown) - i64::from(left_out.was_there && *was_shown);
        }
    }

    /// Adds somebody whom the directory marked as inactive before they went, or while a rule left them out.
    pub(super) fn add_locked_back(&mut self, source_id: &str) {
        self.locked_back.insert(source_id.to_owned());
    }

    /// Adds somebody who may log in because nothing marks them as inactive any more.
    pub(super) fn add_unlocked(&mut self, source_id: &str) {
        self.emptied.enabled.add(source_id);
    }

    /// How objects leave the container of this place.
    fn leaving(&mut self, kind: Kind, place: &str) -> Option<&mut Leaving> {
        let container = container_of(place)?;
        let entry = self.leaving.entry((kind, DnKey::of(&container)));
        Some(&mut entry.or_insert_with(|| (container, Leaving::default())).1)
    }

    /// Adds a user of another provider who is adopted: what it loses counts among what it has.
    pub(super) fn add_adopted(&mut self, user: &User) {
        let email = user.email.is_some().then_some("email");
        for field in user.fields.keys().map(String::as_str).chain(email) {
            *self.adopted_having.entry(field.to_owned()).or_default() += 1;
        }
    }

    /// Adds what was decided for a group; `emptied` says that it loses every member.
    pub(super) fn add_group(&mut self, planned: &Planned, action: Action, emptied: bool) {
        self.emptied.groups += u64::from(emptied && action == Action::Update);
        if action == Action::Delete {
            self.group_removals += 1;
            if let Some(leaving) = self.leaving(Kind::Group, &planned.dn) {
                leaving.absent += 1;
                leaving.removed += 1;
            }
            if planned.outcome == Outcome::Absent(Absence::Gone)
                && let Some(container) = container_of(&planned.dn)
            {
                *self.groups_gone_from.entry(DnKey::of(&container)).or_default() += 1;
            }
        }
    }

    /// Adds what was decided for an org unit.
    pub(super) fn add_org_unit(&mut self, action: Action) {
        self.org_unit_removals += u64::from(action == Action::Delete);
    }

    /// The whole plan's weight, beside what the synchronization holds and what it was before.
    pub(super) async fn guard_facts(
        &self,
        store: &Store,
        run: &Run,
        now: Millis,
        counts: &Counts,
    ) -> anyhow::Result<GuardFacts> {
        let fields = &self.emptied.fields;
        let having = if fields.is_empty() { BTreeMap::new() } else { store.count_valued_fields(run).await? };
        let blanked = fields.iter().map(|(field, blanked)| {
            let [own, adopted] =
                [&having, &self.adopted_having].map(|having| having.get(field).copied().unwrap_or(0));
            (field.clone(), Blanked { blanked: *blanked, having: own + adopted })
        });
        let before = store.sync_state(&run.account_id, &run.synchronization_id).await?;
        let containers = store.containers(&run.id).await?;
        let renamed = store.renamed(run).await?;
        let disappeared: BTreeMap<_, _> = containers
            .into_iter()
            // Under its old name nobody finds an org unit that was seen under another one.
            .filter(|(dn, exists)| !exists && !renamed.contains_key(&DnKey::of(dn)))
            .map(|(dn, _)| {
                let key = DnKey::of(&dn);
                let people = self.leaving.get(&(Kind::User, key)).map_or(0, |(_, leaving)| leaving.removed);
                let groups = self.groups_gone_from.get(&key).copied().unwrap_or(0);
                (dn, people + groups)
            })
            .collect();
        let removed_before = store.removed_lately(run, now).await?;
        let emptied_before = if self.emptied.is_nothing() {
            Emptied::default()
        } else {
            store.emptied_lately(run, now).await?
        };
        Ok(GuardFacts {
            // Only a plan that removes many is weighed against how many there are: a leaver a day costs no count of everybody.
            users: if run.policy.guards.weighs_removals(self.removals + removed_before.users) {
                store.count_users(run).await?
            } else {
                0
            },
            groups: if self.group_removals > 0 { store.count_units(run, Kind::Group).await? } else { 0 },
            group_removals: self.group_removals,
            org_units: if self.org_unit_removals > 0 {
                store.count_units(run, Kind::OrgUnit).await?
            } else {
                0
            },
            org_unit_removals: self.org_unit_removals,
            removals: self.removals,
            removed_before: removed_before.users,
            groups_removed_before: removed_before.groups,
            org_units_removed_before: removed_before.org_units,
            deserted: self.deserted(store, run, Kind::User, &disappeared, &renamed).await?,
            deserted_by_groups: self.deserted(store, run, Kind::Group, &disappeared, &renamed).await?,
            disappeared,
            blanked: blanked.collect(),
            emptied_groups: Blanked {
                blanked: self.emptied.groups,
                having: if self.emptied.groups > 0 { store.count_groups_with_members(run).await? } else { 0 },
            },
            let_in: self.let_in(store, run, &emptied_before).await?,
            enabled: self.enabled(store, run, now, &emptied_before).await?,
            emptied_before,
            configuration_differences: store.unvouched(run).await?,
            changes: counts.effective(),
            returns: counts.restore + counts.enable,
            behind: before.and_then(|before| behind(&before, run)),
        })
    }

    /// By attribute, who comes in without showing it who had been left out for it, of how many.
    async fn let_in(
        &self,
        store: &Store,
        run: &Run,
        before: &Emptied,
    ) -> anyhow::Result<BTreeMap<String, KeptOut>> {
        let mut let_in = BTreeMap::new();
        if self.emptied.let_in.is_empty() {
            return Ok(let_in);
        }
        let left_out = store.count_left_out(run).await?;
        for (attribute, people) in &self.emptied.let_in {
            let mut before = before.let_in.get(attribute).cloned().unwrap_or_default();
            let again = store.left_out_again(run, &before).await?;
            before.retain(|source_id| !again.contains(source_id));
            let there = left_out.get(attribute).copied().unwrap_or(0);
            let besides = self.left_out_besides.get(attribute).copied().unwrap_or(0);
            let of = there.saturating_add_signed(besides);
            let_in.insert(attribute.clone(), KeptOut { now: people.count(), before: before.count(), of });
        }
        Ok(let_in)
    }

    /// Whom nothing marks as inactive any more, of how many.
    async fn enabled(
        &self,
        store: &Store,
        run: &Run,
        now: Millis,
        before: &Emptied,
    ) -> anyhow::Result<KeptOut> {
        let people = self.emptied.enabled.count();
        if people == 0 {
            return Ok(KeptOut::default());
        }
        let mut before = before.enabled.clone();
        let again = store.locked_out_again(run, &before).await?;
        before.retain(|source_id| !again.contains(source_id) && !self.locked_back.contains(source_id));
        let there = store.count_locked_out(run, says_who_is_locked(run), now).await?;
        Ok(KeptOut { now: people, before: before.count(), of: there + self.locked_back.len() as u64 })
    }

    /// The containers that all, or most, of their people, or groups, leave at once, those apart that are not there any more themselves.
    async fn deserted(
        &self,
        store: &Store,
        run: &Run,
        kind: Kind,
        disappeared: &BTreeMap<String, u64>,
        renamed: &BTreeMap<DnKey, DnKey>,
    ) -> anyhow::Result<BTreeMap<String, u64>> {
        let disappeared: BTreeSet<DnKey> = disappeared.keys().map(|dn| DnKey::of(dn)).collect();
        let leaving = || self.leaving.iter().filter(|((of, _), _)| *of == kind);
        let enough: BTreeMap<DnKey, u64> = leaving()
            .filter(|((_, key), _)| !disappeared.contains(key))
            .filter_map(|((_, key), (_, leaving))| Some((*key, leaving.enough_to_stay()?)))
            .collect();
        let mut deserted = BTreeMap::new();
        if enough.is_empty() {
            return Ok(deserted);
        }
        let staying = store.count_staying(run, kind, &enough, renamed).await?;
        for ((_, key), (dn, leaving)) in leaving() {
            if staying.get(key) < enough.get(key) {
                *deserted.entry(dn.clone()).or_default() += leaving.removed;
            }
        }
        Ok(deserted)
    }
}

/// Whether the directory says of every account whether it is locked, so that nothing but a date of expiry goes out of sight and
/// lets somebody in: Active Directory does, and who shows nothing there is a conflict (`status-hidden`).
pub(super) fn says_who_is_locked(run: &Run) -> bool {
    match run.policy.mapping.preset {
        Some(Preset::ActiveDirectory) => true,
        Some(Preset::InetOrgPerson) => false,
        Some(Preset::Auto) | None => run.fingerprint.flavor() == Some(Flavor::ActiveDirectory),
    }
}

/// The server that was read, where it may not have heard of all that the last applied run saw: a replica after a fail-over, or a
/// directory that was restored from a backup.
fn behind(before: &SyncState, run: &Run) -> Option<Behind> {
    let then = before.checkpoint.as_ref().map(|checkpoint| &checkpoint.mark);
    let now = run.receipt.as_ref().and_then(|receipt| receipt.mark.as_ref());
    let went_back = run.receipt.as_ref().is_some_and(|receipt| receipt.went_back);
    let is_proved = run.receipt.as_ref().is_some_and(|receipt| receipt.shows_earlier);
    let another = before.fingerprint.as_ref().is_some_and(|before| before.server != run.fingerprint.server);
    let server = || run.fingerprint.server.clone();
    match then.zip(now).and_then(|(then, now)| now.includes(then)) {
        _ if is_proved => Some(Behind::Surely(server())),
        // Whoever wrote to a directory that was put back moved its mark on.
        Some(true) => went_back.then(|| Behind::Perhaps(server())),
        Some(false) => Some(Behind::Surely(server())),
        None => (another || went_back).then(|| Behind::Perhaps(server())),
    }
}
