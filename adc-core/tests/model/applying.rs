//! How a plan is applied: names that change hands are given up first, then row by row, in any order.

use crate::{
    account::{Account, HERE, HeldUnit, Mirrored, local},
    directory::UNIQUE_FIELD,
    facts::members,
    plan::{Plan, PlannedPerson},
};
use adc_core::{
    plan::{Decision, NextUnit, NextUser, Provider, Remembered, Unit, User, UserStatus},
    record::{Kind, Record},
    text,
};
use std::collections::BTreeMap;

/// Who holds which name, as the unique index over users that are not deleted sees it.
type Index = BTreeMap<String, String>;

impl Account {
    /// Applies a plan that nobody had to approve.
    pub(crate) fn apply(&mut self, plan: &Plan) {
        self.apply_in_order(plan, plan.people.keys());
    }

    /// Applies a plan, its people in the order given.
    ///
    /// # Panics
    ///
    /// If two users hold one name after any row: the database would refuse that row.
    pub(crate) fn apply_in_order<'a>(&mut self, plan: &Plan, order: impl Iterator<Item = &'a String>) {
        let mut index = self.index();
        for planned in plan.people.values() {
            self.give_up_name(planned, &mut index);
        }
        for id in order {
            self.apply_person(id, &plan.people[id], &mut index);
        }
        assert_eq!(index, self.index(), "the index and the users say the same");
        self.assert_badges_are_unique();
        for ((kind, id), planned) in &plan.units {
            let key = (*kind, id.clone());
            if let Some(next) = planned.decision.line.as_ref().and_then(|line| line.next.as_ref()) {
                let members = match &planned.seen {
                    Ok(record) => members(record),
                    // A deleted group keeps its members, for when it is restored.
                    Err(_) => self.units[&key].members.clone(),
                };
                self.units.insert(key.clone(), HeldUnit { unit: held(id, next), members });
            }
            self.see(key, planned.seen.as_ref().ok(), &planned.decision);
        }
        let removed = plan.people.values().filter(|person| person.removes());
        self.removals.push((plan.now, removed.count() as u64));
        self.decided_on = Some(plan.decided_on);
    }

    /// Who holds which name.
    ///
    /// # Panics
    ///
    /// If two users, not deleted, hold the same.
    pub(crate) fn index(&self) -> Index {
        let mut index = Index::new();
        for user in self.users.values().filter(|user| user.status != UserStatus::Deleted) {
            let before = index.insert(text::key(&user.username).into_owned(), user.id.clone());
            assert_eq!(before, None, "two users are called {}", user.username);
        }
        index
    }

    fn assert_badges_are_unique(&self) {
        let mut holders = BTreeMap::new();
        for user in self.users.values().filter(|user| user.status != UserStatus::Deleted) {
            if let Some(badge) = user.value_of(UNIQUE_FIELD) {
                let before = holders.insert(text::key(&badge).into_owned(), &user.id);
                assert_eq!(before, None, "two users have the badge {badge}: {}", user.id);
            }
        }
    }

    fn give_up_name(&self, planned: &PlannedPerson, index: &mut Index) {
        let next = planned.line().and_then(|line| line.next.as_ref());
        if let (Some(user), Some(next)) = (self.users.get(&planned.user), next) {
            let key = text::key(&user.username);
            let changes = next.status == UserStatus::Deleted || text::key(&next.username) != key;
            if user.status != UserStatus::Deleted && changes {
                index.remove(&*key);
            }
        }
    }

    fn apply_person(&mut self, id: &str, planned: &PlannedPerson, index: &mut Index) {
        if let Some(next) = planned.line().and_then(|line| line.next.as_ref()) {
            if next.status != UserStatus::Deleted {
                let key = text::key(&next.username).into_owned();
                let before = index.insert(key, planned.user.clone());
                assert!(
                    before.as_ref().is_none_or(|before| *before == planned.user),
                    "{} and {before:?} are both called {}",
                    planned.user,
                    next.username
                );
            }
            let before = self.users.remove(&planned.user);
            self.users.insert(planned.user.clone(), user(id, &planned.user, before, next));
        }
        self.see((Kind::User, id.to_owned()), planned.seen.as_ref().ok(), &planned.decision);
    }

    /// What was seen, whatever was decided for it; what is gone keeps its last record.
    fn see<Next>(&mut self, key: (Kind, String), record: Option<&Record>, decision: &Decision<Next>) {
        let remembered = Remembered {
            present: record.is_some(),
            status: decision.status,
            put_off: decision.puts_off(),
            active: decision.active,
            expires_at: record.and_then(|record| record.expires_at),
        };
        let record = record.unwrap_or_else(|| &self.mirror[&key].record).clone();
        self.mirror.insert(key, Mirrored { record, remembered, reason: decision.status_reason });
    }
}

fn user(source_id: &str, id: &str, before: Option<User>, next: &NextUser) -> User {
    User {
        id: id.to_owned(),
        username: next.username.clone(),
        email: next.email.clone(),
        fields: next.fields.clone(),
        manager_key: next.manager_key,
        status: next.status,
        status_by: next.status_by,
        provider: Provider::Directory {
            synchronization_id: HERE.to_owned(),
            source_id: source_id.to_owned(),
            dn: next.dn.clone(),
        },
        ..before.unwrap_or_else(|| local(id))
    }
}

fn held(id: &str, next: &NextUnit) -> Unit {
    Unit {
        id: format!("unit-{id}"),
        name: next.name.clone(),
        email: next.email.clone(),
        fields: next.fields.clone(),
        group_kind: next.group_kind,
        dn: next.dn.clone(),
        deleted: next.deleted,
    }
}
