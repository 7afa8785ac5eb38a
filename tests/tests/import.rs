//! The main job: people, groups and org units of a real directory stand in the control plane, exactly as previewed.

use std::collections::BTreeSet;

use adc_tests::{Agent, Company, ControlPlane, Group, Person, Scene, Slapd, redacted};
use serde_json::json;

/// Three people in two departments, nested groups, and names that are not ASCII.
fn company() -> Company {
    Company::new("dc=lg,dc=local")
        .ou("people/sales")
        .person(Person::new("jane").with("title", "Head of sales").with("telephoneNumber", "+49 30 1"))
        .person(Person::new("max").with("manager", "uid=jane,ou=sales,ou=people,dc=lg,dc=local"))
        .ou("people/support")
        .person(Person::new("zoe").set("givenName", "Zoë").set("sn", "Łukasz").set("cn", "Zoë Łukasz"))
        .ou("groups")
        .group("sales", ["jane", "max"])
        .group("everybody", ["sales", "zoe"])
}

/// `settings:` and `backend:` as contract.md has them: what administrators already have must work as it is.
const KNOWN_CONFIGURATION: &str = "\
settings:
  dry-run: true
  no-update: false
  no-create: false
  no-delete: false
  delete-disables: true
  no-update-provider-mismatch: true
  create-as-disabled: false

backend:
  ldap:
    addr: ldap://your-ldap-server.local
    bind_dn: cn=readonly,dc=lg,dc=local
    bind_password: readonly
    base_dn: dc=lg,dc=local
    scope: sub
    sync:
      page_size: 20
      filter: (objectClass=inetOrgPerson)
    authentication:
      username_attribute: mail
      username_filter_template: (&(objectClass=inetOrgPerson)(mail=%s))
      timeout: 5
";

#[test]
fn the_configuration_that_administrators_have_works_as_it_is() {
    let company = company().ou("people").crowd(50);
    let slapd = Slapd::serving(&company);
    let control_plane = ControlPlane::start();
    let synchronization = control_plane.synchronization("LG");
    let server = format!(
        "server:\n  url: {}\n  application_id: {}\n  secret_token: {}\n",
        control_plane.url(),
        synchronization.application_id,
        synchronization.secret_token
    );
    let known = KNOWN_CONFIGURATION.replace("ldap://your-ldap-server.local", &slapd.url());
    let agent =
        Agent::without_directory(&control_plane, &synchronization).config(&format!("{server}\n{known}"));
    let api = control_plane.api(&synchronization);

    let preview = agent.imp().expect_code(0).json();
    assert_eq!(preview["state"], "previewed");
    assert_eq!(preview["settings"]["dry-run"], json!({ "value": true, "origin": "client" }));
    assert_eq!(preview["read"], json!({ "users": 53, "groups": 2, "org_units": 4 }));
    assert_eq!(api.all("/users"), Vec::<serde_json::Value>::new());

    // The server decides: its value of the switch is the one that counts.
    let path = format!("/synchronizations/{}", synchronization.id);
    api.patch(&path, &json!({ "settings": { "dry-run": false } })).ok();
    let applied = agent.imp().expect_code(0).json();
    assert_eq!(applied["state"], "applied");
    assert_eq!(applied["settings"]["dry-run"], json!({ "value": false, "origin": "server" }));
    assert_eq!(applied["counts"], preview["counts"]);
    assert_eq!(api.all("/users").len(), 53);
}

#[test]
fn an_import_does_what_its_preview_said() {
    let scene = Scene::of(company());

    let preview = scene.preview();
    assert_eq!((preview["state"].as_str(), preview["dry_run"].as_bool()), (Some("previewed"), Some(true)));
    assert!(scene.users().is_empty() && scene.groups().is_empty() && scene.org_units().is_empty());

    let applied = scene.imp();
    assert_eq!((applied["state"].as_str(), applied["dry_run"].as_bool()), (Some("applied"), Some(false)));
    assert_eq!(scene.changes(&applied), scene.changes(&preview));
    assert_eq!(
        scene.plan(&applied),
        [
            "create group everybody new",
            "create group sales new",
            "create org_unit groups new",
            "create org_unit people new",
            "create org_unit sales new",
            "create org_unit support new",
            "create user jane@lg.local new",
            "create user max@lg.local new",
            "create user zoe@lg.local new",
        ]
    );
}

#[test]
fn people_have_their_mapped_fields() {
    let scene = Scene::of(company());
    scene.imp();

    let zoe = scene.user("zoe@lg.local");
    assert_eq!(zoe["email"], "zoe@lg.local");
    assert_eq!(zoe["status"], "active");
    assert_eq!(zoe["provider"]["kind"], "directory");
    assert_eq!(zoe["provider"]["synchronization_id"], scene.synchronization.id.as_str());
    assert_eq!(zoe["provider"]["dn"], scene.dn("zoe"));
    assert_eq!(
        zoe["fields"],
        json!({ "given_name": "Zoë", "family_name": "Łukasz", "display_name": "Zoë Łukasz" })
    );
    let jane = scene.user("jane@lg.local");
    assert_eq!(
        (&jane["fields"]["title"], &jane["fields"]["phone"]),
        (&json!("Head of sales"), &json!("+49 30 1"))
    );
    assert_eq!(scene.user("max@lg.local")["fields"]["manager"], "jane@lg.local");
}

#[test]
fn only_mapped_fields_leave_the_network() {
    let scene = Scene::of(
        Company::new("dc=lg,dc=local").ou("people").person(
            Person::new("jane")
                .with("description", "a secret remark")
                .with("homePostalAddress", "a secret address"),
        ),
    );
    scene.imp();

    let searches: Vec<String> = scene
        .directory
        .log()
        .lines()
        .filter(|line| line.contains("SRCH attr="))
        .map(str::to_lowercase)
        .collect();
    assert!(!searches.is_empty());
    for attribute in ["userpassword", "homepostaladdress", "jpegphoto"] {
        assert!(!searches.iter().any(|search| search.contains(attribute)), "{attribute} was asked for");
    }
    let database = std::fs::read(scene.control_plane.database()).expect("the database can be read");
    for secret in
        ["secret remark", "secret address", Company::PERSON_PASSWORD, &scene.synchronization.secret_token]
    {
        let found = database.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "the database holds {secret}");
    }
    assert!(!scene.control_plane.log().contains(&scene.synchronization.secret_token));
}

#[test]
fn groups_have_direct_and_effective_members() {
    let company = company()
        .group("egg", ["cn=hen,ou=groups,dc=lg,dc=local", "max"])
        .group("hen", ["egg", "jane"])
        .group("strangers", ["uid=nobody,ou=people,dc=lg,dc=local", "zoe"])
        .group("empty", []);
    let scene = Scene::of(company);
    scene.imp();

    assert_eq!(scene.members("sales"), ["jane@lg.local", "max@lg.local"]);
    assert_eq!(scene.members("everybody"), ["sales", "zoe@lg.local"]);
    assert_eq!(scene.effective_members("everybody"), ["jane@lg.local", "max@lg.local", "zoe@lg.local"]);
    assert_eq!(scene.effective_members("hen"), ["jane@lg.local", "max@lg.local"]);
    assert_eq!(scene.effective_members("egg"), ["jane@lg.local", "max@lg.local"]);
    assert_eq!(scene.members("strangers"), ["uid=nobody,ou=people,dc=lg,dc=local", "zoe@lg.local"]);
    assert_eq!(scene.members("empty"), Vec::<String>::new());
}

#[test]
fn members_are_found_however_their_dns_are_spelled() {
    let scene = Scene::of(
        Company::new("dc=lg,dc=local")
            .ou("people")
            .person(Person::new("jane").rdn(r"cn=Doe\, \22Jane\22").set("cn", "Doe, \"Jane\""))
            .person("max")
            .ou("groups")
            .group(
                "all",
                [r"CN=doe\2C \22JANE\22, OU=People,DC=LG,dc=local", "UID=Max,ou=people,dc=lg,dc=local"],
            ),
    );
    scene.imp();
    assert_eq!(scene.members("all"), ["jane@lg.local", "max@lg.local"]);
}

#[test]
fn a_group_of_thousands_keeps_every_member() {
    let names: Vec<String> = (1..=6_000).map(|number| format!("user{number:05}")).collect();
    let company = Company::new("dc=lg,dc=local").ou("people").crowd(names.len()).ou("groups");
    let group = names.iter().fold(Group::new("all"), |group, name| group.member(name));
    let scene = Scene::of(company.add_group(group));
    scene.imp();

    assert_eq!(scene.groups()["all"]["member_count"], 6_000);
    let expected: Vec<String> = names.iter().map(|name| format!("{name}@lg.local")).collect();
    assert_eq!(scene.members("all"), expected);
}

#[test]
fn org_units_keep_their_hierarchy() {
    let scene = Scene::of(company());
    scene.imp();

    let units = scene.org_units();
    let dns: Vec<&str> = units.keys().map(String::as_str).collect();
    assert_eq!(
        dns,
        [
            "ou=groups,dc=lg,dc=local",
            "ou=people,dc=lg,dc=local",
            "ou=sales,ou=people,dc=lg,dc=local",
            "ou=support,ou=people,dc=lg,dc=local",
        ]
    );
    let people = &units["ou=people,dc=lg,dc=local"];
    assert_eq!(units["ou=sales,ou=people,dc=lg,dc=local"]["parent_id"], people["id"]);
    assert!(people["parent_id"].is_null());
}

#[test]
fn an_unchanged_directory_sends_no_records_and_changes_nothing() {
    let scene = Scene::of(company());
    scene.imp();
    let before = scene.state();

    let again = scene.imp_with(&["--full"], 0);
    assert_eq!(again["sent"]["records"], 0);
    assert_eq!(again["counts"]["unchanged"], 9);
    assert!(scene.changes(&again).is_empty());
    assert_eq!(scene.state(), before);
}

#[test]
fn a_person_who_is_renamed_and_moved_stays_the_same_user() {
    let scene = Scene::of(company());
    scene.imp();
    let before = scene.user("max@lg.local");

    let max = scene.dn("max");
    scene.directory.move_to(&max, "ou=support,ou=people,dc=lg,dc=local");
    scene.directory.rename("uid=max,ou=support,ou=people,dc=lg,dc=local", "uid=maximilian");
    scene.directory.set(
        "uid=maximilian,ou=support,ou=people,dc=lg,dc=local",
        "mail",
        ["maximilian@lg.local"],
    );
    let summary = scene.imp();

    assert_eq!(summary["counts"]["update"].as_u64().map(|count| count >= 1), Some(true), "{summary}");
    assert_eq!((&summary["counts"]["create"], &summary["counts"]["delete"]), (&json!(0), &json!(0)));
    let after = scene.user("maximilian@lg.local");
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["provider"]["dn"], "uid=maximilian,ou=support,ou=people,dc=lg,dc=local");
    assert!(!scene.users().contains_key("max@lg.local"));
}

#[test]
fn a_leaver_is_deleted_and_kept() {
    let scene = Scene::of(company());
    scene.imp();
    let before = scene.user("max@lg.local");

    scene.leave("max");
    let preview = scene.preview();
    assert_eq!(preview["counts"]["delete"], 1);
    assert!(scene.users().contains_key("max@lg.local"));
    let summary = scene.imp();

    assert!(
        scene.plan(&summary).contains(&"delete user max@lg.local gone".to_owned()),
        "{:?}",
        scene.plan(&summary)
    );
    assert!(!scene.users().contains_key("max@lg.local"));
    let deleted = &scene.deleted_users()["max@lg.local"];
    assert_eq!((&deleted["id"], &deleted["status"]), (&before["id"], &json!("deleted")));
    assert!(deleted["deleted_at"].is_string());
}

#[test]
fn a_leaver_who_comes_back_is_the_same_user() {
    let scene =
        Scene::of(company().ou("elsewhere")).agent(|agent| agent.ldap("base_dn", "ou=people,dc=lg,dc=local"));
    scene.imp();
    let before = scene.user("max@lg.local");

    scene.directory.move_to(&scene.dn("max"), "ou=elsewhere,dc=lg,dc=local");
    let left = scene.imp();
    assert!(scene.plan(&left).contains(&"delete user max@lg.local out-of-scope".to_owned()), "{left}");
    scene.directory.move_to("uid=max,ou=elsewhere,dc=lg,dc=local", "ou=sales,ou=people,dc=lg,dc=local");
    let back = scene.imp();

    assert_eq!(back["counts"]["restore"], 1, "{back}");
    let after = scene.user("max@lg.local");
    assert_eq!((&after["id"], &after["status"]), (&before["id"], &json!("active")));
}

#[test]
fn people_who_swap_their_addresses_in_one_run_swap_them() {
    let scene = Scene::of(company());
    scene.imp();
    let (jane, max) = (scene.user("jane@lg.local"), scene.user("max@lg.local"));

    scene.directory.set(&scene.dn("jane"), "mail", ["max@lg.local"]);
    scene.directory.set(&scene.dn("max"), "mail", ["jane@lg.local"]);
    let summary = scene.imp();

    assert_eq!(summary["counts"]["conflict"], 0, "{summary}");
    assert_eq!(scene.user("max@lg.local")["id"], jane["id"]);
    assert_eq!(scene.user("jane@lg.local")["id"], max["id"]);
}

#[test]
fn a_joiner_gets_the_address_of_a_leaver() {
    let scene = Scene::of(company());
    scene.imp();
    let leaver = scene.user("max@lg.local");

    scene.leave("max");
    scene.join("people", Person::new("moritz").set("mail", "max@lg.local"));
    let summary = scene.imp();

    assert_eq!(
        (&summary["counts"]["create"], &summary["counts"]["delete"]),
        (&json!(1), &json!(1)),
        "{summary}"
    );
    assert_ne!(scene.user("max@lg.local")["id"], leaver["id"]);
    assert_eq!(scene.deleted_users()["max@lg.local"]["id"], leaver["id"]);
}

#[test]
fn two_people_who_claim_one_address_are_conflicts_and_the_rest_proceeds() {
    let scene = Scene::of(
        company()
            .ou("people")
            .person(Person::new("twin").set("mail", "same@lg.local"))
            .person(Person::new("other").set("mail", "SAME@lg.local")),
    );
    let summary = scene.imp_with(&[], 6);

    assert_eq!(
        (&summary["counts"]["conflict"], &summary["state"]),
        (&json!(2), &json!("applied")),
        "{summary}"
    );
    assert_eq!(scene.users().len(), 3);
    let conflicts: Vec<_> =
        scene.changes(&summary).into_iter().filter(|change| change["action"] == "conflict").collect();
    for conflict in &conflicts {
        assert_eq!(conflict["reason"], "duplicate-username");
        let detail = conflict["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(&scene.dn("twin")) && detail.contains(&scene.dn("other")), "{conflict}");
    }

    // An incumbent keeps the name; once the data are mended, everybody is in.
    scene.directory.set(&scene.dn("other"), "mail", ["other@lg.local"]);
    let mended = scene.imp();
    assert_eq!(
        (&mended["counts"]["create"], &mended["counts"]["conflict"]),
        (&json!(2), &json!(0)),
        "{mended}"
    );
}

#[test]
fn nothing_but_searches_reaches_the_directory() {
    let scene = Scene::of(company());
    scene.imp();
    scene.leave("zoe");
    scene.imp();

    let log = scene.directory.log();
    let bound = format!("BIND dn=\"{}\"", scene.directory.bind_dn());
    let connections: BTreeSet<&str> =
        log.lines().filter(|line| line.contains(&bound)).filter_map(connection_of).collect();
    let ours: Vec<&str> = log
        .lines()
        .filter(|line| connection_of(line).is_some_and(|name| connections.contains(name)))
        .collect();
    assert!(ours.iter().any(|line| line.contains(" SRCH ")), "{log}");
    for line in ours {
        for operation in [" MOD ", " ADD ", " DEL ", " MODRDN ", " PASSMOD", " CMP "] {
            assert!(!line.contains(operation), "the agent did more than read: {line}");
        }
    }
}

/// `conn=1000` of a line that slapd logged.
fn connection_of(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with("conn="))
}

#[test]
fn the_summary_has_the_members_that_scripts_rely_on() {
    let scene = Scene::of(company());
    let summary = scene.imp();
    redacted(|| insta::assert_json_snapshot!(summary));
}

#[test]
fn a_preview_reads_as_a_table() {
    let scene = Scene::of(company());
    let outcome = scene.agent.run(&["imp", "--dry-run"]).expect_code(0);
    // How many bytes and seconds it took is another number every time.
    let (repeatable, _) = outcome.stdout.split_once("; sent").expect("it ends with what was read and sent");
    insta::assert_snapshot!(repeatable);
}
