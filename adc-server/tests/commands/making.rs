//! Accounts, synchronizations and API keys made on the command line.

use crate::program::Place;
use serde_json::{Value, json};

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
        (
            &["synchronization", "create", "--account", "nobody", "--name", "x"],
            1,
            "no account with the id or name",
        ),
        (&["account", "create", "x", "--database", "postgres://x"], 1, "use sqlite:PATH"),
        (
            &["account", "create", "x", "--database", "sqlite:no/such/folder/adc.db"],
            1,
            "no/such/folder/adc.db",
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
    let output = Place::new().run(&["openapi"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("has paths") {
        for (method, operation) in methods.as_object().expect("has methods") {
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert_ne!(operation["security"], json!(null), "{method} {path} says nothing of who may call it");
            operations.push(format!("{} {path} {}", method.to_uppercase(), operation["security"][0]));
        }
    }
    operations.sort();
    insta::assert_snapshot!(operations.join("\n"));
}
