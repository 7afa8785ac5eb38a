//! Whom the groups of the directory list: as last seen, and as the account holds it.

use super::{Run, Tx, bulk};
use adc_core::dn::{DnKey, without_guid};
use sqlx::Row;
use std::collections::BTreeMap;

/// The groups that the plan leaves as they were read; `$3` is the run.
macro_rules! synced_groups {
    () => {
        "(SELECT s.source_id FROM staging.objects s
          LEFT JOIN staging.outcomes o ON o.run_id = s.run_id AND o.kind = s.kind AND o.source_id = s.source_id
          WHERE s.run_id = $3 AND s.kind = 'group' AND COALESCE(o.status, 'synced') = 'synced')"
    };
}

/// Brings the members of groups in step: `seen` for every group that was read, `applied` where the plan says so.
pub(super) async fn bring_in_step(tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    of_groups(
        tx,
        run,
        "UPDATE members SET seen = 0
         WHERE account_id = $1 AND synchronization_id = $2 AND seen = 1 AND group_source_id IN
             (SELECT source_id FROM staging.objects
              WHERE run_id = $3 AND kind = 'group' AND outcome = 'present' AND origin <> 'mirror')",
    )
    .await?;
    see_members(tx, run).await?;
    // A deleted group keeps its members, for when it is restored.
    of_groups(
        tx,
        run,
        concat!(
            "DELETE FROM members
             WHERE account_id = $1 AND synchronization_id = $2 AND seen = 0 AND group_source_id IN ",
            synced_groups!()
        ),
    )
    .await?;
    of_groups(
        tx,
        run,
        concat!(
            "UPDATE members SET applied = 1
             WHERE account_id = $1 AND synchronization_id = $2 AND applied = 0 AND group_source_id IN ",
            synced_groups!()
        ),
    )
    .await
}

async fn of_groups(tx: &mut Tx, run: &Run, sql: &'static str) -> anyhow::Result<()> {
    sqlx::query(sql)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(&run.id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes whom the groups that were read list now.
async fn see_members(tx: &mut Tx, run: &Run) -> anyhow::Result<()> {
    let mut pending: Vec<SeenMember> = Vec::new();
    let mut group: Option<(String, BTreeMap<DnKey, String>)> = None;
    let mut after = (String::new(), -1_i64);
    loop {
        let parts = sqlx::query(
            "SELECT source_id, part, members FROM staging.members
             WHERE run_id = $1 AND (source_id > $2 OR source_id = $2 AND part > $3)
             ORDER BY source_id, part LIMIT $4",
        )
        .bind(&run.id)
        .bind(&after.0)
        .bind(after.1)
        .bind(PARTS_AT_A_TIME)
        .fetch_all(&mut **tx)
        .await?;
        let last_page = i64::try_from(parts.len())? < PARTS_AT_A_TIME;
        for part in &parts {
            let source_id: String = part.try_get(0)?;
            after = (source_id.clone(), part.try_get(1)?);
            if group.as_ref().is_none_or(|(current, _)| *current != source_id) {
                pending.extend(group.take().into_iter().flat_map(members_of));
                group = Some((source_id, BTreeMap::new()));
            }
            // A server may list a member twice, spelled differently.
            for dn in serde_json::from_str::<Vec<String>>(part.try_get(2)?)? {
                let name = without_guid(&dn).to_owned();
                group.get_or_insert_default().1.insert(DnKey::of(&dn), name);
            }
        }
        if last_page {
            pending.extend(group.take().into_iter().flat_map(members_of));
        }
        insert_members(tx, run, &pending).await?;
        pending.clear();
        if last_page {
            return Ok(());
        }
    }
}

/// Parts of groups in memory at a time: most groups are one part, the largest parts have 5,000 members.
const PARTS_AT_A_TIME: i64 = 100;

struct SeenMember {
    group: String,
    key: DnKey,
    dn: String,
}

fn members_of((group, members): (String, BTreeMap<DnKey, String>)) -> impl Iterator<Item = SeenMember> {
    members.into_iter().map(move |(key, dn)| SeenMember { group: group.clone(), key, dn })
}

async fn insert_members(tx: &mut Tx, run: &Run, members: &[SeenMember]) -> anyhow::Result<()> {
    bulk::insert(
        &mut *tx,
        "INSERT INTO members (account_id, synchronization_id, group_source_id, member_key, dn, seen, applied)",
        7,
        "ON CONFLICT (account_id, synchronization_id, group_source_id, member_key)
         DO UPDATE SET dn = excluded.dn, seen = 1",
        members,
        |query, member| {
            query
                .bind(&run.account_id)
                .bind(&run.synchronization_id)
                .bind(&member.group)
                .bind(member.key.to_string())
                .bind(&member.dn)
                .bind(1_i64)
                .bind(0_i64)
        },
    )
    .await?;
    Ok(())
}
