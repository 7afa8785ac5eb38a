//! Getting in: what a domain controller asks of a connection and of an account.

use adc_tests::Samba;

use super::domain::{below, person, serving, unit};

#[test]
fn a_password_is_taken_over_a_safe_connection_only() {
    let scene = serving([]);
    let url = scene.directory.url();
    let scene = scene.agent(|agent| agent.ldap("addr", &url));
    let outcome = scene.imp_fails(3, "bind-refused");
    assert!(outcome.stderr.contains("8 strongerAuthRequired"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("ldaps://") && outcome.stderr.contains("start_tls: true"),
        "{}",
        outcome.stderr
    );

    let scene = scene.agent(|agent| agent.ldap_yaml("start_tls", "true"));
    scene.imp();
}

#[test]
fn a_refused_account_is_told_why() {
    let scene = serving([unit("OU=People"), person("CN=Jane,OU=People", "jane")]);
    let scene = scene.agent(|agent| agent.ldap("bind_password", "wrong"));
    let outcome = scene.imp_fails(3, "bind-refused");
    assert!(
        outcome.stderr.contains("the password is wrong, or there is no such account"),
        "{}",
        outcome.stderr
    );

    let name = Samba::BIND_NAME.split_once('@').expect("it has a domain").0;
    let account = below(&format!("CN={name},CN=Users"));
    scene.directory.set(&account, "userAccountControl", ["514"]);
    let scene = scene.agent(|agent| agent.ldap("bind_password", Samba::BIND_PASSWORD));
    let outcome = scene.imp_fails(3, "bind-refused");
    assert!(outcome.stderr.contains("the account is disabled"), "{}", outcome.stderr);
}

#[test]
fn every_form_of_a_name_is_let_in() {
    let scene = serving([]);
    let name = Samba::BIND_NAME.split_once('@').expect("it has a domain").0.to_owned();
    let mut scene = scene;
    for form in [below(&format!("CN={name},CN=Users")), format!("LG\\{name}"), Samba::BIND_NAME.to_owned()] {
        scene = scene.agent(|agent| agent.ldap("bind_dn", &form));
        scene.preview();
    }
}

#[test]
fn the_next_domain_controller_is_read_when_one_is_out_of_reach() {
    let mut gone = Samba::start();
    gone.kill();
    let scene = serving([unit("OU=People"), person("CN=Jane,OU=People", "jane")]);
    let addresses = format!("[{}, {}]", gone.ldaps_url(), scene.directory.ldaps_url());
    let scene = scene.agent(|agent| agent.ldap_yaml("addr", &addresses));
    scene.imp();
    assert!(scene.users().contains_key("jane@lg.local"));
    let outcome = scene.agent.run(&["check"]).expect_code(0);
    assert!(outcome.stdout.contains("Another server of the list is read instead"), "{}", outcome.stdout);
}

#[test]
fn a_check_says_what_the_directory_is() {
    let scene = serving([unit("OU=People"), person("CN=Jane,OU=People", "jane")]);
    let outcome = scene.agent.run(&["-v", "check"]).expect_code(0);
    let life = outcome.stderr.lines().find(|line| line.contains("NTDS Settings")).expect("is asked for");
    assert!(life.contains("entries=1"), "the bind account may not see which life the server is in: {life}");
    for said in [
        "this is Active Directory by Samba Team",
        "on dc1.lg.local, read by the preset active-directory",
        "2 people, such as",
    ] {
        assert!(outcome.stdout.contains(said), "{}", outcome.stdout);
    }
}
