//! Signing in: the control plane looks first, then the person's own directory says whether the password is right.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use adc_core::protocol::link::{AgentMessage, Hello, understand};
use adc_core::sign_in::{Credentials, seal};
use adc_tests::{Agent, Answer, Api, Company, ControlPlane, Entry, Person, Scene, Slapd};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use super::hosted::until;
use super::wire::Impostor;
use super::{Connected, agents};

/// A password that is right, and would be found wherever it was left behind.
const PASSWORD: &str = "correct-horse-battery-staple";
/// One that is wrong, and would be found as well.
const WRONG: &str = "wrong-mule-of-mallory";

/// A company whose people have passwords, imported, with its agent connected.
struct Door {
    scene: Scene,
    agent: Connected,
}

fn company() -> Company {
    ["jane", "john", "mallory"]
        .into_iter()
        .fold(Company::new("dc=lg,dc=local").ou("people"), |company, name| {
            company.person(Person::new(name).set("userPassword", PASSWORD))
        })
}

impl Door {
    fn open() -> Self {
        Self::of(company(), |slapd| slapd)
    }

    fn of(company: Company, slapd: impl FnOnce(adc_tests::SlapdBuilder) -> adc_tests::SlapdBuilder) -> Self {
        let directory = slapd(Slapd::builder(&company)).start();
        let scene = Scene::between(company, directory).agent(|agent| {
            let template = "(&(objectClass=inetOrgPerson)(mail=%s))";
            agent.ldap_yaml(
                "authentication",
                &format!("{{username_filter_template: '{template}', timeout: 5}}"),
            )
        });
        // Whoever follows changes may know them here before the directory is asked.
        scene.patch(&json!({ "policy": { "follow_changes": false } }));
        scene.imp();
        let agent = Connected::start(&scene.agent);
        Self { scene, agent }
    }

    fn login(&self, username: &str, password: &str) -> Answer {
        login(&self.scene.api, username, password)
    }

    /// Waits until the control plane has logged this at least so often, and says how often it did: a log is read a moment after it
    /// was written.
    fn logged(&self, words: &str, times: usize) -> usize {
        let count = || self.scene.control_plane.log().matches(words).count();
        until(|| count() >= times);
        count()
    }

    /// Closes the door, and proves that nothing of a password stayed behind.
    #[track_caller]
    fn close(mut self) {
        let folder = self.scene.control_plane.database();
        let (_, agent_log) = self.agent.stop();
        self.scene.control_plane.terminate();
        let logs = [("adc", agent_log), ("adc-server", self.scene.control_plane.log())];
        for secret in [PASSWORD, WRONG] {
            for (name, log) in &logs {
                assert!(!log.contains(secret), "the log of {name} holds a password:\n{log}");
            }
            assert_clean(folder.parent().expect("it lies in a folder"), secret);
            assert_clean(self.scene.agent.folder(), secret);
        }
    }
}

/// Fails where a file of a folder holds a secret.
#[track_caller]
fn assert_clean(folder: &Path, secret: &str) {
    for file in fs::read_dir(folder).expect("the folder can be listed") {
        let path = file.expect("it can be listed").path();
        if path.is_file() {
            let bytes = fs::read(&path).expect("it can be read");
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds a password", path.display());
        }
    }
}

fn login(api: &Api, username: &str, password: &str) -> Answer {
    api.post("/login", &json!({ "username": username, "password": password }))
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.problem(), (status, code), "{}", answer.body);
}

#[test]
fn people_come_in_with_the_password_of_their_directory() {
    let door = Door::open();
    let came = door.login("JANE@lg.local", PASSWORD).ok();
    assert_eq!(came["user"]["username"], "jane@lg.local");
    assert_eq!(came["accounts"][0]["id"], door.scene.synchronization.account_id);
    assert_eq!(came["accounts"][0]["user_id"], came["user"]["id"]);
    refused(&door.login("jane@lg.local", WRONG), 401, "invalid-credentials");
    // A directory would answer an empty password with success (RFC 4513 section 5.1.2).
    for password in ["", "\0", "a\0b", &"x".repeat(2_000)] {
        refused(&door.login("john@lg.local", password), 401, "invalid-credentials");
    }
    refused(&door.login("nobody@lg.local", PASSWORD), 401, "invalid-credentials");
    // Without the policy's word a name is whole or none.
    refused(&door.login("jane", PASSWORD), 401, "invalid-credentials");
    door.close();
}

#[test]
fn whom_the_control_plane_blocks_is_blocked_without_asking_anybody() {
    let door = Door::open();
    let api = &door.scene.api;
    let local = json!({ "username": "local@lg.local" });
    api.post("/users", &local).ok();
    refused(&door.login("local@lg.local", PASSWORD), 401, "invalid-credentials");
    let jane = door.scene.user("jane@lg.local");
    api.patch(&format!("/users/{}", jane["id"].as_str().expect("an id")), &json!({ "status": "disabled" }))
        .ok();
    refused(&door.login("jane@lg.local", PASSWORD), 403, "user-disabled");
    door.scene.leave("john");
    door.scene.imp();
    refused(&door.login("john@lg.local", PASSWORD), 403, "user-deleted");
    assert_eq!(door.logged("blocked here; nobody was asked", 3), 3);
    let log = door.scene.control_plane.log();
    assert!(!log.contains("checked by the agent"), "{log}");
    door.close();
}

#[test]
fn a_password_policy_is_told_from_a_wrong_password() {
    let mut company = company();
    for name in ["expired", "reset", "locked"] {
        company = company.person(Person::new(name).set("userPassword", PASSWORD));
    }
    let door = Door::of(company, |slapd| {
        slapd.overlay("ppolicy", ["ppolicy_default \"cn=policy,dc=lg,dc=local\"", "ppolicy_use_lockout"])
    });
    let policy = Entry::new("cn=policy,dc=lg,dc=local")
        .with("objectClass", "organizationalRole")
        .with("objectClass", "pwdPolicy")
        .with("cn", "policy")
        .with("pwdAttribute", "userPassword")
        .with("pwdLockout", "TRUE")
        .with("pwdMaxFailure", "2")
        .with("pwdMustChange", "TRUE")
        .with("pwdMaxAge", "86400");
    door.scene.directory.add(&policy);
    let keep = |name: &str, attribute: &str, value: &str| {
        let dn = door.scene.dn(name);
        door.scene.directory.modify_what_the_server_keeps(&format!(
            "dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n\n"
        ));
    };
    keep("expired", "pwdChangedTime", "20200101000000Z");
    keep("reset", "pwdReset", "TRUE");
    refused(&door.login("expired@lg.local", PASSWORD), 403, "password-expired");
    let must_change = door.login("reset@lg.local", PASSWORD);
    refused(&must_change, 403, "password-expired");
    assert!(must_change.body["detail"].as_str().expect("a sentence").contains("must be changed"));
    for _ in 0..2 {
        refused(&door.login("locked@lg.local", WRONG), 401, "invalid-credentials");
    }
    refused(&door.login("locked@lg.local", PASSWORD), 403, "user-locked");
    door.login("jane@lg.local", PASSWORD).ok();
    door.close();
}

#[test]
fn a_name_that_is_a_filter_finds_nobody() {
    let door = Door::open();
    let long = "*".repeat(64 << 10);
    for name in ["*", "j*", "*)(uid=*", "jane@lg.local)(|(cn=*", "jane\\2a", "jane@lg.local\0", &long] {
        let answer = door.login(name, PASSWORD);
        assert!([401, 413].contains(&answer.status), "{}", answer.body);
    }
    door.close();
}

#[test]
fn whoever_takes_a_colleagues_address_comes_in_as_nobody() {
    let door = Door::open();
    let (mallory, jane) = (door.scene.dn("mallory"), door.scene.dn("jane"));
    // Both have it: nobody is meant.
    door.scene.directory.set(&mallory, "mail", ["jane@lg.local"]);
    refused(&door.login("jane@lg.local", PASSWORD), 401, "invalid-credentials");
    // Only Mallory has it, and it is still Jane who is meant here.
    door.scene.directory.set(&jane, "mail", ["jane.doe@lg.local"]);
    refused(&door.login("jane@lg.local", PASSWORD), 401, "invalid-credentials");
    door.close();
}

#[test]
fn nobody_is_tried_often_enough_to_be_locked_out() {
    let door = Door::open();
    door.scene.patch(&json!({ "policy": { "login_without_domain": true } }));
    for name in ["jane@lg.local", "JANE@lg.local", "jane", "Jane", "jane@LG.local"] {
        refused(&door.login(name, WRONG), 401, "invalid-credentials");
    }
    for name in ["jane@lg.local", "jane", "JANE@LG.LOCAL"] {
        refused(&door.login(name, PASSWORD), 429, "too-many-failures");
    }
    // Nobody's name is treated alike, and others are not touched.
    for _ in 0..5 {
        refused(&door.login("nobody@lg.local", WRONG), 401, "invalid-credentials");
    }
    refused(&door.login("nobody@lg.local", WRONG), 429, "too-many-failures");
    for _ in 0..4 {
        refused(&door.login("john@lg.local", WRONG), 401, "invalid-credentials");
    }
    door.login("john@lg.local", PASSWORD).ok();
    refused(&door.login("john@lg.local", WRONG), 401, "invalid-credentials");
    door.close();
}

#[test]
fn a_name_without_its_domain_is_somebodys_where_the_policy_says_so() {
    let company = ["jane", "john"].into_iter().fold(company(), |company, name| {
        let elsewhere =
            Person::new(name).rdn(&format!("cn={name} elsewhere")).with("cn", format!("{name} elsewhere"));
        match name {
            "jane" => {
                company.person(elsewhere.set("mail", "jane@other.example").set("userPassword", PASSWORD))
            }
            _ => company,
        }
    });
    let door = Door::of(company, |slapd| slapd);
    refused(&door.login("john", PASSWORD), 401, "invalid-credentials");
    door.scene.patch(&json!({ "policy": { "login_without_domain": true } }));
    assert_eq!(door.login("John", PASSWORD).ok()["user"]["username"], "john@lg.local");
    refused(&door.login("jane", PASSWORD), 401, "invalid-credentials");
    door.logged("the name means several people", 1);
    door.login("jane@other.example", PASSWORD).ok();
    door.close();
}

#[test]
fn without_an_agent_that_checks_passwords_the_directory_is_out_of_reach() {
    let door = Door::open();
    let Door { scene, agent } = door;
    agent.stop();
    refused(&login(&scene.api, "jane@lg.local", PASSWORD), 503, "directory-unreachable");
    let mut agent = Connected::start(&scene.agent);
    login(&scene.api, "jane@lg.local", PASSWORD).ok();
    agent.kill();
    refused(&login(&scene.api, "jane@lg.local", PASSWORD), 503, "directory-unreachable");
}

#[test]
fn an_agent_that_was_stopped_kept_people_waiting_though_another_was_there() {
    let mut door = Door::open();
    let second = Connected::start(&door.scene.agent);
    door.agent.0.daemon().signal(Signal::STOP);
    // Whoever said something a moment ago is taken to be there.
    let stopped = Instant::now();
    until(|| stopped.elapsed() > Duration::from_secs(2));
    let asked = Instant::now();
    door.login("jane@lg.local", PASSWORD).ok();
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    door.agent.0.daemon().signal(Signal::CONT);
    second.stop();
    door.close();
}

#[test]
fn a_directory_that_was_out_of_reach_for_somebody_who_signed_in_was_told_of_only_when_somebody_else_met_it() {
    let mut door = Door::open();
    until(|| agents(&door.scene)[0]["directory"]["kind"] == "openldap");
    door.scene.directory.kill();
    refused(&door.login("jane@lg.local", PASSWORD), 503, "directory-unreachable");
    until(|| agents(&door.scene)[0]["directory"]["trouble"]["code"] == "directory-unreachable");
    door.close();
}

#[test]
fn a_password_opens_the_accounts_whose_own_directory_checked_it() {
    let door = Door::open();
    let ControlPlane { .. } = &door.scene.control_plane;
    let control_plane = &door.scene.control_plane;
    let system = control_plane.cli(&["api-key", "create"]);
    let system = control_plane.anonymous_api().with_key(system["api_key"].as_str().expect("a key"));
    let accounts = |answer: Answer| {
        let names = answer.ok()["accounts"].as_array().expect("a list").clone();
        names.iter().map(|account| account["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    // The same directory, read for another account; and one in which Jane has another password.
    let same = control_plane.synchronization("Same");
    let agent = Agent::new(&door.scene.directory, control_plane, &same);
    agent.imp().expect_code(0);
    let mut agent = Connected::start(&agent);
    let other_company = Company::new("dc=other,dc=example")
        .ou("people")
        .person(Person::new("jane").set("mail", "jane@lg.local").set("userPassword", "another-one"));
    let other_slapd = Slapd::serving(&other_company);
    let other = control_plane.synchronization("Other");
    let other_agent = Agent::new(&other_slapd, control_plane, &other);
    other_agent.imp().expect_code(0);
    let other_agent = Connected::start(&other_agent);
    assert_eq!(accounts(login(&system, "jane@lg.local", PASSWORD)).len(), 2);
    assert_eq!(accounts(login(&system, "jane@lg.local", "another-one")).len(), 1);
    refused(&login(&system, "jane@lg.local", WRONG), 401, "invalid-credentials");
    // An account's key opens no other account.
    assert_eq!(accounts(door.login("jane@lg.local", PASSWORD)).len(), 1);
    agent.kill();
    assert_eq!(accounts(login(&system, "jane@lg.local", PASSWORD)).len(), 1);
    other_agent.stop();
    door.close();
}

#[test]
fn a_whole_office_comes_in_at_nine() {
    let names: Vec<String> = (0..100).map(|number| format!("colleague{number}")).collect();
    let company = names
        .iter()
        .fold(company(), |company, name| company.person(Person::new(name).set("userPassword", PASSWORD)));
    let door = Door::of(company, |slapd| slapd);
    let at_nine = Barrier::new(names.len());
    let told: BTreeMap<u16, usize> = thread::scope(|scope| {
        let comes = |name: &String| {
            let (api, at_nine, name) = (&door.scene.api, &at_nine, format!("{name}@lg.local"));
            scope.spawn(move || {
                at_nine.wait();
                login(api, &name, PASSWORD).status
            })
        };
        let coming: Vec<_> = names.iter().map(comes).collect();
        coming.into_iter().fold(BTreeMap::new(), |mut told, comes| {
            *told.entry(comes.join().expect("an answer")).or_default() += 1;
            told
        })
    });
    assert_eq!(told, BTreeMap::from([(200, names.len())]), "{}", door.scene.control_plane.log());
    door.close();
}

#[test]
fn a_proxy_that_is_not_believed_is_told_of_once() {
    let door = Door::open();
    let told = |times| door.logged("start adc-server serve with --trusted-hops 1", times);
    refused(&door.login("nobody@lg.local", PASSWORD), 401, "invalid-credentials");
    assert_eq!(told(0), 0);
    for client in ["192.0.2.7", "192.0.2.8"] {
        let request = door.scene.api.request(Method::POST, "/login").header("x-forwarded-for", client);
        let who = json!({ "username": "nobody@lg.local", "password": PASSWORD });
        refused(&door.scene.api.send(request.json(&who)), 401, "invalid-credentials");
    }
    assert_eq!(told(1), 1);
    door.close();
}

#[test]
fn whoever_may_not_log_people_in_cannot() {
    let door = Door::open();
    let control_plane = &door.scene.control_plane;
    let account = &door.scene.synchronization.account_id;
    let auditor = control_plane.cli(&["api-key", "create", "--account", account, "--role", "auditor"]);
    let auditor = control_plane.anonymous_api().with_key(auditor["api_key"].as_str().expect("a key"));
    refused(&login(&auditor, "jane@lg.local", PASSWORD), 403, "forbidden");
    refused(&login(&control_plane.anonymous_api(), "jane@lg.local", PASSWORD), 401, "unauthorized");
    let odd = door
        .scene
        .api
        .post("/login", &json!({ "username": "jane@lg.local", "password": PASSWORD, "otp": 1 }));
    refused(&odd, 422, "invalid-body");
    door.close();
}

#[test]
fn the_control_plane_is_told_how_long_a_password_is_tried() {
    let impostor = Impostor::start();
    let scene = Scene::of(company());
    let scene = scene
        .agent(|agent| agent.server("url", &impostor.url()).ldap_yaml("authentication", "{ timeout: 7 }"));
    let _agent = scene.agent.start(&["run"]);
    let (_link, hello) = impostor.link_with_hello();
    assert!(hello.contains(r#""password_timeout_ms":7000"#), "{hello}");
}

#[test]
fn a_replayed_password_check_is_refused() {
    let impostor = Impostor::start();
    let scene = Scene::of(company()).agent(|agent| agent.server("url", &impostor.url()));
    let _agent = scene.agent.start(&["run"]);
    let (mut link, hello) = impostor.link_with_hello();
    link.welcome(60);
    let Ok(AgentMessage::Hello(hello)) = understand(&hello) else { panic!("no hello: {hello}") };
    let Hello { public_key: Some(key), .. } = *hello else { panic!("the agent checks no passwords") };
    let uuid = scene.directory.search("(uid=jane)", &["entryUUID"]);
    let uuid = uuid.lines().find_map(|line| line.strip_prefix("entryUUID: ")).expect("an entryUUID");
    let check = |id: u64, nonce: [u8; 16], source_id: &str, password: &str| {
        let credentials = Credentials {
            nonce,
            names: vec!["jane@lg.local".to_owned()],
            source_id: source_id.to_owned(),
            password: password.to_owned().into(),
        };
        let sealed = seal(&key, &credentials, [7; 32]).expect("seals");
        let (nonce, ask) = (STANDARD.encode(nonce), "check-password");
        json!({ "type": "request", "id": id, "request": { "ask": ask, "sealed": sealed, "nonce": nonce, "deadline_ms": 5_000 } })
            .to_string()
    };
    let first = check(1, [1; 16], uuid, PASSWORD);
    link.say(&first);
    let answer = link.hear();
    assert!(answer.contains(r#""outcome":"ok""#), "{answer}");
    link.say(&first.replace(r#""id":1"#, r#""id":2"#));
    let answer = link.hear();
    assert!(answer.contains("was made before"), "{answer}");
    // Nor is anybody else than who is meant bound as, nor anything said to the directory without a password.
    for (id, source_id, password) in
        [(3, "another", PASSWORD), (4, uuid, ""), (5, "", PASSWORD), (6, uuid, WRONG)]
    {
        link.say(&check(id, [u8::try_from(id).expect("small"); 16], source_id, password));
        let answer = link.hear();
        assert!(answer.contains(r#""outcome":"invalid""#), "{id}: {answer}");
    }
    // What is sealed to somebody else, or is nothing, is told from a wrong password.
    link.say(&check(7, [7; 16], uuid, PASSWORD).replace(r#""sealed":""#, r#""sealed":"AAAA"#));
    let answer = link.hear();
    assert!(answer.contains("sign-in-not-begun"), "{answer}");
}

#[test]
fn a_password_is_never_sent_in_clear_to_another_machine() {
    let impostor = Impostor::start();
    // Nobody is there; nothing is said to it before the first password.
    let far = |agent: Agent| agent.server("url", &impostor.url()).ldap("addr", "ldap://directory.invalid");
    let scene = Scene::of(company()).agent(far);
    let mut agent = scene.agent.start(&["run"]);
    let (_link, hello) = impostor.link_with_hello();
    assert!(hello.contains(r#""public_key":null"#), "{hello}");
    let pick = |line: &str| line.contains("in clear; use ldaps://").then_some(());
    agent.daemon().wait_for("a warning", pick).expect("it warns");
    drop(agent);
    let scene = scene.agent(|agent| agent.ldap_yaml("start_tls", "true"));
    let _agent = scene.agent.start(&["run"]);
    let (_link, hello) = impostor.link_with_hello();
    assert!(!hello.contains(r#""public_key":null"#), "{hello}");
}
