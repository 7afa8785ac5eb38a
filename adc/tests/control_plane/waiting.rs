//! A run that has to wait for its place.

use adc::imp::{Options, Surroundings, imp};
use adc_sandbox::{Fault, Sandbox};

use crate::run::{config, opened};
use crate::script::{Answer, Script};

/// Longer than a run may be silent before it renews its lease, so that the directory's silence shows whether it does.
const CONNECT_TIMEOUT_SECONDS: u64 = adc_core::protocol::RENEW_SECONDS + 1;

#[tokio::test]
async fn a_run_that_waited_was_neither_kept_nor_given_up_while_the_directory_was_reached_again() {
    let sandbox = Sandbox::builder().start().await.expect("starts");
    let busy = r#"{"type":"about:blank","title":"Conflict","status":409,"code":"run-active","detail":"Wait.","run_id":"run_2"}"#;
    let answers = [
        Answer::json(409, busy),
        Answer::json(200, &opened()),
        Answer::json(200, "{}"),
        Answer::json(200, "{}"),
    ];
    let script = Script::start(answers).await;
    let config = config(&script, &sandbox, &format!("    connect_timeout: {CONNECT_TIMEOUT_SECONDS}\n"));
    let options = Options {
        run_id: "run_1".to_owned(),
        dry_run: false,
        full: false,
        trigger: adc_core::protocol::Trigger::Agent,
        instance: None,
    };
    let surroundings = Surroundings::default();
    let stalled = async {
        sandbox.until(|journal| journal.searches > 0).await;
        sandbox.faults().inject(Fault::stall_bind().always());
    };
    let (ended, ()) = tokio::join!(imp(&config, &options, &surroundings), stalled);
    ended.result.expect_err("the directory does not let the agent in again");
    let paths: Vec<String> = script.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(
        paths,
        [
            "/api/v1/agent/runs",
            "/api/v1/agent/runs",
            "/api/v1/agent/runs/run_1/renew",
            "/api/v1/agent/runs/run_1/abort"
        ]
    );
    assert!(ended.opened.is_some(), "the run was open");
}
