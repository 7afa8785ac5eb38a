//! Who stands where: below org units that were not seen, and in containers that people leave.

use crate::store::{Run, Store, bulk::Bound};
use adc_core::{
    dn::{Dn, DnKey},
    record::Kind,
};
use anyhow::Context;
use futures_util::TryStreamExt;
use serde::{Deserialize, de::IgnoredAny};
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
    /// by it, and no rule leaves them out. Nobody is counted any more once a container has as many as are `enough`.
    ///
    /// A container that was `renamed` is where it is now.
    pub async fn count_staying(
        &self,
        run: &Run,
        kind: Kind,
        enough: &BTreeMap<DnKey, u64>,
        renamed: &BTreeMap<DnKey, DnKey>,
    ) -> anyhow::Result<BTreeMap<DnKey, u64>> {
        let mut counts = BTreeMap::new();
        for (before, enough) in enough {
            let here: Vec<String> =
                [Some(before), renamed.get(before)].into_iter().flatten().map(DnKey::to_string).collect();
            let mut count = 0;
            // Of a container with everybody in it, as many directories have, this is enough where a few were touched.
            for sql in [UNTOUCHED_THERE, SEEN_WHO_WERE_THERE] {
                let mut there = of_container(sql, run, kind, *before).fetch(&self.read);
                while count < *enough
                    && let Some(row) = there.try_next().await?
                {
                    let (now, record): (&str, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
                    let left_out = record.map(is_left_out).transpose()?.unwrap_or(false);
                    count += u64::from(here.iter().any(|key| key == now) && !left_out);
                }
            }
            counts.insert(*before, count);
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

/// Those of a kind whom the mirror has in a container, and whom a run did not touch.
const UNTOUCHED_THERE: &str = "SELECT m.container_key, NULL FROM mirror m
     WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.container_key = $5 AND m.kind = $4 AND m.present = 1
       AND m.status <> 'excluded'
       AND NOT EXISTS (SELECT 1 FROM staging.objects s
                       WHERE s.run_id = $1 AND s.kind = m.kind AND s.source_id = m.source_id)";

/// Those of a kind whom the mirror has in a container, and whom a run saw: where they are now. Of people who claim no name the record
/// tells whether a rule leaves them out.
const SEEN_WHO_WERE_THERE: &str = "SELECT s.container_key, CASE WHEN s.kind = 'user' AND s.name_key IS NULL THEN s.record END
     FROM mirror m
     CROSS JOIN staging.objects s
     WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.container_key = $5 AND m.kind = $4 AND m.present = 1
       AND s.run_id = $1 AND s.kind = m.kind AND s.source_id = m.source_id AND s.outcome = 'present'";

fn of_container<'q>(sql: &'static str, run: &'q Run, kind: Kind, container: DnKey) -> Bound<'q> {
    sqlx::query(sql)
        .bind(&run.id)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(kind.as_str())
        .bind(container.to_string())
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

/// Whether rules leave a record's person out.
fn is_left_out(record: &str) -> anyhow::Result<bool> {
    /// All that is read of the record.
    #[derive(Deserialize)]
    struct Left {
        excluded_by: Option<IgnoredAny>,
    }
    Ok(serde_json::from_str::<Left>(record).context("a record of the mirror")?.excluded_by.is_some())
}
