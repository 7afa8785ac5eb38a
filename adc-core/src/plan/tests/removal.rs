//! Leavers: deleted, or disabled; protected; removed once.

use super::*;

#[test]
fn a_leaver_is_deleted_and_keeps_name_and_fields_for_audit() {
    let case = known("jane").leaves();
    assert_eq!(case.says(), "delete gone; synced");
    assert!(case.line().removal, "it counts for the guards");
    let next = case.next();
    assert_eq!((next.status, next.username.as_str()), (UserStatus::Deleted, "jane"));
    assert_eq!(case.applied().says(), "nothing; synced");
}

#[test]
fn whoever_is_found_outside_the_scope_is_removed_with_that_reason() {
    let mut case = known("jane").leaves();
    case.absence = Some(Absence::OutOfScope);
    assert_eq!(case.says(), "delete out-of-scope; synced");
}

#[test]
fn somebody_who_came_and_went_between_two_runs_leaves_no_trace() {
    assert_eq!(newcomer("jane").no_create(true).applied().leaves().says(), "nothing; synced");
}

#[test]
fn whoever_was_renamed_while_their_id_was_hidden_was_deleted() {
    let mut case = known("jane").leaves();
    case.unidentified = vec![dn("jane.miller")];
    for disables in [true, false] {
        case = case.delete_disables(disables);
        assert_eq!(case.says(), "conflict unproven-absence; conflict");
        let says = format!("{} was not found by its id, and may be {}", dn("jane"), dn("jane.miller"));
        assert_eq!(case.detail(), says);
    }
    case = case.applied();
    case.unidentified.clear();
    assert_eq!(case.says(), "delete gone; synced", "it has another name by now");
    case.unidentified = vec![dn("jane.miller")];
    case.absence = Some(Absence::OutOfScope);
    assert_eq!(case.says(), "delete out-of-scope; synced", "that one was found");
}

#[test]
fn of_somebody_who_may_be_a_missing_one_that_is_said() {
    let mut case = newcomer("jane.miller");
    let detail = "the entry has no entryUUID".to_owned();
    case.record.problem = Some(Problem { reason: Reason::MissingSourceId, detail });
    assert_eq!(case.says(), "conflict missing-source-id; conflict");
    case.perhaps_missing = true;
    assert_eq!(case.says(), "conflict unproven-absence; conflict");
}

#[test]
fn with_delete_disables_a_leaver_is_disabled() {
    let case = known("jane").leaves().delete_disables(true);
    assert_eq!(case.says(), "disable gone; synced");
    assert!(case.line().removal, "it counts for the guards");
    assert_eq!(case.next().status_by, StatusBy::Directory);
    assert_eq!(case.applied().says(), "nothing; synced");
}

#[test]
fn a_leaver_who_is_disabled_already_is_left_as_they_are() {
    for case in [known("jane").inactive().applied(), known("jane").administrator_disables()] {
        let case = case.leaves().delete_disables(true);
        assert_eq!(case.says(), "nothing; synced already-disabled");
        let later = case.applied().delete_disables(false);
        assert_eq!(later.says(), "nothing; synced", "switched off later, new leavers only are deleted");
    }
}

#[test]
fn a_leaver_who_is_disabled_already_is_deleted_all_the_same() {
    for case in [known("jane").inactive().applied(), known("jane").administrator_disables()] {
        assert_eq!(case.leaves().says(), "delete gone; synced");
    }
}

#[test]
fn a_deleted_user_is_not_removed_again() {
    let deleted_while_pending = known("jane").leaves().no_delete(true).applied();
    let deleted = deleted_while_pending.user(|user| user.status = UserStatus::Deleted);
    assert_eq!(deleted.no_delete(false).says(), "nothing; synced");
}

#[test]
fn delete_disables_switched_off_later_deletes_new_leavers_only() {
    let left_before = known("jane").leaves().delete_disables(true).applied().delete_disables(false);
    assert_eq!(left_before.says(), "nothing; synced");
    assert_eq!(known("john").leaves().delete_disables(false).says(), "delete gone; synced");
}

#[test]
fn whom_no_delete_kept_is_deleted_when_delete_disables_is_off_by_then() {
    let kept = known("jane").leaves().delete_disables(true).no_delete(true).applied();
    assert_eq!(kept.delete_disables(false).no_delete(false).says(), "delete gone; synced");
}

#[test]
fn a_removal_is_not_repeated_after_an_administrator_let_the_person_in() {
    let case = known("jane").leaves().delete_disables(true).applied().administrator_enables();
    assert_eq!(case.says(), "nothing; synced");
    assert_eq!(case.delete_disables(false).says(), "nothing; synced");
}

#[test]
fn the_accounts_owner_is_not_removed_until_somebody_else_owns_it() {
    for disables in [false, true] {
        let case = known("jane").user(|user| user.account_owner = true).leaves().delete_disables(disables);
        assert_eq!(case.says(), "skip account-owner; pending");
        assert!(!case.line().removal, "what is skipped does not count for the guards");
        let handed_over = case.applied().user(|user| user.account_owner = false);
        assert!(handed_over.line().removal);
    }
}

#[test]
fn who_owns_resources_is_not_removed_and_the_line_says_which() {
    let case = known("jane").user(|user| user.owns = vec!["bot:42".to_owned(), "team:7".to_owned()]).leaves();
    assert_eq!(case.says(), "skip owns-resources; pending");
    assert_eq!(case.detail(), "bot:42, team:7");
    assert_eq!(case.applied().user(|user| user.owns.clear()).says(), "delete gone; synced");
}

#[test]
fn a_protection_is_told_before_the_switch() {
    let case = known("jane").user(|user| user.account_owner = true).leaves().no_delete(true);
    assert_eq!(
        case.says(),
        "skip account-owner; pending",
        "it would stand in the way without the switch too"
    );
}

#[test]
fn protections_do_not_keep_the_directory_from_locking_somebody_out() {
    let case = known("jane").user(|user| user.account_owner = true).inactive();
    assert_eq!(case.says(), "disable directory-inactive; synced");
}
