//! Users of another provider: left alone, or adopted; owners and administrators never.

use super::*;

fn of_another_synchronization(name: &str) -> User {
    User {
        provider: Provider::Directory {
            synchronization_id: "sync-elsewhere".to_owned(),
            source_id: "7".to_owned(),
            dn: format!("cn={name},dc=elsewhere"),
        },
        ..local(name)
    }
}

#[test]
fn a_user_of_another_provider_is_left_alone_with_a_conflict_that_names_it() {
    for (holder, told) in [
        (local("jane"), "user jane (local-jane) is a local user"),
        (
            of_another_synchronization("jane"),
            "user jane (local-jane) belongs to sync-elsewhere as cn=jane,dc=elsewhere",
        ),
    ] {
        let case = newcomer("jane").name_held_by(holder);
        assert_eq!(case.says(), "conflict provider-mismatch; conflict");
        assert_eq!(case.detail(), told);
        assert_eq!(case.line().next, None);
    }
}

#[test]
fn with_the_switch_off_the_user_is_adopted_and_carries_the_directorys_fields() {
    for holder in [local("Jane"), of_another_synchronization("jane")] {
        let case = newcomer("jane").name_held_by(holder).adopting();
        assert_eq!(case.says(), "update adopted; synced");
        assert_eq!(case.next().email.as_deref(), Some("jane@lg.local"));
        assert_eq!(case.applied().says(), "nothing; synced");
    }
}

#[test]
fn owners_and_administrators_are_never_adopted() {
    let marks: [fn(&mut User); 2] = [|user| user.account_owner = true, |user| user.administrator = true];
    for mark in marks {
        let mut holder = local("jane");
        mark(&mut holder);
        let case = newcomer("jane").name_held_by(holder);
        assert_eq!(case.clone().adopting().says(), "conflict adoption-protected; conflict");
        assert_eq!(case.says(), "conflict provider-mismatch; conflict");
    }
}

#[test]
fn no_update_puts_an_adoption_off() {
    let case = newcomer("jane").name_held_by(local("jane")).adopting().no_update(true);
    assert_eq!(case.says(), "skip setting-no-update; pending");
    assert_eq!(case.applied().no_update(false).says(), "update adopted; synced");
}

#[test]
fn no_create_does_not_stand_in_the_way_of_an_adoption() {
    let case = newcomer("jane").name_held_by(local("jane")).adopting().no_create(true);
    assert_eq!(case.says(), "update adopted; synced");
}

#[test]
fn whom_an_administrator_disabled_stays_disabled_when_adopted() {
    let holder = User { status: UserStatus::Disabled, ..local("jane") };
    let case = newcomer("jane").name_held_by(holder).adopting().applied();
    assert!(!case.can_log_in());
    assert_eq!(case.clone().inactive().applied().active().says(), "nothing; synced");
}

#[test]
fn whom_the_directory_marks_inactive_is_disabled_when_adopted() {
    let case = newcomer("jane").inactive().name_held_by(local("jane")).adopting().applied();
    assert!(!case.can_log_in());
    assert_eq!(case.active().says(), "enable directory-active; synced");
}

#[test]
fn a_leaver_of_another_directory_who_works_here_was_adopted_and_stayed_locked_out() {
    let holder = User {
        status: UserStatus::Disabled,
        status_by: StatusBy::Directory,
        ..of_another_synchronization("jane")
    };
    let case = newcomer("jane").name_held_by(holder).adopting().applied();
    assert!(case.can_log_in());
    assert_eq!(case.says(), "nothing; synced");
}

#[test]
fn two_synchronizations_that_both_adopt_took_from_each_other_at_every_run() {
    let lost = newcomer("jane").taken_over_by("branch", of_another_synchronization("jane"));
    for case in [lost.clone(), lost.adopting()] {
        assert_eq!(case.says(), "conflict adopted-elsewhere; conflict");
        assert_eq!(
            case.detail(),
            "user jane (local-jane) belongs to sync-elsewhere as cn=jane,dc=elsewhere, which is called \"branch\""
        );
    }
}

#[test]
fn an_adoption_says_from_where() {
    let provider = |holder: User| {
        let Difference { before, after } = newcomer("jane").name_held_by(holder).adopting().line().difference;
        [before, after].map(|side| side.expect("something differs")["synchronization"].clone())
    };
    assert_eq!(provider(local("jane")), ["local", HERE]);
    assert_eq!(provider(of_another_synchronization("jane")), ["sync-elsewhere", HERE]);
}

#[test]
fn a_renamed_person_does_not_adopt_the_user_of_the_new_name() {
    let case = known("jane").renamed("john").name_held_by(local("john")).adopting();
    assert_eq!(case.needs(), [("local-john".to_owned(), "username".to_owned())]);
    let settled = case.name_kept_by(local("john"));
    assert_eq!(settled.says(), "conflict username-taken; conflict");
}

#[test]
fn a_returning_person_does_not_adopt_who_has_the_name_by_now() {
    let case = known("jane").leaves().applied().returns().adopting().name_kept_by(local("jane"));
    assert_eq!(case.says(), "conflict username-taken; conflict");
}

#[test]
fn only_the_current_provider_removes_a_user() {
    let adopted_elsewhere = known("jane").user(|user| user.provider = Provider::Local).leaves();
    assert_eq!(adopted_elsewhere.says(), "nothing; synced");
    assert_eq!(adopted_elsewhere.returns().excluded().says(), "skip excluded-by-rule; excluded");
}
