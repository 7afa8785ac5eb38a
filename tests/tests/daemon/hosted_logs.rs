//! What a control plane logs of the connectors that it runs itself: whose line it is, and advice that can be followed.

use serde_json::{Value, json};

use adc_tests::InMemory;

use super::hosted::{Elsewhere, Host, LDAP, port_of, until};

#[test]
fn nobody_knew_whose_directory_a_line_was_about_and_there_was_no_adc_yaml_to_mend() {
    let Some(elsewhere) = Elsewhere::new() else {
        eprintln!("NOT PROVED: this process may not make network namespaces");
        return;
    };
    let directory = InMemory::sample();
    elsewhere.forward(LDAP, port_of(&directory.url()));
    let mut host = Host::start(&elsewhere.network());
    host.stop();
    host.serve_logging_json();
    let there = elsewhere.there.to_string();
    let give = |host: &Host, password: &str| {
        let connection = json!({
            "host": there, "tls": "plain", "base_dn": adc_sandbox::sample::BASE_DN,
            "user": directory.bind_dn(), "password": password,
        });
        host.set(&connection).ok();
    };
    let trouble = |host: &Host| {
        let agents = host.agents();
        agents.first().map(|agent| agent["directory"]["trouble"]["code"].clone())
    };
    give(&host, directory.bind_password());
    until(|| trouble(&host) == Some(Value::Null));
    assert_eq!(host.run()["state"], "applied");
    let user = host.api().get("/users?limit=1").ok()["items"][0]["username"].clone();
    give(&host, "wrong-mule");
    until(|| trouble(&host) == Some(json!("bind-refused")));
    let login = host.api().post("/login", &json!({ "username": user, "password": "secret-mule" }));
    assert_eq!(login.problem(), (503, "directory-unreachable"));
    assert_eq!(host.run()["state"], "failed");
    host.stop();

    let log = host.log();
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let warnings: Vec<Value> =
        records.filter(|record| matches!(record["level"].as_str(), Some("WARN" | "ERROR"))).collect();
    let says = |words: &str| {
        warnings.iter().any(|record| record["message"].as_str().is_some_and(|said| said.contains(words)))
    };
    for words in
        ["the directory refuses", "a password could not be checked", "changes are not followed", "run failed"]
    {
        assert!(says(words), "nothing says {words:?}: {log}");
    }
    let mut of_connector = 0;
    for record in &warnings {
        let spans = record["spans"].as_array().cloned().unwrap_or_default();
        let is_of_api = spans.iter().any(|span| span["name"] == "request");
        if is_of_api && record["message"] == "failed" {
            // One for every request that is answered so, whoever asks.
            continue;
        }
        let named =
            |key: &str| spans.iter().chain([record]).find_map(|of| of[key].as_str().map(str::to_owned));
        assert_eq!(named("synchronization.id").as_ref(), Some(&host.synchronization), "{record}");
        for absent in ["adc.yaml", "SIGHUP", "adc check", "backend.ldap"] {
            assert!(!record.to_string().contains(absent), "a hosted connector has no {absent}: {record}");
        }
        // What the connector says; the control plane's own lines about its runs and agents name them.
        if !spans.is_empty() && !is_of_api {
            of_connector += 1;
            assert_eq!(named("directory.host").as_ref(), Some(&there), "{record}");
            assert!(named("account.id").is_some(), "{record}");
        }
    }
    assert!(of_connector >= 3, "{log}");
}
