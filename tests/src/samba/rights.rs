//! What the bind account may see, changed in the domain's own database: over LDAP a list of rights is binary.

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Samba;
use crate::daemon;

/// The right `DS-Replication-Get-Changes` (MS-ADTS 5.1.3.2.1).
const REPLICATE: &str = "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2";
/// The attribute `objectGUID`, by its `schemaIDGUID` (MS-ADA3 2.43).
const OBJECT_GUID: &str = "bf9679e7-0de6-11d0-a285-00aa003049e2";
/// Access is changed, and not who owns an entry: `DACL_SECURITY_INFORMATION` (MS-ADTS 3.1.1.3.4.1.11).
const ACCESS_ONLY: &str = "--controls=sd_flags:1:4";

impl Samba {
    /// Lets the bind account replicate, or no longer.
    #[track_caller]
    pub fn let_replicate(&self, allowed: bool) {
        self.set_right(Self::DOMAIN_DN, allowed, |account| format!("(OA;;CR;{REPLICATE};;{account})"));
    }

    /// Lets the bind account see whom somebody removed, or no longer.
    #[track_caller]
    pub fn let_see_deleted(&self, allowed: bool) {
        let container = format!("CN=Deleted Objects,{}", Self::DOMAIN_DN);
        self.set_right(&container, allowed, |account| format!("(A;;RPLC;;;{account})"));
    }

    /// Hides an entry, and what lies beneath it, from the bind account, or no longer.
    #[track_caller]
    pub fn hide(&self, dn: &str, hidden: bool) {
        self.set_right(dn, hidden, |account| format!("(D;CI;RPLCLORC;;;{account})"));
    }

    /// Hides who is who of whatever lies beneath an entry from the bind account, or no longer.
    #[track_caller]
    pub fn hide_identities(&self, dn: &str, hidden: bool) {
        self.set_right(dn, hidden, |account| format!("(OD;CI;RP;{OBJECT_GUID};;{account})"));
    }

    #[track_caller]
    fn set_right(&self, dn: &str, given: bool, right: impl FnOnce(&str) -> String) {
        self.try_set_right(dn, given, right)
            .unwrap_or_else(|error| panic!("the rights at {dn} could not be changed: {error:#}"));
    }

    fn try_set_right(&self, dn: &str, given: bool, right: impl FnOnce(&str) -> String) -> Result<()> {
        let (user, _) = Self::BIND_NAME.split_once('@').context("the name has a domain")?;
        let right = right(&self.value(Self::DOMAIN_DN, &format!("(sAMAccountName={user})"), "objectSid")?);
        let before = self.value(dn, &format!("(distinguishedName={dn})"), "nTSecurityDescriptor")?;
        let without = before.replace(&right, "");
        let (head, rights) = without.split_once('(').context("somebody has a right")?;
        // Before all others: the first that says something counts.
        let now = if given { format!("{head}{right}({rights}") } else { without.clone() };
        let mut ldif = tempfile::NamedTempFile::new()?;
        write!(
            ldif,
            "dn: {dn}\nchangetype: modify\nreplace: nTSecurityDescriptor\nnTSecurityDescriptor: {now}\n"
        )?;
        self.ldb("ldbmodify", &[ACCESS_ONLY, &ldif.path().display().to_string()]).map(drop)
    }

    /// The one value of an attribute of the one entry that a filter finds.
    fn value(&self, base: &str, filter: &str, attribute: &str) -> Result<String> {
        let found = self.ldb("ldbsearch", &[ACCESS_ONLY, "-b", base, filter, attribute])?;
        let found = found.replace("\n ", "");
        let name = format!("{attribute}: ");
        let value = found.lines().find_map(|line| line.strip_prefix(&name));
        value
            .map(str::to_owned)
            .with_context(|| format!("{filter} finds nobody who has {attribute}: {found}"))
    }

    fn ldb(&self, tool: &str, arguments: &[&str]) -> Result<String> {
        let database = self.folder.path().join("private/sam.ldb");
        let mut command = Command::new(tool);
        command.arg("-H").arg(database).arg("--show-deleted").args(arguments);
        let output = daemon::output(&mut command)
            .context("the tools of Samba's database are needed: run `cargo xtask test`, which installs them or says how")?;
        if !output.status.success() {
            let printed = [output.stdout, output.stderr].concat();
            bail!("{tool} {arguments:?} ({}): {}", output.status, String::from_utf8_lossy(&printed));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
