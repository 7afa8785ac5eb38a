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

/// The sample's people in one group, on a controller that gives a hundred values at a time and names whom it refers to.
fn everybody_listed() -> (Scene<InMemory>, Vec<String>) {
    let scene = scene().agent(|agent| agent.sync_yaml("groups", "{filter: (cn=everybody)}"));
    let mut limits = ActiveDirectory::default();
    limits.max_val_range = PART;
    let mut behaviour = Behaviour::default();
    behaviour.active_directory = Some(limits);
    scene.directory.set_behaviour(behaviour);
    let mut directory = scene.directory.directory();
    let classes = |entry: &adc_sandbox::Entry| entry.attributes().values("objectClass").to_vec();
    let people = directory.entries().filter(|entry| classes(entry).contains(&b"inetOrgPerson".to_vec()));
    let people: Vec<String> = people.map(|entry| entry.dn().to_owned()).collect();
    assert!(people.len() > 2 * PART, "three parts at least");
    directory.set(EVERYBODY, "member", &people).expect("set");
    drop(directory);
    (scene, people)
}

/// `MaxValRange` where people are few.
const PART: usize = 100;
/// What asks for the second part, which begins with the last value of the first.
const SECOND: &str = "range=99-";

#[test]
fn members_beyond_the_servers_limit_are_known_by_their_identities() {
    let (scene, people) = everybody_listed();
    scene.imp();
    let members = scene.members("everybody");
    assert_eq!(members.len(), people.len());
    assert!(members.iter().all(|member| !member.contains('=')), "nobody is a mere name: {members:?}");

    // One of the last part, whom the directory lists by the new name and does not call the group changed.
    let renamed = people.last().expect("somebody");
    let now = scene.directory.directory().rename(renamed, "cn=Somebody Else").expect("renamed");
    let mut listed = people.clone();
    *listed.last_mut().expect("somebody") = now;
    scene.directory.directory().set(EVERYBODY, "member", listed).expect("set");
    let summary = scene.imp();
    let changed = scene.changes(&summary);
    assert!(
        changed.iter().all(|change| change["kind"] == "user"),
        "by name it would be another: {changed:?}"
    );
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(scene.members("everybody"), members);
}

#[test]
fn a_list_of_identities_that_is_missing_cut_or_changing_removes_nobody() {
    let (scene, people) = everybody_listed();
    scene.imp();
    let before = scene.state();
    let leaver = people[7].clone();
    let turn = std::sync::atomic::AtomicBool::new(false);
    let changing = Fault::meanwhile(move |directory| {
        // Somebody comes and goes, and all who follow move up and down.
        let is_out = turn.fetch_xor(true, std::sync::atomic::Ordering::SeqCst);
        let change = directory.modify(EVERYBODY, |group| {
            let _ = group.remove_value("member", &leaver);
            if is_out {
                group.add("member", &leaver);
            }
        });
        change.expect("changed");
    });
    for fault in [
        Fault::without("member").asking(SECOND),
        Fault::cut_values(PART / 2).asking(SECOND),
        Fault::cut_values(PART / 2).asking("uSNChanged"),
        changing.asking(SECOND),
    ] {
        scene.directory.faults().inject(fault.always());
        let outcome = scene.imp_fails(3, "list-incomplete");
        assert!(outcome.stderr.contains(EVERYBODY), "{}", outcome.stderr);
        assert_eq!(scene.state(), before);
        scene.directory.faults().clear();
    }
    // Whoever came back is the last of the list, and nobody cares about its order.
    scene.directory.directory().set(EVERYBODY, "member", &people).expect("set");
    assert_eq!(scene.imp()["sent"]["records"], 0);
}
