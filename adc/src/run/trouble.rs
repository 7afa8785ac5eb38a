//! What is wrong between the agent and its directory: told to the control plane, and the bind account spared.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adc_core::protocol::RunError;
use adc_core::protocol::link::DirectoryInfo;
use tokio::time::Instant;

use crate::config::Config;
use crate::directory::{DirectoryError, Failure};

/// An account that the directory refuses is not tried again by itself for so long: most directories lock an account out after a
/// handful of wrong passwords within half an hour, and with it every other program that uses it.
pub(super) const SPARE_FOR: Duration = Duration::from_mins(10);
/// What a directory is called that was never reached.
const UNKNOWN: &str = "unknown";

/// The directory as far as it is known, and whether its bind account is being spared.
#[derive(Debug, Default)]
pub(super) struct Reached {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    info: Option<DirectoryInfo>,
    /// The configuration whose account was refused, and until when it is spared: another one may hold the right password.
    spared: Option<(Arc<Config>, Instant)>,
}

impl Reached {
    /// What is known of the directory.
    pub(super) fn info(&self) -> Option<DirectoryInfo> {
        self.lock().info.clone()
    }

    /// Whether nothing is known of what the directory is.
    pub(super) fn is_unknown(&self) -> bool {
        self.lock().info.as_ref().is_none_or(|info| info.kind == UNKNOWN || info.trouble.is_some())
    }

    /// The directory said what it is.
    pub(super) fn note(&self, info: DirectoryInfo) {
        *self.lock() = Inner { info: Some(info), spared: None };
    }

    /// There is a new configuration: it may be another directory.
    pub(super) fn forget(&self) {
        *self.lock() = Inner::default();
    }

    /// The directory could not be worked with; returns what the control plane is to be told, unless it was told so before.
    pub(super) fn fails(
        &self,
        config: &Arc<Config>,
        error: &DirectoryError,
        now: Instant,
    ) -> Option<DirectoryInfo> {
        let trouble = RunError { code: error.failure.code().to_owned(), message: error.message.clone() };
        let mut inner = self.lock();
        if error.failure == Failure::BindRefused {
            inner.spared = Some((Arc::clone(config), now + SPARE_FOR));
        }
        let info = inner
            .info
            .get_or_insert_with(|| DirectoryInfo { kind: UNKNOWN.to_owned(), ..DirectoryInfo::default() });
        if info.trouble.as_ref() == Some(&trouble) {
            return None;
        }
        info.trouble = Some(trouble);
        Some(info.clone())
    }

    /// The directory was worked with; returns what the control plane is to be told, if it was told otherwise.
    pub(super) fn works(&self) -> Option<DirectoryInfo> {
        let mut inner = self.lock();
        inner.spared = None;
        let info = inner.info.as_mut()?;
        info.trouble.take()?;
        Some(info.clone())
    }

    /// Until when the bind account of this configuration is not to be tried without somebody's word.
    pub(super) fn spared_until(&self, config: &Arc<Config>) -> Option<Instant> {
        let spared = self.lock();
        let (of, until) = spared.spared.as_ref()?;
        Arc::ptr_eq(of, config).then_some(*until)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::File;
    use crate::config::{Environment, Overrides, resolve};

    fn config() -> Arc<Config> {
        let text = "server: {url: 'https://x', application_id: a, secret_token: t}\nbackend: {ldap: {addr: 'ldaps://x', bind_dn: cn=a, bind_password: b, base_dn: dc=x}}\n";
        let file = File::parse("adc.yaml", text).expect("parses");
        Arc::new(resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves"))
    }

    fn refused() -> DirectoryError {
        DirectoryError::new(Failure::BindRefused, "the password is wrong")
    }

    #[test]
    fn an_account_that_was_refused_is_spared_until_it_is_let_in_or_configured_anew() {
        let (reached, config, now) = (Reached::default(), self::config(), Instant::now());
        let unreachable = DirectoryError::new(Failure::Unreachable, "nobody listens");
        reached.fails(&config, &unreachable, now);
        assert_eq!(reached.spared_until(&config), None, "trying again costs nothing");
        reached.fails(&config, &refused(), now);
        assert_eq!(reached.spared_until(&config), Some(now + SPARE_FOR));
        assert_eq!(reached.spared_until(&self::config()), None, "the new password may be right");
        reached.works();
        assert_eq!(reached.spared_until(&config), None);
    }

    #[test]
    fn trouble_is_told_once_and_its_end_too() {
        let (reached, config, now) = (Reached::default(), config(), Instant::now());
        assert_eq!(reached.works(), None);
        let told = reached.fails(&config, &refused(), now).expect("it is new");
        assert_eq!(told.kind, UNKNOWN);
        assert_eq!(told.trouble.expect("there is some").code, "bind-refused");
        assert_eq!(reached.fails(&config, &refused(), now), None);
        assert!(reached.is_unknown());
        assert_eq!(reached.works().map(|info| info.trouble), Some(None));
        assert_eq!(reached.works(), None);
        assert!(reached.is_unknown(), "nobody has asked it what it is");
    }
}
