//! Where a hosted connector finds its directory: how that is said, checked and kept.

use super::{Offer, key::Sealed};
use crate::api::{
    json,
    problem::{ApiResult, Problem},
};
use adc::config::{Protection, address::HostPort};
use adc_core::dn::Dn;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv6Addr};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// What a problem with a connection is called.
const CODE: &str = "invalid-connection";
/// Where LDAP is (RFC 4511 section 5.2.1), and LDAP over TLS (IANA).
const LDAP_PORT: u16 = 389;
const LDAPS_PORT: u16 = 636;
/// The longest name there is (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 253;
/// A DN or a password is no longer; certificates are a few KiB each.
const MAX_TEXT: usize = 1_024;
const MAX_PEM: usize = 64 << 10;

/// Where a connector that the control plane runs itself finds the directory, and as whom; everything but the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// A name or an address.
    pub host: String,
    /// Left out: 636 for `ldaps`, 389 otherwise.
    #[serde(default)]
    pub port: u16,
    /// How the way there is protected.
    pub tls: TlsMode,
    /// The subtree that bounds everything.
    pub base_dn: String,
    /// The account that reads, as the directory names it: a DN, on Active Directory also `reader@company.local`.
    pub user: String,
    /// Certificate authorities (PEM) to trust instead of the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// The name the directory's certificate must carry, where it is not the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// How the way to a directory is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// TLS from the first byte.
    Ldaps,
    /// TLS before anything secret is sent.
    StartTls,
    /// Not at all; only in networks that the operator named for it.
    Plain,
}

/// A connection with its password, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedConnection {
    /// Everything but the password.
    pub connection: Connection,
    /// The password.
    pub password: Sealed,
}

/// What a merge patch says of the connection.
pub enum Wish {
    /// Nothing.
    Unsaid,
    /// There shall be none.
    Remove,
    /// Its members are to be merged into what is there.
    Change {
        /// All but the password.
        members: Value,
        /// The password, where one is given.
        password: Option<Zeroizing<String>>,
    },
}

impl Wish {
    /// Takes the connection out of a merge patch of a synchronization. No error of it repeats anything that may be a password.
    ///
    /// # Errors
    /// It is neither null nor an object, or the password is no text.
    pub fn take_from(patch: &mut Value) -> ApiResult<Self> {
        match patch.as_object_mut().and_then(|members| members.remove("connection")) {
            None => Ok(Self::Unsaid),
            Some(Value::Null) => Ok(Self::Remove),
            Some(Value::Object(mut members)) => {
                let password = password(&mut members)?;
                Ok(Self::Change { members: Value::Object(members), password })
            }
            Some(_) => Err(refused("connection must be an object, or null to remove it")),
        }
    }

    /// What becomes of the connection of a synchronization by it.
    ///
    /// # Errors
    /// It cannot be used, or not here.
    pub fn applied(
        &self,
        current: Option<&HostedConnection>,
        offer: &Offer,
        account_id: &str,
        synchronization_id: &str,
    ) -> ApiResult<Option<HostedConnection>> {
        let (members, password) = match self {
            Self::Unsaid => return Ok(current.cloned()),
            Self::Remove => return Ok(None),
            Self::Change { members, password } => (members, password),
        };
        let (bounds, key) = offer.enabled().ok_or_else(off)?;
        // To us nought stands for the usual one; said by somebody it is a slip.
        if members.get("port").is_some_and(|port| port == 0) {
            return Err(refused(
                "no server listens on port 0; leave port out, or set it to null, for the usual one",
            ));
        }
        let before = current.map(|current| current.connection.clone().without_usual_port());
        let connection =
            json::merged(&before, members)?.ok_or_else(|| refused("connection must be an object"))?;
        let connection = connection.checked(bounds.allow_plain_somewhere())?;
        if let Ok(address) = connection.host.parse::<IpAddr>() {
            let checked = bounds.check(address, connection.tls.into());
            checked
                .map_err(|why| Problem::unprocessable("network-not-allowed", sentence(&why.to_string())))?;
        }
        let place = connection.place(account_id, synchronization_id);
        let password = match (password, current) {
            (Some(password), _) => key.seal(password, &place),
            // Whoever may change where the connection leads shall not learn the password by leading it to themselves.
            (None, Some(current)) if current.connection.place(account_id, synchronization_id) == place => {
                current.password.clone()
            }
            (None, Some(_)) => {
                return Err(refused(
                    "the connection would lead elsewhere, be protected otherwise, or sign in as somebody else; give the password with it, for the one from before is not sent to another place",
                ));
            }
            (None, None) => return Err(refused("password is missing: a connection signs in with one")),
        };
        Ok(Some(HostedConnection { connection, password }))
    }
}

impl Connection {
    /// Where the password belongs: with any of this changed it could come to the knowledge of somebody else.
    pub fn place(&self, account_id: &str, synchronization_id: &str) -> Vec<u8> {
        let port = self.port.to_string();
        let parts = [
            account_id,
            synchronization_id,
            &self.host,
            &port,
            self.tls.as_str(),
            &self.user,
            self.ca_pem.as_deref().unwrap_or_default(),
            self.server_name.as_deref().unwrap_or_default(),
        ];
        // With their lengths, so that nothing can move from one into the next.
        parts.iter().flat_map(|part| [&part.len().to_be_bytes()[..], part.as_bytes()].concat()).collect()
    }

    /// The host and the port.
    pub fn at(&self) -> HostPort {
        HostPort { host: self.host.clone(), port: self.port }
    }

    /// The same, with a port that follows from how the way is protected left out: when that changes it changes with it.
    fn without_usual_port(mut self) -> Self {
        if self.port == self.tls.usual_port() {
            self.port = 0;
        }
        self
    }

    fn checked(mut self, plain_somewhere: bool) -> ApiResult<Self> {
        if self.port == 0 {
            self.port = self.tls.usual_port();
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let host_is_one = self.host.parse::<Ipv6Addr>().is_ok() || self.host.chars().all(is_name);
        if self.host.is_empty() || self.host.len() > MAX_HOST || !host_is_one {
            return Err(refused(
                "host must be a name or an address alone, such as dc1.company.local or 10.0.0.5",
            ));
        }
        if self.base_dn.len() > MAX_TEXT
            || !Dn::parse(&self.base_dn).is_ok_and(|dn| !dn.to_string().is_empty())
        {
            return Err(refused(
                "base_dn must be the DN of the subtree to read, such as dc=company,dc=local",
            ));
        }
        if self.user.trim().is_empty() || self.user.len() > MAX_TEXT || self.user.contains('\0') {
            return Err(refused(
                "user must name the account that reads; LDAP takes an empty one for an anonymous bind",
            ));
        }
        if self.tls == TlsMode::Plain {
            if !plain_somewhere {
                return Err(refused(
                    "tls: plain would send the password in clear, and this control plane allows that in no network; use ldaps or start_tls",
                ));
            }
            if self.ca_pem.is_some() || self.server_name.is_some() {
                return Err(refused("ca_pem and server_name are of no use with tls: plain; remove them"));
            }
        }
        if let Some(pem) = &self.ca_pem {
            let certificates = if pem.len() > MAX_PEM {
                Err("it is too long".to_owned())
            } else {
                adc::tls::authorities_in(pem).map(drop).map_err(|error| error.to_string())
            };
            certificates.map_err(|why| refused(&format!("ca_pem cannot be used: {why}")))?;
        }
        if self.server_name.as_deref().is_some_and(|name| ServerName::try_from(name).is_err()) {
            return Err(refused("server_name must be a name that a certificate can carry"));
        }
        Ok(self)
    }
}

impl TlsMode {
    fn usual_port(self) -> u16 {
        match self {
            Self::Ldaps => LDAPS_PORT,
            Self::StartTls | Self::Plain => LDAP_PORT,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Ldaps => "ldaps",
            Self::StartTls => "start_tls",
            Self::Plain => "plain",
        }
    }
}

impl From<TlsMode> for Protection {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::Ldaps => Self::Ldaps,
            TlsMode::StartTls => Self::StartTls,
            TlsMode::Plain => Self::Plain,
        }
    }
}

fn password(members: &mut Map<String, Value>) -> ApiResult<Option<Zeroizing<String>>> {
    match members.remove("password") {
        None => Ok(None),
        Some(Value::String(password)) => {
            let password = Zeroizing::new(password);
            if password.is_empty() || password.len() > MAX_TEXT {
                return Err(refused(
                    "password must not be empty, nor longer than 1024 bytes: with an empty one LDAP answers an anonymous bind with success",
                ));
            }
            Ok(Some(password))
        }
        Some(_) => Err(refused(
            "password must be a text; set connection to null to remove all of it, or leave password out to keep it",
        )),
    }
}

fn off() -> Problem {
    Problem::unprocessable(
        "hosted-connectors-off",
        "This control plane runs no connectors itself; have it started with --hosted-networks and a key, or run an agent \
         beside the directory.",
    )
}

fn refused(why: &str) -> Problem {
    Problem::unprocessable(CODE, sentence(why))
}

fn sentence(why: &str) -> String {
    format!("The connection cannot be used: {why}.")
}
