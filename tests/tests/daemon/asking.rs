//! What the control plane asks of a connected agent: the connection's test, the tree, an entry.

use std::thread;

use adc_tests::{InMemory, Scene};
use serde_json::{Value, json};

use super::following::{refuse_all, refused_binds};
use super::{Connected, plain, scene};

fn path<D>(scene: &Scene<D>, what: &str) -> String {
    format!("/synchronizations/{}/{what}", scene.synchronization.id)
}

fn names(browsed: &Value) -> Vec<&str> {
    let containers = browsed["containers"].as_array().expect("a list");
    containers.iter().map(|container| container["name"].as_str().expect("a name")).collect()
}

#[test]
fn the_connection_is_tested_hop_by_hop() {
    let mut scene = scene();
    let agent = Connected::start(&scene.agent);
    let tested = scene.api.post(&path(&scene, "test-connection"), &plain()).ok();
    let hops: Vec<&str> =
        tested["hops"].as_array().expect("a list").iter().filter_map(|hop| hop["hop"].as_str()).collect();
    assert_eq!(tested["ok"], true, "{tested}");
    assert!(hops.contains(&"bind") && hops.contains(&"control-plane"), "{hops:?}");
    scene.directory.kill();
    let tested = scene.api.post(&path(&scene, "test-connection"), &plain()).ok();
    let failed = tested["hops"].as_array().expect("a list").iter().find(|hop| hop["state"] == "failed");
    assert_eq!(tested["ok"], false);
    assert!(
        failed.is_some_and(|hop| hop["message"].as_str().is_some_and(|text| !text.is_empty())),
        "{tested}"
    );
    agent.stop();
}

#[test]
fn the_tree_is_browsed_within_the_base_dn() {
    let scene = scene();
    let agent = Connected::start(&scene.agent);
    let browsed = scene.api.get(&path(&scene, "browse")).ok();
    assert_eq!((&browsed["dn"], names(&browsed)), (&json!("dc=lg,dc=local"), vec!["people"]));
    let below = scene.api.get(&path(&scene, "browse?dn=ou%3Dpeople,dc%3Dlg,dc%3Dlocal")).ok();
    assert_eq!(names(&below), Vec::<&str>::new(), "people are no containers");
    for (dn, says) in [
        ("dc%3Dother", "outside of base_dn"),
        ("cn%3Dconfig", "outside of base_dn"),
        ("ou%3Dnowhere,dc%3Dlg,dc%3Dlocal", "shows no entry"),
        ("nonsense", "is no DN"),
    ] {
        let refused = scene.api.get(&path(&scene, &format!("browse?dn={dn}")));
        assert_eq!(refused.problem(), (422, "agent-refused"), "{dn}");
        assert!(
            refused.body["detail"].as_str().is_some_and(|detail| detail.contains(says)),
            "{}",
            refused.body
        );
    }
    agent.stop();
}

#[test]
fn an_entry_is_shown_as_far_as_it_may_leave_the_network() {
    let scene = scene();
    let agent = Connected::start(&scene.agent);
    let shown = scene.api.get(&path(&scene, "sample?filter=(mail=jane@lg.local)")).ok();
    let attributes = &shown["entry"]["attributes"];
    assert_eq!(
        (&shown["entry"]["dn"], &attributes["mail"]),
        (&json!(scene.dn("jane")), &json!(["jane@lg.local"]))
    );
    assert_eq!(attributes["userPassword"], Value::Null);
    let by_dn =
        scene.api.get(&path(&scene, &format!("sample?dn={}", scene.dn("jane").replace('=', "%3D")))).ok();
    assert_eq!(by_dn, shown);
    let nobody = scene.api.get(&path(&scene, "sample?filter=(mail=nobody@lg.local)")).ok();
    assert_eq!(nobody["entry"], Value::Null);
    for filter in ["(userPassword=*)", "(employeeNumber", "(homePhone=*)"] {
        let refused = scene.api.get(&path(&scene, &format!("sample?filter={filter}")));
        assert_eq!(refused.problem(), (422, "agent-refused"), "{filter}");
    }
    agent.stop();
}

#[test]
fn eight_who_looked_around_at_once_locked_the_bind_account_out() {
    let scene = Scene::in_memory(InMemory::sample());
    let agent = Connected::start(&scene.agent);
    scene.directory.wait_until(|journal| !journal.log.is_empty());
    refuse_all(&scene.directory);
    thread::scope(|scope| {
        let looks = |number: usize| {
            let what = if number.is_multiple_of(2) { "browse" } else { "sample?filter=(uid=zoe)" };
            let (api, path) = (&scene.api, path(&scene, what));
            scope.spawn(move || api.get(&path))
        };
        let looking: Vec<_> = (0..8).map(looks).collect();
        for looks in looking {
            let refused = looks.join().expect("an answer");
            assert_eq!(refused.problem(), (422, "agent-refused"), "{}", refused.body);
            assert!(refused.body["detail"].to_string().contains("refuse"), "{}", refused.body);
        }
    });
    let again = scene.api.get(&path(&scene, "browse"));
    assert!(
        again.body["detail"].to_string().contains("not tried again by itself for 10 minutes"),
        "{}",
        again.body
    );
    assert_eq!(refused_binds(&scene.directory), 1);
    agent.stop();
}
