//! `no-create`, `no-update`, `no-delete`: a skip that says so, and the first run without the switch catches up.

use super::*;

#[test]
fn no_create_skips_newcomers_and_the_next_run_without_it_catches_up() {
    let case = newcomer("jane").no_create(true);
    assert_eq!(case.says(), "skip setting-no-create; pending");
    let again = case.applied();
    assert_eq!(again.says(), "skip setting-no-create; pending", "every run says so");
    assert_eq!(again.no_create(false).says(), "create new; synced");
}

#[test]
fn without_auto_synchronization_people_are_recognized_and_nobody_is_added() {
    let case = newcomer("jane").recognizes_only(true);
    assert_eq!(case.says(), "skip no-auto-synchronization; pending");
    assert_eq!(case.applied().recognizes_only(false).says(), "create new; synced");
    let back = known("jane").leaves().applied().returns();
    assert_eq!(back.recognizes_only(true).says(), "skip no-auto-synchronization; pending");
    // Whom the account has is kept up to date, locked out and removed, and who was made here can be taken over.
    assert_eq!(known("jane").renamed("john").recognizes_only(true).says(), "update changed; synced");
    assert_eq!(known("jane").inactive().recognizes_only(true).says(), "disable directory-inactive; synced");
    assert_eq!(known("jane").leaves().recognizes_only(true).says(), "delete gone; synced");
    let made_here = newcomer("jane").name_held_by(local("jane")).adopting();
    assert_eq!(made_here.recognizes_only(true).says(), "update adopted; synced");
}

#[test]
fn no_update_skips_changes_and_the_next_run_without_it_catches_up() {
    let changes: [fn(Case) -> Case; 4] = [
        |case| case.renamed("john"),
        |case| case.changes(|record| record.dn = dn("elsewhere")),
        |case| case.changes(|record| record.fields.clear()),
        Case::inactive,
    ];
    for change in changes {
        let case = change(known("jane")).no_update(true);
        assert_eq!(case.says(), "skip setting-no-update; pending");
        let caught_up = case.applied().no_update(false).applied();
        let user = caught_up.linked.as_ref().expect("has a user");
        assert_eq!((&user.username, &user.fields), (&caught_up.record.name, &caught_up.record.fields));
        assert_eq!(caught_up.can_log_in(), caught_up.record.active);
        assert_eq!(caught_up.says(), "nothing; synced");
    }
}

#[test]
fn no_update_makes_no_line_where_nothing_differs() {
    assert_eq!(known("jane").no_update(true).says(), "nothing; synced");
}

#[test]
fn no_update_remembers_that_the_directory_flipped_meanwhile() {
    let skipped = known("jane").inactive().no_update(true).applied();
    assert_eq!(skipped.clone().no_update(false).says(), "disable directory-inactive; synced");
    assert_eq!(skipped.active().no_update(false).says(), "nothing; synced", "it flipped back");
}

#[test]
fn no_update_keeps_a_returning_leaver_out_and_the_next_run_without_it_catches_up() {
    let skipped = known("jane").leaves().delete_disables(true).applied().returns().no_update(true);
    assert_eq!(skipped.says(), "skip setting-no-update; pending");
    assert_eq!(skipped.applied().no_update(false).line().action, Action::Enable);
}

#[test]
fn no_delete_skips_leavers_and_the_next_run_without_it_catches_up() {
    for (disables, action) in [(false, "delete"), (true, "disable")] {
        let case = known("jane").leaves().delete_disables(disables).no_delete(true);
        assert_eq!(case.says(), "skip setting-no-delete; pending");
        assert!(!case.line().removal, "what is skipped does not count for the guards");
        let again = case.applied();
        assert_eq!(again.says(), "skip setting-no-delete; pending", "every run says so");
        assert_eq!(again.no_delete(false).says(), format!("{action} gone; synced"));
    }
}

#[test]
fn whom_no_delete_kept_and_who_returned_is_in_step() {
    let back = known("jane").leaves().no_delete(true).applied().returns();
    assert_eq!(back.says(), "nothing; synced");
}

#[test]
fn whom_no_delete_kept_and_who_returns_inactive_is_locked_out() {
    let back = known("jane").leaves().no_delete(true).applied().returns().inactive();
    assert_eq!(back.says(), "disable directory-inactive; synced");
}

#[test]
fn whom_no_delete_kept_after_an_administrator_disabled_them_stays_disabled_on_return() {
    let back = known("jane").administrator_disables().leaves().no_delete(true).applied().returns();
    assert_eq!(back.says(), "nothing; synced");
}

#[test]
fn the_switches_do_not_touch_each_others_lines() {
    assert_eq!(newcomer("jane").no_update(true).no_delete(true).says(), "create new; synced");
    assert_eq!(
        known("jane").renamed("john").no_create(true).no_delete(true).says(),
        "update changed; synced"
    );
    assert_eq!(known("jane").leaves().no_create(true).no_update(true).says(), "delete gone; synced");
    assert_eq!(known("jane").inactive().no_delete(true).says(), "disable directory-inactive; synced");
}

#[test]
fn dry_run_decides_as_an_applied_run_does() {
    for case in [newcomer("jane"), known("jane").renamed("john"), known("jane").leaves()] {
        let dry = case.clone().with(|settings| settings.dry_run = Some(true));
        assert_eq!(dry.decide(), case.decide());
    }
}
