//! A run's plan: a decision for each object, names settled among them, and what would hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use adc_core::dn::Dn;
use adc_core::plan::{Action, ObjectStatus, UserStatus};
use adc_core::policy::Guards;
use adc_core::protocol::Counts;
use adc_core::reason::Reason;
use adc_core::record::{Kind, Record};
use adc_core::text;

use super::people::{Claims, Wanted};
use super::{Key, Model, Seen, Terms, Unit, User};
use crate::sequences::directory::{Directory, UNIQUE};

/// What is to become of everything; it prints its lines.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Plan {
    pub(super) decisions: BTreeMap<Key, Decision>,
    held: Vec<Reason>,
    read: u64,
}

/// What is to become of one object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    /// `None` where it is gone.
    pub(super) record: Option<Record>,
    /// Where it stands, or stood.
    pub(super) dn: String,
    pub(super) line: Option<(Action, Reason)>,
    pub(super) next: Option<Next>,
    pub(super) status: ObjectStatus,
    pub(super) reason: Option<Reason>,
    pub(super) active: Option<bool>,
    pub(super) removal: bool,
}

/// What the account is to hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// A user: which one there is, and what it becomes.
    User(Option<usize>, User),
    Unit(Unit),
}

impl Decision {
    /// Nothing to do.
    pub(super) fn settled(active: Option<bool>) -> Self {
        Self {
            record: None,
            dn: String::new(),
            line: None,
            next: None,
            status: ObjectStatus::Synced,
            reason: None,
            active,
            removal: false,
        }
    }

    pub(super) fn change(action: Action, reason: Reason, next: Next, active: Option<bool>) -> Self {
        Self { line: Some((action, reason)), next: Some(next), ..Self::settled(active) }
    }

    /// Put off by a switch or a protection.
    pub(super) fn put_off(reason: Reason, active: Option<bool>) -> Self {
        Self {
            line: Some((Action::Skip, reason)),
            status: ObjectStatus::Pending,
            reason: Some(reason),
            ..Self::settled(active)
        }
    }

    pub(super) fn conflict(reason: Reason, active: Option<bool>) -> Self {
        Self {
            line: Some((Action::Conflict, reason)),
            status: ObjectStatus::Conflict,
            reason: Some(reason),
            ..Self::settled(active)
        }
    }
}

impl Model {
    /// Decides about everything that was ever seen or is there now.
    pub(super) fn plan(&self, terms: &Terms, read: &Directory, directory: &Directory) -> Plan {
        let records: BTreeMap<Key, Record> = directory
            .records()
            .into_iter()
            .map(|record| ((record.kind, record.source_id.clone()), record))
            .collect();
        let mut plan = Plan { read: read.records().len() as u64, ..Plan::default() };
        for (key, record) in &records {
            let decision = match key.0 {
                Kind::User => self.person(record, claims(record, &records), terms),
                _ => self.unit(record, terms),
            };
            plan.decisions.insert(key.clone(), decision.of(record));
        }
        for (key, seen) in self.seen.iter().filter(|(key, _)| !records.contains_key(key)) {
            if !self.expects(key.0, &key.1) {
                continue;
            }
            let outside = directory.outside(&key.1).filter(|_| key.0 == Kind::User);
            let reason = if outside.is_some() { Reason::OutOfScope } else { Reason::Gone };
            let decision = match key.0 {
                Kind::User => self.absent_person(&key.1, reason, terms),
                Kind::OrgUnit if is_inhabited(&seen.dn, &records) => self.hidden_unit(key),
                _ => self.absent_unit(key, reason, terms),
            };
            let dn = outside.unwrap_or_else(|| seen.dn.clone());
            plan.decisions.insert(key.clone(), Decision { dn, ..decision });
        }
        self.settle(&mut plan, &records, terms);
        plan.held = self.held_by(&plan, directory, terms);
        plan
    }

    /// Whoever needs a name or a title that its holder keeps cannot have it; then whoever counted on theirs cannot either.
    fn settle(&self, plan: &mut Plan, records: &BTreeMap<Key, Record>, terms: &Terms) {
        let mut disappointed = BTreeMap::new();
        while let Some((key, user, next)) = plan.decisions.iter().find_map(|(key, decision)| {
            let Some(Next::User(user, next)) = &decision.next else { return None };
            self.in_vain(plan, *user, next).map(|_| (key.clone(), *user, next.clone()))
        }) {
            let refused = self.person(
                &records[&key],
                Claims { in_vain: Some(Wanted::Name), ..Claims::default() },
                terms,
            );
            plan.decisions.insert(key.clone(), refused.of(&records[&key]));
            disappointed.insert(key, (user, next));
        }
        // What keeps them is what does so in the end; the name is asked for first.
        for (key, (user, next)) in disappointed {
            let in_vain = self.in_vain(plan, user, &next);
            let decision = self.person(&records[&key], Claims { in_vain, ..Claims::default() }, terms);
            plan.decisions.insert(key.clone(), decision.of(&records[&key]));
        }
    }

    /// What of a user's next state somebody else keeps, if anything.
    fn in_vain(&self, plan: &Plan, user: Option<usize>, next: &User) -> Option<Wanted> {
        if next.is_deleted() {
            return None;
        }
        let others = || (0..self.users.len()).filter(|other| Some(*other) != user);
        let has_it = user.is_some_and(|user| self.users[user].holds_title(next.title.as_deref()));
        let keeps = |other: usize, wanted: Wanted| !plan.frees(self, other, wanted);
        let name = self.holder(&next.name).filter(|holder| Some(*holder) != user);
        let title = others()
            .filter(|other| self.users[*other].person.is_some() && !has_it)
            .filter(|other| self.users[*other].holds_title(next.title.as_deref()));
        if name.is_some_and(|holder| keeps(holder, Wanted::Name)) {
            return Some(Wanted::Name);
        }
        title.into_iter().any(|holder| keeps(holder, Wanted::Title)).then_some(Wanted::Title)
    }

    /// The guards in the way, in their order.
    fn held_by(&self, plan: &Plan, directory: &Directory, terms: &Terms) -> Vec<Reason> {
        let exceeds = |removed: u64, base: u64| {
            removed > terms.guards.max_removals.into()
                && removed * 100 > base * u64::from(terms.guards.max_removals_percent)
        };
        let users =
            self.users.iter().filter(|user| user.person.is_some() && !user.is_deleted()).count() as u64;
        let removals = plan.removals();
        let people = removals > 0 && exceeds(removals + self.removed, users + self.removed);
        let of_units = |kind: Kind, removed_before: u64| {
            let units = self.units.iter().filter(|((other, _), unit)| *other == kind && !unit.deleted);
            let removals = plan.unit_removals(kind);
            removals > 0 && exceeds(removals + removed_before, units.count() as u64 + removed_before)
        };
        let deserted = self.is_deserted(plan, directory);
        let reconfigured = self.vouched.is_some_and(|before| before != terms.configuration);
        let removed = removals + plan.unit_removals(Kind::Group) + plan.unit_removals(Kind::OrgUnit);
        let guards = [
            (people, Reason::GuardRemovals),
            (of_units(Kind::Group, self.groups_removed), Reason::GuardRemovals),
            (of_units(Kind::OrgUnit, self.org_units_removed), Reason::GuardRemovals),
            (deserted, Reason::GuardOuDisappeared),
            (reconfigured && removed > 0, Reason::GuardFingerprint),
            (self.enables_many(plan, terms), Reason::GuardEnabled),
        ];
        guards.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).collect()
    }

    /// Whether people may log in of whom only the mark may be out of sight: two or more, who are most of those who were marked, or
    /// more than may be removed.
    fn enables_many(&self, plan: &Plan, terms: &Terms) -> bool {
        // Who is away and does not come back is nobody to compare with.
        let locked = self.seen.iter().filter(|((kind, id), seen)| {
            let is_back =
                || plan.decisions.get(&(*kind, id.clone())).is_some_and(|back| back.record.is_some());
            *kind == Kind::User && seen.was_locked() && (!seen.was_away() || is_back())
        });
        let locked: BTreeSet<&String> = locked.map(|((_, id), _)| id).collect();
        let before = self.enabled.iter().filter(|id| !locked.contains(id)).count();
        let unlocked = self.unlocked(plan).len();
        let (people, base) = (unlocked + before, locked.len() + before);
        let over = |percent: u8| people * 100 > base * usize::from(percent);
        let Guards { max_removals, max_removals_percent, max_blanked_percent } = terms.guards;
        let many = people as u64 > max_removals.into() && over(max_removals_percent);
        unlocked > 0 && people >= 2 && (over(max_blanked_percent) || many)
    }

    /// Whom a plan lets log in because the directory does not mark them as inactive any more.
    pub(super) fn unlocked(&self, plan: &Plan) -> BTreeSet<String> {
        let lets_in = |decision: &Decision| match &decision.next {
            Some(Next::User(own, next)) => {
                let is_active = |user: &User| user.status == UserStatus::Active;
                is_active(next) && !own.is_some_and(|own| is_active(&self.users[own]))
            }
            _ => false,
        };
        let was_locked = |key: &Key| self.seen.get(key).is_some_and(Seen::was_locked);
        let unlocked = plan.decisions.iter().filter(|(key, decision)| lets_in(decision) && was_locked(key));
        unlocked.map(|((_, id), _)| id.clone()).collect()
    }

    /// Whether people are removed from an org unit that went with them, that nobody stays in, or where more of at least two
    /// do not match any more than stay.
    fn is_deserted(&self, plan: &Plan, directory: &Directory) -> bool {
        let people = || plan.decisions.iter().filter(|((kind, _), _)| *kind == Kind::User);
        let here = directory.records();
        // Where everybody who leaves stood, what becomes of them, and whether they stand there still.
        let leavers: Vec<(String, &Decision, bool)> = people()
            .filter(|(_, decision)| decision.record.is_none())
            // Whoever waits to be removed left when they began to.
            .filter(|(key, decision)| decision.removal || self.seen[key].in_doubt.is_none())
            .filter_map(|((_, person), decision)| {
                let user = &self.users[self.linked(person)?];
                let outside = directory.outside(person);
                let place = if outside.is_some() { &user.dn } else { &decision.dn };
                let in_place = outside.as_ref() == Some(place);
                (!user.is_deleted()).then(|| (container(place), decision, in_place))
            })
            .collect();
        // A container is looked for where somebody who is missed was seen last.
        let asked = |dn: &str| {
            people().any(|(key, decision)| {
                let seen = self.seen.get(key).filter(|_| decision.record.is_none());
                seen.is_some_and(|seen| container(&seen.dn) == dn)
            })
        };
        // Neither a newcomer nor who moved away shows that the others could be seen.
        let stays = |record: &Record, place: &str| {
            let seen = self.seen.get(&(Kind::User, record.source_id.clone())).filter(|seen| seen.present);
            container(&record.dn) == place && seen.is_some_and(|seen| container(&seen.dn) == place)
        };
        leavers.iter().filter(|(_, decision, _)| decision.removal).any(|(from, _, _)| {
            let absent = leavers.iter().filter(|(other, _, _)| other == from).count();
            let in_place = leavers.iter().filter(|(other, _, in_place)| other == from && *in_place).count();
            let staying = here.iter().filter(|one| one.kind == Kind::User && stays(one, from)).count();
            let dissolved = directory.is_dissolved(from) && asked(from);
            dissolved || absent >= 2 && (staying == 0 || in_place >= 2 && in_place > staying)
        })
    }
}

/// Whether something stands below an org unit.
fn is_inhabited(org_unit: &str, records: &BTreeMap<Key, Record>) -> bool {
    let parse = |dn: &str| Dn::parse(dn).expect("a DN");
    let place = parse(org_unit);
    records.values().map(|record| parse(&record.dn)).any(|dn| dn.is_within(&place) && dn.key() != place.key())
}

impl Decision {
    fn of(self, record: &Record) -> Self {
        Self { record: Some(record.clone()), dn: record.dn.clone(), ..self }
    }
}

impl Plan {
    pub(super) fn is_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Which guards hold it.
    pub(crate) fn held(&self) -> &[Reason] {
        &self.held
    }

    pub(super) fn removals(&self) -> u64 {
        self.decisions.values().filter(|decision| decision.removal).count() as u64
    }

    pub(super) fn unit_removals(&self, of: Kind) -> u64 {
        let delete = |line: &(Action, Reason)| line.0 == Action::Delete;
        let units = self.decisions.iter().filter(|((kind, _), _)| *kind == of);
        units.filter(|(_, decision)| decision.line.as_ref().is_some_and(delete)).count() as u64
    }

    /// What a report should count.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let mut of_present = 0;
        for decision in self.decisions.values() {
            if let Some((action, _)) = decision.line {
                *counts.of_mut(action) += 1;
                of_present += u64::from(decision.record.is_some());
            }
        }
        counts.unchanged = self.read.saturating_sub(of_present);
        counts
    }

    /// Whether a user gives up its name or its title.
    fn frees(&self, model: &Model, user: usize, wanted: Wanted) -> bool {
        let now = &model.users[user];
        self.decisions.values().any(|decision| match &decision.next {
            Some(Next::User(Some(own), next)) if *own == user => {
                let changes = match wanted {
                    Wanted::Name => text::key(&next.name) != text::key(&now.name),
                    Wanted::Title => next.title != now.title,
                };
                next.is_deleted() || changes
            }
            _ => false,
        })
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held by {:?}, {:?}", self.held, self.counts())?;
        for ((kind, id), decision) in &self.decisions {
            if let Some((action, reason)) = decision.line {
                write!(f, "\n    {action} {kind} {id}: {reason}")?;
            }
        }
        Ok(())
    }
}

/// Whether others claim the same name, or the same title.
fn claims(record: &Record, records: &BTreeMap<Key, Record>) -> Claims {
    let others =
        || records.values().filter(|other| other.kind == Kind::User && other.source_id != record.source_id);
    let title = record.fields.get(UNIQUE);
    Claims {
        name_is_rivalled: others().any(|other| text::key(&other.name) == text::key(&record.name)),
        title_is_rivalled: title.is_some() && others().any(|other| other.fields.get(UNIQUE) == title),
        in_vain: None,
    }
}

fn container(dn: &str) -> String {
    Dn::parse(dn).expect("a DN").parent().map_or_else(String::new, |parent| parent.to_string())
}
