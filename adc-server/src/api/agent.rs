//! The run protocol: what agents say and hear during a run. Every POST may come twice and is answered alike.

use super::{
    AppState,
    problem::{ApiResult, Problem},
};
use crate::runs::AgentIdentity;
use adc_core::{
    protocol::{
        Abort, Accepted, Confirm, DigestBatch, Finish, MAX_BODY_BYTES, Next, Noted, OpenRun, OpenedRun,
        RecordBatch, TouchedBatch, Wanted,
    },
    record::Digest,
};
use axum::{
    Json,
    body::to_bytes,
    extract::{FromRequest, Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::io::Read;
use tracing::Instrument;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The routes below `/api/v1`.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(open))
        .routes(routes!(touched))
        .routes(routes!(digests))
        .routes(routes!(records))
        .routes(routes!(renew))
        .routes(routes!(finish))
        .routes(routes!(confirm))
        .routes(routes!(abort))
        .layer(middleware::from_fn(to_its_end))
}

/// Carries a request out to its end even if the agent hangs up: when it comes again, it must find itself done or not
/// begun, never half way, with a batch on its way into the database or a run that nobody watches yet.
async fn to_its_end(request: Request, next: middleware::Next) -> Response {
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(error) => Problem::from(anyhow::Error::from(error)).into_response(),
    }
}

/// Opens a run under an id the agent chose.
#[utoipa::path(
    post, operation_id = "open_run",
    path = "/agent/runs", tag = "agent", request_body = OpenRun, security(("agent" = [])),
    responses(
        (status = 200, body = OpenedRun),
        (status = 409, description = "`run-active`: another run is under way; `run-ended`: this one has ended"),
    )
)]
async fn open(
    State(state): State<AppState>,
    agent: AgentIdentity,
    body: AgentBody<OpenRun>,
) -> ApiResult<Json<OpenedRun>> {
    Ok(Json(state.engine.open(&agent, &body.value).await?))
}

/// In a delta: what the change feed named. The answer may make the run full.
#[utoipa::path(
    post, operation_id = "send_touched",
    path = "/agent/runs/{id}/touched", tag = "agent", request_body = TouchedBatch, security(("agent" = [])),
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, body = Noted),
        (status = 409, description = "`batch-mismatch`: the number came before with another content"),
        (status = 413, description = "`batch-too-large`"),
    )
)]
async fn touched(
    State(state): State<AppState>,
    agent: AgentIdentity,
    Path(run_id): Path<String>,
    body: AgentBody<TouchedBatch>,
) -> ApiResult<Json<Noted>> {
    Ok(Json(state.engine.touched(&agent, &run_id, &body.value, body.digest).await?))
}

/// "Do you have these?"
#[utoipa::path(
    post, operation_id = "send_digests",
    path = "/agent/runs/{id}/digests", tag = "agent", request_body = DigestBatch, security(("agent" = [])),
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, body = Wanted),
        (status = 409, description = "`batch-mismatch`: the number came before with another content"),
        (status = 413, description = "`batch-too-large`"),
    )
)]
async fn digests(
    State(state): State<AppState>,
    agent: AgentIdentity,
    Path(run_id): Path<String>,
    body: AgentBody<DigestBatch>,
) -> ApiResult<Json<Wanted>> {
    Ok(Json(state.engine.digests(&agent, &run_id, &body.value, body.digest).await?))
}

/// Sends the records that were asked for.
#[utoipa::path(
    post, operation_id = "send_records",
    path = "/agent/runs/{id}/records", tag = "agent", request_body = RecordBatch, security(("agent" = [])),
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, body = Accepted),
        (status = 409, description = "`batch-mismatch`: the number came before with another content"),
        (status = 413, description = "`batch-too-large`"),
    )
)]
async fn records(
    State(state): State<AppState>,
    agent: AgentIdentity,
    Path(run_id): Path<String>,
    body: AgentBody<RecordBatch>,
) -> ApiResult<Json<Accepted>> {
    Ok(Json(state.engine.records(&agent, &run_id, body.value, body.digest).await?))
}

/// Keeps the run's place while the directory is slow.
#[utoipa::path(
    post, operation_id = "renew_run",
    path = "/agent/runs/{id}/renew", tag = "agent", security(("agent" = [])),
    params(("id" = String, Path, description = "The run")),
    responses((status = 204), (status = 409, description = "`run-ended`"))
)]
async fn renew(
    State(state): State<AppState>,
    agent: AgentIdentity,
    Path(run_id): Path<String>,
) -> ApiResult<StatusCode> {
    state.engine.renew(&agent, &run_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Closes the reading with the proof that it was complete.
#[utoipa::path(
    post, operation_id = "finish_run",
    path = "/agent/runs/{id}/finish", tag = "agent", request_body = Finish, security(("agent" = [])),
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, body = Next),
        (status = 409, description = "`batch-missing`, `records-missing`: send them, then finish"),
        (status = 422, description = "`receipt-incomplete`, `empty-read`"),
    )
)]
async fn finish(
    State(state): State<AppState>,
    agent: AgentIdentity,
    Path(run_id): Path<String>,
    body: AgentBody<Finish>,
) -> ApiResult<Json<Next>> {
    Ok(Json(state.engine.finish(&agent, &run_id, &body.value).await?))
}

/// Answers the look-ups of what is about to be removed.
#[utoipa::path(
    post, operation_id = "confirm_removals",
    path = "/agent/runs/{id}/confirm", tag = "agent", request_body = Confirm, security(("agent" = [])),
    params(("id" = String, Path, description = "The run")),
    responses((status = 200, body = Next), (status = 409, description = "`run-ended`"),
        (status = 422, description = "`receipt-incomplete`: look-ups find whom the read should have shown"))
)]
async fn confirm(
    State(state): State<AppState>,
    agent: AgentIdentity,
    Path(run_id): Path<String>,
    body: AgentBody<Confirm>,
) -> ApiResult<Json<Next>> {
    Ok(Json(state.engine.confirm(&agent, &run_id, body.value).await?))
}

/// Gives a run up; nothing is applied.
#[utoipa::path(
    post, operation_id = "abort_run",
    path = "/agent/runs/{id}/abort", tag = "agent", request_body = Abort, security(("agent" = [])),
    params(("id" = String, Path, description = "The run")),
    responses((status = 204), (status = 409, description = "`run-concluding`: it is too late"))
)]
async fn abort(
    State(state): State<AppState>,
    agent: AgentIdentity,
    Path(run_id): Path<String>,
    body: AgentBody<Abort>,
) -> ApiResult<StatusCode> {
    state.engine.abort(&agent, &run_id, &body.value).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A request's body: JSON, perhaps zstd-compressed, bounded before and after unpacking.
struct AgentBody<T> {
    value: T,
    /// Of the body as JSON: the same batch sent again has the same.
    digest: Digest,
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequest<S> for AgentBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let encoding = request.headers().get(header::CONTENT_ENCODING).cloned();
        let body = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| {
            Problem::too_large(format!(
                "The request's body is larger than {MAX_BODY_BYTES} bytes, or broke off; send smaller batches."
            ))
        })?;
        let json = match encoding.as_ref().map(HeaderValue::as_bytes) {
            None | Some(b"identity") => body,
            Some(b"zstd") => unpack(&body)?,
            Some(_) => {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported-encoding",
                    "The request's body is encoded in a way that is not understood; use zstd or none.",
                ));
            }
        };
        let value = serde_json::from_slice(&json).map_err(|error| {
            Problem::bad_request("bad-request", format!("The request's body is not understood: {error}."))
        })?;
        Ok(Self { value, digest: Digest::of(&json) })
    }
}

fn unpack(body: &[u8]) -> ApiResult<Bytes> {
    let broken = |error: std::io::Error| {
        Problem::bad_request("bad-request", format!("The request's body is no zstd stream: {error}."))
    };
    let mut unpacked = Vec::with_capacity(body.len() * 4);
    let limit = MAX_BODY_BYTES as u64 + 1;
    zstd::Decoder::new(body).map_err(broken)?.take(limit).read_to_end(&mut unpacked).map_err(broken)?;
    if unpacked.len() > MAX_BODY_BYTES {
        return Err(Problem::too_large(format!(
            "The request's body unpacks to more than {MAX_BODY_BYTES} bytes; send smaller batches."
        )));
    }
    Ok(unpacked.into())
}
