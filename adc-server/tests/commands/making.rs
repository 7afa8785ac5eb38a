//! Accounts, synchronizations and API keys made on the command line.

use crate::program::Place;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn json_output_has_exactly_the_documented_keys() {
    let place = Place::new();
    let keys = |value: &Value| value.as_object().expect("is an object").keys().cloned().collect::<Vec<_>>();
    let account = place.json(&["account", "create", "acme"]);
    assert_eq!(keys(&account), ["id", "name"]);
    let id = account["id"].as_str().expect("has an id");
    for account in ["acme", id] {
        let made = place.json(&["synchronization", "create", "--account", account, "--name", account]);
        assert_eq!(keys(&made), ["account_id", "application_id", "id", "name", "secret_token"]);
        assert_eq!(made["account_id"], id);
    }
    let key = place.json(&["api-key", "create"]);
    assert_eq!(keys(&key), ["api_key", "id", "role"]);
    assert_eq!(key["role"], "system-administrator");
    assert_eq!(place.json(&["api-key", "create", "--account", "acme"])["role"], "account-administrator");
    assert_eq!(place.json(&["api-key", "create", "--account", id, "--role", "auditor"])["role"], "auditor");
}

#[test]
fn an_api_key_could_be_neither_listed_nor_revoked() {
    let place = Place::new();
    assert_eq!(place.json(&["api-key", "list"]), json!({ "items": [] }));
    place.json(&["account", "create", "acme"]);
    place.json(&["account", "create", "other"]);
    let key = place.json(&["api-key", "create", "--account", "acme"]);
    let id = key["id"].as_str().expect("has an id");
    place.json(&["api-key", "create", "--account", "other", "--role", "auditor"]);
    place.json(&["api-key", "create"]);
    let listed = |arguments: &[&str]| {
        let all = place.json(&[&["api-key", "list"], arguments].concat());
        let keys = all["items"].as_array().expect("is a list").iter();
        keys.map(|key| format!("{} {}", key["role"], key["account"])).collect::<Vec<_>>()
    };
    let of_acme = r#""account-administrator" "acme""#;
    assert_eq!(listed(&["--account", "acme"]), [of_acme]);
    let [auditor, of_all] = [r#""auditor" "other""#, r#""system-administrator" null"#];
    assert_eq!(listed(&[]), [of_acme, auditor, of_all]);
    let shown = |what: &str| {
        let output = place.run(&["api-key", "list", "--account", "acme", "--output", what]);
        String::from_utf8(output.stdout).expect("is UTF-8")
    };
    let secret = key["api_key"].as_str().expect("is shown once");
    for what in ["text", "json"] {
        assert!(shown(what).contains(id) && !shown(what).contains(secret), "{}", shown(what));
    }

    assert_eq!(place.json(&["api-key", "revoke", id]), json!({ "id": id, "revoked": true }));
    assert!(shown("text").contains(", revoked 20"), "{}", shown("text"));
    for id in [id, "key_nobody"] {
        let (code, said) = place.refused(&["api-key", "revoke", id]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(&format!("There is no API key {id}, or it was revoked before")), "{said}");
    }
}

#[test]
fn usage_errors_end_with_2_and_others_with_1_and_one_sentence() {
    let place = Place::new();
    place.json(&["account", "create", "acme"]);
    for (arguments, code, sentence) in [
        (&["account", "create"][..], 2, "required arguments"),
        (&["api-key", "create", "--role", "auditor"], 2, "is about one account"),
        (
            &["api-key", "create", "--account", "acme", "--role", "system-administrator"],
            2,
            "leave --account out",
        ),
        (&["api-key", "create", "--role", "king"], 2, "possible values"),
        (&["serve", "--tls-cert", "c.pem"], 2, "--tls-key"),
        (
            &["account", "create", "acme"],
            1,
            "error: There is an account named \"acme\" already; choose another name.\n",
        ),
        (&["api-key", "list", "--account", "nobody"], 1, "no account with the id or name"),
        (
            &["synchronization", "create", "--account", "nobody", "--name", "x"],
            1,
            "no account with the id or name",
        ),
        (&["account", "create", "x", "--database", "postgres://x"], 1, "use sqlite:PATH"),
        (
            &["account", "create", "x", "--database", "sqlite:no/such/folder/adc.db"],
            1,
            "its folder does not exist; make it, or choose another by --database",
        ),
        (&["serve", "--listen", "0.0.0.0:0"], 1, "--behind-proxy"),
        (&["serve", "--tls-cert", "c.pem", "--tls-key", "k.pem"], 1, "c.pem"),
    ] {
        let (status, message) = place.refused(arguments);
        assert_eq!(status, code, "{arguments:?}: {message}");
        assert!(message.contains(sentence), "{arguments:?}: {message}");
        assert!(
            code == 2 || message.lines().count() == 1,
            "{arguments:?} says more than a sentence: {message}"
        );
    }
}

#[test]
fn the_flag_wins_over_the_environment() {
    let place = Place::new();
    let mut command = place.command(&["account", "create", "a"]);
    assert!(command.env("ADC_DATABASE", "sqlite:environment.db").status().expect("runs").success());
    assert!(place.path().join("environment.db").exists());
    let mut command = place.command(&["account", "create", "a", "--database", "sqlite:flag.db"]);
    assert!(command.env("ADC_DATABASE", "sqlite:environment.db").status().expect("runs").success());
    assert!(place.path().join("flag.db").exists());
}

#[test]
fn the_openapi_document_describes_every_operation() {
    let document = openapi();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "adc-server");
    let mut described = Vec::new();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let says = |key: &str| operation[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(says("summary") || says("description"), "{name} is not described");
        let id = operation["operationId"].as_str().expect("every operation has an id");
        assert!(
            ids.insert(id),
            "two operations are called {id}; clients made of the document would have one"
        );
        let security = &operation["security"][0];
        assert!(security.is_object(), "{name} says nothing of who may call it");
        described.push(format!("{name} {id} {security}"));
    }
    described.sort();
    insta::assert_snapshot!(described.join("\n"));
}

#[test]
fn the_openapi_document_names_the_account_wherever_api_keys_act_on_one() {
    let document = openapi();
    for (name, operation) in operations(&document) {
        let role = &operation["security"][0]["api_key"][0];
        let of_an_account = role.is_string() && role != "system-administrator";
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let accounts = parameters
            .iter()
            .filter(|parameter| parameter["name"] == "account" && parameter["in"] == "query")
            .count();
        assert_eq!(accounts, usize::from(of_an_account), "{name}");
    }
    let schemes = document["components"]["securitySchemes"].as_object().expect("says how to sign in");
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["agent", "api_key"]);
}

#[test]
fn the_openapi_document_names_the_code_of_a_plan_that_is_not_held() {
    let document = openapi();
    for decision in ["approve", "reject"] {
        let operation = &document["paths"][format!("/api/v1/runs/{{id}}/{decision}")]["post"];
        let conflict = operation["responses"]["409"]["description"].as_str().expect("describes 409");
        assert!(conflict.contains("`not-held`"), "{decision}: {conflict}");
    }
}

fn openapi() -> Value {
    let output = Place::new().run(&["openapi"]);
    serde_json::from_slice(&output.stdout).expect("is JSON")
}

/// Every operation, named as `GET /path`.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("has paths");
    let methods = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("has methods");
        methods
            .iter()
            .map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    methods.collect()
}

#[test]
fn a_level_that_is_none_was_ignored_without_a_word() {
    let place = Place::new();
    let output =
        place.command(&["account", "create", "acme"]).env("ADC_LOG", "nonsense").output().expect("starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("ADC_LOG is \"nonsense\", which is no level"), "{said}");
}

#[test]
fn an_account_that_is_not_there_says_how_one_is_made() {
    let (code, said) =
        Place::new().refused(&["synchronization", "create", "--account", "acmee", "--name", "hq"]);
    assert_eq!(code, 1);
    assert!(said.contains("\"acmee\"") && said.contains("adc-server account create"), "{said}");
}
