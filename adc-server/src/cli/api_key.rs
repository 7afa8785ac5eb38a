//! `adc-server api-key create [--account A] [--role R]`, `list [--account A]`, `revoke ID`

use super::{Cli, Global, output, refused};
use crate::{
    admin::{accounts, api_keys},
    clock::{Clock, rfc3339},
    roles::Role,
    store::{ListedApiKey, Store},
};
use clap::{CommandFactory, Subcommand, error::ErrorKind};
use serde_json::{Value, json};

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
    /// Show which API keys there are, revoked ones too; the keys themselves are kept nowhere
    List {
        /// The account's id or name; without it all keys are shown, those of the whole system too
        #[arg(long)]
        account: Option<String>,
    },
    /// Take an API key back: the very next request with it is refused
    Revoke {
        /// Its id, as api-key list shows it: key_…
        id: String,
    },
}

impl Command {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Create { account, role } => create(global, account, role).await,
            Self::List { account } => list(global, account).await,
            Self::Revoke { id } => revoke(global, &id).await,
        }
    }
}

async fn create(global: &Global, account: Option<String>, role: Option<Role>) -> anyhow::Result<()> {
    if let Some(role) = role
        && let Err(problem) = api_keys::check_role(role, account.is_some())
    {
        Cli::command().error(ErrorKind::ArgumentConflict, problem.detail()).exit();
    }
    let (store, clock) = (global.open_store().await?, Clock::system());
    let account_id = id_of(&store, account).await?;
    let made = api_keys::create(&store, &clock, account_id.as_deref(), role).await.map_err(refused)?;
    let text = format!(
        "API key made: {} ({})\n{}\nIt is shown this once. Use it as: Authorization: Bearer …",
        made.key.id, made.key.role, made.secret
    );
    let json = json!({ "id": made.key.id, "api_key": made.secret, "role": made.key.role });
    output::show(global.output, &text, &json)
}

async fn list(global: &Global, account: Option<String>) -> anyhow::Result<()> {
    let store = global.open_store().await?;
    let account_id = id_of(&store, account).await?;
    let keys = store.api_keys(account_id.as_deref()).await?;
    let lines: Vec<_> = keys.iter().map(line).collect();
    let text = match lines.len() {
        0 => "There are no API keys; make one with adc-server api-key create.".to_owned(),
        _ => lines.join("\n"),
    };
    let items: Vec<_> = keys.iter().map(document).collect();
    output::show(global.output, &text, &json!({ "items": items }))
}

async fn revoke(global: &Global, id: &str) -> anyhow::Result<()> {
    let store = global.open_store().await?;
    if let Err(problem) = api_keys::revoke(&store, &Clock::system(), id).await {
        if problem.code() == api_keys::NOT_FOUND {
            Cli::command().error(ErrorKind::InvalidValue, problem.detail()).exit();
        }
        return Err(refused(problem));
    }
    let text = format!("API key {id} revoked: whoever uses it is refused from now on");
    output::show(global.output, &text, &json!({ "id": id, "revoked": true }))
}

async fn id_of(store: &Store, account: Option<String>) -> anyhow::Result<Option<String>> {
    match account {
        Some(account) => Ok(Some(accounts::find(store, &account).await.map_err(refused)?.id)),
        None => Ok(None),
    }
}

fn line(listed: &ListedApiKey) -> String {
    let of = listed.account.as_deref().unwrap_or("the whole system");
    let revoked = listed.revoked_at.map(|at| format!(", revoked {}", rfc3339(at))).unwrap_or_default();
    let made = rfc3339(listed.created_at);
    format!("{}  {} of {of}, made {made}{revoked}", listed.key.id, listed.key.role)
}

fn document(listed: &ListedApiKey) -> Value {
    json!({
        "id": listed.key.id,
        "account_id": listed.key.account_id,
        "account": listed.account,
        "role": listed.key.role,
        "created_at": rfc3339(listed.created_at),
        "revoked_at": listed.revoked_at.map(rfc3339),
    })
}
