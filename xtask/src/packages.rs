//! The packages of the operating system that the tests need.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{Step, answers};

/// The package, and a file of it that says that it is installed.
const PACKAGES: [(&str, &str); 2] = [("slapd", "/usr/sbin/slapd"), ("ldap-utils", "/usr/bin/ldapsearch")];

/// Installs what it is given, without slapd's own service coming into being: `policy-rc.d` forbids to start it now,
/// and `no_configuration` leaves it without anything to serve at the next boot. The tests start their own slapd, on
/// loopback, with data of their own.
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
"#;

/// Installs the packages that are missing, on Debian and Ubuntu, as root or through sudo.
///
/// # Errors
/// When that cannot be done here; the message holds the command to type.
pub(crate) fn install_missing() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, file)| !Path::new(file).is_file()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }

    let by_hand = format!(
        "the tests need a real OpenLDAP server; install it with\n\n    \
         sudo apt-get install --no-install-recommends {}\n\n\
         or what your system calls these packages. Its service need not run: `sudo systemctl disable --now slapd`.",
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

fn is_root() -> bool {
    let output = Command::new("id").arg("--user").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
