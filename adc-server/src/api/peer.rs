//! Where a request comes from, seen through the proxies in front.

use axum::{
    extract::{ConnectInfo, Request},
    http::HeaderMap,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Once,
};

/// Where proxies write down who asked them, one after the other.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of whoever asks: behind `trusted_hops` proxies as the outermost of them says, else of the other end of the connection.
pub(super) fn address(request: &Request, trusted_hops: usize) -> Option<IpAddr> {
    static WARNED: Once = Once::new();
    if trusted_hops == 0 && request.headers().contains_key(FORWARDED_FOR) {
        WARNED.call_once(|| {
            tracing::warn!(
                "a sign-in came with X-Forwarded-For, which is not believed: all people behind that proxy count as one address, \
                 and 50 failures lock them all out; if the proxy is yours, start adc-server serve with --trusted-hops 1"
            );
        });
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    forwarded(request.headers(), trusted_hops).or(peer)
}

/// Who asked the outermost of the proxies that are believed. What stands before its entry anybody may have written.
fn forwarded(headers: &HeaderMap, trusted_hops: usize) -> Option<IpAddr> {
    let entries: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let at = entries.len().checked_sub(trusted_hops)?;
    entries.get(at).and_then(|entry| parse(entry))
}

/// An address, of which some proxies also write the port (Azure, IIS), and IPv6 in brackets.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = || entry.parse().ok();
    let with_port = || entry.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare().or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, value.parse().expect("a header's value"));
        }
        headers
    }

    #[test]
    fn only_what_a_trusted_proxy_wrote_is_believed() {
        let client = headers(&["6.6.6.6, 192.0.2.7", "2001:db8::1"]);
        let of = |hops| forwarded(&client, hops).map(|address| address.to_string());
        assert_eq!(of(0), None);
        assert_eq!(of(1).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(2).as_deref(), Some("192.0.2.7"));
        assert_eq!(of(4), None);
        assert_eq!(forwarded(&headers(&["unknown"]), 1), None);
        assert_eq!(forwarded(&headers(&[]), 1), None);
    }

    #[test]
    fn the_port_that_azure_and_iis_write_is_left_out() {
        for (entry, address) in [
            ("192.0.2.7:51234", Some("192.0.2.7")),
            ("[2001:db8::1]:51234", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("192.0.2.7:", None),
            ("_hidden:80", None),
        ] {
            let found = forwarded(&headers(&[entry]), 1).map(|address| address.to_string());
            assert_eq!(found.as_deref(), address, "{entry}");
        }
    }
}
