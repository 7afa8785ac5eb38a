//! `/accounts`: for system administrators.

use super::{
    AppState, auth::SystemAdministrator, json::JsonBody, page::Window, problem::ApiResult, query::Query,
};
use crate::{admin, clock::rfc3339, store::Account};
use adc_core::protocol::{Page, ProblemJson};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountView {
    id: String,
    name: String,
    created_at: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// Unique.
    name: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Accounts {
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// All accounts, by name.
#[utoipa::path(get, path = "/accounts", tag = "accounts", params(Accounts),
    operation_id = "list_accounts",
    responses((status = 200, body = Page<AccountView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["system-administrator"])))]
pub(super) async fn list(
    _: SystemAdministrator,
    State(state): State<AppState>,
    Query(query): Query<Accounts>,
) -> ApiResult<Json<Page<AccountView>>> {
    let window = Window::<String>::new(query.limit, query.cursor.as_deref())?;
    let rows = state.store.accounts(window.after.as_deref(), window.rows()).await?;
    Ok(Json(window.page(rows, |account| account.name.clone(), AccountView::from)))
}

/// Makes an account.
#[utoipa::path(post, path = "/accounts", tag = "accounts", request_body = NewAccount,
    operation_id = "create_account",
    responses((status = 201, body = AccountView), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["system-administrator"])))]
pub(super) async fn create(
    _: SystemAdministrator,
    State(state): State<AppState>,
    JsonBody(account): JsonBody<NewAccount>,
) -> ApiResult<(StatusCode, Json<AccountView>)> {
    let account = admin::accounts::create(&state.store, &state.clock, &account.name).await?;
    Ok((StatusCode::CREATED, Json(account.into())))
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self { id: account.id, name: account.name, created_at: rfc3339(account.created_at) }
    }
}
