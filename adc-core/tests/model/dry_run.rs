//! A dry run changes nothing and predicts exactly what an apply does; a plan's lines show exactly what changes.

use crate::{
    account::{Account, HERE},
    cases,
    history::{Acts, any_settings, history, play},
    plan::Plan,
};
use adc_core::{
    plan::{Action, NextUser, Provider, User},
    settings::Settings,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_dry_run_changes_nothing_and_predicts_the_apply(steps in history(any_settings(), Acts::All)) {
        play(&steps, |account, directory, settings, now| {
            let before = account.clone();
            let preview = account.run(directory, Settings { dry_run: Some(true), ..settings }, now);
            assert_eq!(*account, before);
            let plan = account.run(directory, settings, now);
            assert_eq!(plan, preview);
            assert_shows_exactly_what_changed(&plan, &before, account);
        });
    }
}

/// Whoever has no effective line stays as they are; and each line's two sides are the user before and after.
fn assert_shows_exactly_what_changed(plan: &Plan, before: &Account, after: &Account) {
    let (mut untouched, mut created) = (before.users.clone(), 0);
    for planned in plan.people.values() {
        let Some(line) = planned.line().filter(|line| line.action.is_effective()) else { continue };
        untouched.remove(&planned.user);
        let is = shown(&after.users[&planned.user]);
        if line.action == Action::Create {
            assert_eq!(is, announced(line.next.as_ref().expect("a creation says what comes")));
            created += 1;
            continue;
        }
        let was = shown(&before.users[&planned.user]);
        let [shown_before, shown_after] =
            [&line.difference.before, &line.difference.after].map(|side| side.clone().unwrap_or_default());
        assert_eq!(overlay(was.clone(), &shown_before), was, "{}: what was", planned.user);
        assert_eq!(overlay(was, &shown_after), is, "{}: what is", planned.user);
    }
    for (id, user) in untouched {
        assert_eq!(after.users[&id], user);
    }
    assert_eq!(after.users.len(), before.users.len() + created);
}

/// What a line may show of a user.
fn shown(user: &User) -> Map<String, Value> {
    let mut shown = announced(&NextUser {
        username: user.username.clone(),
        email: user.email.clone(),
        fields: user.fields.clone(),
        manager_key: user.manager_key,
        status: user.status,
        status_by: user.status_by,
        dn: user.provider.dn().to_owned(),
    });
    if user.provider == Provider::Local {
        shown.insert("synchronization".to_owned(), "local".into());
    }
    shown
}

/// The same, of a user to come.
fn announced(next: &NextUser) -> Map<String, Value> {
    let shown = json!({
        "username": next.username,
        "email": next.email,
        "status": next.status.as_str(),
        "dn": next.dn,
        "fields": next.fields,
        "synchronization": HERE,
    });
    shown.as_object().expect("an object is an object").clone()
}

/// `user` with one side of a line put on top: a field that is null there has no value.
fn overlay(mut user: Map<String, Value>, side: &Map<String, Value>) -> Map<String, Value> {
    for (key, value) in side {
        match (user.get_mut(key), value) {
            (Some(Value::Object(fields)), Value::Object(changed)) => {
                fields.extend(changed.clone());
                fields.retain(|_, value| !value.is_null());
            }
            _ => {
                user.insert(key.clone(), value.clone());
            }
        }
    }
    user
}
