//! Signing in, with agents of the test's own: who is asked, and who is not.

mod throttle;

use super::{Puppet, hello};
use crate::world::{Answer, Caller, Source, World, person};
use adc_core::{
    record::{Kind, Record},
    sign_in::{Credentials, KeyPair},
};
use adc_server::{admin::accounts, roles::Role};
use serde_json::{Value, json};
use std::{fs, sync::Arc, time::Duration};
use tempfile::NamedTempFile;
use tokio::{task::JoinHandle, time::timeout};
use tracing::subscriber::DefaultGuard;

const JANE: &str = "jane@lg.local";
const PASSWORD: &str = "correct horse";
const MINUTE: i64 = 60_000;
/// An agent that was asked for a verdict has 20 seconds for it.
const WELL_BEFORE_IT_ANSWERS: Duration = Duration::from_secs(10);
/// An identity as directories give it (entryUUID): whoever knows it may write it into a directory of their own.
const GIVEN: &str = "11111111-2222-3333-4444-555555555555";

/// An agent that checks passwords.
struct Checker {
    puppet: Puppet,
    key: KeyPair,
}

impl Checker {
    async fn start(world: &World, source: &Source, instance: &str) -> Self {
        Self::start_with(world, source, instance, &Value::Null).await
    }

    /// One that says how long it tries a password (milliseconds).
    async fn start_with(world: &World, source: &Source, instance: &str, timeout: &Value) -> Self {
        let key = KeyPair::from_random([instance.len().try_into().expect("short"); 32]);
        let mut puppet = Puppet::silent(world, source, instance).await;
        let mut hello = hello(instance);
        hello["public_key"] = key.public_key().into();
        hello["password_timeout_ms"] = timeout.clone();
        puppet.say(&hello).await;
        assert_eq!(puppet.hear().await["type"], "welcome");
        Self { puppet, key }
    }

    /// The next request, and what was sealed in it.
    async fn asked(&mut self) -> (Value, Credentials) {
        let request = self.puppet.asked().await;
        assert!(!request.to_string().contains(PASSWORD), "{request}");
        let sealed = request["request"]["sealed"].as_str().expect("a sealed box");
        let credentials = self.key.open(sealed).expect("sealed to this agent");
        (request, credentials)
    }

    async fn says(&mut self, outcome: &str) -> Credentials {
        let (request, credentials) = self.asked().await;
        let answer = json!({ "ok": { "answer": "password-checked", "outcome": outcome } });
        self.puppet.answer(&request, &answer).await;
        credentials
    }

    /// Whatever it was told until now, it was no request.
    async fn was_not_asked(&mut self) {
        assert!(!self.puppet.heard_any_of(&["request"]).await);
    }

    async fn fails(&mut self, code: &str) {
        let (request, _) = self.asked().await;
        self.puppet.answer(&request, &json!({ "error": { "code": code, "message": "no." } })).await;
    }
}

/// A control plane with Jane in it, and her source.
async fn world() -> (World, Source, Caller) {
    let world = World::start().await;
    let source = world.source("directory").await;
    world.import(&source, &[person("jane"), person("john")]).await;
    let caller = world.administrator().await;
    (world, source, caller)
}

async fn login(caller: &Caller, username: &str) -> Answer {
    caller.post("/login", &json!({ "username": username, "password": PASSWORD })).await
}

fn logging_in(caller: &Caller, username: &'static str) -> JoinHandle<Answer> {
    let caller = caller.clone();
    tokio::spawn(async move { login(&caller, username).await })
}

#[tokio::test]
async fn what_the_directory_says_is_told() {
    let (world, source, caller) = world().await;
    let mut agent = Checker::start(&world, &source, "a").await;
    for (outcome, told) in [
        ("invalid", (401, "invalid-credentials")),
        ("disabled", (403, "user-disabled")),
        ("locked", (403, "user-locked")),
        ("expired", (403, "password-expired")),
        ("must-change", (403, "password-expired")),
    ] {
        let answer = logging_in(&caller, JANE);
        agent.says(outcome).await;
        assert_eq!(answer.await.expect("answers").problem(), told);
    }
    let answer = logging_in(&caller, " Jane@LG.local ");
    let credentials = agent.says("ok").await;
    assert_eq!(credentials.names, [JANE, "Jane@LG.local", "jane"]);
    assert_eq!((credentials.source_id.as_str(), credentials.password.as_str()), ("jane", PASSWORD));
    let came = answer.await.expect("answers").ok();
    assert_eq!(came["user"]["username"], JANE);
    assert_eq!(
        came["accounts"],
        json!([{ "id": world.account_id, "name": "acme", "user_id": came["user"]["id"], "username": JANE }])
    );
}

#[tokio::test]
async fn another_agent_is_asked_only_where_none_has_begun() {
    let (world, source, caller) = world().await;
    let mut first = Checker::start(&world, &source, "a").await;
    let mut second = Checker::start(&world, &source, "bb").await;
    for code in ["sign-in-not-begun", "busy", "unknown-message"] {
        let answer = logging_in(&caller, JANE);
        first.fails(code).await;
        second.says("ok").await;
        answer.await.expect("answers").ok();
    }
    // The directory may have counted it: whoever asks again locks people out.
    for code in ["sign-in-no-verdict", "anything-else"] {
        let answer = logging_in(&caller, JANE);
        first.fails(code).await;
        assert_eq!(answer.await.expect("answers").problem(), (503, "directory-unreachable"));
    }
    let answer = logging_in(&caller, JANE);
    first.asked().await;
    drop(first);
    assert_eq!(answer.await.expect("answers").problem(), (503, "directory-unreachable"));
    // The second heard of none of these.
    let answer = logging_in(&caller, "john@lg.local");
    assert_eq!(second.says("ok").await.source_id, "john");
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn whoever_signed_in_waited_twenty_seconds_for_an_agent_that_was_frozen_though_another_was_there() {
    let (world, source, caller) = world().await;
    let mut frozen = Checker::start(&world, &source, "a").await;
    let mut second = Checker::start(&world, &source, "bb").await;
    // Nothing was heard of either for a while, and nothing of the first will be: it is not told the password.
    world.pass_time(200);
    let answer = logging_in(&caller, JANE);
    timeout(WELL_BEFORE_IT_ANSWERS, second.says("ok")).await.expect("the second is asked");
    answer.await.expect("answers").ok();
    frozen.was_not_asked().await;
}

#[tokio::test]
async fn whoever_missed_a_ping_is_not_even_asked_whether_it_is_there_before_one_that_is() {
    let (world, source, caller) = world().await;
    let mut silent = Checker::start(&world, &source, "a").await;
    let mut second = Checker::start(&world, &source, "bb").await;
    world.pass_time(11_001);
    second.puppet.is_heard().await;
    let answer = logging_in(&caller, JANE);
    second.says("ok").await;
    answer.await.expect("answers").ok();
    assert!(!silent.puppet.heard_any_of(&["ping", "request"]).await);
}

#[tokio::test]
async fn everybody_was_sent_first_to_the_agent_that_could_not_reach_its_directory() {
    let (world, source, caller) = world().await;
    let mut cut_off = Checker::start(&world, &source, "a").await;
    let mut second = Checker::start(&world, &source, "bb").await;
    let trouble = json!({ "code": "directory-unreachable", "message": "no." });
    let told = json!({ "type": "directory", "kind": "openldap", "feed": "syncrepl", "trouble": trouble });
    cut_off.puppet.say(&told).await;
    cut_off.puppet.is_heard().await;
    let answer = logging_in(&caller, JANE);
    timeout(WELL_BEFORE_IT_ANSWERS, second.says("ok")).await.expect("the second is asked first");
    answer.await.expect("answers").ok();
    // It is asked all the same where nobody else could begin.
    let answer = logging_in(&caller, JANE);
    second.fails("sign-in-not-begun").await;
    cut_off.says("ok").await;
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn whoever_signed_in_waited_four_times_as_long_as_adc_yaml_says_for_an_agent_that_was_frozen_with_the_password()
 {
    let (world, source, caller) = world().await;
    let mut frozen = Checker::start_with(&world, &source, "a", &json!(500)).await;
    let mut second = Checker::start(&world, &source, "bb").await;
    let answer = logging_in(&caller, JANE);
    let (request, _) = frozen.asked().await;
    assert_eq!(request["request"]["deadline_ms"], 500);
    let answer = timeout(WELL_BEFORE_IT_ANSWERS, answer).await.expect("nobody waits any longer");
    // It may bind when it goes on: nobody else is asked.
    assert_eq!(answer.expect("answers").problem(), (503, "directory-unreachable"));
    second.was_not_asked().await;
}

#[tokio::test]
async fn an_agent_that_is_frozen_was_told_passwords_and_would_try_them_when_it_goes_on() {
    let (world, source, caller) = world().await;
    let mut frozen = Checker::start(&world, &source, "a").await;
    world.pass_time(11_001);
    let at_once: Vec<_> = (0..5).map(|_| logging_in(&caller, JANE)).collect();
    for answer in at_once {
        assert_eq!(answer.await.expect("answers").problem(), (503, "directory-unreachable"));
    }
    // No directory has seen one, so that nobody is kept out; and whoever missed a ping comes last.
    let mut second = Checker::start(&world, &source, "bb").await;
    let answer = logging_in(&caller, JANE);
    second.says("ok").await;
    answer.await.expect("answers").ok();
    frozen.was_not_asked().await;
}

#[tokio::test]
async fn a_key_that_was_replaced_is_not_sealed_to() {
    let (world, source, caller) = world().await;
    let mut agent = Checker::start(&world, &source, "a").await;
    agent.key = KeyPair::from_random([77; 32]);
    let news = json!({ "type": "public-key", "public_key": agent.key.public_key() });
    agent.puppet.say(&news).await;
    // What comes after it on the same link was heard after it.
    agent.puppet.say(&json!({ "type": "dance" })).await;
    while agent.puppet.hear().await["type"] != "not-understood" {}
    let answer = logging_in(&caller, JANE);
    agent.says("ok").await;
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn who_is_disabled_while_the_directory_is_asked_stays_out() {
    let (world, source, caller) = world().await;
    let mut agent = Checker::start(&world, &source, "a").await;
    let (log, _listening) = listen();
    let answer = logging_in(&caller, JANE);
    let (request, _) = agent.asked().await;
    let users = caller.all("/users", 100).await;
    let jane = users.iter().find(|user| user["username"] == JANE).expect("Jane");
    let path = format!("/users/{}", jane["id"].as_str().expect("an id"));
    caller.patch(&path, &json!({ "status": "disabled" })).await.ok();
    let ok = json!({ "ok": { "answer": "password-checked", "outcome": "ok" } });
    agent.puppet.answer(&request, &ok).await;
    assert_eq!(answer.await.expect("answers").problem(), (403, "user-disabled"));
    let log = fs::read_to_string(log.path()).expect("it is ours");
    let audited: Vec<&str> = log.lines().filter(|line| line.contains("audit=\"sign-in\"")).collect();
    assert!(matches!(audited[..], [line] if line.contains("outcome=\"disabled\"")), "{log}");
}

/// What is logged on this thread until the guard is dropped.
pub(super) fn listen() -> (NamedTempFile, DefaultGuard) {
    let log = NamedTempFile::new().expect("a temporary file");
    let writer = Arc::new(log.reopen().expect("it is ours"));
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn a_password_opens_only_accounts_whose_own_synchronization_checked_it() {
    let (world, source, caller) = world().await;
    let other = accounts::create(&world.store, &world.clock, "other").await.expect("makes an account");
    let theirs = world.source_of(&other.id, "theirs").await;
    world.import(&theirs, &[person("jane")]).await;
    let mut ours = Checker::start(&world, &source, "a").await;
    let mut their_agent = Checker::start(&world, &theirs, "bb").await;
    let system = world.caller_of(None, Role::SystemAdministrator).await;
    let answer = logging_in(&system, JANE);
    ours.says("invalid").await;
    their_agent.says("ok").await;
    let came = answer.await.expect("answers").ok();
    assert_eq!(came["accounts"].as_array().map(Vec::len), Some(1));
    assert_eq!(came["accounts"][0]["name"], "other");
    // The key of one account opens that one, whatever the other's directory would say.
    let answer = logging_in(&caller, JANE);
    ours.says("ok").await;
    assert_eq!(answer.await.expect("answers").ok()["user"]["account_id"], world.account_id);
}

#[tokio::test]
async fn with_auto_synchronization_off_nobody_new_comes_in() {
    let (world, source, caller) = world().await;
    let path = format!("/synchronizations/{}", source.id);
    caller.patch(&path, &json!({ "policy": { "auto_synchronization": false } })).await.ok();
    world.import(&source, &[person("jane"), person("john"), person("zoe")]).await;
    let mut agent = Checker::start(&world, &source, "a").await;
    assert_eq!(login(&caller, "zoe@lg.local").await.problem(), (401, "invalid-credentials"));
    let objects = caller.all(&format!("{path}/objects?kind=user&status=pending"), 100).await;
    assert_eq!(objects[0]["reason"], "no-auto-synchronization", "{objects:?}");
    let answer = logging_in(&caller, JANE);
    agent.says("ok").await;
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn with_auto_synchronization_off_whom_an_administrator_made_came_in_by_no_means_that_was_told() {
    let (world, source, caller) = world().await;
    let everybody = [person("jane"), person("john"), person("zoe")];
    let path = format!("/synchronizations/{}", source.id);
    caller.patch(&path, &json!({ "policy": { "auto_synchronization": false } })).await.ok();
    world.import(&source, &everybody).await;
    let pending = caller.all(&format!("{path}/objects?kind=user&status=pending"), 100).await;
    let told = pending[0]["explanation"].as_str().expect("a sentence");
    assert!(told.contains("POST /users") && told.contains("no-update-provider-mismatch off"), "{told}");

    // By default a directory takes nobody over.
    caller.post("/users", &json!({ "username": "zoe@lg.local" })).await.ok();
    world.import(&source, &everybody).await;
    let mut agent = Checker::start(&world, &source, "a").await;
    let conflicts = caller.all(&format!("{path}/objects?kind=user&status=conflict"), 100).await;
    assert_eq!(conflicts[0]["reason"], "provider-mismatch", "{conflicts:?}");
    assert_eq!(login(&caller, "zoe@lg.local").await.problem(), (401, "invalid-credentials"));

    caller.patch(&path, &json!({ "settings": { "no-update-provider-mismatch": false } })).await.ok();
    world.import(&source, &everybody).await;
    let answer = logging_in(&caller, "zoe@lg.local");
    agent.says("ok").await;
    assert_eq!(answer.await.expect("answers").ok()["user"]["provider"]["kind"], "directory");
}

/// Jane, known by an identity that two directories have given.
fn jane_as_given() -> Record {
    let mut jane = Record::new(Kind::User, GIVEN, "uid=jane,ou=people,dc=lg,dc=local", JANE);
    jane.email = Some(JANE.to_owned());
    jane
}

/// Jane's account, another with somebody of her name and identity, both with agents, and a key of the whole system.
struct Neighbours {
    world: World,
    own: Caller,
    system: Caller,
    agent: Checker,
    evil: Checker,
}

impl Neighbours {
    async fn meet() -> Self {
        let world = World::start().await;
        let source = world.source("directory").await;
        world.import(&source, &[jane_as_given()]).await;
        // Of all accounts the first that is looked at.
        let evil = accounts::create(&world.store, &world.clock, "a-evil").await.expect("makes an account");
        let theirs = world.source_of(&evil.id, "theirs").await;
        world.import(&theirs, &[jane_as_given()]).await;
        let (own, system) =
            (world.administrator().await, world.caller_of(None, Role::SystemAdministrator).await);
        let agent = Checker::start(&world, &source, "a").await;
        let evil = Checker::start(&world, &theirs, "bb").await;
        Self { world, own, system, agent, evil }
    }
}

fn accounts_of(answer: Answer) -> Vec<String> {
    let came = answer.ok();
    let accounts = came["accounts"].as_array().expect("a list");
    accounts.iter().map(|account| account["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn who_is_in_two_accounts_comes_into_the_one_whose_directory_answers() {
    let Neighbours { world: _world, system, mut agent, mut evil, .. } = Neighbours::meet().await;
    let answer = logging_in(&system, JANE);
    evil.fails("sign-in-no-verdict").await;
    agent.says("ok").await;
    assert_eq!(accounts_of(answer.await.expect("answers")), ["acme"]);
    drop(evil);
    let answer = logging_in(&system, JANE);
    agent.says("ok").await;
    assert_eq!(accounts_of(answer.await.expect("answers")), ["acme"]);
}

#[tokio::test]
async fn whoever_came_into_one_account_waited_for_the_slowest_of_all() {
    let Neighbours { world: _world, own, system, mut agent, mut evil } = Neighbours::meet().await;
    let answer = logging_in(&system, JANE);
    let (slow, _) = evil.asked().await;
    agent.says("ok").await;
    let answer = timeout(WELL_BEFORE_IT_ANSWERS, answer).await.expect("nobody waits for the other account");
    assert_eq!(accounts_of(answer.expect("answers")), ["acme"]);
    // What it says later is counted as what it is: no failure.
    let ok = json!({ "ok": { "answer": "password-checked", "outcome": "ok" } });
    evil.puppet.answer(&slow, &ok).await;
    evil.puppet.is_heard().await;
    for _ in 0..5 {
        let answer = logging_in(&system, JANE);
        evil.says("invalid").await;
        agent.says("ok").await;
        assert_eq!(accounts_of(answer.await.expect("answers")), ["acme"]);
    }
    let answer = logging_in(&own, JANE);
    agent.says("ok").await;
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn a_wrong_password_was_no_verdict_where_another_accounts_agent_was_broken() {
    let Neighbours { world, system, mut agent, mut evil, .. } = Neighbours::meet().await;
    let answer = logging_in(&system, JANE);
    evil.fails("sign-in-no-verdict").await;
    agent.says("invalid").await;
    assert_eq!(answer.await.expect("answers").problem(), (401, "invalid-credentials"));
    // Where no directory said no, nobody knows: a local user of the name is none.
    let local = accounts::create(&world.store, &world.clock, "local").await.expect("makes an account");
    let local = world.caller_of(Some(&local.id), Role::AccountAdministrator).await;
    local.post("/users", &json!({ "username": JANE })).await.ok();
    let answer = logging_in(&system, JANE);
    evil.fails("sign-in-no-verdict").await;
    agent.fails("sign-in-not-begun").await;
    assert_eq!(answer.await.expect("answers").problem(), (503, "directory-unreachable"));
}

#[tokio::test]
async fn of_a_name_in_many_accounts_only_the_first_fifty_were_looked_at() {
    let (world, source, _) = world().await;
    // All of them come before Jane's own by their names.
    for number in 0..51 {
        let account = accounts::create(&world.store, &world.clock, &format!("a-{number}")).await;
        let account = account.expect("makes an account");
        let caller = world.caller_of(Some(&account.id), Role::AccountAdministrator).await;
        caller.post("/users", &json!({ "username": JANE })).await.ok();
    }
    let mut agent = Checker::start(&world, &source, "a").await;
    let system = world.caller_of(None, Role::SystemAdministrator).await;
    let answer = logging_in(&system, JANE);
    agent.says("ok").await;
    assert_eq!(accounts_of(answer.await.expect("answers")), ["acme"]);
}

#[tokio::test]
async fn the_password_of_one_jane_was_shown_to_the_directory_of_another() {
    let (world, source, own) = world().await;
    let other = accounts::create(&world.store, &world.clock, "other").await.expect("makes an account");
    let theirs = world.source_of(&other.id, "theirs").await;
    let mut namesake = person("jane");
    namesake.name = "jane@other.example".to_owned();
    world.import(&theirs, &[namesake]).await;
    let system = world.caller_of(None, Role::SystemAdministrator).await;
    for (source, account) in [(&source, &world.account_id), (&theirs, &other.id)] {
        let path = format!("/synchronizations/{}?account={account}", source.id);
        system.patch(&path, &json!({ "policy": { "login_without_domain": true } })).await.ok();
    }
    let mut agent = Checker::start(&world, &source, "a").await;
    let mut their_agent = Checker::start(&world, &theirs, "bb").await;
    assert_eq!(login(&system, "jane").await.problem(), (401, "invalid-credentials"));
    // Whose account is said, or whose whole name is, is asked for. Neither agent had been asked before.
    let answer = logging_in(&own, "jane");
    assert_eq!(agent.says("ok").await.names[0], JANE);
    assert_eq!(accounts_of(answer.await.expect("answers")), ["acme"]);
    let answer = logging_in(&system, "jane@other.example");
    assert_eq!(their_agent.says("ok").await.names[0], "jane@other.example");
    assert_eq!(accounts_of(answer.await.expect("answers")), ["other"]);
    // John has no namesake.
    let answer = logging_in(&system, "john");
    assert_eq!(agent.says("ok").await.source_id, "john");
    assert_eq!(accounts_of(answer.await.expect("answers")), ["acme"]);
}
