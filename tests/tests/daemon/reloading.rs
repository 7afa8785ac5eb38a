//! A reload that brings other credentials: those that the control plane does not believe cost nobody the agent that it believes.

use std::fs;
use std::time::Duration;

use adc_tests::{Agent, Scene};

use super::systemd::{Service, edit, with_secret_file};
use super::wire::Wire;
use super::{CONNECTED, agents, plain, scene, start_run};

/// What is said of a configuration that was kept.
const KEPT: &str = "the configuration from before is in use";
/// What is said of credentials that are wrong.
const NOT_BELIEVED: &str = "does not believe this agent";

/// The Secret Token with its last character mistyped.
fn mistyped(scene: &Scene) -> String {
    let mut token = scene.synchronization.secret_token.clone();
    let last = token.pop().expect("it is long");
    token.push(if last == 'x' { 'y' } else { 'x' });
    token
}

/// Replaces the Secret Token at the control plane; returns the new one.
fn rotate(scene: &Scene) -> String {
    let path = format!("/synchronizations/{}/rotate-secret", scene.synchronization.id);
    let answer = scene.api.post(&path, &plain()).ok();
    answer["secret_token"].as_str().expect("it is shown this once").to_owned()
}

/// Has adc.yaml name another control plane and another Secret Token.
fn edit_server(scene: &Scene, (old_url, url): (&str, &str), token: &str) {
    edit(&scene.agent, |text| text.replace(old_url, url).replace(&scene.synchronization.secret_token, token));
}

/// A scene whose agent reaches the control plane over a wire.
fn over_a_wire() -> (Scene, Wire) {
    let scene = scene();
    let wire = Wire::to(scene.control_plane.url());
    let scene = scene.agent(|agent| agent.server("url", &wire.url()));
    (scene, wire)
}

/// The agent works on over the link that it has.
fn works_on(service: &mut Service, scene: &Scene) {
    let id = start_run(scene, &plain());
    assert_eq!(service.ended(scene, &id)["state"], "applied");
}

#[test]
fn a_mistyped_secret_at_a_reload_ended_a_healthy_daemon_for_good() {
    let (scene, file) = with_secret_file(scene());
    let (mut service, scene) = Service::connected(scene);
    let before = agents(&scene);
    fs::write(&file, mistyped(&scene)).expect("the folder can be written");
    let status = service.reload();
    assert!(status.contains(NOT_BELIEVED) && status.contains(KEPT), "{status}");
    assert!(status.contains(&file.display().to_string()), "it is not said where to look: {status}");
    works_on(&mut service, &scene);
    assert_eq!(agents(&scene)[0]["connected_at"], before[0]["connected_at"], "the link was not even cut");

    fs::write(&file, &scene.synchronization.secret_token).expect("the folder can be written");
    let status = service.reload();
    assert!(!status.contains("from before"), "{status}");
    service.wait_for_link();
    let log = service.stop();
    assert!(log.contains("the configuration from before stays in use"), "{log}");
    assert!(!log.contains(&mistyped(&scene)), "the secret is printed: {log}");
}

#[test]
fn a_mistyped_application_id_at_a_reload_ended_a_healthy_daemon_for_good() {
    let scene = scene();
    let (mut service, scene) = Service::connected(scene);
    edit(&scene.agent, |text| text.replace(&scene.synchronization.application_id, "app_0123456789abcdef"));
    let status = service.reload();
    assert!(status.contains(NOT_BELIEVED) && status.contains(KEPT), "{status}");
    assert!(status.contains("server.application_id (") && status.contains("adc.yaml:"), "{status}");
    works_on(&mut service, &scene);
    service.stop();
}

#[test]
fn the_right_secret_takes_over_from_one_that_was_replaced() {
    let (scene, wire) = over_a_wire();
    let (mut service, scene) = Service::connected(scene);
    // It does not hear that its secret is replaced.
    wire.freeze();
    let token = rotate(&scene);
    edit_server(&scene, (&wire.url(), scene.control_plane.url()), &token);
    let status = service.reload();
    assert!(!status.contains("from before"), "{status}");
    service.wait_for_link();
    works_on(&mut service, &scene);
    service.stop();
}

#[test]
fn where_the_secret_from_before_is_refused_too_it_ends_with_exit_code_4() {
    let (scene, wire) = over_a_wire();
    let (mut service, scene) = Service::connected(scene);
    wire.freeze();
    rotate(&scene);
    edit_server(&scene, (&wire.url(), scene.control_plane.url()), &mistyped(&scene));
    let status = service.reload();
    assert!(status.contains(NOT_BELIEVED) && status.contains(KEPT), "{status}");
    wire.thaw();
    let told = service.supervisor.wait_until("STOPPING");
    assert!(told.status().contains("The Secret Token was replaced"), "{told:?}");
    let (code, log) = service.running.finish();
    assert_eq!(code, 4, "{log}");
}

#[test]
fn a_secret_that_nobody_could_judge_at_the_reload_gives_way_when_it_is_refused() {
    let (scene, file) = with_secret_file(scene());
    let (mut service, mut scene) = Service::connected(scene);
    scene.control_plane.kill();
    fs::write(&file, mistyped(&scene)).expect("the folder can be written");
    let status = service.reload();
    assert!(!status.contains("from before"), "nobody knows yet: {status}");
    scene.control_plane.restart();
    service.wait_for_link();
    let said = service.supervisor.wait_for_status(KEPT);
    assert!(said.status().contains(NOT_BELIEVED), "{said:?}");
    assert!(said.status().contains(&file.display().to_string()), "{said:?}");
    works_on(&mut service, &scene);
    let log = service.stop();
    assert_eq!(log.matches(CONNECTED).count(), 2, "{log}");
}

#[test]
fn a_secret_that_gives_way_to_one_that_was_replaced_meanwhile_ends_with_exit_code_4() {
    let (scene, wire) = over_a_wire();
    let (mut service, mut scene) = Service::connected(scene);
    wire.freeze();
    rotate(&scene);
    scene.control_plane.kill();
    edit_server(&scene, (&wire.url(), scene.control_plane.url()), &mistyped(&scene));
    service.reload();
    service.supervisor.wait_for_status("no link to the control plane");
    wire.thaw();
    scene.control_plane.restart();
    let (code, log) = service.running.finish();
    assert_eq!(code, 4, "{log}");
    assert!(log.contains("the configuration from before is in use again"), "{log}");
    assert_eq!(log.matches(NOT_BELIEVED).count(), 2, "{log}");
}

#[test]
fn whoever_was_not_believed_at_the_start_left_no_word_of_it() {
    let scene = scene();
    let agent: Agent = scene.agent.server("secret_token", "adcs_wrong");
    let (mut service, _agent) = Service::start(agent);
    let told = service.supervisor.wait_until("STOPPING");
    assert!(told.status().starts_with("ended: ") && told.status().contains(NOT_BELIEVED), "{told:?}");
    let (code, log) = service.running.finish();
    assert_eq!(code, 4, "{log}");
    let after = service.supervisor.next_within(Duration::from_millis(200));
    assert_eq!(after, None, "it is the last word");
}
