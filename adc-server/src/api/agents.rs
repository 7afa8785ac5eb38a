//! `/synchronizations/{id}/agents`: who is connected, and what is asked of them.

use super::{
    AppState,
    auth::{Administrator, Reader},
    problem::{ApiResult, Problem},
    query::{Id, Query},
};
use crate::{
    admin::synchronizations,
    clock::rfc3339,
    hub::{AskError, Presence},
    runs::AgentIdentity,
    store::Store,
};
use adc_core::protocol::{
    Page, ProblemJson,
    link::{
        Browse, Browsed, DirectoryInfo, NotFollowing, Reply, Request, RunProgress, Sample, SampleOf,
        SampledEntry, TestedConnection,
    },
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Every hop is tried with its own time limit, some of them one after the other.
const TEST_WITHIN: Duration = Duration::from_mins(1);
/// A directory answers a search of one level or one entry at once, or is in trouble.
const LOOK_WITHIN: Duration = Duration::from_secs(20);
/// When to ask an agent again that has too much to do (seconds): what it does takes about as long.
const AFTER_BUSY: u32 = 1;

/// A connected agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentView {
    /// Its process: another one after every start.
    instance: String,
    /// The machine it runs on.
    host: String,
    version: String,
    /// Its directory; null until it was reached.
    directory: Option<DirectoryInfo>,
    /// The change feed that it follows or could follow.
    feed: Option<String>,
    /// The run that it does.
    run: Option<String>,
    /// Where that run stands.
    progress: Option<RunProgress>,
    /// Whether it is the one that follows the directory's changes.
    follows_changes: bool,
    /// Why it is not; null where it is.
    not_following_because: Option<NotFollowing>,
    /// Whether it checks passwords of people who sign in.
    checks_passwords: bool,
    connected_at: String,
    last_seen: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Below {
    /// The container to look into; the agent's base DN when left out.
    dn: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The entry of this DN.
    dn: Option<String>,
    /// The first entry that this filter finds.
    filter: Option<String>,
}

/// An entry of the directory, as far as it may leave the network.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SampleView {
    /// null where there is no such entry.
    entry: Option<SampledEntry>,
}

/// The agents that are connected.
#[utoipa::path(get, path = "/synchronizations/{id}/agents", tag = "agents", params(("id" = String, Path)),
    operation_id = "list_agents",
    responses((status = 200, body = Page<AgentView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn list(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<Page<AgentView>>> {
    let synchronization = known(&state.store, reader.account_id, id).await?;
    let items = state.hub.connected(&synchronization).into_iter().map(AgentView::from).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Has a connected agent test every hop between itself, the directory and the control plane, as `adc check` does.
#[utoipa::path(post, path = "/synchronizations/{id}/test-connection", tag = "agents", params(("id" = String, Path)),
    operation_id = "test_connection",
    responses((status = 200, body = TestedConnection), (status = 409, description = "`no-agent`", body = ProblemJson),
        (status = "4XX", body = ProblemJson), (status = 504, description = "`agent-silent`", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn test_connection(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<TestedConnection>> {
    let synchronization = known(&state.store, administrator.account_id, id).await?;
    match state.hub.ask(&synchronization, Request::TestConnection, TEST_WITHIN).await.map_err(unanswered)? {
        Reply::TestedConnection(tested) => Ok(Json(tested)),
        _ => Err(odd()),
    }
}

/// The containers below one, as a connected agent sees them.
#[utoipa::path(get, path = "/synchronizations/{id}/browse", tag = "agents", params(("id" = String, Path), Below),
    operation_id = "browse_directory",
    responses((status = 200, body = Browsed), (status = 409, description = "`no-agent`", body = ProblemJson),
        (status = "4XX", body = ProblemJson), (status = 504, description = "`agent-silent`", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn browse(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
    Query(below): Query<Below>,
) -> ApiResult<Json<Browsed>> {
    let synchronization = known(&state.store, administrator.account_id, id).await?;
    let request = Request::Browse(Browse { dn: below.dn });
    match state.hub.ask(&synchronization, request, LOOK_WITHIN).await.map_err(unanswered)? {
        Reply::Browsed(browsed) => Ok(Json(browsed)),
        _ => Err(odd()),
    }
}

/// One entry, as far as adc.yaml lets it leave the network: what a mapping can be tried on.
#[utoipa::path(get, path = "/synchronizations/{id}/sample", tag = "agents", params(("id" = String, Path), Which),
    operation_id = "sample_entry",
    responses((status = 200, body = SampleView), (status = 409, description = "`no-agent`", body = ProblemJson),
        (status = "4XX", body = ProblemJson), (status = 504, description = "`agent-silent`", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn sample(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
    Query(which): Query<Which>,
) -> ApiResult<Json<SampleView>> {
    let synchronization = known(&state.store, administrator.account_id, id).await?;
    let of = match (which.dn, which.filter) {
        (Some(dn), None) => SampleOf::Dn(dn),
        (None, Some(filter)) => SampleOf::Filter(filter),
        _ => return Err(Problem::bad_request("bad-request", "Say which entry: either ?dn= or ?filter=.")),
    };
    let request = Request::Sample(Sample { of });
    match state.hub.ask(&synchronization, request, LOOK_WITHIN).await.map_err(unanswered)? {
        Reply::Sampled { entry } => Ok(Json(SampleView { entry })),
        _ => Err(odd()),
    }
}

/// What a caller is told who wanted something of agents and got no answer.
pub(super) fn unanswered(error: AskError) -> Problem {
    let detail = error.to_string();
    if error.is_busy() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "agent-busy", detail).retry_after(AFTER_BUSY);
    }
    match error {
        AskError::NoAgent => no_agent(),
        AskError::Timeout { .. } => Problem::new(StatusCode::GATEWAY_TIMEOUT, "agent-silent", detail),
        AskError::Gone { .. } => Problem::new(StatusCode::BAD_GATEWAY, "agent-gone", detail),
        AskError::Refused(_) => Problem::unprocessable("agent-refused", detail),
    }
}

/// Nobody is there to do it.
pub(super) fn no_agent() -> Problem {
    Problem::conflict("no-agent", AskError::NoAgent.to_string())
}

async fn known(store: &Store, account_id: String, id: String) -> ApiResult<AgentIdentity> {
    if store.synchronization(&account_id, &id).await?.is_none() {
        return Err(synchronizations::not_found(&id));
    }
    Ok(AgentIdentity { account_id, synchronization_id: id })
}

fn odd() -> Problem {
    let detail =
        "The agent answers something else than it was asked; install the version that the control plane has.";
    Problem::new(StatusCode::BAD_GATEWAY, "agent-odd", detail)
}

impl From<Presence> for AgentView {
    fn from(agent: Presence) -> Self {
        Self {
            instance: agent.instance,
            host: agent.host,
            version: agent.version,
            feed: agent.directory.as_ref().and_then(|directory| directory.feed.clone()),
            directory: agent.directory,
            run: agent.run,
            progress: agent.progress,
            follows_changes: agent.follows_changes,
            not_following_because: agent.not_following_because,
            checks_passwords: agent.public_key.is_some(),
            connected_at: rfc3339(agent.connected_at),
            last_seen: rfc3339(agent.last_seen),
        }
    }
}
