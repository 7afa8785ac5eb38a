//! A password on its way from the control plane to the agent that tries it: what may be tried, and how it is sealed.
//!
//! The control plane [seals](seal) what is secret to the [key](KeyPair) of one agent and forgets it; whatever lies between them (a
//! proxy, a log, a heap dump) holds a box that only this agent opens, and opens once.

mod sealed;

pub use sealed::{KeyPair, OpenError, SealError, seal};

use zeroize::Zeroizing;

/// The longest password (bytes) that is ever tried: four times what Active Directory takes. Hashing more costs the directory more
/// than an answer is worth.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// The longest name (bytes) that anybody signs in with: the most that `userPrincipalName` holds (MS-ADA3).
pub const MAX_NAME_BYTES: usize = 1024;
/// Octets of a nonce.
pub const NONCE_BYTES: usize = 16;

/// What an agent answers when it has not begun to bind: another agent may try the same password.
pub const NOT_BEGUN: &str = "sign-in-not-begun";
/// What an agent answers when it began to bind and no verdict came: the directory may have counted it, so nobody tries again.
pub const NO_VERDICT: &str = "sign-in-no-verdict";

/// Somebody's password, and whose it is said to be. Wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Used once: an agent refuses whatever comes with it again.
    pub nonce: [u8; NONCE_BYTES],
    /// Under which names the entry is looked for, one after the other.
    pub names: Vec<String>,
    /// The only entry that may be meant.
    pub source_id: String,
    /// The password.
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Whether this can be a password that is tried. An empty one never is: a directory answers it with "success" (RFC 4513 section
/// 5.1.2). One with a NUL is cut there by some.
pub fn is_password(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_PASSWORD_BYTES && !text.contains('\0')
}

/// Whether this can be a name that somebody signs in with.
pub fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_NAME_BYTES && !text.chars().any(char::is_control)
}

/// What stands before the `@` of a name, if it has one.
pub fn without_domain(name: &str) -> Option<&str> {
    name.split_once('@').map(|(local, _)| local).filter(|local| !local.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_directory_should_see_is_no_password() {
        assert!(is_password(" ") && is_password(&"x".repeat(MAX_PASSWORD_BYTES)));
        for none in ["", "a\0b", "\0", &"x".repeat(MAX_PASSWORD_BYTES + 1)] {
            assert!(!is_password(none));
        }
    }

    #[test]
    fn a_name_of_64_kib_or_with_a_nul_is_none() {
        assert!(is_name("jane") && is_name("*)(uid=*") && is_name("Zoë Müller"));
        for none in ["", "  ", "jane\0", "jane\n", &"x".repeat(64 << 10)] {
            assert!(!is_name(none));
        }
    }

    #[test]
    fn a_domain_is_what_follows_the_first_at() {
        assert_eq!(without_domain("jane@lg.local"), Some("jane"));
        assert_eq!(without_domain("jane@a@b"), Some("jane"));
        assert_eq!((without_domain("jane"), without_domain("@lg.local")), (None, None));
    }

    #[test]
    fn what_is_printed_of_credentials_is_nothing() {
        let credentials = Credentials {
            nonce: [0; NONCE_BYTES],
            names: vec!["jane".to_owned()],
            source_id: "1".to_owned(),
            password: "correct horse".to_owned().into(),
        };
        assert_eq!(format!("{credentials:?}"), "Credentials { .. }");
    }
}
