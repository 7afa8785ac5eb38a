//! What a delta asks of the mirror: what it knows of the objects a change feed named, and who refers to them.

use super::{Expected, Origin, Run, Store, bulk, references::refers_only_to};
use adc_core::{
    dn::DnKey,
    policy::Policy,
    protocol::FullBecause,
    record::{Kind, Record},
    source_id::SourceId,
};
use anyhow::Context;
use futures_util::TryStreamExt;
use serde::{Deserialize, de::IgnoredAny};
use sqlx::{Row, sqlite::SqliteRow};
use std::collections::{BTreeMap, BTreeSet};

/// What the mirror knows of an object that was touched.
#[derive(Debug, Clone)]
pub struct Known {
    /// What it is, and the record it was seen with.
    pub expected: Expected,
    /// Where it was seen last.
    pub dn: String,
}

/// What refers to whatever the run found gone, back, new, or (where references are names) renamed or moved is joined by: the keys
/// of before and of now, also of what had been out of scope. Whoever is new may stand where somebody unseen stood, to whom references
/// led that the directory took back without a word. Few: SQLite is told to begin there (CROSS JOIN).
macro_rules! at_moved_places {
    ($select:literal) => {
        concat!(
            "WITH moved AS (
                 SELECT m.dn_key AS before, s.dn_key AS after
                 FROM staging.objects s
                 CROSS JOIN mirror m
                 WHERE s.run_id = $3 AND s.origin <> 'mirror' AND m.account_id = $1 AND m.synchronization_id = $2
                   AND m.kind = s.kind AND m.source_id = s.source_id
                   AND (s.outcome <> 'present' OR s.dn_key <> m.dn_key OR m.present = 0)
             ), newcomers AS (
                 SELECT s.dn_key FROM staging.objects s
                 WHERE s.run_id = $3 AND s.origin <> 'mirror' AND s.outcome = 'present'
                   AND NOT EXISTS (SELECT 1 FROM mirror m
                                   WHERE m.account_id = $1 AND m.synchronization_id = $2
                                     AND m.kind = s.kind AND m.source_id = s.source_id)
             ), places AS (SELECT before AS dn_key FROM moved UNION SELECT after FROM moved UNION SELECT dn_key FROM newcomers) ",
            $select
        )
    };
}

const PEOPLE_REFERRING: &str = at_moved_places!(
    "SELECT DISTINCT m.source_id, m.digest FROM places
     CROSS JOIN users u
     CROSS JOIN mirror m
     WHERE u.account_id = $1 AND u.synchronization_id = $2 AND u.manager_key = places.dn_key
       AND m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = 'user' AND m.source_id = u.source_id
       AND m.present = 1
     ORDER BY 1"
);

const GROUPS_REFERRING: &str = at_moved_places!(
    "SELECT DISTINCT m.source_id, m.digest FROM places
     CROSS JOIN members g
     CROSS JOIN mirror m
     WHERE g.account_id = $1 AND g.synchronization_id = $2 AND g.member_key = places.dn_key
       AND m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = 'group' AND m.source_id = g.group_source_id
       AND m.present = 1
     ORDER BY 1"
);

/// Whether something has another name than when it was seen last, where references are names.
const ANYTHING_MOVED: &str = "SELECT 1 FROM staging.objects s
     CROSS JOIN mirror m
     WHERE s.run_id = $3 AND s.origin <> 'mirror' AND s.outcome = 'present'
       AND m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = s.kind AND m.source_id = s.source_id
       AND m.present = 1 AND s.dn_key <> m.dn_key
     LIMIT 1";

/// References that lead nowhere: to what was never seen, by the name it had when the group or person was read.
const PEOPLE_DANGLING: &str = "SELECT m.source_id, m.digest FROM users u
     JOIN mirror m ON m.account_id = u.account_id AND m.synchronization_id = u.synchronization_id AND m.kind = 'user'
         AND m.source_id = u.source_id AND m.present = 1
     WHERE u.account_id = $1 AND u.synchronization_id = $2 AND u.manager_key IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM mirror x WHERE x.account_id = $1 AND x.synchronization_id = $2
                       AND x.dn_key = u.manager_key AND x.present = 1)
     ORDER BY 1";

/// Whoever is a member of many groups is looked for once: SQLite is told to begin with the members (CROSS JOIN).
const GROUPS_DANGLING: &str = "SELECT DISTINCT m.source_id, m.digest
     FROM (SELECT DISTINCT member_key FROM members WHERE account_id = $1 AND synchronization_id = $2) listed
     CROSS JOIN members g
     CROSS JOIN mirror m
     WHERE NOT EXISTS (SELECT 1 FROM mirror x WHERE x.account_id = $1 AND x.synchronization_id = $2
                       AND x.dn_key = listed.member_key AND x.present = 1)
       AND g.account_id = $1 AND g.synchronization_id = $2 AND g.member_key = listed.member_key
       AND m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = 'group' AND m.source_id = g.group_source_id
       AND m.present = 1
     ORDER BY 1";

/// Whoever was read or looked up, with the record of now and that of when they were seen last. They are few: SQLite is told to
/// begin there (CROSS JOIN).
const READ_AGAIN: &str = "SELECT s.dn, m.record, s.record FROM staging.objects s
     CROSS JOIN mirror m
     WHERE s.run_id = $3 AND s.outcome = 'present' AND s.origin = $4
       AND m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = s.kind AND m.source_id = s.source_id
       AND m.present = 1";

/// Groups that were read or looked up without any members and had some when they were seen last, not all of whom this run found
/// gone.
const EMPTIED_GROUPS: &str = "SELECT s.dn FROM staging.objects s
     CROSS JOIN mirror m
     WHERE s.run_id = $3 AND s.kind = 'group' AND s.outcome = 'present' AND s.origin = $4
       AND m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = s.kind AND m.source_id = s.source_id
       AND m.present = 1
       AND EXISTS (SELECT 1 FROM members g
                   WHERE g.account_id = $1 AND g.synchronization_id = $2 AND g.group_source_id = s.source_id AND g.seen = 1
                     AND NOT EXISTS (SELECT 1 FROM mirror x
                                     JOIN staging.objects o ON o.run_id = $3 AND o.kind = x.kind AND o.source_id = x.source_id
                                         AND o.outcome = 'gone'
                                     WHERE x.account_id = $1 AND x.synchronization_id = $2 AND x.dn_key = g.member_key))
       AND NOT EXISTS (SELECT 1 FROM staging.members p
                       WHERE p.run_id = $3 AND p.source_id = s.source_id AND p.members <> '[]')
     LIMIT 1";

/// Whom the run found gone, under the key and the name that others refer to them by. By the index of those who are absent, whose
/// condition SQLite has to be told.
const GONE: &str = "SELECT m.dn_key, m.dn FROM staging.objects s
     CROSS JOIN mirror m
     WHERE s.run_id = $3 AND s.outcome <> 'present' AND s.outcome = 'gone'
       AND m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = s.kind AND m.source_id = s.source_id";

impl Store {
    /// The name of one who was read, or looked up, and lacks a value, or all members, that were there when it was seen last.
    ///
    /// References to those whom the run found gone, and those members, are no loss: they went with them.
    ///
    /// Of people whom a rule leaves out nothing is sent; that rule was fit by what they show, unless it negates.
    pub async fn emptied_in_sight(&self, run: &Run, origin: Origin) -> anyhow::Result<Option<String>> {
        let gone = self.gone_in(run).await?;
        let mut rows = sqlx::query(READ_AGAIN)
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(&run.id)
            .bind(origin.as_str())
            .fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let (before, now) = (Having::of(row.try_get(1)?)?, Having::of(row.try_get(2)?)?);
            if !now.is_left_out_for_what_it_shows(&run.policy)
                && now.lacks_one_of(&before)
                && !now.lacks_only_what_went_with(&gone, row.try_get(1)?)?
            {
                return Ok(Some(row.try_get(0)?));
            }
        }
        drop(rows);
        Ok(sqlx::query_scalar(EMPTIED_GROUPS)
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(&run.id)
            .bind(origin.as_str())
            .fetch_optional(&self.read)
            .await?)
    }

    /// Whom the run found gone, by whatever others refer to them by.
    async fn gone_in(&self, run: &Run) -> anyhow::Result<BTreeSet<DnKey>> {
        let rows = sqlx::query(GONE)
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(&run.id)
            .fetch_all(&self.read)
            .await?;
        let mut gone = BTreeSet::new();
        for row in &rows {
            gone.insert(row.try_get::<&str, _>(0)?.parse().context("a key of the mirror")?);
            gone.insert(DnKey::of(row.try_get(1)?));
        }
        Ok(gone)
    }

    /// What the mirror knows under these source ids. One id may stand for objects of several kinds.
    pub async fn known(&self, run: &Run, source_ids: &[&str]) -> anyhow::Result<Vec<Known>> {
        let mut known = Vec::new();
        for kind in Kind::ALL {
            let rows = bulk::select(
                &self.read,
                "SELECT source_id, CASE WHEN present = 1 THEN digest END, dn FROM mirror
                 WHERE account_id = ? AND synchronization_id = ? AND kind = ? AND source_id",
                &[&run.account_id, &run.synchronization_id, kind.as_str()],
                source_ids,
            )
            .await?;
            for row in &rows {
                known.push(Known { expected: expected(kind, row)?, dn: row.try_get(2)? });
            }
        }
        Ok(known)
    }

    /// Whether anything was there, when it was last seen, whose identity could not be read.
    pub async fn has_stand_ins(&self, run: &Run) -> anyhow::Result<bool> {
        let [first, after] = SourceId::STAND_INS;
        for kind in Kind::ALL {
            let any = sqlx::query(
                "SELECT 1 FROM mirror
                 WHERE account_id = $1 AND synchronization_id = $2 AND kind = $3 AND source_id >= $4 AND source_id < $5
                   AND present = 1 LIMIT 1",
            )
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(kind.as_str())
            .bind(first)
            .bind(after);
            if any.fetch_optional(&self.read).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Objects that were absent when last seen, without their removal having been carried out: they are looked up again. In no
    /// order: asked for one, SQLite walks all that there are instead of the few that are absent.
    pub async fn absent_and_unsettled(&self, run: &Run) -> anyhow::Result<Vec<Expected>> {
        let rows = sqlx::query(
            "SELECT source_id, CASE WHEN present = 1 THEN digest END, kind FROM mirror
             WHERE account_id = $1 AND synchronization_id = $2 AND status <> 'synced' AND present = 0",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| expected(row.try_get::<&str, _>(2)?.parse()?, row)).collect()
    }

    /// The groups and people that refer to what a run found renamed, moved, gone or back: by the old place or the new.
    ///
    /// A directory that keeps references in step (`refint`, Active Directory) rewrites them without calling those who
    /// refer changed.
    ///
    /// `asked` holds the places whose referrers by a field were found before in this run, and takes up those of now.
    pub async fn referrers(&self, run: &Run, asked: &mut BTreeSet<DnKey>) -> anyhow::Result<Vec<Expected>> {
        let mut referrers = Vec::new();
        for (kind, sql) in [(Kind::User, PEOPLE_REFERRING), (Kind::Group, GROUPS_REFERRING)] {
            let rows = sqlx::query(sql)
                .bind(&run.account_id)
                .bind(&run.synchronization_id)
                .bind(&run.id)
                .fetch_all(&self.read)
                .await?;
            for row in &rows {
                referrers.push(expected(kind, row)?);
            }
        }
        referrers.extend(self.referring_in_records(run, asked).await?);
        Ok(referrers)
    }

    /// Whether something has another name than when it was seen last, where references are names.
    pub async fn has_anything_moved(&self, run: &Run) -> anyhow::Result<bool> {
        let moved = sqlx::query(ANYTHING_MOVED)
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(&run.id)
            .fetch_optional(&self.read)
            .await?;
        Ok(moved.is_some())
    }

    /// The groups and people with a reference that leads nowhere. Asked when something was touched that is not in scope, or moved: they
    /// may refer to it by another name, which was rewritten meanwhile, or to what is gone. OpenLDAP's `memberof-refint` renames
    /// nobody below an OU that was renamed, and adds the new name of whoever moves later to the groups that list an older one.
    pub async fn dangling(&self, run: &Run) -> anyhow::Result<Vec<Expected>> {
        let mut dangling = Vec::new();
        for (kind, sql) in [(Kind::User, PEOPLE_DANGLING), (Kind::Group, GROUPS_DANGLING)] {
            let rows = sqlx::query(sql)
                .bind(&run.account_id)
                .bind(&run.synchronization_id)
                .fetch_all(&self.read)
                .await?;
            for row in &rows {
                dangling.push(expected(kind, row)?);
            }
        }
        dangling.extend(self.dangling_in_records(run).await?);
        Ok(dangling)
    }

    /// Makes a delta full: what it sent so far is forgotten, and it begins again.
    pub async fn make_full(&self, run: &Run, because: FullBecause) -> anyhow::Result<()> {
        // In this order: a run that died in between is still a delta, of which nothing was sent, and which is not finished.
        self.forget_receipt(run).await?;
        self.clear_staging(&run.id).await?;
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE runs SET mode = 'full', full_because = $1
             WHERE account_id = $2 AND id = $3 AND state = 'running' AND mode = 'delta'",
        )
        .bind(super::runs::word(&because)?)
        .bind(&run.account_id)
        .bind(&run.id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Which values a record has, whatever they are.
#[derive(Deserialize)]
#[expect(clippy::zero_sized_map_values, reason = "JSON has them as a map, and no set is read of one")]
struct Having {
    #[serde(default)]
    email: Option<IgnoredAny>,
    #[serde(default)]
    fields: BTreeMap<String, IgnoredAny>,
    #[serde(default)]
    excluded_by: Option<String>,
}

impl Having {
    fn of(record: &str) -> anyhow::Result<Self> {
        serde_json::from_str(record).context("a record of the mirror or of staging")
    }

    /// Whether a rule leaves it out that cannot match for a value that is out of sight.
    fn is_left_out_for_what_it_shows(&self, policy: &Policy) -> bool {
        let rules = || policy.exclude.iter().filter(|rule| Some(&rule.name) == self.excluded_by.as_ref());
        rules().next().is_some() && !rules().any(|rule| rule.filter.negates())
    }

    /// Whether nothing is missing of `before` but references to those who are `gone`.
    fn lacks_only_what_went_with(&self, gone: &BTreeSet<DnKey>, before: &str) -> anyhow::Result<bool> {
        let before: Record = serde_json::from_str(before).context("a record of the mirror")?;
        let mut lost = before.fields.keys().filter(|name| !self.fields.contains_key(*name));
        let kept_email = before.email.is_none() || self.email.is_some();
        Ok(kept_email && lost.all(|name| refers_only_to(gone, &before, name)))
    }

    /// Whether one is missing that `before` had.
    fn lacks_one_of(&self, before: &Self) -> bool {
        let lacks_email = before.email.is_some() && self.email.is_none();
        lacks_email || before.fields.keys().any(|name| !self.fields.contains_key(name))
    }
}

fn expected(kind: Kind, row: &SqliteRow) -> anyhow::Result<Expected> {
    let digest: Option<&str> = row.try_get(1)?;
    Ok(Expected {
        kind,
        source_id: row.try_get(0)?,
        digest: digest.map(str::parse).transpose().context("a digest of the mirror")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{GROUPS_DANGLING, GROUPS_REFERRING, Having, PEOPLE_REFERRING, Row, SqliteRow, Store};

    #[tokio::test]
    async fn whoever_came_or_went_had_all_memberships_walked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("adc.db").display());
        let store = Store::open(&url, None).await.expect("a database");
        for (sql, step) in [
            (PEOPLE_REFERRING, "SEARCH u USING INDEX users_by_manager"),
            (GROUPS_REFERRING, "SEARCH g USING COVERING INDEX members_by_member"),
        ] {
            let plan = plan_of(&store, sql).await;
            assert!(plan.iter().any(|taken| taken.starts_with(step)), "{plan:#?}");
        }
    }

    #[tokio::test]
    async fn whoever_is_in_many_groups_was_looked_for_once_for_each() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("adc.db").display());
        let store = Store::open(&url, None).await.expect("a database");
        let plan = plan_of(&store, GROUPS_DANGLING).await;
        let at = |step: &str| plan.iter().position(|taken| taken.starts_with(step));
        let (listed, groups) = (at("SCAN listed"), at("SEARCH g USING COVERING INDEX members_by_member"));
        assert!(listed.is_some() && listed < groups, "{plan:#?}");
        assert!(at("SEARCH x USING INDEX mirror_by_place") < groups, "{plan:#?}");
    }

    async fn plan_of(store: &Store, sql: &str) -> Vec<String> {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = sqlx::query(explain).fetch_all(&store.read).await.expect("a plan");
        rows.iter().map(|row: &SqliteRow| row.get("detail")).collect()
    }

    #[test]
    fn a_value_that_was_there_is_missed() {
        let lacks =
            |before, now| Having::of(now).expect("reads").lacks_one_of(&Having::of(before).expect("reads"));
        let jane = r#"{"kind":"user","email":"j@lg","fields":{"title":"CTO","t\"x":["a"]}}"#;
        assert!(!lacks(jane, jane));
        assert!(
            !lacks(jane, r#"{"email":"k@lg","fields":{"t\"x":"b","title":"CEO","more":"x"}}"#),
            "others are no loss"
        );
        assert!(!lacks("{}", jane));
        assert!(lacks(jane, r#"{"email":null,"fields":{"title":"CTO","t\"x":["a"]}}"#));
        assert!(lacks(jane, r#"{"fields":{"title":"CTO","t\"x":["a"]}}"#));
        assert!(lacks(jane, r#"{"email":"j@lg","fields":{"title":"CTO"}}"#));
    }
}
