//! What somebody must mend: names claimed twice or taken, broken data; and whom it locks out all the same.

use super::*;

#[test]
fn two_newcomers_who_claim_one_name_are_conflicts_that_name_both_dns() {
    let case = newcomer("jane").rivals(&["jane2"]);
    assert_eq!(case.says(), "conflict duplicate-username; conflict");
    assert_eq!(case.detail(), format!("jane: {} and {}", dn("jane"), dn("jane2")));
}

#[test]
fn an_incumbent_stays_and_is_kept_up_to_date_beside_rivals() {
    let incumbent = known("jane").rivals(&["jane2"]);
    assert_eq!(incumbent.says(), "nothing; synced");
    let changed = incumbent.changes(|record| record.email = None);
    assert_eq!(changed.says(), "update changed; synced");
}

#[test]
fn who_is_renamed_to_a_contested_name_is_no_incumbent() {
    let case = known("jane").renamed("john").rivals(&["john"]);
    assert_eq!(case.says(), "conflict duplicate-username; conflict");
    assert_eq!(case.applied().linked.expect("stays").username, "jane");
}

#[test]
fn a_deleted_user_is_no_incumbent() {
    let case = known("jane").leaves().applied().returns().rivals(&["jane2"]);
    assert_eq!(case.says(), "conflict duplicate-username; conflict");
}

#[test]
fn rivals_do_not_adopt() {
    let case = newcomer("jane").rivals(&["jane2"]).name_held_by(local("jane")).adopting();
    assert_eq!(case.says(), "conflict duplicate-username; conflict");
}

#[test]
fn a_name_that_does_not_become_free_is_a_conflict_that_names_its_holder() {
    for case in [newcomer("jane"), known("john").renamed("jane")] {
        let held = case.clone().name_held_by(colleague("jane"));
        assert_eq!(held.needs(), [("user-jane".to_owned(), "username".to_owned())]);
        assert!(held.line().action.is_effective());

        let kept = case.name_kept_by(colleague("jane"));
        assert_eq!(kept.says(), "conflict username-taken; conflict");
        assert!(kept.detail().contains(&format!("as {}", dn("jane"))), "{}", kept.detail());
    }
}

#[test]
fn a_broken_object_is_a_conflict_that_says_where_and_changes_nothing() {
    for case in [newcomer("jane").broken(), known("jane").renamed("john").broken()] {
        assert_eq!(case.says(), "conflict not-utf8; conflict");
        assert_eq!(case.detail(), "field title, attribute title");
        assert_eq!(case.line().next, None);
    }
}

#[test]
fn a_conflict_is_told_again_until_it_is_mended() {
    let again = newcomer("jane").broken().applied();
    assert_eq!(again.says(), "conflict not-utf8; conflict");
    assert_eq!(again.changes(|record| record.problem = None).says(), "create new; synced");
}

#[test]
fn a_conflict_locks_out_whom_the_directory_marks_inactive_and_changes_nothing_else() {
    for (case, why) in [
        (known("jane").broken(), "not-utf8"),
        (known("jane").renamed("john").rivals(&["john"]), "duplicate-username"),
        (known("jane").renamed("john").name_kept_by(local("john")), "username-taken"),
        (known("jane").shares("badge", "7", &["john"]), "duplicate-value"),
    ] {
        let case = case.inactive();
        assert_eq!(case.says(), format!("disable directory-inactive; conflict {why}"));
        assert!(case.detail().starts_with(&format!("{why}: ")), "{}", case.detail());
        let (next, before) = (case.next(), case.linked.clone().expect("has a user"));
        assert_eq!(
            (&next.username, &next.email, &next.fields),
            (&before.username, &before.email, &before.fields)
        );
        assert!(!case.line().removal);

        let after = case.applied();
        assert_eq!(after.says(), format!("conflict {why}; conflict"));
        assert!(!after.can_log_in());
    }
}

#[test]
fn a_conflict_locks_out_whose_account_expired() {
    let case = known("jane").broken().changes(|record| record.expires_at = Some(NOW));
    assert_eq!(case.says(), "disable account-expired; conflict not-utf8");
}

#[test]
fn who_was_locked_out_in_a_conflict_is_let_in_when_mended_and_active_again() {
    let case = known("jane").broken().inactive().applied().active();
    assert_eq!(case.says(), "conflict not-utf8; conflict", "a conflict lets nobody in");
    let mended = case.applied().changes(|record| record.problem = None);
    assert_eq!(mended.says(), "enable directory-active; synced");
}

#[test]
fn a_conflict_does_not_undo_what_an_administrator_decided() {
    let enabled = known("jane").inactive().applied().administrator_enables().broken();
    assert_eq!(enabled.says(), "conflict not-utf8; conflict", "the directory did not flip");
}

#[test]
fn no_update_leaves_an_inactive_person_in_a_conflict_as_they_are_and_the_next_run_catches_up() {
    let case = known("jane").broken().inactive().no_update(true);
    assert_eq!(case.says(), "conflict not-utf8; conflict");
    assert_eq!(case.applied().no_update(false).says(), "disable directory-inactive; conflict not-utf8");
}

#[test]
fn a_conflict_never_removes() {
    let case = known("jane").broken().excluded();
    assert_eq!(case.says(), "conflict not-utf8; conflict");
}

#[test]
fn nobody_of_another_provider_is_locked_out_by_a_conflict() {
    let case = newcomer("jane").inactive().rivals(&["jane2"]).name_held_by(local("jane"));
    assert_eq!(case.says(), "conflict duplicate-username; conflict");
}
