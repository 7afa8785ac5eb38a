//! The key that hosted connectors' passwords are sealed with: it lies in a file, never in the database.

use crate::clock::random;
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use std::{
    fmt,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};
use zeroize::Zeroizing;

/// The systemd credential that holds the key where no file is named.
pub const CREDENTIAL: &str = "adc-server-key";
/// What a key file holds, no more and no less.
const KEY_BYTES: usize = 32;
/// The nonce of XChaCha20-Poly1305: long enough to be chosen at random for ever.
const NONCE_BYTES: usize = 24;
/// The permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// Names the purpose that a key's id is derived for, so that the id says nothing of the key.
const ID_CONTEXT: &str = "adc-server 2026-11-22 id of a key for connection passwords";
/// Digits of a key's id: enough to tell keys apart.
const ID_DIGITS: usize = 16;
/// How a password is sealed; what is sealed otherwise one day begins with another word.
const FORM: &str = "x1";

/// A key.
#[derive(Clone)]
pub struct Key {
    cipher: XChaCha20Poly1305,
    /// Tells keys apart; it is kept beside what was sealed.
    id: String,
}

/// A password that only the key opens, and only where it belongs.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

/// Why a password cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with another key.
    #[error(
        "the password was sealed with another key than this control plane's; start the control plane with that key, or give the password again"
    )]
    OtherKey,
    /// It is not what was sealed, or not for this connection.
    #[error(
        "the password in the database was changed or belongs to another connection; give the password again, and look who writes to the database"
    )]
    Tampered,
}

impl Key {
    /// Reads a key file.
    ///
    /// # Errors
    /// It is missing, others may read it, or it is no key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let metadata = fs::metadata(path).with_context(|| {
            format!("the key file {shown} cannot be read; make one by adc-server key create {shown}")
        })?;
        let mode = metadata.permissions().mode();
        ensure!(
            mode & OTHERS == 0,
            "others than its owner may read or change the key file {shown} (mode {:04o}); run chmod 0600 {shown}",
            mode & 0o7777
        );
        Self::read_credential(path)
    }

    /// Reads a key file that systemd laid out for this process alone (systemd.exec(5), `LoadCredential=`): where it does so by an access
    /// control list, the mode seems to let the group read it.
    ///
    /// # Errors
    /// It cannot be read, or it is no key.
    pub fn read_credential(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let bytes =
            Zeroizing::new(fs::read(path).with_context(|| format!("the key file {shown} cannot be read"))?);
        let length = bytes.len();
        let Ok(key) = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()) else {
            bail!(
                "{shown} is no key file: it holds {length} bytes instead of {KEY_BYTES}; make one by adc-server key create"
            );
        };
        Ok(Self::from_bytes(&Zeroizing::new(key)))
    }

    /// Writes a new key into a file that is not there yet, for its owner only.
    ///
    /// # Errors
    /// The file is there already, or cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let key = Zeroizing::new(random::<KEY_BYTES>());
        let shown = path.display();
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(|| {
                format!("cannot make the key file {shown}; one that is there is never overwritten")
            })?;
        file.write_all(key.as_slice())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write the key file {shown}"))?;
        Ok(Self::from_bytes(&key))
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let derived = blake3::Hash::from_bytes(blake3::derive_key(ID_CONTEXT, bytes));
        let id = derived.to_hex()[..ID_DIGITS].to_owned();
        Self { cipher: XChaCha20Poly1305::new(bytes.into()), id }
    }

    /// Tells it apart from others, and says nothing of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a password to the place where it belongs.
    pub fn seal(&self, password: &str, place: &[u8]) -> Sealed {
        let nonce = random::<NONCE_BYTES>();
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: password.as_bytes(), aad: place })
            .expect("only messages of hundreds of gigabytes are too long");
        Sealed(format!("{FORM}.{}.{}", self.id, STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what was sealed to this place.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, sealed: &Sealed, place: &[u8]) -> Result<Zeroizing<String>, OpenError> {
        let mut parts = sealed.0.split('.');
        let (Some(FORM), Some(id), Some(text), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(OpenError::Tampered);
        };
        if id != self.id {
            return Err(OpenError::OtherKey);
        }
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| OpenError::Tampered)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Tampered)?;
        let opened = self
            .cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place })
            .map_err(|_| OpenError::Tampered)?;
        String::from_utf8(opened).map(Zeroizing::new).map_err(|_| OpenError::Tampered)
    }
}

impl Sealed {
    /// As it lies in the database.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// As it is put into the database.
    pub fn as_stored(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: &[u8] = b"acc_1 syn_1";

    fn key() -> Key {
        Key::from_bytes(&[7; KEY_BYTES])
    }

    #[test]
    fn a_password_is_opened_by_its_key_at_its_place_only() {
        let sealed = key().seal("correct horse", PLACE);
        assert_eq!(key().open(&sealed, PLACE).as_deref().map(String::as_str), Ok("correct horse"));
        assert_eq!(key().open(&sealed, b"acc_1 syn_2"), Err(OpenError::Tampered));
        assert_eq!(Key::from_bytes(&[8; KEY_BYTES]).open(&sealed, PLACE), Err(OpenError::OtherKey));
        assert_ne!(sealed, key().seal("correct horse", PLACE), "a nonce was used twice");
        assert!(!format!("{sealed:?} {:?}", key()).contains("horse"));
    }

    #[test]
    fn a_password_of_another_key_that_claims_to_be_of_this_one_is_not_opened() {
        let other = Key::from_bytes(&[8; KEY_BYTES]);
        let sealed = other.seal("correct horse", PLACE);
        let claimed = Sealed(sealed.0.replace(other.id(), key().id()));
        assert_eq!(key().open(&claimed, PLACE), Err(OpenError::Tampered));
    }

    #[test]
    fn a_key_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key");
        let said = |path: &Path| format!("{:#}", Key::read(path).expect_err("refused"));
        assert!(said(&path).contains("adc-server key create"), "{}", said(&path));

        let made = Key::create(&path).expect("makes one");
        assert_eq!(Key::read(&path).expect("reads it").id(), made.id());
        let permissions = fs::metadata(&path).expect("is there").permissions();
        assert_eq!(permissions.mode() & 0o7777, 0o600);
        let again = format!("{:#}", Key::create(&path).expect_err("refused"));
        assert!(again.contains("never overwritten"), "{again}");
        assert_eq!(Key::read(&path).expect("is unchanged").id(), made.id());

        for mode in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changes");
            assert!(said(&path).contains("chmod 0600"), "{mode:o}: {}", said(&path));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changes");
        for content in [&b""[..], &[7; 31], &[7; 33]] {
            fs::write(&path, content).expect("writes");
            assert!(said(&path).contains("instead of 32"), "{}", said(&path));
        }
    }

    proptest! {
        #[test]
        fn every_password_comes_back(password in "\\PC{1,60}") {
            let opened = key().open(&key().seal(&password, PLACE), PLACE);
            prop_assert_eq!(opened.as_deref().map(String::as_str), Ok(password.as_str()));
        }

        #[test]
        fn nothing_is_opened_once_any_character_was_changed(at in 0_usize..100, to in "[A-Za-z0-9+/.]") {
            let sealed = key().seal("correct horse", PLACE);
            let at = at % sealed.0.len();
            let mut changed = sealed.0.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != sealed.0);
            prop_assert!(key().open(&Sealed(changed), PLACE).is_err());
        }
    }
}
