//! How an object finds its user: by source id, then by name.

use super::*;

#[test]
fn a_newcomer_is_created() {
    let case = newcomer("jane");
    assert_eq!(case.says(), "create new; synced");
    let next = case.next();
    assert_eq!((next.username.as_str(), next.status), ("jane", UserStatus::Active));
    assert_eq!((next.email.as_deref(), next.dn), (Some("jane@lg.local"), dn("jane")));
}

#[test]
fn what_is_in_step_makes_no_line() {
    assert_eq!(known("jane").says(), "nothing; synced");
}

#[test]
fn an_object_finds_its_user_by_source_id_whatever_its_name_and_place() {
    let case = known("jane").changes(|record| {
        record.name = "jane.miller".to_owned();
        record.dn = dn("jane.miller");
    });
    assert_eq!(case.says(), "update changed; synced");
    assert_eq!(case.next().username, "jane.miller");
}

#[test]
fn a_move_is_told_apart_from_other_changes() {
    let moved = known("jane").changes(|record| record.dn = "uid=jane,ou=it,dc=lg,dc=local".to_owned());
    assert_eq!(moved.says(), "update moved; synced");
    let more = moved.changes(|record| record.email = None);
    assert_eq!(more.says(), "update changed; synced");
}

#[test]
fn a_name_spelled_otherwise_is_the_same_name_and_is_shown_as_the_directory_spells_it() {
    let case = known("jane").renamed("Jane").rivals(&["other"]);
    assert_eq!(case.says(), "update changed; synced", "it is still the incumbent");
    assert_eq!(case.next().username, "Jane");
    assert_eq!(case.needs(), [], "nobody has to give the name up");
}

#[test]
fn an_object_without_a_user_finds_one_by_name_only_if_that_belongs_to_another_provider() {
    assert_eq!(newcomer("jane").name_held_by(local("jane")).adopting().says(), "update adopted; synced");
    let beside = newcomer("jane").name_held_by(colleague("jane"));
    assert_eq!(beside.says(), "create new; synced", "two objects are two people");
    assert_eq!(beside.needs(), [("user-jane".to_owned(), "username".to_owned())]);
}

#[test]
fn a_user_whom_another_synchronization_took_over_is_not_linked_any_more() {
    let case = known("jane").user(|user| user.provider = Provider::Local).renamed("jane.miller");
    assert_eq!(case.says(), "create new; synced");
}
