//! What the guards compare a plan with.

use super::{LeftOut, shown};
use crate::{
    clock::Millis,
    store::{
        RemovedLately, Run, Store, bulk,
        runs::{DecidedOn, optional_json},
    },
};
use adc_core::{
    guard::{Admitted, Emptied, REMOVAL_WINDOW_MS},
    policy::Policy,
    protocol::Fingerprint,
    record::Kind,
};
use anyhow::Context;
use futures_util::TryStreamExt;
use serde::Deserialize;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

impl Store {
    /// What of a run's configuration and policy, by name, nobody has vouched for yet; nothing for a first run.
    pub async fn unvouched(&self, run: &Run) -> anyhow::Result<Vec<String>> {
        let row = sqlx::query(
            "SELECT vouched_fingerprint, vouched_decided_on FROM synchronizations WHERE account_id = $1 AND id = $2",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_optional(&self.read)
        .await?;
        let Some(row) = row else { return Ok(Vec::new()) };
        let fingerprint: Option<Fingerprint> = optional_json(row.try_get(0)?)?;
        let decided_on: Option<DecidedOn> = optional_json(row.try_get(1)?)?;
        let configuration = fingerprint.map(|before| before.configuration_differences(&run.fingerprint));
        let policy =
            decided_on.map(|before| before.policy.reading_differences(&run.policy, run.fingerprint.flavor()));
        Ok(configuration.into_iter().chain(policy).flatten().collect())
    }

    /// Users of the synchronization, active or disabled, but for those whose removal was carried out.
    pub async fn count_users(&self, run: &Run) -> anyhow::Result<u64> {
        let users: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM users u
             LEFT JOIN mirror m ON m.account_id = u.account_id AND m.synchronization_id = u.synchronization_id
                  AND m.kind = 'user' AND m.source_id = u.source_id
             WHERE u.account_id = $1 AND u.synchronization_id = $2 AND u.status <> 'deleted'
               AND NOT COALESCE(m.status = 'excluded' OR (m.present = 0 AND m.status = 'synced'), FALSE)",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_one(&self.read)
        .await?;
        Ok(u64::try_from(users)?)
    }

    /// Groups or org units of the synchronization that are not deleted.
    pub async fn count_units(&self, run: &Run, kind: Kind) -> anyhow::Result<u64> {
        let units: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM units
             WHERE account_id = $1 AND synchronization_id = $2 AND kind = $3 AND deleted_at IS NULL",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(kind.as_str())
        .fetch_one(&self.read)
        .await?;
        Ok(u64::try_from(units)?)
    }

    /// Groups of the synchronization that hold somebody or something.
    pub async fn count_groups_with_members(&self, run: &Run) -> anyhow::Result<u64> {
        let groups: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM units n
             WHERE n.account_id = $1 AND n.synchronization_id = $2 AND n.kind = 'group' AND n.deleted_at IS NULL
               AND EXISTS (SELECT 1 FROM members m WHERE m.account_id = $1 AND m.synchronization_id = $2
                           AND m.group_source_id = n.source_id AND m.applied = 1)",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_one(&self.read)
        .await?;
        Ok(u64::try_from(groups)?)
    }

    /// For each field (and `email`), how many users of the synchronization have a value.
    pub async fn count_valued_fields(&self, run: &Run) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        let mut rows = sqlx::query(
            "SELECT fields, email FROM users
             WHERE account_id = $1 AND synchronization_id = $2 AND status <> 'deleted'",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let fields: adc_core::record::Fields = serde_json::from_str(row.try_get(0)?)?;
            for name in fields.into_keys() {
                *counts.entry(name).or_default() += 1;
            }
            if row.try_get::<Option<&str>, _>(1)?.is_some() {
                *counts.entry("email".to_owned()).or_default() += 1;
            }
        }
        Ok(counts)
    }

    /// Users, groups and org units of the synchronization removed without approval within the last 24 hours.
    pub async fn removed_lately(&self, run: &Run, now: Millis) -> anyhow::Result<RemovedLately> {
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(removals), 0) AS BIGINT), CAST(COALESCE(SUM(group_removals), 0) AS BIGINT),
                 CAST(COALESCE(SUM(org_unit_removals), 0) AS BIGINT)
             FROM runs
             WHERE account_id = $1 AND synchronization_id = $2 AND state = 'applied' AND approved_at IS NULL
               AND finished_at > $3 AND id <> $4",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(now - REMOVAL_WINDOW_MS)
        .bind(&run.id)
        .fetch_one(&self.read)
        .await?;
        Ok(RemovedLately {
            users: u64::try_from(row.try_get::<i64, _>(0)?)?,
            groups: u64::try_from(row.try_get::<i64, _>(1)?)?,
            org_units: u64::try_from(row.try_get::<i64, _>(2)?)?,
        })
    }

    /// By attribute, how many people rules left out for it when that could be told last, of those who were there when last seen, and
    /// showed it.
    pub async fn count_left_out(&self, run: &Run) -> anyhow::Result<BTreeMap<String, u64>> {
        let rows = sqlx::query(
            "SELECT showing, record, COUNT(*) FROM (
                 SELECT left_out_showing AS showing, CASE WHEN left_out_showing IS NULL THEN record END AS record FROM mirror
                 WHERE account_id = $1 AND synchronization_id = $2 AND kind = 'user' AND present = 1
                   AND status <> 'synced' AND (left_out_showing IS NOT NULL OR status = 'excluded')
             ) left_out GROUP BY showing, record",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_all(&self.read)
        .await?;
        let mut counts = BTreeMap::new();
        for row in &rows {
            let people = u64::try_from(row.try_get::<i64, _>(2)?)?;
            let showing = showing(&run.policy, row.try_get(0)?, row.try_get(1)?)?;
            for (attribute, _) in showing.into_iter().filter(|(_, still)| *still) {
                *counts.entry(attribute).or_default() += people;
            }
        }
        Ok(counts)
    }

    /// How many people of the synchronization, there when last seen and left out by no rule, the directory marked as inactive when they
    /// were last synchronized: all of them, or those whose date of expiry has passed. Who was away, or left out, and is in conflict or
    /// waits since, is not among them ([`Self::last_marks`]).
    pub async fn count_locked_out(&self, run: &Run, expired_alone: bool, now: Millis) -> anyhow::Result<u64> {
        let locked_out: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM mirror
             WHERE account_id = $1 AND synchronization_id = $2 AND kind = 'user' AND present = 1
               AND active = 0 AND status <> 'excluded' AND left_out_as IS NULL AND ($3 = 0 OR expires_at <= $4)",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(i64::from(expired_alone))
        .bind(now)
        .fetch_one(&self.read)
        .await?;
        Ok(u64::try_from(locked_out)?)
    }

    /// Who of some people whom the directory marked no more marks them as inactive again.
    pub async fn locked_out_again(&self, run: &Run, people: &Admitted) -> anyhow::Result<BTreeSet<String>> {
        self.those(
            run,
            people,
            "SELECT source_id FROM mirror
             WHERE account_id = ? AND synchronization_id = ? AND kind = 'user' AND present = 1
               AND active = 0 AND status <> 'excluded' AND left_out_as IS NULL AND source_id",
        )
        .await
    }

    /// Who of some people whom rules let in was left out again since.
    pub async fn left_out_again(&self, run: &Run, people: &Admitted) -> anyhow::Result<BTreeSet<String>> {
        self.those(
            run,
            people,
            "SELECT source_id FROM mirror
             WHERE account_id = ? AND synchronization_id = ? AND kind = 'user' AND left_out_showing IS NOT NULL AND source_id",
        )
        .await
    }

    async fn those(
        &self,
        run: &Run,
        people: &Admitted,
        head: &'static str,
    ) -> anyhow::Result<BTreeSet<String>> {
        let people: Vec<&str> = people.people().collect();
        let of = [run.account_id.as_str(), &run.synchronization_id];
        let rows = bulk::select(&self.read, head, &of, &people).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?)
    }

    /// What was emptied of the synchronization, and who was let in or enabled, without approval within the last 24 hours.
    pub async fn emptied_lately(&self, run: &Run, now: Millis) -> anyhow::Result<Emptied> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT emptied FROM runs
             WHERE account_id = $1 AND synchronization_id = $2 AND state = 'applied' AND approved_at IS NULL
               AND finished_at > $3 AND id <> $4 AND emptied IS NOT NULL",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(now - REMOVAL_WINDOW_MS)
        .bind(&run.id)
        .fetch_all(&self.read)
        .await?;
        let mut emptied = Emptied::default();
        for row in rows {
            emptied.add(serde_json::from_str(&row)?);
        }
        Ok(emptied)
    }
}

/// [`LeftOut::showing`], as the mirror keeps it, or from the record of somebody whom an earlier version left out.
pub(super) fn showing(
    policy: &Policy,
    kept: Option<&str>,
    record: Option<&str>,
) -> anyhow::Result<BTreeMap<String, bool>> {
    /// What a record says of that.
    #[derive(Deserialize)]
    struct Told {
        excluded_by: Option<String>,
        shows: Option<BTreeSet<String>>,
    }
    if let Some(kept) = kept {
        return serde_json::from_str(kept).context("for what the mirror says that somebody was left out");
    }
    let Told { excluded_by, shows } =
        serde_json::from_str(record.unwrap_or("{}")).context("a record of the mirror")?;
    Ok(LeftOut::of(&shown(policy, shows, excluded_by.as_deref())).showing)
}
