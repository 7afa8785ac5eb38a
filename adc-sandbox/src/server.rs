//! The server: takes connections until it is stopped or dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::active_directory::ActiveDirectory;
use crate::connection;
use crate::directory::Directory;
use crate::faults::Faults;
use crate::journal::{Journal, Recorder};

/// A running LDAP server. It stops when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    addr: SocketAddr,
    scheme: &'static str,
    accepting: JoinHandle<()>,
}

/// What a server offers apart from its data. Unlike a [`Fault`](crate::Fault) this is what the server is, and
/// its rootDSE says so; it can be changed while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Behaviour {
    /// Whether the paged results control (RFC 2696) is supported. Without it the rootDSE does not name it,
    /// and a critical one is answered unavailableCriticalExtension. Default: true.
    pub paged_results: bool,
    /// Whether this is a domain controller of Active Directory, and what its limits are. Default: it is not.
    pub active_directory: Option<ActiveDirectory>,
    /// Whether somebody who is not bound may search more than the rootDSE. Default: false.
    pub anonymous_search: bool,
}

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour { paged_results: true, active_directory: None, anonymous_search: false }
    }
}

/// What a server is started with; see [`Sandbox::builder`].
#[derive(Debug)]
pub struct Builder {
    directory: Option<Directory>,
    listener: Option<TcpListener>,
    behaviour: Behaviour,
    security: Security,
}

/// How connections are protected.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    Plain,
    StartTls(Arc<ServerConfig>),
    Ldaps(Arc<ServerConfig>),
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    directory: Mutex<Directory>,
    behaviour: Mutex<Behaviour>,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
}

impl Sandbox {
    /// A server of the sample company on a free port of the loopback, plain `ldap://`, unless told otherwise.
    pub fn builder() -> Builder {
        Builder {
            directory: None,
            listener: None,
            behaviour: Behaviour::default(),
            security: Security::Plain,
        }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address as an LDAP URL: `ldap://127.0.0.1:38901`, or `ldaps://…`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// The directory, to look at and to change while clients read it. They wait as long as the guard is held,
    /// so do not hold it across an `await`.
    pub fn directory(&self) -> MutexGuard<'_, Directory> {
        self.shared.directory()
    }

    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Changes what the server offers.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *locked(&self.shared.behaviour) = behaviour;
    }

    /// What clients have done so far.
    pub fn journal(&self) -> Journal {
        self.shared.recorder.snapshot()
    }

    /// Waits until clients have done something: `sandbox.until(|journal| journal.pages >= 3).await`.
    pub async fn until(&self, condition: impl Fn(&Journal) -> bool) {
        self.shared.recorder.until(condition).await;
    }

    /// Stops listening and cuts all connections; returns when the port is free.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // It ends as cancelled, which is what was asked for.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Builder {
    /// Serves this directory instead of the sample company.
    #[must_use]
    pub fn directory(self, directory: Directory) -> Builder {
        Builder { directory: Some(directory), ..self }
    }

    /// Listens here instead of on a free port of 127.0.0.1.
    #[must_use]
    pub fn listener(self, listener: TcpListener) -> Builder {
        Builder { listener: Some(listener), ..self }
    }

    /// Offers something else than the default.
    #[must_use]
    pub fn behaviour(self, behaviour: Behaviour) -> Builder {
        Builder { behaviour, ..self }
    }

    /// Offers StartTLS with this certificate.
    #[must_use]
    pub fn start_tls(self, config: Arc<ServerConfig>) -> Builder {
        Builder { security: Security::StartTls(config), ..self }
    }

    /// Speaks TLS from the first byte, as `ldaps://`.
    #[must_use]
    pub fn ldaps(self, config: Arc<ServerConfig>) -> Builder {
        Builder { security: Security::Ldaps(config), ..self }
    }

    /// Starts the server. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When no port of the loopback can be had.
    pub async fn start(self) -> io::Result<Sandbox> {
        let listener = match self.listener {
            Some(listener) => listener,
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        let addr = listener.local_addr()?;
        let scheme = if matches!(self.security, Security::Ldaps(_)) { "ldaps" } else { "ldap" };
        let shared = Arc::new(Shared::new(self.directory.unwrap_or_else(Directory::sample), self.behaviour));
        let accepting = tokio::spawn(accept(listener, self.security, Arc::clone(&shared)));
        Ok(Sandbox { shared, addr, scheme, accepting })
    }
}

impl Shared {
    pub(crate) fn new(directory: Directory, behaviour: Behaviour) -> Shared {
        Shared {
            directory: Mutex::new(directory),
            behaviour: Mutex::new(behaviour),
            faults: Faults::default(),
            recorder: Recorder::new(),
        }
    }

    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        locked(&self.directory)
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        locked(&self.behaviour).clone()
    }
}

/// Takes connections for ever. Dropping this future drops the set, and with it every connection.
async fn accept(listener: TcpListener, security: Security, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    shared.recorder.record(|journal| journal.connections += 1);
                    let (security, shared) = (security.clone(), Arc::clone(&shared));
                    connections.spawn(async move {
                        if let Err(error) = connection::serve(socket, &security, shared).await {
                            tracing::debug!(%peer, %error, "connection ended");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A panic of a test that held the guard must not hide behind a poisoned lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
