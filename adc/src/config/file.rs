//! adc.yaml as it is written: every key may be left out here, [`super::resolve()`] decides what that means.

use secrecy::SecretString;
use serde::Deserialize;
use serde_yaml::Spanned;

use super::error::{ConfigError, Problem};
use super::{diagnose, signs, values};

/// A value and where it stands in the file.
pub type Written<T> = Option<Spanned<T>>;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// The control plane.
    pub server: Server,
    /// The seven switches.
    pub settings: Switches,
    /// The directory.
    pub backend: Backend,
    /// What reads as something else than was written; see `values`.
    #[serde(skip)]
    pub oddities: Vec<Problem>,
}

/// `server:`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the keys are explained in examples/adc.yaml, for those who write them")]
pub struct Server {
    pub url: Written<String>,
    pub application_id: Written<String>,
    pub secret_token: Written<SecretString>,
    pub secret_token_file: Written<String>,
    pub ca_file: Written<String>,
    pub proxy: Written<String>,
    pub allow_insecure: Written<bool>,
}

/// `settings:`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the keys are explained in examples/adc.yaml, for those who write them")]
pub struct Switches {
    pub dry_run: Written<bool>,
    pub no_update: Written<bool>,
    pub no_create: Written<bool>,
    pub no_delete: Written<bool>,
    pub delete_disables: Written<bool>,
    pub no_update_provider_mismatch: Written<bool>,
    pub create_as_disabled: Written<bool>,
}

/// `backend:`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// The only backend there is.
    pub ldap: Ldap,
}

/// `backend.ldap:`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the keys are explained in examples/adc.yaml, for those who write them")]
pub struct Ldap {
    pub addr: Written<OneOrMany>,
    pub start_tls: Written<bool>,
    pub ca_file: Written<String>,
    pub server_name: Written<String>,
    pub bind_dn: Written<String>,
    pub bind_password: Written<SecretString>,
    pub bind_password_file: Written<String>,
    pub sasl: Written<String>,
    pub client_cert_file: Written<String>,
    pub client_key_file: Written<String>,
    pub base_dn: Written<String>,
    pub scope: Written<String>,
    pub connect_timeout: Written<u64>,
    pub search_timeout: Written<u64>,
    pub referrals: Written<String>,
    pub preset: Written<String>,
    pub id_attribute: Written<String>,
    pub attributes: Written<Vec<Spanned<String>>>,
    pub sync: Sync,
    pub authentication: Authentication,
}

/// A text, or a list of texts.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum OneOrMany {
    /// `a`
    One(String),
    /// `[a, b]`
    Many(Vec<String>),
}

/// `backend.ldap.sync:`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the keys are explained in examples/adc.yaml, for those who write them")]
pub struct Sync {
    pub page_size: Written<u64>,
    pub filter: Written<String>,
    pub groups: Filtered,
    pub org_units: Filtered,
}

/// `backend.ldap.sync.groups:` and `backend.ldap.sync.org_units:`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filtered {
    /// Bounds what is read of this kind.
    pub filter: Written<String>,
}

/// `backend.ldap.authentication:`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the keys are explained in examples/adc.yaml, for those who write them")]
pub struct Authentication {
    pub username_attribute: Written<String>,
    pub username_filter_template: Written<String>,
    pub timeout: Written<u64>,
}

impl File {
    /// Reads the text of the file called `name` in messages.
    ///
    /// # Errors
    /// Says file, line, column, key and, for a key that is unknown, the nearest known one. Values are never
    /// quoted: they may be secrets.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        signs::refuse(name, text)?;
        // Snippets would quote the lines around an error, and with them passwords.
        let options = serde_yaml::options! { with_snippet: false };
        // A file of nothing but comments holds no document at all.
        let file: Option<Self> = serde_yaml::from_str_with_options(text, options)
            .map_err(|error| diagnose::explain(name, text, &error))?;
        Ok(Self { oddities: values::oddities(name, text), ..file.unwrap_or_default() })
    }
}
