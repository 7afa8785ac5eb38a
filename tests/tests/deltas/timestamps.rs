//! Deltas of directories that do not say what changed: a slapd without syncprov.

use adc_tests::{Company, Entry, Scene, Slapd};
use serde_json::json;

use super::{company, delta, effective, full, going_back, is_up_to_date};

/// A bind account that may not see by which number a change goes has only times to go by.
const WITHOUT_NUMBERS: &str = "to attrs=entryCSN by * none";

/// A directory that has no change feed, imported; `numbered` says whether it numbers its changes.
fn compared_by(company: Company, numbered: bool) -> Scene {
    let mut slapd = Slapd::serving(&company);
    if !numbered {
        slapd.restart_with_access(WITHOUT_NUMBERS);
    }
    let scene = Scene::between(company, slapd);
    scene.imp();
    scene
}

#[test]
fn a_directory_that_does_not_say_what_changed_is_compared() {
    for numbered in [true, false] {
        let scene = compared_by(company(), numbered);
        scene.join("people/sales", "zoe");
        scene.leave("max");
        scene.directory.set(&scene.dn("jane"), "title", ["Head of sales"]);
        let summary = delta(&scene);
        assert_eq!(
            (&summary["counts"]["create"], &summary["counts"]["update"], &summary["counts"]["delete"]),
            (&json!(1), &json!(1), &json!(1)),
            "{numbered}"
        );
        is_up_to_date(&scene);
        if numbered {
            assert_eq!(summary["read"]["users"], 2, "jane and zoe");
            let nothing = delta(&scene);
            assert_eq!((effective(&nothing), &nothing["read"]["users"]), (0, &json!(0)));
        }
    }
}

#[test]
fn a_report_is_not_made_long_by_what_the_next_comparison_needs() {
    let scene = compared_by(company(), true);
    let runs = scene.api.all(&format!("/synchronizations/{}/runs", scene.synchronization.id));
    let mark = &runs[0]["receipt"]["mark"];
    assert_eq!(mark["kind"], "modifyTimestamp");
    assert!(mark.to_string().len() < 500, "{mark}");
    let synchronization = scene.api.get(&format!("/synchronizations/{}", scene.synchronization.id)).ok();
    let checkpoint = &synchronization["checkpoint"];
    assert_eq!(checkpoint["kind"], "modifyTimestamp");
    assert!(checkpoint.to_string().len() < 500, "{checkpoint}");
    delta(&scene);
}

#[test]
fn two_changes_within_one_second_were_told_as_one() {
    let scene = compared_by(company(), false);
    let promote = |title: &str| {
        scene.directory.set(&scene.dn("jane"), "title", [title]);
        delta(&scene);
        assert_eq!(scene.user("jane@lg.local")["fields"]["title"], title);
    };
    // Again and again: most of the time both lie in one second, and she was read in between.
    for number in 0..2 {
        // Nothing is under way any more: the next run does not wait for a second to pass.
        delta(&scene);
        delta(&scene);
        promote(&format!("Lead {number}"));
        promote(&format!("Head {number}"));
    }
}

#[test]
fn a_clock_that_was_put_back_hides_nothing() {
    for numbered in [true, false] {
        let scene = compared_by(company(), numbered);
        let jane = scene.dn("jane");
        going_back::in_another_second(&scene, "(uid=jane)", |slapd| slapd.set(&jane, "title", ["Head"]));
        delta(&scene);
        // Written by a server whose clock is years behind, or put back from a backup.
        scene.directory.modify_what_the_server_keeps(&format!(
            "dn: {}\nchangetype: modify\nreplace: title\ntitle: Hand\n-\nreplace: modifyTimestamp\nmodifyTimestamp: 20200101000000Z\n",
            scene.dn("jane")
        ));
        if numbered {
            delta(&scene);
        } else {
            // She is among those who were changed last: so a directory looks that went back. All is read then, and somebody has to say
            // that it did not.
            let held = scene.imp_with(&[], 5);
            assert_eq!((&held["full_because"], effective(&held)), (&json!("feed-lost-place"), 1));
            let path = format!("/runs/{}/approve", held["run_id"].as_str().expect("a run"));
            scene.api.post(&path, &json!({})).ok();
        }
        assert_eq!(scene.user("jane@lg.local")["fields"]["title"], "Hand", "{numbered}");
        is_up_to_date(&scene);
    }
}

#[test]
fn a_renamed_department_takes_everybody_along_though_their_times_stay() {
    let scene = compared_by(company(), true);
    scene.directory.rename("ou=support,ou=people,dc=lg,dc=local", "ou=care");
    full(&scene, "container-moved");
    is_up_to_date(&scene);
    // One that is no org unit is not read itself: who lies there is somewhere else.
    let folder = Entry::new("o=folder,ou=people,dc=lg,dc=local")
        .with("objectClass", "organization")
        .with("o", "folder");
    scene.directory.add(&folder);
    let mut zoe = Company::new("dc=lg,dc=local").entry_of("zoe");
    zoe.dn = "uid=zoe,o=folder,ou=people,dc=lg,dc=local".to_owned();
    scene.directory.add(&zoe);
    delta(&scene);
    scene.directory.rename("o=folder,ou=people,dc=lg,dc=local", "o=drawer");
    let summary = delta(&scene);
    assert_eq!(summary["read"]["users"], 1);
    let zoe = scene.user("zoe@lg.local");
    assert_eq!(zoe["provider"]["dn"], "uid=zoe,o=drawer,ou=people,dc=lg,dc=local");
    is_up_to_date(&scene);
}

#[test]
fn whoever_is_out_of_scope_is_not_read_and_those_who_refer_to_them_are() {
    let company = company();
    let slapd = Slapd::builder(&company).overlay("refint", ["refint_attributes member manager"]).start();
    let scene = Scene::between(company, slapd)
        .agent(|agent| agent.sync_yaml("filter", "(&(objectClass=inetOrgPerson)(!(title=External)))"));
    scene.imp();
    scene.directory.set(&scene.dn("max"), "title", ["External"]);
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    is_up_to_date(&scene);
    scene.directory.rename(&scene.dn("max"), "uid=maxim");
    delta(&scene);
    is_up_to_date(&scene);
    scene.directory.set("uid=maxim,ou=sales,ou=people,dc=lg,dc=local", "title", ["Lead"]);
    assert_eq!(delta(&scene)["counts"]["restore"], 1);
    is_up_to_date(&scene);
}

#[test]
fn more_than_can_be_told_is_read_as_a_whole() {
    let scene = compared_by(Company::new("dc=lg,dc=local").ou("crowd").crowd(400), true);
    let titles: Vec<String> = (1..=300)
        .map(|number| {
            let dn = format!("uid=user{number:05},ou=crowd,dc=lg,dc=local");
            format!("dn: {dn}\nchangetype: modify\nreplace: title\ntitle: Lead\n\n")
        })
        .collect();
    scene.directory.modify(&titles.concat());
    assert_eq!(full(&scene, "too-much-touched")["counts"]["update"], 300);
    is_up_to_date(&scene);
    assert_eq!(effective(&delta(&scene)), 0);
}

#[test]
fn a_directory_that_hides_times_or_has_other_identities_is_read_as_a_whole() {
    let company = company();
    let mut slapd = Slapd::serving(&company);
    slapd.restart_with_access("to attrs=modifyTimestamp by * none");
    let scene = Scene::between(company, slapd);
    scene.imp();
    full(&scene, "no-checkpoint");
    let check = scene.agent.run(&["check"]).expect_code(0).stdout;
    assert!(check.contains("let the bind account read both"), "{check}");

    let scene = Scene::of(super::company()).agent(|agent| agent.ldap("id_attribute", "uid"));
    scene.imp_with(&[], 6);
    let summary = scene.imp_with(&[], 6);
    assert_eq!((&summary["mode"], &summary["full_because"]), (&json!("full"), &json!("no-checkpoint")));
}

#[test]
fn a_directory_put_back_from_a_backup_was_believed_that_people_had_left() {
    let company = company();
    let slapd = Slapd::serving(&company);
    let scene = going_back::waits_for_approval(company, slapd);
    assert_eq!(
        (scene.users().len(), scene.deleted_users().len()),
        (22, 1),
        "max is back, and zoe never came"
    );
    assert_eq!(effective(&delta(&scene)), 0);
}

#[test]
fn a_directory_put_back_from_a_backup_and_written_to_undid_what_had_changed() {
    let without_numbers = |company: &Company| {
        let mut slapd = Slapd::serving(company);
        slapd.restart_with_access(WITHOUT_NUMBERS);
        slapd
    };
    going_back::gives_no_membership_back(company(), without_numbers);
    going_back::gives_no_membership_back(company(), Slapd::serving);
    going_back::takes_no_leaver_back(company(), Slapd::serving);
}
