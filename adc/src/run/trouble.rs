//! What is wrong between the agent and its directory: told to the control plane, and the bind account spared.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adc_core::protocol::RunError;
use adc_core::protocol::link::DirectoryInfo;
use tokio::time::Instant;

use super::retry::LONGEST_AFTER_READING;
use crate::config::Config;
use crate::directory::{DirectoryError, Failure};
use crate::spared::{Spared, TURN_WITHIN, Turn};

/// What a read has met is believed for so long where no read went well since: twice the longest pause between two tries, so that whoever
/// goes on trying is not taken for well in between. After that another agent that can connect may try.
const READ_TROUBLE_FOR: Duration = LONGEST_AFTER_READING.saturating_mul(2);

/// The directory as far as it is known, and whether its bind account is being spared.
#[derive(Debug, Default)]
pub(super) struct Reached {
    known: Mutex<Known>,
    spared: Arc<Spared>,
}

#[derive(Debug, Default)]
struct Known {
    info: Option<DirectoryInfo>,
    /// What a read has met last, and when, where none went well since.
    read: Option<(RunError, Instant)>,
}

impl Reached {
    /// A directory of which nothing is known, and what spares its account.
    pub(super) fn sparing(spared: Arc<Spared>) -> Self {
        Self { known: Mutex::default(), spared }
    }

    /// What is known of the directory that this configuration leads to.
    pub(super) fn info(&self, config: &Arc<Config>, now: Instant) -> Option<DirectoryInfo> {
        self.account_news(config, now);
        self.lock().info.clone()
    }

    /// What is in the way of working with it, in a sentence.
    pub(super) fn trouble(&self) -> Option<String> {
        self.lock().trouble().map(|trouble| trouble.message.clone())
    }

    /// The account of this configuration may have been refused, or let in, by whoever tried it; returns what the control plane is to be
    /// told, if that is news.
    pub(super) fn account_news(&self, config: &Arc<Config>, now: Instant) -> Option<DirectoryInfo> {
        let mut known = self.lock();
        match self.spared.refusal(config) {
            // The last that was heard of the directory is something else.
            Some(_) if known.is_in_trouble() && self.spared_until(config, now).is_none() => None,
            Some(error) => known.becomes(Some(trouble_of(&error))),
            None if known.is_refused() => {
                let trouble = known.read_trouble(now);
                known.becomes(trouble)
            }
            None => None,
        }
    }

    /// Whether nothing is known of what the directory is, or that it cannot be worked with.
    pub(super) fn is_unknown(&self) -> bool {
        self.lock()
            .info
            .as_ref()
            .is_none_or(|info| info.kind == DirectoryInfo::UNKNOWN || info.trouble.is_some())
    }

    /// Whether only a read can tell by now whether the directory can be worked with.
    pub(super) fn waits_for_a_read(&self, now: Instant) -> bool {
        let known = self.lock();
        known.info.as_ref().is_some_and(|info| info.kind != DirectoryInfo::UNKNOWN)
            && known.read_trouble(now).is_some()
    }

    /// The directory was asked then what it is, and said so; returns that, with the trouble that a read has met a while ago: that it can
    /// be reached says nothing of whether it can be read.
    pub(super) fn note(&self, config: &Arc<Config>, info: DirectoryInfo, now: Instant) -> DirectoryInfo {
        let mut known = self.lock();
        self.spared.let_in(config, now);
        if known.read_trouble(now).is_none() {
            known.read = None;
        }
        // Whoever tried the account since may have been refused.
        let refusal = self.spared.refusal(config).as_ref().map(trouble_of);
        let trouble = refusal.or_else(|| known.read_trouble(now));
        known.info.insert(DirectoryInfo { trouble, ..info }).clone()
    }

    /// There is a new configuration: it may be another directory.
    pub(super) fn forget(&self) {
        *self.lock() = Known::default();
    }

    /// The directory could not be worked with, which was tried since `began`; returns what the control plane is to be told, unless it was
    /// told so before.
    pub(super) fn fails(
        &self,
        config: &Arc<Config>,
        error: &DirectoryError,
        began: Instant,
        now: Instant,
    ) -> Option<DirectoryInfo> {
        let mut known = self.lock();
        self.spared.note(config, began, Some(error), now);
        let mut trouble = trouble_of(error);
        if !passes_by_connecting(error.failure) {
            known.read = Some((trouble.clone(), now));
        }
        // As long as nobody signs in, it stands in the way whatever else does.
        if self.spared_until(config, now).is_some()
            && let Some(refusal) = self.spared.refusal(config)
        {
            trouble = trouble_of(&refusal);
        }
        known.becomes(Some(trouble))
    }

    /// The directory was worked with; returns what the control plane is to be told, if it was told otherwise.
    pub(super) fn works(&self, config: &Arc<Config>) -> Option<DirectoryInfo> {
        let mut known = self.lock();
        known.read = None;
        // It may have been refused meanwhile.
        let trouble = self.spared.refusal(config).as_ref().map(trouble_of);
        known.becomes(trouble)
    }

    /// Until when the bind account of this configuration is not to be tried without somebody's word; `None` where it may be tried now.
    pub(super) fn spared_until(&self, config: &Arc<Config>, now: Instant) -> Option<Instant> {
        self.spared.until(config).filter(|until| *until > now)
    }

    /// Waits for the turn to try the bind account.
    pub(super) async fn turn(&self) -> Option<Turn> {
        self.spared.turn(TURN_WITHIN).await
    }

    /// Whether another agent follows changes, and tries the bind account.
    pub(super) fn leave_to_another(&self, another_tries: bool) {
        self.spared.leave_to_another(another_tries);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// This is what is in the way from now on, if anything is; returns what is known, if that is news.
    fn becomes(&mut self, trouble: Option<RunError>) -> Option<DirectoryInfo> {
        if self.trouble() == trouble.as_ref() {
            return None;
        }
        let info = self.info.get_or_insert_with(|| DirectoryInfo {
            kind: DirectoryInfo::UNKNOWN.to_owned(),
            ..DirectoryInfo::default()
        });
        info.trouble = trouble;
        Some(info.clone())
    }

    fn is_in_trouble(&self) -> bool {
        self.trouble().is_some()
    }

    /// Whether it is the bind account that is in the way.
    fn is_refused(&self) -> bool {
        self.trouble().is_some_and(|trouble| trouble.code == Failure::BindRefused.code())
    }

    fn trouble(&self) -> Option<&RunError> {
        self.info.as_ref()?.trouble.as_ref()
    }

    fn read_trouble(&self, now: Instant) -> Option<RunError> {
        let (trouble, since) = self.read.as_ref()?;
        (now.saturating_duration_since(*since) < READ_TROUBLE_FOR).then(|| trouble.clone())
    }
}

fn trouble_of(error: &DirectoryError) -> RunError {
    RunError { code: error.failure.code().to_owned(), message: error.message.clone() }
}

/// Whether it is met before anything is read.
pub(super) fn is_met_when_connecting(failure: Failure) -> bool {
    matches!(failure, Failure::Unreachable | Failure::OutOfBounds | Failure::Tls | Failure::BindRefused)
}

/// Whether it is over once the directory says what it is: what was met there, and what passes.
fn passes_by_connecting(failure: Failure) -> bool {
    is_met_when_connecting(failure)
        || matches!(failure, Failure::ConnectionLost | Failure::Silent | Failure::Busy)
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
    fn an_account_that_was_refused_is_spared_until_it_is_let_in() {
        let (reached, config, now) = (Reached::default(), self::config(), Instant::now());
        let unreachable = DirectoryError::new(Failure::Unreachable, "nobody listens");
        reached.fails(&config, &unreachable, now, now);
        assert_eq!(reached.spared_until(&config, now), None, "trying again costs nothing");
        reached.fails(&config, &refused(), now, now);
        reached.forget();
        assert!(reached.spared_until(&config, now).is_some(), "the same was read again");
        reached.spared.let_in(&config, now);
        assert_eq!(reached.spared_until(&config, now), None);
    }

    #[test]
    fn a_run_that_was_refused_beside_a_sign_in_was_a_second_refusal() {
        let (reached, config, began) = (Reached::default(), self::config(), Instant::now());
        let (noted, ended) = (began + Duration::from_secs(3), began + Duration::from_secs(4));
        reached.spared.note(&config, began, Some(&refused()), noted);
        let until = reached.spared_until(&config, ended);
        reached.fails(&config, &refused(), began, ended);
        assert_eq!(reached.spared_until(&config, ended), until);
        reached.fails(&config, &refused(), ended, ended);
        assert!(reached.spared_until(&config, ended) > until);
    }

    #[test]
    fn an_account_that_somebody_elses_try_had_refused_was_nobodys_trouble() {
        let (reached, config, now) = (Reached::default(), self::config(), Instant::now());
        let code = |told: Option<DirectoryInfo>| told.map(|info| info.trouble.map(|trouble| trouble.code));
        let refused_account = Some(Some("bind-refused".to_owned()));
        assert_eq!(reached.account_news(&config, now), None);
        reached.spared.note(&config, now, Some(&refused()), now);
        assert_eq!(code(reached.account_news(&config, now)), refused_account);
        assert_eq!(reached.account_news(&config, now), None, "it was told");
        // Nor did a connection that was cut afterwards hide it, or a reload of the same.
        let cut = DirectoryError::new(Failure::ConnectionLost, "it was cut");
        assert_eq!(reached.fails(&config, &cut, now, now), None);
        assert_eq!(reached.works(&config), None, "it had been let in before");
        reached.forget();
        assert_eq!(code(reached.info(&config, now)), refused_account);
        assert_eq!(reached.trouble(), Some(refused().message));
        // When it may be tried again, what comes of that counts.
        let later = now + Duration::from_hours(1);
        assert_eq!(
            code(reached.fails(&config, &cut, later, later)),
            Some(Some(cut.failure.code().to_owned()))
        );
        assert_eq!(reached.account_news(&config, later), None);

        reached.fails(&config, &refused(), later, later);
        reached.spared.let_in(&config, later);
        assert_eq!(code(reached.account_news(&config, later)), Some(None));
    }

    #[test]
    fn what_a_read_had_met_was_forgotten_as_soon_as_the_directory_was_reached() {
        let (reached, config, now) = (Reached::default(), self::config(), Instant::now());
        let openldap = || DirectoryInfo { kind: "openldap".to_owned(), ..DirectoryInfo::default() };
        let trouble = |info: DirectoryInfo| info.trouble.map(|trouble| trouble.code);
        for failure in [Failure::Unreachable, Failure::ConnectionLost] {
            reached.fails(&config, &DirectoryError::new(failure, "x"), now, now);
            assert_eq!(trouble(reached.note(&config, openldap(), now)), None);
        }
        let cut = DirectoryError::new(Failure::SizeLimitExceeded, "500 entries");
        let code = Some(cut.failure.code().to_owned());
        reached.fails(&config, &cut, now, now);
        assert!(reached.waits_for_a_read(now));
        assert_eq!(trouble(reached.note(&config, openldap(), now)), code);
        assert_eq!(
            trouble(reached.note(&config, openldap(), now + READ_TROUBLE_FOR)),
            None,
            "another may try"
        );
        reached.fails(&config, &cut, now, now);
        reached.works(&config);
        assert_eq!(trouble(reached.note(&config, openldap(), now)), None, "a read went well");
    }

    #[test]
    fn trouble_is_told_once_and_its_end_too() {
        let (reached, config, now) = (Reached::default(), config(), Instant::now());
        assert_eq!(reached.works(&config), None);
        let told = reached.fails(&config, &refused(), now, now).expect("it is new");
        assert_eq!(told.kind, DirectoryInfo::UNKNOWN);
        assert_eq!(told.trouble.expect("there is some").code, "bind-refused");
        assert_eq!(reached.fails(&config, &refused(), now, now), None);
        assert!(reached.is_unknown());
        reached.spared.let_in(&config, now);
        assert_eq!(reached.works(&config).map(|info| info.trouble), Some(None));
        assert_eq!(reached.works(&config), None);
        assert!(reached.is_unknown(), "nobody has asked it what it is");
    }
}
