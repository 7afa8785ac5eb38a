//! Trying somebody's password: finding the one entry that is meant, and a bind as it on a connection of its own.
//!
//! A connection that was bound as somebody is closed at once and never used for anything else.

use std::time::Duration;

use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::protocol::link::PasswordOutcome;
use adc_core::source_id::IdAttribute;

use super::ber::{Reader, SEQUENCE, integer};
use super::error::{DirectoryError, Progress};
use super::outcome::{Outcome, code};
use super::read::Query;
use super::request::{PASSWORD_POLICY_OID, SearchRequest};
use super::session::{self, Directory};
use super::wire::Wire;
use super::{refusal, response};
use crate::tls::Presented;

/// What is looked for, in messages; never the name, which may be a password typed into the wrong field.
const WHAT: &str = "whoever signs in";
/// More entries than this prove what two prove: that the name is not one person's.
const ENTRIES: u32 = 2;
/// What 389 Directory Server and its relatives say beside "your password has expired" (draft-vchu-ldap-pwd-policy-00 section 6.1).
const PASSWORD_EXPIRED_OID: &str = "2.16.840.1.113730.3.4.4";

impl Directory {
    /// The people of a query whom a filter finds: nobody, one, or the first two of several.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn people_by(
        &mut self,
        people: &Query,
        by: &Filter,
        id: &IdAttribute,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let filter = Filter::And(vec![people.filter.clone(), by.clone()]);
        let attributes = [id.name().to_owned()];
        let page = self.sample(ENTRIES);
        let (base, scope) = (people.base.as_str(), people.scope);
        let request = SearchRequest { base, scope, filter: &filter, attributes: &attributes, page };
        let (entries, outcome, _) = self.ask(WHAT, request, &WHAT).await?;
        match outcome.code {
            code::SUCCESS => Ok(entries),
            // A limit of the server's that is smaller than ours would make one of two.
            code::SIZE_LIMIT_EXCEEDED if entries.len() >= ENTRIES as usize => Ok(entries),
            _ => Err(self.failed(Progress { what: WHAT, entries: 0, page: 1 }, base, &outcome)),
        }
    }

    /// Makes a new connection to the very same server, as safe as this one, on which nobody is signed in.
    ///
    /// # Errors
    /// The first hop that fails.
    pub fn unbound(&self) -> impl Future<Output = Result<Unbound, DirectoryError>> + Send + use<> {
        let (config, peer, tls) = (self.config.clone(), self.peer, self.tls.clone());
        async move {
            let presented = Presented::default();
            // Never less safe than the configuration says, however this connection came about.
            let tls = tls.map_or_else(|| session::tls_of(&config, &presented), |tls| Ok(Some(tls)))?;
            let stream = session::connect(&config, peer).await?;
            session::secure_by(&config, stream, tls, &presented).await.map(Unbound)
        }
    }
}

/// A connection on which nobody is signed in.
#[derive(Debug)]
pub struct Unbound(Wire);

impl Unbound {
    /// Tries a password, once: the connection ends with it. The caller has seen that neither DN nor password is empty.
    ///
    /// # Errors
    /// The directory gave no verdict, and why; it may have counted the try all the same.
    pub async fn try_password(
        mut self,
        dn: &str,
        password: &str,
        limit: Duration,
    ) -> Result<PasswordOutcome, String> {
        let answered = self.0.try_password(dn, password, limit).await;
        let (outcome, controls) = answered.map_err(|error| error.reason())?;
        verdict(&outcome, &controls).ok_or_else(|| outcome.to_string())
    }
}

/// What a directory's answer to a bind says of the password; `None` where it says nothing of it.
fn verdict(outcome: &Outcome, controls: &[u8]) -> Option<PasswordOutcome> {
    let policy = policy_error(controls);
    let expired = matches!(response::control(controls, PASSWORD_EXPIRED_OID), Ok(Some(_)));
    match (outcome.code, policy) {
        (code::SUCCESS, Some(PolicyError::ChangeAfterReset)) => Some(PasswordOutcome::MustChange),
        (code::SUCCESS, _) if expired => Some(PasswordOutcome::MustChange),
        (code::SUCCESS, _) => Some(PasswordOutcome::Ok),
        // The latter is 389 Directory Server's word for too many wrong passwords.
        (_, Some(PolicyError::AccountLocked)) | (code::CONSTRAINT_VIOLATION, None) => {
            Some(PasswordOutcome::Locked)
        }
        (_, Some(PolicyError::PasswordExpired)) => Some(PasswordOutcome::Expired),
        (_, Some(PolicyError::ChangeAfterReset)) => Some(PasswordOutcome::MustChange),
        (code::INVALID_CREDENTIALS, None) if expired => Some(PasswordOutcome::Expired),
        (code::INVALID_CREDENTIALS, None) => Some(of_active_directory(&outcome.text)),
        // There is no such entry any more, or it has no password.
        (code::NO_SUCH_OBJECT | code::INAPPROPRIATE_AUTHENTICATION, None) => Some(PasswordOutcome::Invalid),
        // 389 Directory Server: "Account inactivated. Contact system administrator."
        (code::UNWILLING_TO_PERFORM, None) if outcome.text.to_ascii_lowercase().contains("inactivated") => {
            Some(PasswordOutcome::Disabled)
        }
        _ => None,
    }
}

/// What Active Directory's own number in the message means (MS-ERREF 2.2); without one, the password is wrong.
fn of_active_directory(diagnostic: &str) -> PasswordOutcome {
    match refusal::reason(diagnostic).as_deref() {
        // Not at this time, not from this machine, not at all.
        Some("530" | "531" | "533") => PasswordOutcome::Disabled,
        Some("532" | "701") => PasswordOutcome::Expired,
        Some("773") => PasswordOutcome::MustChange,
        Some("775") => PasswordOutcome::Locked,
        _ => PasswordOutcome::Invalid,
    }
}

/// Why a password policy refuses (draft-behera-ldap-password-policy-10 section 6.2), as far as it is about signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PolicyError {
    PasswordExpired,
    AccountLocked,
    ChangeAfterReset,
}

/// What stands in the answer's control, if it stands there and can be read.
fn policy_error(controls: &[u8]) -> Option<PolicyError> {
    /// The tag of the value's `error`; that of its `warning`, which says how long the password still lasts, is `0xa0`.
    const ERROR: u8 = 0x81;
    let value = response::control(controls, PASSWORD_POLICY_OID).ok()??;
    let mut parts = Reader::new(Reader::new(value).expect(SEQUENCE).ok()?);
    while let Some((tag, content)) = parts.next().ok()? {
        if tag == ERROR {
            return match integer(content).ok()? {
                0 => Some(PolicyError::PasswordExpired),
                1 => Some(PolicyError::AccountLocked),
                2 => Some(PolicyError::ChangeAfterReset),
                _ => None,
            };
        }
    }
    None
}

/// What Active Directory says of a bind that it refuses, and what that means (the system's error codes, in hexadecimal digits).
#[cfg(test)]
pub(crate) const DATA_CODES: [(&str, PasswordOutcome); 9] = [
    ("525", PasswordOutcome::Invalid),
    ("52e", PasswordOutcome::Invalid),
    ("530", PasswordOutcome::Disabled),
    ("531", PasswordOutcome::Disabled),
    ("532", PasswordOutcome::Expired),
    ("533", PasswordOutcome::Disabled),
    ("701", PasswordOutcome::Expired),
    ("773", PasswordOutcome::MustChange),
    ("775", PasswordOutcome::Locked),
];

#[cfg(test)]
mod tests {
    use super::super::ber::{OCTET_STRING, element};
    use super::*;

    fn of(code: u32, text: &str, controls: &[u8]) -> Option<PasswordOutcome> {
        verdict(&Outcome { code, text: text.to_owned(), ..Outcome::default() }, controls)
    }

    fn control(oid: &str, value: &[u8]) -> Vec<u8> {
        let content = [element(OCTET_STRING, oid.as_bytes()), element(OCTET_STRING, value)].concat();
        element(SEQUENCE, &content)
    }

    /// The answer's control with this error, behind a warning.
    fn policy(error: u8) -> Vec<u8> {
        let warning = element(0xa0, &element(0x80, &[1, 0]));
        let value = element(SEQUENCE, &[warning, element(0x81, &[error])].concat());
        control(PASSWORD_POLICY_OID, &value)
    }

    #[test]
    fn the_numbers_of_active_directory_are_understood() {
        for (number, expected) in DATA_CODES {
            let text = format!(
                "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {number}, v1db1\0"
            );
            assert_eq!(of(49, &text, &[]), Some(expected), "{number}");
        }
        assert_eq!(of(49, "", &[]), Some(PasswordOutcome::Invalid));
    }

    #[test]
    fn a_password_policy_is_understood() {
        assert_eq!(of(49, "", &policy(0)), Some(PasswordOutcome::Expired));
        assert_eq!(of(49, "", &policy(1)), Some(PasswordOutcome::Locked));
        assert_eq!(of(0, "", &policy(2)), Some(PasswordOutcome::MustChange));
        // Soon to expire, or one of the sign-ins that an expired password still has: the directory lets the person in.
        let warning = element(SEQUENCE, &element(0xa0, &element(0x81, &[2])));
        assert_eq!(of(0, "", &control(PASSWORD_POLICY_OID, &warning)), Some(PasswordOutcome::Ok));
        assert_eq!(of(49, "", &control(PASSWORD_POLICY_OID, &warning)), Some(PasswordOutcome::Invalid));
    }

    #[test]
    fn what_389_directory_server_says_is_understood() {
        let expired = control(PASSWORD_EXPIRED_OID, b"0");
        assert_eq!(of(49, "password expired!", &expired), Some(PasswordOutcome::Expired));
        assert_eq!(of(0, "", &expired), Some(PasswordOutcome::MustChange));
        assert_eq!(
            of(19, "Exceed password retry limit. Please try later.", &[]),
            Some(PasswordOutcome::Locked)
        );
        let inactivated = "Account inactivated. Contact system administrator.";
        assert_eq!(of(53, inactivated, &[]), Some(PasswordOutcome::Disabled));
    }

    #[test]
    fn an_answer_that_says_nothing_of_the_password_is_no_verdict() {
        for code in [1, 2, 8, 10, 13, 51, 52, 53, 80] {
            assert_eq!(of(code, "", &[]), None, "{code}");
        }
    }

    #[test]
    fn a_damaged_control_is_none() {
        for damaged in [&b"\x30"[..], b"\x30\x05\x04\x01", &policy(1)[..policy(1).len() - 2]] {
            assert_eq!(of(49, "", damaged), Some(PasswordOutcome::Invalid));
        }
        assert_eq!(of(0, "", &control(PASSWORD_POLICY_OID, b"")), Some(PasswordOutcome::Ok));
    }
}
