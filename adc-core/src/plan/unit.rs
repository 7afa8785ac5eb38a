//! `decide` for groups and org units: matched by source id alone, removed by deletion.

use super::{
    Absence, Action, Decision, Difference, MembersDifference, ObjectStatus, Terms, may_be, reason_of,
};
use crate::{
    reason::Reason,
    record::{Fields, GroupKind, Record},
};
use serde_json::Map;

/// A group or an org unit as the account holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The control plane's id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// The mail address of a group.
    pub email: Option<String>,
    /// The mapped fields.
    pub fields: Fields,
    /// What kind of group.
    pub group_kind: Option<GroupKind>,
    /// Where it stands in the directory.
    pub dn: String,
    /// Deleted, and kept for when its source id returns.
    pub deleted: bool,
}

/// What there is to know about a group or an org unit of the directory.
#[derive(Debug, Clone)]
pub struct UnitFacts<'a> {
    /// The record, or how it was proved that there is none any more.
    pub seen: Result<&'a Record, Absence>,
    /// What the account holds under this source id, deleted or not.
    pub linked: Option<&'a Unit>,
    /// Who joins and who leaves.
    pub members: &'a MembersDifference,
    /// Something below an absent org unit is there: so is the org unit, out of sight.
    pub inhabited: bool,
    /// The DNs of objects of its kind that are there, have no usable identity, and may be the linked one that no look-up found.
    pub unidentified: &'a [String],
    /// It has no usable identity itself, and may be one that no look-up found.
    pub perhaps_missing: bool,
}

/// A group or an org unit as the account holds it once the plan was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextUnit {
    /// See [`Unit::name`].
    pub name: String,
    /// See [`Unit::email`].
    pub email: Option<String>,
    /// See [`Unit::fields`].
    pub fields: Fields,
    /// See [`Unit::group_kind`].
    pub group_kind: Option<GroupKind>,
    /// See [`Unit::dn`].
    pub dn: String,
    /// See [`Unit::deleted`].
    pub deleted: bool,
}

/// Decides what becomes of one group or org unit.
pub fn decide_unit(facts: &UnitFacts<'_>, terms: &Terms<'_>) -> Decision<NextUnit> {
    match (facts.seen, facts.linked) {
        (Err(absence), Some(unit)) if !unit.deleted => remove(unit, absence, facts, terms),
        (Err(_), _) => Decision::settled(None),
        (Ok(record), _) if record.problem.is_some() => conflict(record, facts.perhaps_missing),
        (Ok(record), None) => create(record, facts.members, terms),
        (Ok(record), Some(unit)) if unit.deleted => restore(unit, record, facts.members, terms),
        (Ok(record), Some(unit)) => update(unit, record, facts.members, terms),
    }
}

fn remove(unit: &Unit, absence: Absence, facts: &UnitFacts<'_>, terms: &Terms<'_>) -> Decision<NextUnit> {
    let next = NextUnit {
        name: unit.name.clone(),
        email: unit.email.clone(),
        fields: unit.fields.clone(),
        group_kind: unit.group_kind,
        dn: unit.dn.clone(),
        deleted: true,
    };
    let difference = difference(unit, &next, &MembersDifference::default());
    if absence == Absence::Gone && facts.inhabited {
        return Decision::skip(Reason::OutOfSight, ObjectStatus::Pending, difference, None);
    }
    if absence == Absence::Gone && !facts.unidentified.is_empty() {
        let mut decision = Decision::skip(Reason::UnprovenAbsence, ObjectStatus::Pending, difference, None);
        if let Some(line) = &mut decision.line {
            line.detail = Some(may_be(&unit.dn, facts.unidentified));
        }
        return decision;
    }
    if terms.settings.no_delete.value {
        return Decision::skip(Reason::SettingNoDelete, ObjectStatus::Pending, difference, None);
    }
    Decision::effective(Action::Delete, absence.reason(), difference, next, None)
}

fn conflict(record: &Record, perhaps_missing: bool) -> Decision<NextUnit> {
    let problem = record.problem.as_ref().expect("called for records with a problem");
    Decision::conflict(reason_of(problem, perhaps_missing), Some(problem.detail.clone()), None)
}

fn create(record: &Record, members: &MembersDifference, terms: &Terms<'_>) -> Decision<NextUnit> {
    let next = from_record(record);
    let mut difference = Difference::created(Map::new());
    difference.compare("name", (), next.name.as_str());
    difference.compare("email", (), next.email.clone());
    difference.compare("kind", (), next.group_kind.map(GroupKind::as_str));
    difference.compare("dn", (), next.dn.as_str());
    difference.compare_fields(&Fields::new(), &next.fields);
    difference.compare_members(members);
    difference.before = None;
    if terms.settings.no_create.value {
        return Decision::skip(Reason::SettingNoCreate, ObjectStatus::Pending, difference, None);
    }
    Decision::effective(Action::Create, Reason::New, difference, next, None)
}

fn restore(
    unit: &Unit,
    record: &Record,
    members: &MembersDifference,
    terms: &Terms<'_>,
) -> Decision<NextUnit> {
    let next = from_record(record);
    let difference = difference(unit, &next, members);
    if terms.settings.no_create.value {
        return Decision::skip(Reason::SettingNoCreate, ObjectStatus::Pending, difference, None);
    }
    Decision::effective(Action::Restore, Reason::Returned, difference, next, None)
}

fn update(
    unit: &Unit,
    record: &Record,
    members: &MembersDifference,
    terms: &Terms<'_>,
) -> Decision<NextUnit> {
    let next = from_record(record);
    let difference = difference(unit, &next, members);
    if difference.is_empty() {
        return Decision::settled(None);
    }
    if terms.settings.no_update.value {
        return Decision::skip(Reason::SettingNoUpdate, ObjectStatus::Pending, difference, None);
    }
    let reason = if difference.is_only("dn") { Reason::Moved } else { Reason::Changed };
    Decision::effective(Action::Update, reason, difference, next, None)
}

fn from_record(record: &Record) -> NextUnit {
    NextUnit {
        name: record.name.clone(),
        email: record.email.clone(),
        fields: record.fields.clone(),
        group_kind: record.group_kind,
        dn: record.dn.clone(),
        deleted: false,
    }
}

fn difference(unit: &Unit, next: &NextUnit, members: &MembersDifference) -> Difference {
    let mut difference = Difference::default();
    difference.compare("name", unit.name.as_str(), next.name.as_str());
    difference.compare("email", unit.email.clone(), next.email.clone());
    difference.compare(
        "kind",
        unit.group_kind.map(GroupKind::as_str),
        next.group_kind.map(GroupKind::as_str),
    );
    difference.compare("dn", unit.dn.as_str(), next.dn.as_str());
    difference.compare("status", status(unit.deleted), status(next.deleted));
    difference.compare_fields(&unit.fields, &next.fields);
    difference.compare_members(members);
    difference
}

fn status(deleted: bool) -> &'static str {
    if deleted { "deleted" } else { "active" }
}
