//! What an administrator does to the directory, with the tools of ldap-utils.

use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Slapd;
use crate::company::{Company, Entry};
use crate::daemon;
use crate::ldif::push_line;

impl Slapd {
    /// Adds an entry.
    pub fn add(&self, entry: &Entry) {
        self.as_root("ldapadd", &[], &entry.ldif());
    }

    /// Gives an attribute of an entry these values instead of the ones it has; none removes the attribute.
    pub fn set<const N: usize>(&self, dn: &str, attribute: &str, values: [&str; N]) {
        let mut ldif = String::new();
        push_line(&mut ldif, "dn", dn.as_bytes());
        push_line(&mut ldif, "changetype", b"modify");
        push_line(&mut ldif, "replace", attribute.as_bytes());
        for value in values {
            push_line(&mut ldif, attribute, value.as_bytes());
        }
        self.modify(&ldif);
    }

    /// Applies LDIF change records.
    pub fn modify(&self, ldif: &str) {
        self.as_root("ldapmodify", &[], ldif);
    }

    /// Removes an entry and everything below it.
    pub fn delete(&self, dn: &str) {
        self.as_root("ldapdelete", &["-r", dn], "");
    }

    /// Gives an entry another relative DN where it stands; the old name's value is removed.
    pub fn rename(&self, dn: &str, new_rdn: &str) {
        self.as_root("ldapmodrdn", &["-r", dn, new_rdn], "");
    }

    /// Moves an entry, with everything below it, under another parent.
    pub fn move_to(&self, dn: &str, new_parent: &str) {
        let (rdn, _) = dn.split_once(',').expect("an entry below the suffix has a parent");
        self.as_root("ldapmodrdn", &["-r", "-s", new_parent, dn, rdn], "");
    }

    /// What the bind account sees: the LDIF of a search below the suffix, without comments and line folding.
    pub fn search(&self, filter: &str, attributes: &[&str]) -> String {
        let mut arguments = vec!["-LLL", "-o", "ldif-wrap=no", "-b", self.suffix(), filter];
        arguments.extend(attributes);
        self.run("ldapsearch", &self.bind_dn(), Company::BIND_PASSWORD, &arguments, "")
            .unwrap_or_else(|error| panic!("the directory could not be searched: {error:#}"))
    }

    #[track_caller]
    fn as_root(&self, tool: &str, arguments: &[&str], input: &str) {
        if let Err(error) = self.run(tool, &self.root_dn(), Self::ROOT_PASSWORD, arguments, input) {
            panic!("the directory refused the change: {error:#}");
        }
    }

    fn run(&self, tool: &str, dn: &str, password: &str, arguments: &[&str], input: &str) -> Result<String> {
        // A file, not a pipe: the tools print while they still read, and nobody would empty the other pipe.
        let mut file = tempfile::tempfile()?;
        file.write_all(input.as_bytes())?;
        file.rewind()?;
        let mut command = Command::new(tool);
        command.args(["-x", "-H", &self.url(), "-D", dn, "-w", password]).args(arguments);
        // Neither the machine's nor the person's ldap.conf may change what the tools do.
        command.env("LDAPNOINIT", "1").stdin(Stdio::from(file));
        let output = daemon::output(&mut command).context(
            "the tools of OpenLDAP are needed: run `cargo xtask test`, which installs them or says how",
        )?;
        if !output.status.success() {
            bail!(
                "{tool} {arguments:?} ({}): {}\n{input}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
