//! People who come back: the same user, as far as the name is free.

use super::*;

#[test]
fn a_deleted_user_is_restored_as_the_same_with_what_the_directory_says_now() {
    let gone = known("jane").leaves().applied();
    let id = gone.linked.clone().expect("kept").id;
    let back = gone.returns().renamed("jane.miller");
    assert_eq!(back.says(), "restore returned; synced");
    let after = back.applied();
    let user = after.linked.clone().expect("restored");
    assert_eq!((user.id, user.username, user.status), (id, "jane.miller".to_owned(), UserStatus::Active));
    assert_eq!(after.says(), "nothing; synced");
}

#[test]
fn a_returning_user_whose_name_is_taken_by_now_is_a_conflict() {
    let back = known("jane").leaves().applied().returns();
    let contested = back.clone().name_held_by(colleague("jane"));
    assert_eq!(contested.needs(), [("user-jane".to_owned(), "username".to_owned())]);
    let kept = back.name_kept_by(colleague("jane"));
    assert_eq!(kept.says(), "conflict username-taken; conflict");
    assert_eq!(kept.applied().linked.expect("kept").status, UserStatus::Deleted);
}

#[test]
fn who_returns_inactive_is_restored_disabled() {
    let back = known("jane").leaves().applied().returns().inactive().applied();
    assert!(!back.can_log_in());
    assert_eq!(back.active().says(), "enable directory-active; synced");
}

#[test]
fn whom_an_administrator_disabled_is_restored_disabled_and_stays_so() {
    let back = known("jane").administrator_disables().leaves().applied().returns().applied();
    assert!(!back.can_log_in());
    assert_eq!(back.inactive().applied().active().says(), "nothing; synced");
}

#[test]
fn whom_an_administrator_enabled_is_the_directorys_again_once_deleted() {
    let enabled = known("jane").inactive().applied().administrator_enables();
    let back = enabled.leaves().applied().returns();
    assert!(!back.clone().applied().can_log_in(), "the directory still says inactive");
    assert!(back.active().applied().can_log_in());
}

#[test]
fn a_returning_leaver_who_was_disabled_is_enabled() {
    let back = known("jane").leaves().delete_disables(true).applied().returns();
    assert_eq!(back.says(), "enable returned; synced");
    assert!(back.applied().can_log_in());
}

#[test]
fn a_returning_leaver_whom_an_administrator_disabled_stays_disabled() {
    let before = known("jane").administrator_disables().leaves().delete_disables(true).applied().returns();
    assert_eq!(before.says(), "nothing; synced");
    let after = known("jane").leaves().delete_disables(true).applied().administrator_disables().returns();
    assert_eq!(after.says(), "nothing; synced");
}

#[test]
fn a_returning_leaver_whom_the_directory_marks_inactive_stays_disabled() {
    let back = known("jane").leaves().delete_disables(true).applied().returns().inactive();
    assert_eq!(back.says(), "nothing; synced");
    assert_eq!(back.applied().active().says(), "enable directory-active; synced");
}

#[test]
fn no_create_puts_a_restoration_off() {
    let back = known("jane").leaves().applied().returns().no_create(true);
    assert_eq!(back.says(), "skip setting-no-create; pending");
    assert_eq!(back.applied().no_create(false).says(), "restore returned; synced");
}

#[test]
fn create_as_disabled_restores_disabled() {
    let back = known("jane").leaves().applied().returns().create_as_disabled().applied();
    assert!(!back.can_log_in());
    assert_eq!(back.says(), "nothing; synced");
}
