//! People whom a rule of the policy leaves out.

use super::*;

#[test]
fn an_excluded_newcomer_is_skipped_once_with_the_rules_name() {
    let case = newcomer("jane").excluded();
    assert_eq!(case.says(), "skip excluded-by-rule; excluded");
    assert_eq!(case.detail(), "rule \"contractors\"");
    assert_eq!(case.applied().says(), "nothing; excluded excluded-by-rule");
}

#[test]
fn who_matches_no_include_filter_is_told_so() {
    let case = newcomer("jane").changes(|record| record.excluded_by = Some(String::new()));
    assert_eq!(case.says(), "skip not-included; excluded");
    assert_eq!(case.line().detail, None);
}

#[test]
fn who_becomes_excluded_is_removed() {
    let case = known("jane").excluded();
    assert_eq!(case.says(), "delete excluded-by-rule; excluded");
    assert_eq!(case.detail(), "rule \"contractors\"");
    assert!(case.line().removal, "it counts for the guards");
    assert_eq!(case.applied().says(), "nothing; excluded excluded-by-rule");
}

#[test]
fn with_delete_disables_who_becomes_excluded_is_disabled() {
    let case = known("jane").excluded().delete_disables(true);
    assert_eq!(case.says(), "disable excluded-by-rule; excluded");
    let after = case.applied();
    assert_eq!(after.says(), "nothing; excluded excluded-by-rule");
    assert_eq!(after.delete_disables(false).says(), "nothing; excluded excluded-by-rule", "new leavers only");
}

#[test]
fn who_is_excluded_no_longer_comes_back_as_the_same_user() {
    let deleted = known("jane").excluded().applied().included();
    assert_eq!(deleted.says(), "restore returned; synced");
    let disabled = known("jane").excluded().delete_disables(true).applied().included();
    assert_eq!(disabled.says(), "enable returned; synced");
}

#[test]
fn protections_and_no_delete_hold_for_excluded_people_too() {
    let case = known("jane").excluded();
    assert_eq!(case.clone().no_delete(true).says(), "skip setting-no-delete; pending");
    assert_eq!(case.clone().user(|user| user.account_owner = true).says(), "skip account-owner; pending");
    assert_eq!(
        case.clone().no_delete(true).applied().no_delete(false).says(),
        "delete excluded-by-rule; excluded"
    );
}

#[test]
fn an_administrator_may_let_an_excluded_person_in() {
    let case = known("jane").excluded().delete_disables(true).applied().administrator_enables();
    assert_eq!(case.says(), "nothing; excluded excluded-by-rule");
}

#[test]
fn an_excluded_person_who_leaves_is_removed_if_let_in_meanwhile() {
    let case = known("jane").excluded().delete_disables(true).applied().administrator_enables().leaves();
    assert_eq!(case.says(), "disable gone; synced");
}
