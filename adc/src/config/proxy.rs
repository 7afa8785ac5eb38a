//! The HTTP proxy on the way to the control plane: as adc.yaml names it, or as the environment does for all programs.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use secrecy::SecretString;

use super::address::{AddressError, HostPort, ServerUrl, host_port};

/// The port of a proxy where none is written: its scheme's.
const DEFAULT_PORT: u16 = 80;

/// An HTTP proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it is.
    pub at: HostPort,
    /// What it wants to be told first, if anything.
    pub credentials: Option<ProxyCredentials>,
}

/// What a proxy is told to be let through (RFC 7617).
#[derive(Debug, Clone)]
pub struct ProxyCredentials {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

impl FromStr for Proxy {
    type Err = AddressError;

    /// `http://[USER:PASSWORD@]HOST[:PORT]`, also without `http://`. The text may hold a password, so no error quotes it.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => {
                return Err(AddressError::new("only HTTP proxies are supported; write http://HOST:PORT"));
            }
        };
        let rest = rest.trim_end_matches('/');
        let (credentials, authority) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((credentials, authority)) => (Some(credentials), authority),
        };
        let credentials = credentials.map(|credentials| {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            ProxyCredentials { user: decoded(user), password: decoded(password).into() }
        });
        Ok(Self { at: host_port(authority, DEFAULT_PORT)?, credentials })
    }
}

/// Without what it is told: that is secret.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.at)
    }
}

/// The variables that name a proxy for an address, in the order in which they count. In capitals `HTTP_PROXY` can be set by a
/// request to a CGI program, and is not read by anybody.
pub(super) fn variables(url: &ServerUrl) -> &'static [&'static str] {
    if url.tls {
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        &["http_proxy", "ALL_PROXY", "all_proxy"]
    }
}

/// Whether `NO_PROXY` says that this host is reached directly: names, with all that ends in them; addresses; networks as
/// `10.0.0.0/8`; `*` for all. What is none of these concerns nobody.
pub(super) fn is_direct(no_proxy: &str, host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    no_proxy.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        match address {
            Some(address) => covers(entry, address),
            None => is_below(entry.trim_start_matches("*.").trim_start_matches('.'), host),
        }
    })
}

fn is_below(domain: &str, host: &str) -> bool {
    let (domain, host) = (domain.to_ascii_lowercase(), host.to_ascii_lowercase());
    host.strip_suffix(&domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn covers(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        None => (entry, None),
        Some((network, bits)) => match bits.parse::<u32>() {
            Ok(bits) => (network, Some(bits)),
            Err(_) => return false,
        },
    };
    let Ok(network) = network.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let rest = 32_u32.saturating_sub(bits.unwrap_or(32));
            (network.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let rest = 128_u32.saturating_sub(bits.unwrap_or(128));
            (network.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Undoes percent-encoding (RFC 3986 section 2.1); what is none stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let escaped = rest.get(1..3).filter(|_| first == b'%');
        if let Some(byte) = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &rest[3..];
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            bytes.extend_from_slice(&rest.as_bytes()[..length]);
            rest = &rest[length..];
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_proxy_is_read_with_its_credentials_and_shown_without() {
        let proxy: Proxy = "http://svc:p%40ss%3Aword@proxy.lg.local:3128/".parse().expect("a proxy");
        assert_eq!(proxy.to_string(), "http://proxy.lg.local:3128");
        let credentials = proxy.credentials.expect("it has some");
        assert_eq!((credentials.user.as_str(), credentials.password.expose_secret()), ("svc", "p@ss:word"));
        let plain: Proxy = "[fd00::1]:8080".parse().expect("a proxy");
        assert_eq!(plain.to_string(), "http://[fd00::1]:8080");
        assert!(plain.credentials.is_none());
    }

    #[test]
    fn what_is_no_proxy_of_ours_is_refused_without_its_password() {
        for text in ["socks5://u:geheim@host:1080", "http://u:geheim@", "http://u:geheim@host:99999"] {
            let error = text.parse::<Proxy>().expect_err(text).to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_domains_addresses_and_networks() {
        let list = "localhost, .lg.local,example.com,10.0.0.0/8,192.0.2.7,fd00::/16,,*.intern";
        for host in [
            "localhost",
            "cloud.lg.local",
            "lg.local",
            "example.com",
            "a.EXAMPLE.com",
            "10.255.0.1",
            "192.0.2.7",
            "fd00:1::2",
            "a.intern",
        ] {
            assert!(is_direct(list, host), "{host}");
        }
        for host in
            ["notexample.com", "example.com.evil.org", "11.0.0.1", "192.0.2.8", "fd01::1", "10.0.0.1.nip.io"]
        {
            assert!(!is_direct(list, host), "{host}");
        }
        assert!(is_direct("*", "anything") && !is_direct("", "anything"));
        assert!(is_direct("0.0.0.0/0", "8.8.8.8") && !is_direct("10.0.0.0/x", "10.0.0.1"));
    }
}
