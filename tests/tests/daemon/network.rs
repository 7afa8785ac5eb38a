//! What networks do to a link, and control planes that are none.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use adc_tests::{Agent, Company, Scene, Slapd, Synchronization};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use super::hosted::until;
use super::wire::{Impostor, Wire};
use super::{Connected, agents, plain, run_of, scene, start_run};

/// An agent of this control plane, whatever it is.
fn agent_of(impostor: &Impostor) -> (Scene, Agent) {
    let company = Company::new("dc=lg,dc=local").ou("people").person("jane");
    let slapd = Slapd::serving(&company);
    let scene = Scene::between(company, slapd);
    let agent = Agent::new(&scene.directory, &scene.control_plane, &scene.synchronization)
        .server("url", &impostor.url());
    (scene, agent)
}

#[test]
fn a_link_on_which_nothing_arrives_any_more_is_found_dead_by_both_sides() {
    let scene = scene();
    let wire = Wire::to(scene.control_plane.url());
    let scene = scene.agent(|agent| agent.server("url", &wire.url()));
    let mut agent = Connected::start(&scene.agent);
    wire.freeze();
    let why = agent.wait_for("no link to the control plane");
    assert!(why.contains("nothing was heard for 25 s"), "{why}");
    wire.thaw();
    agent.wait_for(super::CONNECTED);
    assert_eq!(agents(&scene).len(), 1, "the control plane has noticed too");
    let id = start_run(&scene, &plain());
    agent.wait_for("run ended");
    assert_eq!(run_of(&scene, &id)["state"], "applied");
    agent.stop();
}

#[test]
fn a_control_plane_that_accepts_and_never_answers_is_tried_again() {
    let impostor = Impostor::start();
    let (_scene, agent) = agent_of(&impostor);
    let mut agent = super::Connected(agent.start(&["run"]));
    let _silent = impostor.accept();
    let why = agent.wait_for("no link to the control plane");
    assert!(why.contains("does not answer within 10 s"), "{why}");
    let mut link = impostor.link();
    link.welcome(60);
    agent.wait_for(super::CONNECTED);
    let (code, log) = agent.stop();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn a_control_plane_that_takes_the_hello_and_never_welcomes_is_tried_again() {
    let impostor = Impostor::start();
    let (_scene, agent) = agent_of(&impostor);
    let mut agent = super::Connected(agent.start(&["run"]));
    let _silent = impostor.link();
    agent.wait_for("nothing was heard for 10 s");
    let mut link = impostor.link();
    link.welcome(60);
    agent.wait_for(super::CONNECTED);
    agent.stop();
}

#[test]
fn what_is_not_understood_is_answered_and_the_link_goes_on() {
    let impostor = Impostor::start();
    let (_scene, agent) = agent_of(&impostor);
    let mut agent = super::Connected(agent.start(&["run"]));
    let mut link = impostor.link();
    link.welcome(60);
    for (said, code) in [
        (Message::text(r#"{"type":"dance"}"#), "unknown-message"),
        (Message::text(r#"{"type":"request","id":7,"request":{"ask":"dance"}}"#), "unknown-message"),
        (Message::text("no JSON at all"), "malformed-message"),
        (Message::text(""), "malformed-message"),
        (Message::binary(vec![0; 10]), "malformed-message"),
    ] {
        link.send(said);
        let answer: serde_json::Value = serde_json::from_str(&link.hear()).expect("JSON");
        assert_eq!((&answer["type"], &answer["code"]), (&json!("not-understood"), &json!(code)));
    }
    link.say(r#"{"type":"ping"}"#);
    assert_eq!(link.hear(), r#"{"type":"pong"}"#);
    agent.wait_for("is not understood");
    let (code, log) = agent.stop();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn a_message_of_a_hundred_megabytes_ends_the_link_and_not_the_agent() {
    let impostor = Impostor::start();
    let (_scene, agent) = agent_of(&impostor);
    let mut agent = super::Connected(agent.start(&["run"]));
    let mut link = impostor.link();
    link.welcome(60);
    // The frame's head says how long it is: that is enough to be refused, and no more is taken.
    let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        link.send(Message::text("x".repeat(100 << 20)));
    }));
    drop(sent);
    agent.wait_for("no link to the control plane");
    let mut link = impostor.link();
    link.welcome(60);
    agent.wait_for(super::CONNECTED);
    agent.stop();
}

#[test]
fn retry_after_is_kept() {
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        let impostor = Impostor::start();
        let (_scene, agent) = agent_of(&impostor);
        let mut agent = super::Connected(agent.start(&["run"]));
        impostor.answer(&format!("HTTP/1.1 {status}\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"));
        let answered = Instant::now();
        let mut link = impostor.link();
        link.welcome(60);
        assert!(answered.elapsed() >= Duration::from_secs(2), "{:?}", answered.elapsed());
        agent.wait_for(super::CONNECTED);
        agent.stop();
    }
}

#[test]
fn a_storm_of_refusals_is_waited_out() {
    let impostor = Impostor::start();
    let (_scene, agent) = agent_of(&impostor);
    let mut agent = super::Connected(agent.start(&["run"]));
    for refusal in [
        "503 Service Unavailable\r\nRetry-After: 1",
        "429 Too Many Requests",
        "429 Too Many Requests\r\nRetry-After: Wed, 01 Jan 2099 00:00:00 GMT",
        "503 Service Unavailable\r\nRetry-After: soon",
        "429 Too Many Requests\r\nRetry-After: 0",
    ] {
        impostor.answer(&format!("HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n"));
    }
    let mut link = impostor.link();
    link.welcome(60);
    agent.wait_for(super::CONNECTED);
    let (code, log) = agent.stop();
    assert_eq!((code, log.matches("no link").count()), (0, 1), "said once: {log}");
}

#[test]
fn whoever_takes_an_agents_name_displaces_it_and_it_comes_back_under_another() {
    let scene = scene();
    let mut agent = Connected::start(&scene.agent);
    let before = agents(&scene)[0]["instance"].as_str().expect("a name").to_owned();
    let displacing = takes_the_name(&scene, &before);
    let why = agent.wait_for("no link to the control plane");
    assert!(why.contains("another agent goes by the same name as this one; it takes a new one"), "{why}");
    drop(displacing);
    agent.wait_for(super::CONNECTED);
    // The control plane may hear of the other one's end a moment later.
    until(|| agents(&scene).len() == 1);
    assert_ne!(agents(&scene)[0]["instance"], before);
    let id = start_run(&scene, &plain());
    agent.wait_for("run ended");
    assert_eq!(run_of(&scene, &id)["state"], "applied");
    agent.stop();
}

/// Connects under the name of another agent, and is welcome.
fn takes_the_name(scene: &Scene, instance: &str) -> WebSocket<TcpStream> {
    let at = scene.control_plane.url().trim_start_matches("http://").to_owned();
    let mut request = format!("ws://{at}/api/v1/agent/link").into_client_request().expect("an address");
    let Synchronization { application_id, secret_token, .. } = &scene.synchronization;
    let credentials = STANDARD.encode(format!("{application_id}:{secret_token}"));
    let headers = request.headers_mut();
    headers.insert("authorization", format!("Basic {credentials}").parse().expect("a header"));
    headers.insert("sec-websocket-protocol", "adc.v1".parse().expect("a header"));
    let stream = TcpStream::connect(at).expect("it listens");
    let (mut socket, _) = client(request, stream).expect("a websocket");
    let hello = json!({ "type": "hello", "instance": instance, "host": "clone", "version": "0.1.0", "configuration": {} });
    socket.send(Message::text(hello.to_string())).expect("it is taken");
    let welcome = socket.read().expect("it answers");
    assert!(welcome.to_text().is_ok_and(|text| text.contains("welcome")), "{welcome}");
    socket
}

#[test]
fn a_proxy_that_refuses_is_not_the_control_plane() {
    let impostor = Impostor::start();
    let (_scene, agent) = agent_of(&impostor);
    let mut agent = super::Connected(agent.start(&["run"]));
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "426 Upgrade Required"] {
        impostor.answer(&format!("HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\n<html>"));
        if status.starts_with("401") {
            // It asks again over HTTP what that means.
            impostor.answer(&format!("HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\n<html>"));
        }
    }
    let mut link = impostor.link();
    link.welcome(60);
    agent.wait_for(super::CONNECTED);
    agent.stop();
}

#[test]
fn whoever_is_refused_for_good_ends_with_exit_code_4_and_says_why() {
    let scene = scene();
    for (key, value) in [("application_id", "app_unknown"), ("secret_token", "adcs_wrong")] {
        let agent =
            Agent::new(&scene.directory, &scene.control_plane, &scene.synchronization).server(key, value);
        let (code, log) = agent.start(&["run"]).finish();
        assert_eq!(code, 4, "{log}");
        assert!(log.contains("does not believe this agent"), "{log}");
    }
    let agent = Connected::start(&scene.agent);
    let path = format!("/synchronizations/{}/rotate-secret", scene.synchronization.id);
    scene.api.post(&path, &plain()).ok();
    let (code, log) = agent.finish();
    assert_eq!(code, 4, "{log}");
    assert!(log.contains("The Secret Token was replaced"), "{log}");
}

#[test]
fn an_agent_that_is_too_old_ends_with_exit_code_4() {
    let impostor = Impostor::start();
    let (_scene, agent) = agent_of(&impostor);
    let agent = agent.start(&["run"]);
    let mut link = impostor.link();
    link.say(r#"{"type":"refused","reason":"version-too-old","detail":"This agent is adc 0.1.0; install a newer one."}"#);
    let (code, log) = agent.finish();
    assert_eq!(code, 4, "{log}");
    assert!(log.contains("install a newer one"), "{log}");
}

#[test]
fn a_control_plane_that_is_not_there_yet_is_waited_for() {
    let mut scene = scene();
    scene.control_plane.kill();
    let mut agent = super::Connected(scene.agent.start(&["run"]));
    agent.wait_for("no link to the control plane");
    scene.control_plane.restart();
    agent.wait_for(super::CONNECTED);
    let (code, log) = agent.stop();
    assert_eq!((code, log.matches("no link").count()), (0, 1), "said once: {log}");
}
