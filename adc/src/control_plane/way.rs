//! The way to the control plane's port, for what is no HTTP request: the same addresses, proxy and trust that requests use.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::ControlPlaneError;
use super::tunnel;
use crate::config::address::HostPort;
use crate::config::{Proxy, ServerConfig};
use crate::tls::{self, Presented};

/// Each of: looking the name up, reaching one address, agreeing on TLS.
const STEP_WITHIN: Duration = Duration::from_secs(10);
/// Beside the link's own pings, so that the system forgets a connection that nobody serves any more.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Websockets are no HTTP/2 (RFC 6455).
const PROTOCOLS: [&[u8]; 1] = [b"http/1.1"];

/// How the control plane is reached.
#[derive(Debug, Clone)]
pub struct Way {
    /// The address as configured, for messages.
    site: String,
    at: HostPort,
    proxy: Option<Proxy>,
    tls: Option<Arc<ClientConfig>>,
    presented: Presented,
}

/// A connection to the control plane.
#[derive(Debug)]
pub enum Stream {
    /// Unprotected: on this machine, or where that is allowed.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Way {
    /// The way of a configuration; nothing is connected yet.
    ///
    /// # Errors
    /// The CA file cannot be used.
    pub fn new(config: &ServerConfig) -> Result<Self, ControlPlaneError> {
        let site = config.url.to_string();
        let presented = Presented::default();
        let tls = config.url.tls.then(|| {
            tls::client_config(config.ca_file.as_deref().into(), None, &PROTOCOLS, &presented).map(Arc::new)
        });
        let refuse =
            |error: tls::TrustError| ControlPlaneError::Tls { url: site.clone(), reason: error.to_string() };
        let tls = tls.transpose().map_err(refuse)?;
        let (at, proxy) = (config.url.at.clone(), config.proxy.clone());
        Ok(Self { site, at, proxy, tls, presented })
    }

    /// Connects.
    ///
    /// # Errors
    /// What the last address said, when none answers; or no TLS could be agreed on.
    pub async fn connect(&self) -> Result<Stream, ControlPlaneError> {
        let stream = match &self.proxy {
            None => self.reach(&self.at).await?,
            Some(proxy) => {
                let stream = self.reach(&proxy.at).await?;
                tunnel::open(stream, &self.at, proxy)
                    .await
                    .map_err(|why| self.unreachable(format!("the proxy {proxy} {why}")))?
            }
        };
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some(config) => self.protect(stream, config).await,
        }
    }

    async fn reach(&self, at: &HostPort) -> Result<TcpStream, ControlPlaneError> {
        let looking_up = timeout(STEP_WITHIN, tokio::net::lookup_host((at.host.as_str(), at.port)));
        let addresses: Vec<SocketAddr> = match looking_up.await {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(error)) => {
                return Err(self.unreachable(format!("the name {} is not known ({error})", at.host)));
            }
            Err(_) => return Err(self.unreachable("the name server does not answer".to_owned())),
        };
        let mut last = self.unreachable(format!("{} has no address", at.host));
        for address in addresses {
            match timeout(STEP_WITHIN, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    keep_alive(&stream).map_err(|error| self.unreachable(error.to_string()))?;
                    return Ok(stream);
                }
                Ok(Err(error)) => {
                    last = self.unreachable(format!("{address}: {error}; check server.url and the network"));
                }
                Err(_) => {
                    last = self.unreachable(format!(
                        "{address}: no answer within {} s; is a firewall or proxy in the way?",
                        STEP_WITHIN.as_secs()
                    ));
                }
            }
        }
        Err(last)
    }

    async fn protect(
        &self,
        stream: TcpStream,
        config: &Arc<ClientConfig>,
    ) -> Result<Stream, ControlPlaneError> {
        let refuse = |reason: String| ControlPlaneError::Tls { url: self.site.clone(), reason };
        let name = ServerName::try_from(self.at.host.clone())
            .map_err(|_| refuse(format!("{} is no name that a certificate can have", self.at.host)))?;
        let shaking = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        match timeout(STEP_WITHIN, shaking).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => {
                let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                Err(refuse(tls.map_or_else(
                    || format!("the connection broke during the TLS handshake ({error})"),
                    |tls| tls::explain(tls, &self.presented, &self.at.host),
                )))
            }
            Err(_) => Err(refuse(format!("no TLS handshake within {} s", STEP_WITHIN.as_secs()))),
        }
    }

    fn unreachable(&self, reason: String) -> ControlPlaneError {
        ControlPlaneError::Unreachable { url: self.site.clone(), reason }
    }
}

fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
