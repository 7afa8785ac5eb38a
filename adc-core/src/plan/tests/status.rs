//! Who can log in: what the directory says, what an administrator says, and when each counts.

use super::*;

#[test]
fn whom_the_directory_marks_inactive_is_disabled_and_enabled_when_active_again() {
    let case = known("jane").inactive();
    assert_eq!(case.says(), "disable directory-inactive; synced");
    assert!(!case.line().removal, "locking out is no removal");
    let case = case.applied();
    assert_eq!(case.says(), "nothing; synced");
    assert_eq!(case.active().says(), "enable directory-active; synced");
}

#[test]
fn other_changes_travel_with_a_change_of_status() {
    let case = known("jane").inactive().renamed("jane.miller").applied();
    assert_eq!(case.linked.expect("has a user").username, "jane.miller");
}

#[test]
fn an_inactive_newcomer_is_created_disabled() {
    let case = newcomer("jane").inactive().applied();
    assert!(!case.can_log_in());
    assert_eq!(case.says(), "nothing; synced");
    assert_eq!(case.active().says(), "enable directory-active; synced");
}

#[test]
fn an_expiry_counts_from_the_runs_own_time() {
    let expiring = known("jane").changes(|record| record.expires_at = Some(NOW + 1)).applied();
    assert_eq!(expiring.says(), "nothing; synced");
    let mut expired = expiring;
    expired.now = NOW + 1;
    assert_eq!(expired.says(), "disable account-expired; synced");
    let prolonged = expired.applied().changes(|record| record.expires_at = Some(NOW + 2));
    assert_eq!(prolonged.says(), "enable directory-active; synced");
}

#[test]
fn whoever_is_marked_inactive_and_expired_is_told_as_inactive() {
    let case = known("jane").inactive().changes(|record| record.expires_at = Some(NOW));
    assert_eq!(case.says(), "disable directory-inactive; synced");
}

#[test]
fn whom_an_administrator_disabled_stays_disabled_whatever_the_directory_says() {
    let disabled = known("jane").administrator_disables();
    assert_eq!(disabled.says(), "nothing; synced");
    let inactive = disabled.inactive();
    assert_eq!(inactive.says(), "nothing; synced");
    assert_eq!(inactive.applied().active().says(), "nothing; synced");
}

#[test]
fn whom_an_administrator_enabled_stays_enabled_until_the_directory_flips() {
    let enabled = known("jane").inactive().applied().administrator_enables();
    assert_eq!(enabled.says(), "nothing; synced", "still inactive there");
    let active = enabled.active().applied();
    assert!(active.can_log_in());
    assert_eq!(active.inactive().says(), "disable directory-inactive; synced", "it flipped");
}

#[test]
fn an_administrators_word_stands_beside_other_changes() {
    let enabled = known("jane").inactive().applied().administrator_enables().renamed("jane.miller");
    assert_eq!(enabled.says(), "update changed; synced");
    assert!(enabled.applied().can_log_in());
    let disabled = known("jane").administrator_disables().renamed("jane.miller");
    assert_eq!(disabled.says(), "update changed; synced");
    assert!(!disabled.applied().can_log_in());
}

#[test]
fn an_administrators_word_stands_whatever_brought_the_user_here() {
    let settled_again = known("jane").inactive().applied().applied();
    for (how, case) in [
        ("created", newcomer("jane").inactive().applied()),
        ("updated", known("jane").inactive().applied()),
        ("in step", settled_again),
        ("restored", known("jane").leaves().applied().returns().inactive().applied()),
        ("adopted", newcomer("jane").inactive().name_held_by(local("jane")).adopting().applied()),
        ("in conflict", known("jane").broken().inactive().applied().changes(|record| record.problem = None)),
        ("disabled as a leaver", known("jane").leaves().delete_disables(true).applied().returns().inactive()),
        ("excluded", known("jane").excluded().delete_disables(true).applied().included().inactive()),
    ] {
        let enabled = case.administrator_enables();
        assert_eq!(enabled.says(), "nothing; synced", "{how}: the directory did not flip");
        assert_eq!(enabled.active().applied().inactive().line().action, Action::Disable, "{how}: it flipped");
    }
}

#[test]
fn with_create_as_disabled_newcomers_wait_for_an_administrator() {
    let case = newcomer("jane").create_as_disabled();
    assert_eq!(case.says(), "create new; synced");
    assert_eq!(case.next().status, UserStatus::Disabled);
    let waiting = case.applied();
    assert_eq!(waiting.says(), "nothing; synced");
    assert_eq!(waiting.clone().with(|settings| settings.create_as_disabled = None).says(), "nothing; synced");
    assert_eq!(waiting.clone().inactive().applied().active().says(), "nothing; synced");
    let enabled = waiting.administrator_enables();
    assert_eq!(enabled.says(), "nothing; synced");
    assert_eq!(enabled.inactive().says(), "disable directory-inactive; synced");
}

#[test]
fn a_waiting_newcomer_who_leaves_and_returns_still_waits() {
    for disables in [false, true] {
        let waiting = newcomer("jane").create_as_disabled().delete_disables(disables).applied();
        let back = waiting.leaves().applied().returns().with(|settings| settings.create_as_disabled = None);
        assert!(!back.applied().can_log_in());
    }
}
