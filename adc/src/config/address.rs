//! Addresses as they are written: of the directory, and of the control plane.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// The port of `ldap://` (RFC 4516) where none is written.
const LDAP_PORT: u16 = 389;
/// The port of `ldaps://` where none is written.
const LDAPS_PORT: u16 = 636;

/// What a way that nothing protects does, and what to do about it, as a clause.
pub const IN_CLEAR: &str =
    "sends the bind password and everything read in clear; use ldaps://, or set start_tls: true";

/// Where a directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `ldap://host:port`: plain, or TLS by StartTLS.
    Plain(HostPort),
    /// `ldaps://host:port`: TLS from the first byte.
    Tls(HostPort),
    /// `ldapi://%2Fpath`: a Unix domain socket.
    Socket(PathBuf),
}

/// A host, by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Where the control plane is: `https://…`, or `http://…` where that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether the connection is TLS.
    pub tls: bool,
    /// Host and port.
    pub at: HostPort,
}

/// Why a text is no address; a clause that goes on after the key's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl AddressError {
    pub(super) fn new(clause: impl Into<String>) -> Self {
        Self(clause.into())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(AddressError(format!(
                "\"{text}\" is no address; write ldap://HOST, ldaps://HOST or ldapi://%2Fpath%2Fof%2Fsocket"
            )));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "ldap" => Ok(Self::Plain(host_port(rest.trim_end_matches('/'), LDAP_PORT)?)),
            "ldaps" => Ok(Self::Tls(host_port(rest.trim_end_matches('/'), LDAPS_PORT)?)),
            "ldapi" => socket_path(rest).map(Self::Socket),
            _ => Err(AddressError(format!(
                "\"{scheme}://\" is not how a directory is reached; use ldap://, ldaps:// or ldapi://"
            ))),
        }
    }
}

impl FromStr for ServerUrl {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => {
                return Err(AddressError(format!(
                    "\"{text}\" is no address of a control plane; write https://HOST"
                )));
            }
        };
        if rest.contains(['?', '#']) {
            return Err(AddressError(
                "a control plane's address has no `?` and no `#`; write https://HOST".to_owned(),
            ));
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let at = host_port(authority, if tls { 443 } else { 80 })?;
        let url = Self { tls, at };
        if !path.trim_matches('/').is_empty() {
            return Err(AddressError(format!(
                "a control plane's address has no path, and {path} is one; write {url}"
            )));
        }
        Ok(url)
    }
}

impl HostPort {
    /// Whether this is this very machine, judged by what is written; nothing is looked up.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || self.host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
    }
}

impl Address {
    /// What is said of a way to the directory that nothing protects, on every start and in a check.
    pub fn clear_text_warning(&self, start_tls: bool) -> Option<String> {
        (matches!(self, Self::Plain(_)) && !start_tls)
            .then(|| format!("backend.ldap.addr: {self} {IN_CLEAR}"))
    }

    /// Host and port, where the directory is reached over TCP.
    pub fn host_port(&self) -> Option<&HostPort> {
        match self {
            Self::Plain(at) | Self::Tls(at) => Some(at),
            Self::Socket(_) => None,
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(at) => write!(f, "ldap://{at}"),
            Self::Tls(at) => write!(f, "ldaps://{at}"),
            Self::Socket(path) => write!(f, "ldapi://{}", path.display().to_string().replace('/', "%2F")),
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.tls { ("https", 443) } else { ("http", 80) };
        let at = self.at.to_string();
        let at = if self.at.port == usual { at.trim_end_matches(&format!(":{usual}")) } else { &at };
        write!(f, "{scheme}://{at}")
    }
}

pub(super) fn host_port(authority: &str, default_port: u16) -> Result<HostPort, AddressError> {
    if authority.contains('@') {
        return Err(AddressError(
            "an address holds no user name or password; remove what stands before `@`".to_owned(),
        ));
    }
    if let Some(odd) = authority.chars().find(|c| matches!(c, '/' | '?' | ' ' | ',')) {
        return Err(AddressError(format!(
            "\"{authority}\" holds a `{odd}`; write only the host and, after a colon, the port"
        )));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| {
                AddressError(format!("\"{authority}\" lacks the `]` after its IPv6 address"))
            })?;
            if host.parse::<Ipv6Addr>().is_err() {
                return Err(AddressError(format!("\"{host}\" is no IPv6 address")));
            }
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            Some(_) => {
                return Err(AddressError(format!(
                    "\"{authority}\" looks like an IPv6 address; write it in brackets, [::1]"
                )));
            }
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(AddressError("the host is missing".to_owned()));
    }
    let port = match port {
        None => default_port,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
            AddressError(format!("\"{port}\" is no port; a port is a number from 1 to 65535"))
        })?,
    };
    Ok(HostPort { host: host.to_owned(), port })
}

/// The path of `ldapi://`: percent-encoded as the host, as OpenLDAP has it, or written plainly after a third slash.
fn socket_path(rest: &str) -> Result<PathBuf, AddressError> {
    let path =
        percent_decode(rest).filter(|path| path.len() > 1 && path.starts_with('/')).ok_or_else(|| {
            AddressError(
                "ldapi:// needs the path of a socket; write ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi".to_owned(),
            )
        })?;
    Ok(PathBuf::from(path))
}

/// Text of a URL (RFC 3986 section 2.1); `None` where it is none.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_reached_in_three_ways() {
        for (written, meant) in [
            ("ldap://your-ldap-server.local", "ldap://your-ldap-server.local:389"),
            ("LDAP://a:3389/", "ldap://a:3389"),
            ("ldaps://dc1.lg.local", "ldaps://dc1.lg.local:636"),
            ("ldaps://[::1]:1636", "ldaps://[::1]:1636"),
            ("ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi", "ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi"),
            ("ldapi:///var/run/slapd/ldapi", "ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi"),
        ] {
            assert_eq!(written.parse::<Address>().expect(written).to_string(), meant);
        }
    }

    #[test]
    fn an_address_that_cannot_be_meant_is_refused_with_a_sentence() {
        let refusals: Vec<String> = [
            "your-ldap-server.local",
            "https://a",
            "ldap://",
            "ldap://::1",
            "ldap://[::1",
            "ldap://a:0",
            "ldap://a:many",
            "ldap://cn=x:geheim@a",
            "ldap://a/dc=lg",
            "ldap://a, ldap://b",
            "ldapi:///",
        ]
        .into_iter()
        .map(|text| text.parse::<Address>().expect_err(text).to_string())
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }

    #[test]
    fn a_control_plane_is_an_https_address() {
        for (written, meant) in [
            ("https://cloud.example.com", "https://cloud.example.com"),
            ("https://cloud.example.com:443/", "https://cloud.example.com"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(written.parse::<ServerUrl>().expect(written).to_string(), meant);
        }
        for text in ["cloud.example.com", "ftp://x", "https://x?y", "https://:1"] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_in_a_control_planes_address_is_refused() {
        let error = "https://cloud.example.com/api/v1".parse::<ServerUrl>().expect_err("refused").to_string();
        insta::assert_snapshot!(error, @"a control plane's address has no path, and /api/v1 is one; write https://cloud.example.com");
    }

    #[test]
    fn loopback_is_judged_by_what_is_written() {
        for (text, expected) in [
            ("http://localhost", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(text.parse::<ServerUrl>().expect(text).at.is_loopback(), expected, "{text}");
        }
    }
}
