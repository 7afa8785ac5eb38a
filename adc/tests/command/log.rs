//! What is logged, for people and for log collectors.

use adc_sandbox::{Sandbox, sample};
use serde_json::Value;

use crate::{Scene, stderr};

#[tokio::test]
async fn several_problems_were_one_record_of_several_lines() {
    let output = Scene::new("# nothing yet\n").adc(&["--log-format", "json", "imp"]).await;
    let records: Vec<Value> = stderr(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect();
    let messages: Vec<&str> =
        records.iter().map(|record| record["message"].as_str().expect("a message")).collect();
    assert!(messages.iter().all(|message| !message.contains('\n')), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("server.url is missing")), "{messages:?}");
    assert!(
        messages.iter().any(|message| message.contains("backend.ldap.base_dn is missing")),
        "{messages:?}"
    );
    assert!(records.iter().all(|record| record["level"] == "ERROR" && record["timestamp"].is_string()));
}

/// The values of each record of a search that mentions this filter.
fn searches(log: &str, filter: &str) -> Vec<Value> {
    let records = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON object a line"));
    let of = |record: &Value| record["filter"].as_str().is_some_and(|text| text.contains(filter));
    records.filter(of).collect()
}

#[tokio::test]
async fn every_search_is_logged_and_no_value_of_any_entry() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let scene = Scene::of(&sandbox);
    let quiet = stderr(&scene.adc(&["--log-format", "json", "check"]).await);
    assert!(searches(&quiet, "").is_empty(), "{quiet}");

    let log = stderr(&scene.adc(&["--log-format", "json", "-v", "check"]).await);
    let people = &searches(&log, "(objectClass=inetOrgPerson)")[0];
    assert_eq!(people["message"], "searched the directory");
    assert_eq!(people["base"], sample::BASE_DN);
    assert_eq!(people["scope"], "sub");
    assert_eq!(people["entries"], sample::PEOPLE);
    assert_eq!(people["pages"], 1);
    assert_eq!(people["code"], 0);
    assert!(people["attributes"].is_string() && people["ms"].is_number(), "{people}");
    assert!(!log.contains("read a page"), "{log}");

    let log = stderr(&scene.adc(&["--log-format", "json", "-vv", "check"]).await);
    assert!(log.contains("read a page of the directory"), "{log}");
    let everybody: Vec<String> = sandbox
        .directory()
        .entries()
        .filter(|entry| entry.dn().starts_with("uid="))
        .filter_map(|entry| entry.text("mail").map(str::to_owned))
        .collect();
    assert!(everybody.len() > 100);
    assert!(!everybody.iter().any(|mail| log.contains(mail)), "{log}");
    assert!(!log.contains(sample::READONLY_PASSWORD), "{log}");
}

#[tokio::test]
async fn a_level_that_is_none_was_ignored_without_a_word() {
    let arguments = ["ADC_LOG=nonsense", env!("CARGO_BIN_EXE_adc"), "config", "show"];
    let output = Scene::new("").run("/usr/bin/env", &arguments).await;
    assert!(stderr(&output).contains("ADC_LOG is \"nonsense\", which is no level"), "{}", stderr(&output));
}
