//! Making local users and changing anybody, each with its entry in the ledger.

use super::checked_name;
use crate::{
    api::{
        auth::Administrator,
        json,
        problem::{ApiResult, Problem},
    },
    clock::Clock,
    ids::{IdKind, new_id},
    store::{Edit, LocalChange, Store, StoredUser, UserState},
};
use adc_core::{
    plan::{Action, Provider, StatusBy, UserStatus},
    reason::Reason,
    record::{FieldValue, Fields},
    text,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What administrators say of a user; of a directory's user they say only the last four, unless the person left and was disabled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// What the user logs in with; unique among the account's users.
    pub username: String,
    /// The mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// `given_name`, `family_name`, `display_name`, … and custom ones: a text or a list of texts each.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub fields: Fields,
    /// Whether the user can log in.
    #[serde(default)]
    pub status: WishedStatus,
    /// Owns the account: never removed and never taken over by a directory.
    #[serde(default)]
    pub account_owner: bool,
    /// Administers the account: never taken over by a directory.
    #[serde(default)]
    pub administrator: bool,
    /// What would be left without an owner if the user were removed, such as `bot:42`.
    #[serde(default)]
    pub owns: Vec<String>,
}

/// What administrators may make of a user's status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WishedStatus {
    /// Can log in.
    #[default]
    Active,
    /// Cannot, until an administrator says otherwise.
    Disabled,
}

/// Makes a local user.
pub async fn create(
    store: &Store,
    clock: &Clock,
    administrator: &Administrator,
    wishes: Wishes,
) -> ApiResult<StoredUser> {
    let now = clock.now();
    let user = StoredUser {
        account_id: administrator.account_id.clone(),
        id: new_id(IdKind::User),
        provider: Provider::Local,
        state: wishes.checked()?.state(StatusBy::Administrator),
        created_at: now,
        updated_at: now,
        deleted_at: None,
    };
    let (_, after) = difference(&Value::Object(Map::new()), &shown(&user.state));
    let entry = entry(administrator, &user, &user.state, Action::Create, (None, Some(after)));
    if store.create_user(&user, &entry).await? {
        return Ok(user);
    }
    Err(name_taken(&user.state.username))
}

/// Applies a merge patch (RFC 7396) of what [`Wishes`] names.
pub async fn patch(
    store: &Store,
    clock: &Clock,
    administrator: &Administrator,
    id: &str,
    patch: &Value,
) -> ApiResult<StoredUser> {
    let edit = store
        .edit_user(&administrator.account_id, id, clock.now(), |user, has_left| {
            merged(administrator, user, has_left, patch)
        })
        .await?;
    match edit {
        Edit::Done(user) => Ok(user),
        Edit::NotFound => Err(not_found(id)),
        Edit::NameTaken => Err(name_taken(patch["username"].as_str().unwrap_or_default())),
        Edit::Refused(problem) => Err(problem),
    }
}

/// The problem of a user that is not there, or not the caller's.
pub fn not_found(id: &str) -> Problem {
    Problem::not_found("user-not-found", format!("There is no user {id}."))
}

/// What the patch makes of the user, with the ledger's entry; `None` when that is what it is already.
fn merged(
    administrator: &Administrator,
    user: &StoredUser,
    has_left: bool,
    patch: &Value,
) -> ApiResult<Option<(UserState, LocalChange)>> {
    let now = &user.state;
    if now.status == UserStatus::Deleted {
        let detail =
            format!("The user {} is deleted and kept for audit; it cannot be changed.", now.username);
        return Err(Problem::conflict("user-deleted", detail));
    }
    let was = Wishes::of(now);
    let mut wishes = json::merged(&was, patch)?;
    let rewrites =
        (&wishes.username, &wishes.email, &wishes.fields) != (&was.username, &was.email, &was.fields);
    // Who left and was disabled would keep name, address and number from whoever gets them next in the directory.
    let is_let_go = has_left && now.status == UserStatus::Disabled;
    if let Provider::Directory { synchronization_id, .. } = &user.provider
        && rewrites
        && !is_let_go
    {
        return Err(Problem::unprocessable(
            "directory-user",
            format!(
                "The user {} comes from the directory of {synchronization_id}, and so do its username, email and \
                 fields; change them there. Here they can only be changed of a disabled user who is gone there, or left out by \
                 a rule.",
                now.username
            ),
        ));
    }
    if rewrites || user.provider == Provider::Local {
        wishes = wishes.checked()?;
    }
    // To disable whom the directory disabled already is a word too: the directory must not enable the user any more.
    let says_disabled = patch.get("status").is_some_and(|status| status == "disabled");
    let status_by =
        if wishes.status != was.status || says_disabled { StatusBy::Administrator } else { now.status_by };
    let next = wishes.state(status_by);
    if next == *now {
        return Ok(None);
    }
    let action = match (now.status, next.status) {
        (UserStatus::Active, UserStatus::Disabled) => Action::Disable,
        (UserStatus::Disabled, UserStatus::Active) => Action::Enable,
        _ => Action::Update,
    };
    let (before, after) = difference(&shown(now), &shown(&next));
    let entry = entry(administrator, user, &next, action, (Some(before), Some(after)));
    Ok(Some((next, entry)))
}

impl Wishes {
    fn of(state: &UserState) -> Self {
        let status = match state.status {
            UserStatus::Active => WishedStatus::Active,
            UserStatus::Disabled | UserStatus::Deleted => WishedStatus::Disabled,
        };
        Self {
            username: state.username.clone(),
            email: state.email.clone(),
            fields: state.fields.clone(),
            status,
            account_owner: state.account_owner,
            administrator: state.administrator,
            owns: state.owns.clone(),
        }
    }

    fn state(self, status_by: StatusBy) -> UserState {
        let status = match self.status {
            WishedStatus::Active => UserStatus::Active,
            WishedStatus::Disabled => UserStatus::Disabled,
        };
        UserState {
            username: self.username,
            email: self.email,
            fields: self.fields,
            status,
            status_by,
            account_owner: self.account_owner,
            administrator: self.administrator,
            owns: self.owns,
        }
    }

    /// What can be kept of a local user.
    fn checked(mut self) -> ApiResult<Self> {
        self.username = text::nfc(&checked_name(&self.username, "usr_")?).into_owned();
        self.email = self.email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if let Some(name) = self.fields.keys().find(|name| !is_name(name)) {
            return Err(Problem::unprocessable(
                "invalid-field",
                format!(
                    "fields: \"{name}\" is no field name; use lower-case letters, digits and underscores."
                ),
            ));
        }
        self.fields.retain(|_, value| match value {
            FieldValue::Text(text) => !text.is_empty(),
            FieldValue::List(list) => !list.is_empty(),
        });
        Ok(self)
    }
}

fn entry(
    administrator: &Administrator,
    user: &StoredUser,
    next: &UserState,
    action: Action,
    (before, after): (Option<Value>, Option<Value>),
) -> LocalChange {
    let (synchronization_id, source_id, dn) = match user.provider.clone() {
        Provider::Local => (None, String::new(), String::new()),
        Provider::Directory { synchronization_id, source_id, dn } => {
            (Some(synchronization_id), source_id, dn)
        }
    };
    LocalChange {
        by: administrator.key_id.clone(),
        kind: "user".to_owned(),
        object_id: user.id.clone(),
        synchronization_id,
        source_id,
        dn,
        username: next.username.clone(),
        action,
        reason: Reason::Administrator,
        before,
        after,
    }
}

/// A user's state as events show it.
fn shown(state: &UserState) -> Value {
    serde_json::json!({
        "username": state.username,
        "email": state.email,
        "status": state.status,
        "status_by": state.status_by,
        "account_owner": state.account_owner,
        "administrator": state.administrator,
        "owns": state.owns,
        "fields": state.fields,
    })
}

/// What differs between two objects, key by key; `fields` likewise inside.
fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let (mut was, mut is) = (Map::new(), Map::new());
    let keys = [before, after].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    for key in keys {
        let (one, other) = (&before[key], &after[key]);
        if one == other {
            continue;
        }
        let (one, other) = match (key.as_str(), one) {
            ("fields", Value::Object(_)) => difference(one, other),
            _ => (one.clone(), other.clone()),
        };
        was.insert(key.clone(), one);
        is.insert(key.clone(), other);
    }
    (was.into(), is.into())
}

fn name_taken(name: &str) -> Problem {
    let name = name.trim();
    Problem::conflict(
        "username-taken",
        format!("Another user of the account is named \"{name}\"; choose another name, or rename that one."),
    )
}
