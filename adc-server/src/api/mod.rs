//! The HTTP API, `/api/v1`: one file per resource, and one for each thing they share.

mod accounts;
mod agent;
mod agents;
pub mod auth;
mod description;
mod events;
mod gauges;
mod groups;
pub mod health;
pub mod json;
mod link;
mod login;
mod objects;
mod org_units;
pub mod page;
mod peer;
pub mod problem;
pub mod query;
mod runs;
mod schedule;
mod secret_body;
mod synchronizations;
mod trace;
mod users;

use crate::{
    clock::Clock,
    hosted::{Connectors, Tokens},
    hub::Hub,
    runs::Engine,
    sign_in::Door,
    store::Store,
};
use axum::{Router, extract::DefaultBodyLimit, http::StatusCode};
use problem::Problem;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The most bytes of an administrator's request: a policy with thousands of rules fits.
const MAX_ADMIN_BODY: usize = 1 << 20;

/// What handlers share.
#[derive(Clone)]
pub struct AppState {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The run engine.
    pub engine: Engine,
    /// The connected agents.
    pub hub: Hub,
    /// The agents that run in this process.
    pub connectors: Connectors,
    /// Whom agents are believed by: the tokens of hosted connectors at their own entrance, else the Secret Tokens' hashes.
    pub tokens: Option<Tokens>,
    /// Where people sign in.
    pub door: Door,
    /// How many proxies in front are believed when they say who asks (`X-Forwarded-For`).
    pub trusted_hops: usize,
    /// What Prometheus is told.
    pub metrics: health::Metrics,
}

/// Everything the control plane answers over HTTP.
pub fn router(state: AppState) -> Router {
    let (router, _) = documented().split_for_parts();
    router
        .merge(health::router())
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(axum::middleware::from_fn(trace::request))
        .with_state(state)
}

/// What hosted connectors see of it: what agents do, and nothing else.
pub fn router_of_agents(state: AppState) -> Router {
    let of_agents = agent::router().routes(routes!(link::link)).routes(routes!(runs::changes_for_agent));
    let (router, _) = OpenApiRouter::new().nest("/api/v1", of_agents).split_for_parts();
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(axum::middleware::from_fn(trace::request))
        .with_state(state)
}

/// The OpenAPI 3.1 document of `/api/v1`.
pub fn document() -> Document {
    description::of(documented())
}

fn documented() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().nest("/api/v1", administration().merge(agent::router()))
}

fn administration() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(synchronizations::list, synchronizations::create))
        .routes(routes!(synchronizations::show, synchronizations::patch, synchronizations::delete))
        .routes(routes!(synchronizations::rotate_secret))
        .routes(routes!(agents::list))
        .routes(routes!(agents::test_connection))
        .routes(routes!(agents::browse))
        .routes(routes!(agents::sample))
        .routes(routes!(link::link))
        .routes(routes!(login::login))
        .routes(routes!(objects::list))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::show))
        .routes(routes!(runs::changes))
        .routes(routes!(runs::changes_for_agent))
        .routes(routes!(runs::approve))
        .routes(routes!(runs::reject))
        .routes(routes!(runs::cancel))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::patch))
        .routes(routes!(groups::list))
        .routes(routes!(groups::show))
        .routes(routes!(groups::members))
        .routes(routes!(org_units::list))
        .routes(routes!(events::list))
        .layer(DefaultBodyLimit::max(MAX_ADMIN_BODY))
}

async fn nothing_here() -> Problem {
    Problem::not_found("no-such-path", "There is nothing at this path; the API is at /api/v1.")
}

async fn other_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "This path does not take this method; the header Allow names those it takes.",
    )
}
