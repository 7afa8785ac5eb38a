//! The configuration: what administrators write, and what the program uses.
//!
//! [`mod@file`] is adc.yaml as it is written, [`resolve`](mod@resolve) turns flags, environment and file into the one
//! [`Config`] that everything else takes; nothing downstream meets an `Option` that means "default".
//! [`show`] prints it with the origin of each value, also where it is not fit for use.

pub mod address;
mod diagnose;
pub mod environment;
pub mod error;
pub mod file;
pub mod hosted;
pub mod proxy;
mod reach;
pub mod resolve;
mod resolver;
mod secrets;
mod setting_names;
pub mod show;
mod signs;
mod values;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use adc_core::dn::Dn;
use adc_core::filter::Filter;
use adc_core::policy::Preset;
use adc_core::settings::Settings;
use secrecy::{ExposeSecret, SecretString};

use crate::tls::Authorities;

pub use address::{Address, ServerUrl};
pub use environment::Environment;
pub use error::ConfigError;
pub use hosted::{Hosted, Protection};
pub use proxy::Proxy;
pub use reach::Reach;
pub use resolve::{Overrides, Resolution, inspect, load, resolve};
pub use setting_names::SettingNames;

/// What `adc config example` prints: every key of adc.yaml, explained.
pub const EXAMPLE: &str = include_str!("../../../examples/adc.yaml");

/// The configuration the program uses: resolved, validated, complete.
#[derive(Debug, Clone)]
pub struct Config {
    /// What this agent calls itself to the control plane: the machine's name, unless the control plane runs it itself.
    pub host: String,
    /// The control plane and how to sign in to it.
    pub server: ServerConfig,
    /// The switches as this side wrote them; the control plane merges them with its own.
    pub settings: Settings,
    /// The directory and what to read of it.
    pub directory: DirectoryConfig,
    /// How the directory checks a login.
    pub authentication: AuthenticationConfig,
    /// What works but should not stay so: one sentence each, told on every start.
    pub warnings: Vec<String>,
    /// The file that was read, if there was one.
    pub path: Option<PathBuf>,
    /// Where it says which control plane to sign in to, and as whom, for messages: each key with its origin.
    pub signs_in_by: String,
}

/// `server:` of adc.yaml.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where the control plane is.
    pub url: ServerUrl,
    /// Names the synchronization this agent serves.
    pub application_id: String,
    /// Proves that the agent may speak for it.
    pub secret_token: SecretString,
    /// Certificate authorities (PEM) to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// The HTTP proxy that leads there; `None` where the way is direct.
    pub proxy: Option<Proxy>,
}

/// `backend.ldap:` of adc.yaml.
#[derive(Debug, Clone)]
pub struct DirectoryConfig {
    /// Where the directory is.
    pub address: Address,
    /// Where else the same directory is, in order: tried when the servers before are out of reach.
    pub fail_over: Vec<Address>,
    /// Whether a plain connection is upgraded to TLS before anything secret is sent.
    pub start_tls: bool,
    /// Certificate authorities (PEM) to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// The same as text, where there is no file.
    pub ca_pem: Option<String>,
    /// The name the directory's certificate must carry, where it is not the address's host.
    pub server_name: Option<String>,
    /// Presented to the directory where TLS is spoken.
    pub client_certificate: Option<ClientCertificate>,
    /// Which addresses it may have.
    pub reach: Reach,
    /// The account that reads; only ever used to read. What messages call it, with [`Login::External`].
    pub bind_dn: String,
    /// How it proves who it is.
    pub login: Login,
    /// Its password, with [`Login::Password`] never empty: with an empty one LDAP answers "success" to an anonymous bind (RFC 4513 5.1.2).
    pub bind_password: SecretString,
    /// The subtree that bounds everything this agent may read.
    pub base_dn: Dn,
    /// How deep below [`Self::base_dn`] objects are looked for.
    pub scope: Scope,
    /// How long reaching the directory (TCP, TLS, bind: each) may take.
    pub connect_timeout: Duration,
    /// How long the directory may stay silent while a search runs.
    pub search_timeout: Duration,
    /// Entries per page; at least 1.
    pub page_size: u32,
    /// What a reference to another server means for the read it comes with.
    pub referrals: Referrals,
    /// Which attributes, filters and mapping are presumed.
    pub preset: Preset,
    /// The attribute that identifies objects, where it is not the one the directory is known for.
    pub id_attribute: Option<String>,
    /// The most that may leave the network; `None` bounds it to the preset's attributes.
    pub attributes: Option<Vec<String>>,
    /// Bounds the people; `None` is the preset's filter.
    pub people_filter: Option<Filter>,
    /// Bounds the groups; `None` is the preset's filter.
    pub groups_filter: Option<Filter>,
    /// Bounds the org units; `None` is the preset's filter.
    pub org_units_filter: Option<Filter>,
}

/// `backend.ldap.authentication:` of adc.yaml.
#[derive(Debug, Clone)]
pub struct AuthenticationConfig {
    /// The attribute that holds what people type as their user name.
    pub username_attribute: Option<String>,
    /// Finds the entry of a user name, which replaces `%s`.
    pub username_filter_template: Option<String>,
    /// How long a check of a password may take.
    pub timeout: Duration,
    /// Whether people's passwords may cross the network in clear (`server.allow_insecure`).
    pub allow_clear_text: bool,
}

/// How the bind account proves who it is (RFC 4513 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// By its DN and its password.
    Password,
    /// By what the connection itself proves (SASL EXTERNAL): a client certificate, or on a socket the account of this
    /// process.
    External,
}

/// A certificate that proves to the directory who is calling, and its key: files of PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and its authority.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// How deep a search goes (RFC 4511 4.5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The base entry alone.
    Base,
    /// The entries directly below the base.
    One,
    /// The base and everything below it.
    Sub,
}

/// What is done about references to places that lie on other servers (RFC 4511 4.5.3). None is ever followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referrals {
    /// A read that people may be missing from is no read: it fails and says where they lie.
    Report,
    /// What lies elsewhere is none of this synchronization's.
    Ignore,
}

impl Config {
    /// What is wrong with it where the control plane refuses it for good, and where to look; `why` is a clause.
    pub fn refused_because(&self, why: &str) -> String {
        format!("{why}; look at {}", self.signs_in_by)
    }
}

impl ServerConfig {
    /// Whether the other one leads to the same control plane with the same credentials: what that says to one of them it says to both.
    pub fn signs_in_like(&self, other: &Self) -> bool {
        self.url == other.url
            && self.application_id == other.application_id
            && self.secret_token.expose_secret() == other.secret_token.expose_secret()
    }
}

impl Referrals {
    /// The word adc.yaml uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Ignore => "ignore",
        }
    }
}

impl DirectoryConfig {
    /// Where the directory is, in the order in which it is tried; at least one.
    pub fn servers(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.address).chain(&self.fail_over)
    }

    /// What messages call what is set here.
    pub fn names(&self) -> &'static SettingNames {
        SettingNames::of(&self.reach)
    }

    /// Whom to trust for the directory's certificate.
    pub fn authorities(&self) -> Authorities<'_> {
        match (&self.ca_pem, &self.ca_file) {
            (Some(pem), _) => Authorities::Pem(pem),
            (None, file) => Authorities::from(file.as_deref()),
        }
    }

    /// The same for one of the servers alone.
    #[must_use]
    pub fn at(&self, address: &Address) -> Self {
        Self { address: address.clone(), fail_over: Vec::new(), ..self.clone() }
    }
}

impl Scope {
    /// The word adc.yaml uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::One => "one",
            Self::Sub => "sub",
        }
    }
}
