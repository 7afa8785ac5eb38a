//! `/synchronizations`: the configured sources of an account.

use super::{
    AppState,
    auth::{Administrator, Reader},
    json::{JsonBody, MergePatch},
    page::Window,
    problem::ApiResult,
    query::{Id, Query},
    schedule::ScheduleView,
};
use crate::{
    admin::synchronizations::{self, Wishes},
    clock::rfc3339,
    hosted::{Connection, Standing, TlsMode},
    runs::AgentIdentity,
    store::{Edited, Synchronization},
};
use adc_core::{
    policy::Policy,
    protocol::{Mark, Page, ProblemJson},
    schedule::Schedule,
    settings::Settings,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A synchronization.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SynchronizationView {
    id: String,
    account_id: String,
    name: String,
    /// What its agents sign in as.
    application_id: String,
    /// The server's own switches; what is left out is left to adc.yaml, then to the default.
    settings: Settings,
    /// What to read and how; null means the default.
    policy: Option<Policy>,
    /// When it runs by itself; null means never.
    schedule: Option<ScheduleView>,
    /// Where the control plane's own connector finds the directory; null where it runs none.
    connection: Option<ConnectionView>,
    /// Raised by every change of settings or policy.
    version: i64,
    /// The directory's position at the last applied run, long values cut.
    checkpoint: Option<Mark>,
    /// The last run that was applied.
    last_applied_run: Option<String>,
    /// The run that waits for an agent.
    queued_run: Option<String>,
    /// The run that is under way.
    active_run: Option<String>,
    /// The run whose plan waits for approval; until then no run starts by itself.
    held_run: Option<String>,
    created_at: String,
    updated_at: String,
}

/// Where the control plane's own connector finds the directory, and as whom. The password is shown to nobody.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionView {
    host: String,
    port: u16,
    tls: TlsMode,
    /// The subtree that bounds everything.
    base_dn: String,
    /// The account that reads.
    user: String,
    /// Whether a password is kept: always.
    password_set: bool,
    /// Certificate authorities (PEM) that are trusted instead of the platform's.
    ca_pem: Option<String>,
    /// The name the directory's certificate must carry, where it is not the host's.
    server_name: Option<String>,
    /// How the connector stands.
    connector: Standing,
}

/// A synchronization with its Secret Token, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WithSecret {
    #[serde(flatten)]
    synchronization: SynchronizationView,
    /// What its agents sign in with.
    secret_token: String,
}

/// What may be changed of a synchronization, as a merge patch (RFC 7396).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the merge patch")]
pub(super) struct SynchronizationPatch {
    name: Option<String>,
    /// null unsets a switch.
    settings: Option<Settings>,
    /// null means the default.
    policy: Option<Policy>,
    /// null means never. A `repeat` of another kind replaces the whole `repeat`. What was due before the change is forgotten, but for a run
    /// that waits for an agent already; where it is null or not `enabled` any more, that run is cancelled.
    schedule: Option<Schedule>,
    /// null means that the control plane runs no connector itself.
    connection: Option<ConnectionPatch>,
}

/// A connection as it is said. Members that are left out stay as they are; host, tls, `base_dn`, user and password are needed at first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the merge patch")]
pub(super) struct ConnectionPatch {
    /// A name or an address, in a network that the operator allows. None of its addresses may lie elsewhere.
    host: Option<String>,
    /// Left out at first, or null: 636 for `ldaps`, 389 otherwise.
    port: Option<u16>,
    tls: Option<TlsMode>,
    /// The subtree that bounds everything.
    base_dn: Option<String>,
    /// The account that reads, as the directory names it: a DN, on Active Directory also `reader@company.local`.
    user: Option<String>,
    /// Never shown again. It is needed anew where the connection leads elsewhere, is protected otherwise, or signs in as somebody else.
    password: Option<String>,
    /// Certificate authorities (PEM) to trust instead of the platform's.
    ca_pem: Option<String>,
    /// The name the directory's certificate must carry, where it is not the host's.
    server_name: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Synchronizations {
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The account's synchronizations, by name.
#[utoipa::path(get, path = "/synchronizations", tag = "synchronizations", params(Synchronizations),
    operation_id = "list_synchronizations",
    responses((status = 200, body = Page<SynchronizationView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn list(
    reader: Reader,
    State(state): State<AppState>,
    Query(query): Query<Synchronizations>,
) -> ApiResult<Json<Page<SynchronizationView>>> {
    let window = Window::<String>::new(query.limit, query.cursor.as_deref())?;
    let rows =
        state.store.synchronizations(&reader.account_id, window.after.as_deref(), window.rows()).await?;
    Ok(Json(window.page(
        rows,
        |synchronization| synchronization.name.clone(),
        |synchronization| view(&state, synchronization),
    )))
}

/// Makes a synchronization; its Secret Token is in this answer and nowhere else.
#[utoipa::path(post, path = "/synchronizations", tag = "synchronizations", request_body = Wishes,
    operation_id = "create_synchronization",
    responses((status = 201, body = WithSecret), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn create(
    administrator: Administrator,
    State(state): State<AppState>,
    JsonBody(wishes): JsonBody<Wishes>,
) -> ApiResult<(StatusCode, Json<WithSecret>)> {
    let made =
        synchronizations::create(&state.store, &state.clock, &administrator.account_id, wishes).await?;
    state.engine.bus().wake(agents_of(&made.synchronization));
    let answer =
        WithSecret { synchronization: view(&state, made.synchronization), secret_token: made.secret_token };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// One synchronization.
#[utoipa::path(get, path = "/synchronizations/{id}", tag = "synchronizations", params(("id" = String, Path)),
    operation_id = "show_synchronization",
    responses((status = 200, body = SynchronizationView), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn show(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<SynchronizationView>> {
    let found = state.store.synchronization(&reader.account_id, &id).await?;
    Ok(Json(view(&state, found.ok_or_else(|| synchronizations::not_found(&id))?)))
}

/// Changes name, settings, policy, schedule and connection; the merged whole is validated.
#[utoipa::path(patch, path = "/synchronizations/{id}", tag = "synchronizations", params(("id" = String, Path)),
    request_body(content((SynchronizationPatch = "application/merge-patch+json"),
        (SynchronizationPatch = "application/json"))),
    operation_id = "change_synchronization",
    responses((status = 200, body = SynchronizationView), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn patch(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
    MergePatch(patch): MergePatch,
) -> ApiResult<Json<SynchronizationView>> {
    let account_id = &administrator.account_id;
    let before = state.store.synchronization(account_id, &id).await?;
    let (version, connection) =
        before.map_or((None, None), |before| (Some(before.version), before.connection));
    let offer = state.connectors.offer();
    let edited = synchronizations::patch(&state.store, &state.clock, account_id, &id, patch, offer).await?;
    let Edited { synchronization: changed, taken_back } = edited;
    if let Some(run_id) = taken_back {
        state.hub.cancel(&agents_of(&changed), &run_id);
    }
    if connection != changed.connection {
        state.connectors.changed(agents_of(&changed));
    }
    if version != Some(changed.version) {
        state.hub.reload(&agents_of(&changed));
    }
    // The schedule may be another one.
    state.engine.bus().wake(agents_of(&changed));
    Ok(Json(view(&state, changed)))
}

/// Removes a synchronization. Its people stay as they are and become local users; its groups and org units go. So does a plan that
/// is held: whom it would have removed stay, too, which the event tells (`after.dropped_plan`).
#[utoipa::path(delete, path = "/synchronizations/{id}", tag = "synchronizations", params(("id" = String, Path)),
    operation_id = "delete_synchronization",
    responses((status = 204), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn delete(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<StatusCode> {
    synchronizations::delete(&state.store, &state.clock, &administrator, &id).await?;
    let agents = AgentIdentity { account_id: administrator.account_id, synchronization_id: id };
    state.connectors.changed(agents.clone());
    state.hub.revoke(&agents, "This synchronization was deleted; ask for a new one.");
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces the Secret Token; the old one is refused from now on.
#[utoipa::path(post, path = "/synchronizations/{id}/rotate-secret", tag = "synchronizations",
    params(("id" = String, Path)),
    operation_id = "rotate_secret",
    responses((status = 200, body = WithSecret), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn rotate_secret(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<WithSecret>> {
    let account_id = &administrator.account_id;
    let secret_token = synchronizations::rotate_secret(&state.store, &state.clock, account_id, &id).await?;
    let found = state.store.synchronization(account_id, &id).await?;
    let synchronization = found.ok_or_else(|| synchronizations::not_found(&id))?;
    let detail = "The Secret Token was replaced; put the new one into adc.yaml, or where it is kept.";
    state.hub.revoke(&agents_of(&synchronization), detail);
    Ok(Json(WithSecret { synchronization: view(&state, synchronization), secret_token }))
}

fn agents_of(synchronization: &Synchronization) -> AgentIdentity {
    AgentIdentity {
        account_id: synchronization.account_id.clone(),
        synchronization_id: synchronization.id.clone(),
    }
}

fn view(state: &AppState, synchronization: Synchronization) -> SynchronizationView {
    let connected =
        synchronization.schedule.is_some() && !state.hub.connected(&agents_of(&synchronization)).is_empty();
    let schedule = ScheduleView::of(&synchronization, state.clock.now(), connected);
    let standing = state.connectors.standing(&agents_of(&synchronization));
    let connection = synchronization.connection.map(|kept| shown(kept.connection, standing));
    SynchronizationView {
        schedule,
        connection,
        id: synchronization.id,
        account_id: synchronization.account_id,
        name: synchronization.name,
        application_id: synchronization.application_id,
        settings: synchronization.settings,
        policy: synchronization.policy,
        version: synchronization.version,
        checkpoint: synchronization.checkpoint.map(|checkpoint| checkpoint.mark.shown()),
        last_applied_run: synchronization.last_applied_run,
        queued_run: synchronization.queued_run,
        active_run: synchronization.active_run,
        held_run: synchronization.held_run,
        created_at: rfc3339(synchronization.created_at),
        updated_at: rfc3339(synchronization.updated_at),
    }
}

fn shown(connection: Connection, connector: Standing) -> ConnectionView {
    let Connection { host, port, tls, base_dn, user, ca_pem, server_name } = connection;
    ConnectionView { host, port, tls, base_dn, user, password_set: true, ca_pem, server_name, connector }
}
