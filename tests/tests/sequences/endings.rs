//! How runs end, and whether they may.

use adc_core::protocol::RunReport;
use serde_json::Value;

use super::model::{Outcome, Plan};
use super::puppet::Ended;
use super::script::{Fault, Manner, Moment};
use super::stage::text;

/// Whether a run ended as the model says, with the same counts.
pub(super) fn agrees(outcome: &Outcome, run: Option<&Value>, ended: &Ended) -> bool {
    let run = run.expect("a run that has ended was opened");
    let (state, plan): (_, Option<&Plan>) = match outcome {
        Outcome::Applied(plan) => ("applied", Some(plan)),
        Outcome::Previewed(plan) => ("previewed", Some(plan)),
        Outcome::Held(plan) => ("held", Some(plan)),
        Outcome::Failed(code) => return run["state"] == "failed" && run["error"]["code"] == *code,
    };
    let counts = plan.map(|plan| serde_json::to_value(plan.counts()).expect("counts are JSON"));
    let held = run["held_because"].as_array().into_iter().flatten().map(|held| text(&held["reason"]));
    let held: Vec<String> = held.collect();
    let should_be_held = plan.map(|plan| plan.held().iter().map(|reason| reason.code().to_owned()).collect());
    let reported = match ended {
        Ended::Done(report) => tells_the_same(report, run),
        Ended::Refused(_) | Ended::Dead => true,
    };
    reported
        && run["state"] == state
        && counts.is_none_or(|counts| counts == run["counts"])
        && should_be_held.is_none_or(|should: Vec<String>| should == held)
}

/// The part of a run that a failed test wants to know.
pub(super) fn told(run: Option<&Value>) -> String {
    let member = |name: &str| format!("{name} {}", run.map_or(&Value::Null, |run| &run[name]));
    ["id", "state", "held_because", "counts", "error"].map(member).join(", ")
}

fn tells_the_same(report: &RunReport, run: &Value) -> bool {
    report.state.as_str() == run["state"]
        && serde_json::to_value(report.counts).expect("counts are JSON") == run["counts"]
}

/// A run ends without a plan only if its agent died or it was refused one.
pub(super) fn assert_may_end_so(state: &str, ended: &Ended, manner: &Manner) {
    match ended {
        Ended::Done(_) => assert!(["applied", "previewed", "held"].contains(&state), "{state}"),
        Ended::Refused(answer) => assert_eq!(state, "failed", "refused: {}", answer.body),
        Ended::Dead => {
            let (moment, fault) = manner.fault.expect("no agent dies of itself");
            let was_raced = manner.meanwhile.as_ref().is_some_and(|(at, _, _)| *at == Moment::Finish);
            let finished = match moment {
                Moment::Confirm => true,
                Moment::Finish => was_raced || matches!(fault, Fault::DiesAfterSending(_)),
                Moment::Open | Moment::Digests(_) | Moment::Records(_) => false,
            };
            assert!(finished || !["applied", "held", "previewed"].contains(&state), "{moment:?}: {state}");
        }
    }
}
