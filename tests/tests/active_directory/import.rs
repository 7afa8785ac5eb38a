//! A first import, and the ones after it: who is synchronized, as what, and what later changes become.

use adc_tests::{Samba, Scene};
use serde_json::json;

use super::domain::{DISABLED, DISTRIBUTION, SECURITY, below, group, person, serving, unit};

/// Some people, one of them disabled, and groups of both kinds, one in the other.
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

#[test]
fn a_domain_stands_in_the_control_plane() {
    let scene = company();
    scene.directory.set(&below("CN=Zoe,OU=People"), "userAccountControl", [DISABLED]);
    scene.imp();
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
}
