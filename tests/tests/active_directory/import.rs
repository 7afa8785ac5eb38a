//! A first import, and the ones after it: who is synchronized, as what, and what later changes become.

use adc_tests::{Entry, Samba, Scene};
use serde_json::json;

use super::domain::{DISABLED, DISTRIBUTION, SECURITY, below, group, person, serving, unit};

/// Some people, and groups of both kinds, one in the other.
fn company() -> Scene<Samba> {
    serving([
        unit("OU=People"),
        unit("OU=Sales,OU=People"),
        unit("OU=Groups"),
        person("CN=Max,OU=People", "max")
            .with("proxyAddresses", "smtp:a@lg.local")
            .with("proxyAddresses", "SMTP:max@lg.local"),
        person("CN=Jane Doe,OU=Sales,OU=People", "jane")
            .with("givenName", "Jane")
            .with("sn", "Doe")
            .with("mail", "jane.doe@lg.local")
            .with("department", "Sales")
            .with("manager", below("CN=Max,OU=People")),
        person("CN=Zoe,OU=People", "zoe"),
        group("CN=Sales,OU=Groups", SECURITY, ["CN=Jane Doe,OU=Sales,OU=People"]),
        group("CN=News,OU=Groups", DISTRIBUTION, ["CN=Sales,OU=Groups", "CN=Max,OU=People"]),
    ])
}

const JANE: &str = "CN=Jane Doe,OU=Sales,OU=People";
const ZOE: &str = "CN=Zoe,OU=People";

#[test]
fn a_domain_stands_in_the_control_plane() {
    let scene = company();
    scene.directory.set(&below(ZOE), "userAccountControl", [DISABLED]);
    let summary = scene.imp();
    let users = scene.users();
    assert_eq!(
        users.keys().collect::<Vec<_>>(),
        ["jane@lg.local", "max@lg.local", "readonly@lg.local", "zoe@lg.local"],
        "neither the domain controller nor the accounts of the system"
    );
    let jane = &users["jane@lg.local"];
    assert_eq!(jane["email"], "jane.doe@lg.local");
    assert_eq!(jane["fields"]["department"], "Sales");
    assert_eq!(jane["fields"]["manager"], "max@lg.local");
    assert_eq!(jane["provider"]["source_id"], scene.directory.guid("(sAMAccountName=jane)"));
    assert_eq!(users["max@lg.local"]["email"], "max@lg.local");
    assert_eq!((&jane["status"], &users["zoe@lg.local"]["status"]), (&json!("active"), &json!("disabled")));

    let groups = scene.groups();
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["News", "Sales"], "none of the system");
    assert_eq!(
        (&groups["News"]["kind"], &groups["Sales"]["kind"]),
        (&json!("distribution"), &json!("security"))
    );
    assert_eq!(scene.members("News"), ["Sales", "max@lg.local"]);
    assert_eq!(scene.effective_members("News"), ["jane@lg.local", "max@lg.local"]);
    let units: Vec<String> = ["OU=Groups", "OU=People", "OU=Sales,OU=People"].map(below).to_vec();
    assert_eq!(scene.org_units().into_keys().collect::<Vec<_>>(), units);
    assert_eq!((&summary["read"]["users"], &summary["read"]["groups"]), (&json!(4), &json!(2)));
}

#[test]
fn a_second_import_sends_nothing() {
    let scene = company();
    scene.imp();
    let summary = scene.imp();
    assert_eq!(summary["sent"]["records"], 0, "though the sign-in changed the agent's own account");
    assert_eq!(scene.changes(&summary).len(), 0);
}

#[test]
fn what_happens_to_people_is_seen_as_what_it_is() {
    let scene = company();
    scene.imp();
    let before = scene.users();
    let samba = &scene.directory;

    samba.rename(&below(JANE), "CN=Jane Roe");
    samba.set(&below("CN=Jane Roe,OU=Sales,OU=People"), "userPrincipalName", ["jane.roe@lg.local"]);
    samba.move_to(&below("CN=Max,OU=People"), "CN=Max", &below("OU=Sales,OU=People"));
    samba.set(&below(ZOE), "userAccountControl", [DISABLED]);
    let summary = scene.imp();
    assert_eq!(
        scene.plan(&summary),
        [
            "disable user zoe@lg.local directory-inactive",
            "update user jane.roe@lg.local changed",
            "update user max@lg.local moved",
        ],
        "references are GUIDs: who is renamed or moved is in the groups still"
    );
    let users = scene.users();
    assert_eq!(users["jane.roe@lg.local"]["id"], before["jane@lg.local"]["id"]);
    assert_eq!(users["max@lg.local"]["provider"]["dn"], below("CN=Max,OU=Sales,OU=People"));
    assert_eq!(scene.members("Sales"), ["jane.roe@lg.local"]);
    assert_eq!(users["jane.roe@lg.local"]["fields"]["manager"], "max@lg.local");

    samba.delete(&below(ZOE));
    let summary = scene.imp();
    assert_eq!(scene.plan(&summary), ["delete user zoe@lg.local gone"]);
}

#[test]
fn who_leaves_the_scope_is_told_from_who_is_gone() {
    let scene = company();
    scene.directory.add(&[unit("OU=Former")]);
    let people = below("OU=People");
    let scene = scene.agent(|agent| agent.ldap("base_dn", &people));
    scene.imp();
    scene.directory.move_to(&below(ZOE), "CN=Zoe", &below("OU=Former"));
    scene.directory.delete(&below(JANE));
    let summary = scene.imp();
    assert_eq!(
        scene.plan(&summary),
        ["delete user jane@lg.local gone", "delete user zoe@lg.local out-of-scope"]
    );

    // Back again, and the same person.
    let id = scene.deleted_users()["zoe@lg.local"]["id"].clone();
    scene.directory.move_to(&below("CN=Zoe,OU=Former"), "CN=Zoe", &people);
    let summary = scene.imp();
    assert_eq!(scene.plan(&summary), ["restore user zoe@lg.local returned"]);
    assert_eq!(scene.user("zoe@lg.local")["id"], id);
}

#[test]
fn an_account_that_expired_is_not_let_in() {
    let scene = company();
    // 2020-01-01 as a FILETIME; 0 and the largest number mean never.
    scene.directory.set(&below(ZOE), "accountExpires", ["132223104000000000"]);
    scene.directory.set(&below(JANE), "accountExpires", ["0"]);
    scene.imp();
    let users = scene.users();
    assert_eq!(users["zoe@lg.local"]["status"], "disabled");
    assert_eq!(users["jane@lg.local"]["status"], "active");
    assert_eq!(users["max@lg.local"]["status"], "active");
}

#[test]
fn computers_and_accounts_of_services_are_no_people() {
    let scene = company();
    let computer = |place: &str, class: &str, account: &str| {
        Entry::new(&below(place))
            .with("objectClass", class)
            .with("sAMAccountName", account)
            .with("userAccountControl", WORKSTATION)
    };
    scene.directory.add(&[
        computer("CN=PC1,CN=Computers", "computer", "PC1$"),
        computer("CN=web,CN=Managed Service Accounts", "msDS-ManagedServiceAccount", "web$"),
        Entry::new(&below("CN=Partner,OU=People"))
            .with("objectClass", "contact")
            .with("mail", "p@other.local"),
        // An ordinary account of a service is a person to any directory; whoever wants it left out says so in a filter.
        person("CN=svc-backup,OU=People", "svc-backup"),
    ]);
    let accounts = scene.directory.search("(objectClass=user)", &["sAMAccountName"]);
    assert!(
        accounts.contains("PC1$") && accounts.contains("web$") && accounts.contains("krbtgt"),
        "{accounts}"
    );
    scene.imp();
    assert_eq!(
        scene.users().into_keys().collect::<Vec<_>>(),
        ["jane@lg.local", "max@lg.local", "readonly@lg.local", "svc-backup@lg.local", "zoe@lg.local"]
    );
}

/// `ADS_UF_WORKSTATION_TRUST_ACCOUNT`
const WORKSTATION: &str = "4096";

#[test]
fn odd_names_are_the_same_names_everywhere() {
    let scene = company();
    let odd = [
        (r"CN=Doe\, Max,OU=People", "comma"),
        (r#"CN=Zoë \"Zo\" Łukasz,OU=People"#, "quotes"),
        (r"CN=\#1 in sales,OU=People", "number"),
        (r"CN=ends with a space\ ,OU=People", "space"),
        (r"CN=a\+b\=c\\d\;e\<f\>,OU=People", "all"),
        ("CN=李娜,OU=People", "lina"),
    ];
    for (place, account) in odd {
        scene.directory.add(&[person(place, account)]);
    }
    let unit_and_group = [
        unit(r"OU=R\, D \& \#,OU=People".replace(r"\&", "&").as_str()),
        group("CN=Odd,OU=Groups", SECURITY, odd.map(|(place, _)| place)),
    ];
    scene.directory.add(&unit_and_group);
    scene.imp();
    let mut expected = odd.map(|(_, account)| format!("{account}@lg.local")).to_vec();
    expected.sort();
    assert_eq!(scene.members("Odd"), expected);
    let summary = scene.imp();
    assert_eq!(summary["sent"]["records"], 0);
    scene.directory.move_to(&below(odd[0].0), r"CN=Doe\, Max", &below("OU=Sales,OU=People"));
    let summary = scene.imp();
    assert_eq!(scene.plan(&summary), ["update user comma@lg.local moved"]);
    assert_eq!(scene.members("Odd"), expected);
}

#[test]
fn whoever_takes_a_place_in_the_tree_does_not_take_its_memberships() {
    let scene = company();
    scene.imp();
    // A group of the agent's last look still lists Jane; somebody else is called what she was when it is looked at again.
    scene.directory.rename(&below(JANE), "CN=Jane Roe");
    scene.directory.add(&[person(JANE, "other")]);
    scene.imp();
    assert_eq!(scene.members("Sales"), ["jane@lg.local"]);
    scene.directory.set(&below(ZOE), "manager", [&below(JANE)]);
    scene.imp();
    assert_eq!(scene.user("zoe@lg.local")["fields"]["manager"], "other@lg.local");
    scene.directory.rename(&below(JANE), "CN=Other");
    scene.imp();
    assert_eq!(scene.user("zoe@lg.local")["fields"]["manager"], "other@lg.local");
}
