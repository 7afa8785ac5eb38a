//! `/org-units`: org units and their hierarchy.

use super::{
    AppState,
    auth::Reader,
    page::{Window, containing},
    problem::ApiResult,
    query::Query,
    users::ProviderView,
};
use crate::{
    clock::rfc3339,
    store::{Place, Store, StoredUnit},
};
use adc_core::{
    dn::Dn,
    protocol::{Page, ProblemJson},
    record::{Fields, Kind},
};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::{IntoParams, ToSchema};

/// An org unit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrgUnitView {
    id: String,
    account_id: String,
    name: String,
    provider: ProviderView,
    /// The nearest org unit above it; null at the top.
    parent_id: Option<String>,
    /// The names from the top down to its own.
    path: Vec<String>,
    /// The mapped fields: a text or a list of texts each.
    #[schema(value_type = Object)]
    fields: Fields,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OrgUnits {
    /// Finds what the text is part of the name of.
    q: Option<String>,
    /// Items of a page, at most 500; 100 when left out.
    limit: Option<u32>,
    /// Where the page starts: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The account's org units, by name.
#[utoipa::path(get, path = "/org-units", tag = "people", params(OrgUnits),
    operation_id = "list_org_units",
    responses((status = 200, body = Page<OrgUnitView>), (status = "4XX", body = ProblemJson)),
    security(("api_key" = ["auditor"])))]
pub(super) async fn list(
    reader: Reader,
    State(state): State<AppState>,
    Query(query): Query<OrgUnits>,
) -> ApiResult<Json<Page<OrgUnitView>>> {
    let window = Window::<(String, String)>::new(query.limit, query.cursor.as_deref())?;
    let pattern = query.q.as_deref().map(containing);
    let after = window.after.as_ref();
    let rows = state
        .store
        .units(&reader.account_id, Kind::OrgUnit, pattern.as_deref(), after, window.rows())
        .await?;
    let page = window.page(rows, |unit| (unit.name.clone(), unit.id.clone()), |unit| unit);
    let above = Above::of(&state.store, &page.items).await?;
    let items = page.items.into_iter().map(|unit| above.show(unit)).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// The org units above some, by synchronization and DN key.
struct Above(BTreeMap<String, BTreeMap<String, Place>>);

impl Above {
    async fn of(store: &Store, units: &[StoredUnit]) -> ApiResult<Self> {
        let mut wanted: BTreeMap<&str, (&str, BTreeSet<String>)> = BTreeMap::new();
        for unit in units {
            let (_, keys) = wanted
                .entry(&unit.synchronization_id)
                .or_insert_with(|| (unit.account_id.as_str(), BTreeSet::new()));
            keys.extend(ancestors(&unit.dn));
        }
        let mut above = BTreeMap::new();
        for (synchronization_id, (account_id, keys)) in wanted {
            let keys: Vec<_> = keys.into_iter().collect();
            let places = store.org_units_at(account_id, synchronization_id, &keys).await?;
            above.insert(synchronization_id.to_owned(), places);
        }
        Ok(Self(above))
    }

    fn show(&self, unit: StoredUnit) -> OrgUnitView {
        let places = self.0.get(&unit.synchronization_id);
        let chain: Vec<&Place> =
            ancestors(&unit.dn).filter_map(|key| places.and_then(|places| places.get(&key))).collect();
        let parent_id = chain.first().map(|place| place.id.clone());
        let path = chain.iter().rev().map(|place| place.name.clone()).chain([unit.name.clone()]).collect();
        OrgUnitView {
            id: unit.id,
            account_id: unit.account_id,
            name: unit.name,
            provider: ProviderView::Directory {
                synchronization_id: unit.synchronization_id,
                source_id: unit.source_id,
                dn: unit.dn,
            },
            parent_id,
            path,
            fields: unit.fields,
            created_at: rfc3339(unit.created_at),
            updated_at: rfc3339(unit.updated_at),
        }
    }
}

/// The keys of the names above, nearest first. A name that cannot be read has nothing above it.
fn ancestors(dn: &str) -> impl Iterator<Item = String> {
    let above: Vec<_> =
        Dn::parse(dn).iter().flat_map(Dn::ancestors).map(|above| above.key().to_string()).collect();
    above.into_iter()
}
