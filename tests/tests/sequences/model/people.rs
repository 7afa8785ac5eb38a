//! What becomes of one person.

use adc_core::plan::{Action, StatusBy, UserStatus};
use adc_core::reason::Reason;
use adc_core::record::{Kind, Record};
use adc_core::text;

use super::plan::{Decision, Next};
use super::{Model, Seen, Shown, Terms, User};
use crate::sequences::directory::UNIQUE;

/// Whether the directory lets somebody in: the expiry dates of sequences lie far in the past or in the future.
const TODAY: i64 = 2_000_000_000_000;

/// What somebody claims and may not get.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claims {
    /// Others in the directory claim the same.
    pub(super) name_is_rivalled: bool,
    pub(super) title_is_rivalled: bool,
    /// What stays with its holder.
    pub(super) in_vain: Option<Wanted>,
}

/// What one user at a time has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wanted {
    Name,
    Title,
}

impl Model {
    /// Of somebody who is there.
    pub(super) fn person(&self, record: &Record, claims: Claims, terms: &Terms) -> Decision {
        let linked = self.linked(&record.source_id);
        let user = linked.map(|linked| &self.users[linked]);
        let incumbent =
            user.is_some_and(|user| !user.is_deleted() && text::key(&user.name) == text::key(&record.name));
        let has_title = user.is_some_and(|user| user.holds_title(title_of(record).as_deref()));
        if claims.name_is_rivalled && !incumbent {
            return self.lock_out(record, linked, Reason::DuplicateUsername, terms);
        }
        if claims.in_vain == Some(Wanted::Name) {
            return self.lock_out(record, linked, Reason::UsernameTaken, terms);
        }
        if (claims.title_is_rivalled && !has_title) || claims.in_vain == Some(Wanted::Title) {
            return self.lock_out(record, linked, Reason::DuplicateValue, terms);
        }
        match (linked, self.holder(&record.name)) {
            (Some(own), _) if self.users[own].is_deleted() => self.restore(own, record, terms),
            (Some(own), _) => self.update(own, record, terms),
            (None, Some(holder)) if self.users[holder].person.is_none() => self.adopt(holder, record, terms),
            (None, _) => create(record, terms),
        }
    }

    /// Of somebody who is proved to be gone.
    pub(super) fn absent_person(&self, person: &str, reason: Reason, terms: &Terms) -> Decision {
        let Some(own) = self.linked(person).filter(|own| !self.users[*own].is_deleted()) else {
            return Decision::settled(Some(false));
        };
        let user = &self.users[own];
        let disables = terms.settings.delete_disables.value;
        if disables && user.status == UserStatus::Disabled {
            return Decision { reason: Some(Reason::AlreadyDisabled), ..Decision::settled(Some(false)) };
        }
        if user.owner {
            return Decision::put_off(Reason::AccountOwner, None);
        }
        if user.owns {
            return Decision::put_off(Reason::OwnsResources, None);
        }
        if terms.settings.no_delete.value {
            return Decision::put_off(Reason::SettingNoDelete, None);
        }
        let (action, status) = if disables {
            (Action::Disable, UserStatus::Disabled)
        } else {
            (Action::Delete, UserStatus::Deleted)
        };
        let by = if user.status == UserStatus::Disabled { user.by } else { StatusBy::Directory };
        let next = Next::User(Some(own), User { status, by, ..user.clone() });
        Decision { removal: true, ..Decision::change(action, reason, next, Some(false)) }
    }

    fn restore(&self, own: usize, record: &Record, terms: &Terms) -> Decision {
        if terms.settings.no_create.value {
            return Decision::put_off(Reason::SettingNoCreate, None);
        }
        let user = &self.users[own];
        // Whom an administrator had locked out before stays locked out.
        let (status, by) = match user.by {
            StatusBy::Directory => newcomer(record, terms),
            by => (UserStatus::Disabled, by),
        };
        let next = Next::User(Some(own), read(record, User { status, by, ..user.clone() }));
        Decision::change(Action::Restore, Reason::Returned, next, Some(lets_in(record)))
    }

    fn update(&self, own: usize, record: &Record, terms: &Terms) -> Decision {
        let (user, active) = (&self.users[own], lets_in(record));
        let was_active = self.was_active(record);
        // An administrator's word stands until the directory says something else than before.
        let (status, by) =
            if was_active == Some(active) { (user.status, user.by) } else { told(user, active) };
        let next = read(record, User { status, by, ..user.clone() });
        if (User { by: user.by, ..next.clone() }) == *user {
            return Decision::settled(Some(active));
        }
        if terms.settings.no_update.value {
            return Decision::put_off(Reason::SettingNoUpdate, was_active);
        }
        let (action, reason) = match (user.status, status) {
            (before, after) if before == after => {
                let only_moved = (User { dn: user.dn.clone(), by: user.by, ..next.clone() }) == *user;
                (Action::Update, if only_moved { Reason::Moved } else { Reason::Changed })
            }
            (_, UserStatus::Disabled) => (Action::Disable, lockout(record)),
            _ => {
                let seen = self.seen.get(&(Kind::User, record.source_id.clone()));
                let was_away = seen.is_some_and(|seen| !seen.present);
                (Action::Enable, if was_away { Reason::Returned } else { Reason::DirectoryActive })
            }
        };
        Decision::change(action, reason, Next::User(Some(own), next), Some(active))
    }

    fn adopt(&self, holder: usize, record: &Record, terms: &Terms) -> Decision {
        let user = &self.users[holder];
        if terms.settings.no_update_provider_mismatch.value {
            return Decision::conflict(Reason::ProviderMismatch, None);
        }
        if user.owner {
            return Decision::conflict(Reason::AdoptionProtected, None);
        }
        if terms.settings.no_update.value {
            return Decision::put_off(Reason::SettingNoUpdate, None);
        }
        let active = lets_in(record);
        let (status, by) = told(user, active);
        let person = Some(record.source_id.clone());
        let next = Next::User(Some(holder), read(record, User { person, status, by, ..user.clone() }));
        Decision::change(Action::Update, Reason::Adopted, next, Some(active))
    }

    /// A conflict changes nothing, but whom the directory no longer lets in is locked out all the same.
    fn lock_out(&self, record: &Record, linked: Option<usize>, reason: Reason, terms: &Terms) -> Decision {
        let was_active = self.was_active(record);
        let conflict = Decision::conflict(reason, was_active);
        let Some(own) = linked.filter(|own| self.users[*own].status == UserStatus::Active) else {
            return conflict;
        };
        if lets_in(record) || was_active == Some(false) || terms.settings.no_update.value {
            return conflict;
        }
        let (status, by) = (UserStatus::Disabled, StatusBy::Directory);
        let next = Next::User(Some(own), User { status, by, ..self.users[own].clone() });
        Decision {
            line: Some((Action::Disable, lockout(record))),
            next: Some(next),
            active: Some(false),
            ..conflict
        }
    }

    /// Whether the directory let the person in when it was last synchronized.
    fn was_active(&self, record: &Record) -> Option<bool> {
        self.seen.get(&(Kind::User, record.source_id.clone())).and_then(|seen| seen.active)
    }
}

impl Seen {
    /// Whether [`Seen::active`] does not tell what the directory said: the person was gone, or was never in step since then, or ever.
    pub(super) fn was_away(&self) -> bool {
        !self.present || self.let_in_before.is_some() || self.active.is_none()
    }

    /// Whether the directory marked the person as inactive when that could be told last.
    pub(super) fn was_locked(&self) -> bool {
        if self.was_away() {
            !self.shown.lets_in() || self.let_in_before == Some(false)
        } else {
            self.active == Some(false)
        }
    }
}

impl Shown {
    pub(super) fn by(record: &Record) -> Self {
        Self { active: record.active, expires_at: record.expires_at }
    }

    pub(super) fn lets_in(self) -> bool {
        self.active && !self.is_expired()
    }

    /// Whether what kept the person out is not there any more.
    pub(super) fn loses_mark(self, now: Self) -> bool {
        (!self.active && now.active) || (self.is_expired() && now.expires_at.is_none())
    }

    fn is_expired(self) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= TODAY)
    }
}

fn create(record: &Record, terms: &Terms) -> Decision {
    if terms.settings.no_create.value {
        return Decision::put_off(Reason::SettingNoCreate, None);
    }
    let (status, by) = newcomer(record, terms);
    let person = Some(record.source_id.clone());
    let next = read(record, User { person, status, by, ..User::local(&record.name) });
    Decision::change(Action::Create, Reason::New, Next::User(None, next), Some(lets_in(record)))
}

/// The user with everything that the directory says of the person.
fn read(record: &Record, user: User) -> User {
    User {
        name: record.name.clone(),
        email: record.email.clone(),
        title: title_of(record),
        dn: record.dn.clone(),
        ..user
    }
}

fn title_of(record: &Record) -> Option<String> {
    record.fields.get(UNIQUE).map(ToString::to_string)
}

fn newcomer(record: &Record, terms: &Terms) -> (UserStatus, StatusBy) {
    match (terms.settings.create_as_disabled.value, lets_in(record)) {
        (true, _) => (UserStatus::Disabled, StatusBy::Creation),
        (false, true) => (UserStatus::Active, StatusBy::Directory),
        (false, false) => (UserStatus::Disabled, StatusBy::Directory),
    }
}

/// The directory enables only whom a directory disabled.
fn told(user: &User, active: bool) -> (UserStatus, StatusBy) {
    match user.status {
        UserStatus::Active if !active => (UserStatus::Disabled, StatusBy::Directory),
        UserStatus::Disabled if active && user.by == StatusBy::Directory => {
            (UserStatus::Active, StatusBy::Directory)
        }
        status => (status, user.by),
    }
}

fn lets_in(record: &Record) -> bool {
    record.is_active_at(TODAY)
}

fn lockout(record: &Record) -> Reason {
    if record.active { Reason::AccountExpired } else { Reason::DirectoryInactive }
}
