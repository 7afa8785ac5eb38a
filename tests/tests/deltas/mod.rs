//! Deltas between a real slapd and a real control plane: only what was touched is read, and the result is that of a full run.

mod ahead;
mod big_groups;
mod glued;
pub(crate) mod going_back;
pub(crate) mod history;
mod property;
mod rights;
mod storm;
mod timestamps;

use adc_tests::{Company, Entry, Person, Scene, Slapd};
use serde_json::{Value, json};

/// People in two departments, somebody's manager among them, and nested groups.
fn company() -> Company {
    Company::new("dc=lg,dc=local")
        .ou("people/sales")
        .person("jane")
        .person(Person::new("max").with("manager", "uid=jane,ou=sales,ou=people,dc=lg,dc=local"))
        .ou("people/support")
        .crowd(20)
        .ou("groups")
        .group("sales", ["jane", "max"])
        .group("everybody", ["sales"])
}

fn following(company: Company) -> Scene {
    let slapd = Slapd::builder(&company).syncprov(Some(1_000)).start();
    let scene = Scene::between(company, slapd);
    let first = scene.imp();
    assert_eq!((&first["mode"], &first["full_because"]), (&json!("full"), &json!("first-run")));
    scene
}

/// A delta that must have been one.
#[track_caller]
pub(crate) fn delta<D>(scene: &Scene<D>) -> Value {
    let summary = scene.imp();
    assert_eq!((&summary["mode"], &summary["full_because"]), (&json!("delta"), &Value::Null));
    summary
}

/// A run that read everything, and why.
#[track_caller]
pub(crate) fn full<D>(scene: &Scene<D>, because: &str) -> Value {
    let summary = scene.imp();
    assert_eq!((&summary["mode"], &summary["full_because"]), (&json!("full"), &json!(because)));
    summary
}

/// Whoever reads everything finds nothing that differs, neither in what was seen nor in what came of it.
#[track_caller]
pub(crate) fn is_up_to_date<D>(scene: &Scene<D>) {
    let all = scene.imp_with(&["--full", "--dry-run"], 0);
    assert_eq!((effective(&all), &all["sent"]["records"]), (0, &json!(0)), "{:?}", scene.plan(&all));
}

pub(crate) fn effective(summary: &Value) -> u64 {
    ["create", "update", "disable", "enable", "delete", "restore"]
        .iter()
        .map(|action| summary["counts"][action].as_u64().expect("a count"))
        .sum()
}

#[test]
fn a_delta_reads_those_alone_who_were_touched() {
    let scene = following(company());
    scene.join("people/sales", "zoe");
    scene.leave("max");
    scene.directory.set(&scene.dn("jane"), "title", ["Head of sales"]);
    let summary = delta(&scene);
    assert_eq!(
        (&summary["counts"]["create"], &summary["counts"]["update"], &summary["counts"]["delete"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(summary["read"]["users"], 2, "jane and zoe");
    is_up_to_date(&scene);
    let nothing = delta(&scene);
    assert_eq!((effective(&nothing), &nothing["read"]["users"]), (0, &json!(0)));
}

#[test]
fn a_preview_of_a_delta_changes_nothing_and_the_next_run_finds_it_again() {
    let scene = following(company());
    scene.leave("max");
    let before = scene.state();
    let preview = scene.preview();
    assert_eq!((&preview["mode"], &preview["counts"]["delete"]), (&json!("delta"), &json!(1)));
    assert_eq!(scene.state(), before);
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
}

#[test]
fn groups_follow_a_renamed_member_though_nobody_calls_them_changed() {
    let company = company();
    let slapd = Slapd::builder(&company)
        .overlay("refint", ["refint_attributes member manager"])
        .syncprov(Some(1_000))
        .start();
    let scene = Scene::between(company, slapd);
    scene.imp();
    scene.directory.rename(&scene.dn("jane"), "uid=janet");
    let summary = delta(&scene);
    assert_eq!(summary["read"]["groups"], 0, "the feed does not name the group");
    assert_eq!(scene.members("sales"), ["jane@lg.local", "max@lg.local"]);
    assert_eq!(scene.user("max@lg.local")["fields"]["manager"], "jane@lg.local");
    is_up_to_date(&scene);
}

#[test]
fn a_renamed_department_takes_everybody_along() {
    let scene = following(company());
    scene.directory.rename("ou=support,ou=people,dc=lg,dc=local", "ou=care");
    full(&scene, "container-moved");
    is_up_to_date(&scene);
    delta(&scene);
}

#[test]
fn a_directory_without_a_session_log_is_swept_and_nobody_is_missed() {
    let company = company();
    let slapd = Slapd::builder(&company).syncprov(None).start();
    let scene = Scene::between(company, slapd);
    scene.imp();
    scene.leave("max");
    scene.join("people/sales", "zoe");
    let summary = delta(&scene);
    assert_eq!((&summary["counts"]["create"], &summary["counts"]["delete"]), (&json!(1), &json!(1)));
    is_up_to_date(&scene);
}

#[test]
fn a_restarted_directory_has_forgotten_who_was_removed() {
    let mut scene = following(company());
    scene.leave("max");
    scene.directory.crash();
    scene.join("people/sales", "zoe");
    let summary = full(&scene, "feed-lost-place");
    assert_eq!((&summary["counts"]["create"], &summary["counts"]["delete"]), (&json!(1), &json!(1)));
    scene.directory.delete("uid=zoe,ou=sales,ou=people,dc=lg,dc=local");
    assert_eq!(delta(&scene)["counts"]["delete"], 1);
    is_up_to_date(&scene);
}

#[test]
fn whoever_was_moved_out_of_sight_is_looked_for_and_held() {
    let company = company();
    let hidden =
        "to dn.subtree=\"ou=attic,dc=lg,dc=local\" by dn.exact=\"cn=readonly,dc=lg,dc=local\" none by * read";
    let mut slapd = Slapd::builder(&company.clone().ou("attic")).syncprov(Some(1_000)).start();
    slapd.restart_with_access(hidden);
    let scene = Scene::between(company, slapd);
    scene.imp();
    scene.directory.move_to("ou=support,ou=people,dc=lg,dc=local", "ou=attic,dc=lg,dc=local");
    let summary = scene.imp_with(&[], 5);
    assert_eq!(
        (&summary["state"], &summary["full_because"], &summary["counts"]["delete"]),
        (&json!("held"), &json!("container-gone"), &json!(21))
    );
    assert_eq!(scene.users().len(), 22);
}

#[test]
fn whoever_moved_after_their_department_was_renamed_was_missing_in_their_groups() {
    let slapd = Slapd::builder(&company())
        .overlay("memberof", ["memberof-refint true"])
        .syncprov(Some(1_000))
        .start();
    let scene = Scene::between(company(), slapd);
    scene.imp();
    // Over LDAP, so that slapd notes of what its members are.
    let crew = Entry::new("cn=crew,ou=groups,dc=lg,dc=local").with("objectClass", "groupOfNames");
    scene
        .directory
        .add(&crew.with("cn", "crew").with("member", scene.dn("jane")).with("member", scene.dn("max")));
    delta(&scene);
    scene.directory.rename("ou=sales,ou=people,dc=lg,dc=local", "ou=vertrieb");
    full(&scene, "container-moved");
    let is_jane_in = || scene.members("crew").contains(&"jane@lg.local".to_owned());
    assert!(!is_jane_in(), "the group still lists those in sales");
    scene
        .directory
        .move_to("uid=jane,ou=vertrieb,ou=people,dc=lg,dc=local", "ou=support,ou=people,dc=lg,dc=local");
    delta(&scene);
    assert!(is_jane_in());
    is_up_to_date(&scene);
}

#[test]
fn a_filter_on_what_the_feed_does_not_follow_reads_everything() {
    let company = company();
    let slapd = Slapd::builder(&company).overlay("memberof", []).syncprov(Some(1_000)).start();
    let scene = Scene::between(company, slapd);
    scene.imp();
    let scene = scene.agent(|agent| {
        agent.sync_yaml("filter", "(&(objectClass=inetOrgPerson)(!(memberOf=cn=nobody,dc=lg,dc=local)))")
    });
    full(&scene, "fingerprint-changed");
    full(&scene, "filter-not-followed");
}

#[test]
fn another_policy_reads_everything_once() {
    let scene = following(company());
    scene.patch(&json!({ "policy": { "exclude": [{ "name": "no leads", "filter": "(title=Lead)" }] } }));
    full(&scene, "policy-changed");
    delta(&scene);
}

#[test]
fn what_a_switch_kept_back_is_caught_up_with_by_a_delta() {
    let scene = following(company());
    scene.set(&json!({ "no-create": true, "no-delete": true }));
    scene.join("people/sales", "zoe");
    scene.leave("max");
    let kept = delta(&scene);
    assert_eq!((effective(&kept), &kept["counts"]["skip"]), (0, &json!(2)));
    scene.set(&json!({ "no-create": null, "no-delete": null }));
    let caught_up = delta(&scene);
    assert_eq!((&caught_up["counts"]["create"], &caught_up["counts"]["delete"]), (&json!(1), &json!(1)));
    is_up_to_date(&scene);
}

/// What `adc check` says of the change feed.
#[track_caller]
fn checked_feed(scene: &Scene) -> (String, String) {
    let outcome = scene.agent.run(&["check", "--output", "json"]).expect_code(0);
    let hops = outcome.json()["hops"].as_array().expect("hops").clone();
    let hop = hops.into_iter().find(|hop| hop["hop"] == "change-feed").expect("the feed is checked");
    let text = |key: &str| hop[key].as_str().expect("a text").to_owned();
    (text("state"), text("message"))
}

#[test]
fn a_check_says_which_feed_is_followed_and_what_is_missing_for_a_better_one() {
    let scene = following(company());
    scene.leave("max");
    scene.directory.set(&scene.dn("jane"), "title", ["Lead"]);
    let (state, message) = checked_feed(&scene);
    assert_eq!(
        (state.as_str(), message.as_str()),
        ("ok", "syncrepl: after the first import a run reads only what changed")
    );

    let scene = Scene::of(company());
    let (state, message) = checked_feed(&scene);
    assert!(
        state == "ok" && message.starts_with("timestamps: ") && message.contains("load the overlay syncprov"),
        "{state} {message}"
    );

    let company = company();
    let slapd = Slapd::builder(&company).syncprov(None).start();
    let scene = Scene::between(company, slapd);
    scene.directory.set(&scene.dn("jane"), "title", ["Lead"]);
    let (state, message) = checked_feed(&scene);
    assert!(state == "ok" && message.contains("syncprov-sessionlog 10000"), "{state} {message}");
}

#[test]
fn a_check_looked_for_what_active_directory_removed_when_somebody_wrote_to_openldap_meanwhile() {
    // Without a log, whatever is written between two questions of the check makes it compare ids.
    let slapd = Slapd::builder(&company()).syncprov(None).start();
    let scene = Scene::between(company(), slapd);
    let mut writer = scene.directory.keep_writing(&scene.dn("jane"));
    for _ in 0..20 {
        let (state, message) = checked_feed(&scene);
        assert!(state == "ok" && message.contains("syncprov-sessionlog 10000"), "{state} {message}");
    }
    writer.kill().expect("it was still writing");
    writer.wait().expect("it has ended");
}

#[test]
fn a_check_says_that_an_index_is_missing_which_every_delta_needs() {
    let company = || Company::new("dc=lg,dc=local").ou("people").crowd(10_000);
    for (slapd, is_said) in
        [(Slapd::builder(&company()).without_index_of_ids(), true), (Slapd::builder(&company()), false)]
    {
        let scene = Scene::between(company(), slapd.start());
        let outcome = scene.agent.run(&["check", "--output", "json"]).expect_code(0);
        let hops = outcome.json()["hops"].as_array().expect("hops").clone();
        let hop = hops.iter().find(|hop| hop["hop"] == "look-up");
        assert_eq!(hop.is_some(), is_said, "{hop:?}");
        if let Some(hop) = hop {
            let message = hop["message"].as_str().expect("a text");
            assert!(hop["state"] == "warning" && message.contains("olcDbIndex: entryUUID eq"), "{message}");
        }
    }
}

#[test]
fn a_check_says_that_a_filter_keeps_the_feed_from_being_followed() {
    let company = company();
    let slapd = Slapd::builder(&company).overlay("memberof", []).syncprov(Some(100)).start();
    let scene = Scene::between(company, slapd).agent(|agent| {
        agent.sync_yaml("filter", "(&(objectClass=inetOrgPerson)(!(memberOf=cn=nobody,dc=lg,dc=local)))")
    });
    let (state, message) = checked_feed(&scene);
    assert!(state == "warning" && message.contains("rests on memberof"), "{state} {message}");
}

/// A directory that keeps references in step, where what is read of it depends on nothing else.
fn kept_in_step(company: &Company) -> Slapd {
    Slapd::builder(company)
        .overlay("refint", ["refint_attributes member manager secretary"])
        .syncprov(Some(100))
        .start()
}

#[test]
fn a_manager_who_was_renamed_before_anybody_became_a_user_was_forgotten() {
    let scene = Scene::between(company(), kept_in_step(&company()));
    scene.imp();
    scene.set(&json!({ "no-create": true }));
    scene.join("people/sales", Person::new("zoe").with("manager", scene.dn("jane")));
    assert_eq!(delta(&scene)["counts"]["skip"], 1);
    scene.directory.rename(&scene.dn("jane"), "uid=janet");
    delta(&scene);
    scene.set(&json!({ "no-create": null }));
    assert_eq!(delta(&scene)["counts"]["create"], 1);
    assert_eq!(scene.user("zoe@lg.local")["fields"]["manager"], "jane@lg.local");
    is_up_to_date(&scene);
}

#[test]
fn a_field_that_is_a_reference_follows_whom_it_names() {
    let secretary = Person::new("tim").with("secretary", "uid=jane,ou=sales,ou=people,dc=lg,dc=local");
    let company = company().ou("people/sales").person(secretary);
    let slapd = kept_in_step(&company);
    let scene = Scene::between(company, slapd).agent(|agent| {
        agent.ldap_yaml("attributes", "[entryUUID, mail, cn, sn, manager, member, ou, secretary]")
    });
    scene.patch(
        &json!({ "policy": { "mapping": { "fields": [{ "name": "assistant", "from": "secretary" }] } } }),
    );
    scene.imp();
    scene.directory.rename(&scene.dn("jane"), "uid=janet");
    delta(&scene);
    let assistant = scene.user("tim@lg.local")["fields"]["assistant"].clone();
    assert_eq!(assistant, "uid=janet,ou=sales,ou=people,dc=lg,dc=local");
    is_up_to_date(&scene);
    // Out of scope, and so unknown to whoever resolves references.
    scene.directory.add(
        &Entry::new("cn=desk,ou=people,dc=lg,dc=local").with("objectClass", "device").with("cn", "desk"),
    );
    scene.directory.set(&scene.dn("tim"), "secretary", ["cn=desk,ou=people,dc=lg,dc=local"]);
    delta(&scene);
    scene.directory.rename("cn=desk,ou=people,dc=lg,dc=local", "cn=counter");
    delta(&scene);
    assert_eq!(scene.user("tim@lg.local")["fields"]["assistant"], "cn=counter,ou=people,dc=lg,dc=local");
    is_up_to_date(&scene);
}
