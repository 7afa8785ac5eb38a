//! Where secrets lie, and who else can read them.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use secrecy::SecretString;

/// The permission bits that let somebody read or change a file: of everybody on the machine, and of the file's group.
const OTHERS: u32 = 0o006;
const GROUP: u32 = 0o060;
/// The bits of a mode that `chmod` sets.
const PERMISSIONS: u32 = 0o7777;

/// Reads a secret that lies alone in a file; the newline that editors leave at its end is not part of it.
///
/// # Errors
/// A clause that goes on after the key's name: the file is missing, unreadable, not text, or empty.
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    let text = fs::read_to_string(path).map_err(|error| {
        format!("{} cannot be read: {error}; check the path and the file's permissions", path.display())
    })?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(format!("{} is empty; write the secret into it", path.display()));
    }
    Ok(SecretString::from(secret))
}

/// A warning when others than this process's account and group can read or change a file that holds a secret.
///
/// The group is not warned about when it is the process's own: `0640 root:adc` is how packages let a service read a
/// file that it must not write. Everybody else's group is, even if it has no members today.
pub(super) fn warn_if_others_can_read(path: &Path) -> Option<String> {
    let file = fs::metadata(path).ok()?;
    warning(path, file.permissions().mode(), file.gid(), own_group())
}

fn warning(path: &Path, mode: u32, group: u32, own_group: Option<u32>) -> Option<String> {
    let others = mode & OTHERS != 0;
    let of_group = mode & GROUP != 0 && own_group != Some(group);
    let (who, whose) = match (of_group, others) {
        (false, false) => return None,
        (false, true) => ("everybody on this machine".to_owned(), "o"),
        (true, false) => (format!("the group {group}"), "g"),
        (true, true) => ("everybody on this machine".to_owned(), "go"),
    };
    Some(format!(
        "{} holds a secret and has mode {:04o}: {who} can read or change it; run `chmod {whose}-rwx {}`",
        path.display(),
        mode & PERMISSIONS,
        for_the_shell(path),
    ))
}

/// The effective group of this process, where the system tells: the one that its entry in /proc belongs to.
fn own_group() -> Option<u32> {
    fs::metadata("/proc/self").as_ref().map(Metadata::gid).ok()
}

/// A path as it is typed, in quotes where a shell would take it apart.
fn for_the_shell(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&b));
    if plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: Option<u32> = Some(990);

    fn said(mode: u32, group: u32) -> Option<String> {
        warning(Path::new("/etc/adc/secret"), mode, group, AGENT)
    }

    #[test]
    fn a_secret_that_any_group_could_read_drew_no_warning() {
        insta::assert_snapshot!(said(0o100_640, 100).expect("warns"), @"/etc/adc/secret holds a secret and has mode 0640: the group 100 can read or change it; run `chmod g-rwx /etc/adc/secret`");
        insta::assert_snapshot!(said(0o100_644, 990).expect("warns"), @"/etc/adc/secret holds a secret and has mode 0644: everybody on this machine can read or change it; run `chmod o-rwx /etc/adc/secret`");
        insta::assert_snapshot!(said(0o100_664, 100).expect("warns"), @"/etc/adc/secret holds a secret and has mode 0664: everybody on this machine can read or change it; run `chmod go-rwx /etc/adc/secret`");
        assert!(said(0o602, 990).is_some(), "who can write it can replace it");
    }

    #[test]
    fn the_agents_own_group_may_read_its_secrets() {
        assert_eq!(said(0o100_640, 990), None);
        assert_eq!(said(0o100_600, 100), None);
        assert!(warning(Path::new("x"), 0o640, 990, None).is_some(), "an unknown group is not ours");
        assert!(own_group().is_some());
    }

    #[test]
    fn what_is_to_be_typed_can_be_typed() {
        let said = warning(Path::new("/srv/o'neil/my adc.yaml"), 0o604, 0, AGENT).expect("warns");
        assert!(said.ends_with(r"run `chmod o-rwx '/srv/o'\''neil/my adc.yaml'`"), "{said}");
    }
}
