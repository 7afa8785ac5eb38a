//! `/groups`: groups and who is in them.

use super::{
    AppState,
    auth::Reader,
    page::{Window, containing},
    problem::{ApiResult, Problem},
    query::{Id, Query},
    users::ProviderView,
};
use crate::{
    clock::rfc3339,
    store::{Store, StoredMember, StoredUnit},
};
use adc_core::{
    protocol::{Page, ProblemJson},
    record::{Fields, Kind},
};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupView {
    id: String,
    account_id: String,
    name: String,
    /// `security`, `distribution` or `group`, where the directory does not say.
    kind: String,
    email: Option<String>,
    provider: ProviderView,
    /// How many members it lists itself.
    member_count: i64,
    /// The mapped fields: a text or a list of texts each.
    #[schema(value_type = Object)]
    fields: Fields,
    created_at: String,
    updated_at: String,
    deleted_at: Option<String>,
}

/// Someone or something that a group lists.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberView {
    /// What it is; null while it is unresolved.
    kind: Option<Kind>,
    /// The user, group or org unit; null while it is unresolved.
    id: Option<String>,
    /// A user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// A group's or an org unit's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Where it stands in the directory; while it is unresolved, as the group spells it.
    dn: String,
    /// Whether the account holds it.
    resolved: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Groups {
    /// Finds what the text is part of: of the name or the mail address.
    q: Option<String>,
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Members {
    /// true: the people of the groups it lists too, each once, in place of those groups.
    effective: Option<bool>,
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The account's groups, by name.
#[utoipa::path(get, path = "/groups", tag = "people", params(Groups),
    operation_id = "list_groups",
    responses((status = 200, body = Page<GroupView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn list(
    reader: Reader,
    State(state): State<AppState>,
    Query(query): Query<Groups>,
) -> ApiResult<Json<Page<GroupView>>> {
    let window = Window::<(String, String)>::new(query.limit, query.cursor.as_deref())?;
    let pattern = query.q.as_deref().map(containing);
    let after = window.after.as_ref();
    let rows =
        state.store.units(&reader.account_id, Kind::Group, pattern.as_deref(), after, window.rows()).await?;
    Ok(Json(window.page(rows, |group| (group.name.clone(), group.id.clone()), GroupView::from)))
}

/// One group, deleted ones too.
#[utoipa::path(get, path = "/groups/{id}", tag = "people", params(("id" = String, Path)),
    operation_id = "show_group",
    responses((status = 200, body = GroupView), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn show(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
) -> ApiResult<Json<GroupView>> {
    Ok(Json(find(&state.store, &reader, &id).await?.into()))
}

/// Who is in a group.
#[utoipa::path(get, path = "/groups/{id}/members", tag = "people", params(("id" = String, Path), Members),
    operation_id = "list_members",
    responses((status = 200, body = Page<MemberView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn members(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
    Query(query): Query<Members>,
) -> ApiResult<Json<Page<MemberView>>> {
    let window = Window::<String>::new(query.limit, query.cursor.as_deref())?;
    let group = find(&state.store, &reader, &id).await?;
    let after = window.after.as_deref();
    let rows = if query.effective.unwrap_or(false) {
        state.store.effective_members(&group, after, window.rows()).await?
    } else {
        state.store.direct_members(&group, after, window.rows()).await?
    };
    Ok(Json(window.page(rows, |member| member.key.clone(), MemberView::from)))
}

async fn find(store: &Store, reader: &Reader, id: &str) -> ApiResult<StoredUnit> {
    let group = store.unit(&reader.account_id, Kind::Group, id).await?;
    group.ok_or_else(|| Problem::not_found("group-not-found", format!("There is no group {id}.")))
}

impl From<StoredUnit> for GroupView {
    fn from(group: StoredUnit) -> Self {
        Self {
            id: group.id,
            account_id: group.account_id,
            name: group.name,
            kind: group.group_kind.unwrap_or_else(|| "group".to_owned()),
            email: group.email,
            provider: ProviderView::Directory {
                synchronization_id: group.synchronization_id,
                source_id: group.source_id,
                dn: group.dn,
            },
            member_count: group.member_count,
            fields: group.fields,
            created_at: rfc3339(group.created_at),
            updated_at: rfc3339(group.updated_at),
            deleted_at: group.deleted_at.map(rfc3339),
        }
    }
}

impl From<StoredMember> for MemberView {
    fn from(member: StoredMember) -> Self {
        let Some(found) = member.resolved else {
            return Self { kind: None, id: None, username: None, name: None, dn: member.dn, resolved: false };
        };
        let (username, name) = match found.kind {
            Kind::User => (Some(found.name), None),
            Kind::Group | Kind::OrgUnit => (None, Some(found.name)),
        };
        Self { kind: Some(found.kind), id: Some(found.id), username, name, dn: found.dn, resolved: true }
    }
}
