//! What the account should be: an oracle that follows the rules in the simplest way, everything at once and in memory.

mod apply;
mod people;
mod plan;
mod shown;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use adc_core::plan::{ObjectStatus, StatusBy, UserStatus};
use adc_core::policy::Guards;
use adc_core::reason::Reason;
use adc_core::record::Kind;
use adc_core::settings::{EffectiveSettings, Settings};
use adc_core::text;

use super::directory::Directory;
use super::puppet::Configuration;
use super::script::{Edit, SWITCHES};

pub(super) use plan::Plan;

/// An account and its synchronization, as they should be.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// Never fewer: whoever was deleted stays.
    users: Vec<User>,
    /// By kind and source id; deleted ones too.
    units: BTreeMap<Key, Unit>,
    /// By kind and source id: everything ever seen.
    seen: BTreeMap<Key, Seen>,
    /// The server's.
    settings: Settings,
    guards: Guards,
    /// Raised by every change of settings or guards.
    version: u64,
    /// People removed by runs that nobody had to approve.
    removed: u64,
    /// Groups removed by runs that nobody had to approve.
    groups_removed: u64,
    /// Org units removed by runs that nobody had to approve.
    org_units_removed: u64,
    /// People whom runs let log in, that nobody had to approve, because the directory does not mark them as inactive any more.
    enabled: BTreeSet<String>,
    /// What an applied run read with that left nobody waiting to be removed, or whose removals by it were approved.
    vouched: Option<u8>,
    last_applied: Option<String>,
    pub(super) held: Option<Held>,
}

/// What an object is and which.
type Key = (Kind, String);

/// A user.
#[derive(Clone, Debug, PartialEq)]
struct User {
    /// The control plane's id, once it is known.
    id: Option<String>,
    /// The person of the directory it comes from, if any.
    person: Option<String>,
    name: String,
    email: Option<String>,
    title: Option<String>,
    dn: String,
    status: UserStatus,
    by: StatusBy,
    owner: bool,
    owns: bool,
}

/// A group or org unit.
#[derive(Clone, Debug, PartialEq)]
struct Unit {
    name: String,
    dn: String,
    members: Vec<String>,
    deleted: bool,
}

/// An object, as an applied run saw it last.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    present: bool,
    name: String,
    dn: String,
    status: ObjectStatus,
    reason: Option<Reason>,
    /// Whether the directory let the person in when it was last synchronized.
    active: Option<bool>,
    /// What the directory said of the account when it was there last.
    shown: Shown,
    /// Of somebody who waits or is in conflict: whether the directory let them in before they came back, or lost their mark.
    let_in_before: Option<bool>,
    /// Of what waits to be removed: whether it may be a configuration that removes it which nobody vouched for.
    in_doubt: Option<bool>,
}

/// What marks a person as inactive, or would.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shown {
    active: bool,
    expires_at: Option<i64>,
}

/// A plan that waits for approval.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) run_id: String,
    terms: Terms,
    directory: Directory,
    plan: Plan,
    /// Whether an administrator changed any user since.
    touched: bool,
}

/// What a run decides with: as it was when the run opened.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) settings: EffectiveSettings,
    guards: Guards,
    version: u64,
    configuration: u8,
}

/// How a run should end.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Applied(Plan),
    Previewed(Plan),
    Held(Plan),
    Failed(&'static str),
}

impl Model {
    /// What a run that opens now decides with.
    pub(super) fn terms(&self, configuration: &Configuration, dry: bool) -> Terms {
        Terms {
            settings: EffectiveSettings::merge(&self.settings, &configuration.settings, dry),
            guards: self.guards,
            version: self.version,
            configuration: configuration.number,
        }
    }

    /// Whether a full run looks for this object when it does not see it.
    pub(super) fn expects(&self, kind: Kind, source_id: &str) -> bool {
        self.seen
            .get(&(kind, source_id.to_owned()))
            .is_some_and(|seen| seen.present || seen.status != ObjectStatus::Synced)
    }

    /// A run that has read the directory; `read` of it at first, all that is expected in the end.
    pub(super) fn finish(
        &mut self,
        run_id: &str,
        terms: &Terms,
        read: &Directory,
        directory: &Directory,
    ) -> Outcome {
        let people = |directory: &Directory| {
            directory.records().iter().filter(|record| record.kind == Kind::User).count()
        };
        if people(read) == 0 && self.seen.iter().any(|((kind, _), seen)| *kind == Kind::User && seen.present)
        {
            return Outcome::Failed("empty-read");
        }
        let plan = self.plan(terms, read, directory);
        if terms.settings.dry_run.value {
            return Outcome::Previewed(plan);
        }
        if plan.is_held() {
            let (run_id, terms, directory) = (run_id.to_owned(), terms.clone(), directory.clone());
            self.held = Some(Held { run_id, terms, directory, plan: plan.clone(), touched: false });
            return Outcome::Held(plan);
        }
        if terms.version != self.version {
            return Outcome::Failed("settings-changed");
        }
        self.enabled.extend(self.unlocked(&plan));
        self.apply(run_id, terms, &plan);
        self.removed += plan.removals();
        self.groups_removed += plan.unit_removals(Kind::Group);
        self.org_units_removed += plan.unit_removals(Kind::OrgUnit);
        Outcome::Applied(plan)
    }

    /// Approves what is held; `Err` says that the plan is stale, and whether it certainly is.
    pub(super) fn approve(&mut self) -> Result<(), bool> {
        let held = self.held.clone().expect("something is held");
        let plan = self.plan(&held.terms, &held.directory, &held.directory);
        if held.terms.version != self.version || plan != held.plan {
            return Err(true);
        }
        let touched = held.touched;
        self.apply(&held.run_id, &held.terms, &plan);
        if touched { Err(false) } else { Ok(()) }
    }

    /// Rejects what is held.
    pub(super) fn reject(&mut self) {
        self.held = None;
    }

    /// An administrator's edit; `who` is the user it concerns, if any.
    pub(super) fn edit(&mut self, edit: &Edit, who: Option<usize>) {
        match edit {
            Edit::Adds(name) => {
                if self.holder(name).is_some() {
                    return;
                }
                self.users.push(User::local(name));
            }
            Edit::Disables(_) => self.change(who, |user| {
                (user.status, user.by) = (UserStatus::Disabled, StatusBy::Administrator);
            }),
            Edit::Enables(_) => self.change(who, |user| {
                if user.status == UserStatus::Disabled {
                    (user.status, user.by) = (UserStatus::Active, StatusBy::Administrator);
                }
            }),
            Edit::Owner(_, owner) => self.change(who, |user| user.owner = *owner),
            Edit::Owns(_, owns) => self.change(who, |user| user.owns = *owns),
            Edit::Switch(which, value) => {
                let before = self.settings;
                set(&mut self.settings, *which, *value);
                self.version += u64::from(self.settings != before);
            }
            Edit::Guards(guards) => {
                let before = self.guards;
                self.guards = guards.map_or_else(Guards::default, |(max_removals, max_removals_percent)| {
                    Guards { max_removals, max_removals_percent, ..Guards::default() }
                });
                self.version += u64::from(self.guards != before);
            }
        }
        if let Some(held) = &mut self.held {
            held.touched = true;
        }
    }

    /// The user an edit concerns: the nth by name, of those who are not deleted.
    pub(super) fn meant(&self, edit: &Edit) -> Option<usize> {
        let (Edit::Disables(nth) | Edit::Enables(nth) | Edit::Owner(nth, _) | Edit::Owns(nth, _)) = edit
        else {
            return None;
        };
        let mut users: Vec<usize> =
            (0..self.users.len()).filter(|at| !self.users[*at].is_deleted()).collect();
        users.sort_by_key(|at| text::key(&self.users[*at].name).into_owned());
        (!users.is_empty()).then(|| users[nth % users.len()])
    }

    /// The control plane's id of a user.
    pub(super) fn id(&self, user: usize) -> &str {
        self.users[user].id.as_deref().expect("every user was seen after it was made")
    }

    /// Whether this was the last run that was applied.
    pub(super) fn was_applied_last(&self, run_id: &str) -> bool {
        self.last_applied.as_deref() == Some(run_id)
    }

    /// The objects that are not as the directory says.
    pub(super) fn unsettled(&self) -> Vec<String> {
        let unsettled = self.seen.iter().filter(|(_, seen)| seen.status != ObjectStatus::Synced);
        unsettled.map(|((kind, id), seen)| format!("{kind} {id}: {seen:?}")).collect()
    }

    fn change(&mut self, who: Option<usize>, change: impl FnOnce(&mut User)) {
        let user = who.map(|who| &mut self.users[who]);
        if let Some(user) = user.filter(|user| !user.is_deleted()) {
            change(user);
        }
    }

    /// The user, not deleted, who holds a name.
    fn holder(&self, name: &str) -> Option<usize> {
        let holds = |user: &User| !user.is_deleted() && text::key(&user.name) == text::key(name);
        self.users.iter().position(holds)
    }

    /// The user of a person, deleted or not.
    fn linked(&self, person: &str) -> Option<usize> {
        self.users.iter().position(|user| user.person.as_deref() == Some(person))
    }
}

impl User {
    fn local(name: &str) -> Self {
        Self {
            id: None,
            person: None,
            name: name.to_owned(),
            email: None,
            title: None,
            dn: String::new(),
            status: UserStatus::Active,
            by: StatusBy::Administrator,
            owner: false,
            owns: false,
        }
    }

    /// Whether the user, not deleted, has a title that nobody else may have.
    fn holds_title(&self, title: Option<&str>) -> bool {
        title.is_some() && !self.is_deleted() && self.title.as_deref() == title
    }

    fn is_deleted(&self) -> bool {
        self.status == UserStatus::Deleted
    }
}

/// Sets a switch by its place in [`SWITCHES`].
pub(super) fn set(settings: &mut Settings, which: usize, value: Option<bool>) {
    let switch = match SWITCHES[which] {
        "dry-run" => &mut settings.dry_run,
        "no-create" => &mut settings.no_create,
        "no-update" => &mut settings.no_update,
        "no-delete" => &mut settings.no_delete,
        "delete-disables" => &mut settings.delete_disables,
        "no-update-provider-mismatch" => &mut settings.no_update_provider_mismatch,
        "create-as-disabled" => &mut settings.create_as_disabled,
        other => unreachable!("{other} is no switch"),
    };
    *switch = value;
}
