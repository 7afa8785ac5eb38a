//! Taking a port, or saying in one sentence why not.

use anyhow::anyhow;
use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted; the system takes fewer where its own limit (`net.core.somaxconn`) is lower. Ten thousand agents may
/// come back in one moment, and whoever finds no place is heard by the system's own clock: after 1, 3, 7, 15, 31 or 63 seconds.
const BACKLOG: u32 = 16_384;

/// Listens there.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    open(address).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => {
                "the port is taken; stop what listens there, or choose another by --listen"
            }
            ErrorKind::AddrNotAvailable => "this machine has no such address; choose one it has by --listen",
            ErrorKind::PermissionDenied => "this user may not; choose a port above 1023 by --listen",
            _ => return anyhow!("cannot listen on {address}: {error}; choose another address by --listen"),
        };
        anyhow!("cannot listen on {address}: {why}")
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else a port could not be taken again for a minute after the server went down.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
