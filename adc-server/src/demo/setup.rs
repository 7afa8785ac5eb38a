//! What the demo's control plane needs before anybody can speak to it.

use crate::{
    admin::{accounts, api_keys, synchronizations},
    api::problem::Problem,
    clock::Clock,
    store::Store,
};
use adc_core::settings::Settings;
use anyhow::anyhow;

/// The account of the demo; a database that has it already is gone on with.
const ACCOUNT: &str = "Example";
/// The synchronization of the demo.
const SYNCHRONIZATION: &str = "Sample directory";

/// An account, a key of its administrator, and a synchronization with its agent's credentials.
pub(super) struct Setup {
    pub(super) account_id: String,
    pub(super) api_key: String,
    pub(super) synchronization_id: String,
    pub(super) application_id: String,
    pub(super) secret_token: String,
}

impl Setup {
    /// Makes what is not there, and new secrets for what is.
    pub(super) async fn make(store: &Store, clock: &Clock) -> anyhow::Result<Self> {
        let account = match store.account(ACCOUNT).await? {
            Some(account) => account,
            None => accounts::create(store, clock, ACCOUNT).await.map_err(said)?,
        };
        let key = api_keys::create(store, clock, Some(&account.id), None).await.map_err(said)?;
        let (synchronization, secret_token) =
            if let Some(known) = store.synchronization_named(&account.id, SYNCHRONIZATION).await? {
                let rotated = synchronizations::rotate_secret(store, clock, &account.id, &known.id).await;
                (known, rotated.map_err(said)?)
            } else {
                let wishes = synchronizations::Wishes {
                    name: SYNCHRONIZATION.to_owned(),
                    settings: Settings::default(),
                    policy: None,
                    schedule: None,
                };
                let made = synchronizations::create(store, clock, &account.id, wishes).await.map_err(said)?;
                (made.synchronization, made.secret_token)
            };
        Ok(Self {
            account_id: account.id,
            api_key: key.secret,
            synchronization_id: synchronization.id,
            application_id: synchronization.application_id,
            secret_token,
        })
    }
}

fn said(problem: Problem) -> anyhow::Error {
    anyhow!(problem.detail().to_owned())
}
