//! Fields that the policy calls unique: whose user holds the value already stays, as with user names.

use super::*;

/// Somebody known whose user holds a value that others claim, too.
fn holding(field: &'static str, value: &str) -> Case {
    let mut case = newcomer("jane").shares(field, value, &["john"]);
    let contested = case.duplicate_value.take();
    let mut case = case.applied();
    case.duplicate_value = contested;
    case
}

#[test]
fn newcomers_who_share_a_unique_value_are_conflicts_that_name_both_dns() {
    let case = newcomer("jane").shares("badge", "7", &["john"]);
    assert_eq!(case.says(), "conflict duplicate-value; conflict");
    assert_eq!(case.detail(), format!("badge: {} and {}", dn("jane"), dn("john")));
}

#[test]
fn whose_user_holds_the_value_already_stays_and_is_kept_up_to_date() {
    assert_eq!(holding("badge", "A7").says(), "nothing; synced");
    let changed = holding("badge", "A7").changes(|record| record.email = None);
    assert_eq!(changed.says(), "update changed; synced");
}

#[test]
fn a_value_spelled_otherwise_is_the_same_value() {
    assert_eq!(holding("badge", "A7").shares("badge", "a7", &["john"]).says(), "update changed; synced");
}

#[test]
fn whose_user_holds_another_value_is_a_conflict() {
    assert_eq!(
        holding("badge", "A7").shares("badge", "A8", &["john"]).says(),
        "conflict duplicate-value; conflict"
    );
    assert_eq!(known("jane").shares("badge", "A8", &["john"]).says(), "conflict duplicate-value; conflict");
}

#[test]
fn a_deleted_user_holds_no_value() {
    let mut gone = holding("badge", "A7");
    let contested = gone.duplicate_value.take();
    let mut back = gone.leaves().applied().returns();
    back.duplicate_value = contested;
    assert_eq!(back.says(), "conflict duplicate-value; conflict");
}

#[test]
fn an_address_may_be_unique_too() {
    let case = |case: Case| {
        case.changes(|record| {
            record.unique.insert("email".to_owned(), "Jane@LG.local".to_owned());
        })
    };
    let contested = |mut case: Case| {
        case.duplicate_value = Some(("email", vec![dn("john")]));
        case
    };
    assert_eq!(contested(case(newcomer("jane"))).says(), "conflict duplicate-value; conflict");
    assert_eq!(contested(case(known("jane"))).says(), "nothing; synced");
}

#[test]
fn a_value_that_a_user_holds_has_to_be_given_up_first() {
    for case in [newcomer("jane"), known("jane"), newcomer("jane").name_held_by(local("jane")).adopting()] {
        let held = case.value_held_by("badge", "A7", colleague("john"));
        assert!(held.line().action.is_effective());
        assert_eq!(held.needs(), [("user-john".to_owned(), "badge".to_owned())]);
        let kept = held.value_kept("badge");
        assert_eq!(kept.says(), "conflict duplicate-value; conflict");
        let holder = format!("user john (user-john) belongs to sync-here as {}", dn("john"));
        assert_eq!(kept.detail(), format!("badge: {} and {holder}", dn("jane")));
    }
}

#[test]
fn who_holds_the_value_already_needs_it_of_nobody() {
    let case = holding("badge", "A7").value_held_by("badge", "a7", colleague("john"));
    assert_eq!(case.needs(), []);
    assert_eq!(case.value_kept("badge").says(), "update changed; synced");
}
