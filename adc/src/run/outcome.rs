//! How a run ended, in the daemon's log and status.

use adc_core::protocol::RunState;

use crate::imp::output::changes;
use crate::imp::{Ended, PLAN_HELD};

/// How a run ended, as a clause with what to do.
pub(super) fn sentence(ended: &Ended) -> String {
    match &ended.result {
        Ok(report) if report.state == RunState::Held => {
            let mut why: Vec<String> =
                report.held_because.iter().map(|held| held.reason.sentence().to_owned()).collect();
            why.push(changes(report));
            let (why, url) = (why.join("; "), &report.report_url);
            format!("held, nothing was changed ({why}); look at the plan and approve or reject it: {url}")
        }
        Ok(report) => format!("{}, {}", report.state.as_str(), changes(report)),
        Err(error) => format!("failed, {}: {error}", error.run_error().code),
    }
}

/// Says in the log how a run ended, as loudly as somebody has to act.
pub(super) fn log(ended: &Ended, sentence: &str) {
    let (run_id, seconds) = (&ended.run_id, ended.duration.as_secs_f64());
    match &ended.result {
        Ok(report) if report.state == RunState::Held => {
            tracing::warn!(run.id = %run_id, "run ended after {seconds:.1} s: {sentence}");
        }
        Ok(_) => tracing::info!(run.id = %run_id, "run ended after {seconds:.1} s: {sentence}"),
        // Somebody wanted it so, or has to decide first.
        Err(error) if error.is_interruption() || error.run_error().code == PLAN_HELD => {
            tracing::warn!(run.id = %run_id, "run failed: {error}");
        }
        Err(error) => {
            let code = error.run_error().code;
            tracing::error!(run.id = %run_id, error.code = code, "run failed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use adc_core::protocol::{Counts, HeldBecause, Mode, ReadCounts, RunReport, SentCounts, Trigger};
    use adc_core::settings::{EffectiveSettings, Settings};

    use super::*;
    use crate::exit::AgentError;
    use crate::imp::Options;

    fn ended(result: Result<RunReport, AgentError>) -> Ended {
        let options = Options {
            run_id: "run_1".to_owned(),
            dry_run: false,
            full: false,
            trigger: Trigger::Change,
            instance: None,
        };
        Ended { result, ..Ended::before_it_began(&options, AgentError::Interrupted) }
    }

    fn report(state: RunState) -> RunReport {
        RunReport {
            run_id: "run_1".to_owned(),
            mode: Mode::Delta,
            full_because: None,
            dry_run: false,
            state,
            held_because: Vec::<HeldBecause>::new(),
            settings: EffectiveSettings::merge(&Settings::default(), &Settings::default(), false),
            read: ReadCounts::default(),
            counts: Counts { delete: 15, update: 1, ..Counts::default() },
            needs_attention: 0,
            sent: SentCounts::default(),
            duration_ms: 1,
            report_url: "https://cloud.example.com/runs/run_1".to_owned(),
            error: None,
        }
    }

    #[test]
    fn a_held_plan_read_like_a_run_that_had_done_its_work() {
        let said = |result| sentence(&ended(result));
        insta::assert_snapshot!(said(Ok(report(RunState::Applied))), @"applied, 1 updated, 15 deleted");
        insta::assert_snapshot!(said(Ok(report(RunState::Held))), @"held, nothing was changed (1 to update, 15 to delete); look at the plan and approve or reject it: https://cloud.example.com/runs/run_1");
        insta::assert_snapshot!(said(Ok(report(RunState::Previewed))), @"previewed, 1 to update, 15 to delete");
        insta::assert_snapshot!(said(Err(AgentError::NotAllowed("no filter".to_owned()))), @"failed, not-allowed: no filter");
    }
}
