//! Limits: a plan over one of them waits as `held` until somebody approves it.

use crate::{policy::Guards, protocol::HeldBecause, reason::Reason};
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
    /// For each field the plan empties for somebody: for how many, of how many who have it.
    pub blanked: BTreeMap<String, Blanked>,
    /// Groups that lose every member, of how many that have some.
    pub emptied_groups: Blanked,
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
    /// Its position says so: whatever it shows may be of yesterday.
    Surely(String),
    /// Nothing proves the contrary: it is another server, whose position cannot be compared.
    Perhaps(String),
}

/// How people leave a container in one plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Who is not there any more, removed or kept by a switch or a protection.
    pub absent: u64,
    /// Of those, who is removed.
    pub removed: u64,
    /// Of those, whose entries stand where they stood and do not match any more.
    pub in_place: u64,
}

/// Fewer people than this who leave a container at once, though they be all, are leavers like any others.
const TOGETHER: u64 = 2;

impl Leaving {
    /// How many of its people, or of those who are new there, have to be seen for the container not to be deserted; `None`
    /// where nobody is removed from it, or one alone leaves.
    ///
    /// Deserted is a container of whose people nobody is seen any more, there or elsewhere, and one where more of them stop
    /// matching where they stand than are seen. Neither can be told from a lost read right: on the entries below it, or on an
    /// attribute that the filter names.
    pub fn enough_to_stay(&self) -> Option<u64> {
        let stay = if self.in_place >= TOGETHER { self.in_place } else { 1 };
        (self.removed > 0 && self.absent >= TOGETHER).then_some(stay)
    }
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

/// What plans emptied. A lost read right shows in a delta only at who was touched, one after the other: it adds up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emptied {
    /// Groups that lost every member.
    #[serde(default)]
    pub groups: u64,
    /// By field, people who lost their value.
    #[serde(default)]
    pub fields: BTreeMap<String, u64>,
}

impl Emptied {
    /// Whether nothing was emptied.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another plan emptied.
    pub fn add(&mut self, other: Self) {
        self.groups += other.groups;
        for (field, people) in other.fields {
            *self.fields.entry(field).or_default() += people;
        }
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
    ]
    .into_iter()
    .flatten()
    .chain(blanked(*guards, facts))
    .collect()
}

/// Of so many there are, so many removed now, and so many before.
fn removals(guards: Guards, what: &str, [there, now, before]: [u64; 3]) -> Option<HeldBecause> {
    let (removed, base) = (now + before, there + before);
    let over = now > 0
        && removed > u64::from(guards.max_removals)
        && exceeds(removed, base, guards.max_removals_percent);
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
    let GuardFacts { disappeared, deserted, .. } = facts;
    let details: Vec<_> = [
        ("disappeared together with people or groups", disappeared),
        ("left by all, or most, of its people at once", deserted),
    ]
    .into_iter()
    .filter_map(|(what, containers)| {
        let containers: Vec<_> = containers
            .iter()
            .filter(|(_, people)| **people > 0)
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

/// To a replica that has not heard of them yet, whoever joined lately looks like a leaver, and leavers are still there.
fn server_behind(facts: &GuardFacts) -> Option<HeldBecause> {
    let GuardFacts { returns, changes, .. } = facts;
    let (over, detail) = match facts.behind.as_ref()? {
        Behind::Surely(server) => (
            *changes > 0,
            format!(
                "{changes} changes rest on {server}, which has not heard yet of everything that the last applied run saw"
            ),
        ),
        Behind::Perhaps(server) => (
            facts.removed() + returns > 0,
            format!(
                "{} would be removed, and {returns} restored or enabled, as {server} shows it; nothing proves that it has \
                 heard of everything that was seen before",
                facts.removed_by_kind()
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

impl GuardFacts {
    /// Everything that the plan removes.
    fn removed(&self) -> u64 {
        self.removals + self.group_removals + self.org_unit_removals
    }

    fn removed_by_kind(&self) -> String {
        format!(
            "{} people, {} groups and {} org units",
            self.removals, self.group_removals, self.org_unit_removals
        )
    }
}

/// Whether `part` is more than `percent` per cent of `whole`.
fn exceeds(part: u64, whole: u64, percent: u8) -> bool {
    u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(facts: &GuardFacts) -> Vec<Reason> {
        hold(&Guards::default(), facts).into_iter().map(|held| held.reason).collect()
    }

    #[test]
    fn a_server_that_is_behind_changes_nothing_by_itself() {
        let facts = |changes| GuardFacts {
            users: 1000,
            changes,
            behind: Some(Behind::Surely("ldap2".to_owned())),
            ..GuardFacts::default()
        };
        assert_eq!(reasons(&facts(0)), []);
        assert_eq!(reasons(&facts(1)), [Reason::GuardServerBehind]);
    }

    #[test]
    fn a_server_that_may_be_behind_neither_removes_anybody_by_itself_nor_brings_them_back() {
        let facts = |removals, group_removals, returns| GuardFacts {
            users: 1000,
            removals,
            group_removals,
            returns,
            changes: 5,
            behind: Some(Behind::Perhaps("dc2".to_owned())),
            ..GuardFacts::default()
        };
        assert_eq!(reasons(&facts(0, 0, 0)), []);
        for over in [facts(1, 0, 0), facts(0, 1, 0), facts(0, 0, 1)] {
            assert_eq!(reasons(&over), [Reason::GuardServerBehind], "{over:?}");
        }
    }

    #[test]
    fn the_right_to_read_members_was_lost_and_every_group_was_emptied() {
        let emptied = |blanked, having| GuardFacts {
            emptied_groups: Blanked { blanked, having },
            ..GuardFacts::default()
        };
        assert_eq!(reasons(&emptied(2, 2)), [], "two groups may well be dissolved");
        assert_eq!(reasons(&emptied(1, 3)), []);
        assert_eq!(reasons(&emptied(2, 3)), [Reason::GuardBlanked]);
    }

    #[test]
    fn what_was_emptied_within_a_day_adds_up() {
        let facts = |now, having, before| GuardFacts {
            emptied_groups: Blanked { blanked: now, having },
            emptied_before: Emptied { groups: before, ..Emptied::default() },
            ..GuardFacts::default()
        };
        assert_eq!(reasons(&facts(1, 3, 0)), []);
        assert_eq!(reasons(&facts(1, 2, 1)), [Reason::GuardBlanked], "two of the three that had members");
        assert_eq!(
            reasons(&facts(0, 1, 2)),
            [],
            "a plan that empties nothing is not held for what went before"
        );
        let fields = |now, having, before| GuardFacts {
            blanked: [("title".to_owned(), Blanked { blanked: now, having })].into(),
            emptied_before: Emptied { groups: 0, fields: [("title".to_owned(), before)].into() },
            ..GuardFacts::default()
        };
        assert_eq!(reasons(&fields(1, 11, 9)), []);
        assert_eq!(reasons(&fields(1, 10, 10)), [Reason::GuardBlanked], "11 of 20");
        assert_eq!(reasons(&fields(0, 10, 11)), []);
    }

    #[test]
    fn a_mistyped_filter_removed_the_groups_of_a_small_company() {
        let facts = GuardFacts {
            groups: 3,
            group_removals: 3,
            configuration_differences: vec!["sync.groups.filter".to_owned()],
            ..GuardFacts::default()
        };
        assert_eq!(reasons(&facts), [Reason::GuardFingerprint]);
    }

    #[test]
    fn removals_are_held_only_over_both_the_number_and_the_percentage() {
        let facts = |users, removals| GuardFacts { users, removals, ..GuardFacts::default() };
        assert_eq!(reasons(&facts(100, 10)), []);
        assert_eq!(reasons(&facts(1000, 100)), []);
        assert_eq!(reasons(&facts(1000, 101)), [Reason::GuardRemovals]);
        assert_eq!(reasons(&facts(12, 10)), [], "ten always pass");
        assert_eq!(reasons(&facts(12, 11)), [Reason::GuardRemovals]);
    }

    #[test]
    fn removals_of_the_last_day_add_up() {
        let facts = GuardFacts { users: 90, removals: 3, removed_before: 10, ..GuardFacts::default() };
        assert_eq!(reasons(&facts), [Reason::GuardRemovals]);
        let nothing_now = GuardFacts { removals: 0, ..facts };
        assert_eq!(reasons(&nothing_now), [], "a plan that removes nobody is not held for what went before");
    }

    #[test]
    fn groups_are_held_like_people() {
        let facts = |groups, group_removals| GuardFacts { groups, group_removals, ..GuardFacts::default() };
        assert_eq!(reasons(&facts(10, 10)), []);
        assert_eq!(reasons(&facts(11, 11)), [Reason::GuardRemovals]);
        assert_eq!(reasons(&facts(1_000, 100)), []);
        let again = GuardFacts { groups_removed_before: 10, ..facts(30, 10) };
        assert_eq!(reasons(&again), [Reason::GuardRemovals], "20 of 40 within a day");
        assert_eq!(reasons(&GuardFacts { group_removals: 0, ..again }), []);
    }

    #[test]
    fn org_units_are_held_like_groups() {
        let facts = |org_units, org_unit_removals| GuardFacts {
            org_units,
            org_unit_removals,
            ..GuardFacts::default()
        };
        assert_eq!(reasons(&facts(10, 10)), []);
        assert_eq!(reasons(&facts(11, 11)), [Reason::GuardRemovals]);
        let again = GuardFacts { org_units_removed_before: 10, ..facts(30, 10) };
        assert_eq!(reasons(&again), [Reason::GuardRemovals], "20 of 40 within a day");
        let differences = vec!["sync.org_units.filter".to_owned()];
        let by_filter = GuardFacts { configuration_differences: differences, ..facts(1_000, 1) };
        assert_eq!(reasons(&by_filter), [Reason::GuardFingerprint]);
    }

    #[test]
    fn an_ou_that_disappears_with_one_person_holds_the_plan() {
        let mut facts = GuardFacts { users: 10_000, removals: 1, ..GuardFacts::default() };
        facts.disappeared.insert("ou=a,dc=lg".to_owned(), 0);
        assert_eq!(reasons(&facts), [], "an empty org unit may go");
        facts.disappeared.insert("ou=a,dc=lg".to_owned(), 1);
        assert_eq!(reasons(&facts), [Reason::GuardOuDisappeared]);
    }

    #[test]
    fn a_container_is_deserted_when_all_leave_it_or_most_stop_matching_in_place() {
        let enough = |absent, removed, in_place| Leaving { absent, removed, in_place }.enough_to_stay();
        assert_eq!(enough(1, 1, 0), None, "the last one leaves like anybody");
        assert_eq!(enough(2, 0, 0), None, "nobody is removed");
        assert_eq!(enough(2, 1, 0), Some(1), "a protected one is absent too");
        assert_eq!(enough(9, 9, 9), Some(9), "as many as leave have to stay");
        assert_eq!(enough(9, 9, 1), Some(1));
        let mut facts = GuardFacts { users: 10_000, removals: 2, ..GuardFacts::default() };
        facts.deserted.insert("ou=a,dc=lg".to_owned(), 2);
        facts.disappeared.insert("ou=b,dc=lg".to_owned(), 1);
        let held = hold(&Guards::default(), &facts);
        assert_eq!(held.len(), 1);
        assert_eq!(
            held[0].detail,
            "disappeared together with people or groups: ou=b,dc=lg (1); left by all, or most, of its people at once: \
             ou=a,dc=lg (2)"
        );
    }

    #[test]
    fn a_changed_configuration_may_not_remove_anybody() {
        let mut facts = GuardFacts { users: 10_000, removals: 1, ..GuardFacts::default() };
        facts.configuration_differences.push("base_dn".to_owned());
        assert_eq!(reasons(&facts), [Reason::GuardFingerprint]);
        facts.removals = 0;
        assert_eq!(reasons(&facts), []);
    }

    #[test]
    fn a_field_emptied_for_more_than_half_of_those_who_have_it_holds_the_plan() {
        let facts = |blanked, having| GuardFacts {
            users: 1_000,
            blanked: [("phone".to_owned(), Blanked { blanked, having })].into(),
            ..GuardFacts::default()
        };
        assert_eq!(reasons(&facts(10, 20)), []);
        assert_eq!(reasons(&facts(11, 20)), [Reason::GuardBlanked]);
        assert_eq!(reasons(&facts(19, 19)), [], "too few have it");
    }
}
