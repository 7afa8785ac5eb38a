//! `adc-server synchronization create --account A --name N`

use super::{Global, output, refused};
use crate::{
    admin::{accounts, synchronizations},
    clock::Clock,
};
use adc_core::settings::Settings;
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a synchronization and print its Application ID and, this once, its Secret Token
    Create {
        /// The account's id or name
        #[arg(long)]
        account: String,
        /// What people call it
        #[arg(long)]
        name: String,
    },
}

impl Command {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Create { account, name } = self;
        let (store, clock) = (global.open_store().await?, Clock::system());
        let account = accounts::find(&store, &account).await.map_err(refused)?;
        let wishes =
            synchronizations::Wishes { name, settings: Settings::default(), policy: None, schedule: None };
        let made = synchronizations::create(&store, &clock, &account.id, wishes).await.map_err(refused)?;
        let synchronizations::NewSynchronization { synchronization, secret_token } = made;
        let text = format!(
            "Synchronization \"{}\" made: {}\n\
             Application ID  {}\n\
             Secret Token    {secret_token}\n\
             The Secret Token is shown this once; put it where adc.yaml's secret_token_file points.",
            synchronization.name, synchronization.id, synchronization.application_id
        );
        let json = json!({
            "id": synchronization.id,
            "account_id": synchronization.account_id,
            "name": synchronization.name,
            "application_id": synchronization.application_id,
            "secret_token": secret_token,
        });
        output::show(global.output, &text, &json)
    }
}
