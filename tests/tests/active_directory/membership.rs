//! Who belongs to a group.

use adc_tests::Scene;
use serde_json::json;

use super::domain::{SECURITY, below, group, person, serving, unit};

#[test]
fn people_are_members_of_their_primary_group() {
    let scene = serving([
        unit("OU=People"),
        unit("OU=Groups"),
        person("CN=Jane,OU=People", "jane"),
        person("CN=Max,OU=People", "max"),
        group("CN=Staff,OU=Groups", SECURITY, ["CN=Jane,OU=People", "CN=Max,OU=People"]),
        group("CN=All,OU=Groups", SECURITY, ["CN=Staff,OU=Groups"]),
    ]);
    let samba = &scene.directory;
    let staff = number_of(&scene, "Staff");
    // From now on the group does not list her: Active Directory takes her out of `member` itself.
    samba.set(&below("CN=Jane,OU=People"), "primaryGroupID", [&staff]);
    let listed = samba.search("(cn=Staff)", &["member"]);
    assert!(!listed.contains("CN=Jane") && listed.contains("CN=Max"), "{listed}");

    scene.imp();
    assert_eq!(scene.members("Staff"), ["jane@lg.local", "max@lg.local"]);
    assert_eq!(scene.effective_members("All"), ["jane@lg.local", "max@lg.local"]);
    assert_eq!(scene.imp()["sent"]["records"], 0);

    // And back again.
    samba.set(&below("CN=Jane,OU=People"), "primaryGroupID", ["513"]);
    samba.modify(&format!(
        "dn: {}\nchangetype: modify\ndelete: member\nmember: {}\n",
        below("CN=Staff,OU=Groups"),
        below("CN=Jane,OU=People")
    ));
    let summary = scene.imp();
    assert_eq!(scene.plan(&summary), ["update group Staff changed"]);
    assert_eq!(scene.members("Staff"), ["max@lg.local"]);
}

#[test]
fn domain_users_has_everybody_where_it_is_synchronized() {
    let scene =
        serving([unit("OU=People"), person("CN=Jane,OU=People", "jane"), person("CN=Max,OU=People", "max")])
            .agent(|agent| {
                // Its people are read in pages, in the middle of the pages of groups.
                agent.sync_yaml("groups", "{filter: (cn=Domain*)}").sync_yaml("page_size", "2")
            });
    scene.imp();
    assert!(scene.groups().len() > 4, "several pages: {:?}", scene.groups().keys());
    assert_eq!(scene.members("Domain Users"), ["jane@lg.local", "max@lg.local", "readonly@lg.local"]);
}

#[test]
fn nobody_is_a_member_where_members_may_not_be_read() {
    let scene = serving([unit("OU=People"), person("CN=Jane,OU=People", "jane")]).agent(|agent| {
        agent
            .sync_yaml("groups", "{filter: (cn=Domain Users)}")
            .ldap_yaml("attributes", "[userPrincipalName, cn]")
    });
    scene.imp();
    assert_eq!(scene.members("Domain Users"), [] as [&str; 0]);
}

#[test]
fn a_member_outside_the_scope_stays_as_it_was_read() {
    let scene = serving([
        unit("OU=People"),
        unit("OU=Elsewhere"),
        person("CN=Jane,OU=People", "jane"),
        person("CN=Max,OU=Elsewhere", "max"),
        group("CN=Both,OU=People", SECURITY, ["CN=Jane,OU=People", "CN=Max,OU=Elsewhere"]),
    ])
    .agent(|agent| agent.ldap("base_dn", &below("OU=People")));
    scene.imp();
    assert_eq!(scene.members("Both"), [below("CN=Max,OU=Elsewhere"), "jane@lg.local".to_owned()]);
    let groups = scene.groups();
    let members =
        scene.api.all(&format!("/groups/{}/members", groups["Both"]["id"].as_str().expect("an id")));
    let resolved: Vec<_> = members.iter().map(|member| &member["resolved"]).collect();
    assert!(resolved.contains(&&json!(true)) && resolved.contains(&&json!(false)), "{members:?}");
}

/// The last part of a group's security identifier.
fn number_of(scene: &Scene<adc_tests::Samba>, group: &str) -> String {
    let shown = scene.directory.search(&format!("(cn={group})"), &["primaryGroupToken"]);
    let number = shown.lines().find_map(|line| line.strip_prefix("primaryGroupToken: "));
    number.unwrap_or_else(|| panic!("{shown}")).to_owned()
}
