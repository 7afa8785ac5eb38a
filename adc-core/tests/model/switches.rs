//! Switches put off, they do not change where things end.
//!
//! Two accounts follow one directory: one in runs without switches, one with `dry-run`, `no-create`, `no-update` and
//! `no-delete` turned on and off. After a last run without switches, over a directory in which nothing is left to
//! mend, both hold the same people, groups and org units.
//!
//! What may differ, and why:
//!
//! - **Deleted users, and the mirror of what is gone.** Who came and went while a switch was on never was a user.
//! - **Who is the incumbent of a contested name or unique value.** It is whoever came first, and a switch may have
//!   kept the first one out. So the last directory is mended: no name is claimed twice, none is a local user's.
//! - **Names and badges of leavers where `delete-disables` is on.** A disabled leaver keeps them; who never was a user holds
//!   none. In the last directory nobody claims such a name or badge.
//!
//! Terms that say *how* something is done, not whether (`delete-disables`, `create-as-disabled`), stay as they are
//! during a history: changing them acts on new cases only. Adoption stays off, because it cannot be put off without
//! a difference: a local user who was adopted leaves with the directory's person, one who was not stays.

use crate::{
    account::{Account, local},
    cases,
    convergence::visible,
    directory::Directory,
    history::{Acts, any_settings, history, play},
};
use adc_core::{
    plan::{Action, Provider, UserStatus},
    settings::Settings,
    text,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn switches_turned_on_and_off_end_where_runs_without_them_would(
        steps in history(switches(), Acts::None),
        delete_disables in any::<bool>(),
        create_as_disabled in any::<bool>(),
    ) {
        let terms = Settings {
            delete_disables: Some(delete_disables),
            create_as_disabled: Some(create_as_disabled),
            ..Settings::default()
        };
        let (mut plain, mut switched) = (Account::default(), Account::default());
        for account in [&mut plain, &mut switched] {
            account.users.insert("local-ann".to_owned(), local("ann"));
        }
        let (mut last, mut then) = (Directory::default(), 0);
        play(&steps, |_, directory, switches, now| {
            plain.run(directory, terms, now);
            switched.run(directory, with(switches, terms), now);
            (last, then) = (directory.clone(), now);
        });
        let mended = last.mended(|what| kept(&last, [&plain, &switched], what));
        plain.run(&mended, terms, then);
        switched.run(&mended, terms, then);
        assert_eq!(visible(&switched), visible(&plain));
    }

    #[test]
    fn a_switch_keeps_what_it_says(steps in history(any_settings(), Acts::All)) {
        play(&steps, |account, directory, settings, now| {
            let plan = account.run(directory, settings, now);
            for (id, planned) in &plan.people {
                let Some(line) = planned.line().filter(|line| line.action.is_effective()) else { continue };
                let switch = if planned.removes() { settings.no_delete } else { switch_for(line.action, settings) };
                assert_eq!(switch, Some(false), "{id}: {} {}", line.action, line.reason);
            }
            for ((_, id), planned) in &plan.units {
                let Some(line) = &planned.decision.line else { continue };
                let switch = switch_for(line.action, settings);
                assert!(!line.action.is_effective() || switch == Some(false), "{id}: {} {}", line.action, line.reason);
            }
        });
    }
}

/// The switch that puts an action off.
fn switch_for(action: Action, settings: Settings) -> Option<bool> {
    match action {
        Action::Create | Action::Restore => settings.no_create,
        Action::Delete => settings.no_delete,
        _ => settings.no_update,
    }
}

/// The switches that put something off, in any combination.
fn switches() -> impl Strategy<Value = Settings> + Clone {
    proptest::array::uniform4(proptest::bool::weighted(0.25)).prop_map(
        |[dry_run, no_update, no_create, no_delete]| Settings {
            dry_run: Some(dry_run),
            no_update: Some(no_update),
            no_create: Some(no_create),
            no_delete: Some(no_delete),
            ..Settings::default()
        },
    )
}

fn with(switches: Settings, terms: Settings) -> Settings {
    Settings {
        delete_disables: terms.delete_disables,
        create_as_disabled: terms.create_as_disabled,
        ..switches
    }
}

/// The names or badges (their keys) of local users, and of people who left but are not deleted and would not be.
fn kept(directory: &Directory, accounts: [&Account; 2], what: &str) -> BTreeSet<String> {
    let keeps = |provider: &Provider| match provider {
        Provider::Local => true,
        Provider::Directory { source_id, .. } => {
            directory.people.get(source_id).is_none_or(|person| person.excluded)
        }
    };
    accounts
        .into_iter()
        .flat_map(|account| account.users.values())
        .filter(|user| user.status != UserStatus::Deleted && keeps(&user.provider))
        .filter_map(|user| user.value_of(what).map(|value| text::key(&value).into_owned()))
        .collect()
}
