//! Which addresses a directory may have.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Says of an address why nothing is to be connected to it.
type Judge = dyn Fn(IpAddr) -> Result<(), String> + Send + Sync;

/// How far an agent may reach: anywhere, as one does that runs in its own company's network, or only where whoever runs it lets it.
///
/// Asked of every address that a name stands for, and again of the one that a connection is made to. Connections are made to
/// addresses, never to names, so that a name cannot come to mean something else in between.
#[derive(Clone, Default)]
pub struct Reach(Option<Arc<Judge>>);

impl Reach {
    /// Only to addresses that `judge` has nothing against; what it has is a sentence that names the address.
    pub fn judged_by(judge: impl Fn(IpAddr) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(judge)))
    }

    /// Whether anybody judges: the control plane does, of the connectors that it runs itself.
    pub fn is_judged(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a connection may be made there.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        self.0.as_ref().map_or(Ok(()), |judge| judge(address))
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Reach(judged)" } else { "Reach(anywhere)" })
    }
}
