//! What the control plane counts for Prometheus. How things stand is counted anew for every scrape, see `api/gauges.rs`.
//!
//! Labels hold words of ours, never names or ids of customers: the number of series stays what it is.

use crate::{clock::Millis, store::Run};
use adc_core::protocol::{RunState, Trigger, link::Refusal};
use axum::http::{Method, StatusCode};
use metrics::{counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;

/// How long runs took, by `trigger` and the `state` they ended in.
pub(crate) const RUN_SECONDS: &str = "adc_run_seconds";
/// Agents that connected and are not served, or not any more, by `reason`.
pub(crate) const LINKS_REFUSED: &str = "adc_links_refused_total";
/// People who signed in, or tried to, by `outcome`: a word of [`SIGN_IN_OUTCOMES`].
pub(crate) const SIGN_INS: &str = "adc_sign_ins_total";
/// Requests that were answered, by `route`, `method` and `status`.
pub(crate) const HTTP_REQUESTS: &str = "adc_http_requests_total";
/// How long requests took to be answered, by the same.
pub(crate) const HTTP_REQUEST_SECONDS: &str = "adc_http_request_seconds";
/// Where agents connect.
const AGENT_LINK: &str = "/api/v1/agent/link";
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
    describe_counter!(LINKS_REFUSED, "Agents that connected and are not served, or not any more, by reason");
    describe_counter!(SIGN_INS, "People who signed in, or tried to, by outcome");
    describe_counter!(HTTP_REQUESTS, "Requests that were answered, by route, method and status");
    describe_histogram!(
        HTTP_REQUEST_SECONDS,
        "Seconds until requests were answered, by route, method and status"
    );
}

/// Shows counters from the beginning: what appears only when it first happens has no increase to alert on.
pub(crate) fn begin() {
    for reason in Refusal::ALL {
        counter!(LINKS_REFUSED, "reason" => word(reason)).increment(0);
    }
    for outcome in SIGN_IN_OUTCOMES {
        counter!(SIGN_INS, "outcome" => outcome).increment(0);
    }
    let refused_agent = of_request(&Method::GET, AGENT_LINK.to_owned(), StatusCode::UNAUTHORIZED);
    counter!(HTTP_REQUESTS, &refused_agent).increment(0);
    for trigger in Trigger::ALL {
        // Whoever asks for it makes it: with nothing in it yet.
        let _failed = histogram!(RUN_SECONDS, &of_run(trigger.as_str(), RunState::Failed));
    }
}

/// A request was answered. By route, never by path: the number of series must not grow with the number of objects.
pub(crate) fn answered(method: &Method, route: String, status: StatusCode, after: Duration) {
    let labels = of_request(method, route, status);
    counter!(HTTP_REQUESTS, &labels).increment(1);
    histogram!(HTTP_REQUEST_SECONDS, &labels).record(after.as_secs_f64());
}

/// A run ended in this state; one that was queued waited within that time too.
pub(crate) fn run_ended(run: &Run, state: RunState, at: Millis) {
    let millis = u64::try_from(at.saturating_sub(run.created_at)).unwrap_or_default();
    let labels = of_run(&run.trigger, state);
    histogram!(RUN_SECONDS, &labels).record(Duration::from_millis(millis).as_secs_f64());
}

/// An agent connected and is not served, or not any more.
pub(crate) fn link_refused(reason: Refusal) {
    counter!(LINKS_REFUSED, "reason" => word(reason)).increment(1);
}

/// Somebody signed in, or tried to.
pub(crate) fn signed_in(outcome: &'static str) {
    counter!(SIGN_INS, "outcome" => outcome).increment(1);
}

fn of_request(method: &Method, route: String, status: StatusCode) -> [(&'static str, String); 3] {
    [("method", method.as_str().to_owned()), ("route", route), ("status", status.as_str().to_owned())]
}

fn of_run(trigger: &str, state: RunState) -> [(&'static str, String); 2] {
    [("trigger", trigger.to_owned()), ("state", state.as_str().to_owned())]
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
