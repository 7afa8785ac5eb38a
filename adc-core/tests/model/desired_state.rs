//! Applying a plan gives the state that the directory asks for, as far as names allow.

use crate::{
    account::Account,
    cases,
    directory::{Directory, Person, UNIQUE_FIELD},
    history::{Acts, history, play},
};
use adc_core::{
    plan::{ObjectStatus, Provider, User, UserStatus, names::USERNAME},
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
                    assert_is_synced_or_has_to_wait(account, directory, id, now);
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

fn assert_is_synced_or_has_to_wait(account: &Account, directory: &Directory, id: &str, now: i64) {
    let (status, reason) = account.status(id).expect("was seen");
    if status == ObjectStatus::Synced {
        let user = account.linked(id).expect("who is synced has a user");
        let active = directory.people[id].is_active_at(now);
        let expected = if active { UserStatus::Active } else { UserStatus::Disabled };
        assert_eq!(user.status, expected, "{id}");
    } else {
        assert_eq!(status, ObjectStatus::Conflict, "{id}");
        let wait_in_vain = in_conflict_over_what_could_be_had(account, directory);
        assert!(!wait_in_vain.contains(id), "{id} is in conflict ({reason:?}) over what could be had");
    }
}

/// Who could have the names and badges that they claim, all at once: nobody holds those, or they who do are among them and
/// claim others.
fn in_conflict_over_what_could_be_had<'d>(account: &Account, directory: &'d Directory) -> BTreeSet<&'d str> {
    let people = directory.people.iter().filter(|(id, person)| {
        let in_conflict = account.status(id).is_some_and(|(status, _)| status == ObjectStatus::Conflict);
        in_conflict && !person.broken && !person.excluded && !has_rivals(id, person, directory)
    });
    let mut waiting: BTreeSet<&str> = people.map(|(id, _)| id.as_str()).collect();
    while let Some(refused) = waiting.iter().copied().find(|id| is_refused(account, directory, &waiting, id))
    {
        waiting.remove(refused);
    }
    waiting
}

/// Whether somebody keeps what a person claims, even if all who are waiting got what they claim.
fn is_refused(account: &Account, directory: &Directory, waiting: &BTreeSet<&str>, id: &str) -> bool {
    let claims = |id: &str| {
        let person = &directory.people[id];
        [(USERNAME, Some(person.name.clone())), (UNIQUE_FIELD, person.badge.clone())]
    };
    let own = account.linked(id);
    claims(id).into_iter().filter_map(|(what, value)| Some((what, value?))).any(|(what, value)| {
        let claims_it = |source_id: &str| {
            let mut others = claims(source_id).into_iter().filter(|(other, _)| *other == what);
            others.any(|(_, next)| next.is_some_and(|next| text::key(&next) == text::key(&value)))
        };
        let gives_up = |source_id: &str| waiting.contains(source_id) && !claims_it(source_id);
        let keeps = |user: &&User| match &user.provider {
            Provider::Local => true,
            Provider::Directory { source_id, .. } => !gives_up(source_id),
        };
        !own.is_some_and(|own| own.holds(what, &value))
            && account.users.values().filter(|user| user.holds(what, &value)).any(|user| keeps(&user))
    })
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
