//! The server cannot widen: what adc.yaml does not allow is not asked of the directory.

use adc_tests::{Company, Person, Scene};
use serde_json::{Value, json};

fn scene() -> Scene {
    Scene::of(
        Company::new("dc=lg,dc=local")
            .ou("people")
            .person(Person::new("jane").with("homePhone", "1").with("title", "Head"))
            .person("max"),
    )
}

/// After this policy the agent refuses to read: nothing of it reaches the directory or the account.
fn refused(policy: &Value, attribute: &str) {
    let scene = scene();
    scene.imp();
    let before = scene.state();
    scene.patch(&json!({ "policy": policy }));
    let outcome = scene.agent.imp().expect_code(2);
    let stderr = outcome.stderr.to_lowercase();
    assert!(stderr.contains(&attribute.to_lowercase()), "it does not name {attribute}: {stderr}");
    assert_eq!(scene.state()["users"], before["users"]);
    let log = scene.directory.log().to_lowercase();
    let asked = log.lines().any(|line| line.contains(" srch ") && line.contains(&attribute.to_lowercase()));
    assert!(!asked, "{attribute} was asked for");
}

#[test]
fn a_mapping_of_an_attribute_that_is_not_allowed() {
    refused(&json!({ "mapping": { "fields": [{ "name": "home", "from": "homePhone" }] } }), "homePhone");
}

#[test]
fn a_mapping_of_a_secret_is_not_even_stored() {
    let scene = scene();
    let path = format!("/synchronizations/{}", scene.synchronization.id);
    for policy in [
        json!({ "mapping": { "fields": [{ "name": "secret", "from": "userPassword" }] } }),
        json!({ "include": ["(userPassword=*)"] }),
    ] {
        let refused = scene.api.patch(&path, &json!({ "policy": policy }));
        assert_eq!(refused.problem(), (422, "invalid-policy"));
        assert!(
            refused.body["detail"].as_str().is_some_and(|detail| detail.contains("userPassword")),
            "{}",
            refused.body
        );
    }
    scene.imp();
}

#[test]
fn a_template_of_an_attribute_that_is_not_allowed() {
    let from = "{{ givenName }} {{ homePhone }}";
    refused(&json!({ "mapping": { "fields": [{ "name": "home", "from": from }] } }), "homePhone");
}

#[test]
fn a_filter_on_an_attribute_that_is_not_allowed() {
    refused(&json!({ "include": ["(homePhone=1)"] }), "homePhone");
    refused(&json!({ "exclude": [{ "name": "home", "filter": "(!(homePhone=1))" }] }), "homePhone");
}

#[test]
fn a_filter_on_a_secret_even_where_everything_is_allowed() {
    let scene = scene().agent(|agent| agent.ldap_yaml("attributes", "[mail, uid, cn, sn, userPassword]"));
    let outcome = scene.agent.imp().expect_code(2);
    assert!(outcome.stderr.contains("userPassword"), "{}", outcome.stderr);
}

#[test]
fn an_attribute_that_adc_yaml_allows_can_be_mapped() {
    let scene =
        scene().agent(|agent| agent.ldap_yaml("attributes", "[mail, uid, cn, sn, givenName, homePhone]"));
    scene.patch(&json!({ "policy": { "mapping": { "fields": [{ "name": "home", "from": "homePhone" }] } } }));
    scene.imp();
    assert_eq!(scene.user("jane@lg.local")["fields"]["home"], "1");
    // And what is not among them stays at home, though the preset maps it.
    assert_eq!(scene.user("jane@lg.local")["fields"].get("title"), None);
}

#[test]
fn people_whom_a_rule_excludes_are_left_out_and_named() {
    let scene = scene();
    scene.patch(&json!({ "policy": { "exclude": [{ "name": "heads", "filter": "(title=Head)" }] } }));
    let summary = scene.imp();
    assert!(
        scene.plan(&summary).contains(&"skip user jane@lg.local excluded-by-rule".to_owned()),
        "{summary}"
    );
    assert_eq!(scene.users().keys().collect::<Vec<_>>(), ["max@lg.local"]);
    let objects =
        scene.api.all(&format!("/synchronizations/{}/objects?status=excluded", scene.synchronization.id));
    assert_eq!(objects.len(), 1, "{objects:?}");
}
