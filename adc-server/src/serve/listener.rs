//! TLS in front of the HTTP server: handshakes run beside each other, so that a slow one keeps nobody waiting.

use super::tls::Tls;
use axum::serve::Listener;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Whoever has not shaken hands by then is not talking TLS, or not to us.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at a time; each costs a millisecond of CPU and some 20 KiB. More wait in the system's queue.
const HANDSHAKES: usize = 256;

/// Accepts TLS connections.
pub(super) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    accepting: JoinHandle<()>,
}

impl TlsListener {
    pub(super) fn new(listener: TcpListener, tls: Tls) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, tls, sender));
        Ok(Self { address, ready, accepting })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        self.ready.recv().await.expect("the accepting task goes on until the listener is dropped")
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers are written in one piece; waiting for more to send only delays them.
pub(super) fn without_delay(stream: &mut TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("cannot set TCP_NODELAY: {error}");
    }
}

async fn accept(
    mut listener: TcpListener,
    tls: Tls,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
        // axum's own accept waits out errors such as "too many open files".
        let (mut stream, address) = Listener::accept(&mut listener).await;
        without_delay(&mut stream);
        let (acceptor, ready) = (TlsAcceptor::from(tls.config()), ready.clone());
        tokio::spawn(async move {
            let _place = place;
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                // Nobody receives any more when the server shuts down; the connection ends with it.
                Ok(Ok(stream)) => drop(ready.send((stream, address)).await),
                Ok(Err(error)) => tracing::debug!(%address, "TLS handshake failed: {error}"),
                Err(_) => tracing::debug!(%address, "no TLS handshake within {HANDSHAKE_TIMEOUT:?}"),
            }
        });
    }
}
