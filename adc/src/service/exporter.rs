//! `GET /metrics`: Prometheus reads here how the agent does. Nothing secret, and nobody's name.

use std::fmt::Display;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::cli::RunArgs;
use crate::config::{ConfigError, Environment};
use crate::run::{LinkState, Standing, Status};
use crate::{clock, metrics, process};

/// Says where metrics are served when no flag does.
const VARIABLE: &str = "ADC_METRICS";
/// Seconds that runs take: from a delta of one change to a first import.
const BUCKETS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0];
/// How often samples are put into their buckets; until then each takes memory.
const UPKEEP: Duration = Duration::from_secs(30);
/// Version 0.0.4 of the text format, which every Prometheus reads.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the metrics.
pub(super) struct Exporter {
    listener: TcpListener,
    recorder: PrometheusHandle,
    status: Arc<Status>,
}

impl Exporter {
    /// Listens, where the flag or the environment says where.
    pub(super) async fn open(
        args: &RunArgs,
        environment: &Environment,
        status: Arc<Status>,
    ) -> Result<Option<Self>, ConfigError> {
        let (place, written) = match (&args.metrics, environment.get(VARIABLE)) {
            (Some(typed), _) => ("--metrics", typed.as_str()),
            (None, Some(set)) => (VARIABLE, set),
            (None, None) => return Ok(None),
        };
        let address = address(written).ok_or_else(|| {
            let sentence = format!(
                "\"{written}\" is no address to serve metrics at; write ADDRESS:PORT, or a port alone for 127.0.0.1"
            );
            ConfigError::of(place, sentence)
        })?;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let sentence = format!("metrics cannot be served at {address}: {error}; choose another address");
            ConfigError::of(place, sentence)
        })?;
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(metrics::RUN_SECONDS.to_owned()), &BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| ConfigError::of(place, format!("metrics cannot be kept: {error}")))?;
        metrics::describe();
        metrics::begin();
        if let Ok(address) = listener.local_addr() {
            tracing::info!("metrics are served at http://{address}/metrics");
        }
        Ok(Some(Self { listener, recorder, status }))
    }

    /// Serves, for as long as the process lives.
    pub(super) async fn serve(self) {
        let Self { listener, recorder, status } = self;
        let upkeep = recorder.clone();
        let scrape = get(move || async move {
            let standing = status.subscribe().borrow().clone();
            let text = [recorder.render(), gauges(&standing, clock::now()), process::text()].concat();
            ([(CONTENT_TYPE, TEXT)], text).into_response()
        });
        let serving = axum::serve(listener, Router::new().route("/metrics", scrape)).into_future();
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP);
            loop {
                ticks.tick().await;
                upkeep.run_upkeep();
            }
        };
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!("metrics are not served any more: {error}");
            },
            () = upkeep => {}
        }
    }
}

/// An address with its port, or a port of this machine's own.
fn address(written: &str) -> Option<SocketAddr> {
    let port_alone = written.strip_prefix(':').unwrap_or(written).parse().ok();
    let own = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    written.parse().ok().or_else(|| port_alone.map(own))
}

/// How the agent stands now.
fn gauges(standing: &Standing, now: Timestamp) -> String {
    let connected = standing.link == LinkState::Connected;
    let refused = standing.refused_configuration.is_some();
    let lag = standing.behind_since.map_or(0, |since| now.duration_since(since).as_millis().max(0));
    let under_way = standing.runs.len().min(1);
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: &dyn Display| {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}")
            .expect("writing to a String cannot fail");
    };
    gauge("adc_agent_link_up", "Whether the link to the control plane stands", &u8::from(connected));
    gauge(
        "adc_agent_follows_changes",
        "Whether this agent is the one that follows the directory's changes",
        &u8::from(standing.follows),
    );
    gauge(
        "adc_agent_lag_seconds",
        "Seconds since the directory changed without a run having brought it over; 0 where none is known",
        &format_args!("{}.{:03}", lag / 1_000, lag % 1_000),
    );
    gauge("adc_agent_runs_under_way", "Runs that are being done", &under_way);
    gauge(
        "adc_agent_runs_waiting",
        "Runs that wait for the one under way",
        &(standing.runs.len() - under_way),
    );
    gauge(
        "adc_agent_configuration_refused",
        "Whether the configuration as it is written now is wrong, and the one from before in use",
        &u8::from(refused),
    );
    let version = env!("CARGO_PKG_VERSION");
    text.push_str("# HELP adc_agent_build_info The version that runs\n# TYPE adc_agent_build_info gauge\n");
    text.extend(["adc_agent_build_info{version=\"", version, "\"} 1\n"]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_this_machines() {
        let shown = |written| address(written).map(|address| address.to_string());
        assert_eq!(shown("9464").as_deref(), Some("127.0.0.1:9464"));
        assert_eq!(shown(":9464").as_deref(), Some("127.0.0.1:9464"));
        assert_eq!(shown("0.0.0.0:9464").as_deref(), Some("0.0.0.0:9464"));
        assert_eq!(shown("[::1]:9464").as_deref(), Some("[::1]:9464"));
        assert_eq!(shown("localhost"), None);
    }

    #[test]
    fn the_lag_grows_from_the_change_on() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut standing = Standing::default();
        let lag = |standing: &Standing| {
            let text = gauges(standing, at(1_000));
            text.lines().find_map(|line| line.strip_prefix("adc_agent_lag_seconds ").map(str::to_owned))
        };
        assert_eq!(lag(&standing).as_deref(), Some("0.000"));
        standing.behind_since = Some(at(940));
        assert_eq!(lag(&standing).as_deref(), Some("60.000"));
        // The clock was set back.
        standing.behind_since = Some(at(2_000));
        assert_eq!(lag(&standing).as_deref(), Some("0.000"));
    }
}
