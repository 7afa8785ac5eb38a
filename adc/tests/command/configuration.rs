//! `adc config show`, and what is said of a configuration that is not fit for use.

use serde_json::Value;

use crate::{Scene, stderr, stdout};

const WITHOUT_BASE_DN: &str = "server: {url: 'https://cloud.example.com', application_id: app_1, secret_token: geheim}\nbackend:\n  ldap:\n    addr: ldaps://dc1\n    bind_dn: cn=readonly\n    bind_password: geheim\n    sync: {page_size: 20}\n";

#[tokio::test]
async fn show_refused_to_show_anything_while_a_key_was_missing() {
    let scene = Scene::new(WITHOUT_BASE_DN);
    let text = scene.adc(&["config", "show"]).await;
    assert_eq!(text.status.code(), Some(2));
    let of = |key: &str| stdout(&text).lines().find(|line| line.starts_with(key)).map(str::to_owned);
    assert!(of("backend.ldap.sync.page_size").is_some_and(|line| line.ends_with("./adc.yaml:7:23")));
    assert!(of("backend.ldap.base_dn").is_some_and(|line| line.ends_with("not set")));
    assert!(
        stderr(&text).contains("./adc.yaml: backend.ldap.base_dn is missing: the subtree to read"),
        "{}",
        stderr(&text)
    );
    let json = scene.adc(&["config", "show", "--output", "json"]).await;
    assert_eq!(json.status.code(), Some(2));
    let document: Value = serde_json::from_slice(&json.stdout).expect("one JSON document");
    assert!(document["problems"][0].as_str().is_some_and(|problem| problem.contains("base_dn is missing")));
    for output in [&text, &json] {
        assert!(!stdout(output).contains("geheim") && !stderr(output).contains("geheim"));
    }
}

#[tokio::test]
async fn show_prints_a_document_where_there_is_no_file_at_all() {
    let scene = Scene::new(WITHOUT_BASE_DN);
    let output = scene.adc(&["-c", "/nowhere/adc.yaml", "config", "show", "--output", "json"]).await;
    assert_eq!(output.status.code(), Some(2));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert!(document["problems"][0].as_str().is_some_and(|problem| problem.contains("cannot be read")));
}
