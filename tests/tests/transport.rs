//! How the directory and the control plane are reached, and what must not pass for safe.

use std::net::TcpListener;

use adc_tests::{Agent, Authority, Company, ControlPlane, Scene, ServerCertificate, Slapd};

fn company() -> Company {
    Company::new("dc=lg,dc=local").ou("people").person("jane").person("max")
}

/// A directory with this certificate.
fn with_certificate(certificate: ServerCertificate) -> Scene {
    let slapd = Slapd::builder(&company()).tls(certificate).start();
    Scene::between(company(), slapd)
}

/// The agent uses `ldaps://` and trusts this authority.
fn by_ldaps(scene: Scene, authority: &Authority) -> Scene {
    let url = scene.directory.ldaps_url();
    scene.agent(|agent| agent.ldap("addr", &url).ldap_file("ca_file", authority.certificate_pem()))
}

/// An import fails before a password is sent; the message holds these words.
fn refused(scene: &Scene, code: &str, says: &str) {
    let outcome = scene.imp_fails(3, code);
    assert!(outcome.stderr.contains(says), "it does not say {says}: {}", outcome.stderr);
    assert!(!scene.directory.log().contains("BIND dn="), "the password was sent all the same");
}

#[test]
fn imports_by_ldaps() {
    let authority = Authority::new();
    let scene = by_ldaps(with_certificate(authority.issue(["127.0.0.1"])), &authority);
    scene.imp();
    assert_eq!(scene.users().len(), 2);
}

#[test]
fn imports_by_start_tls() {
    let authority = Authority::new();
    let scene = with_certificate(authority.issue(["127.0.0.1"])).agent(|agent| {
        agent.ldap_yaml("start_tls", "true").ldap_file("ca_file", authority.certificate_pem())
    });
    scene.imp();
    assert_eq!(scene.users().len(), 2);
    assert!(scene.directory.log().contains("STARTTLS"), "{}", scene.directory.log());
}

#[test]
fn imports_over_a_local_socket() {
    let scene = Scene::of(company());
    let url = scene.directory.ldapi_url();
    let scene = scene.agent(|agent| agent.ldap("addr", &url));
    scene.imp();
    assert_eq!(scene.users().len(), 2);
}

#[test]
fn a_password_over_plain_ldap_works_and_draws_a_warning_every_time() {
    let scene = Scene::of(company());
    for _ in 0..2 {
        let outcome = scene.agent.imp().expect_code(0);
        assert!(outcome.stderr.contains("ldap://"), "no warning: {}", outcome.stderr);
    }
}

#[test]
fn an_authority_that_nobody_trusts() {
    let scene = by_ldaps(with_certificate(Authority::new().issue(["127.0.0.1"])), &Authority::new());
    refused(&scene, "directory-tls", "ca_file");
}

#[test]
fn an_expired_certificate() {
    let authority = Authority::new();
    let scene = by_ldaps(with_certificate(authority.issue_expired(["127.0.0.1"])), &authority);
    refused(&scene, "directory-tls", "expired");
}

#[test]
fn an_authoritys_certificate_used_as_a_servers_was_refused_in_the_words_of_a_programmer() {
    let authority = Authority::new();
    let scene = by_ldaps(with_certificate(authority.issue_as_authority(["127.0.0.1"])), &authority);
    refused(&scene, "directory-tls", "issue one for the server");
}

#[test]
fn a_certificate_of_another_host() {
    let authority = Authority::new();
    let scene = by_ldaps(with_certificate(authority.issue(["directory.example"])), &authority);
    refused(&scene, "directory-tls", "directory.example");
}

#[test]
fn a_certificate_of_another_host_that_is_named_in_the_configuration() {
    let authority = Authority::new();
    let scene = by_ldaps(with_certificate(authority.issue(["directory.example"])), &authority)
        .agent(|agent| agent.ldap("server_name", "directory.example"));
    scene.imp();
    assert_eq!(scene.users().len(), 2);
}

#[test]
fn tls_to_a_port_that_speaks_plain_ldap() {
    let authority = Authority::new();
    let scene = with_certificate(authority.issue(["127.0.0.1"]));
    let url = format!("ldaps://127.0.0.1:{}", scene.directory.port());
    let scene =
        scene.agent(|agent| agent.ldap("addr", &url).ldap_file("ca_file", authority.certificate_pem()));
    refused(&scene, "directory-tls", "127.0.0.1");
}

#[test]
fn a_directory_that_accepts_and_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = silent.local_addr().expect("it listens");
    let scene = Scene::of(company()).agent(|agent| {
        let agent = agent.ldap("addr", &format!("ldap://{address}"));
        agent.ldap_yaml("connect_timeout", "1").ldap_yaml("search_timeout", "1")
    });
    let outcome = scene.agent.imp().expect_code(3);
    assert!(outcome.stderr.contains(&address.to_string()), "{}", outcome.stderr);
}

#[test]
fn a_control_plane_with_a_private_authority() {
    let authority = Authority::new();
    let control_plane = ControlPlane::with_tls(&authority, authority.issue(["127.0.0.1"]));
    assert!(control_plane.url().starts_with("https://"), "{}", control_plane.url());
    let synchronization = control_plane.synchronization("LG");
    let slapd = Slapd::serving(&company());

    let trusting = Agent::new(&slapd, &control_plane, &synchronization)
        .server_file("ca_file", authority.certificate_pem());
    trusting.imp().expect_code(0);
    let api = control_plane.api(&synchronization);
    assert_eq!(api.all("/users").len(), 2);

    let distrusting = Agent::new(&slapd, &control_plane, &synchronization);
    let outcome = distrusting.imp().expect_code(4);
    assert!(outcome.stderr.contains("ca_file"), "{}", outcome.stderr);
}

#[test]
fn plain_http_is_refused_beyond_loopback_unless_it_is_allowed() {
    let scene = Scene::of(company());
    // An address of documentation (RFC 5737): nothing must be sent there.
    let scene = scene.agent(|agent| agent.server("url", "http://192.0.2.1:8080"));
    let outcome = scene.agent.imp().expect_code(2);
    assert!(outcome.stderr.contains("allow_insecure"), "{}", outcome.stderr);
}
