//! Who stands where: below org units that were not seen, and in containers that people leave.

use crate::store::{Run, Store, bulk::Bound};
use adc_core::{
    dn::{Dn, DnKey},
    record::Kind,
};
use futures_util::TryStreamExt;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

impl Store {
    /// The org units (their source ids) that no look-up found, though something below them is there: seen in this run, or
    /// not touched by it. One whose place another org unit has taken is gone all the same.
    pub async fn inhabited(&self, run: &Run) -> anyhow::Result<BTreeSet<String>> {
        let mut missing = BTreeMap::new();
        for (source_id, dn) in self.missing_org_units(run).await? {
            missing.insert(DnKey::of(&dn), source_id);
        }
        let mut inhabited = BTreeSet::new();
        for kind in [Kind::OrgUnit, Kind::User, Kind::Group] {
            if inhabited.len() == missing.len() {
                break;
            }
            let mut places = who_is_there(run, kind, true).fetch(&self.read);
            while let Some(row) = places.try_next().await? {
                let Ok(dn) = Dn::parse(row.try_get(0)?) else { continue };
                if kind == Kind::OrgUnit && missing.remove(&dn.key()).is_some() {
                    inhabited.remove(&dn.key());
                }
                inhabited
                    .extend(dn.ancestors().map(|above| above.key()).filter(|key| missing.contains_key(key)));
                // Whatever else stands in place of a missing org unit has been seen by now.
                if kind != Kind::OrgUnit && inhabited.len() == missing.len() {
                    break;
                }
            }
        }
        Ok(missing.into_iter().filter(|(key, _)| inhabited.contains(key)).map(|(_, id)| id).collect())
    }

    async fn missing_org_units(&self, run: &Run) -> anyhow::Result<Vec<(String, String)>> {
        let rows = sqlx::query(
            "SELECT source_id, dn FROM staging.objects
             WHERE run_id = $1 AND outcome <> 'present' AND outcome = 'gone' AND kind = 'org_unit'",
        )
        .bind(&run.id)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// How many people, or groups, stand in containers, or stood there when last seen and are there still, elsewhere: seen in this
    /// run, or not touched by it and not left out. Nobody is counted any more once each container has as many as are `enough`.
    pub async fn count_in(
        &self,
        run: &Run,
        kind: Kind,
        enough: &BTreeMap<DnKey, u64>,
    ) -> anyhow::Result<BTreeMap<DnKey, u64>> {
        let mut counts: BTreeMap<DnKey, u64> = enough.keys().map(|key| (*key, 0)).collect();
        let mut wanting = enough.len();
        let mut places = who_is_there(run, kind, false).fetch(&self.read);
        while wanting > 0
            && let Some(row) = places.try_next().await?
        {
            let [now, before] = [row.try_get::<Option<&str>, _>(0)?, row.try_get(1)?].map(container);
            for key in now.into_iter().chain(before.filter(|before| now != Some(*before))) {
                if let Some(count) = counts.get_mut(&key) {
                    *count += 1;
                    wanting -= usize::from(enough.get(&key) == Some(count));
                }
            }
        }
        Ok(counts)
    }
}

fn container(dn: Option<&str>) -> Option<DnKey> {
    Dn::parse(dn?).ok()?.parent().map(|container| container.key())
}

/// Where everything of a kind stands that a run found in scope, or had no reason to touch; and where that was seen last, of
/// what it touched. `left_out` says whether those whom a rule leaves out count, of what was not touched.
fn who_is_there(run: &Run, kind: Kind, left_out: bool) -> Bound<'_> {
    sqlx::query(
        "SELECT s.dn, m.dn FROM staging.objects s
         LEFT JOIN mirror m ON m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind
              AND m.source_id = s.source_id AND m.present = 1
         WHERE s.run_id = $1 AND s.kind = $4 AND s.outcome = 'present'
         UNION ALL
         SELECT m.dn, NULL FROM mirror m
         WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = $4 AND m.present = 1
           AND ($5 = 1 OR m.status <> 'excluded')
           AND NOT EXISTS (SELECT 1 FROM staging.objects s
                           WHERE s.run_id = $1 AND s.kind = m.kind AND s.source_id = m.source_id)",
    )
    .bind(&run.id)
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .bind(kind.as_str())
    .bind(i64::from(left_out))
}
