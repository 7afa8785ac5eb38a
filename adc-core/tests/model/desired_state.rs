//! Applying a plan gives the state that the directory asks for, as far as names allow.

use crate::{
    account::Account,
    cases,
    directory::{Directory, Person},
    history::{Acts, history, play},
};
use adc_core::{
    plan::{ObjectStatus, Provider, UserStatus},
    reason::Reason,
    record::Kind,
    settings::Settings,
    text,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// No switch stands in the way of any change; how leavers go and whether local users are adopted may vary.
fn terms() -> impl Strategy<Value = Settings> + Clone {
    (any::<bool>(), any::<bool>()).prop_map(|(delete_disables, adopting)| Settings {
        delete_disables: Some(delete_disables),
        no_update_provider_mismatch: Some(!adopting),
        ..Settings::default()
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn applying_a_plan_gives_the_desired_state(steps in history(terms(), Acts::Adding)) {
        play(&steps, |account, directory, settings, now| {
            let before = account.clone();
            account.run(directory, settings, now);
            for (id, person) in directory.people.iter().filter(|(_, person)| !person.excluded) {
                if person.broken || has_rivals(id, person, directory) {
                    assert_stays_or_is_locked_out(account, id, person, now);
                } else {
                    assert_is_synced_or_has_to_wait(account, id, person, now);
                }
            }
            assert_leavers_are_gone(&before, account, directory, settings);
            assert_nobody_else_can_log_in(account, directory);
        });
    }
}

fn has_rivals(id: &str, person: &Person, directory: &Directory) -> bool {
    let mut others = directory
        .people
        .iter()
        .filter(|(other, rival)| *other != id && !rival.broken && !rival.excluded)
        .map(|(_, rival)| rival);
    let key = |badge: &Option<String>| badge.as_ref().map(|badge| text::key(badge).into_owned());
    others.any(|rival| {
        text::key(&rival.name) == text::key(&person.name)
            || person.badge.is_some() && key(&rival.badge) == key(&person.badge)
    })
}

fn assert_stays_or_is_locked_out(account: &Account, id: &str, person: &Person, now: i64) {
    if let Some(user) = account.linked(id)
        && !person.is_active_at(now)
    {
        assert_ne!(user.status, UserStatus::Active, "{id} is inactive and could log in");
    }
}

fn assert_is_synced_or_has_to_wait(account: &Account, id: &str, person: &Person, now: i64) {
    let (status, reason) = account.status(id).expect("was seen");
    if status == ObjectStatus::Synced {
        let user = account.linked(id).expect("who is synced has a user");
        let expected = if person.is_active_at(now) { UserStatus::Active } else { UserStatus::Disabled };
        assert_eq!(user.status, expected, "{id}");
    } else {
        assert_eq!(status, ObjectStatus::Conflict, "{id}");
        let holder = end_of_the_queue(account, id, &person.name);
        assert!(holder.is_some(), "{id} is in conflict ({reason:?}) over a name that could be had");
    }
}

/// Who keeps the name that `id` waits for, following those who themselves wait for a name; `None` if the name could
/// be had: nobody holds it, or those who wait for each other's names could swap.
fn end_of_the_queue(account: &Account, id: &str, name: &str) -> Option<String> {
    let (mut waiting, mut name) = (BTreeSet::from([id.to_owned()]), name.to_owned());
    loop {
        let holder = account.holder(&name)?;
        let Provider::Directory { source_id, .. } = &holder.provider else { return Some(holder.id.clone()) };
        if account.status(source_id) != Some((ObjectStatus::Conflict, Some(Reason::UsernameTaken))) {
            return Some(holder.id.clone());
        }
        if !waiting.insert(source_id.clone()) {
            return None;
        }
        let record = &account.mirror[&(Kind::User, source_id.clone())].record;
        name.clone_from(&record.name);
    }
}

/// Whoever left since the last run is deleted, or disabled where `delete-disables` says so.
fn assert_leavers_are_gone(before: &Account, after: &Account, directory: &Directory, settings: Settings) {
    for ((kind, id), mirrored) in &before.mirror {
        let was_there = mirrored.remembered.present && mirrored.remembered.status == ObjectStatus::Synced;
        if *kind == Kind::User && was_there && !directory.people.contains_key(id) {
            let expected = if settings.delete_disables == Some(true) {
                UserStatus::Disabled
            } else {
                UserStatus::Deleted
            };
            assert_eq!(after.linked(id).expect("was synced").status, expected, "{id}");
        }
    }
}

fn assert_nobody_else_can_log_in(account: &Account, directory: &Directory) {
    for user in account.users.values().filter(|user| user.status == UserStatus::Active) {
        if let Provider::Directory { source_id, .. } = &user.provider {
            let person = directory.people.get(source_id);
            assert!(person.is_some_and(|person| person.broken || !person.excluded), "{} can log in", user.id);
        }
    }
}
