//! The packages of the operating system that the tests need.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{Step, answers};

/// The package, and a file of it that says that it is installed; `*` stands for any one folder.
const PACKAGES: [(&str, &str); 8] = [
    ("slapd", "/usr/sbin/slapd"),
    ("ldap-utils", "/usr/bin/ldapsearch"),
    // A domain controller of Active Directory: the program, what a domain is made from, and modules of its database and
    // of its file server, which makes the domain's folders.
    ("samba", "/usr/sbin/samba"),
    ("samba-ad-provision", "/usr/share/samba/setup/provision.ldif"),
    ("samba-dsdb-modules", "/usr/lib/*/samba/ldb/samba_dsdb.so"),
    ("samba-vfs-modules", "/usr/lib/*/samba/vfs/xattr_tdb.so"),
    // Rights in the domain are given in its database itself.
    ("ldb-tools", "/usr/bin/ldbmodify"),
    // Every SQL text is tried on it.
    ("postgresql", "/usr/lib/postgresql/*/bin/postgres"),
];

/// Installs what it is given, without the packages' own services coming into being: `policy-rc.d` forbids to start them
/// now; at the next boot `no_configuration` leaves slapd without anything to serve, and the others' are switched off. The
/// tests start their own servers, on loopback, with data of their own.
const INSTALL: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
echo 'slapd slapd/no_configuration boolean true' | debconf-set-selections
apt-get update --quiet
apt-get install --quiet --yes --no-install-recommends "$@"
case " $* " in
    *" samba "*)
        for service in smbd nmbd samba-ad-dc; do
            systemctl disable "$service" 2>/dev/null || true
        done
        ;;
esac
case " $* " in
    *" postgresql "*) systemctl disable postgresql 2>/dev/null || true ;;
esac
"#;

/// Installs the packages that are missing, on Debian and Ubuntu, as root or through sudo.
///
/// # Errors
/// When that cannot be done here; the message holds the command to type.
pub(crate) fn install_missing() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, file)| !is_there(file)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }

    let by_hand = format!(
        "the tests need a real OpenLDAP server, a domain controller of Samba, and PostgreSQL; install them with\n\n    \
         sudo apt-get install --no-install-recommends {}\n\n\
         or what your system calls these packages. Their services need not run: \
         `sudo systemctl disable --now slapd smbd nmbd postgresql`.",
        missing.join(" ")
    );
    if !answers("apt-get", ["--version"]) {
        bail!("there is no apt-get here, and {by_hand}");
    }
    let step = if is_root() {
        Step::program("packages", "sh").args(["-euc", INSTALL, "sh"])
    } else if answers("sudo", ["--non-interactive", "true"]) {
        Step::program("packages", "sudo").args(["--non-interactive", "sh", "-euc", INSTALL, "sh"])
    } else {
        bail!("this needs root, and {by_hand}");
    };
    step.args(missing).run()
}

/// Whether there is such a file; see [`PACKAGES`].
fn is_there(file: &str) -> bool {
    let Some((folder, rest)) = file.split_once("/*/") else { return Path::new(file).is_file() };
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| entry.path().join(rest).is_file())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("--user").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
