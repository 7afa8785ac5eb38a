//! Following the directory's changes, through the daemon.

use adc_sandbox::{ActiveDirectory, Behaviour, Fault, Operation, ResultCode};
use adc_tests::{Agent, InMemory, Scene};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::hosted::until;
use super::metrics::scrape;
use super::{Connected, agents, plain, run_now, runs, scene, start_run};

const FOLLOWS: &str = "following the directory's changes";

#[test]
fn a_change_is_followed_once_somebody_has_begun() {
    let scene = scene();
    let mut agent = Connected::start(&scene.agent);
    // A synchronization that nobody has brought under way yet is not begun by a change.
    assert!(runs(&scene).is_empty());
    start_run(&scene, &plain());
    agent.wait_for(FOLLOWS);
    scene.join("people", "zoe");
    agent.wait_until(|| scene.users().contains_key("zoe@lg.local"));
    assert_eq!(scene.user("zoe@lg.local")["status"], "active");
    let last = &runs(&scene)[0];
    assert_eq!((&last["trigger"], &last["mode"]), (&json!("change"), &json!("delta")));
    assert_eq!(agents(&scene)[0]["follows_changes"], true);
    agent.stop();
}

#[test]
fn when_the_agent_that_follows_goes_another_follows() {
    let scene = scene();
    scene.imp();
    let mut first = Connected::start(&scene.agent);
    first.wait_for(FOLLOWS);
    let second = Agent::new(&scene.directory, &scene.control_plane, &scene.synchronization);
    let mut second = Connected::start(&second);
    scene.join("people", "zoe");
    first.wait_until(|| scene.users().contains_key("zoe@lg.local"));
    first.kill();
    second.wait_for(FOLLOWS);
    scene.join("people", "yan");
    second.wait_until(|| scene.users().contains_key("yan@lg.local"));
    second.stop();
}

#[test]
fn a_policy_that_arrives_during_a_run_is_followed_in_the_end() {
    let scene = scene();
    scene.imp();
    let mut agent = Connected::start(&scene.agent);
    agent.wait_for(FOLLOWS);
    let names = ["nick_name", "call_name", "short_name"];
    for count in 1..=names.len() {
        run_now(&scene, &json!({ "full": true }));
        let fields: Vec<Value> =
            names[..count].iter().map(|name| json!({ "name": name, "from": "sn" })).collect();
        scene.patch(&json!({ "policy": { "mapping": { "fields": fields } } }));
        agent.wait_until(|| scene.user("jane@lg.local")["fields"][names[count - 1]].is_string());
    }
    agent.stop();
}

#[test]
fn nothing_is_followed_while_the_policy_says_no_or_a_dry_run_is_in_force() {
    let scene = scene();
    scene.imp();
    let mut agent = Connected::start(&scene.agent);
    agent.wait_for(FOLLOWS);
    for stop in [json!({ "policy": { "follow_changes": false } }), json!({ "settings": { "dry-run": true } })]
    {
        scene.patch(&stop);
        agent.wait_for("not following");
        scene.patch(&json!({ "policy": null, "settings": null }));
        agent.wait_for(FOLLOWS);
    }
    agent.stop();
}

#[test]
fn a_held_plan_is_waited_for_and_then_changes_are_followed_again() {
    let scene = scene();
    scene.imp();
    let mut agent = Connected::start(&scene.agent);
    agent.wait_for(FOLLOWS);
    let leavers: Vec<String> = (1..=15)
        .map(|number| format!("dn: {}\nchangetype: delete\n\n", scene.dn(&format!("user{number:05}"))))
        .collect();
    scene.directory.modify(&leavers.concat());
    agent.wait_for("not following");
    let held = runs(&scene)[0].clone();
    assert_eq!(held["state"], "held");
    // The control plane says so too; its log is read a moment after it was written.
    let says = || scene.control_plane.log().lines().find(|line| line.contains("run held")).map(str::to_owned);
    until(|| says().is_some());
    let said = says().expect("it was there just now");
    assert!(said.contains("WARN") && said.contains("approve or reject it"), "{said}");
    scene.join("people", "zoe");
    let run = held["id"].as_str().expect("an id");
    scene.api.post(&format!("/runs/{run}/approve"), &plain()).ok();
    agent.wait_for(FOLLOWS);
    agent.wait_until(|| scene.users().contains_key("zoe@lg.local"));
    let after: Vec<Value> = runs(&scene).into_iter().take_while(|run| run["id"] != held["id"]).collect();
    assert_eq!(after.len(), 1, "nothing was started while it was held: {after:?}");
    agent.stop();
}

#[test]
fn a_bind_account_that_is_refused_is_spared_until_somebody_starts_a_run() {
    let scene = scene();
    scene.imp();
    let agent = Agent::new(&scene.directory, &scene.control_plane, &scene.synchronization)
        .ldap("bind_password", "the new one");
    let mut agent = Connected::start(&agent);
    agent.wait_for("changes are not followed for 10 minutes");
    until(|| agents(&scene)[0]["directory"]["trouble"]["code"] == "bind-refused");
    let dn = &scene.directory.bind_dn();
    scene.directory.modify(&format!(
        "dn: {dn}\nchangetype: modify\nreplace: userPassword\nuserPassword: the new one\n\n"
    ));
    scene.join("people", "zoe");
    let run = start_run(&scene, &plain());
    agent.wait_for_end(&run);
    assert_eq!(scene.user("zoe@lg.local")["status"], "active");
    until(|| agents(&scene)[0]["directory"]["trouble"] == Value::Null);
    scene.join("people", "yan");
    agent.wait_until(|| scene.users().contains_key("yan@lg.local"));
    let (_, log) = agent.stop();
    // None where the refusal was met before, when the directory was looked at.
    assert!(log.matches("run failed").count() <= 1, "{log}");
}

/// How often the bind account was refused.
pub(crate) fn refused_binds(directory: &InMemory) -> usize {
    let refused = |operation: &&Operation| matches!(operation, Operation::Bind { answer: Some(answer), .. } if *answer == ResultCode::InvalidCredentials);
    directory.journal().log.iter().filter(refused).count()
}

/// Has the directory refuse everybody.
pub(crate) fn refuse_all(directory: &InMemory) {
    directory.faults().inject(Fault::refuse_bind(ResultCode::InvalidCredentials, "no").always());
}

/// The code of what each agent says is in the way to its directory, and whether it follows changes.
fn troubles(scene: &Scene<InMemory>) -> Vec<(Value, Value)> {
    let trouble =
        |agent: &Value| (agent["directory"]["trouble"]["code"].clone(), agent["follows_changes"].clone());
    agents(scene).iter().map(trouble).collect()
}

fn another_agent(scene: &Scene<InMemory>) -> Agent {
    Agent::without_directory(&scene.control_plane, &scene.synchronization)
        .ldap("addr", &scene.directory.url())
        .ldap("bind_dn", scene.directory.bind_dn())
        .ldap("bind_password", scene.directory.bind_password())
        .ldap("base_dn", adc_sandbox::sample::BASE_DN)
}

#[test]
fn a_start_with_a_wrong_password_tried_it_twice_and_each_reload_twice_more() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.imp();
    refuse_all(&scene.directory);
    let mut agent = Connected::start(&scene.agent);
    agent.wait_for("changes are not followed for 10 minutes");
    for (minutes, tries) in [(30, 2), (60, 3), (60, 4)] {
        agent.0.daemon().signal(Signal::HUP);
        agent.wait_for("is in use from now on");
        agent.wait_for(&format!("changes are not followed for {minutes} minutes"));
        until(|| troubles(&scene) == [(json!("bind-refused"), json!(false))]);
        assert_eq!(refused_binds(&scene.directory), tries, "a reload is somebody's word to try it once");
    }
    agent.stop();
}

#[test]
fn a_password_that_was_mended_in_the_directory_was_not_tried_by_an_agent_that_was_reloaded() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.imp();
    refuse_all(&scene.directory);
    let mut agent = Connected::start(&scene.agent);
    agent.wait_for("changes are not followed for 10 minutes");
    scene.directory.faults().clear();
    agent.0.daemon().signal(Signal::HUP);
    agent.wait_for("is in use from now on");
    agent.wait_for("run ended");
    until(|| troubles(&scene) == [(Value::Null, json!(true))]);
    let zoe = json!({ "username": "zoe.mueller@example.com", "password": adc_sandbox::sample::PASSWORD });
    assert_eq!(scene.api.post("/login", &zoe).status, 200);
    assert_eq!(refused_binds(&scene.directory), 1);
    agent.stop();
}

#[test]
fn an_account_that_was_let_in_by_a_test_of_the_connection_was_spared_all_the_same() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.imp();
    refuse_all(&scene.directory);
    let mut agent = Connected::start(&scene.agent);
    agent.wait_for("changes are not followed for 10 minutes");
    let test = || {
        let path = format!("/synchronizations/{}/test-connection", scene.synchronization.id);
        scene.api.post(&path, &plain()).ok()["ok"].clone()
    };
    assert_eq!((test(), refused_binds(&scene.directory)), (json!(false), 2), "somebody wanted it tried");
    agent.wait_for("changes are not followed for 30 minutes");
    scene.directory.faults().clear();
    assert_eq!(test(), true);
    agent.wait_for("run ended");
    until(|| troubles(&scene) == [(Value::Null, json!(true))]);
    agent.stop();
}

#[test]
fn a_refusal_that_somebody_met_who_signs_in_was_told_to_nobody_and_changes_were_followed_no_more() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.imp();
    scene.patch(&json!({ "policy": { "follow_changes": false } }));
    let mut first = Connected::start(&scene.agent);
    until(|| agents(&scene)[0]["directory"]["feed"].is_string());
    refuse_all(&scene.directory);
    let login = || {
        let zoe = json!({ "username": "zoe.mueller@example.com", "password": adc_sandbox::sample::PASSWORD });
        scene.api.post("/login", &zoe).status
    };
    assert_eq!(login(), 503);
    until(|| troubles(&scene) == [(json!("bind-refused"), json!(false))]);
    let gauge = format!(
        r#"adc_agents_in_trouble{{synchronization="{}",code="bind-refused"}} 1"#,
        scene.synchronization.id
    );
    until(|| scrape(scene.control_plane.url()).contains(&gauge));
    // Whoever is to follow changes says that it cannot, and another one does.
    scene.patch(&json!({ "policy": null }));
    first.wait_for("changes are not followed for 10 minutes");
    assert_eq!(troubles(&scene), [(json!("bind-refused"), json!(false))]);
    scene.directory.faults().clear();
    let mut second = Connected::start(&another_agent(&scene));
    second.wait_for(FOLLOWS);
    until(|| troubles(&scene) == [(json!("bind-refused"), json!(false)), (Value::Null, json!(true))]);
    assert_eq!(refused_binds(&scene.directory), 1);
    second.stop();
    first.stop();
}

#[test]
fn two_agents_read_a_directory_that_cuts_every_search_over_and_over() {
    let scene = Scene::in_memory(InMemory::sample());
    scene.imp();
    let cut = Fault::answer_after(3, ResultCode::SizeLimitExceeded, "no more than 3");
    scene.directory.faults().inject(cut.mentioning("inetOrgPerson").always());
    let mut first = Connected::start(&scene.agent);
    first.wait_for("run failed");
    let mut second = Connected::start(&another_agent(&scene));
    second.wait_for("run failed");
    let why_not = || -> Vec<Value> {
        agents(&scene).iter().map(|agent| agent["not_following_because"].clone()).collect()
    };
    until(|| why_not() == [json!("another-follows"), json!("directory-trouble")]);
    // Whoever comes back is not sooner for that.
    let failed = || runs(&scene).iter().filter(|run| run["state"] == "failed").count();
    assert_eq!(failed(), 2, "each has tried once");
    for agent in [first, second] {
        let (_, log) = agent.stop();
        assert_eq!(log.matches("run failed").count(), 1, "{log}");
    }
}

#[test]
fn that_a_directory_cannot_be_followed_is_told_whenever_the_agent_is_to_follow_it() {
    let scene = Scene::in_memory(InMemory::sample())
        .agent(|agent| agent.ldap("preset", "inetorgperson").ldap("id_attribute", "entryUUID"));
    // A domain controller that lets nobody follow its changes.
    let mut behaviour = Behaviour::default();
    behaviour.active_directory = Some(ActiveDirectory::default());
    scene.directory.set_behaviour(behaviour);
    scene.imp();
    let mut agent = Connected::start(&scene.agent);
    let why_not = || agents(&scene)[0]["not_following_because"].clone();
    for told in 1..=2 {
        agent.wait_for("offers no change feed");
        until(|| why_not() == "no-feed");
        assert_eq!(agents(&scene)[0]["follows_changes"], false);
        assert_eq!(runs(&scene).len(), 1 + told, "it is not tried again before somebody changes something");
        let rule = json!({ "name": format!("rule {told}"), "filter": "(title=nobody)" });
        scene.patch(&json!({ "policy": { "exclude": [rule] } }));
    }
    agent.stop();
}
