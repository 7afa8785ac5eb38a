//! People whose users another synchronization of the account took over.

use crate::store::{Chunk, DecidedOn, Store, runs};
use adc_core::{reason::Reason, settings::Settings};
use sqlx::Row;
use std::collections::BTreeMap;

impl Store {
    /// The people of a chunk whom another synchronization adopted from this one and who would be adopted there again, with the name
    /// of that synchronization: it has the user whose name they claim, its directory has the person still, and it takes users over as
    /// things stand.
    pub async fn taken_over(&self, chunk: Chunk<'_>) -> anyhow::Result<BTreeMap<String, String>> {
        let query = chunk.query(
            "SELECT m.source_id, other.name, other.settings, other.decided_on FROM staging.objects s
             CROSS JOIN mirror m
             CROSS JOIN users u
             CROSS JOIN mirror there
             CROSS JOIN synchronizations other
             WHERE s.run_id = $2 AND s.kind = $3 AND s.source_id BETWEEN $4 AND $5
               AND m.account_id = $1 AND m.synchronization_id = $6 AND m.kind = $3 AND m.source_id = s.source_id
               AND m.reason = $7
               AND u.account_id = $1 AND u.username_key = s.name_key AND u.status <> 'deleted'
               AND u.synchronization_id <> $6
               AND there.account_id = $1 AND there.synchronization_id = u.synchronization_id AND there.kind = $3
               AND there.source_id = u.source_id AND there.present = 1 AND there.status <> 'excluded'
               AND other.account_id = $1 AND other.id = u.synchronization_id",
        );
        let query = query.bind(&chunk.run.synchronization_id).bind(Reason::AdoptedElsewhere.code());
        let mut taken_over = BTreeMap::new();
        for row in query.fetch_all(&self.read).await? {
            let settings: Settings = runs::json(row.try_get("settings")?)?;
            let decided_on: Option<DecidedOn> = runs::optional_json(row.try_get("decided_on")?)?;
            // What the server leaves open, the agent there has decided in its last run.
            let leaves_alone = settings.no_update_provider_mismatch;
            if !leaves_alone.unwrap_or_else(|| decided_on.is_none_or(|it| it.leaves_others_alone())) {
                taken_over.insert(row.try_get("source_id")?, row.try_get("name")?);
            }
        }
        Ok(taken_over)
    }
}
