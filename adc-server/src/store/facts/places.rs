//! Who stands where: below org units that were not seen, and in containers that people leave.

use super::guards::rule_of;
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
            let mut places = who_is_there(run, kind).fetch(&self.read);
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

    /// How many people, or groups, stay in containers: stood there when last seen, and are seen there in this run, or were not touched
    /// by it, and no rule leaves them out. Nobody is counted any more once each container has as many as are `enough`.
    ///
    /// A container that was `renamed` is where it is now.
    pub async fn count_staying(
        &self,
        run: &Run,
        kind: Kind,
        enough: &BTreeMap<DnKey, u64>,
        renamed: &BTreeMap<DnKey, DnKey>,
    ) -> anyhow::Result<BTreeMap<DnKey, u64>> {
        let mut counts: BTreeMap<DnKey, u64> = enough.keys().map(|key| (*key, 0)).collect();
        let mut wanting = enough.len();
        let mut staying = who_stays(run, kind).fetch(&self.read);
        while wanting > 0
            && let Some(row) = staying.try_next().await?
        {
            let [now, before] = [row.try_get::<&str, _>(0)?, row.try_get(1)?].map(container);
            let Some(count) = before.and_then(|before| counts.get_mut(&before)) else { continue };
            let stays = now == before || now == before.and_then(|before| renamed.get(&before).copied());
            let record: Option<&str> = row.try_get(2)?;
            if stays && record.map(rule_of).transpose()?.flatten().is_none() {
                *count += 1;
                wanting -= usize::from(before.and_then(|before| enough.get(&before)) == Some(count));
            }
        }
        Ok(counts)
    }

    /// The org units that a run found renamed or moved: where they were, and where they are.
    pub async fn renamed(&self, run: &Run) -> anyhow::Result<BTreeMap<DnKey, DnKey>> {
        let rows = sqlx::query(
            "SELECT m.dn, s.dn FROM staging.objects s
             CROSS JOIN mirror m
             WHERE s.run_id = $1 AND s.kind = 'org_unit' AND s.outcome = 'present'
               AND m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id
               AND m.present = 1 AND m.dn <> s.dn",
        )
        .bind(&run.id)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_all(&self.read)
        .await?;
        let keys = rows.iter().map(|row| Ok((DnKey::of(row.try_get(0)?), DnKey::of(row.try_get(1)?))));
        keys.filter(|keys| keys.as_ref().map_or(true, |(before, now)| before != now)).collect()
    }
}

fn container(dn: &str) -> Option<DnKey> {
    Dn::parse(dn).ok()?.parent().map(|container| container.key())
}

/// Where everybody of a kind stands whom the mirror knew already, and where they stood: seen in this run, or not touched by it and not
/// left out. Of people who claim no name the record tells whether a rule leaves them out.
fn who_stays(run: &Run, kind: Kind) -> Bound<'_> {
    sqlx::query(
        "SELECT s.dn, m.dn, CASE WHEN s.kind = 'user' AND s.name_key IS NULL THEN s.record END
         FROM staging.objects s
         CROSS JOIN mirror m
         WHERE s.run_id = $1 AND s.kind = $4 AND s.outcome = 'present'
           AND m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id
           AND m.present = 1
         UNION ALL
         SELECT m.dn, m.dn, NULL FROM mirror m
         WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = $4 AND m.present = 1
           AND m.status <> 'excluded'
           AND NOT EXISTS (SELECT 1 FROM staging.objects s
                           WHERE s.run_id = $1 AND s.kind = m.kind AND s.source_id = m.source_id)",
    )
    .bind(&run.id)
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .bind(kind.as_str())
}

/// Where everything of a kind stands that a run found in scope, or had no reason to touch.
fn who_is_there(run: &Run, kind: Kind) -> Bound<'_> {
    sqlx::query(
        "SELECT s.dn FROM staging.objects s
         WHERE s.run_id = $1 AND s.kind = $4 AND s.outcome = 'present'
         UNION ALL
         SELECT m.dn FROM mirror m
         WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = $4 AND m.present = 1
           AND NOT EXISTS (SELECT 1 FROM staging.objects s
                           WHERE s.run_id = $1 AND s.kind = m.kind AND s.source_id = m.source_id)",
    )
    .bind(&run.id)
    .bind(&run.account_id)
    .bind(&run.synchronization_id)
    .bind(kind.as_str())
}
