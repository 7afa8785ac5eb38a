//! The tools of ldap-utils: what an administrator does to a directory.

use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::daemon;
use crate::ldif::push_line;

/// What to do where a tool is missing.
const NEEDED: &str =
    "the tools of OpenLDAP are needed: run `cargo xtask test`, which installs them or says how";

/// A directory and who speaks to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login<'a> {
    /// `ldap://…` or `ldaps://…`
    pub(crate) url: &'a str,
    /// Whose certificates are trusted; `None` where there is no TLS.
    pub(crate) authority: Option<&'a Path>,
    /// A DN, or what else the directory takes for a name.
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
}

impl Login<'_> {
    /// Runs `ldapsearch`, `ldapmodify`, … with this standard input; returns what it printed.
    pub(crate) fn run(&self, tool: &str, arguments: &[&str], input: &str) -> Result<String> {
        let output = daemon::output(self.command(tool, input)?.args(arguments)).context(NEEDED)?;
        if !output.status.success() {
            bail!(
                "{tool} {arguments:?} ({}): {}\n{input}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts such a tool, which goes on by itself; nobody hears what it prints.
    pub(crate) fn start(&self, tool: &str, input: &str) -> Result<Child> {
        let mut command = self.command(tool, input)?;
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context(NEEDED)
    }

    fn command(&self, tool: &str, input: &str) -> Result<Command> {
        // A file, not a pipe: the tools print while they still read, and nobody would empty the other pipe.
        let mut file = tempfile::tempfile()?;
        file.write_all(input.as_bytes())?;
        file.rewind()?;
        let mut command = Command::new(tool);
        command.args(["-x", "-H", self.url, "-D", self.name, "-w", self.password]);
        // Neither the machine's nor the person's ldap.conf may change what the tools do; but the only way to tell them
        // of an authority is one that goes the same way.
        match self.authority {
            None => command.env("LDAPNOINIT", "1"),
            Some(authority) => command.env("LDAPTLS_CACERT", authority),
        };
        command.stdin(Stdio::from(file));
        Ok(command)
    }

    /// The LDIF of a search, without comments and line folding.
    pub(crate) fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<String> {
        let mut arguments = vec!["-LLL", "-o", "ldif-wrap=no", "-b", base, filter];
        arguments.extend(attributes);
        self.run("ldapsearch", &arguments, "")
    }
}

/// LDIF that gives an attribute of an entry these values instead of the ones it has; none removes the attribute.
pub(crate) fn replacement(dn: &str, attribute: &str, values: &[&str]) -> String {
    let mut ldif = String::new();
    push_line(&mut ldif, "dn", dn.as_bytes());
    push_line(&mut ldif, "changetype", b"modify");
    push_line(&mut ldif, "replace", attribute.as_bytes());
    for value in values {
        push_line(&mut ldif, attribute, value.as_bytes());
    }
    ldif
}
