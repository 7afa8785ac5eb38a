//! The sealed box (`crypto_box_seal`: X25519, XSalsa20-Poly1305), and what lies in it.

use super::{Credentials, NONCE_BYTES};
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_box::{
    PublicKey, SecretKey,
    aead::rand_core::{CryptoRng, Error as RngError, RngCore},
};
use zeroize::Zeroizing;

/// An agent's key pair: made in memory, never written anywhere.
pub struct KeyPair(SecretKey);

/// Why nothing can be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The agent's key is none.
    #[error("the agent's public key is no X25519 key in base64; restart the agent")]
    Key,
    /// More than a box holds.
    #[error("what is to be sealed is too long")]
    TooLong,
}

/// Why a box stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed to another key, or changed on its way.
    #[error("the sealed password was sealed to another key, or changed on its way")]
    NotOurs,
    /// It was opened, and holds something else.
    #[error("what was sealed is no password check of this version")]
    Malformed,
}

/// Seals credentials to an agent's public key. `seed` is fresh randomness, never used twice.
///
/// # Errors
/// See [`SealError`].
pub fn seal(public_key: &str, credentials: &Credentials, seed: [u8; 32]) -> Result<String, SealError> {
    let key = STANDARD.decode(public_key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let key = PublicKey::from(key.ok_or(SealError::Key)?);
    let plain = encode(credentials)?;
    let sealed = key.seal(&mut Stretched::new(seed), &plain).map_err(|_| SealError::TooLong)?;
    Ok(STANDARD.encode(sealed))
}

impl KeyPair {
    /// The pair that 32 random bytes are.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(SecretKey::from(bytes))
    }

    /// The public half, in base64: what the control plane is told.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.0.public_key().as_bytes())
    }

    /// Opens a box.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, sealed: &str) -> Result<Credentials, OpenError> {
        let sealed = STANDARD.decode(sealed).map_err(|_| OpenError::NotOurs)?;
        let plain = self.0.unseal(&sealed).map(Zeroizing::new).map_err(|_| OpenError::NotOurs)?;
        decode(&plain).ok_or(OpenError::Malformed)
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyPair").field(&self.public_key()).finish()
    }
}

/// The layout's version: another one is refused.
const VERSION: u8 = 1;

/// Version, nonce, then texts, each after its length: source id, password, names. No JSON: its reader keeps copies that nobody wipes.
fn encode(credentials: &Credentials) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let Credentials { nonce, names, source_id, password } = credentials;
    let texts =
        || [source_id.as_str(), password.as_str()].into_iter().chain(names.iter().map(String::as_str));
    let length = 1 + NONCE_BYTES + texts().map(|text| LENGTH_BYTES + text.len()).sum::<usize>();
    // Of the right size at once: a buffer that grows leaves its old content behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(length));
    plain.push(VERSION);
    plain.extend_from_slice(nonce);
    for text in texts() {
        let length = u16::try_from(text.len()).map_err(|_| SealError::TooLong)?;
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(text.as_bytes());
    }
    Ok(plain)
}

/// Bytes of a text's length.
const LENGTH_BYTES: usize = 2;

fn decode(plain: &[u8]) -> Option<Credentials> {
    let (&version, rest) = plain.split_first()?;
    let (nonce, mut rest) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        std::str::from_utf8(text).ok()
    };
    let source_id = next()?.to_owned();
    let password = Zeroizing::new(next()?.to_owned());
    let names: Vec<String> = std::iter::from_fn(&mut next).map(str::to_owned).collect();
    (version == VERSION && rest.is_empty()).then_some(Credentials {
        nonce: *nonce,
        names,
        source_id,
        password,
    })
}

/// As many random bytes as are wanted, out of 32: BLAKE3 keyed with them, in its mode of any length.
struct Stretched(blake3::OutputReader);

impl Stretched {
    fn new(seed: [u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(&seed).finalize_xof())
    }
}

impl RngCore for Stretched {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, destination: &mut [u8]) {
        self.0.fill(destination);
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), RngError> {
        self.fill_bytes(destination);
        Ok(())
    }
}

impl CryptoRng for Stretched {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn credentials(password: &str) -> Credentials {
        Credentials {
            nonce: [7; NONCE_BYTES],
            names: vec!["jane@lg.local".to_owned(), "jane".to_owned()],
            source_id: "597ae2f6".to_owned(),
            password: password.to_owned().into(),
        }
    }

    #[test]
    fn only_the_agent_it_is_sealed_to_opens_a_box() {
        let (agent, other) = (KeyPair::from_random([1; 32]), KeyPair::from_random([2; 32]));
        let sealed = seal(&agent.public_key(), &credentials("geheim"), [3; 32]).expect("seals");
        assert_eq!(agent.open(&sealed), Ok(credentials("geheim")));
        assert_eq!(other.open(&sealed), Err(OpenError::NotOurs));
        let mut changed = sealed.clone().into_bytes();
        changed[60] ^= 1;
        let changed = String::from_utf8(changed).expect("still ASCII");
        assert_eq!(agent.open(&changed), Err(OpenError::NotOurs));
        for none in ["", "AAAA", "?", &"A".repeat(100)] {
            assert_eq!(agent.open(none), Err(OpenError::NotOurs));
        }
    }

    #[test]
    fn the_same_password_never_looks_the_same() {
        let key = KeyPair::from_random([1; 32]).public_key();
        let sealed = |seed| seal(&key, &credentials("geheim"), [seed; 32]).expect("seals");
        assert_ne!(sealed(1), sealed(2));
    }

    #[test]
    fn what_is_no_key_seals_nothing() {
        for key in ["", "AAAA", "no base64!"] {
            assert_eq!(seal(key, &credentials("p"), [0; 32]), Err(SealError::Key));
        }
    }

    #[test]
    fn what_somebody_else_sealed_is_refused() {
        let agent = KeyPair::from_random([1; 32]);
        let key = PublicKey::from(*agent.0.public_key().as_bytes());
        let whole = encode(&credentials("p")).expect("encodes");
        for plain in [&b""[..], &[VERSION], &[VERSION; 40], &whole[..whole.len() - 1], &{
            let mut newer = whole.to_vec();
            newer[0] += 1;
            newer
        }] {
            let sealed = key.seal(&mut Stretched::new([9; 32]), plain).expect("seals");
            assert_eq!(agent.open(&STANDARD.encode(sealed)), Err(OpenError::Malformed), "{plain:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_comes_out_as_it_was(
            names in proptest::collection::vec("\\PC{0,20}", 0..4), source_id in "\\PC{0,40}", password in "\\PC{0,200}", seed: [u8; 32],
        ) {
            let agent = KeyPair::from_random(seed);
            let credentials = Credentials { nonce: [5; NONCE_BYTES], names, source_id, password: password.into() };
            let sealed = seal(&agent.public_key(), &credentials, seed).expect("seals");
            prop_assert_eq!(agent.open(&sealed), Ok(credentials));
        }

        #[test]
        fn nothing_that_comes_makes_the_reader_panic(plain in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&plain);
        }
    }
}
