//! Users: local ones made and changed, directory ones kept to what is theirs.

use crate::world::{Redacted, World, person};
use adc_server::roles::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn a_local_user_is_made_and_changed_and_the_ledger_says_so() {
    let world = World::start().await;
    let caller = world.administrator().await;
    let wishes = json!({ "username": " Zoë@lg.local ", "email": "zoe@lg.local",
        "fields": { "title": "Engineer", "languages": ["de", "en"] } });
    let made = caller.post("/users", &wishes).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    let path = format!("/users/{}", made["id"].as_str().expect("has an id"));
    assert_eq!(caller.get(&path).await.ok(), made);

    world.pass_time(1_000);
    let wanted =
        json!({ "status": "disabled", "fields": { "title": null, "phone": "+49 1" }, "owns": ["bot:42"] });
    let changed = caller.patch(&path, &wanted).await.ok();
    assert_eq!(caller.patch(&path, &json!({ "owns": ["bot:42"] })).await.ok(), changed, "changes nothing");
    let events = caller.all("/events", 1).await;
    let mut redacted = Redacted::default();
    let story = [redacted.of(made), redacted.of(changed), redacted.of(events.into())];
    insta::assert_json_snapshot!(story, { "[2][].id" => "[place]" });
}

#[tokio::test]
async fn names_are_unique_whatever_their_case() {
    let world = World::start().await;
    let caller = world.administrator().await;
    caller.post("/users", &json!({ "username": "jane" })).await.ok();
    let other = caller.post("/users", &json!({ "username": "john" })).await.ok();
    assert_eq!(
        caller.post("/users", &json!({ "username": "JANE" })).await.problem(),
        (409, "username-taken")
    );
    let path = format!("/users/{}", other["id"].as_str().expect("has an id"));
    assert_eq!(caller.patch(&path, &json!({ "username": "Jane" })).await.problem(), (409, "username-taken"));
    assert_eq!(caller.all("/events", 10).await.len(), 2, "what was refused is not in the ledger");
    for (patch, code) in [
        (json!({ "status": "deleted" }), "invalid-body"),
        (json!({ "username": "" }), "invalid-name"),
        (json!({ "fields": { "Job Title": "x" } }), "invalid-field"),
        (json!({ "fields": { "title": 7 } }), "invalid-body"),
        (json!({ "owns": "bot" }), "invalid-body"),
    ] {
        assert_eq!(caller.patch(&path, &patch).await.problem(), (422, code), "{patch}");
    }
}

#[tokio::test]
async fn a_refused_patch_cites_no_position_in_a_text_that_nobody_sent() {
    let world = World::start().await;
    let caller = world.administrator().await;
    let user = caller.post("/users", &json!({ "username": "jane" })).await.ok();
    let path = format!("/users/{}", user["id"].as_str().expect("has an id"));
    for (patch, sentence) in [
        (json!({ "fields": { "a": 1 } }), "fields.a: expected a text or a list of texts."),
        (json!({ "owns": "bot" }), "owns: invalid type: string \"bot\", expected a sequence."),
        (json!({ "admin at line 1 column 2": true }), "unknown field `admin at line 1 column 2`"),
    ] {
        let answer = caller.patch(&path, &patch).await;
        assert_eq!(answer.problem(), (422, "invalid-body"), "{patch}");
        assert!(answer.detail().contains(sentence), "{patch}: {}", answer.detail());
    }
    let request = caller.request(reqwest::Method::POST, "/users").header("Content-Type", "application/json");
    let posted = caller.send(request.body(r#"{"username":"x","fields":{"a":1}}"#)).await;
    let detail = posted.detail();
    assert!(detail.contains("fields.a: expected a text or a list of texts at line 1"), "{detail}");
}

#[tokio::test]
async fn of_a_directory_user_only_status_and_flags_are_changed_here() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut jane = person("jane");
    jane.fields.insert("manager".to_owned(), "uid=john,ou=people,dc=lg,dc=local".into());
    world.import(&source, &[jane.clone(), person("john")]).await;
    let user = caller.get("/users?q=jane@").await.ok()["items"][0].clone();
    assert_eq!(user["fields"]["manager"], "john@lg.local");
    let path = format!("/users/{}", user["id"].as_str().expect("has an id"));

    for patch in [json!({ "username": "x" }), json!({ "email": null }), json!({ "fields": { "title": "x" } })]
    {
        let answer = caller.patch(&path, &patch).await;
        assert_eq!(answer.problem(), (422, "directory-user"), "{patch}");
        assert!(answer.detail().contains(&source.id), "{}", answer.detail());
    }
    let whole = json!({ "username": user["username"], "email": user["email"], "fields": user["fields"],
        "account_owner": true, "administrator": true, "owns": ["bot:42"] });
    let changed = caller.patch(&path, &whole).await.ok();
    assert_eq!(changed["account_owner"], true);
    assert_eq!(changed["fields"], user["fields"], "what is shown resolved stays as read");

    let disabled = caller.patch(&path, &json!({ "status": "disabled" })).await.ok();
    assert_eq!((&disabled["status"], &disabled["status_by"]), (&json!("disabled"), &json!("administrator")));
    jane.fields.insert("title".to_owned(), "CTO".into());
    world.import(&source, &[jane, person("john")]).await;
    let kept = caller.get(&path).await.ok();
    assert_eq!((&kept["status"], &kept["fields"]["title"]), (&json!("disabled"), &json!("CTO")));
    assert_eq!(kept["fields"]["manager"], "john@lg.local");
}

#[tokio::test]
async fn a_leavers_name_was_kept_from_whoever_got_it_next() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let synchronization = format!("/synchronizations/{}", source.id);
    caller.patch(&synchronization, &json!({ "settings": { "delete-disables": true } })).await.ok();
    let mut namesake = person("another-jane");
    namesake.name = "jane@lg.local".to_owned();
    world.import(&source, &[person("jane"), person("john")]).await;
    let jane = caller.get("/users?q=jane@").await.ok()["items"][0].clone();
    let path = format!("/users/{}", jane["id"].as_str().expect("has an id"));

    // Disabled alone is not gone.
    caller.patch(&path, &json!({ "status": "disabled" })).await.ok();
    assert_eq!(caller.patch(&path, &json!({ "username": "x" })).await.problem(), (422, "directory-user"));
    caller.patch(&path, &json!({ "status": "active" })).await.ok();

    world.import(&source, &[namesake.clone(), person("john")]).await;
    assert_eq!(caller.get(&path).await.ok()["status"], "disabled");
    let renamed = caller.patch(&path, &json!({ "username": "jane.former@lg.local" })).await.ok();
    assert_eq!(renamed["username"], "jane.former@lg.local");

    world.import(&source, &[namesake, person("john")]).await;
    let people = caller.get("/users?q=jane").await.ok()["items"].clone();
    let people: Vec<_> = people.as_array().expect("is a list").iter().map(|user| &user["username"]).collect();
    assert_eq!(people, ["jane.former@lg.local", "jane@lg.local"]);
}

#[tokio::test]
async fn a_leaver_kept_a_unique_value_for_ever_from_whoever_got_it_next() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let synchronization = format!("/synchronizations/{}", source.id);
    let unique = |name, from| json!({ "name": name, "from": from, "unique": true });
    let mapping = json!({ "fields": [unique("employee_id", "employeeNumber"), unique("email", "mail")] });
    let changes = json!({ "settings": { "delete-disables": true }, "policy": { "mapping": mapping } });
    caller.patch(&synchronization, &changes).await.ok();
    let numbered = |name, email: &str| {
        let mut person = person(name);
        person.email = Some(email.to_owned());
        for (field, value) in [
            ("employee_id", "A7"),
            ("display_name", "Jane"),
            ("manager", "uid=john,ou=people,dc=lg,dc=local"),
        ] {
            person.fields.insert(field.to_owned(), value.into());
        }
        person.unique =
            [("employee_id", "a7"), ("email", email)].map(|(f, v)| (f.to_owned(), v.to_owned())).into();
        person
    };
    world.import(&source, &[numbered("jane", "desk@lg.local"), person("john")]).await;
    let jane = caller.get("/users?q=jane").await.ok()["items"][0].clone();
    let path = format!("/users/{}", jane["id"].as_str().expect("has an id"));

    let joined = [numbered("joe", "desk@lg.local"), person("john")];
    let patches = [json!({ "email": null }), json!({ "fields": { "employee_id": null } })];
    for (patch, field) in patches.iter().zip(["email", "employee_id"]) {
        let run = world.import(&source, &joined).await;
        let conflict =
            &caller.get(&format!("/runs/{}/changes?action=conflict", run.run_id)).await.ok()["items"][0];
        assert_eq!(conflict["reason"], "duplicate-value");
        let detail = conflict["detail"].as_str().expect("has a detail");
        let told = format!("PATCH {path} with {patch} frees it");
        assert!(detail.starts_with(field) && detail.contains(&told), "{detail}");
        let freed = caller.patch(&path, patch).await.ok();
        assert_eq!(freed["fields"]["manager"], "john@lg.local");
    }
    let run = world.import(&source, &joined).await;
    assert_eq!((run.counts.create, run.counts.conflict), (1, 0));
    assert_eq!(caller.get("/users?q=joe@").await.ok()["items"][0]["fields"]["employee_id"], "A7");
    let former = caller.get(&path).await.ok();
    assert_eq!((&former["email"], &former["fields"]["display_name"]), (&Value::Null, &json!("Jane")));

    // Who changes the manager too says who it is: it is no reference any more.
    let again = caller.patch(&path, &json!({ "fields": { "manager": "nobody" } })).await.ok();
    assert_eq!(again["fields"]["manager"], "nobody");
}

#[tokio::test]
async fn whom_an_administrator_disables_again_the_directory_does_not_enable() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut jane = person("jane");
    jane.active = false;
    world.import(&source, &[jane.clone()]).await;
    let user = caller.get("/users").await.ok()["items"][0].clone();
    assert_eq!((&user["status"], &user["status_by"]), (&json!("disabled"), &json!("directory")));
    let path = format!("/users/{}", user["id"].as_str().expect("has an id"));
    let told = caller.patch(&path, &json!({ "status": "disabled" })).await.ok();
    assert_eq!(told["status_by"], "administrator");
    jane.active = true;
    world.import(&source, &[jane]).await;
    assert_eq!(caller.get(&path).await.ok()["status"], "disabled");
}

#[tokio::test]
async fn a_change_made_here_makes_a_held_plan_stale() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let people: Vec<_> = (0..30).map(|number| person(&format!("p{number:02}"))).collect();
    world.import(&source, &people).await;
    let held = world.import(&source, &people[..10]).await;
    assert_eq!(as_word(&held.state), "held");
    let leaver =
        caller.get("/users?q=p29@").await.ok()["items"][0]["id"].as_str().expect("has an id").to_owned();
    caller.patch(&format!("/users/{leaver}"), &json!({ "account_owner": true })).await.ok();
    let approve = format!("/runs/{}/approve", held.run_id);
    assert_eq!(caller.post(&approve, &json!({})).await.problem(), (409, "plan-stale"));
    assert_eq!(caller.all("/users", 500).await.len(), 30);

    let shown = caller.get(&format!("/synchronizations/{}", source.id)).await.ok();
    assert_eq!(shown["held_run"], held.run_id);
    let again = world.import(&source, &people[..10]).await;
    assert_eq!(caller.post(&approve, &json!({})).await.problem(), (409, "superseded"));
    let approved = caller.post(&format!("/runs/{}/approve", again.run_id), &json!({})).await.ok();
    assert_eq!(approved["state"], "applied");
    assert_eq!(caller.all("/users", 500).await.len(), 11, "the owner is protected");
}

#[tokio::test]
async fn deleted_users_are_listed_apart_and_cannot_be_changed() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.caller(Role::AccountAdministrator).await;
    world.import(&source, &[person("jane"), person("john")]).await;
    world.import(&source, &[person("jane")]).await;
    let names =
        |users: Vec<Value>| users.into_iter().map(|user| user["username"].clone()).collect::<Vec<_>>();
    assert_eq!(names(caller.all("/users", 1).await), ["jane@lg.local"]);
    assert_eq!(names(caller.all("/users?status=active", 1).await), ["jane@lg.local"]);
    assert_eq!(names(caller.all("/users?status=disabled", 1).await), Vec::<Value>::new());
    let deleted = caller.all("/users?status=deleted", 1).await;
    let path = format!("/users/{}", deleted[0]["id"].as_str().expect("has an id"));
    assert_eq!(caller.get(&path).await.ok()["deleted_at"], "2026-11-22T12:00:00.000Z");
    assert_eq!(caller.patch(&path, &json!({ "status": "active" })).await.problem(), (409, "user-deleted"));
    caller.post("/users", &json!({ "username": "john@lg.local" })).await.ok();
}

#[tokio::test]
async fn people_are_found_by_display_names_whoever_wrote_them_and_however_they_are_typed() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let found = async |text: &str| {
        let users = caller.all(&format!("/users?q={text}"), 100).await;
        users.into_iter().map(|user| user["username"].clone()).collect::<Vec<_>>()
    };
    let jane_as = |name: &str| {
        let mut jane = person("jane");
        jane.fields.insert("display_name".to_owned(), name.into());
        jane
    };
    world.import(&source, &[jane_as("Élodie Groß"), person("john")]).await;
    for text in ["élodie", "ÉLODIE", "GROSS", "lodie%20g"] {
        assert_eq!(found(text).await, ["jane@lg.local"], "{text}");
    }
    assert_eq!(found("_lodie").await, Vec::<Value>::new(), "what is searched for is no pattern");
    world.import(&source, &[jane_as("Renée"), person("john")]).await;
    assert_eq!((found("lodie").await.len(), found("renée").await.len()), (0, 1));
    world.import(&source, &[person("john")]).await;
    world.import(&source, &[jane_as("Back Again"), person("john")]).await;
    assert_eq!(found("again").await, ["jane@lg.local"]);

    let local = json!({ "username": "zoe", "fields": { "display_name": "Zoë One" } });
    let local = caller.post("/users", &local).await.ok();
    assert_eq!(found("ZOË").await, ["zoe"]);
    let path = format!("/users/{}", local["id"].as_str().expect("has an id"));
    caller.patch(&path, &json!({ "fields": { "display_name": "Somebody" } })).await.ok();
    assert_eq!((found("zoë").await.len(), found("somebody").await.len()), (0, 1));
}

fn as_word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("prints").as_str().expect("is a word").to_owned()
}
