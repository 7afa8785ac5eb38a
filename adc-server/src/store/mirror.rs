//! What was last seen of the directory, and what became of it.

use super::{Run, Store};
use crate::clock::Millis;
use adc_core::{
    dn::DnKey,
    protocol::Doubt,
    reason::Reason,
    record::{Digest, Kind, Problem},
};
use anyhow::Context;
use futures_util::TryStreamExt;
use serde::Deserialize;
use sqlx::Row;

/// An object of the mirror that a full run expects to see, or must prove gone.
#[derive(Debug, Clone)]
pub struct Expected {
    /// What it is.
    pub kind: Kind,
    /// Which it is.
    pub source_id: String,
    /// The digest of its record; `None` where it was absent, so that it is read again when it returns.
    pub digest: Option<Digest>,
}

/// Where an object of the mirror was seen last.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// Its name there.
    pub dn: String,
    /// What references to it are joined with it by.
    pub dn_key: DnKey,
}

impl Whereabouts {
    /// Where nothing of the mirror is.
    pub fn unknown() -> Self {
        Self { dn: String::new(), dn_key: DnKey::of("") }
    }

    /// The same object under another name: who referred to it by GUID still does.
    #[must_use]
    pub fn moved_to(self, dn: String) -> Self {
        let by_name = self.dn_key == DnKey::of(&self.dn);
        Self { dn_key: if by_name { DnKey::of(&dn) } else { self.dn_key }, dn }
    }
}

/// All that a look-up must know of a record.
#[derive(Deserialize)]
struct Spelling {
    source_id_as_read: Option<String>,
}

/// All that must be known of the record of whoever was looked up.
#[derive(Deserialize)]
struct Trouble {
    problem: Option<Problem>,
}

impl Store {
    /// Whether nothing of the synchronization was ever seen.
    pub async fn mirror_is_empty(&self, account_id: &str, synchronization_id: &str) -> anyhow::Result<bool> {
        let any: Option<i64> = sqlx::query_scalar(
            "SELECT CAST(1 AS BIGINT) FROM mirror WHERE account_id = $1 AND synchronization_id = $2 LIMIT 1",
        )
        .bind(account_id)
        .bind(synchronization_id)
        .fetch_optional(&self.read)
        .await?;
        Ok(any.is_none())
    }

    /// Calls `each` with every object that is present, or absent without its removal having been carried out.
    pub async fn expected(&self, run: &Run, mut each: impl FnMut(Expected)) -> anyhow::Result<()> {
        // One column less, for each kind apart: of a hundred thousand rows, each costs a tenth of a second.
        for kind in Kind::ALL {
            let mut rows = sqlx::query(
                "SELECT source_id, CASE WHEN present = 1 THEN digest END FROM mirror
                 WHERE account_id = $1 AND synchronization_id = $2 AND kind = $3 AND (present = 1 OR status <> 'synced')",
            )
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(kind.as_str())
            .fetch(&self.read);
            while let Some(row) = rows.try_next().await? {
                let digest: Option<&str> = row.try_get(1)?;
                each(Expected {
                    kind,
                    source_id: row.try_get(0)?,
                    digest: digest.map(str::parse).transpose().context("a digest of the mirror")?,
                });
            }
        }
        Ok(())
    }

    /// Where the given objects were seen last, and with which records, if they are in the mirror.
    pub async fn doubts(&self, run: &Run, objects: &[(Kind, String)]) -> anyhow::Result<Vec<Doubt>> {
        let mut doubts = Vec::with_capacity(objects.len());
        for (kind, source_id) in objects {
            let row = sqlx::query(
                "SELECT dn, CASE WHEN present = 1 THEN digest END, record FROM mirror
                 WHERE account_id = $1 AND synchronization_id = $2 AND kind = $3 AND source_id = $4",
            )
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(kind.as_str())
            .bind(source_id)
            .fetch_optional(&self.read)
            .await?;
            if let Some(row) = row {
                let digest: Option<&str> = row.try_get(1)?;
                let digest = digest.map(str::parse).transpose().context("a digest of the mirror")?;
                let Spelling { source_id_as_read } =
                    serde_json::from_str(row.try_get(2)?).context("a record of the mirror")?;
                let (kind, source_id, dn) = (*kind, source_id.clone(), row.try_get(0)?);
                doubts.push(Doubt { kind, source_id, source_id_as_read, dn, digest });
            }
        }
        Ok(doubts)
    }

    /// Where an object was seen last; `None` where the mirror does not know it.
    pub async fn place(&self, run: &Run, kind: Kind, source_id: &str) -> anyhow::Result<Option<Whereabouts>> {
        let row = sqlx::query(
            "SELECT dn, dn_key FROM mirror
             WHERE account_id = $1 AND synchronization_id = $2 AND kind = $3 AND source_id = $4",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(kind.as_str())
        .bind(source_id)
        .fetch_optional(&self.read)
        .await?;
        row.map(|row| Ok(Whereabouts { dn: row.try_get(0)?, dn_key: row.try_get::<&str, _>(1)?.parse()? }))
            .transpose()
    }

    /// Where a run has seen an object: as its record says, or, if it was not sent for being unchanged, the mirror.
    pub async fn seen_at(&self, run: &Run, kind: Kind, source_id: &str) -> anyhow::Result<Option<String>> {
        Ok(sqlx::query_scalar(
            "SELECT COALESCE(
                 (SELECT dn FROM staging.objects WHERE run_id = $5 AND kind = $3 AND source_id = $4),
                 (SELECT dn FROM mirror
                  WHERE account_id = $1 AND synchronization_id = $2 AND kind = $3 AND source_id = $4))",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(kind.as_str())
        .bind(source_id)
        .bind(&run.id)
        .fetch_one(&self.read)
        .await?)
    }

    /// Objects of a kind that were there when last seen.
    pub async fn present_in_mirror(&self, run: &Run, kind: Kind) -> anyhow::Result<u64> {
        let present: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM mirror
             WHERE account_id = $1 AND synchronization_id = $2 AND kind = $3 AND present = 1",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(kind.as_str())
        .fetch_one(&self.read)
        .await?;
        Ok(u64::try_from(present)?)
    }

    /// How many of a kind look-ups found in the container in which they were when last seen, with their identities in sight.
    pub async fn overlooked(&self, run: &Run, kind: Kind) -> anyhow::Result<u64> {
        let unchanged: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM staging.unchanged WHERE run_id = $1 AND kind = $2")
                .bind(&run.id)
                .bind(kind.as_str())
                .fetch_one(&self.read)
                .await?;
        let mut overlooked = u64::try_from(unchanged)?;
        let mut rows = sqlx::query(
            "SELECT s.record FROM staging.objects s
             CROSS JOIN mirror m
             WHERE s.run_id = $1 AND s.kind = $2 AND s.origin = 'confirm' AND s.outcome = 'present'
               AND m.account_id = $3 AND m.synchronization_id = $4 AND m.kind = s.kind AND m.source_id = s.source_id
               AND m.present = 1 AND m.container_key = s.container_key",
        )
        .bind(&run.id)
        .bind(kind.as_str())
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let Trouble { problem } = serde_json::from_str(row.try_get(0)?).context("a staged record")?;
            // The read may well have shown it, as a stranger.
            let hidden = problem.is_some_and(|problem| {
                matches!(problem.reason, Reason::MissingSourceId | Reason::ClassHidden)
            });
            overlooked += u64::from(!hidden);
        }
        Ok(overlooked)
    }

    /// Objects of every kind that were there when last seen.
    pub async fn objects_in_mirror(&self, run: &Run) -> anyhow::Result<u64> {
        let objects: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM mirror WHERE account_id = $1 AND synchronization_id = $2 AND present = 1",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_one(&self.read)
        .await?;
        Ok(u64::try_from(objects)?)
    }

    /// Stages what was not touched but must be planned again: what waits for a switch or for mended data, whose expiry
    /// has passed, or, when the settings or the policy changed, everything. Each has an index of its own, and most runs find
    /// next to nothing: CROSS JOIN tells SQLite to begin there.
    ///
    /// Excluded objects wait for a change of their record or of the policy, which are seen anyway. Absent objects do
    /// not come from here: their absence is proved again first.
    pub async fn stage_unsettled(&self, run: &Run, everything: bool, now: Millis) -> anyhow::Result<()> {
        let mut tx = self.begin_staging().await?;
        sqlx::query(
            "INSERT INTO staging.objects
                 (run_id, kind, source_id, outcome, origin, digest, dn, dn_key, container_key, name_key, active, expires_at,
                  record)
             SELECT $1, m.kind, m.source_id, 'present', 'mirror', m.digest, m.dn, m.dn_key, m.container_key, m.name_key, 1,
                    m.expires_at, m.record
             FROM (SELECT kind, source_id FROM mirror
                   WHERE account_id = $2 AND synchronization_id = $3
                     AND status <> 'synced' AND status IN ('pending', 'conflict')
                   UNION
                   SELECT kind, source_id FROM mirror
                   WHERE account_id = $2 AND synchronization_id = $3 AND expires_at IS NOT NULL AND expires_at <= $4
                   UNION
                   SELECT kind, source_id FROM mirror
                   WHERE account_id = $2 AND synchronization_id = $3 AND $5 = 1) unsettled
             CROSS JOIN mirror m
             WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = unsettled.kind
               AND m.source_id = unsettled.source_id AND m.present = 1
               AND NOT EXISTS (SELECT 1 FROM staging.objects s
                               WHERE s.run_id = $1 AND s.kind = m.kind AND s.source_id = m.source_id)",
        )
        .bind(&run.id)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(now)
        .bind(i64::from(everything))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
