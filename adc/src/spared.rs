//! A bind account that the directory has refused, spared for a while by all that would try it by themselves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;

/// An account that the directory refuses is not tried again by itself for so long: most directories lock an account out after a
/// handful of wrong passwords within half an hour, and with it every other program that uses it.
pub(crate) const SPARE_FOR: Duration = Duration::from_mins(10);

/// The account that is being spared, if one is: that of the configuration which was refused, for another one may hold the right
/// password.
#[derive(Debug, Default)]
pub(crate) struct Spared(Mutex<Option<(Arc<Config>, Instant)>>);

impl Spared {
    /// The directory has refused the account of this configuration.
    pub(crate) fn refused(&self, config: &Arc<Config>, now: Instant) {
        *self.lock() = Some((Arc::clone(config), now + SPARE_FOR));
    }

    /// The directory let it in, or another one is configured.
    pub(crate) fn clear(&self) {
        *self.lock() = None;
    }

    /// Until when the account of this configuration is not to be tried without somebody's word; this may be past.
    pub(crate) fn until(&self, config: &Arc<Config>) -> Option<Instant> {
        let spared = self.lock();
        let (of, until) = spared.as_ref()?;
        Arc::ptr_eq(of, config).then_some(*until)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Arc<Config>, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
