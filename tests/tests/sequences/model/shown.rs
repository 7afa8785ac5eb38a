//! What the API should show of all this, and how that compares with what it shows.

use std::collections::BTreeMap;

use adc_core::dn::DnKey;
use adc_core::reason::Reason;
use adc_core::record::Kind;

use super::{Model, Unit};
use crate::sequences::snapshot::{
    Snapshot, label, member_line, object_line, synchronization_line, unit_line, user_words,
};

impl Model {
    /// What differs between this and what the API shows; nothing if they agree.
    pub(crate) fn differences(&self, snapshot: &Snapshot) -> Vec<String> {
        let (expected, shown) = (self.lines(), snapshot.lines());
        let mut differences = Vec::new();
        for (what, line) in &expected {
            match shown.get(what) {
                Some(other) if other == line => {}
                Some(other) => {
                    differences.push(format!("{what}\n    should be {line}\n    and is    {other}"));
                }
                None => differences.push(format!("{what}\n    should be {line}\n    and is not there")),
            }
        }
        for (what, line) in shown.iter().filter(|(what, _)| !expected.contains_key(*what)) {
            differences.push(format!("{what}\n    should not be there and is {line}"));
        }
        let ids = snapshot.user_ids();
        for user in &self.users {
            let label = label(user.person.as_deref(), &user.name);
            if let (Some(before), Some(now)) = (&user.id, ids.get(&label))
                && before != now
            {
                differences.push(format!("{label}\n    was {before} and has become {now}"));
            }
        }
        differences
    }

    /// Learns the ids of users who are new.
    pub(crate) fn learn_ids(&mut self, snapshot: &Snapshot) {
        let ids = snapshot.user_ids();
        for user in &mut self.users {
            user.id = ids.get(&label(user.person.as_deref(), &user.name)).cloned();
        }
    }

    fn lines(&self) -> BTreeMap<String, String> {
        let users = self.users.iter().map(|user| {
            let line = user_words(
                &user.name,
                user.email.as_deref(),
                user.title.as_deref(),
                &user.dn,
                user.status.as_str(),
                user.by.as_str(),
                (user.owner, user.owns),
            );
            (label(user.person.as_deref(), &user.name), line)
        });
        let units = self.units.iter().filter(|(_, unit)| !unit.deleted).map(|((kind, id), unit)| {
            let line = unit_line(&unit.name, &unit.dn);
            let line = match kind {
                Kind::Group => format!("{line}: {}", self.members(unit)),
                _ => line,
            };
            (format!("{kind} {id}"), line)
        });
        let seen = self.seen.iter().map(|((kind, id), seen)| {
            let there = if seen.present { "there" } else { "gone" };
            let reason = seen.reason.map(Reason::code);
            let line = object_line(there, &seen.name, &seen.dn, seen.status.as_str(), reason);
            (format!("seen {kind} {id}"), line)
        });
        let line = synchronization_line(
            self.last_applied.clone(),
            self.last_applied.clone(),
            self.held.as_ref().map(|held| held.run_id.clone()),
        );
        users.chain(units).chain(seen).chain([("synchronization".to_owned(), line)]).collect()
    }

    /// Each member where the account has them, or as read and unresolved.
    fn members(&self, unit: &Unit) -> String {
        let mut members: Vec<String> = unit
            .members
            .iter()
            .map(|dn| match self.resolved(dn) {
                Some(dn) => member_line(dn, true),
                None => member_line(dn, false),
            })
            .collect();
        members.sort();
        members.join(" ")
    }

    fn resolved(&self, dn: &str) -> Option<&str> {
        let key = DnKey::of(dn);
        let ((kind, id), _) =
            self.seen.iter().find(|(_, seen)| seen.present && DnKey::of(&seen.dn) == key)?;
        if *kind == Kind::User {
            let user = &self.users[self.linked(id)?];
            return (!user.is_deleted()).then_some(user.dn.as_str());
        }
        let unit = self.units.get(&(*kind, id.clone()))?;
        (!unit.deleted).then_some(unit.dn.as_str())
    }
}
