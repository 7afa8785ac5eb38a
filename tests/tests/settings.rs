//! The seven switches of adc.yaml, on either side, turned on and off between runs.

use adc_tests::{Company, Scene, Slapd};
use serde_json::{Value, json};

fn company() -> Company {
    Company::new("dc=lg,dc=local")
        .ou("people")
        .person("jane")
        .person("max")
        .ou("groups")
        .group("all", ["jane", "max"])
}

#[test]
fn no_create_adds_nobody_and_the_first_run_without_it_catches_up() {
    let scene = Scene::of(company());
    scene.imp();
    scene.join("people", "zoe");

    scene.set(&json!({ "no-create": true }));
    let skipped = scene.imp();
    assert_eq!(scene.plan(&skipped), ["skip user zoe@lg.local setting-no-create"]);
    assert_eq!(skipped["settings"]["no-create"], json!({ "value": true, "origin": "server" }));
    assert_eq!(scene.users().len(), 2);

    scene.set(&json!({ "no-create": null }));
    let caught_up = scene.imp();
    assert_eq!(scene.plan(&caught_up), ["create user zoe@lg.local new"]);
    assert_eq!(scene.users().len(), 3);
}

#[test]
fn no_update_changes_nothing_and_the_first_run_without_it_catches_up() {
    let scene = Scene::of(company());
    scene.imp();
    scene.directory.set(&scene.dn("jane"), "title", ["Head"]);
    scene.directory.set(&scene.dn("all"), "member", [scene.dn("jane").as_str()]);

    scene.set(&json!({ "no-update": true }));
    let skipped = scene.imp();
    assert_eq!(
        scene.plan(&skipped),
        ["skip group all setting-no-update", "skip user jane@lg.local setting-no-update"]
    );
    assert_eq!(scene.user("jane@lg.local")["fields"].get("title"), None);
    assert_eq!(scene.members("all").len(), 2);

    scene.set(&json!({ "no-update": null }));
    scene.imp();
    assert_eq!(scene.user("jane@lg.local")["fields"]["title"], "Head");
    assert_eq!(scene.members("all"), ["jane@lg.local"]);
}

#[test]
fn no_delete_removes_nobody_and_the_first_run_without_it_catches_up() {
    let scene = Scene::of(company());
    scene.imp();
    scene.leave("max");

    scene.set(&json!({ "no-delete": true }));
    let skipped = scene.imp();
    assert!(
        scene.plan(&skipped).contains(&"skip user max@lg.local setting-no-delete".to_owned()),
        "{skipped}"
    );
    assert_eq!(scene.user("max@lg.local")["status"], "active");

    scene.set(&json!({ "no-delete": null }));
    scene.imp();
    assert!(!scene.users().contains_key("max@lg.local"));
    assert!(scene.deleted_users().contains_key("max@lg.local"));
}

#[test]
fn delete_disables_makes_a_removal_a_disable() {
    let scene =
        Scene::of(company().ou("people").person("zoe")).agent(|agent| agent.setting("delete-disables", true));
    scene.imp();
    scene.leave("max");
    let summary = scene.imp();
    assert_eq!(summary["settings"]["delete-disables"], json!({ "value": true, "origin": "client" }));
    assert!(scene.plan(&summary).contains(&"disable user max@lg.local gone".to_owned()), "{summary}");
    assert_eq!(scene.user("max@lg.local")["status"], "disabled");

    // Switched off later, it deletes new leavers only.
    scene.set(&json!({ "delete-disables": false }));
    scene.leave("zoe");
    scene.imp();
    assert_eq!(scene.user("max@lg.local")["status"], "disabled");
    assert!(scene.deleted_users().contains_key("zoe@lg.local"));
}

#[test]
fn create_as_disabled_creates_disabled() {
    let scene = Scene::of(company()).agent(|agent| agent.setting("create-as-disabled", true));
    scene.imp();
    assert_eq!(scene.user("jane@lg.local")["status"], "disabled");

    // Existing people are not touched by it, and nobody is enabled behind the administrator's back.
    let again = scene.imp();
    assert!(scene.changes(&again).is_empty(), "{:?}", scene.plan(&again));
    let jane = scene.user("jane@lg.local");
    scene.api.patch(&user_path(&jane), &json!({ "status": "active" })).ok();
    scene.imp();
    assert_eq!(scene.user("jane@lg.local")["status"], "active");
}

#[test]
fn a_user_of_another_provider_is_left_alone_unless_the_switch_says_otherwise() {
    let scene = Scene::of(company());
    let local =
        json!({ "username": "jane@lg.local", "email": "jane@lg.local", "fields": { "title": "Local" } });
    let local = scene.api.post("/users", &local).ok();

    let summary = scene.imp_with(&[], 6);
    assert!(
        scene.plan(&summary).contains(&"conflict user jane@lg.local provider-mismatch".to_owned()),
        "{:?}",
        scene.plan(&summary)
    );
    let untouched = scene.user("jane@lg.local");
    assert_eq!(
        (&untouched["provider"], &untouched["fields"]["title"]),
        (&json!({ "kind": "local" }), &json!("Local"))
    );
    assert!(scene.users().contains_key("max@lg.local"), "the rest proceeds");

    scene.set(&json!({ "no-update-provider-mismatch": false }));
    let adopting = scene.imp();
    assert!(
        scene.plan(&adopting).contains(&"update user jane@lg.local adopted".to_owned()),
        "{:?}",
        scene.plan(&adopting)
    );
    let adopted = scene.user("jane@lg.local");
    assert_eq!((&adopted["id"], &adopted["provider"]["kind"]), (&local["id"], &json!("directory")));
}

#[test]
fn an_owner_is_never_adopted_and_never_removed() {
    let scene = Scene::of(company());
    let jane =
        scene.api.post("/users", &json!({ "username": "jane@lg.local", "email": "jane@lg.local" })).ok();
    scene.api.patch(&user_path(&jane), &json!({ "account_owner": true })).ok();
    scene.set(&json!({ "no-update-provider-mismatch": false }));
    let summary = scene.imp_with(&[], 6);
    assert!(
        scene.plan(&summary).contains(&"conflict user jane@lg.local adoption-protected".to_owned()),
        "{:?}",
        scene.plan(&summary)
    );

    let max = scene.user("max@lg.local");
    scene.api.patch(&user_path(&max), &json!({ "owns": ["bot:42"] })).ok();
    scene.leave("max");
    let summary = scene.imp_with(&[], 6);
    assert!(
        scene.plan(&summary).contains(&"skip user max@lg.local owns-resources".to_owned()),
        "{:?}",
        scene.plan(&summary)
    );
    assert_eq!(scene.user("max@lg.local")["status"], "active");
}

#[test]
fn whom_the_directory_marks_inactive_is_disabled_and_enabled_again() {
    let company = company().ou("people").person("zoe");
    // The overlay brings the schema of OpenLDAP's password policy.
    let slapd = Slapd::builder(&company).overlay("ppolicy", []).start();
    let scene = Scene::between(company, slapd);
    scene.imp();
    let zoe = scene.dn("zoe");

    // Locked for good, as an administrator of OpenLDAP's password policy does it.
    scene.directory.set(&zoe, "pwdAccountLockedTime", ["000001010000Z"]);
    let summary = scene.imp();
    assert_eq!(scene.plan(&summary), ["disable user zoe@lg.local directory-inactive"]);
    assert_eq!(scene.user("zoe@lg.local")["status"], "disabled");

    scene.directory.set(&zoe, "pwdAccountLockedTime", []);
    let summary = scene.imp();
    assert_eq!(scene.plan(&summary), ["enable user zoe@lg.local directory-active"]);
    assert_eq!(scene.user("zoe@lg.local")["status"], "active");
}

#[test]
fn a_dry_run_flag_is_honoured_whatever_the_settings_say() {
    let scene = Scene::of(company()).agent(|agent| agent.setting("dry-run", false));
    scene.set(&json!({ "dry-run": false }));
    let summary = scene.preview();
    assert_eq!((&summary["state"], &summary["dry_run"]), (&json!("previewed"), &json!(true)));
    assert!(scene.users().is_empty());
}

fn user_path(user: &Value) -> String {
    format!("/users/{}", user["id"].as_str().expect("a user has an id"))
}
