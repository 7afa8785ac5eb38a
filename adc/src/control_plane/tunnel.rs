//! A tunnel through an HTTP proxy (RFC 9110 section 9.3.6): whatever is sent then goes to the other end.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Proxy;
use crate::config::address::HostPort;

/// A proxy reaches the other end before it answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// "Proxy Authentication Required" (RFC 9110 section 15.5.8).
pub(super) const NOT_LET_IN: u16 = 407;
/// The most bytes of an answer's head: some proxies are talkative.
const MAX_HEAD: usize = 16 << 10;

/// Asks the proxy at the other end of `stream` for a tunnel to `at`; an error is a clause that goes on after the proxy's name.
pub(super) async fn open(mut stream: TcpStream, at: &HostPort, proxy: &Proxy) -> Result<TcpStream, String> {
    let asked = async {
        let request = request(at, proxy);
        stream.write_all(request.expose_secret().as_bytes()).await?;
        read_head(&mut stream).await
    };
    let head = match timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(head)) => head,
        Ok(Err(error)) => return Err(format!("breaks the connection off ({error})")),
        Err(_) => return Err(format!("does not answer within {} s", ANSWER_WITHIN.as_secs())),
    };
    match status(&head) {
        Some(200..=299) => Ok(stream),
        Some(NOT_LET_IN) => Err(why_not_let_in(proxy).to_owned()),
        Some(status) => Err(format!("refuses a connection to {at} (status {status}); have it allow that")),
        None => Err("answers as no HTTP proxy does; check server.proxy".to_owned()),
    }
}

/// What a proxy means that answers [`NOT_LET_IN`], and what to do: a clause that goes on after its name.
pub(super) fn why_not_let_in(proxy: &Proxy) -> &'static str {
    match proxy.credentials {
        None => {
            "wants a user name and a password: write them into server.proxy, as http://USER:PASSWORD@HOST:PORT"
        }
        Some(_) => {
            "refuses the user name and the password that it is given: correct them in server.proxy, or where the environment names it \
             (what has a meaning in addresses is written as %40 for @, %3A for :, %2F for /)"
        }
    }
}

fn request(at: &HostPort, proxy: &Proxy) -> SecretString {
    let credentials = proxy.credentials.as_ref().map_or_else(String::new, |credentials| {
        let both = format!("{}:{}", credentials.user, credentials.password.expose_secret());
        format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(both))
    });
    format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n{credentials}\r\n").into()
}

/// Reads to the empty line and not a byte further: what comes then is the other end's.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(std::io::Error::other("its answer has no end"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

/// The status of `HTTP/1.1 200 Connection established`.
fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> HostPort {
        text.parse::<crate::config::ServerUrl>().expect(text).at
    }

    #[test]
    fn the_request_names_the_other_end_and_says_who_asks() {
        let proxy: Proxy = "http://svc:geheim@proxy:3128".parse().expect("a proxy");
        let request = request(&at("https://[::1]:8443"), &proxy);
        assert_eq!(
            request.expose_secret(),
            "CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\nProxy-Authorization: Basic c3ZjOmdlaGVpbQ==\r\n\r\n"
        );
    }

    #[test]
    fn only_an_http_answer_has_a_status() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407 Who are you\r\nX: y\r\n\r\n"), Some(407));
        assert_eq!(status(b"SSH-2.0-OpenSSH\r\n\r\n"), None);
    }
}
