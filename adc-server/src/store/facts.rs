//! What a plan must know of each staged object, supplied in chunks by ranges of source ids.

mod guards;
mod holdings;
mod places;
mod taken_over;
mod unidentified;

pub use unidentified::{Turns, Unidentified};

use super::{Outcome, Run, Store, bulk::Bound};
use adc_core::{
    mapping::looked_for_by,
    plan::{ObjectStatus, Provider, Remembered, StatusBy, Unit, User, UserStatus},
    policy::Policy,
    record::{Digest, GroupKind, Kind, Record},
};
use anyhow::{Context, bail};
use futures_util::TryStreamExt;
use serde::Deserialize;
use sqlx::{Row, sqlite::SqliteRow};
use std::collections::{BTreeMap, BTreeSet};

/// An object to be planned.
#[derive(Debug)]
pub struct Planned {
    /// Which it is.
    pub source_id: String,
    /// Found, or how its absence was proved.
    pub outcome: Outcome,
    /// Whether the run touched it, or it is only planned again.
    pub touched: bool,
    /// Where it stands.
    pub dn: String,
    /// The user name it claims.
    pub name_key: Option<String>,
    /// The record; `None` where it is absent.
    pub record: Option<Record>,
}

/// A chunk of the objects to be planned: those of one kind in a range of source ids. In a delta few lie in a wide range: SQLite is
/// told to begin with them (CROSS JOIN), and not with everybody whom the account has there.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// The run.
    pub run: &'a Run,
    /// What they are.
    pub kind: Kind,
    /// The first of them.
    pub first: &'a str,
    /// The last of them.
    pub last: &'a str,
}

/// Somebody who claims a user name or a unique value.
#[derive(Debug, Clone)]
pub struct Claimant {
    /// Which object.
    pub source_id: String,
    /// Where it stands.
    pub dn: String,
}

/// Somebody whom rules left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// For which attributes that they showed ([`Record::shows`]) since they were in step last, and whether they do still.
    pub showing: BTreeMap<String, bool>,
    /// Whether the person was there when last looked for.
    pub was_there: bool,
}

impl LeftOut {
    /// Somebody who is left out, showing this, and of whom no more is known.
    pub fn of(shows: &BTreeSet<String>) -> Self {
        let nobody_yet = Self { showing: BTreeMap::new(), was_there: true };
        nobody_yet.seen(shows, true)
    }

    /// The same, seen again. What is not shown any more is remembered: other rules may have left the person out meanwhile.
    #[must_use]
    pub fn seen(&self, shows: &BTreeSet<String>, is_left_out: bool) -> Self {
        let for_more = shows.iter().filter(|_| is_left_out);
        let attributes = self.showing.keys().chain(for_more);
        let showing = attributes.map(|attribute| (attribute.clone(), shows.contains(attribute)));
        Self { showing: showing.collect(), was_there: true }
    }

    /// What the mirror keeps.
    pub fn to_text(&self) -> String {
        serde_json::to_string(&self.showing).expect("a map of texts is JSON")
    }
}

/// What somebody shows of what a policy's rules look for: `shows` and `excluded_by` of their record. An earlier version of the agent
/// does not say what they show: whoever is left out shows all that the rule looks for then, and whoever is not shows nothing, so that
/// too many wait for approval rather than too few.
pub fn shown(
    policy: &Policy,
    shows: Option<BTreeSet<String>>,
    excluded_by: Option<&str>,
) -> BTreeSet<String> {
    shows.or_else(|| Some(looked_for_by(policy, excluded_by?))).unwrap_or_default()
}

/// What the directory said of somebody's account when it was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct LastMark {
    /// Whether it let them in, the date of expiry apart.
    #[serde(default = "yes")]
    pub active: bool,
    /// When it was to expire (milliseconds since 1970 UTC).
    pub expires_at: Option<i64>,
}

/// A group's member, as last seen and as the account holds it.
#[derive(Debug, Clone)]
pub struct Member {
    /// The DN key.
    pub key: String,
    /// The DN as read.
    pub dn: String,
    /// Listed when the group was last seen.
    pub seen: bool,
    /// Held by the account.
    pub applied: bool,
}

/// Names (or values of a unique field) that several objects claim, and who they are.
pub type Rivals = BTreeMap<String, Vec<Claimant>>;

impl Store {
    /// The next objects to be planned, in the order of their source ids.
    pub async fn planned_after(
        &self,
        run: &Run,
        kind: Kind,
        after: Option<&str>,
        limit: i64,
    ) -> anyhow::Result<Vec<Planned>> {
        let rows = sqlx::query(
            "SELECT source_id, outcome, origin, dn, name_key, record FROM staging.objects
             WHERE run_id = $1 AND kind = $2 AND source_id > $3 ORDER BY source_id LIMIT $4",
        )
        .bind(&run.id)
        .bind(kind.as_str())
        .bind(after.unwrap_or_default())
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let outcome = Outcome::from_word(row.try_get(1)?)?;
                let record: &str = row.try_get(5)?;
                Ok(Planned {
                    source_id: row.try_get(0)?,
                    outcome,
                    touched: row.try_get::<&str, _>(2)? != "mirror",
                    dn: row.try_get(3)?,
                    name_key: row.try_get(4)?,
                    record: match outcome {
                        Outcome::Present => Some(serde_json::from_str(record).context("a staged record")?),
                        Outcome::Absent(_) => None,
                    },
                })
            })
            .collect()
    }

    /// What the mirror remembers of a chunk.
    pub async fn remembered(&self, chunk: Chunk<'_>) -> anyhow::Result<BTreeMap<String, Remembered>> {
        let query = chunk.query(
            "SELECT m.source_id, m.present, m.status, m.in_doubt IS NOT NULL, m.active, m.expires_at
             FROM staging.objects s
             CROSS JOIN mirror m
             WHERE s.run_id = $2 AND s.kind = $3 AND s.source_id BETWEEN $4 AND $5
               AND m.account_id = $1 AND m.synchronization_id = $6 AND m.kind = $3 AND m.source_id = s.source_id",
        );
        let rows = query.bind(&chunk.run.synchronization_id).fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                let remembered = Remembered {
                    present: row.try_get::<i64, _>(1)? != 0,
                    status: row.try_get::<&str, _>(2)?.parse::<ObjectStatus>()?,
                    put_off: row.try_get(3)?,
                    active: row.try_get::<Option<i64>, _>(4)?.map(|active| active != 0),
                    expires_at: row.try_get(5)?,
                };
                Ok((row.try_get(0)?, remembered))
            })
            .collect()
    }

    /// The people of a chunk who are there now and whom rules left out when that could be told last, wherever they were since.
    pub async fn left_out(&self, chunk: Chunk<'_>) -> anyhow::Result<BTreeMap<String, LeftOut>> {
        let query = chunk.query(
            "SELECT m.source_id, m.left_out_showing, m.present, CASE WHEN m.left_out_showing IS NULL THEN m.record END
             FROM staging.objects s
             CROSS JOIN mirror m
             WHERE s.run_id = $2 AND s.kind = $3 AND s.source_id BETWEEN $4 AND $5 AND s.outcome = 'present'
               AND m.account_id = $1 AND m.synchronization_id = $6 AND m.kind = $3 AND m.source_id = s.source_id
               AND (m.left_out_showing IS NOT NULL OR m.status = 'excluded')",
        );
        let rows = query.bind(&chunk.run.synchronization_id).fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                let showing = guards::showing(&chunk.run.policy, row.try_get(1)?, row.try_get(3)?)?;
                let was_there = row.try_get::<i64, _>(2)? != 0;
                Ok((row.try_get(0)?, LeftOut { showing, was_there }))
            })
            .collect()
    }

    /// What the directory said of the people of a chunk who are there now and of whom [`Remembered::active`] does not tell: who was gone
    /// or left out by a rule, and whoever waits, or is in conflict, since then or ever. Of those both what they showed before and what
    /// they showed last.
    pub async fn last_marks(&self, chunk: Chunk<'_>) -> anyhow::Result<BTreeMap<String, Vec<LastMark>>> {
        let query = chunk.query(
            "SELECT m.source_id, m.left_out_as, m.record FROM staging.objects s
             CROSS JOIN mirror m
             WHERE s.run_id = $2 AND s.kind = $3 AND s.source_id BETWEEN $4 AND $5 AND s.outcome = 'present'
               AND m.account_id = $1 AND m.synchronization_id = $6 AND m.kind = $3 AND m.source_id = s.source_id
               AND (m.status = 'excluded' OR m.present = 0 OR m.left_out_as IS NOT NULL OR m.active IS NULL)",
        );
        let rows = query.bind(&chunk.run.synchronization_id).fetch_all(&self.read).await?;
        let mut marks = BTreeMap::new();
        for row in &rows {
            let records = [row.try_get::<Option<&str>, _>(1)?, row.try_get(2)?];
            let records = records.into_iter().flatten().map(serde_json::from_str::<LastMark>);
            marks.insert(
                row.try_get(0)?,
                records.collect::<Result<_, _>>().context("a record of the mirror")?,
            );
        }
        Ok(marks)
    }

    /// The users of a chunk's source ids, deleted ones too.
    pub async fn linked_users(&self, chunk: Chunk<'_>) -> anyhow::Result<BTreeMap<String, User>> {
        let query = chunk.query(
            "SELECT u.* FROM staging.objects s
             CROSS JOIN users u
             WHERE s.run_id = $2 AND s.kind = $3 AND s.source_id BETWEEN $4 AND $5
               AND u.account_id = $1 AND u.synchronization_id = $6 AND u.source_id = s.source_id",
        );
        let rows = query.bind(&chunk.run.synchronization_id).fetch_all(&self.read).await?;
        rows.iter().map(|row| Ok((row.try_get("source_id")?, user(row)?))).collect()
    }

    /// The users, not deleted, who hold the names that a chunk's objects claim, by name key.
    pub async fn holders(&self, chunk: Chunk<'_>) -> anyhow::Result<BTreeMap<String, User>> {
        let query = chunk.query(
            "SELECT u.* FROM staging.objects s
             CROSS JOIN users u
             WHERE s.run_id = $2 AND s.kind = $3 AND s.source_id BETWEEN $4 AND $5
               AND u.account_id = $1 AND u.username_key = s.name_key AND u.status <> 'deleted'",
        );
        let rows = query.fetch_all(&self.read).await?;
        rows.iter().map(|row| Ok((row.try_get("username_key")?, user(row)?))).collect()
    }

    /// The groups or org units of a chunk's source ids, deleted ones too.
    pub async fn linked_units(&self, chunk: Chunk<'_>) -> anyhow::Result<BTreeMap<String, Unit>> {
        let query = chunk.query(
            "SELECT u.* FROM staging.objects s
             CROSS JOIN units u
             WHERE s.run_id = $2 AND s.kind = $3 AND s.source_id BETWEEN $4 AND $5
               AND u.account_id = $1 AND u.synchronization_id = $6 AND u.kind = $3 AND u.source_id = s.source_id",
        );
        let rows = query.bind(&chunk.run.synchronization_id).fetch_all(&self.read).await?;
        rows.iter().map(|row| Ok((row.try_get("source_id")?, unit(row)?))).collect()
    }

    /// The user names that several objects claim: staged ones, and present ones that were not touched.
    ///
    /// The latter are found by the users they are linked to: what claims a name without having it is in conflict or
    /// pending, and therefore staged by every run. `nobody` says that the account has no users.
    pub async fn rivals_by_name(&self, run: &Run, nobody: bool) -> anyhow::Result<Rivals> {
        if nobody && !self.staged_names_repeat(run).await? {
            return Ok(Rivals::new());
        }
        let rows = sqlx::query(
            "WITH contested AS (
                 SELECT name_key FROM staging.objects
                 WHERE run_id = $1 AND kind = 'user' AND name_key IS NOT NULL
                 GROUP BY name_key HAVING COUNT(*) > 1
                 UNION
                 SELECT u.username_key FROM staging.objects s
                 JOIN users u ON u.account_id = $2 AND u.username_key = s.name_key AND u.status <> 'deleted'
                 WHERE s.run_id = $1 AND s.kind = 'user' AND u.synchronization_id = $3 AND u.source_id <> s.source_id
             )
             SELECT s.name_key, s.source_id, s.dn FROM staging.objects s JOIN contested c ON c.name_key = s.name_key
             WHERE s.run_id = $1 AND s.kind = 'user'
             UNION ALL
             SELECT m.name_key, m.source_id, m.dn FROM contested c
             JOIN users u ON u.account_id = $2 AND u.username_key = c.name_key AND u.status <> 'deleted'
                  AND u.synchronization_id = $3
             JOIN mirror m ON m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = 'user'
                  AND m.source_id = u.source_id
             WHERE m.present = 1 AND m.name_key = c.name_key
               AND NOT EXISTS (SELECT 1 FROM staging.objects s
                               WHERE s.run_id = $1 AND s.kind = 'user' AND s.source_id = m.source_id)
             ORDER BY 1, 3, 2",
        )
        .bind(&run.id)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .fetch_all(&self.read)
        .await?;
        rivals(&rows)
    }

    /// Whether two staged objects claim one name. Asked of a first import, of which SQL would sort every name.
    async fn staged_names_repeat(&self, run: &Run) -> anyhow::Result<bool> {
        #[expect(clippy::disallowed_types, reason = "never iterated")]
        let mut seen = std::collections::HashSet::new();
        let mut names = sqlx::query(
            "SELECT name_key FROM staging.objects WHERE run_id = $1 AND kind = 'user' AND name_key IS NOT NULL",
        )
        .bind(&run.id)
        .fetch(&self.read);
        while let Some(row) = names.try_next().await? {
            if !seen.insert(Digest::of(row.try_get::<&str, _>(0)?.as_bytes())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The values of a unique field that several objects claim.
    pub async fn rivals_by_value(&self, run: &Run, field: &str) -> anyhow::Result<Rivals> {
        let rows = sqlx::query(
            "WITH claimed AS (
                 SELECT c.value_key, c.source_id, s.dn FROM staging.claims c
                 JOIN staging.objects s ON s.run_id = c.run_id AND s.kind = 'user' AND s.source_id = c.source_id
                 WHERE c.run_id = $1 AND c.field = $4
                 UNION ALL
                 SELECT c.value_key, c.source_id, m.dn FROM claims c
                 JOIN mirror m ON m.account_id = c.account_id AND m.synchronization_id = c.synchronization_id
                      AND m.kind = 'user' AND m.source_id = c.source_id AND m.present = 1
                 WHERE c.account_id = $2 AND c.synchronization_id = $3 AND c.field = $4
                   AND NOT EXISTS (SELECT 1 FROM staging.objects s
                                   WHERE s.run_id = $1 AND s.kind = 'user' AND s.source_id = c.source_id
                                     AND s.origin <> 'mirror')
             )
             SELECT DISTINCT value_key, source_id, dn FROM claimed
             WHERE value_key IN (SELECT value_key FROM claimed GROUP BY value_key HAVING COUNT(DISTINCT source_id) > 1)
             ORDER BY 1, 3, 2",
        )
        .bind(&run.id)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(field)
        .fetch_all(&self.read)
        .await?;
        rivals(&rows)
    }

    /// A group's members as the agent sent them; empty where it sent none.
    pub async fn staged_members(&self, run: &Run, group: &str) -> anyhow::Result<Vec<String>> {
        let parts: Vec<String> = sqlx::query_scalar(
            "SELECT members FROM staging.members WHERE run_id = $1 AND source_id = $2 ORDER BY part",
        )
        .bind(&run.id)
        .bind(group)
        .fetch_all(&self.read)
        .await?;
        let mut members = Vec::new();
        for part in parts {
            members.extend(serde_json::from_str::<Vec<String>>(&part).context("staged members")?);
        }
        Ok(members)
    }

    /// A group's members as last seen and as held, by DN key.
    pub async fn members(&self, run: &Run, group: &str) -> anyhow::Result<Vec<Member>> {
        let rows = sqlx::query(
            "SELECT member_key, dn, seen, applied FROM members
             WHERE account_id = $1 AND synchronization_id = $2 AND group_source_id = $3 ORDER BY member_key",
        )
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(group)
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Member {
                    key: row.try_get(0)?,
                    dn: row.try_get(1)?,
                    seen: row.try_get::<i64, _>(2)? != 0,
                    applied: row.try_get::<i64, _>(3)? != 0,
                })
            })
            .collect()
    }

    /// Whether the account has no users, deleted ones neither.
    pub async fn has_no_users(&self, account_id: &str) -> anyhow::Result<bool> {
        let any: Option<i64> =
            sqlx::query_scalar("SELECT CAST(1 AS BIGINT) FROM users WHERE account_id = $1 LIMIT 1")
                .bind(account_id)
                .fetch_optional(&self.read)
                .await?;
        Ok(any.is_none())
    }

    /// The account's ledger sequence: whatever changes its people raises it.
    pub async fn ledger_seq(&self, account_id: &str) -> anyhow::Result<i64> {
        let seq = sqlx::query_scalar("SELECT ledger_seq FROM accounts WHERE id = $1")
            .bind(account_id)
            .fetch_one(&self.read)
            .await?;
        Ok(seq)
    }
}

impl<'a> Chunk<'a> {
    /// A query about the chunk: `$1` is the account, `$2` the run, `$3` the kind, `$4` and `$5` the ends of the range.
    fn query(self, sql: &'static str) -> Bound<'a> {
        sqlx::query(sql)
            .bind(&self.run.account_id)
            .bind(&self.run.id)
            .bind(self.kind.as_str())
            .bind(self.first)
            .bind(self.last)
    }
}

fn yes() -> bool {
    true
}

fn rivals(rows: &[SqliteRow]) -> anyhow::Result<Rivals> {
    let mut rivals = Rivals::new();
    for row in rows {
        let claimant = Claimant { source_id: row.try_get(1)?, dn: row.try_get(2)? };
        rivals.entry(row.try_get(0)?).or_default().push(claimant);
    }
    Ok(rivals)
}

/// Reads a row of `users`.
pub(super) fn user(row: &SqliteRow) -> anyhow::Result<User> {
    let synchronization_id: Option<String> = row.try_get("synchronization_id")?;
    Ok(User {
        id: row.try_get("id")?,
        username: row.try_get("username")?,
        email: row.try_get("email")?,
        fields: serde_json::from_str(row.try_get("fields")?).context("a user's fields")?,
        manager_key: row.try_get::<Option<&str>, _>("manager_key")?.map(str::parse).transpose()?,
        status: match row.try_get("status")? {
            "active" => UserStatus::Active,
            "disabled" => UserStatus::Disabled,
            "deleted" => UserStatus::Deleted,
            other => bail!("\"{other}\" is no status of a user"),
        },
        status_by: match row.try_get("status_by")? {
            "directory" => StatusBy::Directory,
            "administrator" => StatusBy::Administrator,
            "creation" => StatusBy::Creation,
            other => bail!("\"{other}\" decides nobody's status"),
        },
        provider: match synchronization_id {
            None => Provider::Local,
            Some(synchronization_id) => Provider::Directory {
                synchronization_id,
                source_id: row.try_get("source_id")?,
                dn: row.try_get("dn")?,
            },
        },
        account_owner: row.try_get::<i64, _>("account_owner")? != 0,
        administrator: row.try_get::<i64, _>("administrator")? != 0,
        owns: serde_json::from_str(row.try_get("owns")?).context("what a user owns")?,
    })
}

fn unit(row: &SqliteRow) -> anyhow::Result<Unit> {
    Ok(Unit {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        fields: serde_json::from_str(row.try_get("fields")?).context("a unit's fields")?,
        group_kind: match row.try_get::<Option<&str>, _>("group_kind")? {
            None => None,
            Some("security") => Some(GroupKind::Security),
            Some("distribution") => Some(GroupKind::Distribution),
            Some("group") => Some(GroupKind::Group),
            Some(other) => bail!("\"{other}\" is no kind of group"),
        },
        dn: row.try_get("dn")?,
        deleted: row.try_get::<Option<i64>, _>("deleted_at")?.is_some(),
    })
}
