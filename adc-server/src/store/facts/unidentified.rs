//! People who are there without a usable identity: each may be one of those whom no look-up finds any more.

use crate::store::{Run, Store};
use adc_core::{plan::User, source_id::SourceId, text};
use anyhow::Context;
use futures_util::TryStreamExt;
use serde::Deserialize;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// The DNs of people without a usable identity, by the user names and mail addresses that they claim.
#[derive(Debug, Default)]
pub struct Unidentified {
    by_name: BTreeMap<String, Vec<String>>,
    by_email: BTreeMap<String, Vec<String>>,
}

impl Unidentified {
    /// The DNs of those who claim a user's name or mail address.
    pub fn claim_of(&self, user: &User) -> Vec<String> {
        let email = user.email.as_deref().and_then(|email| self.by_email.get(&*text::key(email)));
        let name = self.by_name.get(&*text::key(&user.username));
        let claimants: BTreeSet<&String> = name.into_iter().chain(email).flatten().collect();
        claimants.into_iter().cloned().collect()
    }
}

impl Store {
    /// The people without a usable identity whom a run saw, or did not touch: these are conflicts, which every run plans again.
    pub async fn unidentified(&self, run: &Run) -> anyhow::Result<Unidentified> {
        /// All that is read of the record.
        #[derive(Deserialize)]
        struct Claims {
            name: String,
            email: Option<String>,
        }
        let mut unidentified = Unidentified::default();
        let mut rows = sqlx::query(
            "SELECT source_id, dn, record FROM staging.objects
             WHERE run_id = $1 AND kind = 'user' AND source_id >= $2 AND outcome = 'present' ORDER BY source_id",
        )
        .bind(&run.id)
        .bind(SourceId::STAND_IN_PREFIX)
        .fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            if !SourceId::from(row.try_get::<&str, _>(0)?).is_stand_in() {
                break;
            }
            let dn: String = row.try_get(1)?;
            let Claims { name, email } = serde_json::from_str(row.try_get(2)?).context("a staged record")?;
            if let Some(email) = email {
                let by_email = unidentified.by_email.entry(text::key(&email).into_owned());
                by_email.or_default().push(dn.clone());
            }
            if !name.is_empty() {
                unidentified.by_name.entry(text::key(&name).into_owned()).or_default().push(dn);
            }
        }
        Ok(unidentified)
    }
}
