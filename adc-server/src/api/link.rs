//! `GET /agent/link`: where agents connect.

use super::{
    AppState,
    problem::{ApiResult, Problem},
};
use crate::runs::AgentIdentity;
use adc_core::protocol::{
    ProblemJson,
    link::{MAX_MESSAGE_BYTES, SUBPROTOCOL},
};
use axum::{
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION},
    response::Response,
};

/// An idle link costs its read buffer: the library's own default is a hundred times as much. Nearly all that agents say fits in here.
const READ_BUFFER: usize = 1024;
/// Frames are written at once; a buffer would only be kept.
const WRITE_BUFFER: usize = 0;
/// When to come back to a server that goes down (seconds).
const AFTER_DRAINING: u32 = 2;

/// A websocket of the subprotocol `adc.v1`: the agent says hello, and is asked and told from then on.
#[utoipa::path(get, path = "/agent/link", tag = "agent", operation_id = "link_agent", security(("agent" = [])),
    responses((status = 101, description = "The link stands"),
        (status = 426, description = "`not-a-link`: no websocket of the subprotocol adc.v1", body = ProblemJson),
        (status = "4XX", body = ProblemJson),
        (status = 503, description = "`shutting-down`", body = ProblemJson)))]
pub(super) async fn link(
    agent: AgentIdentity,
    State(state): State<AppState>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> ApiResult<Response> {
    if state.hub.is_draining() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting-down",
            "The control plane goes down; come back in a moment.",
        )
        .retry_after(AFTER_DRAINING));
    }
    let upgrade = upgrade.map_err(|rejection| not_a_link(&rejection.to_string()))?;
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(not_a_link(&format!("the subprotocol {SUBPROTOCOL} is not offered")));
    }
    let hub = state.hub.clone();
    let headers = credentials(&headers);
    let admit = move || {
        let (headers, state) = (headers.clone(), state.clone());
        async move { AgentIdentity::admit(&headers, &state).await }
    };
    Ok(upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        // In a box: a future keeps room for what it is given as often as it hands it on.
        .on_upgrade(move |socket| hub.serve(agent, Box::new(socket), Box::new(admit))))
}

/// What the agent signs in with, copied: every header as it came holds the whole buffer of 16 KiB that was read with it, and after a restart
/// thousands say hello at a time.
fn credentials(headers: &HeaderMap) -> HeaderMap {
    let copied = headers.get(AUTHORIZATION).and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
    copied.map(|value| (AUTHORIZATION, value)).into_iter().collect()
}

fn not_a_link(why: &str) -> Problem {
    Problem::new(
        StatusCode::UPGRADE_REQUIRED,
        "not-a-link",
        format!(
            "This path takes websockets of the subprotocol {SUBPROTOCOL} only ({why}); install an agent that speaks it."
        ),
    )
}
