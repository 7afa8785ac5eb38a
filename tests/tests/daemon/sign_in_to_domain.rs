//! Signing in where the directory is a domain: its own names, and its own reasons.

use adc_tests::{Answer, Entry, Samba, Scene};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Connected;

/// What the domain's policy calls complex.
const PASSWORD: &str = "Correct-horse-1";
const WRONG: &str = "Wrong-mule-1";
/// `ADS_UF_NORMAL_ACCOUNT`: enabled, and a password is needed.
const NORMAL: &str = "512";
/// The same with `ADS_UF_ACCOUNTDISABLE`.
const DISABLED: &str = "514";

/// A person whose password never has to be changed.
fn person(account: &str, principal: &str) -> Entry {
    Entry::new(&dn(account))
        .with("objectClass", "user")
        .with("sAMAccountName", account)
        .with("userPrincipalName", format!("{principal}@lg.local"))
        .with("unicodePwd", quoted_utf16(PASSWORD))
        .with("userAccountControl", NORMAL)
}

fn dn(account: &str) -> String {
    format!("CN={account},CN=Users,{}", Samba::DOMAIN_DN)
}

/// How Active Directory wants a password (MS-ADTS 3.1.1.3.1.5.1).
fn quoted_utf16(password: &str) -> Vec<u8> {
    format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_domain_says_why_somebody_does_not_come_in() {
    let samba = Samba::start();
    samba.add(&["jane", "expired", "reset", "gone", "locked"].map(|account| person(account, account)));
    samba.add(&[person("jdoe", "john.doe")]);
    // One that was disabled after the import, so that only the domain knows.
    let scene = Scene::of_domain(samba);
    scene.imp();
    // Whoever follows changes knows it here before the domain is asked.
    scene.patch(&json!({ "policy": { "follow_changes": false } }));
    scene.directory.set(&dn("gone"), "userAccountControl", [DISABLED]);
    scene.directory.set(&dn("reset"), "pwdLastSet", ["0"]);
    scene.directory.set(&dn("expired"), "accountExpires", ["129000000000000000"]);
    scene.directory.set(Samba::DOMAIN_DN, "lockoutThreshold", ["2"]);
    let agent = Connected::start(&scene.agent);
    let login = |username: &str, password: &str| -> Answer {
        scene.api.post("/login", &json!({ "username": username, "password": password }))
    };
    let refused = |answer: Answer, status: u16, code: &str| {
        assert_eq!(answer.problem(), (status, code), "{}", answer.body);
    };
    login("jane@lg.local", PASSWORD).ok();
    login("JOHN.DOE@LG.LOCAL", PASSWORD).ok();
    refused(login("jane@lg.local", WRONG), 401, "invalid-credentials");
    refused(login("gone@lg.local", PASSWORD), 403, "user-disabled");
    refused(login("reset@lg.local", PASSWORD), 403, "password-expired");
    refused(login("expired@lg.local", PASSWORD), 403, "password-expired");
    for _ in 0..2 {
        refused(login("locked@lg.local", WRONG), 401, "invalid-credentials");
    }
    refused(login("locked@lg.local", PASSWORD), 403, "user-locked");
    // The user name here is the principal's; a template may ask for the account's, which is the other one of the two.
    scene.patch(&json!({ "policy": { "login_without_domain": true } }));
    assert_eq!(login("john.doe", PASSWORD).ok()["user"]["username"], "john.doe@lg.local");
    let (_, log) = agent.stop();
    let scene = scene.agent(|agent| {
        let template = "'(&(objectCategory=person)(sAMAccountName=%s))'";
        agent.ldap_yaml("authentication", &format!("{{username_filter_template: {template}}}"))
    });
    let by_account = Connected::start(&scene.agent);
    let login = |username: &str, password: &str| -> Answer {
        scene.api.post("/login", &json!({ "username": username, "password": password }))
    };
    login("jane@lg.local", PASSWORD).ok();
    login("jane", PASSWORD).ok();
    let (_, log_by_account) = by_account.stop();
    for secret in [PASSWORD, WRONG, &STANDARD.encode(quoted_utf16(PASSWORD))] {
        for log in [&log, &log_by_account, &scene.control_plane.log()] {
            assert!(!log.contains(secret), "a log holds a password:\n{log}");
        }
    }
}
