//! Once nothing is left to mend, one run brings everybody in step, whatever went before.

use crate::{
    account::Account,
    cases,
    directory::Directory,
    history::{Acts, any_settings, history, play},
};
use adc_core::{
    plan::{ObjectStatus, UserStatus},
    settings::Settings,
    text,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn one_run_over_a_mended_directory_heals_everything(steps in history(any_settings(), Acts::Adding)) {
        let (mut account, mut last, mut then) = (Account::default(), Directory::default(), 0);
        play(&steps, |played, directory, settings, now| {
            played.run(directory, settings, now);
            (account, last, then) = (played.clone(), directory.clone(), now);
        });
        let mended = last.mended(|what| kept(&account, &last, what));
        account.run(&mended, Settings::default(), then);
        for (id, person) in &mended.people {
            let expected = if person.excluded { ObjectStatus::Excluded } else { ObjectStatus::Synced };
            assert_eq!(account.status(id).map(|(status, _)| status), Some(expected), "{id}");
            if !person.excluded {
                assert_eq!(account.linked(id).expect("has a user").username, person.name);
            }
        }
        let everything = account.plan_everything(&mended, Settings::default(), then);
        assert_eq!(everything.lines(), BTreeMap::new());
    }
}

/// What people see of an account: users who are not deleted, and groups and org units with their members.
pub(crate) fn visible(account: &Account) -> BTreeMap<String, String> {
    let users = account
        .users
        .values()
        .filter(|user| user.status != UserStatus::Deleted)
        // Somebody who left and was disabled is as little there as who never came.
        .filter(|user| {
            user.provider.dn().is_empty() || user.status == UserStatus::Active || is_there(account, &user.id)
        })
        .map(|user| (user.id.clone(), format!("{user:?}")));
    let units = account
        .units
        .values()
        .filter(|held| !held.unit.deleted)
        .map(|held| (held.unit.id.clone(), format!("{held:?}")));
    users.chain(units).collect()
}

fn is_there(account: &Account, user: &str) -> bool {
    account.mirror.iter().any(|((_, id), mirrored)| {
        mirrored.remembered.present
            && mirrored.remembered.status != ObjectStatus::Excluded
            && account.linked(id).is_some_and(|linked| linked.id == user)
    })
}

/// The names or badges (their keys) of users whom this run will not make give them up: local ones, and disabled leavers.
fn kept(account: &Account, directory: &Directory, what: &str) -> BTreeSet<String> {
    account
        .users
        .values()
        .filter(|user| user.status != UserStatus::Deleted)
        .filter(|user| {
            directory
                .people
                .keys()
                .filter(|id| !directory.people[*id].excluded)
                .all(|id| account.linked(id).is_none_or(|linked| linked.id != user.id))
        })
        .filter_map(|user| user.value_of(what).map(|value| text::key(&value).into_owned()))
        .collect()
}
