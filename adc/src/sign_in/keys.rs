//! The keys that passwords are sealed to, and what each has opened already.

use std::collections::BTreeSet;

use adc_core::protocol::link::CheckPassword;
use adc_core::sign_in::{Credentials, KeyPair, NONCE_BYTES};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock;

/// Passwords that are sealed to one key before there is a new one: what was opened is remembered for as long as the key opens, and
/// this is half a megabyte of it.
const USES: usize = 10_000;
/// What is still sealed to a key after its successor was told was on its way by then: as much as the control plane lets wait.
const LATE_USES: usize = 1_000;

/// The key of this link, and the one before it while something sealed to it may be on its way.
#[derive(Debug)]
pub(super) struct Keys {
    current: Key,
    before: Option<Key>,
    /// Whether the control plane has been told the current one.
    told: bool,
}

/// A key pair and the nonces that it was used with.
#[derive(Debug)]
struct Key {
    pair: KeyPair,
    used: BTreeSet<[u8; NONCE_BYTES]>,
}

/// Why a password is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Closed(#[from] adc_core::sign_in::OpenError),
    #[error("this password check was made before; whoever sends it again may not be whom it came from")]
    Replayed,
    #[error("the nonce beside the sealed password is not the one in it")]
    OtherNonce,
    #[error("the key that a password was sealed to is used up; seal it to the newer one")]
    UsedUp,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { current: Key::new(), before: None, told: true }
    }

    /// Forgets all keys; returns the public half of a new one.
    pub(super) fn begin(&mut self) -> String {
        *self = Self::new();
        self.current.pair.public_key()
    }

    /// The public half of a key that nobody was told yet; once.
    pub(super) fn untold(&mut self) -> Option<String> {
        (!std::mem::replace(&mut self.told, true)).then(|| self.current.pair.public_key())
    }

    /// Opens what was sealed, once.
    pub(super) fn open(&mut self, check: &CheckPassword) -> Result<Credentials, Refusal> {
        let opened = match self.current.open(check, USES + LATE_USES) {
            Err(Refusal::Closed(error)) => match &mut self.before {
                Some(before) => before.open(check, USES + LATE_USES),
                None => Err(error.into()),
            },
            opened => opened,
        }?;
        if self.current.used.len() >= USES {
            self.before = Some(std::mem::replace(&mut self.current, Key::new()));
            self.told = false;
        }
        Ok(opened)
    }
}

impl Key {
    fn new() -> Self {
        Self { pair: KeyPair::from_random(clock::random_key()), used: BTreeSet::new() }
    }

    fn open(&mut self, check: &CheckPassword, most: usize) -> Result<Credentials, Refusal> {
        let credentials = self.pair.open(&check.sealed)?;
        if STANDARD.decode(&check.nonce).ok().as_deref() != Some(&credentials.nonce[..]) {
            return Err(Refusal::OtherNonce);
        }
        if self.used.len() >= most {
            return Err(Refusal::UsedUp);
        }
        if !self.used.insert(credentials.nonce) {
            return Err(Refusal::Replayed);
        }
        Ok(credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adc_core::sign_in::{OpenError, seal};

    fn check(key: &str, number: u128) -> CheckPassword {
        let nonce = number.to_be_bytes();
        let credentials = Credentials {
            nonce,
            names: vec!["jane".to_owned()],
            source_id: "1".to_owned(),
            password: "geheim".to_owned().into(),
        };
        let sealed = seal(key, &credentials, [7; 32]).expect("seals");
        CheckPassword { sealed, nonce: STANDARD.encode(nonce), deadline_ms: 1_000 }
    }

    #[test]
    fn a_password_check_that_is_replayed_is_refused() {
        let mut keys = Keys::new();
        let key = keys.begin();
        let first = check(&key, 1);
        assert_eq!(keys.open(&first).expect("opens").password.as_str(), "geheim");
        assert_eq!(keys.open(&first), Err(Refusal::Replayed));
        let disguised = CheckPassword { nonce: STANDARD.encode([9; NONCE_BYTES]), ..first.clone() };
        assert_eq!(keys.open(&disguised), Err(Refusal::OtherNonce));
        // Over the next link it does not even open.
        keys.begin();
        assert_eq!(keys.open(&first), Err(Refusal::Closed(OpenError::NotOurs)));
    }

    #[test]
    fn a_key_that_is_used_up_is_followed_by_another_and_still_refuses_what_is_replayed() {
        let mut keys = Keys::new();
        let key = keys.begin();
        let first = check(&key, 0);
        keys.open(&first).expect("opens");
        // As if all but one of its uses were behind it.
        keys.current.used.extend((1..USES as u128 - 1).map(u128::to_be_bytes));
        assert_eq!(keys.untold(), None);
        keys.open(&check(&key, u128::MAX)).expect("opens");
        let next = keys.untold().expect("another key");
        assert_ne!(next, key);
        assert_eq!(keys.untold(), None);
        // What was on its way arrives; what came before does not come again.
        keys.open(&check(&key, u128::MAX - 1)).expect("opens");
        assert_eq!(keys.open(&first), Err(Refusal::Replayed));
        keys.open(&check(&next, 0)).expect("opens");
        let before = keys.before.as_mut().expect("the used-up one");
        before.used.extend((0..(USES + LATE_USES) as u128).map(u128::to_be_bytes));
        assert_eq!(keys.open(&check(&key, u128::MAX - 2)), Err(Refusal::UsedUp));
    }
}
