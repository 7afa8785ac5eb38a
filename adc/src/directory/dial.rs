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

/// A server that fills the window while we map a page would stall 200 ms at a time; 4 MiB hold some thousand entries.
/// It must be set before the connection is made, for the window's scale is agreed on then.
const RECEIVE_BUFFER_BYTES: u32 = 4 << 20;
/// A connection whose other side vanished without a word is found out after this silence.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Looks up the addresses of a host.
///
/// # Errors
/// The name is unknown, or nobody answers the question in time.
pub async fn look_up_host(at: &HostPort, limit: Duration) -> Result<Vec<SocketAddr>, DirectoryError> {
    let found = match timeout(limit, tokio::net::lookup_host((at.host.as_str(), at.port))).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(DirectoryError::name_unknown(at, &error.to_string())),
        Err(_) => return Err(DirectoryError::name_unknown(at, "the name server does not answer")),
    };
    if found.is_empty() { Err(DirectoryError::name_unknown(at, "it has no address")) } else { Ok(found) }
}

/// Connects to the first of the addresses that answers.
///
/// # Errors
/// What the last address said, when none answers.
pub async fn connect(
    at: &HostPort,
    addresses: &[SocketAddr],
    limit: Duration,
) -> Result<TcpStream, DirectoryError> {
    let mut last = DirectoryError::name_unknown(at, "it has no address");
    for address in addresses {
        match timeout(limit, connect_one(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = DirectoryError::unreachable(at, *address, &error),
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
