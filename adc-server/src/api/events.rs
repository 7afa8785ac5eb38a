//! `/events`: the ledger as a feed, in commit order.
//!
//! A row of the ledger is one change made here, or a run; a run's effective changes follow each other in the plan's
//! order, and so does what became of all that a removed synchronization held. An event's id is its place: the row, and
//! the line.

use super::{
    AppState,
    auth::Reader,
    page::{Window, encode},
    problem::{ApiResult, Problem},
    query::Query,
};
use crate::{
    clock::rfc3339,
    store::{ChangeOfRun, ChangesFilter, LedgerEntry, LedgerRow, LocalChange, Store},
};
use adc_core::{
    plan::Action,
    protocol::{Page, ProblemJson},
    reason::Reason,
};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Something that was changed in the account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventView {
    /// Its place in the feed: `?after=` it come the later ones.
    id: String,
    /// When it was committed.
    at: String,
    /// The run that did it; null for a change made here.
    run_id: Option<String>,
    /// The API key that made it here.
    by: Option<String>,
    synchronization_id: Option<String>,
    /// `user`, `group`, `org_unit` or `synchronization`.
    kind: String,
    /// What was changed: `usr_…`, `grp_…`, `oun_…` or `syn_…`.
    object_id: Option<String>,
    source_id: String,
    dn: String,
    username: String,
    action: Action,
    reason: Reason,
    /// What exactly, where the reason leaves it open.
    detail: Option<String>,
    /// What differs, as it was.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// What differs, as it is now.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Events {
    /// Only what came after the event of this id.
    after: Option<String>,
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before, or the id of any event.
    cursor: Option<String>,
}

/// A row of the ledger, and a line of it: of its run's plan, or, for a change made here, [`FIRST_LINE`] and those after.
type Place = (i64, i64);

const FIRST_LINE: i64 = 0;
const BEFORE_ALL: Place = (0, i64::MIN);

/// What was changed in the account, oldest first.
#[utoipa::path(get, path = "/events", tag = "people", params(Events),
    operation_id = "list_events",
    responses((status = 200, body = Page<EventView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn list(
    reader: Reader,
    State(state): State<AppState>,
    Query(query): Query<Events>,
) -> ApiResult<Json<Page<EventView>>> {
    if query.after.is_some() && query.cursor.is_some() {
        return Err(Problem::bad_request(
            "invalid-query",
            "after and cursor say the same; give one of them.",
        ));
    }
    let window = Window::<Place>::new(query.limit, query.cursor.or(query.after).as_deref())?;
    let events = read(&state.store, &reader.account_id, &window).await?;
    Ok(Json(window.page(events, |(place, _)| *place, |(_, event)| event)))
}

/// As many events as the window wants, row by row; a row's lines are found by their numbers, however many there are.
async fn read(store: &Store, account_id: &str, window: &Window<Place>) -> ApiResult<Vec<(Place, EventView)>> {
    let (first, shown_until) = window.after.unwrap_or(BEFORE_ALL);
    let wanted = window.rows();
    // Every row holds an event; only the first may have been shown already.
    let rows = store.ledger_from(account_id, first, wanted + 1).await?;
    let filter = ChangesFilter { effective_only: true, ..ChangesFilter::default() };
    let mut events = Vec::new();
    for row in rows {
        let after = if row.seq == first { shown_until } else { i64::MIN };
        if let LedgerEntry::Local(change) = &row.entry
            && after < FIRST_LINE
        {
            events.push(made_here(&row, change));
        }
        let missing = wanted - i64::try_from(events.len()).unwrap_or(wanted);
        if missing == 0 {
            break;
        }
        match &row.entry {
            LedgerEntry::Local(change) => {
                let Some(id) = change.removed_synchronization() else { continue };
                let lines = store.released(account_id, id, after.max(FIRST_LINE), missing).await?;
                events.extend(lines.into_iter().map(|line| {
                    let (place, event) = of_line(&row, id, line);
                    (place, EventView { by: Some(change.by.clone()), ..event })
                }));
            }
            LedgerEntry::Run { id, synchronization_id } => {
                let lines = store.changes(account_id, id, &filter, after, missing).await?;
                events.extend(lines.into_iter().map(|line| {
                    let (place, event) = of_line(&row, synchronization_id, line);
                    (place, EventView { run_id: Some(id.clone()), ..event })
                }));
            }
        }
    }
    Ok(events)
}

fn made_here(row: &LedgerRow, change: &LocalChange) -> (Place, EventView) {
    let change = change.clone();
    let place = (row.seq, FIRST_LINE);
    let event = EventView {
        id: encode(&place),
        at: rfc3339(row.at),
        run_id: None,
        by: Some(change.by),
        synchronization_id: change.synchronization_id,
        kind: change.kind,
        object_id: Some(change.object_id),
        source_id: change.source_id,
        dn: change.dn,
        username: change.username,
        action: change.action,
        reason: change.reason,
        detail: None,
        before: change.before,
        after: change.after,
    };
    (place, event)
}

fn of_line(row: &LedgerRow, synchronization_id: &str, line: ChangeOfRun) -> (Place, EventView) {
    let ChangeOfRun { change, object_id } = line;
    let place = (row.seq, change.seq);
    let event = EventView {
        id: encode(&place),
        at: rfc3339(row.at),
        run_id: None,
        by: None,
        synchronization_id: Some(synchronization_id.to_owned()),
        kind: change.kind.as_str().to_owned(),
        object_id,
        source_id: change.source_id,
        dn: change.dn,
        username: change.username,
        action: change.action,
        reason: change.reason,
        detail: change.detail,
        before: change.before,
        after: change.after,
    };
    (place, event)
}
