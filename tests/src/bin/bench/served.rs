//! The directories that are measured: a real slapd and a real domain controller.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use adc_tests::{Agent, Company, ControlPlane, Samba, Slapd, Synchronization};
use anyhow::Result;

use crate::{directory, domain};

/// Operations that slapd's session log remembers: more than happen in a benchmark.
const SESSION_LOG: usize = 100_000;

/// Which directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// OpenLDAP with a change feed (`overlay syncprov`).
    OpenLdap,
    /// OpenLDAP without one, so that times are compared.
    WithoutFeed,
    /// Active Directory, played by Samba.
    Domain,
}

impl Kind {
    /// What tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenLdap => "OpenLDAP",
            Self::WithoutFeed => "OpenLDAP, no syncprov",
            Self::Domain => "Samba AD DC",
        }
    }
}

/// A directory that is served.
pub(crate) enum Served {
    Slapd(Kind, Slapd),
    Samba(Samba),
}

impl Served {
    /// Starts a directory with so many people.
    pub(crate) fn start(kind: Kind, users: usize, folder: &Path) -> Result<Self> {
        if kind == Kind::Domain {
            let samba = Samba::start();
            domain::load(&samba, users);
            return Ok(Self::Samba(samba));
        }
        let ldif = folder.join("directory.ldif");
        directory::write(users, &ldif)?;
        let mut builder = Slapd::builder(&directory::company()).load_file(&ldif);
        if kind == Kind::OpenLdap {
            builder = builder.syncprov(Some(SESSION_LOG));
        }
        let slapd = builder.start();
        fs::remove_file(ldif)?;
        Ok(Self::Slapd(kind, slapd))
    }

    /// Which directory it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Slapd(kind, _) => *kind,
            Self::Samba(_) => Kind::Domain,
        }
    }

    /// An agent that reads it.
    pub(crate) fn agent(&self, control_plane: &ControlPlane, synchronization: &Synchronization) -> Agent {
        match self {
            Self::Slapd(_, slapd) => Agent::new(slapd, control_plane, synchronization),
            Self::Samba(samba) => Agent::of_domain(samba, control_plane, synchronization),
        }
    }

    /// Has a command of OpenLDAP's tools sign in to it as the agent does.
    pub(crate) fn sign_in(&self, command: &mut Command, authority: &Path) -> Result<()> {
        match self {
            Self::Slapd(_, slapd) => {
                command.args(["-H", &slapd.url(), "-D", &slapd.bind_dn(), "-w", Company::BIND_PASSWORD]);
                command.env("LDAPNOINIT", "1");
            }
            Self::Samba(samba) => {
                fs::write(authority, samba.authority_pem())?;
                command.args(["-H", &samba.ldaps_url(), "-D", Samba::BIND_NAME, "-w", Samba::BIND_PASSWORD]);
                // The address stands in its certificate beside the name.
                command.env("LDAPTLS_CACERT", authority);
            }
        }
        Ok(())
    }

    /// Gives people, by their numbers, this title.
    pub(crate) fn entitle(&self, people: impl IntoIterator<Item = usize>, title: &str) {
        self.change(people, &format!("changetype: modify\nreplace: title\ntitle: {title}"));
    }

    /// Removes people, by their numbers.
    pub(crate) fn remove(&self, people: impl IntoIterator<Item = usize>) {
        self.change(people, "changetype: delete");
    }

    fn change(&self, people: impl IntoIterator<Item = usize>, what: &str) {
        let mut ldif = String::new();
        for number in people {
            let dn = match self {
                Self::Slapd(..) => directory::person_dn(number),
                Self::Samba(_) => domain::person_dn(number),
            };
            write!(ldif, "dn: {dn}\n{what}\n\n").expect("writing to a String cannot fail");
        }
        match self {
            Self::Slapd(_, slapd) => slapd.modify(&ldif),
            Self::Samba(samba) => samba.modify(&ldif),
        }
    }
}
