//! Names that change hands, and other stories that take more than one person.

use crate::{
    account::{Account, local},
    directory::{Directory, person},
};
use adc_core::{
    plan::{ObjectStatus, UserStatus},
    reason::Reason,
    settings::Settings,
};

/// An account in step with a directory of people.
fn in_step_with(people: &[(&str, &str)]) -> (Account, Directory) {
    let (mut account, directory) = (Account::default(), Directory::of(people));
    account.run(&directory, Settings::default(), 0);
    (account, directory)
}

fn run(account: &mut Account, directory: &Directory) {
    account.run(directory, Settings::default(), 0);
}

/// Who holds which name: `name=id`, sorted.
fn holders(account: &Account) -> Vec<String> {
    account.index().into_iter().map(|(name, id)| format!("{name}={id}")).collect()
}

fn status(account: &Account, id: &str) -> (ObjectStatus, Option<Reason>) {
    account.status(id).expect("was seen")
}

const SYNCED: (ObjectStatus, Option<Reason>) = (ObjectStatus::Synced, None);

fn conflict(reason: Reason) -> (ObjectStatus, Option<Reason>) {
    (ObjectStatus::Conflict, Some(reason))
}

#[test]
fn two_people_swap_names() {
    let (mut account, _) = in_step_with(&[("1", "ann"), ("2", "ben")]);
    run(&mut account, &Directory::of(&[("1", "ben"), ("2", "ann")]));
    assert_eq!(holders(&account), ["ann=user-2", "ben=user-1"]);
}

#[test]
fn three_people_pass_their_names_around() {
    let (mut account, _) = in_step_with(&[("1", "ann"), ("2", "ben"), ("3", "cem")]);
    run(&mut account, &Directory::of(&[("1", "ben"), ("2", "cem"), ("3", "ann")]));
    assert_eq!(holders(&account), ["ann=user-3", "ben=user-1", "cem=user-2"]);
}

#[test]
fn a_chain_of_names_moves_when_its_last_leaves() {
    let (mut account, _) = in_step_with(&[("1", "ann"), ("2", "ben"), ("3", "cem")]);
    run(&mut account, &Directory::of(&[("0", "ann"), ("1", "ben"), ("2", "cem")]));
    assert_eq!(holders(&account), ["ann=user-0", "ben=user-1", "cem=user-2"]);
}

#[test]
fn a_chain_of_names_stands_when_its_last_stays() {
    let (mut account, _) = in_step_with(&[("1", "ann"), ("2", "ben")]);
    account.users.insert("local-cem".to_owned(), local("cem"));
    run(&mut account, &Directory::of(&[("0", "ann"), ("1", "ben"), ("2", "cem")]));
    assert_eq!(holders(&account), ["ann=user-1", "ben=user-2", "cem=local-cem"]);
    for id in ["0", "1", "2"] {
        assert_eq!(status(&account, id), conflict(Reason::UsernameTaken), "{id}");
    }
}

#[test]
fn a_joiner_gets_a_leavers_name() {
    let (mut account, _) = in_step_with(&[("1", "ann")]);
    run(&mut account, &Directory::of(&[("2", "ann")]));
    assert_eq!(holders(&account), ["ann=user-2"]);
    assert_eq!(account.users["user-1"].status, UserStatus::Deleted);
}

#[test]
fn a_disabled_leaver_keeps_the_name_and_the_joiner_waits() {
    let (mut account, _) = in_step_with(&[("1", "ann")]);
    let directory = Directory::of(&[("2", "ann")]);
    account.run(&directory, Settings { delete_disables: Some(true), ..Settings::default() }, 0);
    assert_eq!(holders(&account), ["ann=user-1"]);
    assert_eq!(status(&account, "2"), conflict(Reason::UsernameTaken));
}

#[test]
fn a_joiner_waits_for_a_leaver_whom_no_delete_keeps() {
    let (mut account, _) = in_step_with(&[("1", "ann")]);
    let directory = Directory::of(&[("2", "ann")]);
    account.run(&directory, Settings { no_delete: Some(true), ..Settings::default() }, 0);
    assert_eq!(status(&account, "2"), conflict(Reason::UsernameTaken));
    run(&mut account, &directory);
    assert_eq!(holders(&account), ["ann=user-2"]);
}

#[test]
fn a_leaver_whose_name_was_given_away_cannot_come_back_under_it() {
    let (mut account, _) = in_step_with(&[("1", "ann")]);
    run(&mut account, &Directory::of(&[("2", "ann")]));
    run(&mut account, &Directory::of(&[("1", "ann"), ("2", "ann")]));
    assert_eq!(status(&account, "1"), conflict(Reason::DuplicateUsername));
    assert_eq!(status(&account, "2"), SYNCED, "the incumbent stays");
    run(&mut account, &Directory::of(&[("1", "anna"), ("2", "ann")]));
    assert_eq!(holders(&account), ["ann=user-2", "anna=user-1"]);
}

#[test]
fn newcomers_who_claim_one_name_wait_and_the_rest_proceeds() {
    let (account, _) = in_step_with(&[("1", "ann"), ("2", "Ann"), ("3", "ben")]);
    assert_eq!(holders(&account), ["ben=user-3"]);
    for id in ["1", "2"] {
        assert_eq!(status(&account, id), conflict(Reason::DuplicateUsername));
    }
}

#[test]
fn when_one_of_two_rivals_gives_way_the_other_is_created_though_nothing_changed_for_it() {
    let (mut account, _) = in_step_with(&[("1", "ann"), ("2", "ann")]);
    run(&mut account, &Directory::of(&[("1", "ann"), ("2", "ben")]));
    assert_eq!(holders(&account), ["ann=user-1", "ben=user-2"]);
}

#[test]
fn a_newcomer_does_not_get_the_name_of_somebody_who_cannot_be_renamed() {
    let (mut account, _) = in_step_with(&[("1", "ann"), ("2", "ben")]);
    // 1 should be called ben, which 3 claims too; so 1 stays ann, and 4 has to wait for that.
    run(&mut account, &Directory::of(&[("1", "ben"), ("2", "cem"), ("3", "ben"), ("4", "ann")]));
    assert_eq!(holders(&account), ["ann=user-1", "cem=user-2"]);
    assert_eq!(status(&account, "1"), conflict(Reason::DuplicateUsername));
    assert_eq!(status(&account, "4"), conflict(Reason::UsernameTaken));
}

#[test]
fn a_person_made_anew_in_the_directory_is_a_new_user() {
    let (mut account, _) = in_step_with(&[("old", "ann")]);
    let mut directory = Directory::of(&[("new", "ann")]);
    directory.people.insert("new".to_owned(), person("ann"));
    run(&mut account, &directory);
    assert_eq!(holders(&account), ["ann=user-new"]);
    assert_eq!(account.users["user-old"].status, UserStatus::Deleted);
}

#[test]
fn excluded_and_broken_people_claim_no_name() {
    let mut directory = Directory::of(&[("1", "ann"), ("2", "ann"), ("3", "ann")]);
    directory.people.get_mut("2").expect("is there").excluded = true;
    directory.people.get_mut("3").expect("is there").broken = true;
    let mut account = Account::default();
    run(&mut account, &directory);
    assert_eq!(holders(&account), ["ann=user-1"]);
}
