//! Which lines give up a name for somebody else in the same plan. Whole swaps and chains are in `adc-core/tests/model`.

use super::*;
use crate::plan::names::{Holding, Names, USERNAME};

fn gives_up_its_name(case: &Case) -> bool {
    gives_up(case, USERNAME)
}

fn gives_up(case: &Case, what: &str) -> bool {
    let user = case.linked.as_ref().expect("the case has a user");
    let mut names = Names::default();
    names.note("object", Some(user), ["badge"], &case.line());
    names.settle();
    names.becomes_free(&Holding { user: user.id.clone(), what: what.to_owned() })
}

#[test]
fn leavers_and_whoever_gets_another_value_give_up_their_own() {
    let with_badge = |badge: &str| {
        newcomer("jane")
            .changes(|record| drop(record.fields.insert("badge".to_owned(), badge.into())))
            .applied()
    };
    let changed = |badge: &'static str| {
        with_badge("A7").changes(move |record| drop(record.fields.insert("badge".to_owned(), badge.into())))
    };
    assert!(gives_up(&with_badge("A7").leaves(), "badge"));
    assert!(gives_up(&changed("A8"), "badge"));
    assert!(gives_up(&with_badge("A7").changes(|record| record.fields.clear()), "badge"));
    assert!(!gives_up(&changed("a7"), "badge"), "it is spelled otherwise");
    assert!(!gives_up(&changed("A8").no_update(true), "badge"));
    assert!(!gives_up(&with_badge("A7").leaves().no_delete(true), "badge"));
    assert!(!gives_up(&with_badge("A7").leaves().delete_disables(true), "badge"));
    assert!(!gives_up(&known("jane").leaves(), "badge"), "there was none");
}

#[test]
fn leavers_and_renamed_people_give_up_their_names() {
    assert!(gives_up_its_name(&known("jane").leaves()));
    assert!(gives_up_its_name(&known("jane").excluded()));
    assert!(gives_up_its_name(&known("jane").renamed("jane.miller")));
}

#[test]
fn a_disabled_leaver_keeps_the_name() {
    assert!(!gives_up_its_name(&known("jane").leaves().delete_disables(true)));
}

#[test]
fn who_is_skipped_or_in_conflict_keeps_the_name() {
    assert!(!gives_up_its_name(&known("jane").leaves().no_delete(true)));
    assert!(!gives_up_its_name(&known("jane").renamed("john").no_update(true)));
    assert!(!gives_up_its_name(&known("jane").renamed("john").rivals(&["john"])));
    assert!(!gives_up_its_name(&known("jane").renamed("john").rivals(&["john"]).inactive()));
}

#[test]
fn a_name_spelled_otherwise_is_not_given_up() {
    assert!(!gives_up_its_name(&known("jane").renamed("Jane")));
}

#[test]
fn a_deleted_user_has_no_name_to_give_up() {
    assert!(!gives_up_its_name(&known("jane").leaves().applied().returns().renamed("john")));
}

#[test]
fn who_needs_a_name_gives_its_own_up_only_if_that_becomes_free() {
    let case = known("jane").renamed("john").name_held_by(colleague("john"));
    assert!(!gives_up_its_name(&case), "nobody said that john gives it up");
}
