//! Signing in without a password: the connection itself proves who is calling (SASL EXTERNAL).

use adc_tests::{Agent, Authority, Company, Scene, Slapd};

fn company() -> Company {
    Company::new("dc=lg,dc=local").ou("people").person("jane").person("max")
}

/// Nobody is let in by name and password.
fn external(agent: Agent) -> Agent {
    agent.without("bind_dn").without("bind_password").ldap("sasl", "external")
}

/// Whom slapd takes the account for that runs these tests, when it calls over a socket.
fn by_socket() -> String {
    let output = std::process::Command::new("id").arg("-u").output().expect("the system has `id`");
    let user = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let output = std::process::Command::new("id").arg("-g").output().expect("the system has `id`");
    let group = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    format!("gidNumber={group}+uidNumber={user},cn=peercred,cn=external,cn=auth")
}

#[test]
fn the_account_that_runs_adc_is_let_in_over_a_socket() {
    let mut scene = Scene::of(company());
    scene.directory.restart_with_access(&format!("to * by dn.exact=\"{}\" read by * break", by_socket()));
    let url = scene.directory.ldapi_url();
    let scene = scene.agent(|agent| external(agent).ldap("addr", &url));
    scene.imp();
    assert_eq!(scene.users().len(), 2);
    assert!(!scene.directory.log().contains("method=128"), "no simple bind: {}", scene.directory.log());
}

#[test]
fn a_client_certificate_is_let_in_over_tls() {
    let authority = Authority::new();
    let slapd =
        Slapd::builder(&company()).tls(authority.issue(["127.0.0.1"])).client_authority(&authority).start();
    let mut scene = Scene::between(company(), slapd);
    scene.directory.restart_with_access("to * by dn.exact=\"cn=adc reader\" read by * break");
    let url = scene.directory.ldaps_url();
    let client = authority.issue_client("adc reader");
    let scene = scene.agent(|agent| {
        external(agent)
            .ldap("addr", &url)
            .ldap_file("ca_file", authority.certificate_pem())
            .ldap_file("client_cert_file", &client.certificate_pem)
            .ldap_file("client_key_file", &client.key_pem)
    });
    scene.imp();
    assert_eq!(scene.users().len(), 2);

    // The same certificate may also go with a password.
    let dn = scene.directory.bind_dn();
    let scene = scene.agent(|agent| {
        agent.without("sasl").ldap("bind_dn", &dn).ldap("bind_password", Company::BIND_PASSWORD)
    });
    scene.imp_with(&[], 0);

    // And without it nobody is let in at all.
    let scene = scene.agent(|agent| agent.without("client_cert_file").without("client_key_file"));
    let outcome = scene.agent.imp().expect_code(3);
    assert_eq!(outcome.json()["state"], "failed", "{}", outcome.stderr);
}
