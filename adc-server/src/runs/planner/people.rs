//! People: decided one by one, those again who counted on a name or a value that somebody keeps.

use super::{
    Planner, chunk_of,
    chunks::Chunks,
    lines::{fields_json, row},
    seen,
    weight::says_who_is_locked,
};
use crate::{
    clock::Millis,
    ids::IdKind,
    store::{Claimant, LastMark, LeftOut, NextState, Outcome, Planned, display_key, shown},
};
use adc_core::{
    plan::{
        Absence, Action, Decision, Line, NextUser, ObjectStatus, Remembered, User, UserFacts, UserStatus,
        decide_user, names::Names,
    },
    reason::Reason,
    record::{Kind, Record},
    text,
};
use std::collections::BTreeMap;

/// Values of a unique field that somebody else claims, and the users who hold them.
pub(super) type Holders = BTreeMap<String, Vec<User>>;

/// Everything about one person that a decision may be taken on twice.
struct Person {
    planned: Planned,
    remembered: Option<Remembered>,
    /// For what rules left the person out when that could be told last.
    left_out: Option<LeftOut>,
    /// What the directory said of the account when it was seen last, where [`Remembered::active`] does not tell.
    marks: Vec<LastMark>,
    linked: Option<User>,
    holder: Option<User>,
    /// The synchronization that took the person over, and would again.
    taken_over_by: Option<String>,
}

impl Person {
    /// The user whom a line changes; nobody where it makes one.
    fn changed(&self, line: &Line<NextUser>) -> Option<&User> {
        match line.action {
            Action::Create => None,
            // Adopted: the user is the one who held the name.
            _ => self.linked.as_ref().or(self.holder.as_ref()),
        }
    }

    /// The user of somebody who is absent, or whom a rule leaves out, unless it was removed before, or its removal was put off before
    /// and still is.
    fn leaver(&self, line: Option<&Line<NextUser>>) -> Option<&User> {
        let still_put_off =
            self.remembered.is_some_and(|before| before.put_off) && !line.is_some_and(|line| line.removal);
        if still_put_off {
            return None;
        }
        let leaves = match (&self.planned.outcome, self.remembered) {
            (Outcome::Present, Some(before)) => self.is_left_out() && before.status != ObjectStatus::Excluded,
            (Outcome::Present, None) => self.is_left_out(),
            (Outcome::Absent(_), before) => {
                !before.is_some_and(|before| !before.present && before.status == ObjectStatus::Synced)
            }
        };
        self.linked.as_ref().filter(|user| leaves && user.status != UserStatus::Deleted)
    }

    /// Whether a line makes somebody a user of the synchronization, or an active one again.
    fn comes_in(&self, line: &Line<NextUser>) -> bool {
        let next = line.next.as_ref().map(|next| next.status);
        let was = self.linked.as_ref().map(|user| user.status);
        match (was, next) {
            (_, None | Some(UserStatus::Deleted)) => false,
            (None | Some(UserStatus::Deleted), Some(_)) => true,
            (Some(was), Some(next)) => was != UserStatus::Active && next == UserStatus::Active,
        }
    }

    /// Whether the directory marked somebody as inactive when they were seen last, as far as its mark may have gone out of sight since:
    /// where it `says_who_is_locked`, the date of expiry.
    fn was_locked(&self, says_who_is_locked: bool, now: Millis) -> bool {
        let expired = |expires_at: Option<i64>| expires_at.is_some_and(|expiry| expiry <= now);
        if self.was_away() {
            return self
                .marks
                .iter()
                .any(|mark| expired(mark.expires_at) || (!says_who_is_locked && !mark.active));
        }
        self.remembered.is_some_and(|before| {
            before.active == Some(false) && (!says_who_is_locked || expired(before.expires_at))
        })
    }

    /// Whether [`Remembered::active`] does not tell what the directory said when the person was seen last.
    fn was_away(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Whether somebody who [was locked](Self::was_locked) may log in from now on, and nothing shows that the mark is not out of sight.
    fn is_unlocked(&self, line: &Line<NextUser>, says_who_is_locked: bool) -> bool {
        let active = line.next.as_ref().is_some_and(|next| next.status == UserStatus::Active);
        let was_active = self.changed(line).is_some_and(|user| user.status == UserStatus::Active);
        let shown =
            |record: &Record| record.shown_active || (says_who_is_locked && record.expires_at.is_some());
        active && !was_active && !self.planned.record.as_ref().is_some_and(shown)
    }

    fn is_left_out(&self) -> bool {
        self.planned.record.as_ref().is_some_and(|record| record.excluded_by.is_some())
    }
}

impl Planner<'_> {
    /// Plans all people of the run.
    pub(super) async fn plan_users(&mut self) -> anyhow::Result<()> {
        let mut names = Names::default();
        self.unidentified = self.unidentified_of(Kind::User).await?;
        // Whoever needs a name or a value that may become free waits until all have been decided once.
        let mut contested = Vec::new();
        let mut chunks = Chunks::of(self.store, self.run, Kind::User);
        while let Some(planned) = chunks.next().await? {
            let chunk = chunk_of(self.run, Kind::User, &planned);
            let (mut linked, holders) = if self.nobody {
                (BTreeMap::new(), BTreeMap::new())
            } else {
                (self.store.linked_users(chunk).await?, self.store.holders(chunk).await?)
            };
            let mut remembered =
                if self.first { BTreeMap::new() } else { self.store.remembered(chunk).await? };
            let mut left_out =
                if self.run.policy.has_rules() { self.store.left_out(chunk).await? } else { BTreeMap::new() };
            let may_be_back = |before: &Remembered| {
                !before.present || before.status != ObjectStatus::Synced || before.active.is_none()
            };
            let mut marks = if remembered.values().any(may_be_back) {
                self.store.last_marks(chunk).await?
            } else {
                BTreeMap::new()
            };
            let in_conflict = |before: &Remembered| before.status == ObjectStatus::Conflict;
            let mut taken_over = if remembered.values().any(in_conflict) {
                self.store.taken_over(chunk).await?
            } else {
                BTreeMap::new()
            };
            for planned in planned {
                let linked = linked.remove(&planned.source_id);
                let holder = planned
                    .name_key
                    .as_ref()
                    .and_then(|key| holders.get(key))
                    .filter(|holder| linked.as_ref().is_none_or(|linked| linked.id != holder.id))
                    .cloned();
                let remembered = remembered.remove(&planned.source_id);
                let left_out = left_out.remove(&planned.source_id);
                let marks = marks.remove(&planned.source_id).unwrap_or_default();
                let taken_over_by = taken_over.remove(&planned.source_id);
                let person = Person { planned, remembered, left_out, marks, linked, holder, taken_over_by };
                let decision = self.decide_person(&person, None);
                if let Some(line) = &decision.line {
                    let unique = self.unique.keys().map(String::as_str);
                    names.note(&person.planned.source_id, person.changed(line), unique, line);
                    if !line.needs.is_empty() {
                        contested.push((person, decision));
                        continue;
                    }
                }
                self.take_user(&person, decision).await?;
            }
        }
        names.settle();
        for (person, decision) in contested {
            let needs = decision.line.iter().flat_map(|line| &line.needs);
            let kept = needs.into_iter().find(|need| !names.becomes_free(need)).map(|need| need.what.clone());
            let decision = match kept {
                None => decision,
                Some(what) => self.decide_person(&person, Some(&what)),
            };
            self.take_user(&person, decision).await?;
        }
        Ok(())
    }

    /// `kept`: what the person needs and its holder is known to keep.
    fn decide_person(&self, person: &Person, kept: Option<&str>) -> Decision<NextUser> {
        let planned = &person.planned;
        let rivals = planned.name_key.as_ref().and_then(|key| self.rivals.get(key));
        let rivals = rivals.map(|claimants| others(claimants, &planned.source_id)).unwrap_or_default();
        let shared = self.shared_value(person);
        let value_holders = self.value_holders(person);
        let unidentified = match &person.linked {
            Some(user) if planned.outcome == Outcome::Absent(Absence::Gone) => {
                self.unidentified.perhaps(&planned.source_id, &user.username, user.email.as_deref())
            }
            _ => Vec::new(),
        };
        let facts = UserFacts {
            seen: seen(planned),
            remembered: person.remembered,
            linked: person.linked.as_ref(),
            holder: person.holder.as_ref(),
            taken_over_by: person.taken_over_by.as_deref(),
            value_holders: &value_holders,
            kept,
            unidentified: &unidentified,
            perhaps_missing: self.unidentified.is_perhaps_missing(&planned.source_id),
            rivals: &rivals,
            duplicate_value: shared.as_ref().map(|(field, others)| (*field, others.as_slice())),
        };
        decide_user(&facts, &self.terms())
    }

    /// The first unique field whose value others have too and the person's own user does not hold already.
    fn shared_value(&self, person: &Person) -> Option<(&str, Vec<String>)> {
        let record = person.planned.record.as_ref().filter(|record| claims(record))?;
        self.unique.iter().find_map(|(field, (rivals, _))| {
            let value = record.unique.get(field)?;
            let others = others(rivals.get(&*text::key(value))?, &record.source_id);
            let held = person.linked.as_ref().is_some_and(|user| user.holds(field, value));
            (!others.is_empty() && !held).then_some((field.as_str(), others))
        })
    }

    /// Other users who hold values that the person claims, by the field.
    fn value_holders<'p>(&'p self, person: &'p Person) -> Vec<(&'p str, &'p User)> {
        let claims = person.planned.record.as_ref().filter(|record| claims(record));
        let linked = person.linked.as_ref().map(|user| &user.id);
        let claims = claims.into_iter().flat_map(|record| &record.unique);
        claims
            .filter_map(|(field, value)| {
                let (_, holders) = self.unique.get(field)?;
                Some(holders.get(&*text::key(value))?.iter().map(move |holder| (field.as_str(), holder)))
            })
            .flatten()
            .filter(|(_, holder)| Some(&holder.id) != linked)
            .collect()
    }

    async fn take_user(&mut self, person: &Person, decision: Decision<NextUser>) -> anyhow::Result<()> {
        let planned = &person.planned;
        let known_as = planned
            .record
            .as_ref()
            .map(|record| record.name.as_str())
            .filter(|name| !name.is_empty())
            .or(person.linked.as_ref().map(|user| user.username.as_str()));
        let target = match &decision.line {
            Some(line) if line.action == Action::Create => Some(self.next_id(IdKind::User)),
            Some(line) => person.changed(line).map(|user| user.id.clone()),
            None => None,
        };
        if let (Some(left_out), Some(record)) = (&person.left_out, &planned.record) {
            let comes_in = decision.line.as_ref().is_some_and(|line| person.comes_in(line));
            let shows = shown(&self.run.policy, record.shows.clone(), record.excluded_by.as_deref());
            self.weight.add_left_out(&planned.source_id, left_out, &self.looked_for, &shows, comes_in);
            let seen = left_out.seen(&shows, record.excluded_by.is_some());
            let is_kept = decision.status != ObjectStatus::Synced;
            if is_kept && (planned.touched || seen.showing != left_out.showing) {
                self.pending_left_out.push((planned.source_id.clone(), seen));
            }
        }
        let says_who_is_locked = says_who_is_locked(self.run);
        let was_locked = person.was_locked(says_who_is_locked, self.now);
        if was_locked && person.was_away() && !person.is_left_out() {
            self.weight.add_locked_back(&planned.source_id);
        }
        if let Some(user) = person.leaver(decision.line.as_ref()) {
            self.weight.add_absent(planned, user, decision.line.as_ref());
        }
        let row = decision.line.as_ref().map(|line| {
            self.weight.add_person(line);
            if was_locked && person.is_unlocked(line, says_who_is_locked) {
                self.weight.add_unlocked(&planned.source_id);
            }
            if let (Reason::Adopted, Some(holder)) = (line.reason, &person.holder) {
                self.weight.add_adopted(holder);
            }
            let next = line.next.as_ref().zip(target).map(|(next, id)| NextState {
                id,
                name_key: text::key(&next.username).into_owned(),
                name: next.username.clone(),
                email: next.email.clone(),
                status: next.status,
                status_by: next.status_by,
                dn: next.dn.clone(),
                fields: fields_json(&next.fields),
                display_key: Some(display_key(&next.fields)),
                manager_key: next.manager_key.map(|key| key.to_string()),
                group_kind: None,
            });
            row(Kind::User, planned, known_as.unwrap_or_default(), line, next)
        });
        self.take(Kind::User, planned, &decision, row).await
    }
}

/// Whether an object claims its name and its unique values.
fn claims(record: &Record) -> bool {
    record.problem.is_none() && record.excluded_by.is_none()
}

fn others(claimants: &[Claimant], source_id: &str) -> Vec<String> {
    claimants.iter().filter(|other| other.source_id != source_id).map(|other| other.dn.clone()).collect()
}
