//! A bind account that the directory has refused, spared for a while by all that would try it by themselves; and tried by one of them at
//! a time, so that the others see a refusal before they make one too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use tokio::time::{Instant, timeout};

use crate::config::{Config, Login};
use crate::directory::{DirectoryError, Failure};
use crate::heard::Binds;
use crate::metrics;

/// An account that the directory refuses is not tried again by itself for so long, after the first refusal, the second, and all later
/// ones: most directories lock an account out after a handful of wrong passwords within half an hour, and with it every other program
/// that uses it.
const SPARE_FOR: [Duration; 3] = [Duration::from_mins(10), Duration::from_mins(30), Duration::from_hours(1)];
/// The same where another agent of the synchronization follows changes, which tries the account as well.
const SPARE_FOR_OTHERS: [Duration; 2] = [Duration::from_mins(30), Duration::from_hours(1)];
/// Whoever tries the account keeps others from trying it for no longer: a refusal comes at once, and a directory that does not answer at
/// all is no reason to let people who sign in wait.
pub(crate) const TURN_WITHIN: Duration = Duration::from_secs(2);
/// Accounts and passwords whose refusals are remembered: more nobody tries out before one is right.
const REMEMBERED: usize = 16;

/// The accounts that are being spared, if any are, and whose turn it is to try one. Outlives a configuration, and where an agent is
/// started again with another one the agent too: the same wrong password is not tried again for that.
#[derive(Debug, Default)]
pub struct Spared {
    verdicts: Mutex<Verdicts>,
    another_tries: AtomicBool,
    turns: Arc<AsyncMutex<()>>,
    /// Whenever an account was refused, or let in that had been.
    news: watch::Sender<()>,
    /// Those that nobody may wait for any more, except for the sign-ins'.
    pub(crate) binds: Binds,
}

/// The turn to try the account; it ends when this is dropped.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// What the directory has said of accounts, the last last.
#[derive(Debug, Default)]
struct Verdicts {
    refusals: Vec<Refusal>,
    let_in: Vec<LetIn>,
}

/// The directory has let an account in.
#[derive(Debug)]
struct LetIn {
    /// A configuration that it stands in.
    of: Arc<Config>,
    /// The youngest try that was let in began not before.
    began: Instant,
}

/// The directory has refused an account.
#[derive(Debug)]
struct Refusal {
    /// A configuration that it stands in.
    of: Arc<Config>,
    /// What the directory said.
    error: DirectoryError,
    /// How often in a row.
    times: usize,
    /// The youngest try that was refused began then.
    began: Instant,
    /// The last time.
    at: Instant,
    /// Somebody wants it tried once more all the same.
    wanted: bool,
}

impl Spared {
    /// Opens something as the account of this configuration when it is its turn, unless the account is being spared by then; nobody who
    /// tries it is waited for longer than `patience`. What comes of it is noted.
    ///
    /// # Errors
    /// The account is being spared, or what `open` has met.
    pub(crate) async fn open<T>(
        &self,
        config: &Arc<Config>,
        patience: Duration,
        open: impl Future<Output = Result<T, DirectoryError>>,
    ) -> Result<T, DirectoryError> {
        let _turn = self.turn(patience).await;
        let began = Instant::now();
        self.may_be_tried(config, began)?;
        let opened = open.await;
        if let Err(error) = &opened {
            metrics::directory_failed(error);
        }
        self.note(config, began, opened.as_ref().err(), Instant::now());
        opened
    }

    /// Whether the account of this configuration may be tried now without somebody's word.
    ///
    /// # Errors
    /// It is being spared.
    pub(crate) fn may_be_tried(&self, config: &Arc<Config>, now: Instant) -> Result<(), DirectoryError> {
        match self.until(config).filter(|until| *until > now) {
            Some(until) => Err(not_tried(config, until - now)),
            None => Ok(()),
        }
    }

    /// Notes what came of trying the account of this configuration, which began then. Refusals of tries that were under way together are
    /// one: nobody who began later was refused again. A refusal that comes later than a younger try was let in says nothing any more.
    pub(crate) fn note(
        &self,
        config: &Arc<Config>,
        began: Instant,
        error: Option<&DirectoryError>,
        now: Instant,
    ) {
        match error {
            None => self.let_in(config, began),
            Some(error) if error.failure == Failure::BindRefused => {
                if self.lock().remember_refused(config, began, error, now) {
                    self.news.send_replace(());
                }
            }
            // The directory gave no verdict.
            Some(_) => {}
        }
    }

    /// The directory let it in, when it was tried not before `began`. Whom it has refused of those who tried it since it refuses still, and
    /// so it does another account, or the same with another password.
    pub(crate) fn let_in(&self, config: &Arc<Config>, began: Instant) {
        let mut verdicts = self.lock();
        verdicts.remember_let_in(config, began);
        let Some(index) =
            position(&verdicts.refusals, config).filter(|index| verdicts.refusals[*index].began <= began)
        else {
            return;
        };
        verdicts.refusals.remove(index);
        drop(verdicts);
        self.news.send_replace(());
    }

    /// Somebody wants the account of this configuration tried once more, for its password may have been mended in the directory: whoever
    /// comes next tries it, and where it is refused again it is spared as long as if nobody had wanted that.
    pub(crate) fn want_tried(&self, config: &Arc<Config>) {
        let refusals = &mut self.lock().refusals;
        if let Some(index) = position(refusals, config) {
            refusals[index].wanted = true;
        }
    }

    /// Whether another agent of the synchronization follows changes, and finds out when the account is let in again.
    pub(crate) fn leave_to_another(&self, another_tries: bool) {
        self.another_tries.store(another_tries, Ordering::Relaxed);
    }

    /// What the directory said when it refused the account of this configuration, where it did not let it in since. None where another
    /// account was refused, or this one with another password: the new one may be right.
    pub(crate) fn refusal(&self, config: &Arc<Config>) -> Option<DirectoryError> {
        let refusals = &self.lock().refusals;
        position(refusals, config).map(|index| refusals[index].error.clone())
    }

    /// Until when the account of this configuration is not to be tried without somebody's word, where it was refused; this may be past.
    pub(crate) fn until(&self, config: &Arc<Config>) -> Option<Instant> {
        let refusals = &self.lock().refusals;
        let Refusal { times, at, wanted, .. } = &refusals[position(refusals, config)?];
        if *wanted {
            return Some(*at);
        }
        let another_tries = self.another_tries.load(Ordering::Relaxed);
        let pauses: &[Duration] = if another_tries { &SPARE_FOR_OTHERS } else { &SPARE_FOR };
        Some(*at + pauses[(*times).clamp(1, pauses.len()) - 1])
    }

    /// Hears whenever an account was refused, or let in that had been.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Waits for the turn to try the account; after so long nobody is waited for any more.
    pub(crate) async fn turn(&self, patience: Duration) -> Option<Turn> {
        timeout(patience, Arc::clone(&self.turns).lock_owned()).await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verdicts {
    fn remember_let_in(&mut self, config: &Arc<Config>, began: Instant) {
        let before = self.let_in.iter().position(|let_in| is_same_account(&let_in.of, config));
        let before = before.map(|index| self.let_in.remove(index));
        if self.let_in.len() == REMEMBERED {
            self.let_in.remove(0);
        }
        let began = before.map_or(began, |before| before.began.max(began));
        self.let_in.push(LetIn { of: Arc::clone(config), began });
    }

    /// Whether it is news.
    fn remember_refused(
        &mut self,
        config: &Arc<Config>,
        began: Instant,
        error: &DirectoryError,
        now: Instant,
    ) -> bool {
        if self.let_in.iter().any(|let_in| is_same_account(&let_in.of, config) && let_in.began > began) {
            return false;
        }
        let before = position(&self.refusals, config);
        if let Some(index) = before.filter(|index| self.refusals[*index].at > began) {
            let refusal = &mut self.refusals[index];
            refusal.began = refusal.began.max(began);
            return false;
        }
        let times = before.map_or(0, |index| self.refusals.remove(index).times) + 1;
        if self.refusals.len() == REMEMBERED {
            self.refusals.remove(0);
        }
        self.refusals.push(Refusal {
            of: Arc::clone(config),
            error: error.clone(),
            times,
            began,
            at: now,
            wanted: false,
        });
        true
    }
}

/// Why nobody binds as an account that is spared for so long.
fn not_tried(config: &Config, left: Duration) -> DirectoryError {
    const MINUTE: u64 = 60;
    let names = config.directory.names();
    let minutes = left.as_secs().div_ceil(MINUTE);
    let message = format!(
        "the directory has refused the bind account, and it is not tried again by itself for {minutes} minutes, so that it is not locked out; mend {} or the password in the directory, then {}{}",
        names.password, names.tried_again, names.checked
    );
    DirectoryError::new(Failure::BindRefused, message)
}

/// Where the refusal of this configuration's account stands.
fn position(refusals: &[Refusal], config: &Arc<Config>) -> Option<usize> {
    refusals.iter().position(|refusal| is_same_account(&refusal.of, config))
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
pub(crate) mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join_all;

    use super::*;
    use crate::config::file::File;
    use crate::config::{Environment, Overrides, resolve};

    /// A configuration whose bind account has this password.
    pub(crate) fn config(password: &str) -> Arc<Config> {
        let text = format!(
            "server: {{url: 'https://x', application_id: a, secret_token: t}}\nbackend: {{ldap: {{addr: 'ldaps://x', bind_dn: cn=a, bind_password: {password}, base_dn: dc=x}}}}\n"
        );
        let file = File::parse("adc.yaml", &text).expect("parses");
        Arc::new(resolve("adc.yaml", file, &Overrides::default(), &Environment::default()).expect("resolves"))
    }

    fn no() -> DirectoryError {
        DirectoryError::new(Failure::BindRefused, "the password is wrong")
    }

    #[test]
    fn a_reload_has_the_same_password_tried_once() {
        let (spared, now) = (Spared::default(), Instant::now());
        let config = config("wrong");
        spared.note(&config, now, Some(&no()), now);
        spared.want_tried(&config);
        assert_eq!(spared.until(&config), Some(now), "it may be tried");
        assert_eq!(spared.refusal(&config), Some(no()), "it is refused until it is let in");
        spared.note(&config, now, Some(&no()), now);
        assert_eq!(spared.until(&config), Some(now + SPARE_FOR[1]));
    }

    #[test]
    fn refusals_of_tries_that_were_under_way_together_were_each_followed_by_a_longer_pause() {
        let (spared, config, began) = (Spared::default(), config("wrong"), Instant::now());
        let refused = began + Duration::from_secs(3);
        for _ in 0..3 {
            spared.note(&config, began, Some(&no()), refused);
        }
        assert_eq!(spared.until(&config), Some(refused + SPARE_FOR[0]));
        spared.note(&config, refused, Some(&no()), refused);
        assert_eq!(spared.until(&config), Some(refused + SPARE_FOR[1]));
    }

    #[test]
    fn a_refusal_that_came_late_undid_a_younger_let_in() {
        let (spared, config, began) = (Spared::default(), config("mended"), Instant::now());
        let seconds = |seconds: u64| began + Duration::from_secs(seconds);
        spared.note(&config, seconds(2), None, seconds(3));
        spared.note(&config, seconds(0), None, seconds(4));
        spared.note(&config, seconds(1), Some(&no()), seconds(8));
        assert_eq!(spared.until(&config), None, "it was mended since");
        // Another password is as wrong as it was, and so is this one where it is refused afterwards.
        spared.note(&self::config("wrong"), seconds(1), Some(&no()), seconds(8));
        assert_eq!(spared.until(&self::config("wrong")), Some(seconds(8) + SPARE_FOR[0]));
        spared.note(&config, seconds(2), Some(&no()), seconds(9));
        assert_eq!(spared.until(&config), Some(seconds(9) + SPARE_FOR[0]));
    }

    #[test]
    fn a_let_in_that_came_late_did_not_undo_an_older_refusal() {
        let (spared, config, began) = (Spared::default(), config("mended"), Instant::now());
        let seconds = |seconds: u64| began + Duration::from_secs(seconds);
        spared.note(&config, seconds(0), Some(&no()), seconds(8));
        spared.note(&config, seconds(3), Some(&no()), seconds(9));
        assert_eq!(spared.until(&config), Some(seconds(8) + SPARE_FOR[0]));
        spared.note(&config, seconds(2), None, seconds(10));
        assert!(spared.until(&config).is_some(), "a younger one was refused");
        spared.note(&config, seconds(4), None, seconds(10));
        assert_eq!(spared.until(&config), None);
    }

    #[test]
    fn an_agent_started_with_the_same_wrong_password_had_it_tried_again() {
        let (spared, now) = (Spared::default(), Instant::now());
        spared.note(&config("wrong"), now, Some(&no()), now);
        assert!(spared.until(&config("wrong")).is_some_and(|until| until > now));
        assert_eq!(spared.refusal(&config("wrong")), Some(no()));
        assert_eq!(spared.until(&config("right")), None);
        spared.note(&config("wrong as well"), now, Some(&no()), now);
        assert!(spared.until(&config("wrong")).is_some(), "the one before is as wrong as it was");
    }

    #[test]
    fn a_run_that_had_begun_with_the_password_from_before_had_the_wrong_one_tried_again() {
        let (spared, began) = (Spared::default(), Instant::now());
        let refused = began + Duration::from_secs(1);
        spared.note(&config("new"), refused, Some(&no()), refused);
        spared.let_in(&config("old"), refused + Duration::from_secs(1));
        assert!(spared.until(&config("new")).is_some());
        // It was let in before it was refused: the password was changed in the directory.
        spared.let_in(&config("new"), began);
        assert!(spared.until(&config("new")).is_some());
        spared.let_in(&config("new"), refused);
        assert_eq!(spared.until(&config("new")), None);
    }

    #[test]
    fn each_refusal_in_a_row_is_followed_by_a_longer_pause() {
        let (spared, config, now) = (Spared::default(), config("wrong"), Instant::now());
        let pauses = [10, 30, 60, 60].map(|minutes| {
            spared.note(&config, now, Some(&no()), now);
            (spared.until(&config), Some(now + Duration::from_mins(minutes)))
        });
        for (until, expected) in pauses {
            assert_eq!(until, expected);
        }
        spared.let_in(&config, now);
        spared.note(&config, now, Some(&no()), now);
        assert_eq!(spared.until(&config), Some(now + SPARE_FOR[0]));
        spared.leave_to_another(true);
        assert_eq!(spared.until(&config), Some(now + SPARE_FOR_OTHERS[0]));
    }

    #[test]
    fn no_more_refusals_are_remembered_than_anybody_makes() {
        let (spared, now) = (Spared::default(), Instant::now());
        let passwords: Vec<_> = (0..=REMEMBERED).map(|number| config(&format!("wrong{number}"))).collect();
        for config in &passwords {
            spared.note(config, now, Some(&no()), now);
        }
        let forgotten = passwords.iter().filter(|config| spared.until(config).is_none());
        assert_eq!(forgotten.count(), 1);
        assert!(spared.until(&passwords[REMEMBERED]).is_some());
    }

    #[tokio::test]
    async fn eight_who_came_at_once_were_refused_eight_times() {
        let (spared, config, tries) = (Spared::default(), config("wrong"), AtomicUsize::new(0));
        let patience = Duration::from_secs(10);
        let refuses = || async {
            tries.fetch_add(1, Ordering::Relaxed);
            // A directory takes its time to refuse somebody.
            tokio::task::yield_now().await;
            Err::<(), _>(no())
        };
        let opened = join_all((0..8).map(|_| spared.open(&config, patience, refuses()))).await;
        assert!(
            opened.iter().all(|opened| opened.as_ref().is_err_and(|e| e.failure == Failure::BindRefused))
        );
        assert_eq!(tries.into_inner(), 1);
        let told = opened.iter().filter_map(|opened| opened.as_ref().err());
        assert_eq!(told.filter(|error| error.message.contains("not tried again by itself")).count(), 7);
    }

    #[tokio::test]
    async fn one_tries_at_a_time() {
        let spared = Spared::default();
        let first = spared.turn(TURN_WITHIN).await.expect("nobody else tries");
        let second = tokio::spawn({
            let turns = Arc::clone(&spared.turns);
            async move { turns.lock_owned().await }
        });
        assert!(spared.turns.try_lock().is_err());
        drop(first);
        drop(second.await.expect("it had its turn"));
        assert!(spared.turn(TURN_WITHIN).await.is_some());
    }
}
