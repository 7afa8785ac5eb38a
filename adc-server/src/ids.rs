//! Ids and secrets: a prefix that says what it is, and randomness that says nothing.

use crate::clock::random;

/// Crockford's base 32 in lower case: no letters that read alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// `acc_`
    Account,
    /// `syn_`
    Synchronization,
    /// `app_`, an Application ID
    Application,
    /// `key_`
    ApiKey,
    /// `run_`
    Run,
    /// `usr_`
    User,
    /// `grp_`
    Group,
    /// `oun_`
    OrgUnit,
}

impl IdKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Account => "acc_",
            Self::Synchronization => "syn_",
            Self::Application => "app_",
            Self::ApiKey => "key_",
            Self::Run => "run_",
            Self::User => "usr_",
            Self::Group => "grp_",
            Self::OrgUnit => "oun_",
        }
    }
}

/// A new id: 80 random bits after the prefix.
pub fn new_id(kind: IdKind) -> String {
    id_from(kind, &random())
}

/// The id that `bytes` stand for.
pub fn id_from(kind: IdKind, bytes: &[u8; 10]) -> String {
    let mut id = String::with_capacity(20);
    id.push_str(kind.prefix());
    let bits = bytes.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    for position in (0..16).rev() {
        let index = usize::try_from(bits >> (5 * position) & 31).expect("five bits fit");
        id.push(char::from(ALPHABET[index]));
    }
    id
}

/// A new secret: 256 random bits, with the prefix that secret scanners look for. Shown once, kept as [`hash_secret`].
pub fn new_secret(prefix: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<32>()))
}

/// What is kept of a secret: its BLAKE3 hash. 256 random bits need no slow hash; passwords would.
pub fn hash_secret(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}

/// Whether `secret` is the one of which `hash` was kept, compared in constant time.
pub fn secret_matches(secret: &str, hash: &str) -> bool {
    blake3::Hash::from_hex(hash).is_ok_and(|kept| kept == blake3::hash(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_all_their_bits() {
        assert_eq!(id_from(IdKind::User, &[0; 10]), "usr_0000000000000000");
        assert_eq!(id_from(IdKind::User, &[255; 10]), "usr_zzzzzzzzzzzzzzzz");
        assert_ne!(new_id(IdKind::Run), new_id(IdKind::Run));
    }

    #[test]
    fn a_secret_matches_its_own_hash_only() {
        let secret = new_secret("adcs_");
        assert!(secret_matches(&secret, &hash_secret(&secret)));
        assert!(!secret_matches("adcs_other", &hash_secret(&secret)));
        assert!(!secret_matches(&secret, "no hash"));
    }
}
