//! `adc check`.

use std::process::Output;

use adc_sandbox::{Fault, ResultCode, Sandbox, sample};
use serde_json::Value;

use crate::{Scene, stdout};

fn hops(output: &Output) -> Vec<(String, String, String)> {
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let text = |hop: &Value, key: &str| hop[key].as_str().expect(key).to_owned();
    document["hops"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|hop| (text(hop, "hop"), text(hop, "state"), text(hop, "message")))
        .collect()
}

pub(crate) fn states(output: &Output) -> Vec<String> {
    hops(output).into_iter().map(|(hop, state, _)| format!("{hop} {state}")).collect()
}

#[tokio::test]
async fn it_tests_every_hop_and_counts() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let output = Scene::of(&sandbox).adc(&["check", "--output", "json"]).await;
    let hops = hops(&output);
    let shown: Vec<String> = hops.iter().map(|(hop, state, _)| format!("{hop} {state}")).collect();
    insta::assert_snapshot!(shown.join("\n"));
    let filter: Vec<&str> =
        hops.iter().filter(|(hop, ..)| hop == "filter").map(|(_, _, message)| message.as_str()).collect();
    assert!(filter[0].starts_with(&format!("{} people, such as ", sample::PEOPLE)), "{filter:?}");
    assert!(filter[1].starts_with(&format!("{} groups, such as cn=", sample::GROUPS)), "{filter:?}");
    assert!(filter[2].starts_with(&format!("{} org units, such as ou=", sample::ORG_UNITS)), "{filter:?}");
    assert_eq!(output.status.code(), Some(4), "the control plane is the first hop that fails");
    assert!(!sandbox.journal().log.iter().any(adc_sandbox::Operation::is_write));
}

#[tokio::test]
async fn it_stops_at_the_hop_that_fails_and_tests_the_control_plane_all_the_same() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    sandbox.faults().inject(Fault::refuse_bind(ResultCode::InvalidCredentials, ""));
    let output = Scene::of(&sandbox).adc(&["check", "--output", "json"]).await;
    assert_eq!(output.status.code(), Some(3));
    let states = states(&output);
    assert_eq!(states[states.len() - 2..], ["bind failed", "control-plane failed"]);
}

#[tokio::test]
async fn for_people_it_is_a_line_a_hop() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let output = Scene::of(&sandbox).adc(&["check"]).await;
    let text = stdout(&output);
    assert!(
        text.lines().all(|line| line.starts_with("ok ")
            || line.starts_with("warning ")
            || line.starts_with("failed ")),
        "{text}"
    );
}

#[tokio::test]
async fn a_connection_in_clear_was_warned_about_again_and_again() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let hops = hops(&Scene::of(&sandbox).adc(&["check", "--output", "json"]).await);
    let in_clear: Vec<&str> = hops
        .iter()
        .filter(|(.., message)| message.contains("in clear"))
        .map(|(hop, ..)| hop.as_str())
        .collect();
    assert_eq!(in_clear, ["tls"]);
}

#[tokio::test]
async fn groups_and_org_units_that_nothing_identifies_were_not_mentioned() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let scene = Scene::with(&sandbox, "    id_attribute: employeeNumber\n");
    let output = scene.adc(&["check", "--output", "json"]).await;
    let filters: Vec<_> = hops(&output).into_iter().filter(|(hop, ..)| hop == "filter").collect();
    let [people, groups, org_units] = &filters[..] else { panic!("{filters:?}") };
    assert_eq!(people.1, "ok", "{people:?}");
    for (of, count) in [(groups, sample::GROUPS), (org_units, sample::ORG_UNITS)] {
        assert_eq!(of.1, "warning");
        assert!(of.2.starts_with(&format!("{count} ")), "{of:?}");
        assert!(
            of.2.contains(", all of them without a usable employeeNumber to be known by, such as "),
            "{of:?}"
        );
        assert!(of.2.ends_with("or set id_attribute to one that every entry has"), "{of:?}");
    }
}

#[tokio::test]
async fn people_that_nothing_identifies_are_counted() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let somebody = sandbox
        .directory()
        .entries()
        .find(|entry| entry.dn().starts_with("uid="))
        .map(|entry| entry.dn().to_owned());
    let jane = somebody.expect("somebody");
    sandbox.directory().set(&jane, "employeeNumber", Vec::<String>::new()).expect("set");
    let people = async |id_attribute: &str| {
        let scene = Scene::with(&sandbox, &format!("    id_attribute: {id_attribute}\n"));
        let hops = hops(&scene.adc(&["check", "--output", "json"]).await);
        let (_, state, message) = hops.into_iter().find(|(hop, ..)| hop == "filter").expect("a filter");
        format!("{state}: {message}").replace(&jane, "JANE")
    };
    insta::assert_snapshot!(people("employeeNumber").await, @"warning: 300 people, 1 of them without a usable employeeNumber to be known by, such as JANE: the entry has no employeeNumber; let the bind account read it, or set id_attribute to one that every entry has");
    let nobody = people("carLicense").await;
    let all = format!("failed: {0} people, all of them without a usable carLicense", sample::PEOPLE);
    assert!(nobody.starts_with(&all), "{nobody}");
}

#[tokio::test]
async fn a_size_limit_is_told_with_the_account_to_raise_it_for() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let limit = Fault::answer_after(50, ResultCode::SizeLimitExceeded, "");
    sandbox.faults().inject(limit.mentioning("inetOrgPerson"));
    let output = Scene::of(&sandbox).adc(&["check", "--output", "json"]).await;
    assert_eq!(output.status.code(), Some(3));
    let hops = hops(&output);
    let (_, state, message) = hops.iter().find(|(hop, ..)| hop == "filter").expect("a filter");
    assert_eq!(state, "failed");
    assert!(
        message.starts_with("the directory gave 50 entries and cut the search for people at its size limit"),
        "{message}"
    );
    assert!(message.contains(&format!("limits dn.exact=\"{}\"", sample::READONLY_DN)), "{message}");
}
