//! Failed tries: which count, for whom, and for how long.

use super::{Checker, JANE, MINUTE, Neighbours, PASSWORD, accounts_of, listen, logging_in, login, world};
use adc_server::{admin::accounts, roles::Role};
use reqwest::Method;
use serde_json::json;
use std::fs;

#[tokio::test]
async fn five_failures_in_five_minutes_are_enough_and_many_at_once_are_no_way_around() {
    let (world, source, caller) = world().await;
    let mut agent = Checker::start(&world, &source, "a").await;
    let at_once: Vec<_> = (0..8).map(|_| logging_in(&caller, JANE)).collect();
    for _ in 0..5 {
        agent.says("invalid").await;
    }
    let mut told = Vec::new();
    for answer in at_once {
        told.push(answer.await.expect("answers").status);
    }
    told.sort_unstable();
    assert_eq!(told, [401, 401, 401, 401, 401, 429, 429, 429]);
    // By any name, from any account.
    let system = world.caller_of(None, Role::SystemAdministrator).await;
    assert_eq!(login(&system, "JANE@lg.local").await.problem(), (429, "too-many-failures"));
    world.pass_time(5 * MINUTE - 1);
    assert_eq!(login(&caller, JANE).await.status, 429);
    world.pass_time(1);
    let answer = logging_in(&caller, JANE);
    agent.says("ok").await;
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn a_name_that_is_nobodys_is_written_down_each_time_it_is_tried_and_never_as_it_was_typed() {
    let (_world, _source, caller) = world().await;
    let (log, _listening) = listen();
    let typed = "correct horse battery staple";
    for status in [401, 401, 401, 401, 401, 429, 429] {
        assert_eq!(login(&caller, typed).await.status, status);
    }
    let log = fs::read_to_string(log.path()).expect("it is ours");
    let tried = |outcome: &str| {
        let outcome = format!("audit=\"sign-in\" outcome=\"{outcome}\"");
        log.lines().filter(|line| line.contains(&outcome) && line.contains("address=127.0.0.1")).count()
    };
    assert_eq!((tried("invalid"), tried("throttled")), (5, 2), "{log}");
    assert!(!log.contains(typed), "it may be a password in the wrong field: {log}");
}

#[tokio::test]
async fn an_address_may_fail_fifty_times_and_only_a_trusted_proxy_says_which_it_is() {
    let (_world, _source, caller) = world().await;
    let from = async |address: &str, name: String| {
        let request = caller.request(Method::POST, "/login").header("x-forwarded-for", address);
        caller.send(request.json(&json!({ "username": name, "password": "" }))).await.status
    };
    for number in 0..50 {
        // The proxy in front wrote the last entry, and somebody else the one before it.
        assert_eq!(from(&format!("192.0.2.{number}, 198.51.100.7"), format!("nobody{number}")).await, 401);
    }
    assert_eq!(from("198.51.100.7", "somebody".to_owned()).await, 429);
    assert_eq!(from("198.51.100.8", "somebody".to_owned()).await, 401);
}

#[tokio::test]
async fn an_account_that_says_yes_to_everything_is_no_way_around_the_throttle_of_another() {
    let Neighbours { world: _world, own, system, mut agent, mut evil } = Neighbours::meet().await;
    for _ in 0..5 {
        let answer = logging_in(&system, JANE);
        evil.says("ok").await;
        agent.says("invalid").await;
        assert_eq!(accounts_of(answer.await.expect("answers")), ["a-evil"]);
    }
    // Jane's own directory is not asked any more.
    let answer = logging_in(&system, JANE);
    evil.says("ok").await;
    assert_eq!(accounts_of(answer.await.expect("answers")), ["a-evil"]);
    assert_eq!(login(&own, JANE).await.problem(), (429, "too-many-failures"));
}

#[tokio::test]
async fn an_account_that_says_no_to_everything_keeps_nobody_out_of_another() {
    let Neighbours { world: _world, own, system, mut agent, mut evil } = Neighbours::meet().await;
    for _ in 0..5 {
        let answer = logging_in(&system, JANE);
        evil.says("invalid").await;
        agent.says("ok").await;
        assert_eq!(accounts_of(answer.await.expect("answers")), ["acme"]);
    }
    for caller in [&system, &own] {
        let answer = logging_in(caller, JANE);
        agent.says("ok").await;
        assert_eq!(accounts_of(answer.await.expect("answers")), ["acme"]);
    }
}

#[tokio::test]
async fn failures_of_one_account_lock_no_name_and_no_address_of_another() {
    let (world, source, caller) = world().await;
    let mut agent = Checker::start(&world, &source, "a").await;
    let evil = accounts::create(&world.store, &world.clock, "evil").await.expect("makes an account");
    let evil = world.caller_of(Some(&evil.id), Role::AccountAdministrator).await;
    for _ in 0..5 {
        assert_eq!(login(&evil, JANE).await.status, 401);
    }
    assert_eq!(login(&evil, JANE).await.status, 429);
    for number in 5..50 {
        assert_eq!(login(&evil, &format!("nobody{number}")).await.status, 401);
    }
    assert_eq!(login(&evil, "somebody").await.status, 429);
    let answer = logging_in(&caller, JANE);
    agent.says("ok").await;
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn a_directory_that_no_agent_has_shown_the_password_keeps_nobody_out() {
    let (world, source, caller) = world().await;
    let mut agent = Checker::start(&world, &source, "a").await;
    for _ in 0..6 {
        let answer = logging_in(&caller, JANE);
        agent.fails("sign-in-not-begun").await;
        assert_eq!(answer.await.expect("answers").problem(), (503, "directory-unreachable"));
    }
    let answer = logging_in(&caller, JANE);
    agent.says("ok").await;
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn guesses_that_a_slow_directory_gave_no_verdict_on_were_not_counted_and_locked_people_out_there() {
    let (world, source, caller) = world().await;
    let path = format!("/synchronizations/{}", source.id);
    caller.patch(&path, &json!({ "policy": { "login_without_domain": true } })).await.ok();
    let mut agent = Checker::start(&world, &source, "a").await;
    for _ in 0..5 {
        let answer = logging_in(&caller, JANE);
        agent.fails("sign-in-no-verdict").await;
        assert_eq!(answer.await.expect("answers").problem(), (503, "directory-unreachable"));
    }
    // The name, and by another one the person.
    assert_eq!(login(&caller, JANE).await.problem(), (429, "too-many-failures"));
    assert_eq!(login(&caller, "jane").await.problem(), (429, "too-many-failures"));
    world.pass_time(5 * MINUTE);
    let answer = logging_in(&caller, JANE);
    agent.says("ok").await;
    answer.await.expect("answers").ok();
}

#[tokio::test]
async fn who_failed_too_often_is_told_when_to_come_back() {
    let (world, source, caller) = world().await;
    let mut agent = Checker::start(&world, &source, "a").await;
    for _ in 0..5 {
        let answer = logging_in(&caller, JANE);
        agent.says("invalid").await;
        assert_eq!(answer.await.expect("answers").status, 401);
    }
    world.pass_time(MINUTE + 1);
    let request = caller.request(Method::POST, "/login");
    let answer = request.json(&json!({ "username": JANE, "password": PASSWORD })).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!(answer.headers()["retry-after"], "240", "whole seconds, rounded up");
}
