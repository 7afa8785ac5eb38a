//! `adc-server account create NAME`

use super::{Global, output, refused};
use crate::{admin, clock::Clock};
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account and print its id
    Create {
        /// What people call it
        name: String,
    },
}

impl Command {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Create { name } = self;
        let store = global.open_store().await?;
        let account = admin::accounts::create(&store, &Clock::system(), &name).await.map_err(refused)?;
        let text = format!("Account \"{}\" made: {}", account.name, account.id);
        output::show(global.output, &text, &json!({ "id": account.id, "name": account.name }))
    }
}
