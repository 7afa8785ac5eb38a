//! References that stand in the mirror's records alone: the managers of people who did not become users, or not as they were seen,
//! and those that the policy makes fields of.

use super::{Expected, Run, Store, bulk};
use adc_core::{
    dn::{Dn, DnKey},
    record::{FieldValue, Kind, MANAGER_FIELD, Record},
};
use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::Row;
use std::collections::BTreeSet;

/// People of whom something is not as it was seen. In no order: asked for one, SQLite walks everybody instead of these few.
const UNSETTLED: &str = "SELECT source_id, digest, record FROM mirror
     WHERE account_id = $1 AND synchronization_id = $2 AND status <> 'synced'
       AND status IN ('pending', 'conflict', 'excluded', 'desynced', 'pinned') AND kind = 'user' AND present = 1";

const EVERYBODY: &str = "SELECT source_id, digest, record FROM mirror
     WHERE account_id = $1 AND synchronization_id = $2 AND kind = 'user' AND present = 1
     ORDER BY 1";

/// What the run found under another name, gone, back or new, under the names and keys of before and of now. Few: SQLite is told to
/// begin there (CROSS JOIN).
const MOVED: &str = "SELECT m.dn_key, s.dn_key, m.dn, s.dn
     FROM staging.objects s
     CROSS JOIN mirror m
     WHERE s.run_id = $3 AND s.origin <> 'mirror' AND m.account_id = $1 AND m.synchronization_id = $2
       AND m.kind = s.kind AND m.source_id = s.source_id
       AND (s.outcome <> 'present' OR s.dn <> m.dn OR m.present = 0)
     UNION ALL
     SELECT s.dn_key, s.dn_key, s.dn, s.dn
     FROM staging.objects s
     WHERE s.run_id = $3 AND s.origin <> 'mirror' AND s.outcome = 'present'
       AND NOT EXISTS (SELECT 1 FROM mirror m
                       WHERE m.account_id = $1 AND m.synchronization_id = $2 AND m.kind = s.kind
                         AND m.source_id = s.source_id)";

impl Store {
    /// The people whose records refer to what a run found renamed, moved, gone or back; of `asked`, which it adds to, nobody is
    /// asked for again: all records may have to be read for it.
    pub(super) async fn referring_in_records(
        &self,
        run: &Run,
        asked: &mut BTreeSet<DnKey>,
    ) -> anyhow::Result<Vec<Expected>> {
        let rows = sqlx::query(MOVED)
            .bind(&run.account_id)
            .bind(&run.synchronization_id)
            .bind(&run.id)
            .fetch_all(&self.read)
            .await?;
        let mut moved = BTreeSet::new();
        for row in &rows {
            for key in [0, 1] {
                moved.insert(row.try_get::<&str, _>(key)?.parse().context("a key of the mirror")?);
            }
            for dn in [2, 3] {
                moved.insert(DnKey::of(row.try_get(dn)?));
            }
        }
        moved.retain(|key| !asked.contains(key));
        let mut referring = Vec::new();
        if !moved.is_empty() {
            self.references_in_records(run, |person, record| {
                if !references_of(record).is_disjoint(&moved) {
                    referring.push(person);
                }
            })
            .await?;
        }
        asked.append(&mut moved);
        Ok(referring)
    }

    /// The people whose records refer to what the mirror does not know.
    pub(super) async fn dangling_in_records(&self, run: &Run) -> anyhow::Result<Vec<Expected>> {
        let mut people = Vec::new();
        self.references_in_records(run, |person, record| {
            // Where the directory refers by GUID the mirror does not know anybody by name.
            let references = match record.guid {
                Some(_) => record.manager_key().into_iter().collect(),
                None => references_of(record),
            };
            if !references.is_empty() {
                people.push((person, references));
            }
        })
        .await?;
        let keys: BTreeSet<String> =
            people.iter().flat_map(|(_, references)| references).map(DnKey::to_string).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let rows = bulk::select(
            &self.read,
            "SELECT dn_key FROM mirror
             WHERE account_id = ? AND synchronization_id = ? AND present = 1 AND dn_key",
            &[&run.account_id, &run.synchronization_id],
            &keys,
        )
        .await?;
        let mut known = BTreeSet::new();
        for row in &rows {
            known.insert(row.try_get::<&str, _>(0)?.parse().context("a DN key of the mirror")?);
        }
        let dangling = people.into_iter().filter(|(_, references)| !references.is_subset(&known));
        Ok(dangling.map(|(person, _)| person).collect())
    }

    /// Calls `each` with everybody of whom references may stand in the record alone.
    async fn references_in_records(
        &self,
        run: &Run,
        mut each: impl FnMut(Expected, &Record),
    ) -> anyhow::Result<()> {
        // The preset makes fields of one reference, the manager, which users have a column for.
        let sql = if run.policy.mapping.fields.is_empty() { UNSETTLED } else { EVERYBODY };
        let mut rows = sqlx::query(sql).bind(&run.account_id).bind(&run.synchronization_id).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let record = serde_json::from_str(row.try_get(2)?).context("a record of the mirror")?;
            let digest = row.try_get::<&str, _>(1)?.parse().context("a digest of the mirror")?;
            each(Expected { kind: Kind::User, source_id: row.try_get(0)?, digest: Some(digest) }, &record);
        }
        Ok(())
    }
}

/// What a person's fields refer to: the manager, and whatever else is a name of something.
fn references_of(record: &Record) -> BTreeSet<DnKey> {
    let texts = record.fields.iter().flat_map(|(name, value)| match value {
        // By GUID where the directory refers so.
        FieldValue::Text(_) if name == MANAGER_FIELD => &[],
        FieldValue::Text(text) => std::slice::from_ref(text),
        FieldValue::List(texts) => texts.as_slice(),
    });
    let names = texts.filter_map(|text| Dn::parse(text).ok()).filter(|dn| !dn.is_empty());
    names.map(|dn| dn.key()).chain(record.manager_key()).collect()
}

/// Whether the field refers to nothing but what is `gone`: with that, a directory that keeps references in step takes the field.
pub(super) fn refers_only_to(gone: &BTreeSet<DnKey>, record: &Record, field: &str) -> bool {
    let references: Vec<DnKey> = match record.fields.get(field) {
        None => return false,
        Some(FieldValue::Text(_)) if field == MANAGER_FIELD => record.manager_key().into_iter().collect(),
        Some(FieldValue::Text(text)) => vec![DnKey::of(text)],
        Some(FieldValue::List(texts)) => texts.iter().map(|text| DnKey::of(text)).collect(),
    };
    !references.is_empty() && references.iter().all(|key| gone.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_and_whatever_is_a_name_are_references() {
        let jane = "uid=jane,dc=lg,dc=local";
        let mut record = Record::new(Kind::User, "1", "uid=max,dc=lg,dc=local", "max");
        assert_eq!(references_of(&record), BTreeSet::new());
        record.fields.insert("title".to_owned(), "Head of sales, support".into());
        record.fields.insert("manager".to_owned(), jane.into());
        record.fields.insert(
            "assistants".to_owned(),
            FieldValue::List(vec!["UID=Ann, dc=lg,dc=local".to_owned(), String::new()]),
        );
        let keys = [jane, "uid=ann,dc=lg,dc=local"].map(DnKey::of);
        assert_eq!(references_of(&record), BTreeSet::from(keys));
    }
}
