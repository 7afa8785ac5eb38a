//! What is wrong between the agent and its directory: told to the control plane, and the bind account spared.

use std::sync::{Arc, Mutex, PoisonError};

use adc_core::protocol::RunError;
use adc_core::protocol::link::DirectoryInfo;
use tokio::time::Instant;

use crate::config::Config;
use crate::directory::{DirectoryError, Failure};
use crate::spared::Spared;

/// What a directory is called that was never reached.
const UNKNOWN: &str = "unknown";

/// The directory as far as it is known, and whether its bind account is being spared.
#[derive(Debug, Default)]
pub(super) struct Reached {
    info: Mutex<Option<DirectoryInfo>>,
    spared: Arc<Spared>,
}

impl Reached {
    /// A directory of which nothing is known, and what spares its account.
    pub(super) fn sparing(spared: Arc<Spared>) -> Self {
        Self { info: Mutex::default(), spared }
    }

    /// What is known of the directory.
    pub(super) fn info(&self) -> Option<DirectoryInfo> {
        self.lock().clone()
    }

    /// Whether nothing is known of what the directory is.
    pub(super) fn is_unknown(&self) -> bool {
        self.lock().as_ref().is_none_or(|info| info.kind == UNKNOWN || info.trouble.is_some())
    }

    /// The directory said what it is.
    pub(super) fn note(&self, info: DirectoryInfo) {
        *self.lock() = Some(info);
        self.spared.clear();
    }

    /// There is a new configuration: it may be another directory.
    pub(super) fn forget(&self) {
        *self.lock() = None;
        self.spared.clear();
    }

    /// The directory could not be worked with; returns what the control plane is to be told, unless it was told so before.
    pub(super) fn fails(
        &self,
        config: &Arc<Config>,
        error: &DirectoryError,
        now: Instant,
    ) -> Option<DirectoryInfo> {
        let trouble = RunError { code: error.failure.code().to_owned(), message: error.message.clone() };
        if error.failure == Failure::BindRefused {
            self.spared.refused(config, now);
        }
        let mut info = self.lock();
        let info = info
            .get_or_insert_with(|| DirectoryInfo { kind: UNKNOWN.to_owned(), ..DirectoryInfo::default() });
        if info.trouble.as_ref() == Some(&trouble) {
            return None;
        }
        info.trouble = Some(trouble);
        Some(info.clone())
    }

    /// The directory was worked with; returns what the control plane is to be told, if it was told otherwise.
    pub(super) fn works(&self) -> Option<DirectoryInfo> {
        self.spared.clear();
        let mut info = self.lock();
        let info = info.as_mut()?;
        info.trouble.take()?;
        Some(info.clone())
    }

    /// Until when the bind account of this configuration is not to be tried without somebody's word.
    pub(super) fn spared_until(&self, config: &Arc<Config>) -> Option<Instant> {
        self.spared.until(config)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<DirectoryInfo>> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::File;
    use crate::config::{Environment, Overrides, resolve};
    use crate::spared::SPARE_FOR;

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
