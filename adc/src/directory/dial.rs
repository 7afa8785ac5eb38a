//! Reaching the directory's port: names become addresses, addresses are tried in turn.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use super::error::DirectoryError;
use crate::config::address::HostPort;
use crate::config::{Reach, SettingNames};

/// A server that fills the window while we map a page would stall 200 ms at a time; 4 MiB hold some thousand entries.
/// It must be set before the connection is made, for the window's scale is agreed on then.
const RECEIVE_BUFFER_BYTES: u32 = 4 << 20;
/// A connection whose other side vanished without a word is found out after this silence.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Looks up the addresses of a host.
///
/// # Errors
/// The name is unknown, nobody answers the question in time, or one of its addresses is out of bounds.
pub async fn look_up_host(
    at: &HostPort,
    limit: Duration,
    reach: &Reach,
) -> Result<Vec<SocketAddr>, DirectoryError> {
    let names = SettingNames::of(reach);
    let found = match timeout(limit, tokio::net::lookup_host((at.host.as_str(), at.port))).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(DirectoryError::name_unknown(at, names, &error.to_string())),
        Err(_) => return Err(DirectoryError::name_unknown(at, names, "the name server does not answer")),
    };
    if found.is_empty() {
        return Err(DirectoryError::name_unknown(at, names, "it has no address"));
    }
    // All of them: a name that also stands for a forbidden address is not to be trusted with the choice.
    for address in &found {
        reach.check(address.ip()).map_err(|why| DirectoryError::out_of_bounds(at, &why))?;
    }
    Ok(found)
}

/// Connects to the first of the addresses that answers.
///
/// # Errors
/// What the last address said, when none answers; or one is out of bounds.
pub async fn connect(
    at: &HostPort,
    addresses: &[SocketAddr],
    limit: Duration,
    reach: &Reach,
) -> Result<TcpStream, DirectoryError> {
    let names = SettingNames::of(reach);
    let mut last = DirectoryError::name_unknown(at, names, "it has no address");
    for address in addresses {
        // Also where it was looked up long ago: what is in bounds may have changed since.
        reach.check(address.ip()).map_err(|why| DirectoryError::out_of_bounds(at, &why))?;
        match timeout(limit, connect_one(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = DirectoryError::unreachable(at, names, *address, &error),
            Err(_) => last = DirectoryError::connect_timeout(at, *address, limit),
        }
    }
    Err(last)
}

/// Connects to a Unix domain socket.
///
/// # Errors
/// The socket is missing, closed to us, or nobody listens.
pub async fn connect_socket(path: &Path) -> Result<UnixStream, DirectoryError> {
    UnixStream::connect(path).await.map_err(|error| DirectoryError::socket_unreachable(path, &error))
}

async fn connect_one(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.set_nodelay(true)?;
    let stream = socket.connect(address).await?;
    SockRef::from(&stream)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::net::TcpListener;

    use super::*;
    use crate::directory::Failure;

    const LIMIT: Duration = Duration::from_secs(5);

    fn nowhere_near() -> Reach {
        Reach::judged_by(
            |address| {
                if address.is_loopback() { Err(format!("{address} is too near")) } else { Ok(()) }
            },
        )
    }

    #[tokio::test]
    async fn a_name_is_refused_for_one_of_its_addresses() {
        let at = HostPort { host: "localhost".to_owned(), port: 389 };
        let refused = look_up_host(&at, LIMIT, &nowhere_near()).await.expect_err("refused");
        assert_eq!(refused.failure, Failure::OutOfBounds);
        assert!(refused.message.contains("localhost:389 is not connected to: "), "{refused}");
        look_up_host(&at, LIMIT, &Reach::default()).await.expect("an agent of its own goes anywhere");
    }

    #[tokio::test]
    async fn an_address_that_was_looked_up_before_is_judged_again_when_it_is_connected_to() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("binds");
        let there = listener.local_addr().expect("has an address");
        let at = HostPort { host: "dc1.lg.local".to_owned(), port: there.port() };
        let refused = connect(&at, &[there], LIMIT, &nowhere_near()).await.expect_err("refused");
        assert_eq!(refused.failure, Failure::OutOfBounds);
        connect(&at, &[there], LIMIT, &Reach::default()).await.expect("connects");
        let (_, first) = listener.accept().await.expect("is connected to");
        assert_eq!(first.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let again = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        again.expect_err("the refused one was made");
    }
}
