//! What the control plane counts for Prometheus. How things stand is counted anew for every scrape, see `api/gauges.rs`.
//!
//! Labels hold words of ours, never names or ids of customers: the number of series stays what it is.

use crate::{clock::Millis, store::Run};
use adc_core::protocol::{RunState, link::Refusal};
use metrics::{counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;

/// How long runs took, by `trigger` and the `state` they ended in.
pub(crate) const RUN_SECONDS: &str = "adc_run_seconds";
/// Agents that connected and are not served, by `reason`.
pub(crate) const LINKS_REFUSED: &str = "adc_links_refused_total";
/// People who signed in, or tried to, by `outcome`: a word of [`SIGN_IN_OUTCOMES`].
pub(crate) const SIGN_INS: &str = "adc_sign_ins_total";
/// Requests that were answered, by `route`, `method` and `status`.
pub(crate) const HTTP_REQUESTS: &str = "adc_http_requests_total";
/// How long requests took to be answered, by the same.
pub(crate) const HTTP_REQUEST_SECONDS: &str = "adc_http_request_seconds";
/// `ok`, or the code that the API refuses with.
pub(crate) const SIGN_IN_OUTCOMES: [&str; 8] = [
    "ok",
    "invalid-credentials",
    "user-deleted",
    "user-disabled",
    "user-locked",
    "password-expired",
    "too-many-failures",
    "directory-unreachable",
];

/// Says what each of them is, those of hosted connectors among them.
pub(crate) fn describe() {
    adc::metrics::describe();
    describe_histogram!(
        RUN_SECONDS,
        "Seconds from the queueing of runs, or their opening where they never waited, to their ends, by trigger and state"
    );
    describe_counter!(LINKS_REFUSED, "Agents that connected and are not served, by reason");
    describe_counter!(SIGN_INS, "People who signed in, or tried to, by outcome");
    describe_counter!(HTTP_REQUESTS, "Requests that were answered, by route, method and status");
    describe_histogram!(
        HTTP_REQUEST_SECONDS,
        "Seconds until requests were answered, by route, method and status"
    );
}

/// Shows counters from the beginning: what appears only when it first happens has no increase to alert on.
pub(crate) fn begin() {
    for reason in [Refusal::Revoked, Refusal::VersionTooOld, Refusal::DifferentConfiguration] {
        counter!(LINKS_REFUSED, "reason" => word(reason)).increment(0);
    }
    for outcome in SIGN_IN_OUTCOMES {
        counter!(SIGN_INS, "outcome" => outcome).increment(0);
    }
}

/// A run ended in this state; one that was queued waited within that time too.
pub(crate) fn run_ended(run: &Run, state: RunState, at: Millis) {
    let millis = u64::try_from(at.saturating_sub(run.created_at)).unwrap_or_default();
    let labels = [("trigger", run.trigger.clone()), ("state", state.as_str().to_owned())];
    histogram!(RUN_SECONDS, &labels).record(Duration::from_millis(millis).as_secs_f64());
}

/// An agent connected and is not served.
pub(crate) fn link_refused(reason: Refusal) {
    counter!(LINKS_REFUSED, "reason" => word(reason)).increment(1);
}

/// Somebody signed in, or tried to.
pub(crate) fn signed_in(outcome: &'static str) {
    counter!(SIGN_INS, "outcome" => outcome).increment(1);
}

fn word(reason: Refusal) -> &'static str {
    match reason {
        Refusal::Revoked => "revoked",
        Refusal::VersionTooOld => "version-too-old",
        Refusal::TooManyLinks => "too-many-links",
        Refusal::Unavailable => "unavailable",
        Refusal::DifferentConfiguration => "different-configuration",
        Refusal::Other => "other",
    }
}
