//! Groups and org units: matched by source id alone, removed by deletion.

use super::*;
use crate::record::{Fields, GroupKind, Problem};
use serde_json::json;

struct UnitCase {
    record: Record,
    absence: Option<Absence>,
    linked: Option<Unit>,
    members: MembersDifference,
    inhabited: bool,
    unidentified: Vec<String>,
    perhaps_missing: bool,
    settings: Settings,
}

fn new_group(name: &str) -> UnitCase {
    let mut record = Record::new(Kind::Group, "id-1", format!("cn={name},ou=groups,dc=lg"), name);
    record.group_kind = Some(GroupKind::Group);
    UnitCase {
        record,
        absence: None,
        linked: None,
        members: MembersDifference::default(),
        inhabited: false,
        unidentified: Vec::new(),
        perhaps_missing: false,
        settings: Settings::default(),
    }
}

fn group(name: &str) -> UnitCase {
    let mut case = new_group(name);
    case.linked = Some(Unit {
        id: "unit-1".to_owned(),
        name: name.to_owned(),
        email: None,
        fields: Fields::new(),
        group_kind: Some(GroupKind::Group),
        dn: case.record.dn.clone(),
        deleted: false,
    });
    case
}

impl UnitCase {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn leaves(self) -> Self {
        self.with(|case| case.absence = Some(Absence::Gone))
    }

    fn deleted(self) -> Self {
        self.with(|case| case.linked.as_mut().expect("has a unit").deleted = true)
    }

    fn joined_by(self, dn: &str) -> Self {
        self.with(|case| case.members.added.push(dn.to_owned()))
    }

    fn decide(&self) -> Decision<NextUnit> {
        let settings = EffectiveSettings::merge(&self.settings, &Settings::default(), false);
        let terms =
            Terms { settings: &settings, synchronization_id: HERE, auto_synchronization: true, now: NOW };
        let seen = self.absence.map_or(Ok(&self.record), Err);
        let facts = UnitFacts {
            seen,
            linked: self.linked.as_ref(),
            members: &self.members,
            inhabited: self.inhabited,
            unidentified: &self.unidentified,
            perhaps_missing: self.perhaps_missing,
        };
        decide_unit(&facts, &terms)
    }

    fn says(&self) -> String {
        words(&self.decide())
    }
}

#[test]
fn a_group_comes_changes_goes_and_returns() {
    assert_eq!(new_group("staff").says(), "create new; synced");
    assert_eq!(group("staff").says(), "nothing; synced");
    assert_eq!(
        group("staff").with(|case| case.record.name = "all".to_owned()).says(),
        "update changed; synced"
    );
    assert_eq!(
        group("staff").with(|case| case.record.dn = "cn=all".to_owned()).says(),
        "update moved; synced"
    );
    assert_eq!(group("staff").leaves().says(), "delete gone; synced");
    assert_eq!(group("staff").leaves().deleted().says(), "nothing; synced");
    assert_eq!(group("staff").deleted().says(), "restore returned; synced");
    assert_eq!(new_group("staff").leaves().says(), "nothing; synced");
}

#[test]
fn what_others_stand_below_is_out_of_sight_and_not_gone() {
    let hidden = || group("staff").leaves().with(|case| case.inhabited = true);
    assert_eq!(hidden().says(), "skip out-of-sight; pending");
    let no_delete = hidden().with(|case| case.settings.no_delete = Some(true));
    assert_eq!(no_delete.says(), "skip out-of-sight; pending");
    let left_the_scope = hidden().with(|case| case.absence = Some(Absence::OutOfScope));
    assert_eq!(left_the_scope.says(), "delete out-of-scope; synced", "it was found, outside");
    assert_eq!(hidden().deleted().says(), "nothing; synced");
}

#[test]
fn a_group_that_was_renamed_while_its_id_was_hidden_was_deleted() {
    let dn = "cn=everybody,ou=groups,dc=lg";
    let hidden = || group("staff").leaves().with(|case| case.unidentified = vec![dn.to_owned()]);
    assert_eq!(hidden().says(), "skip unproven-absence; pending");
    let line = hidden().decide().line.expect("a line");
    let says = format!("cn=staff,ou=groups,dc=lg was not found by its id, and may be {dn}");
    assert_eq!(line.detail.expect("a detail"), says);
    let left_the_scope = hidden().with(|case| case.absence = Some(Absence::OutOfScope));
    assert_eq!(left_the_scope.says(), "delete out-of-scope; synced", "it was found, outside");
    assert_eq!(hidden().deleted().says(), "nothing; synced");
}

#[test]
fn of_a_group_that_may_be_a_missing_one_that_is_said() {
    let unidentified = new_group("everybody").with(|case| {
        let detail = "the entry has no entryUUID".to_owned();
        case.record.problem = Some(Problem { reason: Reason::MissingSourceId, detail });
    });
    assert_eq!(unidentified.says(), "conflict missing-source-id; conflict");
    let perhaps_missing = unidentified.with(|case| case.perhaps_missing = true);
    assert_eq!(perhaps_missing.says(), "conflict unproven-absence; conflict");
}

#[test]
fn only_members_may_differ() {
    let case = group("staff").joined_by("uid=jane");
    assert_eq!(case.says(), "update changed; synced");
    let difference = case.decide().line.expect("a line").difference;
    assert_eq!(
        json!(difference.after),
        json!({"members_added": ["uid=jane"], "members_removed": []}),
        "the line holds who joins and who leaves, never the whole list"
    );
}

#[test]
fn switches_skip_groups_as_they_skip_people() {
    let no_create = |case: &mut UnitCase| case.settings.no_create = Some(true);
    let no_update = |case: &mut UnitCase| case.settings.no_update = Some(true);
    let no_delete = |case: &mut UnitCase| case.settings.no_delete = Some(true);
    assert_eq!(new_group("staff").with(no_create).says(), "skip setting-no-create; pending");
    assert_eq!(group("staff").deleted().with(no_create).says(), "skip setting-no-create; pending");
    assert_eq!(
        group("staff").joined_by("uid=jane").with(no_update).says(),
        "skip setting-no-update; pending"
    );
    assert_eq!(group("staff").with(no_update).says(), "nothing; synced");
    assert_eq!(group("staff").leaves().with(no_delete).says(), "skip setting-no-delete; pending");
}

#[test]
fn delete_disables_is_about_people() {
    let case = group("staff").leaves().with(|case| case.settings.delete_disables = Some(true));
    assert_eq!(case.says(), "delete gone; synced");
}

#[test]
fn a_removed_group_is_no_removal_for_the_guards() {
    assert!(!group("staff").leaves().decide().line.expect("a line").removal);
}

#[test]
fn a_broken_group_is_a_conflict_and_stays_as_it_is() {
    for case in [new_group("staff"), group("staff").joined_by("uid=jane")] {
        let broken = case.with(|case| {
            case.record.problem =
                Some(Problem { reason: Reason::NotUtf8, detail: "attribute cn".to_owned() });
        });
        assert_eq!(broken.says(), "conflict not-utf8; conflict");
        let line = broken.decide().line.expect("a line");
        assert_eq!((line.next, line.detail.as_deref()), (None, Some("attribute cn")));
    }
}

#[test]
fn a_creation_shows_what_the_group_will_have() {
    let line = new_group("staff").joined_by("uid=jane").decide().line.expect("a line");
    assert_eq!(line.difference.before, None);
    assert_eq!(
        json!(line.difference.after),
        json!({
            "name": "staff",
            "kind": "group",
            "dn": "cn=staff,ou=groups,dc=lg",
            "members_added": ["uid=jane"],
            "members_removed": [],
        })
    );
}
