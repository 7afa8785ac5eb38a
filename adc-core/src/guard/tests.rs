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
    let names_another_cause = |facts| {
        let held = hold(&Guards::default(), &facts);
        held[0].detail.contains("those who come back were only out of the bind account's sight")
    };
    assert!(names_another_cause(facts(0, 0, 1)));
    assert!(!names_another_cause(facts(1, 0, 0)), "nobody comes back");
}

#[test]
fn the_right_to_read_members_was_lost_and_every_group_was_emptied() {
    let emptied =
        |blanked, having| GuardFacts { emptied_groups: Blanked { blanked, having }, ..GuardFacts::default() };
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
    assert_eq!(reasons(&facts(0, 1, 2)), [], "a plan that empties nothing is not held for what went before");
    let fields = |now, having, before| GuardFacts {
        blanked: [("title".to_owned(), Blanked { blanked: now, having })].into(),
        emptied_before: Emptied { fields: [("title".to_owned(), before)].into(), ..Emptied::default() },
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
    let facts =
        |org_units, org_unit_removals| GuardFacts { org_units, org_unit_removals, ..GuardFacts::default() };
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
    facts.deserted_by_groups.insert("ou=g,dc=lg".to_owned(), 3);
    facts.disappeared.insert("ou=b,dc=lg".to_owned(), 1);
    let held = hold(&Guards::default(), &facts);
    assert_eq!(held.len(), 1);
    assert_eq!(
        held[0].detail,
        "disappeared together with people or groups: ou=b,dc=lg (1); left by all, or most, of its people at once: \
         ou=a,dc=lg (2); left by all, or most, of its groups at once: ou=g,dc=lg (3)"
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

#[test]
fn the_attribute_of_a_rule_was_hidden_and_whom_it_left_out_came_in() {
    let facts = |now, of, before| GuardFacts {
        let_in: [("employeetype".to_owned(), KeptOut { now, before, of })].into(),
        ..GuardFacts::default()
    };
    assert_eq!(reasons(&facts(1, 1, 0)), [], "the only one became an employee");
    assert_eq!(reasons(&facts(2, 2, 0)), [Reason::GuardLetIn], "everybody");
    assert_eq!(reasons(&facts(2, 4, 0)), []);
    assert_eq!(reasons(&facts(3, 4, 0)), [Reason::GuardLetIn], "most");
    assert_eq!(
        reasons(&facts(11, 109, 0)),
        [Reason::GuardLetIn],
        "more than ten, and more than ten per cent"
    );
    assert_eq!(reasons(&facts(10, 99, 0)), []);
    assert_eq!(reasons(&facts(11, 110, 0)), []);
    assert_eq!(reasons(&facts(1, 1, 1)), [Reason::GuardLetIn], "one after the other");
    assert_eq!(reasons(&facts(0, 1, 2)), [], "nobody comes in now");
    assert_eq!(
        hold(&Guards::default(), &facts(2, 3, 1))[0].detail,
        "3 of 4 people whom rules left out for their employeetype would come in without showing it (2 now, 1 in the last 24 \
         hours): if they have one still, give the bind account the right to read employeetype again; if they are meant to come \
         in, approve"
    );
}

#[test]
fn the_attribute_that_locks_people_out_was_hidden_and_all_were_enabled() {
    let facts =
        |now, of, before| GuardFacts { enabled: KeptOut { now, before, of }, ..GuardFacts::default() };
    assert_eq!(reasons(&facts(1, 1, 0)), [], "the only one was unlocked");
    assert_eq!(reasons(&facts(2, 2, 0)), [Reason::GuardEnabled]);
    assert_eq!(reasons(&facts(2, 4, 0)), []);
    assert_eq!(reasons(&facts(3, 4, 0)), [Reason::GuardEnabled]);
    assert_eq!(reasons(&facts(1, 99, 9)), []);
    assert_eq!(reasons(&facts(1, 99, 10)), [Reason::GuardEnabled], "one after the other");
    assert_eq!(reasons(&facts(0, 1, 20)), [], "nobody is enabled now");
    assert_eq!(
        hold(&Guards::default(), &facts(39, 39, 1))[0].detail,
        "40 of 40 people whom the directory marked as inactive would be enabled (39 now, 1 in the last 24 hours), because it \
         does not mark them any more"
    );
}

#[test]
fn one_person_was_said_to_be_people_and_none_to_be_groups() {
    let removed = |removals, group_removals, org_unit_removals| {
        GuardFacts { removals, group_removals, org_unit_removals, ..GuardFacts::default() }.removed_by_kind()
    };
    assert_eq!(removed(0, 0, 0), "nobody");
    assert_eq!(removed(1, 0, 0), "1 person");
    assert_eq!(removed(0, 2, 1), "2 groups and 1 org unit");
    assert_eq!(removed(5, 1, 2), "5 people, 1 group and 2 org units");
}
