//! How a run plans: what is to be planned, each object decided, names settled, guards asked.

use crate::{
    account::{Account, HERE},
    directory::{Directory, UNIQUE_FIELD},
    facts::Rivals,
};
use adc_core::{
    guard,
    plan::{Absence, Action, Decision, Line, NextUnit, NextUser, ObjectStatus, Terms, names::Names},
    protocol::HeldBecause,
    reason::Reason,
    record::{Kind, Record},
    settings::{EffectiveSettings, Settings},
};
use std::collections::{BTreeMap, BTreeSet};

/// The decisions of a run, by kind and source id.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) people: BTreeMap<String, PlannedPerson>,
    pub(crate) units: BTreeMap<(Kind, String), PlannedUnit>,
    pub(crate) held: Vec<HeldBecause>,
    pub(crate) now: i64,
    pub(crate) decided_on: [bool; 6],
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedPerson {
    pub(crate) seen: Result<Record, Absence>,
    /// The user it concerns: linked, adopted, or to be created.
    pub(crate) user: String,
    pub(crate) decision: Decision<NextUser>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedUnit {
    pub(crate) seen: Result<Record, Absence>,
    pub(crate) decision: Decision<NextUnit>,
}

impl Account {
    /// The plan over what was touched, what is not settled, and what expired; over everything if settings changed.
    pub(crate) fn plan(&self, directory: &Directory, settings: Settings, now: i64) -> Plan {
        self.plan_records(directory.records(), &directory.outside, settings, now, false)
    }

    /// The plan over everything, touched or not.
    pub(crate) fn plan_everything(&self, directory: &Directory, settings: Settings, now: i64) -> Plan {
        self.plan_records(directory.records(), &directory.outside, settings, now, true)
    }

    /// The plan over records in the order in which they were read.
    pub(crate) fn plan_records(
        &self,
        records: Vec<Record>,
        outside: &BTreeSet<String>,
        settings: Settings,
        now: i64,
        everything: bool,
    ) -> Plan {
        let settings = EffectiveSettings::merge(&settings, &Settings::default(), false);
        let decided_on = settings.deciding_values();
        let everything = everything || self.decided_on.is_some_and(|before| before != decided_on);
        let terms = Terms { settings: &settings, synchronization_id: HERE, auto_synchronization: true, now };
        let rivals = Rivals::among(&records);
        let objects = self.to_be_planned(records, outside, now, everything);

        let mut plan = Plan { now, decided_on, ..Plan::default() };
        for (key, seen) in &objects {
            if key.0 == Kind::User {
                let person = self.decide_person(&key.1, seen, &rivals, None, &terms);
                plan.people.insert(key.1.clone(), person);
            } else {
                let decision = self.decide_unit(key, seen, &terms);
                plan.units.insert(key.clone(), PlannedUnit { seen: seen.clone(), decision });
            }
        }
        self.settle_names(&mut plan, &rivals, &terms);
        if let Some(guards) = &self.guards {
            plan.held = guard::hold(guards, &self.guard_facts(&plan));
        }
        plan
    }

    fn to_be_planned(
        &self,
        records: Vec<Record>,
        outside: &BTreeSet<String>,
        now: i64,
        everything: bool,
    ) -> Vec<((Kind, String), Result<Record, Absence>)> {
        let mut unseen: BTreeSet<_> = self.mirror.keys().cloned().collect();
        let mut objects = Vec::new();
        for record in records {
            let key = (record.kind, record.source_id.clone());
            unseen.remove(&key);
            let settled = self.mirror.get(&key).is_some_and(|mirrored| {
                mirrored.remembered.present
                    && mirrored.record.digest() == record.digest()
                    && !matches!(mirrored.remembered.status, ObjectStatus::Pending | ObjectStatus::Conflict)
                    && record.expires_at.is_none_or(|expiry| now < expiry)
            });
            if everything || !settled {
                objects.push((key, Ok(record)));
            }
        }
        for key in unseen {
            let remembered = self.mirror[&key].remembered;
            if everything || remembered.present || remembered.status != ObjectStatus::Synced {
                let absence = if outside.contains(&key.1) { Absence::OutOfScope } else { Absence::Gone };
                objects.push((key, Err(absence)));
            }
        }
        objects
    }

    /// Decides again whoever needs a name or a badge that does not become free.
    fn settle_names(&self, plan: &mut Plan, rivals: &Rivals, terms: &Terms<'_>) {
        let mut names = Names::default();
        for (id, planned) in &plan.people {
            if let Some(line) = &planned.decision.line {
                names.note(id, self.users.get(&planned.user), [UNIQUE_FIELD], line);
            }
        }
        names.settle();
        for (id, planned) in &mut plan.people {
            let needs = planned.decision.line.iter().flat_map(|line| &line.needs);
            let kept = needs.into_iter().find(|need| !names.becomes_free(need)).map(|need| need.what.clone());
            if let Some(kept) = kept {
                *planned = self.decide_person(id, &planned.seen, rivals, Some(&kept), terms);
            }
        }
    }
}

impl PlannedPerson {
    /// The line in the plan.
    pub(crate) fn line(&self) -> Option<&Line<NextUser>> {
        self.decision.line.as_ref()
    }

    /// Whether somebody is removed: deleted, or disabled for being gone or excluded. The line says so too; this is
    /// for those who do not take its word.
    pub(crate) fn removes(&self) -> bool {
        let left = self
            .seen
            .as_ref()
            .map_or(true, |record| record.problem.is_none() && record.excluded_by.is_some());
        self.line()
            .is_some_and(|line| line.action == Action::Delete || line.action == Action::Disable && left)
    }
}

impl Plan {
    /// Each line as `action reason`, by source id.
    pub(crate) fn lines(&self) -> BTreeMap<String, (Action, Reason)> {
        let people = self
            .people
            .iter()
            .filter_map(|(id, person)| person.line().map(|line| (id.clone(), (line.action, line.reason))));
        let units = self.units.iter().filter_map(|((_, id), unit)| {
            unit.decision.line.as_ref().map(|line| (id.clone(), (line.action, line.reason)))
        });
        people.chain(units).collect()
    }

    /// The lines that change something.
    pub(crate) fn effects(&self) -> BTreeMap<String, (Action, Reason)> {
        self.lines().into_iter().filter(|(_, (action, _))| action.is_effective()).collect()
    }
}
