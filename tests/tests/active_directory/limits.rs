//! What a domain controller of Microsoft's own does and Samba does not: long lists come in parts. Played from memory.

use adc_sandbox::{ActiveDirectory, Attributes, Behaviour, Fault};
use adc_tests::{InMemory, Scene};
use serde_json::json;

const EVERYBODY: &str = "cn=everybody,dc=example,dc=com";
/// More than two parts of 1,500, and more than travel to the control plane at once.
const MEMBERS: usize = 5_200;

/// The sample company on a domain controller, with a group of people who mostly are of other domains.
fn scene() -> Scene<InMemory> {
    let scene = Scene::in_memory(InMemory::sample()).agent(|agent| {
        // The sample's people are no accounts of Windows.
        agent.ldap("preset", "inetorgperson").ldap("id_attribute", "entryUUID")
    });
    let mut behaviour = Behaviour::default();
    behaviour.active_directory = Some(ActiveDirectory::default());
    scene.directory.set_behaviour(behaviour);
    let group = Attributes::new().with("objectClass", "groupOfNames");
    scene.directory.directory().add(EVERYBODY, group).expect("added");
    set_members(&scene, MEMBERS);
    scene
}

fn set_members(scene: &Scene<InMemory>, count: usize) {
    let members: Vec<String> = (0..count).map(|number| format!("cn=member {number},dc=other")).collect();
    scene.directory.directory().set(EVERYBODY, "member", members).expect("set");
}

fn member_count(scene: &Scene<InMemory>) -> serde_json::Value {
    scene.groups()["everybody"]["member_count"].clone()
}

#[test]
fn a_group_beyond_the_servers_limit_has_all_its_members() {
    let scene = scene();
    scene.imp();
    assert_eq!(member_count(&scene), json!(MEMBERS));
    assert_eq!(scene.imp()["sent"]["records"], 0);

    // Some join, one leaves: no more than that is in the report.
    set_members(&scene, MEMBERS + 2);
    scene.directory.directory().forget(EVERYBODY, "member", "cn=member 7,dc=other").expect("forgotten");
    let summary = scene.imp();
    let changes = scene.changes(&summary);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["after"]["members_removed"], json!(["cn=member 7,dc=other"]));
    assert_eq!(member_count(&scene), json!(MEMBERS + 1));
}

#[test]
fn a_list_that_is_not_read_to_its_end_removes_nobody() {
    let scene = scene();
    scene.imp();
    let before = scene.state();
    for fault in [Fault::without("member").asking("range=2998-"), Fault::cut_values(1).asking("range=1499-")]
    {
        scene.directory.faults().inject(fault.always());
        let outcome = scene.imp_fails(3, "list-incomplete");
        assert!(outcome.stderr.contains(EVERYBODY), "{}", outcome.stderr);
        assert_eq!(scene.state(), before);
        scene.directory.faults().clear();
    }
    assert_eq!(scene.imp()["sent"]["records"], 0);
}
