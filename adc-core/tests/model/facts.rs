//! The facts that `decide` and the guards ask for, which the control plane reads with SQL.

use crate::{
    account::Account,
    directory::UNIQUE_FIELD,
    plan::{Plan, PlannedPerson},
};
use adc_core::{
    dn::DnKey,
    guard::{Blanked, GuardFacts, REMOVAL_WINDOW_MS},
    plan::{
        Absence, Decision, MembersDifference, NextUnit, ObjectStatus, Provider, Remembered, Terms, UnitFacts,
        User, UserFacts, UserStatus, decide_unit, decide_user,
    },
    reason::Reason,
    record::{Kind, Record},
    text,
};
use std::collections::BTreeMap;

impl Account {
    pub(crate) fn decide_person(
        &self,
        id: &str,
        seen: &Result<Record, Absence>,
        rivals: &Rivals,
        kept: Option<&str>,
        terms: &Terms<'_>,
    ) -> PlannedPerson {
        let linked = self.linked(id);
        let claims = seen.as_ref().ok().filter(|record| claims(record));
        let holder = claims
            .and_then(|record| self.holder(&record.name))
            .filter(|holder| linked.is_none_or(|linked| linked.id != holder.id));
        let same_name = claims.map_or_else(Vec::new, |record| rivals.by_name(record));
        let same_badge = claims.map_or_else(Vec::new, |record| rivals.by_badge(record));
        let badge = claims.and_then(|record| record.unique.get(UNIQUE_FIELD));
        let value_holders: Vec<_> = self
            .users
            .values()
            .filter(|user| {
                user.provider != Provider::Local && linked.is_none_or(|linked| linked.id != user.id)
            })
            .filter(|user| badge.is_some_and(|badge| user.holds(UNIQUE_FIELD, badge)))
            .map(|user| (UNIQUE_FIELD, user))
            .collect();
        let decision = decide_user(
            &UserFacts {
                seen: seen.as_ref().map_err(|absence| *absence),
                remembered: self.mirror.get(&(Kind::User, id.to_owned())).map(|mirrored| mirrored.remembered),
                linked,
                holder,
                taken_over_by: None,
                value_holders: &value_holders,
                kept,
                unidentified: &[],
                perhaps_missing: false,
                rivals: &same_name,
                duplicate_value: (!same_badge.is_empty()).then_some((UNIQUE_FIELD, same_badge.as_slice())),
            },
            terms,
        );
        let adopted = decision.line.as_ref().is_some_and(|line| line.reason == Reason::Adopted);
        let user = linked
            .or(holder.filter(|_| adopted))
            .map_or_else(|| format!("user-{id}"), |user| user.id.clone());
        PlannedPerson { seen: seen.clone(), user, decision }
    }

    pub(crate) fn decide_unit(
        &self,
        key: &(Kind, String),
        seen: &Result<Record, Absence>,
        terms: &Terms<'_>,
    ) -> Decision<NextUnit> {
        let held = self.units.get(key);
        let nobody = BTreeMap::new();
        let before = held.map_or(&nobody, |held| &held.members);
        let after = seen.as_ref().map_or_else(|_| before.clone(), members);
        let missing = |from: &BTreeMap<DnKey, String>, other: &BTreeMap<DnKey, String>| {
            from.iter().filter(|(key, _)| !other.contains_key(key)).map(|(_, dn)| dn.clone()).collect()
        };
        let members = MembersDifference { added: missing(&after, before), removed: missing(before, &after) };
        decide_unit(
            &UnitFacts {
                seen: seen.as_ref().map_err(|absence| *absence),
                linked: held.map(|held| &held.unit),
                members: &members,
                inhabited: false,
                unidentified: &[],
                perhaps_missing: false,
            },
            terms,
        )
    }

    /// Whether the user's removal was carried out: a disabled leaver, or excluded.
    fn was_removed(&self, user: &User) -> bool {
        let Provider::Directory { source_id, .. } = &user.provider else { return false };
        self.mirror.get(&(Kind::User, source_id.clone())).is_some_and(|mirrored| {
            let Remembered { present, status, .. } = mirrored.remembered;
            status == ObjectStatus::Excluded || !present && status == ObjectStatus::Synced
        })
    }

    pub(crate) fn guard_facts(&self, plan: &Plan) -> GuardFacts {
        let here: Vec<_> = self
            .users
            .values()
            .filter(|user| user.provider != Provider::Local && user.status != UserStatus::Deleted)
            .collect();
        let leavers: Vec<_> =
            plan.people.values().filter(|person| person.line().is_some_and(|line| line.removal)).collect();
        let mut facts = GuardFacts {
            users: here.iter().filter(|user| !self.was_removed(user)).count() as u64,
            removals: leavers.len() as u64,
            removed_before: self
                .removals
                .iter()
                .filter(|(at, _)| plan.now - at < REMOVAL_WINDOW_MS)
                .map(|(_, count)| count)
                .sum(),
            ..GuardFacts::default()
        };
        for (_, mirrored) in self.mirror.iter().filter(|((kind, id), mirrored)| {
            *kind == Kind::OrgUnit
                && mirrored.remembered.present
                && plan.units.get(&(*kind, id.clone())).is_some_and(|unit| unit.seen.is_err())
        }) {
            let within = format!(",{}", mirrored.record.dn);
            let missed = leavers.iter().filter(|person| {
                matches!(&self.users[&person.user].provider, Provider::Directory { dn, .. } if dn.ends_with(&within))
            });
            facts.disappeared.insert(mirrored.record.dn.clone(), missed.count() as u64);
        }
        for line in
            plan.people.values().filter_map(PlannedPerson::line).filter(|line| line.action.is_effective())
        {
            for field in line.difference.blanked_fields() {
                let having = here.iter().filter(|user| user.fields.contains_key(field)).count() as u64;
                let blanked = facts.blanked.entry(field.to_owned()).or_insert(Blanked { blanked: 0, having });
                blanked.blanked += 1;
            }
        }
        facts
    }
}

/// A group's members by key.
pub(crate) fn members(record: &Record) -> BTreeMap<DnKey, String> {
    record.members.iter().map(|dn| (DnKey::of(dn), dn.clone())).collect()
}

/// Whether the object claims its name: broken and excluded ones do not.
fn claims(record: &Record) -> bool {
    record.kind == Kind::User && record.problem.is_none() && record.excluded_by.is_none()
}

/// Who claims which name and which badge: source id and DN.
pub(crate) struct Rivals {
    names: BTreeMap<String, Vec<(String, String)>>,
    badges: BTreeMap<String, Vec<(String, String)>>,
}

impl Rivals {
    pub(crate) fn among(records: &[Record]) -> Self {
        let mut rivals = Self { names: BTreeMap::new(), badges: BTreeMap::new() };
        let mut claimants: Vec<_> = records.iter().filter(|record| claims(record)).collect();
        claimants.sort_by(|one, other| one.dn.cmp(&other.dn));
        for record in claimants {
            let claimant = (record.source_id.clone(), record.dn.clone());
            rivals.names.entry(text::key(&record.name).into_owned()).or_default().push(claimant.clone());
            if let Some(badge) = record.unique.get(UNIQUE_FIELD) {
                rivals.badges.entry(text::key(badge).into_owned()).or_default().push(claimant);
            }
        }
        rivals
    }

    fn by_name(&self, record: &Record) -> Vec<String> {
        others(self.names.get(&*text::key(&record.name)), record)
    }

    fn by_badge(&self, record: &Record) -> Vec<String> {
        others(record.unique.get(UNIQUE_FIELD).and_then(|badge| self.badges.get(&*text::key(badge))), record)
    }
}

fn others(claimants: Option<&Vec<(String, String)>>, own: &Record) -> Vec<String> {
    claimants.into_iter().flatten().filter(|(id, _)| *id != own.source_id).map(|(_, dn)| dn.clone()).collect()
}
