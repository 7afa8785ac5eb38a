//! Where secrets lie, and who else can read them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::SecretString;

/// The permission bits that let everybody on the machine read a file.
const OTHERS_READ: u32 = 0o004;

/// Reads a secret that lies alone in a file; the newline that editors leave at its end is not part of it.
///
/// # Errors
/// A clause that goes on after the key's name: the file is missing, unreadable, not text, or empty.
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(format!("{} is empty; write the secret into it", path.display()));
    }
    Ok(SecretString::from(secret))
}

/// A warning when everybody on the machine can read a file that holds a secret.
pub(super) fn warn_if_others_can_read(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & OTHERS_READ != 0).then(|| {
        let path = path.display();
        format!("{path} holds a secret and everybody on this machine can read it; run `chmod o-rwx {path}`")
    })
}
