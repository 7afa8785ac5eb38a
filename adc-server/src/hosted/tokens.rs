//! What hosted connectors sign in with: made when one is started, known to this process only, and worth nothing when it ends.

use crate::{
    ids::{hash_secret, new_secret, secret_matches},
    runs::AgentIdentity,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};
use zeroize::Zeroizing;

/// What such a token begins with, for secret scanners.
const PREFIX: &str = "adch_";

/// The tokens that are worth something. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tokens(Arc<Mutex<BTreeMap<String, Entry>>>);

struct Entry {
    synchronization: AgentIdentity,
    hash: String,
}

/// A token, for as long as it is kept.
pub struct Token {
    tokens: Tokens,
    application_id: String,
    hash: String,
    secret: Zeroizing<String>,
}

impl Tokens {
    /// Makes one for the agent of this Application ID; the one before it is worth nothing any more.
    pub fn issue(&self, application_id: &str, synchronization: AgentIdentity) -> Token {
        let secret = Zeroizing::new(new_secret(PREFIX));
        let hash = hash_secret(&secret);
        self.lock().insert(application_id.to_owned(), Entry { synchronization, hash: hash.clone() });
        Token { tokens: self.clone(), application_id: application_id.to_owned(), hash, secret }
    }

    /// Whom these credentials speak for.
    pub fn admit(&self, application_id: &str, secret: &str) -> Option<AgentIdentity> {
        let entries = self.lock();
        let entry = entries.get(application_id)?;
        secret_matches(secret, &entry.hash).then(|| entry.synchronization.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().expect("nothing panics while it holds the tokens")
    }
}

impl Token {
    /// The token itself.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut entries = self.tokens.lock();
        if entries.get(&self.application_id).is_some_and(|entry| entry.hash == self.hash) {
            entries.remove(&self.application_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_worth_something_while_it_is_kept() {
        let of =
            |id: &str| AgentIdentity { account_id: "acc_1".to_owned(), synchronization_id: id.to_owned() };
        let tokens = Tokens::default();
        let first = tokens.issue("app_1", of("syn_1"));
        assert_eq!(tokens.admit("app_1", first.secret()), Some(of("syn_1")));
        assert_eq!(tokens.admit("app_2", first.secret()), None);
        assert_eq!(tokens.admit("app_1", "adch_other"), None);

        let second = tokens.issue("app_1", of("syn_1"));
        assert_eq!(tokens.admit("app_1", first.secret()), None);
        drop(first);
        assert_eq!(tokens.admit("app_1", second.secret()), Some(of("syn_1")));
        let secret = second.secret().to_owned();
        drop(second);
        assert_eq!(tokens.admit("app_1", &secret), None);
    }
}
