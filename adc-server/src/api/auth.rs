//! Who asks, and what they may do: the one place where keys, secrets and roles are enforced.
//!
//! A handler says by the type of its argument whom it serves: [`Reader`], [`Administrator`], [`SystemAdministrator`],
//! [`Doorkeeper`] or [`AgentIdentity`]. The first two come with the account that is meant, and every query of the store is bound to it,
//! so that what belongs to another account is not found.

use super::{
    AppState,
    problem::{ApiResult, Problem},
    query,
};
use crate::{
    admin::accounts,
    ids::{hash_secret, secret_matches},
    roles::Role,
    runs::AgentIdentity,
    store::{ApiKey, Store},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The hash of no secret, compared with when an Application ID is unknown, so that it takes as long as one that is known.
const NO_SECRET: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How much of an Application ID that is wrong is written to the log (characters).
const LONGEST_CLAIM: usize = 64;

/// An API key of the whole system.
#[derive(Debug)]
pub struct SystemAdministrator;

/// An API key that may change things in the account that is meant.
#[derive(Debug)]
pub struct Administrator {
    /// The account.
    pub account_id: String,
    /// The key, for the ledger.
    pub key_id: String,
}

/// An API key that may look at the account that is meant.
#[derive(Debug)]
pub struct Reader {
    /// The account.
    pub account_id: String,
}

/// An API key that may log people in: to its account, or, of the system, to the one that is named or any.
#[derive(Debug)]
pub struct Doorkeeper {
    /// The account, if one is meant.
    pub account_id: Option<String>,
    /// The key, for the audit.
    pub key_id: String,
}

impl FromRequestParts<AppState> for SystemAdministrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        api_key(parts, &state.store, Role::SystemAdministrator).await?;
        Ok(Self)
    }
}

impl FromRequestParts<AppState> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let key = api_key(parts, &state.store, Role::AccountAdministrator).await?;
        let account_id = account_meant(parts, &state.store, &key).await?;
        Ok(Self { account_id, key_id: key.id })
    }
}

impl FromRequestParts<AppState> for Doorkeeper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let key = api_key(parts, &state.store, Role::AccountAdministrator).await?;
        let all_accounts = key.account_id.is_none() && query::account(&parts.uri)?.is_none();
        let account_id =
            if all_accounts { None } else { Some(account_meant(parts, &state.store, &key).await?) };
        Ok(Self { account_id, key_id: key.id })
    }
}

impl FromRequestParts<AppState> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let key = api_key(parts, &state.store, Role::Auditor).await?;
        let account_id = account_meant(parts, &state.store, &key).await?;
        Ok(Self { account_id })
    }
}

impl FromRequestParts<AppState> for AgentIdentity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        Self::admit(&parts.headers, state).await
    }
}

impl AgentIdentity {
    /// Whom the credentials of these headers speak for, as of now.
    pub(super) async fn admit(headers: &HeaderMap, state: &AppState) -> ApiResult<Self> {
        let (application_id, secret_token) = basic(headers).ok_or_else(|| {
            Problem::unauthorized(
                "Sign in as an agent: Authorization: Basic with Application ID and Secret Token.",
            )
        })?;
        let refused = || {
            Problem::unauthorized(
                "The Application ID or the Secret Token is wrong; compare both with the control plane, or rotate the \
                 secret there.",
            )
        };
        if let Some(tokens) = &state.tokens {
            return tokens.admit(&application_id, &secret_token).ok_or_else(refused);
        }
        let known = state.store.agent_credentials(&application_id).await?;
        let hash = known.as_ref().map_or(NO_SECRET, |known| &known.secret_hash);
        if let (true, Some(known)) = (secret_matches(&secret_token, hash), known) {
            return Ok(Self { account_id: known.account_id, synchronization_id: known.synchronization_id });
        }
        // Whatever was sent for an Application ID: escaped, and no longer than one is.
        let claimed: String = application_id.chars().take(LONGEST_CLAIM).collect();
        tracing::warn!(application.id = ?claimed, "an agent was refused: its Application ID or Secret Token is wrong");
        Err(refused())
    }
}

/// The API key that the request carries, if its role is at least `needed`.
async fn api_key(parts: &Parts, store: &Store, needed: Role) -> ApiResult<ApiKey> {
    let secret = bearer(&parts.headers)
        .ok_or_else(|| Problem::unauthorized("Sign in with an API key: Authorization: Bearer adck_…."))?;
    let key = store.api_key(&hash_secret(secret)).await?.ok_or_else(|| {
        Problem::unauthorized(
            "The API key is unknown, or was revoked; make one with adc-server api-key create.",
        )
    })?;
    if key.role < needed {
        return Err(Problem::forbidden(format!(
            "This needs the role {needed}; the API key {} has the role {}.",
            key.id, key.role
        )));
    }
    Ok(key)
}

/// The account that the request is about: the key's own, or the one that a system administrator names.
async fn account_meant(parts: &Parts, store: &Store, key: &ApiKey) -> ApiResult<String> {
    match (&key.account_id, query::account(&parts.uri)?) {
        (Some(own), None) => Ok(own.clone()),
        (Some(own), Some(named)) => {
            let account = store.account(&named).await?.filter(|account| account.id == *own);
            account.map(|account| account.id).ok_or_else(|| accounts::not_found(&named))
        }
        (None, Some(named)) => Ok(accounts::find(store, &named).await?.id),
        (None, None) => Err(Problem::bad_request(
            "account-missing",
            "The API key administers the whole system, so say which account is meant: ?account=ID or NAME.",
        )),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(token.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
