//! Runs on command.

use serde_json::{Value, json};

use super::{Connected, agents, plain, run_now, run_of, scene, start_run};

#[test]
fn run_now_starts_a_run_on_the_connected_agent() {
    let scene = scene();
    assert_eq!(run_now(&scene, &plain()).problem(), (409, "no-agent"));
    let mut agent = Connected::start(&scene.agent);
    let id = start_run(&scene, &plain());
    agent.wait_for_end(&id);
    let run = run_of(&scene, &id);
    assert_eq!((&run["state"], &run["trigger"]), (&json!("applied"), &json!("manual")));
    assert_eq!(run["counts"]["create"], 32);
    assert_eq!(scene.user("jane@lg.local")["status"], "active");
    let [connected] = &agents(&scene)[..] else { panic!("one agent is connected") };
    assert_eq!(connected["directory"]["kind"], "openldap");
    assert_eq!((&connected["feed"], &connected["run"]), (&json!("syncrepl"), &Value::Null));
    let (code, log) = agent.stop();
    assert_eq!(code, 0, "{log}");
    assert_eq!(agents(&scene), Vec::<Value>::new());
}

#[test]
fn run_now_can_preview_and_read_everything() {
    let scene = scene();
    scene.imp();
    let mut agent = Connected::start(&scene.agent);
    let id = start_run(&scene, &json!({ "dry_run": true, "full": true }));
    agent.wait_for_end(&id);
    let run = run_of(&scene, &id);
    assert_eq!(
        (&run["state"], &run["mode"], &run["full_because"]),
        (&json!("previewed"), &json!("full"), &json!("asked"))
    );
    agent.stop();
}
