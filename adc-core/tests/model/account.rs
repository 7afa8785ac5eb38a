//! The control plane in memory: what an account holds, and what a run does to it.

use crate::{directory::Directory, plan::Plan};
use adc_core::{
    dn::DnKey,
    plan::{ObjectStatus, Provider, Remembered, StatusBy, Unit, User, UserStatus},
    policy::Guards,
    reason::Reason,
    record::{Kind, Record},
    settings::{EffectiveSettings, Settings},
    text,
};
use std::collections::BTreeMap;

/// The synchronization under test.
pub(crate) const HERE: &str = "sync-here";

/// What an account holds of one synchronization, and its local users.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Account {
    /// By id; deleted ones too.
    pub(crate) users: BTreeMap<String, User>,
    /// By kind and source id; deleted ones too.
    pub(crate) units: BTreeMap<(Kind, String), HeldUnit>,
    /// By kind and source id.
    pub(crate) mirror: BTreeMap<(Kind, String), Mirrored>,
    /// Limits; without any, whatever a plan does is approved.
    pub(crate) guards: Option<Guards>,
    /// When unapproved runs removed people, and how many.
    pub(crate) removals: Vec<(i64, u64)>,
    /// What the last applied run was decided with.
    pub(crate) decided_on: Option<[bool; 6]>,
}

/// A group or org unit with its members by key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeldUnit {
    pub(crate) unit: Unit,
    pub(crate) members: BTreeMap<DnKey, String>,
}

/// The record last seen, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mirrored {
    pub(crate) record: Record,
    pub(crate) remembered: Remembered,
    pub(crate) reason: Option<Reason>,
}

impl Account {
    /// One run: reads, plans, and applies unless it is dry or held.
    pub(crate) fn run(&mut self, directory: &Directory, settings: Settings, now: i64) -> Plan {
        let plan = self.plan(directory, settings, now);
        let dry = EffectiveSettings::merge(&settings, &Settings::default(), false).dry_run.value;
        if !dry && plan.held.is_empty() {
            self.apply(&plan);
        }
        plan
    }

    /// The user of a person of the directory, deleted or not.
    pub(crate) fn linked(&self, person: &str) -> Option<&User> {
        self.users.values().find(
            |user| matches!(&user.provider, Provider::Directory { source_id, .. } if source_id == person),
        )
    }

    /// The user, not deleted, who holds a name.
    pub(crate) fn holder(&self, name: &str) -> Option<&User> {
        self.users
            .values()
            .find(|user| user.status != UserStatus::Deleted && text::key(&user.username) == text::key(name))
    }

    /// What the mirror says became of a person.
    pub(crate) fn status(&self, person: &str) -> Option<(ObjectStatus, Option<Reason>)> {
        let mirrored = self.mirror.get(&(Kind::User, person.to_owned()))?;
        Some((mirrored.remembered.status, mirrored.reason))
    }
}

/// A user that an administrator made.
pub(crate) fn local(name: &str) -> User {
    User {
        id: format!("local-{name}"),
        username: name.to_owned(),
        email: None,
        fields: BTreeMap::new(),
        manager_key: None,
        status: UserStatus::Active,
        status_by: StatusBy::Administrator,
        provider: Provider::Local,
        account_owner: false,
        administrator: false,
        owns: Vec::new(),
    }
}
