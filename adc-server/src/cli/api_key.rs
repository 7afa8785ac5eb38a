//! `adc-server api-key create [--account A] [--role R]`

use super::{Cli, Global, output, refused};
use crate::{
    admin::{accounts, api_keys},
    clock::Clock,
    roles::Role,
};
use clap::{CommandFactory, Subcommand, error::ErrorKind};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an API key and print it, this once
    Create {
        /// The account's id or name; without it the key is for the whole system
        #[arg(long)]
        account: Option<String>,
        /// What the key allows [default: account-administrator, or system-administrator without --account]
        #[arg(long, value_enum)]
        role: Option<Role>,
    },
}

impl Command {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Create { account, role } = self;
        if let Some(role) = role
            && let Err(problem) = api_keys::check_role(role, account.is_some())
        {
            Cli::command().error(ErrorKind::ArgumentConflict, problem.detail()).exit();
        }
        let (store, clock) = (global.open_store().await?, Clock::system());
        let account_id = match account {
            Some(account) => Some(accounts::find(&store, &account).await.map_err(refused)?.id),
            None => None,
        };
        let made = api_keys::create(&store, &clock, account_id.as_deref(), role).await.map_err(refused)?;
        let text = format!(
            "API key made: {} ({})\n{}\nIt is shown this once. Use it as: Authorization: Bearer …",
            made.key.id, made.key.role, made.secret
        );
        let json = json!({ "id": made.key.id, "api_key": made.secret, "role": made.key.role });
        output::show(global.output, &text, &json)
    }
}
