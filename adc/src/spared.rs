//! A bind account that the directory has refused, spared for a while by all that would try it by themselves; and tried by one of them at
//! a time, so that the others see a refusal before they make one too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout};

use crate::config::{Config, Login};

/// An account that the directory refuses is not tried again by itself for so long, after the first refusal, the second, and all later
/// ones: most directories lock an account out after a handful of wrong passwords within half an hour, and with it every other program
/// that uses it.
const SPARE_FOR: [Duration; 3] = [Duration::from_mins(10), Duration::from_mins(30), Duration::from_hours(1)];
/// The same where another agent of the synchronization follows changes, which tries the account as well.
const SPARE_FOR_OTHERS: [Duration; 2] = [Duration::from_mins(30), Duration::from_hours(1)];
/// Whoever tries the account keeps others from trying it for no longer: a refusal comes at once, and a directory that does not answer at
/// all is no reason to let people who sign in wait.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// The account that is being spared, if one is, and whose turn it is to try it.
#[derive(Debug, Default)]
pub(crate) struct Spared {
    refusal: Mutex<Option<Refusal>>,
    another_tries: AtomicBool,
    turns: Arc<AsyncMutex<()>>,
}

/// The turn to try the account; it ends when this is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// The directory has refused an account.
#[derive(Debug)]
struct Refusal {
    /// The configuration that it stands in.
    of: Arc<Config>,
    /// How often in a row.
    times: usize,
    /// The last time.
    at: Instant,
}

impl Spared {
    /// The directory has refused the account of this configuration.
    pub(crate) fn refused(&self, config: &Arc<Config>, now: Instant) {
        let mut refusal = self.lock();
        let before = refusal.as_ref().filter(|before| is_same_account(&before.of, config));
        let times = before.map_or(0, |before| before.times) + 1;
        *refusal = Some(Refusal { of: Arc::clone(config), times, at: now });
    }

    /// The directory let it in.
    pub(crate) fn clear(&self) {
        *self.lock() = None;
    }

    /// Whether another agent of the synchronization follows changes, and finds out when the account is let in again.
    pub(crate) fn leave_to_another(&self, another_tries: bool) {
        self.another_tries.store(another_tries, Ordering::Relaxed);
    }

    /// Until when the account of this configuration is not to be tried without somebody's word; this may be past. None where another
    /// account was refused, or this one with another password: the new one may be right.
    pub(crate) fn until(&self, config: &Arc<Config>) -> Option<Instant> {
        let refusal = self.lock();
        let Refusal { of, times, at } = refusal.as_ref()?;
        let another_tries = self.another_tries.load(Ordering::Relaxed);
        let pauses: &[Duration] = if another_tries { &SPARE_FOR_OTHERS } else { &SPARE_FOR };
        is_same_account(of, config).then(|| *at + pauses[(*times).clamp(1, pauses.len()) - 1])
    }

    /// Waits for the turn to try the account; after a while nobody is waited for any more.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        timeout(TURN_WITHIN, Arc::clone(&self.turns).lock_owned()).await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether both configurations sign in as the same account with the same password: a directory would refuse the second like the first.
/// What a certificate proves nobody knows before it was read again.
fn is_same_account(one: &Arc<Config>, other: &Arc<Config>) -> bool {
    let (a, b) = (&one.directory, &other.directory);
    Arc::ptr_eq(one, other)
        || a.login == Login::Password
            && b.login == Login::Password
            && a.address == b.address
            && a.bind_dn == b.bind_dn
            && a.bind_password.expose_secret() == b.bind_password.expose_secret()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::File;
    use crate::config::{Environment, Overrides, resolve};

    fn config(password: &str) -> Arc<Config> {
        let text = format!(
            "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend: {{ldap: {{addr: 'ldaps://x', bind_dn: cn=a, bind_password: {password}, base_dn: dc=x}}}}\n"
        );
        let file = File::parse("adc.yaml", &text).expect("parses");
        Arc::new(resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves"))
    }

    #[test]
    fn reloading_the_same_wrong_password_had_it_tried_again() {
        let (spared, now) = (Spared::default(), Instant::now());
        spared.refused(&config("wrong"), now);
        assert!(spared.until(&config("wrong")).is_some_and(|until| until > now));
        assert_eq!(spared.until(&config("right")), None);
    }

    #[test]
    fn each_refusal_in_a_row_is_followed_by_a_longer_pause() {
        let (spared, config, now) = (Spared::default(), config("wrong"), Instant::now());
        let pauses = [10, 30, 60, 60].map(|minutes| {
            spared.refused(&config, now);
            (spared.until(&config), Some(now + Duration::from_mins(minutes)))
        });
        for (until, expected) in pauses {
            assert_eq!(until, expected);
        }
        spared.clear();
        spared.refused(&config, now);
        assert_eq!(spared.until(&config), Some(now + SPARE_FOR[0]));
        spared.leave_to_another(true);
        assert_eq!(spared.until(&config), Some(now + SPARE_FOR_OTHERS[0]));
    }

    #[tokio::test]
    async fn one_tries_at_a_time() {
        let spared = Spared::default();
        let first = spared.turn().await.expect("nobody else tries");
        let second = tokio::spawn({
            let turns = Arc::clone(&spared.turns);
            async move { turns.lock_owned().await }
        });
        assert!(spared.turns.try_lock().is_err());
        drop(first);
        drop(second.await.expect("it had its turn"));
        assert!(spared.turn().await.is_some());
    }
}
