//! `/synchronizations/{id}/objects`: everything recognized, and what became of it.

use super::{
    AppState,
    auth::Reader,
    page::{Window, containing},
    problem::ApiResult,
    query::{Id, Query},
};
use crate::{
    admin::synchronizations,
    store::{ObjectsFilter, RecognizedObject},
};
use adc_core::{
    plan::ObjectStatus,
    protocol::{Page, ProblemJson},
    reason::Reason,
    record::Kind,
};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An object of the directory, as the last applied run that touched it saw it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ObjectView {
    kind: Kind,
    source_id: String,
    dn: String,
    /// What it is called there.
    name: String,
    /// Whether it is there.
    present: bool,
    /// What became of it.
    status: ObjectStatus,
    /// Why it is not `synced`.
    reason: Option<Reason>,
    /// The reason in a sentence.
    explanation: Option<&'static str>,
    /// The user, group or org unit it is in the account.
    object_id: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Objects {
    /// Only this kind.
    kind: Option<Kind>,
    /// Only those of which this became.
    status: Option<ObjectStatus>,
    /// Finds what the text is part of: of the user name or the DN.
    q: Option<String>,
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What applied runs have seen of the directory.
#[utoipa::path(get, path = "/synchronizations/{id}/objects", tag = "synchronizations",
    params(("id" = String, Path), Objects),
    operation_id = "list_objects",
    responses((status = 200, body = Page<ObjectView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn list(
    reader: Reader,
    State(state): State<AppState>,
    Id(id): Id,
    Query(query): Query<Objects>,
) -> ApiResult<Json<Page<ObjectView>>> {
    let window = Window::<(Kind, String)>::new(query.limit, query.cursor.as_deref())?;
    if state.store.synchronization(&reader.account_id, &id).await?.is_none() {
        return Err(synchronizations::not_found(&id));
    }
    let filter =
        ObjectsFilter { kind: query.kind, status: query.status, pattern: query.q.as_deref().map(containing) };
    let rows =
        state.store.objects(&reader.account_id, &id, &filter, window.after.as_ref(), window.rows()).await?;
    Ok(Json(window.page(rows, |object| (object.kind, object.source_id.clone()), ObjectView::from)))
}

impl From<RecognizedObject> for ObjectView {
    fn from(object: RecognizedObject) -> Self {
        Self {
            kind: object.kind,
            source_id: object.source_id,
            dn: object.dn,
            name: object.name,
            present: object.present,
            status: object.status,
            reason: object.reason,
            explanation: object.reason.map(Reason::sentence),
            object_id: object.object_id,
        }
    }
}
