//! Groups with their members, and org units with their hierarchy, as administrators see them.

use super::{Store, bulk, runs::json};
use crate::clock::Millis;
use adc_core::record::{Fields, Kind};
use sqlx::{Row, sqlite::SqliteRow};
use std::collections::BTreeMap;

/// A group or an org unit.
#[derive(Debug, Clone)]
pub struct StoredUnit {
    /// Whose it is.
    pub account_id: String,
    /// `grp_…` or `oun_…`
    pub id: String,
    /// The synchronization it comes from.
    pub synchronization_id: String,
    /// Its immutable identity there.
    pub source_id: String,
    /// Where it stands there.
    pub dn: String,
    /// What it is called.
    pub name: String,
    /// The mail address of a group.
    pub email: Option<String>,
    /// `security`, `distribution` or `group`; `None` for org units.
    pub group_kind: Option<String>,
    /// How many members a group lists.
    pub member_count: i64,
    /// The mapped fields.
    pub fields: Fields,
    /// When it was made.
    pub created_at: Millis,
    /// When it was changed last.
    pub updated_at: Millis,
    /// When it was deleted.
    pub deleted_at: Option<Millis>,
}

/// Someone or something that a group lists.
#[derive(Debug, Clone)]
pub struct StoredMember {
    /// By which members are sorted.
    pub key: String,
    /// As read.
    pub dn: String,
    /// Whom or what the account holds there; `None` while it is unresolved.
    pub resolved: Option<Resolved>,
}

/// What a member is in the account.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// User, group or org unit.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it stands in the directory, as the directory writes it.
    pub dn: String,
}

/// An org unit's place: what names it from below.
#[derive(Debug, Clone)]
pub struct Place {
    /// The org unit.
    pub id: String,
    /// What it is called.
    pub name: String,
}

/// Units with how many members they list, from rows that are chosen first: counting takes longer than choosing.
macro_rules! select {
    ($which:literal) => {
        concat!(
            "WITH n AS (SELECT * FROM units n ",
            $which,
            ") SELECT n.*,
                 (SELECT COUNT(*) FROM members m WHERE n.kind = 'group' AND m.account_id = n.account_id
                      AND m.synchronization_id = n.synchronization_id AND m.group_source_id = n.source_id
                      AND m.applied = 1) AS member_count
             FROM n ORDER BY n.name, n.id"
        )
    };
}

/// The members that `$m` chooses as `m`, each once, with what the account holds at their DNs; `$1` is the account, `$2`
/// the synchronization. Two objects may have been read at one DN (the one was renamed meanwhile, or two filters find an
/// entry): a person comes first.
macro_rules! select_members {
    ($m:literal) => {
        concat!(
            "WITH RECURSIVE ",
            $m,
            ", found AS (
                 SELECT m.member_key, m.dn, o.kind, COALESCE(u.id, n.id) AS id,
                     COALESCE(u.username, n.name) AS name, COALESCE(u.dn, n.dn) AS own_dn,
                     ROW_NUMBER() OVER (PARTITION BY m.member_key
                                        ORDER BY u.id IS NULL, n.id IS NULL, u.id, n.id) AS choice
                 FROM m
                 LEFT JOIN mirror o ON o.account_id = $1 AND o.synchronization_id = $2 AND o.dn_key = m.member_key
                     AND o.present = 1
                 LEFT JOIN users u ON o.kind = 'user' AND u.account_id = $1 AND u.synchronization_id = $2
                     AND u.source_id = o.source_id AND u.status <> 'deleted'
                 LEFT JOIN units n ON n.account_id = $1 AND n.synchronization_id = $2 AND n.kind = o.kind
                     AND n.source_id = o.source_id AND n.deleted_at IS NULL)
             SELECT * FROM found WHERE choice = 1 ORDER BY member_key"
        )
    };
}

/// Those whom the group of source id `$3` lists itself, `$5` of them after `$4`.
const SELECT_DIRECT: &str = select_members!(
    "m AS (
         SELECT member_key, dn FROM members
         WHERE account_id = $1 AND synchronization_id = $2 AND group_source_id = $3 AND applied = 1
           AND member_key > $4
         ORDER BY member_key LIMIT $5)"
);

/// Those whom the group of source id `$3` lists itself or through others, units apart, `$5` of them after `$4`.
const SELECT_EFFECTIVE: &str = select_members!(
    "reached (source_id) AS (
         SELECT $3
         UNION
         SELECT n.source_id FROM reached r
         JOIN members m ON m.account_id = $1 AND m.synchronization_id = $2
             AND m.group_source_id = r.source_id AND m.applied = 1
         JOIN mirror o ON o.account_id = $1 AND o.synchronization_id = $2 AND o.dn_key = m.member_key
             AND o.present = 1 AND o.kind = 'group'
         JOIN units n ON n.account_id = $1 AND n.synchronization_id = $2 AND n.kind = 'group'
             AND n.source_id = o.source_id AND n.deleted_at IS NULL),
     nobody (member_key) AS (
         SELECT o.dn_key FROM units n
         JOIN mirror o ON o.account_id = $1 AND o.synchronization_id = $2 AND o.kind = n.kind
             AND o.source_id = n.source_id AND o.present = 1
         WHERE n.account_id = $1 AND n.synchronization_id = $2 AND n.deleted_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM mirror p
                           WHERE p.account_id = $1 AND p.synchronization_id = $2 AND p.dn_key = o.dn_key
                             AND p.kind = 'user' AND p.present = 1)),
     m AS (
         SELECT m.member_key, MIN(m.dn) AS dn FROM reached r
         JOIN members m ON m.account_id = $1 AND m.synchronization_id = $2
             AND m.group_source_id = r.source_id AND m.applied = 1 AND m.member_key > $4
         WHERE m.member_key NOT IN (SELECT member_key FROM nobody)
         GROUP BY m.member_key ORDER BY m.member_key LIMIT $5)"
);

impl Store {
    /// One group or org unit of an account, deleted or not.
    pub async fn unit(&self, account_id: &str, kind: Kind, id: &str) -> anyhow::Result<Option<StoredUnit>> {
        let row = sqlx::query(select!("WHERE n.account_id = $1 AND n.id = $2 AND n.kind = $3"))
            .bind(account_id)
            .bind(id)
            .bind(kind.as_str())
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(unit_of_row).transpose()
    }

    /// The groups or org units of an account by name, those after `after`, a name and an id.
    pub async fn units(
        &self,
        account_id: &str,
        kind: Kind,
        pattern: Option<&str>,
        after: Option<&(String, String)>,
        limit: i64,
    ) -> anyhow::Result<Vec<StoredUnit>> {
        let rows = sqlx::query(select!(
            "WHERE n.account_id = $1 AND n.kind = $2 AND n.deleted_at IS NULL
               AND (n.name, n.id) > ($3, $4)
               AND (CAST($5 AS TEXT) IS NULL OR lower(n.name) LIKE lower($5) ESCAPE '\\'
                    OR lower(n.email) LIKE lower($5) ESCAPE '\\')
             ORDER BY n.name, n.id LIMIT $6"
        ))
        .bind(account_id)
        .bind(kind.as_str())
        .bind(after.map_or("", |(name, _)| name))
        .bind(after.map_or("", |(_, id)| id))
        .bind(pattern)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(unit_of_row).collect()
    }

    /// Whom a group lists, those after the key `after`.
    pub async fn direct_members(
        &self,
        group: &StoredUnit,
        after: Option<&str>,
        limit: i64,
    ) -> anyhow::Result<Vec<StoredMember>> {
        self.members_by(SELECT_DIRECT, group, after, limit).await
    }

    /// The people whom a group lists itself or through the groups it lists, and whatever is unresolved there; each
    /// once, those after the key `after`. Groups that list each other are gone through once.
    pub async fn effective_members(
        &self,
        group: &StoredUnit,
        after: Option<&str>,
        limit: i64,
    ) -> anyhow::Result<Vec<StoredMember>> {
        self.members_by(SELECT_EFFECTIVE, group, after, limit).await
    }

    async fn members_by(
        &self,
        sql: &'static str,
        group: &StoredUnit,
        after: Option<&str>,
        limit: i64,
    ) -> anyhow::Result<Vec<StoredMember>> {
        let rows = sqlx::query(sql)
            .bind(&group.account_id)
            .bind(&group.synchronization_id)
            .bind(&group.source_id)
            .bind(after.unwrap_or_default())
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(member_of_row).collect()
    }

    /// The org units of a synchronization that stand at the given DN keys.
    pub async fn org_units_at(
        &self,
        account_id: &str,
        synchronization_id: &str,
        keys: &[String],
    ) -> anyhow::Result<BTreeMap<String, Place>> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let rows = bulk::select(
            &self.read,
            "SELECT dn_key, id, name FROM units
             WHERE account_id = ? AND synchronization_id = ? AND kind = 'org_unit' AND deleted_at IS NULL AND dn_key",
            &[account_id, synchronization_id],
            &keys,
        )
        .await?;
        let mut places = BTreeMap::new();
        for row in &rows {
            let place = Place { id: row.try_get("id")?, name: row.try_get("name")? };
            places.insert(row.try_get("dn_key")?, place);
        }
        Ok(places)
    }
}

fn unit_of_row(row: &SqliteRow) -> anyhow::Result<StoredUnit> {
    Ok(StoredUnit {
        account_id: row.try_get("account_id")?,
        id: row.try_get("id")?,
        synchronization_id: row.try_get("synchronization_id")?,
        source_id: row.try_get("source_id")?,
        dn: row.try_get("dn")?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        group_kind: row.try_get("group_kind")?,
        member_count: row.try_get("member_count")?,
        fields: json(row.try_get("fields")?)?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        deleted_at: row.try_get("deleted_at")?,
    })
}

fn member_of_row(row: &SqliteRow) -> anyhow::Result<StoredMember> {
    let resolved = match row.try_get::<Option<String>, _>("id")? {
        Some(id) => Some(Resolved {
            kind: row.try_get::<&str, _>("kind")?.parse()?,
            id,
            name: row.try_get("name")?,
            dn: row.try_get("own_dn")?,
        }),
        None => None,
    };
    Ok(StoredMember { key: row.try_get("member_key")?, dn: row.try_get("dn")?, resolved })
}
