//! What the end-to-end tests stand on: real servers as child processes, told what to do in the domain's own verbs.
//!
//! [`Company`] writes a directory, [`Slapd`] serves it, [`Samba`] is a domain controller of Active Directory, [`ControlPlane`] runs `adc-server`, [`Agent`] runs `adc`.
//! Everything listens on loopback, keeps its data in a temporary folder, and is killed when it is dropped.
//! A helper that cannot do its work panics with one readable message: a test that cannot be set up has failed.

mod agent;
mod api;
pub mod by_hand;
mod certs;
mod company;
mod control_plane;
mod daemon;
mod in_memory;
mod ldap_tools;
mod ldif;
mod programs;
mod redact;
mod samba;
mod scene;
mod slapd;
mod supervisor;

pub use agent::{Agent, Outcome, Running};
pub use api::{Answer, Api};
pub use certs::{Authority, ServerCertificate};
pub use company::{Company, Entry, Group, Person};
pub use control_plane::{ControlPlane, Synchronization};
pub use daemon::{Daemon, free_port};
pub use in_memory::InMemory;
pub use programs::{program, repository};
pub use redact::redacted;
pub use samba::Samba;
pub use scene::Scene;
pub use slapd::{Slapd, SlapdBuilder};
pub use supervisor::{Supervisor, Told};
