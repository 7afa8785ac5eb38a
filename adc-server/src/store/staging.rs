//! What runs have sent and nobody sees yet.

mod object;
mod tables;

pub use object::{Origin, Outcome, StagedObject};
pub(super) use tables::make_tables;

use super::{LeftOut, Run, Store, bulk, container_keys::container_key};
use adc_core::{
    protocol::{Accepted, MembersPart},
    record::{Digest, Kind},
};
use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::Row;
use std::collections::BTreeSet;
use tables::TABLES;

/// Which numbering a batch belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// `…/digests`
    Digests,
    /// `…/records`
    Records,
    /// `…/touched`
    Touched,
}

impl Channel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Digests => "digests",
            Self::Records => "records",
            Self::Touched => "touched",
        }
    }
}

/// A batch that was answered before.
#[derive(Debug)]
pub enum Earlier<T> {
    /// The very same: this was the answer.
    Same(T),
    /// The same number with another content.
    Different,
}

/// Why records could not be staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The object at this place of the batch shares its source id with another one.
    #[error("the source id of object {0} came twice in one batch; two objects cannot share an identity")]
    Duplicate(usize),
    /// The database failed.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Store {
    /// The answer given to a batch before, if it came before.
    pub async fn earlier_batch<T: DeserializeOwned>(
        &self,
        run_id: &str,
        channel: Channel,
        seq: u32,
        body: Digest,
    ) -> anyhow::Result<Option<Earlier<T>>> {
        let row = sqlx::query(
            "SELECT body_digest, answer FROM staging.batches WHERE run_id = $1 AND channel = $2 AND seq = $3",
        )
        .bind(run_id)
        .bind(channel.as_str())
        .bind(i64::from(seq))
        .fetch_optional(&self.read)
        .await?;
        row.map(|row| {
            Ok(if row.try_get::<String, _>("body_digest")? == body.to_string() {
                Earlier::Same(serde_json::from_str(&row.try_get::<String, _>("answer")?)?)
            } else {
                Earlier::Different
            })
        })
        .transpose()
    }

    /// Keeps a batch that names objects, to be replayed after a restart, and its answer.
    pub async fn stage_names(
        &self,
        run_id: &str,
        channel: Channel,
        seq: u32,
        body: Digest,
        batch: &impl Serialize,
        answer: &impl Serialize,
    ) -> anyhow::Result<()> {
        let mut tx = self.begin_staging().await?;
        let kept = serde_json::to_string(batch)?;
        keep_batch(&mut tx, run_id, channel, seq, body, Some(kept), answer).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Stages a record batch: all of it or nothing.
    pub async fn stage_records(
        &self,
        run_id: &str,
        seq: u32,
        body: Digest,
        objects: &[StagedObject],
        members: &[MembersPart],
    ) -> Result<Accepted, StageError> {
        let answer = Accepted { seq };
        let mut tx = self.begin_staging().await.context("staging")?;
        insert_objects(&mut tx, run_id, objects).await.map_err(|error| duplicate_or(error, objects))?;
        insert_members(&mut tx, run_id, members).await.context("staging members")?;
        keep_batch(&mut tx, run_id, Channel::Records, seq, body, None, &answer).await?;
        tx.commit().await.context("staging")?;
        Ok(answer)
    }

    /// Stages what look-ups found. What was staged before stays as it is, so that an answer may come twice; but what turned out not to be
    /// there is there no more. Of what is `unchanged` it is noted that it was found.
    pub async fn stage_look_ups(
        &self,
        run_id: &str,
        objects: &[StagedObject],
        members: &[MembersPart],
        unchanged: &[(Kind, String)],
        containers: &[(String, bool)],
    ) -> anyhow::Result<()> {
        let mut tx = self.begin_staging().await?;
        for (kind, source_id) in unchanged {
            sqlx::query(
                "INSERT INTO staging.unchanged (run_id, kind, source_id) VALUES ($1, $2, $3)
                 ON CONFLICT (run_id, kind, source_id) DO NOTHING",
            )
            .bind(run_id)
            .bind(kind.as_str())
            .bind(source_id)
            .execute(&mut *tx)
            .await?;
        }
        for object in objects {
            let before: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM staging.objects WHERE run_id = $1 AND kind = $2 AND source_id = $3",
            )
            .bind(run_id)
            .bind(object.kind.as_str())
            .bind(&object.source_id)
            .fetch_one(&mut *tx)
            .await?;
            if before == 0 {
                insert_objects(&mut tx, run_id, std::slice::from_ref(object)).await?;
                let parts: Vec<_> =
                    members.iter().filter(|part| part.source_id == object.source_id).cloned().collect();
                insert_members(&mut tx, run_id, &parts).await?;
            } else if let Outcome::Absent(_) = object.outcome {
                sqlx::query(
                    "UPDATE staging.objects SET outcome = $4 WHERE run_id = $1 AND kind = $2 AND source_id = $3",
                )
                .bind(run_id)
                .bind(object.kind.as_str())
                .bind(&object.source_id)
                .bind(object.outcome.as_str())
                .execute(&mut *tx)
                .await?;
            }
        }
        for (dn, exists) in containers {
            sqlx::query(
                "INSERT INTO staging.containers (run_id, dn, is_there) VALUES ($1, $2, $3)
                 ON CONFLICT (run_id, dn) DO NOTHING",
            )
            .bind(run_id)
            .bind(dn)
            .bind(i64::from(*exists))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Notes for what people are left out, or were, beside that which their staged records tell.
    pub async fn stage_left_out(&self, run: &Run, people: &[(String, LeftOut)]) -> anyhow::Result<()> {
        if people.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin_staging().await?;
        for (source_id, left_out) in people {
            sqlx::query(
                "UPDATE staging.objects SET left_out_showing = $3 WHERE run_id = $1 AND kind = 'user' AND source_id = $2",
            )
            .bind(&run.id)
            .bind(source_id)
            .bind(left_out.to_text())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The numbers of the batches that came.
    pub async fn batch_numbers(&self, run_id: &str, channel: Channel) -> anyhow::Result<Vec<u32>> {
        let numbers: Vec<i64> = sqlx::query_scalar(
            "SELECT seq FROM staging.batches WHERE run_id = $1 AND channel = $2 ORDER BY seq",
        )
        .bind(run_id)
        .bind(channel.as_str())
        .fetch_all(&self.read)
        .await?;
        numbers.into_iter().map(|seq| u32::try_from(seq).context("a batch number")).collect()
    }

    /// The batches that came and name objects, to be replayed after a restart.
    pub async fn named<T: DeserializeOwned>(&self, run_id: &str, channel: Channel) -> anyhow::Result<Vec<T>> {
        let bodies: Vec<String> = sqlx::query_scalar(
            "SELECT body FROM staging.batches WHERE run_id = $1 AND channel = $2 ORDER BY seq",
        )
        .bind(run_id)
        .bind(channel.as_str())
        .fetch_all(&self.read)
        .await?;
        bodies.iter().map(|body| serde_json::from_str(body).context("a staged batch")).collect()
    }

    /// What was staged, by kind and source id.
    pub async fn staged_ids(&self, run_id: &str) -> anyhow::Result<Vec<(Kind, String)>> {
        let rows = sqlx::query("SELECT kind, source_id FROM staging.objects WHERE run_id = $1")
            .bind(run_id)
            .fetch_all(&self.read)
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get::<String, _>("kind")?.parse()?, row.try_get("source_id")?)))
            .collect()
    }

    /// What look-ups found unchanged, by kind and source id.
    pub async fn unchanged_ids(&self, run_id: &str) -> anyhow::Result<Vec<(Kind, String)>> {
        let rows = sqlx::query("SELECT kind, source_id FROM staging.unchanged WHERE run_id = $1")
            .bind(run_id)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|row| Ok((row.try_get::<&str, _>(0)?.parse()?, row.try_get(1)?))).collect()
    }

    /// The DNs of what was looked up by id and not found, in order. The index of the absent wants `<> 'present'` said, and no order.
    pub async fn gone(&self, run_id: &str) -> anyhow::Result<Vec<String>> {
        let mut dns: Vec<String> = sqlx::query_scalar(
            "SELECT dn FROM staging.objects
             WHERE run_id = $1 AND outcome <> 'present' AND outcome = 'gone' AND kind <> 'org_unit'",
        )
        .bind(run_id)
        .fetch_all(&self.read)
        .await?;
        dns.sort_unstable();
        Ok(dns)
    }

    /// Whether the absence of anything was proved.
    pub(super) async fn anything_absent(tx: &mut super::Tx, run_id: &str) -> sqlx::Result<bool> {
        sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM staging.objects
             WHERE run_id = $1 AND outcome <> 'present' AND outcome IN ('gone', 'out-of-scope')",
        )
        .bind(run_id)
        .fetch_one(&mut **tx)
        .await
        .map(|absent| absent > 0)
    }

    /// The containers that were asked about, and whether they exist.
    pub async fn containers(&self, run_id: &str) -> anyhow::Result<Vec<(String, bool)>> {
        let rows = sqlx::query("SELECT dn, is_there FROM staging.containers WHERE run_id = $1 ORDER BY dn")
            .bind(run_id)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|row| Ok((row.try_get("dn")?, row.try_get::<i64, _>("is_there")? != 0))).collect()
    }

    /// Forgets what a run has sent.
    pub async fn clear_staging(&self, run_id: &str) -> anyhow::Result<()> {
        let mut tx = self.begin_staging().await?;
        for table in TABLES {
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM staging.{table} WHERE run_id = $1")))
                .bind(run_id)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Forgets what ended runs have sent: what a crash left behind.
    pub async fn clear_stale_staging(&self) -> anyhow::Result<()> {
        let stale: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT b.run_id FROM (SELECT run_id FROM staging.batches UNION SELECT run_id FROM staging.objects
                                    UNION SELECT run_id FROM staging.outcomes) b
             WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = b.run_id AND r.state IN ('running', 'held'))",
        )
        .fetch_all(&self.read)
        .await?;
        for run_id in stale {
            self.clear_staging(&run_id).await?;
        }
        Ok(())
    }
}

async fn keep_batch(
    tx: &mut super::Tx,
    run_id: &str,
    channel: Channel,
    seq: u32,
    body_digest: Digest,
    body: Option<String>,
    answer: &impl Serialize,
) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO staging.batches (run_id, channel, seq, body_digest, body, answer) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(run_id)
    .bind(channel.as_str())
    .bind(i64::from(seq))
    .bind(body_digest.to_string())
    .bind(body)
    .bind(serde_json::to_string(answer)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert_objects(tx: &mut super::Tx, run_id: &str, objects: &[StagedObject]) -> sqlx::Result<()> {
    bulk::insert(
        &mut *tx,
        "INSERT INTO staging.objects
             (run_id, kind, source_id, outcome, origin, digest, dn, dn_key, container_key, name_key, active, expires_at,
              record, left_out_showing)",
        14,
        "",
        objects,
        |query, object| {
            query
                .bind(run_id)
                .bind(object.kind.as_str())
                .bind(object.source_id.as_str())
                .bind(object.outcome.as_str())
                .bind(object.origin.as_str())
                .bind(object.digest.to_string())
                .bind(object.dn.as_str())
                .bind(object.dn_key.to_string())
                .bind(container_key(&object.dn))
                .bind(object.name_key.as_deref())
                .bind(i64::from(object.active))
                .bind(object.expires_at)
                .bind(object.record.as_str())
                .bind(object.left_out_showing.as_deref())
        },
    )
    .await?;
    let claims: Vec<_> = objects
        .iter()
        .flat_map(|object| object.unique.iter().map(move |(field, value)| (&object.source_id, field, value)))
        .collect();
    bulk::insert(
        &mut *tx,
        "INSERT INTO staging.claims (run_id, source_id, field, value_key)",
        4,
        "",
        &claims,
        |query, (source_id, field, value)| {
            query.bind(run_id).bind(source_id.as_str()).bind(field.as_str()).bind(value.as_str())
        },
    )
    .await
}

/// Parts come again where a look-up is asked for again, after a restart in its midst: what was read last counts. Whether parts and
/// record belong together is for the planner to see.
async fn insert_members(tx: &mut super::Tx, run_id: &str, parts: &[MembersPart]) -> anyhow::Result<()> {
    const INSERT: &str =
        "INSERT INTO staging.members (run_id, source_id, part, members) VALUES ($1, $2, $3, $4)
         ON CONFLICT (run_id, source_id, part) DO UPDATE SET members = excluded.members";
    for part in parts {
        sqlx::query(INSERT)
            .bind(run_id)
            .bind(&part.source_id)
            .bind(i64::from(part.part))
            .bind(serde_json::to_string(&part.members)?)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

fn duplicate_or(error: sqlx::Error, objects: &[StagedObject]) -> StageError {
    let violated = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if !violated {
        return StageError::Other(error.into());
    }
    let mut before = BTreeSet::new();
    match objects.iter().position(|object| !before.insert((object.kind, &object.source_id))) {
        Some(index) => StageError::Duplicate(index),
        None => StageError::Other(error.into()),
    }
}
