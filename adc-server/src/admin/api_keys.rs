//! Making API keys, and taking them back.

use crate::{
    api::problem::{ApiResult, Problem},
    clock::Clock,
    ids::{IdKind, hash_secret, new_id, new_secret},
    roles::Role,
    store::{ApiKey, Store},
};

/// What an API key begins with, for secret scanners.
const PREFIX: &str = "adck_";

/// The code of a refusal to revoke what is not there, or is revoked.
pub const NOT_FOUND: &str = "api-key-not-found";

/// A new API key and the key itself, which is shown once.
pub struct NewApiKey {
    /// What is kept.
    pub key: ApiKey,
    /// What is shown.
    pub secret: String,
}

/// Makes a key of an account, or, without one, of the whole system.
pub async fn create(
    store: &Store,
    clock: &Clock,
    account_id: Option<&str>,
    role: Option<Role>,
) -> ApiResult<NewApiKey> {
    let role = role.unwrap_or(match account_id {
        Some(_) => Role::AccountAdministrator,
        None => Role::SystemAdministrator,
    });
    check_role(role, account_id.is_some())?;
    let secret = new_secret(PREFIX);
    let key = ApiKey { id: new_id(IdKind::ApiKey), account_id: account_id.map(str::to_owned), role };
    store.create_api_key(&key, &hash_secret(&secret), clock.now()).await?;
    Ok(NewApiKey { key, secret })
}

/// Revokes a key: the next request with it is refused, whatever process answers it.
pub async fn revoke(store: &Store, clock: &Clock, id: &str) -> ApiResult<()> {
    if store.revoke_api_key(id, clock.now()).await? {
        tracing::info!(audit = "api-key", api_key.id = %id, "API key revoked");
        return Ok(());
    }
    Err(Problem::not_found(
        NOT_FOUND,
        format!("There is no API key {id}, or it was revoked before; adc-server api-key list shows all."),
    ))
}

/// Whether a key of this role goes with an account or without.
pub fn check_role(role: Role, with_account: bool) -> ApiResult<()> {
    match (role.needs_account(), with_account) {
        (true, false) => Err(Problem::unprocessable(
            "account-missing",
            format!("The role {role} is about one account; name it with --account."),
        )),
        (false, true) => Err(Problem::unprocessable(
            "account-not-wanted",
            format!("The role {role} is about the whole system; leave --account out."),
        )),
        _ => Ok(()),
    }
}
