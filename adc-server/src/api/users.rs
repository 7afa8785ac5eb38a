//! `/users`: the account's people as they are.

use super::{
    AppState,
    auth::{Administrator, Reader},
    json::{JsonBody, MergePatch},
    page::{Window, containing},
    problem::ApiResult,
    query::{Id, Query},
};
use crate::{
    admin::users::{self, WishedStatus, Wishes},
    clock::rfc3339,
    store::{StoredUser, UsersFilter},
};
use adc_core::{
    plan::{Provider, StatusBy, UserStatus},
    protocol::{Page, ProblemJson},
    record::Fields,
    text,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserView {
    id: String,
    account_id: String,
    username: String,
    email: Option<String>,
    status: UserStatus,
    /// Who decided the status; the directory does not enable whom an administrator disabled.
    status_by: StatusBy,
    provider: ProviderView,
    /// The mapped fields: a text or a list of texts each. `manager` is the manager's user name, or the DN as read.
    #[schema(value_type = Object)]
    fields: Fields,
    account_owner: bool,
    administrator: bool,
    owns: Vec<String>,
    created_at: String,
    updated_at: String,
    deleted_at: Option<String>,
}

/// Who may update and remove a user or a unit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum ProviderView {
    /// The account's administrators.
    Local,
    /// One synchronization.
    Directory { synchronization_id: String, source_id: String, dn: String },
}

/// What may be changed of a user, as a merge patch (RFC 7396); of a directory's user only the last four, unless the
/// person left and was disabled: then all, so that a joiner can have the name or another unique value.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the merge patch")]
pub(super) struct UserPatch {
    username: Option<String>,
    email: Option<String>,
    #[schema(value_type = Object)]
    fields: Option<Fields>,
    status: Option<WishedStatus>,
    account_owner: Option<bool>,
    administrator: Option<bool>,
    owns: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Users {
    /// Finds whom the text is part of: of the user name, the mail address or the display name.
    q: Option<String>,
    /// Only these; active and disabled ones when left out.
    status: Option<UserStatus>,
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The account's people, by user name.
#[utoipa::path(get, path = "/users", tag = "people", params(Users),
    operation_id = "list_users",
    responses((status = 200, body = Page<UserView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn list(
    reader: Reader,
    State(state): State<AppState>,
    Query(query): Query<Users>,
) -> ApiResult<Json<Page<UserView>>> {
    let window = Window::<(String, String)>::new(query.limit, query.cursor.as_deref())?;
    let filter = UsersFilter {
        status: query.status,
        pattern: query.q.as_deref().map(|text| containing(&text::key(text))),
    };
    let rows = state.store.users(&reader.account_id, &filter, window.after.as_ref(), window.rows()).await?;
    Ok(Json(window.page(rows, |(key, _)| key.clone(), |(_, user)| user.into())))
}

/// One user, deleted ones too.
#[utoipa::path(get, path = "/users/{id}", tag = "people", params(("id" = String, Path)),
    operation_id = "show_user",
    responses((status = 200, body = UserView), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn show(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<UserView>> {
    let user = state.store.user(&reader.account_id, &id).await?;
    Ok(Json(user.ok_or_else(|| users::not_found(&id))?.into()))
}

/// Makes a local user.
#[utoipa::path(post, path = "/users", tag = "people", request_body = Wishes,
    operation_id = "create_user",
    responses((status = 201, body = UserView), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn create(
    administrator: Administrator,
    State(state): State<AppState>,
    JsonBody(wishes): JsonBody<Wishes>,
) -> ApiResult<(StatusCode, Json<UserView>)> {
    let user = users::create(&state.store, &state.clock, &administrator, wishes).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Changes a local user, and of anybody the status and what protects from removal.
#[utoipa::path(patch, path = "/users/{id}", tag = "people", params(("id" = String, Path)),
    request_body(content((UserPatch = "application/merge-patch+json"), (UserPatch = "application/json"))),
    operation_id = "change_user",
    responses((status = 200, body = UserView), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn patch(
    administrator: Administrator,
    State(state): State<AppState>,
    Id(id): Id,
    MergePatch(patch): MergePatch,
) -> ApiResult<Json<UserView>> {
    let user = users::patch(&state.store, &state.clock, &administrator, &id, &patch).await?;
    Ok(Json(user.into()))
}

impl From<StoredUser> for UserView {
    fn from(user: StoredUser) -> Self {
        let StoredUser { account_id, id, provider, state, created_at, updated_at, deleted_at } = user;
        Self {
            id,
            account_id,
            username: state.username,
            email: state.email,
            status: state.status,
            status_by: state.status_by,
            provider: provider.into(),
            fields: state.fields,
            account_owner: state.account_owner,
            administrator: state.administrator,
            owns: state.owns,
            created_at: rfc3339(created_at),
            updated_at: rfc3339(updated_at),
            deleted_at: deleted_at.map(rfc3339),
        }
    }
}

impl From<Provider> for ProviderView {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Local => Self::Local,
            Provider::Directory { synchronization_id, source_id, dn } => {
                Self::Directory { synchronization_id, source_id, dn }
            }
        }
    }
}
