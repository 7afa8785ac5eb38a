//! `decide` for people.

use super::{NextUser, Provider, StatusBy, User, UserFacts, UserStatus};
use crate::{
    plan::{
        Absence, Action, Decision, Difference, ObjectStatus, Terms, also_claimed, may_be,
        names::{Holding, USERNAME},
        reason_of,
    },
    reason::Reason,
    record::{MANAGER_FIELD, Record},
    text,
};
use serde_json::{Map, json};

/// Decides what becomes of one person. Pure: the same facts and terms give the same decision.
pub fn decide_user(facts: &UserFacts<'_>, terms: &Terms<'_>) -> Decision<NextUser> {
    // Only its own provider changes a user (invariant 12).
    let linked = facts.linked.filter(|user| user.provider.is(terms.synchronization_id));
    let facts = &UserFacts { linked, ..facts.clone() };
    match facts.seen {
        Err(absence) => decide_absent(facts, absence, terms),
        Ok(record) if record.problem.is_none() && record.excluded_by.is_some() => {
            decide_excluded(facts, record, terms)
        }
        Ok(record) => decide_present(facts, record, terms),
    }
}

/// The person is not in the directory any more, proved by a look-up.
fn decide_absent(facts: &UserFacts<'_>, absence: Absence, terms: &Terms<'_>) -> Decision<NextUser> {
    // A removal that was carried out is not carried out again: an administrator may have enabled the user since, and
    // a delete-disables that was switched off deletes new leavers only.
    let removed_before = facts
        .remembered
        .is_some_and(|remembered| !remembered.present && remembered.status == ObjectStatus::Synced);
    match facts.linked {
        Some(user) if user.status != UserStatus::Deleted && !removed_before => {
            // Whose identity is hidden is found by no look-up, and under another DN by none of the DN.
            if absence == Absence::Gone && !facts.unidentified.is_empty() {
                let detail = may_be(user.provider.dn(), facts.unidentified);
                let active = facts.remembered.and_then(|remembered| remembered.active);
                return Decision::conflict(Reason::UnprovenAbsence, Some(detail), active);
            }
            remove(user, absence.reason(), terms)
        }
        _ => Decision::settled(Some(false)),
    }
}

/// The person is in the directory, but a rule of the policy leaves it out.
fn decide_excluded(facts: &UserFacts<'_>, record: &Record, terms: &Terms<'_>) -> Decision<NextUser> {
    let excluded_before =
        facts.remembered.is_some_and(|remembered| remembered.status == ObjectStatus::Excluded);
    let reason =
        if record.excluded_by.as_deref() == Some("") { Reason::NotIncluded } else { Reason::ExcludedByRule };
    let detail =
        record.excluded_by.clone().filter(|rule| !rule.is_empty()).map(|rule| format!("rule \"{rule}\""));
    let mut decision = match facts.linked {
        _ if excluded_before => Decision::settled(Some(false)),
        Some(user) if user.status != UserStatus::Deleted => remove(user, reason, terms),
        _ => Decision::skip(reason, ObjectStatus::Excluded, Difference::default(), Some(false)),
    };
    if decision.status == ObjectStatus::Synced {
        decision.status = ObjectStatus::Excluded;
        decision.status_reason = Some(reason);
    }
    if let Some(line) = &mut decision.line
        && line.reason == reason
    {
        line.detail = detail;
    }
    decision
}

/// Removes a user whom the directory no longer vouches for, as far as switches and protections allow.
fn remove(user: &User, reason: Reason, terms: &Terms<'_>) -> Decision<NextUser> {
    let settings = terms.settings;
    let disables = settings.delete_disables.value;
    if disables && user.status == UserStatus::Disabled {
        let mut decision = Decision::settled(Some(false));
        decision.status_reason = Some(Reason::AlreadyDisabled);
        return decision;
    }
    let (action, status) = if disables {
        (Action::Disable, UserStatus::Disabled)
    } else {
        (Action::Delete, UserStatus::Deleted)
    };
    let next = NextUser {
        status,
        // Who disabled a user before it was deleted is remembered, for when it returns.
        status_by: if user.status == UserStatus::Disabled { user.status_by } else { StatusBy::Directory },
        ..as_it_is(user)
    };
    let difference = difference(user, &next);
    let blocked = if user.account_owner {
        Some(Reason::AccountOwner)
    } else if !user.owns.is_empty() {
        Some(Reason::OwnsResources)
    } else if settings.no_delete.value {
        Some(Reason::SettingNoDelete)
    } else {
        None
    };
    if let Some(reason) = blocked {
        let mut decision = Decision::skip(reason, ObjectStatus::Pending, difference, None);
        if let (Some(line), Reason::OwnsResources) = (&mut decision.line, reason) {
            line.detail = Some(user.owns.join(", "));
        }
        return decision;
    }
    let mut decision = Decision::effective(action, reason, difference, next, Some(false));
    if let Some(line) = &mut decision.line {
        line.removal = true;
    }
    decision
}

/// The person is in the directory and nobody leaves it out.
fn decide_present(facts: &UserFacts<'_>, record: &Record, terms: &Terms<'_>) -> Decision<NextUser> {
    if let Some((reason, detail)) = conflict(facts, record, terms) {
        return lock_out_despite(reason, &detail, facts, record, terms);
    }
    match facts.linked {
        Some(user) if user.status == UserStatus::Deleted => restore(user, facts, record, terms),
        Some(user) => update(user, facts, record, terms),
        None => match facts.holder {
            Some(holder) if !holder.provider.is(terms.synchronization_id) => {
                adopt(holder, facts, record, terms)
            }
            _ => create(facts, record, terms),
        },
    }
}

/// What keeps the record from being synchronized, if anything.
fn conflict(facts: &UserFacts<'_>, record: &Record, terms: &Terms<'_>) -> Option<(Reason, String)> {
    if let Some(problem) = &record.problem {
        return Some((reason_of(problem, facts.perhaps_missing), problem.detail.clone()));
    }
    let incumbent = facts.linked.is_some_and(|user| user.holds("username", &record.name));
    if !facts.rivals.is_empty() && !incumbent {
        return Some((Reason::DuplicateUsername, also_claimed(&record.name, &record.dn, facts.rivals)));
    }
    if let Some(holder) = facts.holder
        && facts.kept == Some(USERNAME)
        && !incumbent
        && (facts.linked.is_some() || holder.provider.is(terms.synchronization_id))
    {
        return Some((Reason::UsernameTaken, holder_of(holder)));
    }
    if let Some((field, others)) = facts.duplicate_value
        && !facts
            .linked
            .is_some_and(|user| record.unique.get(field).is_some_and(|value| user.holds(field, value)))
    {
        return Some((Reason::DuplicateValue, also_claimed(field, &record.dn, others)));
    }
    let kept = claimed_values(facts, record).find(|(field, _)| facts.kept == Some(*field));
    kept.map(|(field, holder)| {
        let held = [format!("{}{}", holder_of(holder), how_to_free(field, holder, terms))];
        (Reason::DuplicateValue, also_claimed(field, &record.dn, &held))
    })
}

/// The values that the record claims and others hold, but for those that the linked user holds already.
fn claimed_values<'a>(
    facts: &UserFacts<'a>,
    record: &'a Record,
) -> impl Iterator<Item = (&'a str, &'a User)> {
    let linked = facts.linked;
    facts.value_holders.iter().copied().filter(move |(field, _)| {
        !linked.is_some_and(|user| record.unique.get(*field).is_some_and(|value| user.holds(field, value)))
    })
}

/// A conflict changes nothing, with one exception: whom the directory marks inactive is locked out all the same.
fn lock_out_despite(
    reason: Reason,
    detail: &str,
    facts: &UserFacts<'_>,
    record: &Record,
    terms: &Terms<'_>,
) -> Decision<NextUser> {
    let remembered_active = facts.remembered.and_then(|remembered| remembered.active);
    let mut decision = Decision::conflict(reason, Some(detail.to_owned()), remembered_active);
    let turned_inactive = !record.is_active_at(terms.now) && remembered_active != Some(false);
    if let Some(user) = facts.linked
        && user.status == UserStatus::Active
        && turned_inactive
        && !terms.settings.no_update.value
    {
        let next =
            NextUser { status: UserStatus::Disabled, status_by: StatusBy::Directory, ..as_it_is(user) };
        decision = Decision::effective(
            Action::Disable,
            inactive_reason(record),
            difference(user, &next),
            next,
            Some(false),
        );
        if let Some(line) = &mut decision.line {
            line.detail = Some(format!("{}: {detail}", reason.code()));
        }
        decision.status = ObjectStatus::Conflict;
        decision.status_reason = Some(reason);
    }
    decision
}

fn create(facts: &UserFacts<'_>, record: &Record, terms: &Terms<'_>) -> Decision<NextUser> {
    let active = record.is_active_at(terms.now);
    let (status, status_by) = newcomer_status(active, terms);
    let next = from_record(record, status, status_by);
    if let Some(reason) = adds_nobody(terms) {
        return Decision::skip(reason, ObjectStatus::Pending, created(&next), None);
    }
    // What differs is all of `next`; a first import does not say it twice for everybody.
    let difference = Difference::default();
    let mut decision = Decision::effective(Action::Create, Reason::New, difference, next, Some(active));
    need(&mut decision, facts.holder, facts, record);
    decision
}

/// The source id is back: the same user, as far as the name is still free.
fn restore(user: &User, facts: &UserFacts<'_>, record: &Record, terms: &Terms<'_>) -> Decision<NextUser> {
    let active = record.is_active_at(terms.now);
    let (status, status_by) = if user.status_by == StatusBy::Directory {
        newcomer_status(active, terms)
    } else {
        (UserStatus::Disabled, user.status_by)
    };
    let next = from_record(record, status, status_by);
    let difference = difference(user, &next);
    if let Some(reason) = adds_nobody(terms) {
        return Decision::skip(reason, ObjectStatus::Pending, difference, None);
    }
    let mut decision = Decision::effective(Action::Restore, Reason::Returned, difference, next, Some(active));
    need(&mut decision, facts.holder, facts, record);
    decision
}

fn update(user: &User, facts: &UserFacts<'_>, record: &Record, terms: &Terms<'_>) -> Decision<NextUser> {
    let active = record.is_active_at(terms.now);
    let flipped = facts.remembered.and_then(|remembered| remembered.active) != Some(active);
    let (status, status_by) =
        if flipped { directory_says(user, active) } else { (user.status, user.status_by) };
    let next = from_record(record, status, status_by);
    let difference = difference(user, &next);
    if difference.is_empty() {
        return Decision::settled(Some(active));
    }
    if terms.settings.no_update.value {
        // What was last synchronized stays what it was, so that a later run catches up.
        let before = facts.remembered.and_then(|remembered| remembered.active);
        return Decision::skip(Reason::SettingNoUpdate, ObjectStatus::Pending, difference, before);
    }
    let (action, reason) = if status == user.status {
        let reason = if difference.is_only("dn") { Reason::Moved } else { Reason::Changed };
        (Action::Update, reason)
    } else if status == UserStatus::Disabled {
        (Action::Disable, inactive_reason(record))
    } else {
        let was_away = facts
            .remembered
            .is_some_and(|remembered| !remembered.present || remembered.status == ObjectStatus::Excluded);
        (Action::Enable, if was_away { Reason::Returned } else { Reason::DirectoryActive })
    };
    let renamed = text::key(&user.username) != text::key(&record.name);
    let mut decision = Decision::effective(action, reason, difference, next, Some(active));
    need(&mut decision, facts.holder.filter(|_| renamed), facts, record);
    decision
}

/// A user of the same name that another provider owns.
fn adopt(holder: &User, facts: &UserFacts<'_>, record: &Record, terms: &Terms<'_>) -> Decision<NextUser> {
    let settings = terms.settings;
    if let Some(other) = facts.taken_over_by {
        let detail = format!("{}, which is called \"{other}\"", holder_of(holder));
        return Decision::conflict(Reason::AdoptedElsewhere, Some(detail), None);
    }
    if settings.no_update_provider_mismatch.value {
        return Decision::conflict(Reason::ProviderMismatch, Some(holder_of(holder)), None);
    }
    if holder.account_owner || holder.administrator {
        return Decision::conflict(Reason::AdoptionProtected, Some(holder_of(holder)), None);
    }
    let active = record.is_active_at(terms.now);
    let (status, status_by) = directory_says(holder, active);
    let next = from_record(record, status, status_by);
    let mut difference = difference(holder, &next);
    difference.compare("synchronization", from_where(&holder.provider), terms.synchronization_id);
    if settings.no_update.value {
        return Decision::skip(Reason::SettingNoUpdate, ObjectStatus::Pending, difference, None);
    }
    let mut decision = Decision::effective(Action::Update, Reason::Adopted, difference, next, Some(active));
    need(&mut decision, None, facts, record);
    decision
}

/// What reports call a provider: `local`, or the synchronization.
fn from_where(provider: &Provider) -> &str {
    match provider {
        Provider::Local => "local",
        Provider::Directory { synchronization_id, .. } => synchronization_id,
    }
}

fn holder_of(holder: &User) -> String {
    match &holder.provider {
        Provider::Local => format!("user {} ({}) is a local user", holder.username, holder.id),
        Provider::Directory { synchronization_id, dn, .. } => {
            format!("user {} ({}) belongs to {synchronization_id} as {dn}", holder.username, holder.id)
        }
    }
}

/// How an administrator takes a value from somebody who left and was disabled, or is about to be; nothing to say of others.
fn how_to_free(field: &str, holder: &User, terms: &Terms<'_>) -> String {
    if holder.status != UserStatus::Disabled && !terms.settings.delete_disables.value {
        return String::new();
    }
    let patch = match field {
        // A name can only change: the reason's own sentence says so.
        USERNAME => return String::new(),
        "email" => json!({ "email": null }),
        field => json!({ "fields": { field: null } }),
    };
    format!("; if that person left, PATCH /users/{} with {patch} frees it", holder.id)
}

/// Notes that the decision stands only if `holder` gives up its name in the same plan, and others the values that the record
/// claims.
fn need(decision: &mut Decision<NextUser>, holder: Option<&User>, facts: &UserFacts<'_>, record: &Record) {
    let Some(line) = &mut decision.line else { return };
    let name = holder.map(|holder| (USERNAME, holder));
    for (what, holder) in name.into_iter().chain(claimed_values(facts, record)) {
        line.needs.push(Holding { user: holder.id.clone(), what: what.to_owned() });
    }
}

/// The status of a user of whom the directory now says something else than before. It enables whom a directory
/// disabled, never whom an administrator keeps out.
fn directory_says(user: &User, active: bool) -> (UserStatus, StatusBy) {
    match (user.status, user.status_by) {
        (UserStatus::Active, _) if !active => (UserStatus::Disabled, StatusBy::Directory),
        (UserStatus::Disabled, StatusBy::Directory) if active => (UserStatus::Active, StatusBy::Directory),
        unchanged => unchanged,
    }
}

/// Why nobody is added, if so.
fn adds_nobody(terms: &Terms<'_>) -> Option<Reason> {
    if terms.settings.no_create.value {
        Some(Reason::SettingNoCreate)
    } else {
        (!terms.auto_synchronization).then_some(Reason::NoAutoSynchronization)
    }
}

fn newcomer_status(active: bool, terms: &Terms<'_>) -> (UserStatus, StatusBy) {
    if terms.settings.create_as_disabled.value {
        (UserStatus::Disabled, StatusBy::Creation)
    } else if active {
        (UserStatus::Active, StatusBy::Directory)
    } else {
        (UserStatus::Disabled, StatusBy::Directory)
    }
}

fn inactive_reason(record: &Record) -> Reason {
    if record.active { Reason::AccountExpired } else { Reason::DirectoryInactive }
}

fn from_record(record: &Record, status: UserStatus, status_by: StatusBy) -> NextUser {
    NextUser {
        username: record.name.clone(),
        email: record.email.clone(),
        fields: record.fields.clone(),
        manager_key: record.manager_key(),
        status,
        status_by,
        dn: record.dn.clone(),
    }
}

fn as_it_is(user: &User) -> NextUser {
    NextUser {
        username: user.username.clone(),
        email: user.email.clone(),
        fields: user.fields.clone(),
        manager_key: user.manager_key,
        status: user.status,
        status_by: user.status_by,
        dn: user.provider.dn().to_owned(),
    }
}

fn created(next: &NextUser) -> Difference {
    let mut after = Map::new();
    after.insert("username".to_owned(), next.username.clone().into());
    after.insert("email".to_owned(), next.email.clone().into());
    after.insert("status".to_owned(), next.status.as_str().into());
    after.insert("dn".to_owned(), next.dn.clone().into());
    after.insert(
        "fields".to_owned(),
        serde_json::to_value(&next.fields).expect("texts and lists of texts are JSON"),
    );
    Difference::created(after)
}

fn difference(user: &User, next: &NextUser) -> Difference {
    let mut difference = Difference::default();
    difference.compare("username", user.username.as_str(), next.username.as_str());
    difference.compare("email", user.email.clone(), next.email.clone());
    difference.compare("status", user.status.as_str(), next.status.as_str());
    difference.compare("dn", user.provider.dn(), next.dn.as_str());
    difference.compare_fields(&user.fields, &next.fields);
    if user.manager_key != next.manager_key {
        // Somebody else may be called what the manager was.
        difference.note_field(MANAGER_FIELD, &user.fields, &next.fields);
    }
    difference
}
