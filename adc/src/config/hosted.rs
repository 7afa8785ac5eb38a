//! The configuration of an agent that the control plane runs itself: made of what administrators say there, not of adc.yaml.

use std::time::Duration;

use adc_core::dn::Dn;
use adc_core::policy::Preset;
use adc_core::settings::Settings;
use secrecy::SecretString;

use super::address::HostPort;
use super::resolve::{
    DEFAULT_AUTHENTICATION_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_PAGE_SIZE, DEFAULT_SEARCH_TIMEOUT,
};
use super::{
    Address, AuthenticationConfig, Config, DirectoryConfig, Login, Reach, Referrals, Scope, ServerConfig,
    ServerUrl,
};

/// What an agent is given that has no adc.yaml; everything else is as an empty adc.yaml says.
#[derive(Debug)]
pub struct Hosted {
    /// What it calls itself to the control plane, in place of a machine's name.
    pub host: String,
    /// The control plane.
    pub url: ServerUrl,
    /// Names the synchronization.
    pub application_id: String,
    /// Proves that it may speak for it.
    pub secret_token: SecretString,
    /// The directory's host and port.
    pub at: HostPort,
    /// How the way there is protected.
    pub protection: Protection,
    /// Certificate authorities to trust instead of the platform's, as PEM.
    pub ca_pem: Option<String>,
    /// The name the directory's certificate must carry, where it is not the host's.
    pub server_name: Option<String>,
    /// The account that reads.
    pub bind_dn: String,
    /// Its password.
    pub bind_password: SecretString,
    /// The subtree that bounds everything.
    pub base_dn: Dn,
    /// Which addresses the directory may have.
    pub reach: Reach,
}

/// How a connection to a directory is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the first byte.
    Ldaps,
    /// Plain until the server agrees to TLS, before anything secret is sent.
    StartTls,
    /// Not at all.
    Plain,
}

impl Hosted {
    /// The configuration to run with.
    pub fn config(self) -> Config {
        let address = match self.protection {
            Protection::Ldaps => Address::Tls(self.at),
            Protection::StartTls | Protection::Plain => Address::Plain(self.at),
        };
        Config {
            host: self.host,
            server: ServerConfig {
                url: self.url,
                application_id: self.application_id,
                secret_token: self.secret_token,
                ca_file: None,
                proxy: None,
            },
            settings: Settings::default(),
            directory: DirectoryConfig {
                address,
                fail_over: Vec::new(),
                start_tls: self.protection == Protection::StartTls,
                ca_file: None,
                ca_pem: self.ca_pem,
                server_name: self.server_name,
                client_certificate: None,
                reach: self.reach,
                login: Login::Password,
                bind_dn: self.bind_dn,
                bind_password: self.bind_password,
                base_dn: self.base_dn,
                scope: Scope::Sub,
                connect_timeout: Duration::from_secs(DEFAULT_CONNECT_TIMEOUT),
                search_timeout: Duration::from_secs(DEFAULT_SEARCH_TIMEOUT),
                page_size: DEFAULT_PAGE_SIZE,
                referrals: Referrals::Report,
                preset: Preset::Auto,
                id_attribute: None,
                attributes: None,
                people_filter: None,
                groups_filter: None,
                org_units_filter: None,
            },
            authentication: AuthenticationConfig {
                username_attribute: None,
                username_filter_template: None,
                timeout: Duration::from_secs(DEFAULT_AUTHENTICATION_TIMEOUT),
                // Whoever allowed the bind account's password to cross that network in clear allowed it of passwords.
                allow_clear_text: self.protection == Protection::Plain,
            },
            warnings: Vec::new(),
            path: None,
            signs_in_by: "what the control plane that runs it gives it".to_owned(),
        }
    }
}
