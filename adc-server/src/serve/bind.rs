//! Taking a port, or saying in one sentence why not.

use anyhow::anyhow;
use std::{io::ErrorKind, net::SocketAddr};
use tokio::net::TcpListener;

/// Listens there.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
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
