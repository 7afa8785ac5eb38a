//! Limits: a plan over one of them waits as `held` until somebody approves it.

mod admitted;

pub use admitted::Admitted;

use crate::{policy::Guards, protocol::HeldBecause, reason::Reason, text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far back unapproved removals, and what was emptied, add up (milliseconds): 24 hours (invariant 13).
pub const REMOVAL_WINDOW_MS: i64 = 24 * 60 * 60 * 1000;

/// What the guards look at: a plan's totals and what went before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardFacts {
    /// Users of the synchronization before the plan, active or disabled, but for those whose removal was carried
    /// out: leavers whom `delete-disables` keeps would make the guard laxer with every one of them.
    pub users: u64,
    /// Users the plan removes.
    pub removals: u64,
    /// Users removed without approval within [`REMOVAL_WINDOW_MS`] before.
    pub removed_before: u64,
    /// Groups of the synchronization before the plan.
    pub groups: u64,
    /// Groups the plan removes.
    pub group_removals: u64,
    /// Groups removed without approval within [`REMOVAL_WINDOW_MS`] before.
    pub groups_removed_before: u64,
    /// Org units of the synchronization before the plan.
    pub org_units: u64,
    /// Org units the plan removes.
    pub org_unit_removals: u64,
    /// Org units removed without approval within [`REMOVAL_WINDOW_MS`] before.
    pub org_units_removed_before: u64,
    /// Containers that disappeared, and how many people and groups the plan
    /// removes from each.
    pub disappeared: BTreeMap<String, u64>,
    /// Containers that are there still and that everybody leaves at once, or most of those who stand there: with how many
    /// people the plan removes from each.
    pub deserted: BTreeMap<String, u64>,
    /// The same of groups.
    pub deserted_by_groups: BTreeMap<String, u64>,
    /// For each field the plan empties for somebody: for how many, of how many who have it.
    pub blanked: BTreeMap<String, Blanked>,
    /// Groups that lose every member, of how many that have some.
    pub emptied_groups: Blanked,
    /// By attribute that the policy's rules look for, who was left out for it and comes in without showing it, of all who were: a
    /// person is compared with nobody but themselves, whatever the rules were then.
    pub let_in: BTreeMap<String, KeptOut>,
    /// Whom the directory marked as inactive when seen last and, for all that it shows, marks no more.
    pub enabled: KeptOut,
    /// What was emptied without approval within [`REMOVAL_WINDOW_MS`] before.
    pub emptied_before: Emptied,
    /// What of the agent's configuration and of the policy's mapping and rules nobody has vouched for: it differs from what
    /// was in force when last nobody waited to be removed, or a removal by it was approved.
    pub configuration_differences: Vec<String>,
    /// Whatever the plan changes, of people, groups and org units.
    pub changes: u64,
    /// Of those, who is restored or enabled: to a server that is behind, nobody has left or been locked out yet.
    pub returns: u64,
    /// The server that was read, where it has not heard of all that the last applied run saw.
    pub behind: Option<Behind>,
}

/// A server that has not heard of all that was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// Its position says so, or somebody is shown as they were before: whatever it shows may be of yesterday.
    Surely(String),
    /// Nothing proves the contrary: it is another server, whose position cannot be compared, or shows nobody who was changed last, or
    /// people who had left.
    Perhaps(String),
}

/// How people leave a container in one plan.
///
/// Of those who stood in the container when they were seen last, some are absent and some stay: they are seen there still, or where
/// the container is now if it was renamed, and no rule leaves them out. Nobody else counts. Who moved elsewhere did not leave, but is no
/// proof either that those who are missing could be seen; nor is a newcomer, of whom the rights are as new as the entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Who is not there any more: removed, or kept by a switch or a protection since this plan. Whose removal was put off by an
    /// earlier plan and still is, left then.
    pub absent: u64,
    /// Of those, who is removed.
    pub removed: u64,
    /// Of those, whose entries stand where they stood and do not match any more.
    pub in_place: u64,
}

/// Fewer people than this who leave a container at once, though they be all, or whom rules leave out no more, or nothing marks
/// as inactive any more, are people like any others.
const TOGETHER: u64 = 2;

impl Leaving {
    /// How many have to stay for the container not to be deserted; `None` where nobody is removed from it, or one alone leaves.
    ///
    /// Deserted is a container of whose people nobody stays, and one where more of them stop matching where they stand than
    /// stay. Neither can be told from a lost read right: on the entries below it, or on an attribute that the filter names. So the last
    /// one of a container leaves like anybody, and so does everybody of whom a colleague stays; two who leave an org unit of
    /// two in the same run wait for somebody to say that they did.
    pub fn enough_to_stay(&self) -> Option<u64> {
        let stay = if self.in_place >= TOGETHER { self.in_place } else { 1 };
        (self.removed > 0 && self.absent >= TOGETHER).then_some(stay)
    }
}

/// People whom a rule left out, or whom the directory marked as inactive, and those of them who come in: nobody counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptOut {
    /// How many come in now.
    pub now: u64,
    /// How many came in without approval within [`REMOVAL_WINDOW_MS`] before, and were not kept out again since.
    pub before: u64,
    /// How many were kept out before the plan, who come in now among them.
    pub of: u64,
}

/// Groups that have members, at least so many, before it says something that most of them lose all.
const GROUPS_AT_LEAST: u64 = 3;

/// A field that a plan empties, or the members of groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Blanked {
    /// Users whose value goes away, or groups whose members do.
    pub blanked: u64,
    /// Users or groups of the synchronization who have a value.
    pub having: u64,
}

/// What plans emptied, and whom they let in or enabled. A lost read right shows in a delta only at who was touched, one after the other: it
/// adds up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emptied {
    /// Groups that lost every member.
    #[serde(default)]
    pub groups: u64,
    /// By field, people who lost their value.
    #[serde(default)]
    pub fields: BTreeMap<String, u64>,
    /// By attribute, people whom rules left out for it and who came in without showing it. Versions before counted by rule, under another
    /// name.
    #[serde(default, rename = "let_in_without", skip_serializing_if = "BTreeMap::is_empty")]
    pub let_in: BTreeMap<String, Admitted>,
    /// People whom nothing marks as inactive any more.
    #[serde(default, skip_serializing_if = "Admitted::is_nobody")]
    pub enabled: Admitted,
}

impl Emptied {
    /// Whether nothing was emptied, and nobody let in or enabled.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another plan emptied, and whom it let in or enabled.
    pub fn add(&mut self, other: Self) {
        self.groups += other.groups;
        for (field, people) in other.fields {
            *self.fields.entry(field).or_default() += people;
        }
        for (attribute, people) in other.let_in {
            self.let_in.entry(attribute).or_default().merge(people);
        }
        self.enabled.merge(other.enabled);
    }
}

/// Which guards hold the plan, each with its numbers; empty means it may be applied.
pub fn hold(guards: &Guards, facts: &GuardFacts) -> Vec<HeldBecause> {
    [
        removals(*guards, "people", [facts.users, facts.removals, facts.removed_before]),
        // A lost read right on the groups' org unit looks exactly like this.
        removals(*guards, "groups", [facts.groups, facts.group_removals, facts.groups_removed_before]),
        removals(
            *guards,
            "org units",
            [facts.org_units, facts.org_unit_removals, facts.org_units_removed_before],
        ),
        disappeared(facts),
        fingerprint(facts),
        server_behind(facts),
        emptied_groups(*guards, facts),
        enabled(*guards, facts),
    ]
    .into_iter()
    .flatten()
    .chain(blanked(*guards, facts))
    .chain(let_in(*guards, facts))
    .collect()
}

/// Of so many there are, so many removed now, and so many before.
fn removals(guards: Guards, what: &str, [there, now, before]: [u64; 3]) -> Option<HeldBecause> {
    let (removed, base) = (now + before, there + before);
    let over =
        now > 0 && guards.weighs_removals(removed) && exceeds(removed, base, guards.max_removals_percent);
    over.then(|| HeldBecause {
        reason: Reason::GuardRemovals,
        detail: format!(
            "{removed} of {base} {what} would be removed ({now} now, {before} in the last 24 hours); without approval {} and \
             {} % are allowed",
            guards.max_removals, guards.max_removals_percent
        ),
    })
}

fn disappeared(facts: &GuardFacts) -> Option<HeldBecause> {
    let GuardFacts { disappeared, deserted, deserted_by_groups, .. } = facts;
    let details: Vec<_> = [
        ("disappeared together with people or groups", disappeared),
        ("left by all, or most, of its people at once", deserted),
        ("left by all, or most, of its groups at once", deserted_by_groups),
    ]
    .into_iter()
    .filter_map(|(what, containers)| {
        let containers: Vec<_> = containers
            .iter()
            .filter(|(_, removed)| **removed > 0)
            .map(|(dn, n)| format!("{dn} ({n})"))
            .collect();
        (!containers.is_empty()).then(|| format!("{what}: {}", containers.join("; ")))
    })
    .collect();
    (!details.is_empty())
        .then(|| HeldBecause { reason: Reason::GuardOuDisappeared, detail: details.join("; ") })
}

fn fingerprint(facts: &GuardFacts) -> Option<HeldBecause> {
    let differs = facts.removed() > 0 && !facts.configuration_differences.is_empty();
    differs.then(|| HeldBecause {
        reason: Reason::GuardFingerprint,
        detail: format!(
            "{} would be removed after a change of: {}",
            facts.removed_by_kind(),
            facts.configuration_differences.join(", ")
        ),
    })
}

/// Whoever comes back unchanged may have been hidden: nothing tells that from a directory that was put back.
const OR_OUT_OF_SIGHT: &str =
    ", or those who come back were only out of the bind account's sight: if so, approve";

/// To a replica that has not heard of them yet, whoever joined lately looks like a leaver, and leavers are still there.
fn server_behind(facts: &GuardFacts) -> Option<HeldBecause> {
    let GuardFacts { returns, changes, .. } = facts;
    let (over, detail) = match facts.behind.as_ref()? {
        Behind::Surely(server) => (
            *changes > 0,
            format!(
                "{} would rest on {server}, which has not heard yet of everything that the last applied run saw",
                text::counted(*changes, "change", "changes")
            ),
        ),
        Behind::Perhaps(server) => (
            facts.removed() + returns > 0,
            format!(
                "{} would be removed, and {returns} restored or enabled, as {server} shows it; nothing proves that it has \
                 heard of everything that was seen before{}",
                facts.removed_by_kind(),
                if *returns > 0 { OR_OUT_OF_SIGHT } else { "" }
            ),
        ),
    };
    over.then_some(HeldBecause { reason: Reason::GuardServerBehind, detail })
}

/// Who lost the right to read `member` sees groups without members.
fn emptied_groups(guards: Guards, facts: &GuardFacts) -> Option<HeldBecause> {
    let Blanked { blanked: now, having } = facts.emptied_groups;
    let before = facts.emptied_before.groups;
    let (emptied, base) = (now + before, having + before);
    let over = now > 0 && base >= GROUPS_AT_LEAST && exceeds(emptied, base, guards.max_blanked_percent);
    over.then(|| HeldBecause {
        reason: Reason::GuardBlanked,
        detail: format!(
            "{emptied} of {base} groups would lose all of their members ({now} now, {before} in the last 24 hours)"
        ),
    })
}

fn blanked(guards: Guards, facts: &GuardFacts) -> Vec<HeldBecause> {
    facts
        .blanked
        .iter()
        .filter_map(|(name, Blanked { blanked: now, having })| {
            let before = facts.emptied_before.fields.get(name).copied().unwrap_or(0);
            let (emptied, base) = (now + before, having + before);
            let over = *now > 0
                && base >= Guards::BLANKED_AT_LEAST
                && exceeds(emptied, base, guards.max_blanked_percent);
            over.then(|| HeldBecause {
                reason: Reason::GuardBlanked,
                detail: format!(
                    "the field {name} would be emptied for {emptied} of {base} people ({now} now, {before} in the last 24 hours)"
                ),
            })
        })
        .collect()
}

/// Who lost the right to read what marks people as inactive sees nobody whom the directory locked out: they would log in again.
///
/// One alone is unlocked like anybody. More wait as those do whom a rule lets in.
fn enabled(guards: Guards, facts: &GuardFacts) -> Option<HeldBecause> {
    let KeptOut { now, before, .. } = facts.enabled;
    let (people, base) = facts.enabled.within_a_day();
    come_together(guards, &facts.enabled).then(|| HeldBecause {
        reason: Reason::GuardEnabled,
        detail: format!(
            "{people} of {base} people whom the directory marked as inactive would be enabled ({now} now, {before} in the last 24 \
             hours), because it does not mark them any more"
        ),
    })
}

/// Whether more come in, of people who were kept out until now, than do like anybody: most of them, or as many as may not be removed.
fn come_together(guards: Guards, kept_out: &KeptOut) -> bool {
    let (people, base) = kept_out.within_a_day();
    let most = exceeds(people, base, guards.max_blanked_percent);
    let many = people > u64::from(guards.max_removals) && exceeds(people, base, guards.max_removals_percent);
    kept_out.now > 0 && people >= TOGETHER && (most || many)
}

/// Who lost the right to read what a rule looks for sees nobody whom the rule leaves out: they would be made users.
///
/// One alone comes in like anybody. More wait if they are most of those who were left out for it, or as many as may not be removed.
fn let_in(guards: Guards, facts: &GuardFacts) -> Vec<HeldBecause> {
    let over = facts.let_in.iter().filter(|(_, kept_out)| come_together(guards, kept_out));
    over.map(|(attribute, kept_out)| {
        let KeptOut { now, before, .. } = kept_out;
        let (people, base) = kept_out.within_a_day();
        HeldBecause {
            reason: Reason::GuardLetIn,
            detail: format!(
                "{people} of {base} people whom rules left out for their {attribute} would come in without showing it ({now} now, \
                 {before} in the last 24 hours): if they have one still, give the bind account the right to read {attribute} again; if \
                 they are meant to come in, approve"
            ),
        }
    })
    .collect()
}

impl KeptOut {
    /// How many came in within a day, and of how many.
    fn within_a_day(&self) -> (u64, u64) {
        (self.now + self.before, self.of + self.before)
    }
}

impl GuardFacts {
    /// Everything that the plan removes.
    fn removed(&self) -> u64 {
        self.removals + self.group_removals + self.org_unit_removals
    }

    /// What is removed, in words: `1 person and 2 groups`.
    fn removed_by_kind(&self) -> String {
        let kinds = [
            (self.removals, "person", "people"),
            (self.group_removals, "group", "groups"),
            (self.org_unit_removals, "org unit", "org units"),
        ];
        let some = kinds.into_iter().filter(|(count, ..)| *count > 0);
        let some: Vec<String> = some.map(|(count, one, more)| text::counted(count, one, more)).collect();
        match some.as_slice() {
            [] => "nobody".to_owned(),
            [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
            one => one.concat(),
        }
    }
}

/// Whether `part` is more than `percent` per cent of `whole`.
fn exceeds(part: u64, whole: u64, percent: u8) -> bool {
    u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
}

#[cfg(test)]
mod tests;
