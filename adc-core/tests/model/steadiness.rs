//! What was applied stays applied: planning it again changes nothing, and what is called synced is in step.

use crate::{
    account::Account,
    cases,
    directory::Directory,
    history::{Acts, any_settings, history, play},
};
use adc_core::{
    plan::{ObjectStatus, UserStatus},
    record::Kind,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn planning_what_was_just_applied_changes_nothing(steps in history(any_settings(), Acts::All)) {
        play(&steps, |account, directory, settings, now| {
            account.run(directory, settings, now);
            assert_eq!(account.plan(directory, settings, now).effects(), BTreeMap::new());
            assert_eq!(account.plan_everything(directory, settings, now).effects(), BTreeMap::new());
        });
    }

    /// An unchanged directory costs nothing to plan, and still nobody is forgotten.
    #[test]
    fn what_is_neither_touched_nor_unsettled_nor_expired_needs_no_line(steps in history(any_settings(), Acts::All)) {
        play(&steps, |account, directory, settings, now| {
            let plan = account.plan(directory, settings, now);
            assert_eq!(plan.lines(), account.plan_everything(directory, settings, now).lines());
            account.apply(&plan);
        });
    }

    #[test]
    fn no_object_is_left_out_and_who_is_called_synced_is_in_step(steps in history(any_settings(), Acts::All)) {
        play(&steps, |account, directory, settings, now| {
            account.run(directory, settings, now);
            assert_nobody_is_left_out(account, directory);
            assert_synced_people_are_in_step(account);
            assert_synced_units_are_in_step(account);
        });
    }
}

fn assert_nobody_is_left_out(account: &Account, directory: &Directory) {
    for record in directory.records() {
        let mirrored = &account.mirror[&(record.kind, record.source_id.clone())];
        assert!(mirrored.remembered.present);
        assert_eq!(mirrored.record.digest(), record.digest());
        let why = mirrored.remembered.status != ObjectStatus::Synced;
        assert!(
            !why || mirrored.reason.is_some(),
            "{} is not synced, and nobody knows why",
            record.source_id
        );
    }
}

fn assert_synced_people_are_in_step(account: &Account) {
    let synced = account.mirror.iter().filter(|((kind, _), mirrored)| {
        *kind == Kind::User && mirrored.remembered.status == ObjectStatus::Synced
    });
    for ((_, id), mirrored) in synced {
        let user = account.linked(id);
        if mirrored.remembered.present {
            let (user, record) = (user.expect("who is synced has a user"), &mirrored.record);
            assert_ne!(user.status, UserStatus::Deleted);
            assert_eq!(
                (&user.username, &user.email, &user.fields),
                (&record.name, &record.email, &record.fields)
            );
            assert_eq!(user.provider.dn(), record.dn);
        }
    }
}

fn assert_synced_units_are_in_step(account: &Account) {
    for (key, mirrored) in account.mirror.iter().filter(|((kind, _), _)| *kind != Kind::User) {
        let held = account.units.get(key);
        if mirrored.remembered.status != ObjectStatus::Synced {
            continue;
        }
        if mirrored.remembered.present {
            let (held, record) = (held.expect("what is synced is held"), &mirrored.record);
            assert!(!held.unit.deleted);
            assert_eq!((&held.unit.name, &held.unit.dn), (&record.name, &record.dn));
            assert_eq!(held.members, crate::facts::members(record));
        } else {
            assert!(held.is_none_or(|held| held.unit.deleted));
        }
    }
}
