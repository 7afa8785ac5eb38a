//! Who holds the values of unique fields that others claim.

use super::user;
use crate::store::{Run, Store};
use adc_core::{
    plan::{Provider, User},
    record::Digest,
    text,
};
use futures_util::TryStreamExt;
use sqlx::Row;
use std::collections::BTreeMap;

/// Who claims a value: one object, by its source id, or several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claimed {
    By(Digest),
    BySeveral,
}

#[expect(
    clippy::disallowed_types,
    reason = "never iterated; a first import claims as many values as there are people"
)]
type Claims = std::collections::HashMap<Digest, Claimed>;

impl Store {
    /// The users of the synchronization, not deleted, who hold a value of a unique field that another object to be planned
    /// claims, by the value.
    ///
    /// Whoever was seen, is in step and not touched holds what they claim, and is found among the rivals. So these are users
    /// whose objects are planned, left, or wait for something.
    pub async fn holders_of_values(
        &self,
        run: &Run,
        field: &str,
    ) -> anyhow::Result<BTreeMap<String, Vec<User>>> {
        let claims = self.claimed_values(run, field).await?;
        let mut holders: BTreeMap<String, Vec<User>> = BTreeMap::new();
        if claims.is_empty() {
            return Ok(holders);
        }
        let mut users = sqlx::query(
            "SELECT u.* FROM (SELECT source_id FROM staging.objects WHERE run_id = $3 AND kind = 'user'
                              UNION
                              SELECT source_id FROM mirror
                              WHERE account_id = $1 AND synchronization_id = $2 AND kind = 'user' AND present = 0
                              UNION
                              SELECT source_id FROM mirror
                              WHERE account_id = $1 AND synchronization_id = $2 AND kind = 'user'
                                AND status <> 'synced'
                                AND status IN ('pending', 'conflict', 'excluded', 'desynced', 'pinned')) concerned
             CROSS JOIN users u
             WHERE u.account_id = $1 AND u.synchronization_id = $2 AND u.source_id = concerned.source_id
               AND u.status <> 'deleted'
             ORDER BY u.id",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(&run.id)
        .fetch(&self.read);
        while let Some(row) = users.try_next().await? {
            let user = user(&row)?;
            let Some(key) = user.value_of(field).map(|value| text::key(&value).into_owned()) else {
                continue;
            };
            let Provider::Directory { source_id, .. } = &user.provider else { continue };
            let own = Claimed::By(Digest::of(source_id.as_bytes()));
            if claims.get(&Digest::of(key.as_bytes())).is_some_and(|claimed| *claimed != own) {
                holders.entry(key).or_default().push(user);
            }
        }
        Ok(holders)
    }

    /// The values that the objects to be planned claim.
    async fn claimed_values(&self, run: &Run, field: &str) -> anyhow::Result<Claims> {
        let mut claims = Claims::new();
        let mut rows = sqlx::query(
            "SELECT source_id, value_key FROM staging.claims WHERE run_id = $1 AND field = $2
             UNION ALL
             SELECT c.source_id, c.value_key FROM staging.objects s
             JOIN claims c ON c.account_id = $3 AND c.synchronization_id = $4 AND c.source_id = s.source_id AND c.field = $2
             WHERE s.run_id = $1 AND s.kind = 'user' AND s.origin = 'mirror'",
        )
        .bind(&run.id)
        .bind(field)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let by = Claimed::By(Digest::of(row.try_get::<&str, _>(0)?.as_bytes()));
            let claimed = claims.entry(Digest::of(row.try_get::<&str, _>(1)?.as_bytes())).or_insert(by);
            if *claimed != by {
                *claimed = Claimed::BySeveral;
            }
        }
        Ok(claims)
    }
}
