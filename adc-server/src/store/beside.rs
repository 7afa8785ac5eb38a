//! Who stands beside those whom a delta found missing, and was not touched by it.

use super::{Expected, Outcome, Run, Store};
use adc_core::{dn::DnKey, record::Kind};
use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::Row;
use std::ops::ControlFlow;

/// Those who were there when last seen: whoever was put off then was asked about then. Few are looked up: SQLite is told to begin
/// there (CROSS JOIN).
const LOOKED_UP: &str = "SELECT s.source_id, s.outcome, m.dn
     FROM (SELECT kind, source_id, outcome FROM staging.objects WHERE run_id = $3 AND kind = $4 AND origin = 'confirm'
           UNION ALL
           SELECT kind, source_id, 'present' FROM staging.unchanged WHERE run_id = $3 AND kind = $4) s
     CROSS JOIN mirror m
     WHERE m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = s.kind AND m.source_id = s.source_id AND m.present = 1
     ORDER BY 1";

macro_rules! not_looked_at {
    ($from:literal) => {
        concat!(
            "SELECT m.source_id, m.digest FROM mirror m
             WHERE m.account_id = $1 AND m.synchronization_id = $2 AND m.container_key = $6 AND m.source_id ",
            $from,
            " $5 AND m.kind = $3 AND m.present = 1 AND m.status <> 'excluded'
               AND NOT EXISTS (SELECT 1 FROM staging.objects s
                               WHERE s.run_id = $4 AND s.kind = m.kind AND s.source_id = m.source_id)
             ORDER BY m.source_id"
        )
    };
}

/// In the order of ids, those behind one and those before it.
const BEHIND_AND_BEFORE: [&str; 2] = [not_looked_at!(">"), not_looked_at!("<")];

/// An object that was looked up.
#[derive(Debug, Clone)]
pub struct LookedUp {
    /// Which it is.
    pub source_id: String,
    /// Whether it was found, in scope.
    pub found: bool,
    /// Where it was seen last.
    pub dn: String,
}

impl Store {
    /// Those of a kind who were there when last seen and were looked up in a run, in the order of ids.
    pub async fn looked_up(&self, run: &Run, kind: Kind) -> anyhow::Result<Vec<LookedUp>> {
        let rows = sqlx::query(LOOKED_UP)
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(&run.id)
            .bind(kind.as_str())
            .fetch_all(&self.read)
            .await?;
        let looked_up = rows.iter().map(|row| {
            Ok(LookedUp {
                source_id: row.try_get(0)?,
                found: Outcome::from_word(row.try_get(1)?)? == Outcome::Present,
                dn: row.try_get(2)?,
            })
        });
        looked_up.collect()
    }

    /// Calls `each` with those of a kind in a container who were there when last seen, whom no rule leaves out, and of whom the run
    /// has staged nothing: from an id on, and around. Breaks off when it does.
    pub async fn untouched(
        &self,
        run: &Run,
        kind: Kind,
        container: DnKey,
        from: &str,
        mut each: impl FnMut(Expected) -> ControlFlow<()>,
    ) -> anyhow::Result<ControlFlow<()>> {
        for sql in BEHIND_AND_BEFORE {
            let mut rows = sqlx::query(sql)
                .bind(&run.account_id)
                .bind(&run.synchronization_id)
                .bind(kind.as_str())
                .bind(&run.id)
                .bind(from)
                .bind(container.to_string())
                .fetch(&self.read);
            while let Some(row) = rows.try_next().await? {
                let digest = row.try_get::<&str, _>(1)?.parse().context("a digest of the mirror")?;
                let one = Expected { kind, source_id: row.try_get(0)?, digest: Some(digest) };
                if each(one).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
