//! What the agent counts for Prometheus. Nothing is kept where nobody asked for metrics.
//!
//! Names begin with `adc_agent_`; labels hold words of ours, never names or ids, so that the number of series stays what it is.
//! How things stand (the link, waiting runs, the lag) is written anew for every scrape, see `service/exporter.rs`.

use adc_core::protocol::Trigger;
use adc_core::protocol::link::PasswordOutcome;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::clock;
use crate::directory::{DirectoryError, Failure};
use crate::exit::AgentError;
use crate::imp::Ended;

/// How long runs took, by `trigger` and `result`: the state the run ended in, or `failed` or `interrupted`.
pub const RUN_SECONDS: &str = "adc_agent_run_seconds";
/// When the last applied run ended (seconds since 1970).
pub const LAST_APPLIED: &str = "adc_agent_last_applied_run_timestamp_seconds";
/// What went wrong with the directory, by `class`: the codes of [`crate::directory::Failure`].
pub const DIRECTORY_ERRORS: &str = "adc_agent_directory_errors_total";
/// Links to the control plane that were made: one, and one for every time it was lost.
pub const LINKS_MADE: &str = "adc_agent_links_made_total";
/// Tries to make or keep the link that failed.
pub const LINK_FAILURES: &str = "adc_agent_link_failures_total";
/// Passwords that were checked for people who sign in, by `outcome`: `ok`, `invalid`, `disabled`, `locked`, `expired`, `must-change`,
/// or `error` where the directory could not be asked.
pub const PASSWORD_CHECKS: &str = "adc_agent_password_checks_total";
/// How often the configuration was read again, by `result`: `taken` or `refused`.
pub const RELOADS: &str = "adc_agent_reloads_total";

/// Says what each of them is.
pub fn describe() {
    describe_histogram!(RUN_SECONDS, "Seconds that runs took, by what made them run and how they ended");
    describe_gauge!(LAST_APPLIED, "When the last applied run of this process ended");
    describe_counter!(DIRECTORY_ERRORS, "Errors of the directory, by class");
    describe_counter!(LINKS_MADE, "Links to the control plane that were made");
    describe_counter!(LINK_FAILURES, "Tries to make or keep the link that failed");
    describe_counter!(PASSWORD_CHECKS, "Passwords that were checked, by outcome");
    describe_counter!(RELOADS, "Times the configuration was read again, by result");
}

/// Shows counters from the beginning: what appears only when it first happens has no increase to alert on.
pub fn begin() {
    counter!(LINKS_MADE).increment(0);
    counter!(LINK_FAILURES).increment(0);
    for result in ["taken", "refused"] {
        counter!(RELOADS, "result" => result).increment(0);
    }
    for failure in Failure::ALL {
        counter!(DIRECTORY_ERRORS, "class" => failure.code()).increment(0);
    }
    for outcome in PASSWORD_OUTCOMES {
        counter!(PASSWORD_CHECKS, "outcome" => word(outcome)).increment(0);
    }
}

/// A run ended, however it did.
pub fn run_ended(trigger: Trigger, ended: &Ended) {
    let result = match &ended.result {
        Ok(report) => report.state.as_str(),
        Err(error) if error.is_interruption() => "interrupted",
        Err(_) => "failed",
    };
    histogram!(RUN_SECONDS, "trigger" => trigger.as_str(), "result" => result)
        .record(ended.duration.as_secs_f64());
    match &ended.result {
        Ok(_) if result == "applied" => gauge!(LAST_APPLIED).set(now()),
        Err(AgentError::Directory(error)) => directory_failed(error),
        _ => {}
    }
}

/// The directory failed us.
pub fn directory_failed(error: &DirectoryError) {
    counter!(DIRECTORY_ERRORS, "class" => error.failure.code()).increment(1);
}

/// The link to the control plane stands.
pub fn link_made() {
    counter!(LINKS_MADE).increment(1);
}

/// The link to the control plane could not be made, or was lost.
pub fn link_failed() {
    counter!(LINK_FAILURES).increment(1);
}

/// A password was checked, and what the directory said to it; nothing where it could not be asked.
pub fn password_checked(outcome: Option<PasswordOutcome>) {
    counter!(PASSWORD_CHECKS, "outcome" => word(outcome)).increment(1);
}

/// The configuration was read again, and taken or not.
pub fn reloaded(taken: bool) {
    counter!(RELOADS, "result" => if taken { "taken" } else { "refused" }).increment(1);
}

/// All that can come of a check.
const PASSWORD_OUTCOMES: [Option<PasswordOutcome>; 7] = [
    Some(PasswordOutcome::Ok),
    Some(PasswordOutcome::Invalid),
    Some(PasswordOutcome::Disabled),
    Some(PasswordOutcome::Locked),
    Some(PasswordOutcome::Expired),
    Some(PasswordOutcome::MustChange),
    None,
];

/// The word that a check is counted with.
fn word(outcome: Option<PasswordOutcome>) -> &'static str {
    match outcome {
        Some(PasswordOutcome::Ok) => "ok",
        Some(PasswordOutcome::Invalid) => "invalid",
        Some(PasswordOutcome::Disabled) => "disabled",
        Some(PasswordOutcome::Locked) => "locked",
        Some(PasswordOutcome::Expired) => "expired",
        Some(PasswordOutcome::MustChange) => "must-change",
        None => "error",
    }
}

/// Seconds since 1970, to the millisecond.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit into the 52 bits for 140,000 years"
)]
fn now() -> f64 {
    clock::now().as_millisecond() as f64 / 1_000.0
}
