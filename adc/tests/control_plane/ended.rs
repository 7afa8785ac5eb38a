//! Runs that end before they are done: interrupted while they are opened, or ended by the control plane.

use std::time::Duration;

use adc::imp::{Options, Surroundings, imp};
use adc_core::protocol::Trigger;
use adc_sandbox::Sandbox;
use tokio::time::timeout;

use crate::run::{config, opened};
use crate::script::{Answer, Request, Script};

/// What a rate limiter asks for: as long as a run has patience.
const A_MINUTE: u64 = 60;
/// Far less than that, and much more than hearing of an end takes.
const SOON: Duration = Duration::from_secs(20);
/// As long as a service has for it that is stopped.
const A_STOP: Duration = Duration::from_secs(8);

fn options() -> Options {
    Options {
        run_id: "run_1".to_owned(),
        dry_run: false,
        full: false,
        trigger: Trigger::Agent,
        instance: None,
    }
}

/// What is asked for, in a word.
fn asked(request: &Request) -> &str {
    request.path.rsplit('/').next().expect("a path")
}

#[tokio::test]
async fn a_run_that_was_interrupted_while_it_was_opened_held_its_place_until_its_lease_ended() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let surroundings = Surroundings::default();
    let interrupt = surroundings.interrupt.clone();
    let script = Script::answering(move |request| match asked(request) {
        "runs" => {
            interrupt.cancel();
            Answer::json(200, &opened())
        }
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ended = imp(&config(&script, &sandbox, ""), &options(), &surroundings).await;
    assert!(ended.result.expect_err("interrupted").is_interruption());
    let requests = script.requests();
    assert_eq!(requests.iter().map(asked).collect::<Vec<_>>(), ["runs", "abort"]);
}

#[tokio::test]
async fn a_run_that_was_interrupted_while_it_was_opened_in_vain_is_not_waited_for() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let surroundings = Surroundings::default();
    let interrupt = surroundings.interrupt.clone();
    let script = Script::answering(move |_| {
        interrupt.cancel();
        Answer::retry(503, A_MINUTE)
    })
    .await;
    let config = config(&script, &sandbox, "");
    let ended = timeout(A_STOP, imp(&config, &options(), &surroundings)).await.expect("nobody waits for it");
    assert!(ended.result.expect_err("interrupted").is_interruption());
}

#[tokio::test]
async fn how_a_run_ended_that_was_over_was_waited_for_as_long_as_a_rate_limiter_wished() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let over = r#"{"type":"about:blank","title":"Conflict","status":409,"code":"run-ended","detail":"The run run_1 is interrupted: It was silent."}"#;
    let script = Script::answering(move |request| match asked(request) {
        "runs" => Answer::json(200, &opened()),
        "finish" => Answer::retry(429, A_MINUTE),
        "renew" => Answer::json(409, over),
        _ => Answer::json(200, r#"{"seq":0}"#),
    })
    .await;
    let config = config(&script, &sandbox, "");
    let surroundings = Surroundings::default();
    let ended = timeout(SOON, imp(&config, &options(), &surroundings)).await.expect("it is over");
    let error = ended.result.expect_err("it was given up");
    assert_eq!(error.to_string(), "The run run_1 is interrupted: It was silent.");
}
