//! The rules of `decide`, one by one. How whole directories behave over many runs is told in `adc-core/tests/model`.

mod adoption;
mod conflicts;
mod excluded;
mod lines;
mod matching;
mod names;
mod removal;
mod returning;
mod status;
mod switches;
mod unique_values;
mod units;

use super::*;
use crate::{
    record::{Kind, Record},
    settings::{EffectiveSettings, Settings},
};

/// The synchronization that decides.
const HERE: &str = "sync-here";
/// The run's own time.
const NOW: i64 = 1_000_000;

/// One person: what the directory says, what the account holds, on which terms it is decided.
#[derive(Debug, Clone)]
struct Case {
    record: Record,
    absence: Option<Absence>,
    remembered: Option<Remembered>,
    linked: Option<User>,
    holder: Option<User>,
    taken_over_by: Option<&'static str>,
    value_holders: Vec<(&'static str, User)>,
    kept: Option<&'static str>,
    unidentified: Vec<String>,
    perhaps_missing: bool,
    rivals: Vec<String>,
    duplicate_value: Option<(&'static str, Vec<String>)>,
    settings: Settings,
    recognizes_only: bool,
    now: i64,
}

/// A person of the directory whom the account does not know yet.
fn newcomer(name: &str) -> Case {
    let mut record = Record::new(Kind::User, format!("id-{name}"), dn(name), name);
    record.email = Some(format!("{name}@lg.local"));
    record.fields.insert("title".to_owned(), "Engineer".into());
    Case {
        record,
        absence: None,
        remembered: None,
        linked: None,
        holder: None,
        taken_over_by: None,
        value_holders: Vec::new(),
        kept: None,
        unidentified: Vec::new(),
        perhaps_missing: false,
        rivals: Vec::new(),
        duplicate_value: None,
        recognizes_only: false,
        settings: Settings::default(),
        now: NOW,
    }
}

/// A person of the directory whose user is in step with it.
fn known(name: &str) -> Case {
    newcomer(name).applied()
}

/// A user that an administrator made.
fn local(name: &str) -> User {
    User {
        id: format!("local-{name}"),
        username: name.to_owned(),
        email: None,
        fields: crate::record::Fields::new(),
        manager_key: None,
        status: UserStatus::Active,
        status_by: StatusBy::Administrator,
        provider: Provider::Local,
        account_owner: false,
        administrator: false,
        owns: Vec::new(),
    }
}

/// A user of this synchronization.
fn colleague(name: &str) -> User {
    known(name).linked.expect("a known person has a user")
}

fn dn(name: &str) -> String {
    format!("uid={name},ou=people,dc=lg,dc=local")
}

impl Case {
    /// The person is not there any more.
    fn leaves(mut self) -> Self {
        self.absence = Some(Absence::Gone);
        self
    }

    /// The person is there (again).
    fn returns(mut self) -> Self {
        self.absence = None;
        self
    }

    fn changes(mut self, change: impl FnOnce(&mut Record)) -> Self {
        change(&mut self.record);
        self
    }

    fn renamed(self, name: &str) -> Self {
        self.changes(|record| name.clone_into(&mut record.name))
    }

    fn inactive(self) -> Self {
        self.changes(|record| record.active = false)
    }

    fn active(self) -> Self {
        self.changes(|record| record.active = true)
    }

    fn excluded(self) -> Self {
        self.changes(|record| record.excluded_by = Some("contractors".to_owned()))
    }

    fn included(self) -> Self {
        self.changes(|record| record.excluded_by = None)
    }

    fn broken(self) -> Self {
        self.changes(|record| {
            record.problem = Some(crate::record::Problem {
                reason: Reason::NotUtf8,
                detail: "field title, attribute title".to_owned(),
            });
        })
    }

    /// What an administrator does to the user in the control plane.
    fn user(mut self, change: impl FnOnce(&mut User)) -> Self {
        change(self.linked.as_mut().expect("the case has a user"));
        self
    }

    fn administrator_disables(self) -> Self {
        self.user(|user| (user.status, user.status_by) = (UserStatus::Disabled, StatusBy::Administrator))
    }

    fn administrator_enables(self) -> Self {
        self.user(|user| (user.status, user.status_by) = (UserStatus::Active, StatusBy::Administrator))
    }

    /// Somebody holds the name that the record claims, and may give it up in this plan.
    fn name_held_by(mut self, holder: User) -> Self {
        self.holder = Some(holder);
        self
    }

    /// Another synchronization took the person over, and would do so again.
    fn taken_over_by(mut self, synchronization: &'static str, holder: User) -> Self {
        self.taken_over_by = Some(synchronization);
        self.name_held_by(holder)
    }

    /// Somebody holds the name that the record claims, and does not give it up in this plan.
    fn name_kept_by(mut self, holder: User) -> Self {
        self.kept = Some(crate::plan::names::USERNAME);
        self.name_held_by(holder)
    }

    /// Other objects claim the same name.
    fn rivals(mut self, names: &[&str]) -> Self {
        self.rivals = names.iter().map(|name| dn(name)).collect();
        self
    }

    /// Other objects have the same value in a unique field.
    fn shares(mut self, field: &'static str, value: &str, with: &[&str]) -> Self {
        self.record.fields.insert(field.to_owned(), value.into());
        self.record.unique.insert(field.to_owned(), value.to_owned());
        self.duplicate_value = Some((field, with.iter().map(|name| dn(name)).collect()));
        self
    }

    /// Somebody holds a value that the record claims, and may give it up in this plan.
    fn value_held_by(mut self, field: &'static str, value: &str, holder: User) -> Self {
        self.record.fields.insert(field.to_owned(), value.into());
        self.record.unique.insert(field.to_owned(), value.to_owned());
        self.value_holders.push((field, holder));
        self
    }

    /// Nobody gives up a value that the record claims.
    fn value_kept(mut self, field: &'static str) -> Self {
        self.kept = Some(field);
        self
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    /// The policy's `auto_synchronization` is off, or on.
    fn recognizes_only(mut self, on: bool) -> Self {
        self.recognizes_only = on;
        self
    }

    fn no_create(self, on: bool) -> Self {
        self.with(|settings| settings.no_create = Some(on))
    }

    fn no_update(self, on: bool) -> Self {
        self.with(|settings| settings.no_update = Some(on))
    }

    fn no_delete(self, on: bool) -> Self {
        self.with(|settings| settings.no_delete = Some(on))
    }

    fn delete_disables(self, on: bool) -> Self {
        self.with(|settings| settings.delete_disables = Some(on))
    }

    fn create_as_disabled(self) -> Self {
        self.with(|settings| settings.create_as_disabled = Some(true))
    }

    fn adopting(self) -> Self {
        self.with(|settings| settings.no_update_provider_mismatch = Some(false))
    }

    fn decide(&self) -> Decision<NextUser> {
        let settings = EffectiveSettings::merge(&self.settings, &Settings::default(), false);
        let auto_synchronization = !self.recognizes_only;
        let terms =
            Terms { settings: &settings, synchronization_id: HERE, auto_synchronization, now: self.now };
        let value_holders: Vec<_> = self.value_holders.iter().map(|(field, user)| (*field, user)).collect();
        decide_user(
            &UserFacts {
                seen: self.absence.map_or(Ok(&self.record), Err),
                remembered: self.remembered,
                linked: self.linked.as_ref(),
                holder: self.holder.as_ref(),
                taken_over_by: self.taken_over_by,
                value_holders: &value_holders,
                kept: self.kept,
                unidentified: &self.unidentified,
                perhaps_missing: self.perhaps_missing,
                rivals: &self.rivals,
                duplicate_value: self.duplicate_value.as_ref().map(|(field, dns)| (*field, dns.as_slice())),
            },
            &terms,
        )
    }

    fn line(&self) -> Line<NextUser> {
        self.decide().line.expect("the plan has a line")
    }

    /// What the line needs of others: each user and what of theirs.
    fn needs(&self) -> Vec<(String, String)> {
        self.line().needs.into_iter().map(|need| (need.user, need.what)).collect()
    }

    /// The user as the plan leaves it.
    fn next(&self) -> NextUser {
        self.line().next.expect("the line changes something")
    }

    fn detail(&self) -> String {
        self.line().detail.expect("the line has a detail")
    }

    /// The decision in words: what happens and why; what becomes of the object, with why if that is something else.
    fn says(&self) -> String {
        words(&self.decide())
    }

    /// The case after the plan was applied.
    fn applied(mut self) -> Self {
        let decision = self.decide();
        self.remembered = Some(Remembered {
            present: self.absence.is_none(),
            status: decision.status,
            put_off: decision.puts_off(),
            active: decision.active,
            expires_at: self.record.expires_at,
        });
        if let Some(next) = decision.line.and_then(|line| line.next) {
            let before = self.linked.take().or_else(|| self.holder.take());
            let marks = before.clone().unwrap_or_else(|| local(&self.record.name));
            self.linked = Some(User {
                id: before.map_or_else(|| format!("user-{}", next.username), |user| user.id),
                username: next.username,
                email: next.email,
                fields: next.fields,
                manager_key: next.manager_key,
                status: next.status,
                status_by: next.status_by,
                provider: Provider::Directory {
                    synchronization_id: HERE.to_owned(),
                    source_id: self.record.source_id.clone(),
                    dn: next.dn,
                },
                ..marks
            });
        }
        self
    }

    /// Whether the user, who must exist, can log in.
    fn can_log_in(&self) -> bool {
        self.linked.as_ref().expect("the case has a user").status == UserStatus::Active
    }
}

fn words<Next>(decision: &Decision<Next>) -> String {
    let line = decision
        .line
        .as_ref()
        .map_or_else(|| "nothing".to_owned(), |line| format!("{} {}", line.action, line.reason));
    let why = decision
        .status_reason
        .filter(|reason| decision.line.as_ref().map(|line| line.reason) != Some(*reason));
    let why = why.map_or_else(String::new, |reason| format!(" {reason}"));
    format!("{line}; {}{why}", decision.status.as_str())
}
