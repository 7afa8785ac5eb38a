//! `/runs`: history, reports, plans, and what becomes of held ones.

use super::{
    AppState,
    agents::no_agent,
    auth::{Administrator, Reader},
    json::JsonBody,
    page::{Window, containing},
    problem::{ApiResult, Problem},
    query::{Id, Query},
};
use crate::{
    admin::synchronizations,
    clock::{Millis, rfc3339},
    runs::{AgentIdentity, RunOrder, run_not_found, run_not_in_account},
    store::{ChangesFilter, Run, Store, UNAPPLIED_PLANS_KEPT},
};
use adc_core::{
    plan::Action,
    protocol::{
        AgentInfo, Change, Counts, FullBecause, HeldBecause, Mark, Mode, Page, ProblemJson, ReadCounts,
        Receipt, RunError, RunState, SentCounts, Trigger, link::RunProgress,
    },
    record::Kind,
    settings::EffectiveSettings,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A run and its report.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunView {
    id: String,
    synchronization_id: String,
    /// What started it: `agent`, `manual`, `schedule`, `change`, `csv` or `undo`.
    trigger: String,
    mode: Mode,
    /// Why it is full although a delta was asked.
    full_because: Option<FullBecause>,
    state: RunState,
    dry_run: bool,
    /// The settings in force, each with the side that decided it.
    settings: EffectiveSettings,
    /// Where it stands, while a connected agent does it.
    progress: Option<RunProgress>,
    /// What was read; null until all is.
    read: Option<ReadCounts>,
    /// What was sent; null until all is.
    sent: Option<SentCounts>,
    /// What the plan holds; null until there is one.
    counts: Option<Counts>,
    /// Whether the lines of the plan are kept no longer: of a synchronization's plans that were never applied the newest 5 keep
    /// theirs, applied and held ones always do.
    lines_forgotten: bool,
    /// Skips and conflicts that wait for somebody.
    needs_attention: u64,
    /// One per guard that held the plan.
    held_because: Vec<HeldBecause>,
    /// The proof that the read was complete.
    receipt: Option<Receipt>,
    /// Who does it, or did it; null while it waits for an agent.
    agent: Option<AgentInfo>,
    /// The run before, whose agent vanished: this one does its work.
    takes_over: Option<String>,
    /// When it was asked for.
    created_at: String,
    /// When an agent began it; null while it waits for one, and where none ever did.
    started_at: Option<String>,
    finished_at: Option<String>,
    /// When the held plan was approved.
    approved_at: Option<String>,
    /// Why it failed.
    error: Option<RunError>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Runs {
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Changes {
    /// Only lines of this action.
    action: Option<Action>,
    /// Only lines about this kind of object.
    kind: Option<Kind>,
    /// Finds what the text is part of: of the name or the DN.
    q: Option<String>,
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What is wanted of "Run now".
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StartRun {
    /// Preview only.
    dry_run: bool,
    /// Read everything, even where a delta would do.
    full: bool,
}

/// The runs of a synchronization, newest first.
#[utoipa::path(get, path = "/synchronizations/{id}/runs", tag = "runs", params(("id" = String, Path), Runs),
    operation_id = "list_runs",
    responses((status = 200, body = Page<RunView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn list(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
    Query(query): Query<Runs>,
) -> ApiResult<Json<Page<RunView>>> {
    let window = Window::<(Millis, String)>::new(query.limit, query.cursor.as_deref())?;
    if state.store.synchronization(&reader.account_id, &id).await?.is_none() {
        return Err(synchronizations::not_found(&id));
    }
    let rows = state.store.runs(&reader.account_id, &id, window.after.as_ref(), window.rows()).await?;
    Ok(Json(window.page(rows, |run| (run.created_at, run.id.clone()), RunView::from)))
}

/// Runs now: a connected agent is told.
#[utoipa::path(post, path = "/synchronizations/{id}/runs", tag = "runs", params(("id" = String, Path)),
    operation_id = "start_run", request_body = StartRun,
    responses((status = 202, body = RunView),
        (status = 409, description = "`run-active`: one is under way, or waits already; `no-agent`: nobody is connected", body = ProblemJson),
        (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn start(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
    JsonBody(wanted): JsonBody<StartRun>,
) -> ApiResult<(StatusCode, Json<RunView>)> {
    let account_id = administrator.account_id;
    if state.store.synchronization(&account_id, &id).await?.is_none() {
        return Err(synchronizations::not_found(&id));
    }
    let agents = AgentIdentity { account_id, synchronization_id: id };
    if state.hub.connected(&agents).is_empty() {
        return Err(no_agent());
    }
    let order = RunOrder { trigger: Trigger::Manual, dry_run: wanted.dry_run, full: wanted.full };
    let run = state.engine.queue_run(&agents.account_id, &agents.synchronization_id, order).await?;
    Ok((StatusCode::ACCEPTED, Json(run.into())))
}

/// One run.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", params(("id" = String, Path)),
    operation_id = "show_run",
    responses((status = 200, body = RunView), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn show(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<RunView>> {
    let run = find(&state.store, &reader.account_id, &id).await?;
    let progress = match run.state {
        RunState::Running => state.hub.progress(&AgentIdentity::of(&run), &id),
        _ => None,
    };
    Ok(Json(RunView { progress, ..run.into() }))
}

/// The lines of a run's plan.
#[utoipa::path(get, path = "/runs/{id}/changes", tag = "runs", params(("id" = String, Path), Changes),
    operation_id = "list_changes",
    responses((status = 200, body = Page<Change>),
        (status = 410, description = "`lines-forgotten`: the plan was never applied, and newer ones took its place", body = ProblemJson),
        (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn changes(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
    Query(query): Query<Changes>,
) -> ApiResult<Json<Page<Change>>> {
    let run = find(&state.store, &reader.account_id, &id).await?;
    changes_of(&state.store, &run, &query).await
}

/// The lines of the plan of an agent's own run.
#[utoipa::path(get, path = "/agent/runs/{id}/changes", tag = "agent", params(("id" = String, Path), Changes),
    operation_id = "list_changes_of_own_run",
    responses((status = 200, body = Page<Change>), (status = 410, description = "`lines-forgotten`", body = ProblemJson),
        (status = "4XX", body = ProblemJson)),
    security(("agent" = [])))]
pub(super) async fn changes_for_agent(
    agent: AgentIdentity,
    State(state): State<AppState>,
    Id(id): Id,
    Query(query): Query<Changes>,
) -> ApiResult<Json<Page<Change>>> {
    let run = state.store.run(&agent.account_id, &id).await?;
    let run = run
        .filter(|run| run.synchronization_id == agent.synchronization_id)
        .ok_or_else(|| run_not_found(&id))?;
    changes_of(&state.store, &run, &query).await
}

/// Applies a held plan, as long as nothing it rests on has changed.
#[utoipa::path(post, path = "/runs/{id}/approve", tag = "runs", params(("id" = String, Path)),
    operation_id = "approve_run",
    responses((status = 200, body = RunView), (status = 409, description = "`plan-stale`, `superseded`, `not-held`"),
        (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn approve(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<RunView>> {
    state.engine.approve(&administrator.account_id, &id).await?;
    Ok(Json(find(&state.store, &administrator.account_id, &id).await?.into()))
}

/// Turns a held plan down; the next run proposes it again.
#[utoipa::path(post, path = "/runs/{id}/reject", tag = "runs", params(("id" = String, Path)),
    operation_id = "reject_run",
    responses((status = 200, body = RunView), (status = 409, description = "`superseded`, `not-held`"),
        (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn reject(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<RunView>> {
    state.engine.reject(&administrator.account_id, &id).await?;
    Ok(Json(find(&state.store, &administrator.account_id, &id).await?.into()))
}

/// Ends a run that waits or is still reading; nothing is changed.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs", params(("id" = String, Path)),
    operation_id = "cancel_run",
    responses((status = 200, body = RunView), (status = 409, description = "`run-not-running`"),
        (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn cancel(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<RunView>> {
    state.engine.cancel(&administrator.account_id, &id).await?;
    let run = find(&state.store, &administrator.account_id, &id).await?;
    state.hub.cancel(&AgentIdentity::of(&run), &id);
    Ok(Json(run.into()))
}

async fn changes_of(store: &Store, run: &Run, query: &Changes) -> ApiResult<Json<Page<Change>>> {
    if run.lines_forgotten {
        return Err(lines_forgotten(&run.id));
    }
    let window = Window::<i64>::new(query.limit, query.cursor.as_deref())?;
    let filter = ChangesFilter {
        action: query.action,
        kind: query.kind,
        pattern: query.q.as_deref().map(containing),
        effective_only: false,
    };
    let after = window.after.unwrap_or(i64::MIN);
    let rows = store.changes(&run.account_id, &run.id, &filter, after, window.rows()).await?;
    Ok(Json(window.page(rows, |line| line.change.seq, |line| line.change)))
}

/// An empty list would say that the plan was empty.
fn lines_forgotten(run_id: &str) -> Problem {
    Problem::new(
        StatusCode::GONE,
        "lines-forgotten",
        format!(
            "The lines of the plan of run {run_id} are kept no longer: of a synchronization's plans that were never applied \
             only the newest {UNAPPLIED_PLANS_KEPT} keep theirs. Its counts are still there; for the lines make a new preview."
        ),
    )
}

async fn find(store: &Store, account_id: &str, id: &str) -> ApiResult<Run> {
    store.run(account_id, id).await?.ok_or_else(|| run_not_in_account(id))
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            synchronization_id: run.synchronization_id,
            trigger: run.trigger,
            mode: run.mode,
            full_because: run.full_because,
            state: run.state,
            dry_run: run.dry_run,
            settings: run.settings,
            progress: None,
            read: run.receipt.as_ref().map(|receipt| receipt.read),
            sent: run.receipt.as_ref().map(|receipt| receipt.sent),
            counts: run.counts,
            lines_forgotten: run.lines_forgotten,
            needs_attention: run.needs_attention,
            held_because: run.held_because,
            receipt: run.receipt.map(|receipt| Receipt { mark: receipt.mark.map(Mark::shown), ..receipt }),
            agent: (run.state != RunState::Queued && !run.agent.version.is_empty()).then_some(run.agent),
            takes_over: run.takes_over,
            created_at: rfc3339(run.created_at),
            started_at: run.started_at.map(rfc3339),
            finished_at: run.finished_at.map(rfc3339),
            approved_at: run.approved_at.map(rfc3339),
            error: run.error,
        }
    }
}
