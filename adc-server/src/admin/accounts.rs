//! Making accounts and finding them.

use super::checked_name;
use crate::{
    api::problem::{ApiResult, Problem},
    clock::Clock,
    ids::{IdKind, new_id},
    store::{Account, Store},
};

/// Makes an account; its name is free or this is a conflict.
pub async fn create(store: &Store, clock: &Clock, name: &str) -> ApiResult<Account> {
    let name = checked_name(name, "acc_")?;
    let account = Account { id: new_id(IdKind::Account), name, created_at: clock.now() };
    if store.create_account(&account).await? {
        return Ok(account);
    }
    Err(Problem::conflict(
        "name-taken",
        format!("There is an account named \"{}\" already; choose another name.", account.name),
    ))
}

/// The account of this id or name.
pub async fn find(store: &Store, id_or_name: &str) -> ApiResult<Account> {
    store.account(id_or_name).await?.ok_or_else(|| not_found(id_or_name))
}

/// The problem of an account that is not there, or not the caller's.
pub fn not_found(id_or_name: &str) -> Problem {
    Problem::not_found(
        "account-not-found",
        format!(
            "There is no account with the id or name \"{id_or_name}\"; check its spelling, or make it with `adc-server account create`."
        ),
    )
}
