//! The harness itself: what every other test relies on.

use adc_tests::{Authority, Company, Person, Slapd};

fn company() -> Company {
    Company::new("dc=lg,dc=local")
        .ou("people")
        .person("jane")
        .person("max")
        .ou("groups")
        .group("all", ["jane", "max"])
}

#[test]
fn slapd_serves_what_was_loaded() {
    let company = company();
    let slapd = Slapd::serving(&company);

    let found = slapd.search("(objectClass=inetOrgPerson)", &["mail"]);
    assert_eq!(
        found,
        "dn: uid=jane,ou=people,dc=lg,dc=local\nmail: jane@lg.local\n\n\
         dn: uid=max,ou=people,dc=lg,dc=local\nmail: max@lg.local\n\n"
    );
    let found = slapd.search("(member=uid=jane,ou=people,dc=lg,dc=local)", &["cn"]);
    assert_eq!(found, "dn: cn=all,ou=groups,dc=lg,dc=local\ncn: all\n\n");
}

#[test]
fn slapd_takes_changes_and_keeps_them_when_it_is_killed() {
    let company = company();
    let mut slapd = Slapd::serving(&company);

    slapd.add(&company.clone().ou("people").entry_of(Person::new("zoe").set("cn", "Zoë Łukasz")));
    slapd.set(&company.dn("jane"), "title", ["Head of people", "Dr"]);
    slapd.rename(&company.dn("max"), "uid=maximilian");
    slapd.delete(&company.dn("all"));
    let before = slapd.search("(objectClass=*)", &["*"]);
    slapd.restart();

    assert_eq!(slapd.search("(objectClass=*)", &["*"]), before);
    assert!(before.contains("title: Head of people\ntitle: Dr"), "{before}");
    assert!(before.contains("dn: uid=maximilian,ou=people,dc=lg,dc=local"), "{before}");
    assert!(before.contains("cn:: Wm/DqyDFgXVrYXN6"), "{before}");
    assert!(!before.contains("groupOfNames"), "{before}");
}

#[test]
fn slapd_answers_on_a_local_socket_and_over_tls() {
    let authority = Authority::new();
    let slapd = Slapd::builder(&company()).tls(authority.issue(["127.0.0.1"])).start();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let certificate = folder.path().join("authority.pem");
    authority.write(&certificate);

    for (url, start_tls) in [(slapd.ldapi_url(), None), (slapd.ldaps_url(), None), (slapd.url(), Some("-ZZ"))]
    {
        let output = std::process::Command::new("ldapwhoami")
            .args(["-x", "-H", &url, "-D", &slapd.bind_dn(), "-w", Company::BIND_PASSWORD])
            .args(start_tls)
            .env("LDAPTLS_CACERT", &certificate)
            .output()
            .expect("ldap-utils is installed");
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn many_directories_run_side_by_side() {
    let directories: Vec<_> = (0..5).map(|_| Slapd::serving(&company())).collect();
    for slapd in &directories {
        assert!(slapd.search("(uid=jane)", &["uid"]).contains("uid: jane"));
    }
}
