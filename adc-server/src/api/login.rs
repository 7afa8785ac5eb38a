//! `POST /login`: people sign in.

use super::{
    AppState,
    auth::Doorkeeper,
    peer,
    problem::{ApiResult, Problem},
    secret_body::NameAndPassword,
    users::UserView,
};
use crate::{
    clock::Millis,
    metrics,
    sign_in::{Admitted, Attempt, Refused},
};
use adc_core::protocol::ProblemJson;
use axum::{
    Json,
    extract::{FromRequest, Request, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When to try again where nobody knows when it will be otherwise (seconds).
const AFTER_AN_OUTAGE: u32 = 5;

/// Who wants to come in.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes the body, which is read by itself")]
pub(super) struct Login {
    /// The user name; without its domain where the policy says `login_without_domain`.
    username: String,
    /// The password, as it is in the directory.
    #[schema(format = Password)]
    password: String,
}

/// Who came in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedIn {
    /// The user; of several accounts the one of the first.
    user: UserView,
    /// The accounts whose user is active and whose own synchronization checked the password, by name. Asked with a key of the whole
    /// system, those that have said so within a second of the first.
    accounts: Vec<LoggedInAccount>,
}

/// An account that somebody came into.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoggedInAccount {
    id: String,
    name: String,
    /// Who the person is there.
    user_id: String,
    username: String,
}

/// Checks a password where the person's own directory is (pass-through authentication). Needs an API key that administers; an
/// account's key logs people in to that account, a system administrator's to the account that `?account=` names, else to all.
#[utoipa::path(post, path = "/login", tag = "people", operation_id = "login", request_body = Login,
    params(("account" = Option<String>, Query, description = "For a system administrator's key: the one account, by id or name")),
    responses((status = 200, body = LoggedIn),
        (status = 401, description = "`invalid-credentials`: no such user, a local one, or a wrong password; `unauthorized`: no API key", body = ProblemJson),
        (status = 403, description = "`user-deleted`, `user-disabled`, `user-locked`, `password-expired`", body = ProblemJson),
        (status = 429, description = "`too-many-failures`; Retry-After says when: 5 failures of a person, 50 of an address, in 5 minutes and in an account", body = ProblemJson),
        (status = "4XX", body = ProblemJson),
        (status = 503, description = "`directory-unreachable`", body = ProblemJson)),
    security(("api_key" = ["account-administrator"])))]
pub(super) async fn login(
    doorkeeper: Doorkeeper,
    State(state): State<AppState>,
    request: Request,
) -> ApiResult<Json<LoggedIn>> {
    let address = peer::address(&request, state.trusted_hops);
    let NameAndPassword { username, password } = NameAndPassword::from_request(request, &state).await?;
    let Doorkeeper { account_id, key_id } = doorkeeper;
    let attempt = Attempt { account_id, key_id, address, username, password };
    match state.door.sign_in(attempt).await? {
        Ok(admitted) => {
            metrics::signed_in("ok");
            Ok(Json(logged_in(admitted)))
        }
        Err(refused) => {
            let problem = problem(refused);
            metrics::signed_in(problem.code());
            Err(problem)
        }
    }
}

fn logged_in(admitted: Vec<Admitted>) -> LoggedIn {
    let account = |admitted: &Admitted| LoggedInAccount {
        id: admitted.user.account_id.clone(),
        name: admitted.account_name.clone(),
        user_id: admitted.user.id.clone(),
        username: admitted.user.state.username.clone(),
    };
    let mut admitted = admitted;
    admitted.sort_by(|one, other| {
        (&one.account_name, &one.user.account_id).cmp(&(&other.account_name, &other.user.account_id))
    });
    let accounts = admitted.iter().map(account).collect();
    let first = admitted.into_iter().next().expect("whoever comes in comes into an account");
    LoggedIn { user: first.user.into(), accounts }
}

fn problem(refused: Refused) -> Problem {
    let forbidden = |code, detail: &str| Problem::new(StatusCode::FORBIDDEN, code, detail);
    match refused {
        Refused::Invalid | Refused::Nobody => Problem::new(
            StatusCode::UNAUTHORIZED,
            "invalid-credentials",
            "The user name or the password is wrong.",
        ),
        Refused::Deleted => forbidden("user-deleted", "The user was deleted; ask an administrator."),
        Refused::Disabled => forbidden("user-disabled", "The user is disabled; ask an administrator."),
        Refused::Locked => forbidden(
            "user-locked",
            "The directory has locked the user out after wrong passwords; wait, or ask who runs the directory.",
        ),
        Refused::Expired => forbidden(
            "password-expired",
            "The password, or the account in the directory, has expired; set a new password in the directory, or ask who runs it.",
        ),
        Refused::MustChange => forbidden(
            "password-expired",
            "The password is right and must be changed first; set a new one in the directory.",
        ),
        Refused::Throttled { after } => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-failures",
            "Too many sign-ins failed for this user or from this address; wait before the next one.",
        )
        .retry_after(seconds(after)),
        Refused::Unreachable | Refused::NoVerdict => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "directory-unreachable",
            "The user's directory cannot be asked at the moment; is an agent connected that checks passwords? The control plane's log says more.",
        )
        .retry_after(AFTER_AN_OUTAGE),
    }
}

/// Whole seconds, none too few.
fn seconds(after: Millis) -> u32 {
    u32::try_from(after.max(1).unsigned_abs().div_ceil(1_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_never_too_short() {
        assert_eq!([0, 1, 1_000, 1_001].map(seconds), [1, 1, 1, 2]);
    }
}
