//! Making synchronizations, changing them, and replacing their secrets.

use super::checked_name;
use crate::{
    api::{
        auth::Administrator,
        json,
        problem::{ApiResult, Problem},
    },
    clock::Clock,
    hosted::{HostedConnection, Offer, Wish},
    ids::{IdKind, hash_secret, new_id, new_secret},
    store::{DroppedPlan, Edit, Editable, Edited, Removal, Store, Synchronization},
};
use adc_core::{
    mapping,
    policy::Policy,
    schedule::{Schedule, ScheduleError},
    settings::Settings,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a Secret Token begins with, for secret scanners.
const SECRET_PREFIX: &str = "adcs_";

/// What administrators say of a synchronization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// What people call it; unique within the account.
    pub name: String,
    /// The server's own switches; what is left out is left to adc.yaml, then to the default.
    #[serde(default)]
    pub settings: Settings,
    /// What to read and how; null means the default.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// When it runs by itself; null means never.
    #[serde(default)]
    pub schedule: Option<Schedule>,
}

/// A new synchronization and its Secret Token, which is shown once.
pub struct NewSynchronization {
    /// What is kept.
    pub synchronization: Synchronization,
    /// What the agent signs in with.
    pub secret_token: String,
}

/// Makes a synchronization of an account.
pub async fn create(
    store: &Store,
    clock: &Clock,
    account_id: &str,
    wishes: Wishes,
) -> ApiResult<NewSynchronization> {
    let Editable { name, settings, policy, schedule, connection } = wishes.checked(None, None)?;
    let now = clock.now();
    let secret_token = new_secret(SECRET_PREFIX);
    let synchronization = Synchronization {
        account_id: account_id.to_owned(),
        id: new_id(IdKind::Synchronization),
        name,
        application_id: new_id(IdKind::Application),
        settings,
        policy,
        schedule_handled_until: schedule.is_some().then_some(now),
        schedule,
        connection,
        last_due: None,
        version: 1,
        checkpoint: None,
        last_applied_run: None,
        queued_run: None,
        active_run: None,
        held_run: None,
        created_at: now,
        updated_at: now,
    };
    if store.create_synchronization(&synchronization, &hash_secret(&secret_token)).await? {
        return Ok(NewSynchronization { synchronization, secret_token });
    }
    Err(name_taken(&synchronization.name))
}

/// Applies a merge patch (RFC 7396) of name, settings, policy, schedule and connection; the merged whole must be acceptable. `offer`
/// says which connections are.
pub async fn patch(
    store: &Store,
    clock: &Clock,
    account_id: &str,
    id: &str,
    mut patch: Value,
    offer: &Offer,
) -> ApiResult<Edited> {
    let wish = Wish::take_from(&mut patch)?;
    let merge = |current: &Synchronization| {
        let connection = wish.applied(current.connection.as_ref(), offer, account_id, id)?;
        merged(current, &patch, connection)
    };
    let edit = store.edit_synchronization(account_id, id, clock.now(), merge).await?;
    match edit {
        Edit::Done(edited) => {
            if let Some(run) = &edited.taken_back {
                tracing::info!(
                    run.id = %run, synchronization.id = %id,
                    "run cancelled: the schedule was switched off or removed before an agent had begun it"
                );
            }
            Ok(edited)
        }
        Edit::NotFound => Err(not_found(id)),
        Edit::NameTaken => Err(name_taken(patch["name"].as_str().unwrap_or_default())),
        Edit::Refused(problem) => Err(problem),
    }
}

/// Replaces the Secret Token and returns the new one, which is shown once.
pub async fn rotate_secret(store: &Store, clock: &Clock, account_id: &str, id: &str) -> ApiResult<String> {
    let secret_token = new_secret(SECRET_PREFIX);
    if store.replace_secret(account_id, id, &hash_secret(&secret_token), clock.now()).await? {
        Ok(secret_token)
    } else {
        Err(not_found(id))
    }
}

/// Removes a synchronization: its people become local users, its groups and org units go.
pub async fn delete(store: &Store, clock: &Clock, administrator: &Administrator, id: &str) -> ApiResult<()> {
    let Administrator { account_id, key_id } = administrator;
    match store.remove_synchronization(account_id, id, key_id, clock.now()).await? {
        Removal::Done(None) => Ok(()),
        Removal::Done(Some(DroppedPlan { run_id, removals })) => {
            tracing::warn!(
                synchronization.id = %id, run.id = %run_id, removals,
                "a held plan was dropped with its synchronization: whom it would have removed stay as they are, as local users; \
                 its lines name them"
            );
            Ok(store.clear_staging(&run_id).await?)
        }
        Removal::NotFound => Err(not_found(id)),
        Removal::Busy(run) => {
            let detail =
                format!("The run {run} of this synchronization is under way; cancel it or wait for its end.");
            Err(Problem::conflict("run-active", detail).with_run(run))
        }
    }
}

/// The problem of a synchronization that is not there, or not the caller's.
pub fn not_found(id: &str) -> Problem {
    Problem::not_found("synchronization-not-found", format!("There is no synchronization {id}."))
}

impl Wishes {
    /// A policy that is stored already is not judged anew: an older version took it, and whoever wants to switch something off must not
    /// have to mend it first.
    fn checked(self, connection: Option<HostedConnection>, stored: Option<&Policy>) -> ApiResult<Editable> {
        if let Some(policy) = self.policy.as_ref().filter(|policy| Some(*policy) != stored) {
            let refuse = |why: String| Problem::unprocessable("invalid-policy", format!("{why}."));
            policy.validate().map_err(|error| refuse(error.to_string()))?;
            mapping::refuse_unusable(policy).map_err(|error| refuse(error.to_string()))?;
        }
        // A policy that says nothing is the default, and the default is kept as such.
        let policy = self.policy.filter(|policy| *policy != Policy::default());
        let refuse = |why: ScheduleError| Problem::unprocessable("invalid-schedule", format!("{why}."));
        let schedule = self.schedule.map(|schedule| schedule.checked().map_err(refuse)).transpose()?;
        let name = checked_name(&self.name, "syn_")?;
        Ok(Editable { name, settings: self.settings, policy, schedule, connection })
    }
}

fn merged(
    current: &Synchronization,
    patch: &Value,
    connection: Option<HostedConnection>,
) -> ApiResult<Editable> {
    let current = current.editable();
    let patch = with_other_repeat(current.schedule.as_ref(), patch);
    let wishes = Wishes {
        name: current.name,
        settings: current.settings,
        policy: current.policy,
        schedule: current.schedule,
    };
    let merged: Wishes = json::merged(&wishes, &patch)?;
    merged.checked(connection, wishes.policy.as_ref())
}

/// Has a `schedule.repeat` of another kind replace the one before, whose members mean nothing any more: whoever changes it from weekly
/// to daily need not unset `days`.
fn with_other_repeat(current: Option<&Schedule>, patch: &Value) -> Value {
    let mut patch = patch.clone();
    let before = current.and_then(|schedule| serde_json::to_value(&schedule.repeat).ok());
    if let Some(Value::Object(before)) = before
        && let Some(Value::Object(repeat)) = patch.pointer_mut("/schedule/repeat")
        && repeat.get("kind").is_some_and(|kind| before.get("kind") != Some(kind))
    {
        for member in before.into_iter().map(|(member, _)| member) {
            repeat.entry(member).or_insert(Value::Null);
        }
    }
    patch
}

fn name_taken(name: &str) -> Problem {
    let name = name.trim();
    Problem::conflict(
        "name-taken",
        format!("The account has a synchronization named \"{name}\" already; choose another name."),
    )
}
