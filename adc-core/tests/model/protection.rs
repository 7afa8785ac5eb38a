//! Whom a directory must not touch: owners, administrators, whoever owns something, and users of others.

use crate::{
    account::HERE,
    cases,
    history::{Acts, any_settings, history, play},
};
use adc_core::plan::{Provider, UserStatus};
use adc_core::reason::Reason;
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn owners_are_never_removed_and_never_adopted(steps in history(any_settings(), Acts::All)) {
        play(&steps, |account, directory, settings, now| {
            let before = account.clone();
            let plan = account.run(directory, settings, now);
            for planned in plan.people.values() {
                let (Some(line), Some(user)) = (planned.line(), before.users.get(&planned.user)) else { continue };
                assert!(!planned.removes() || !user.account_owner && user.owns.is_empty(), "{} was removed", user.id);
                let adopted = line.reason == Reason::Adopted;
                assert!(!adopted || !user.account_owner && !user.administrator, "{} was adopted", user.id);
            }
            for user in before.users.values().filter(|user| user.account_owner || !user.owns.is_empty()) {
                let deleted = account.users[&user.id].status == UserStatus::Deleted;
                assert!(!deleted || user.status == UserStatus::Deleted, "{} was deleted", user.id);
            }
        });
    }

    #[test]
    fn users_of_another_provider_are_never_changed_unless_adopted(steps in history(any_settings(), Acts::All)) {
        play(&steps, |account, directory, settings, now| {
            let before = account.clone();
            let plan = account.run(directory, settings, now);
            let adopted: Vec<_> = plan
                .people
                .values()
                .filter(|planned| planned.line().is_some_and(|line| {
                    line.reason == Reason::Adopted && line.action.is_effective()
                }))
                .map(|planned| planned.user.as_str())
                .collect();
            assert!(adopted.is_empty() || settings.no_update_provider_mismatch == Some(false));
            for user in before.users.values().filter(|user| user.provider == Provider::Local) {
                if adopted.contains(&user.id.as_str()) {
                    assert!(matches!(
                        &account.users[&user.id].provider,
                        Provider::Directory { synchronization_id, .. } if synchronization_id == HERE
                    ));
                } else {
                    assert_eq!(account.users[&user.id], *user);
                }
            }
        });
    }

    #[test]
    fn whom_an_administrator_disabled_no_directory_lets_in(steps in history(any_settings(), Acts::All)) {
        use adc_core::plan::StatusBy;
        play(&steps, |account, directory, settings, now| {
            let before = account.clone();
            account.run(directory, settings, now);
            for user in before.users.values() {
                let kept_out = user.status != UserStatus::Active && user.status_by != StatusBy::Directory;
                assert!(!kept_out || account.users[&user.id].status != UserStatus::Active, "{} was let in", user.id);
            }
        });
    }
}
