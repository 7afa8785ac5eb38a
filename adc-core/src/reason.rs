//! Why a decision was taken: every change of a plan carries one of these, and each has its sentence here, once.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $attention:ident, $sentence:literal;)+) => {
        /// A reason code: lower-case words with hyphens, explained in one sentence by [`Reason::sentence`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)+
        }

        impl Reason {
            /// All reasons, for help pages and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it stands in reports, events and the API.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// One sentence for people: what was decided and, where somebody must act, what to do.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }

            /// Whether a skip or conflict for this reason waits for somebody (exit code 6); the administrator's
            /// own switches and rules do not.
            pub fn needs_attention(self) -> bool {
                match self { $(Self::$variant => attention!($attention),)+ }
            }
        }
    };
}

macro_rules! attention {
    (quiet) => {
        false
    };
    (attention) => {
        true
    };
}

reasons! {
    /// A newcomer of the directory.
    New = "new", quiet, "The directory has this object and the account does not.";
    /// Fields differ.
    Changed = "changed", quiet, "The directory's fields differ from the account's.";
    /// Only the DN differs.
    Moved = "moved", quiet, "The object was moved or renamed in the directory; it is the same object.";
    /// A user of another provider was taken over.
    Adopted = "adopted", quiet,
        "A user of this name existed already; no-update-provider-mismatch is off, so the directory takes it over.";
    /// A deleted user's source id is back.
    Returned = "returned", quiet, "The object is back in the directory; it comes back as the same user.";
    /// The directory marks the person inactive.
    DirectoryInactive = "directory-inactive", quiet, "The directory marks this person as inactive.";
    /// The directory marks the person active again.
    DirectoryActive = "directory-active", quiet, "The directory marks this person as active again.";
    /// The expiry date passed.
    AccountExpired = "account-expired", quiet, "The account's expiry date in the directory has passed.";
    /// Looked up by id and not found.
    Gone = "gone", quiet, "The object was looked up by its id and the directory no longer has it.";
    /// Found by id, but outside the scope.
    OutOfScope = "out-of-scope", quiet,
        "The object still exists, but it is outside the base DN, the scope or the filter that is synchronized.";
    /// An org unit that is not seen while something below it is.
    OutOfSight = "out-of-sight", attention,
        "This org unit was not found, but something below it was, so it is there and out of sight, and is kept; let the bind \
         account read its entry.";
    /// A rule of the policy leaves it out.
    ExcludedByRule = "excluded-by-rule", quiet, "A rule of the policy excludes this object.";
    /// No include filter matches.
    NotIncluded = "not-included", quiet, "None of the policy's include filters matches this object.";
    /// `no-create`.
    SettingNoCreate = "setting-no-create", quiet, "The setting no-create is on, so nobody is added.";
    /// The policy's `auto_synchronization`.
    NoAutoSynchronization = "no-auto-synchronization", quiet,
        "The policy's auto_synchronization is off: people are recognized, and nobody is added. An administrator makes a user of this name \
         (POST /users), and with no-update-provider-mismatch off the next run takes it over; from then on the directory checks the password.";
    /// `no-update`.
    SettingNoUpdate = "setting-no-update", quiet, "The setting no-update is on, so nothing existing is changed.";
    /// `no-delete`.
    SettingNoDelete = "setting-no-delete", quiet, "The setting no-delete is on, so nobody is removed.";
    /// The user of that name belongs to another provider.
    ProviderMismatch = "provider-mismatch", attention,
        "A user of this name exists already and belongs to another provider; rename one of them, or turn \
         no-update-provider-mismatch off to let the directory take it over.";
    /// Another synchronization adopted the user, and would again.
    AdoptedElsewhere = "adopted-elsewhere", attention,
        "Another synchronization of the account took this person over, and would again, because no-update-provider-mismatch is off there; \
         to have the person back, turn it on there, and off here.";
    /// Owners and administrators are never adopted.
    AdoptionProtected = "adoption-protected", attention,
        "A user of this name exists already and is an owner or administrator of the account; a directory never takes \
         those over. Rename one of them.";
    /// Two directory objects claim a name.
    DuplicateUsername = "duplicate-username", attention,
        "Two objects of the directory claim the same user name; give one of them another.";
    /// Another user holds the name.
    UsernameTaken = "username-taken", attention,
        "Another user of the account holds this user name; rename or remove one of them. Who left and was disabled keeps the name until renamed here, by PATCH /users/{id}.";
    /// Two objects share a value of a unique field.
    DuplicateValue = "duplicate-value", attention,
        "Another object of the directory, or a user who is kept, has the same value in a field the policy calls unique; change one of \
         them. Who left and was disabled keeps the value until it is taken from them here, by PATCH /users/{id}.";
    /// A required field has no value.
    MissingRequiredField = "missing-required-field", attention,
        "A required field has no value in the directory; fill it in there, or change the mapping.";
    /// A value is not UTF-8.
    NotUtf8 = "not-utf8", attention,
        "A value in the directory is not valid UTF-8, so the object is left as it is; mend the value there.";
    /// A name that is none.
    InvalidDn = "invalid-dn", attention,
        "What the directory gives as the name of this object is no distinguished name, so the object is left as it is; ask who runs the \
         directory, or what lies between.";
    /// No identity that could be read.
    MissingSourceId = "missing-source-id", attention,
        "The directory gives this object no usable identity, so it could not be recognized again; let the bind \
         account read the id attribute, or configure another one.";
    /// No class that could be read.
    ClassHidden = "class-hidden", attention,
        "The entry is there and shows no object class, or one that the filter does not find it by, so nobody can tell whether it \
         is still among what is synchronized; let the bind account read objectClass and search by it.";
    /// No sign that could be read of whether the account is locked.
    StatusHidden = "status-hidden", attention,
        "The entry does not show whether the account is disabled, so nobody can tell whether this person may log in; let the \
         bind account read userAccountControl.";
    /// Not found by the id, and perhaps there all the same; or what it may be.
    UnprovenAbsence = "unproven-absence", attention,
        "An entry without a usable identity may be one whose id no look-up found, so that one is kept; let the bind account read \
         the id attribute, or give the entry its identity. Or leave the entry out: a person by a rule of the policy, which helps unless \
         it has the user name of the one who is kept; a group by sync.groups.filter and an org unit by \
         sync.org_units.filter of adc.yaml. A person who has left is locked out meanwhile by disabling the user here.";
    /// Only a part of the members came.
    MembersIncomplete = "members-incomplete", attention,
        "The directory sent only a part of this group's members, so the group is left as it is.";
    /// A value is longer than a field may be.
    ValueTooLong = "value-too-long", attention,
        "A value in the directory is longer than a field may be; shorten it there, or map another attribute.";
    /// A template of the mapping failed.
    MappingTemplate = "mapping-template", attention,
        "A template of the mapping could not be filled in for this object; mend the template or the data.";
    /// The account's owner is never removed by a directory.
    AccountOwner = "account-owner", attention,
        "This user owns the account and is not removed; make somebody else the owner first.";
    /// Owns things that would be orphaned.
    OwnsResources = "owns-resources", attention,
        "This user owns resources that would be left without an owner; hand them over first.";
    /// Disabled already when it left.
    AlreadyDisabled = "already-disabled", quiet, "The person left the directory and is disabled already.";
    /// An administrator did it here.
    Administrator = "administrator", quiet, "An administrator changed this user in the control plane.";
    /// What it came from was removed.
    SynchronizationRemoved = "synchronization-removed", quiet,
        "Its synchronization was removed: people stay as local users, groups and org units are deleted.";
    /// Guard: too many removals.
    GuardRemovals = "guard-removals", attention,
        "More people would be removed within 24 hours than the guard allows without approval.";
    /// Guard: a field would be blanked.
    GuardBlanked = "guard-blanked", attention,
        "One field would be emptied for more people than the guard allows, or the members of most groups; a lost read right looks like this.";
    /// Guard: an OU went away with its people, or they went away from it together.
    GuardOuDisappeared = "guard-ou-disappeared", attention,
        "An org unit disappeared together with its people or groups, or all or most of them left at once; a lost read right looks exactly like this.";
    /// Guard: people come in whom rules left out for an attribute that they do not show any more.
    GuardLetIn = "guard-let-in", attention,
        "Many people whom rules of the policy left out for something they showed would come in, and do not show it any more; a lost right \
         to read it looks exactly like this.";
    /// Guard: people whom the directory locked out would be enabled, because nothing says any more that they are.
    GuardEnabled = "guard-enabled", attention,
        "Many people whom the directory marked as inactive would be enabled; a lost right to read what marks them looks like this.";
    /// Guard: the configuration changed and would remove people.
    GuardFingerprint = "guard-fingerprint", attention,
        "The agent's configuration or the mapping changed since the last applied run, and people or groups would be removed.";
    /// Guard: the server may not have heard yet of what was read before, and the plan would undo that.
    GuardServerBehind = "guard-server-behind", attention,
        "A server was read that has not heard of everything seen before, or may not have; what it missed would be undone.";
}

impl Reason {
    /// Why a removal is put off: whoever it would hit stays, and every run tries again.
    pub const PUT_OFF: [Self; 3] = [Self::SettingNoDelete, Self::AccountOwner, Self::OwnsResources];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == text)
            .ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

/// A text that is no reason code.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no reason code")]
pub struct UnknownReason(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_lower_case_words_and_has_a_sentence() {
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{code}");
            assert!(reason.sentence().ends_with('.') && !reason.sentence().contains("  "), "{code}");
            assert_eq!(code.parse::<Reason>().expect("parses"), *reason);
            assert_eq!(serde_json::to_string(reason).expect("prints"), format!("\"{code}\""));
        }
    }

    #[test]
    fn groups_and_org_units_were_to_be_left_out_by_a_rule_which_they_do_not_have() {
        let sentence = Reason::UnprovenAbsence.sentence();
        let helps =
            ["a person by a rule", "a group by sync.groups.filter", "an org unit by sync.org_units.filter"];
        assert!(helps.iter().all(|it| sentence.contains(it)), "{sentence}");
    }
}
