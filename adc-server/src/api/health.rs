//! `/healthz`, `/readyz` and `/metrics`: for supervisors and Prometheus, without sign-in, telling nothing secret.

use super::{
    AppState, gauges,
    problem::{ApiResult, Problem},
};
use crate::metrics::{RUN_SECONDS, begin, describe};
use axum::{
    Json, Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing::get,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use std::{sync::OnceLock, time::Duration};

/// Seconds that requests take, as Prometheus counts them: from an index look-up to a big apply.
const BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0];
/// Seconds that runs take: from a delta of one change to a first import.
const RUN_BUCKETS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0];
/// How often samples are put into their buckets; until then each takes memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// What Prometheus is told: one recorder for the process, whatever the number of servers in it.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The process's recorder, installed on the first call.
    pub fn of_this_process() -> Self {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
                .and_then(|builder| {
                    builder.set_buckets_for_metric(Matcher::Full(RUN_SECONDS.to_owned()), &RUN_BUCKETS)
                })
                .and_then(PrometheusBuilder::install_recorder)
                .expect("the buckets are not empty, and nobody else installs a recorder");
            describe();
            begin();
            recorder
        });
        Self(handle.clone())
    }

    /// Keeps the recorder small, for ever.
    pub async fn upkeep(self) {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}

/// The three routes.
pub(super) fn router() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn readyz(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    match state.store.ping().await {
        Ok(()) => Ok(Json(json!({ "status": "ready" }))),
        Err(error) => {
            tracing::error!("the database does not answer: {error:#}");
            let detail = "The control plane's database does not answer; its log says why.";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail))
        }
    }
}

async fn metrics(State(state): State<AppState>) -> ApiResult<impl IntoResponse> {
    let mut text = state.metrics.0.render();
    let gauges = state.store.gauges().await?;
    let now = state.clock.now();
    text.push_str(&gauges::text(&gauges, &state.hub.counts(), now));
    text.push_str(&gauges::in_trouble(&state.hub.troubles()));
    text.push_str(&gauges::next_runs(&state.store.all_scheduled().await?, now));
    text.push_str(&adc::process::text());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
