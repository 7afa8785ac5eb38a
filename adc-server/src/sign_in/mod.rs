//! Signing in (pass-through authentication): the control plane looks first, then the person's own directory checks the password.
//!
//! The order is what makes it safe: whoever failed too often is asked nothing ([`throttle`]), whom the control plane blocks is
//! blocked without anybody being asked, and only then an agent tries the password (`ask.rs`). A password proves a person only to the
//! accounts whose user's own synchronization checked it. Accounts share nothing here, neither verdicts nor failures: whoever runs
//! the agent of one says what they like, and would else open or lock another. Nor does one keep people waiting for another: whoever may
//! come into one account is let in to those that have answered a moment later.

mod ask;
mod pace;
mod queues;
pub mod throttle;
mod tries;
mod verdict;

use crate::{
    clock::{Clock, Millis, random},
    hub::Hub,
    runs::AgentIdentity,
    store::{Meant, Nominee, Store, StoredUser},
};
use adc_core::{
    plan::{Provider, UserStatus},
    protocol::link::PasswordOutcome,
    sign_in::{is_name, is_password, without_domain},
    text,
};
use ask::{Asked, Question, ask};
use futures_util::{StreamExt, stream::FuturesUnordered};
use pace::Pace;
use queues::Queues;
use std::{net::IpAddr, sync::Arc};
use throttle::Subject;
use tokio::time::{Duration, Instant, sleep, timeout_at};
use tracing::Instrument;
use tries::{Tries, Try};
use verdict::{refusal, verdict};
use zeroize::Zeroizing;

/// Where people sign in. Cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    store: Store,
    hub: Hub,
    tries: Tries,
    queues: Queues,
    pace: Pace,
}

/// Somebody wants to come in.
#[derive(Debug)]
pub struct Attempt {
    /// The account; all of them where none is named.
    pub account_id: Option<String>,
    /// The API key that asks, for the audit.
    pub key_id: String,
    /// Where the person is, as far as it is known.
    pub address: Option<IpAddr>,
    /// What the person typed as a name.
    pub username: String,
    /// The password. Wiped when the attempt is over.
    pub password: Zeroizing<String>,
}

/// An account that a person may come into.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The account's name; its id is in the user.
    pub account_name: String,
    /// The user that the person is there.
    pub user: StoredUser,
}

/// Why nobody comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A wrong password, or nobody whom the directory knows; whoever asks does not learn it from [`Refused::Nobody`].
    Invalid,
    /// Nobody of that name, several, or a local user: no directory was asked.
    Nobody,
    /// The user was deleted here.
    Deleted,
    /// The user is disabled, here or in the directory.
    Disabled,
    /// The directory has locked the person out.
    Locked,
    /// The password, or the person's account in the directory, has expired.
    Expired,
    /// The password is right and has to be changed first.
    MustChange,
    /// There were too many failures.
    Throttled {
        /// After how long another try is taken (milliseconds).
        after: Millis,
    },
    /// Nobody could ask the directory: it has not seen the password.
    Unreachable,
    /// The directory may have seen the password, and gave no verdict.
    NoVerdict,
}

/// A user who may be meant, and is let in if the directory says so.
struct Candidate {
    account_name: String,
    user: StoredUser,
    synchronization: AgentIdentity,
    source_id: String,
}

/// The account whose failures those of a name are that is nobody's in any account.
const NO_ACCOUNT: &str = "";
/// How long whoever may come into one account waits for what the others say: directories answer in a fraction of it.
const FOR_THE_OTHERS: Duration = Duration::from_secs(1);

impl Door {
    /// A door at which nobody has failed yet.
    pub fn new(store: Store, hub: Hub, clock: Clock) -> Self {
        let (queues, pace) = (Queues::default(), Pace::default());
        Self(Arc::new(Inner { store, hub, tries: Tries::new(clock), queues, pace }))
    }

    /// Lets somebody in, or says why not. Every attempt is written to the log, without name where it is nobody's and never with
    /// the password.
    ///
    /// Accounts that do not answer a moment after the first that lets the person in are left out. What they say is still counted and
    /// written down when they do, also where whoever asked has hung up: their directory counts it as well.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sign_in(&self, attempt: Attempt) -> anyhow::Result<Result<Vec<Admitted>, Refused>> {
        if !is_name(&attempt.username) || !is_password(&attempt.password) {
            // Neither is ever shown to a directory.
            return Ok(Err(self.refuse_nobody(&attempt, "no password that is tried, or no name").await));
        }
        let nominees = match self.0.store.nominees(attempt.account_id.as_deref(), &attempt.username).await? {
            Meant::These(nominees) => nominees,
            Meant::Several([one, other]) => {
                let why = format!("the name means several people, such as {one} and {other}");
                return Ok(Err(self.refuse_nobody(&attempt, &why).await));
            }
        };
        if nominees.is_empty() {
            return Ok(Err(self.refuse_nobody(&attempt, "the name is nobody's").await));
        }
        let attempt = Arc::new(attempt);
        let mut tried: FuturesUnordered<_> = nominees
            .into_iter()
            .map(|nominee| {
                let (door, attempt) = (self.clone(), Arc::clone(&attempt));
                tokio::spawn(async move { door.sign_in_to(&attempt, nominee).await }.in_current_span())
            })
            .collect();
        let (mut admitted, mut refused) = (Vec::new(), Vec::new());
        let mut until = None;
        while let Some(tried) = next_by(&mut tried, until).await {
            match tried?? {
                Ok(came) => {
                    admitted.push(came);
                    until.get_or_insert_with(|| Instant::now() + FOR_THE_OTHERS);
                }
                Err(why) => refused.push(why),
            }
        }
        Ok(if admitted.is_empty() { Err(refusal(&refused)) } else { Ok(admitted) })
    }

    /// Takes as long as somebody would.
    async fn refuse_nobody(&self, attempt: &Attempt, why: &str) -> Refused {
        let account_id = attempt.account_id.as_deref().unwrap_or(NO_ACCOUNT);
        let name = text::key(&attempt.username);
        let _failed = match self.begin(account_id, attempt, &name) {
            Ok(tries) => tries,
            Err(throttled) => return throttled,
        };
        attempt.audit(Refused::Nobody.word(), why);
        self.pause().await;
        Refused::Nobody
    }

    /// Lets somebody in to one account, or says why not.
    async fn sign_in_to(
        &self,
        attempt: &Attempt,
        nominee: Nominee,
    ) -> anyhow::Result<Result<Admitted, Refused>> {
        let (account_id, name) = (nominee.account_id.clone(), text::key(&attempt.username));
        let tries = match self.begin(&account_id, attempt, &name) {
            Ok(tries) => tries,
            Err(throttled) => return Ok(Err(throttled)),
        };
        let came = self.admit(attempt, nominee).await;
        match &came {
            Ok(Ok(_)) => tries.into_iter().for_each(Try::succeed),
            Ok(Err(refused)) if refused.is_failure() => {}
            Ok(Err(_)) | Err(_) => tries.into_iter().for_each(Try::forgive),
        }
        came
    }

    /// Begins a try of the name from the address.
    fn begin<'a>(
        &'a self,
        account: &'a str,
        attempt: &Attempt,
        name: &'a str,
    ) -> Result<Vec<Try<'a>>, Refused> {
        let address = attempt.address.map(|address| Subject::Address { account, address });
        let subjects: Vec<Subject<'_>> =
            address.into_iter().chain([Subject::Name { account, name }]).collect();
        self.0.tries.begin(&subjects).map_err(|after| {
            attempt.audit("throttled", "too many failures of this address or name");
            Refused::Throttled { after }
        })
    }

    async fn admit(&self, attempt: &Attempt, nominee: Nominee) -> anyhow::Result<Result<Admitted, Refused>> {
        let Some(user) = self.0.store.user(&nominee.account_id, &nominee.user_id).await? else {
            attempt.audit(Refused::Nobody.word(), "the user went away meanwhile");
            self.pause().await;
            return Ok(Err(Refused::Nobody));
        };
        let candidate = match candidate(nominee.account_name, &user) {
            Ok(candidate) => candidate,
            Err(refused) => {
                attempt.audit_of(&user, refused.word(), "blocked here; nobody was asked");
                if refused == Refused::Nobody {
                    self.pause().await;
                }
                return Ok(Err(refused));
            }
        };
        let host = match self.check(attempt, &candidate).await {
            Ok(host) => host,
            Err(refused) => return Ok(Err(refused)),
        };
        let checked = format!("checked by the agent on {host}");
        let Some(user) = self.still_active(&candidate).await? else {
            let why = format!("{checked}, and blocked here meanwhile");
            attempt.audit_of(&candidate.user, Refused::Disabled.word(), &why);
            return Ok(Err(Refused::Disabled));
        };
        attempt.audit_of(&user, "ok", &checked);
        Ok(Ok(Admitted { account_name: candidate.account_name, user }))
    }

    /// Has the password tried where the user is from; returns the machine of the agent that found it right.
    async fn check(&self, attempt: &Attempt, candidate: &Candidate) -> Result<String, Refused> {
        let AgentIdentity { account_id: account, synchronization_id: synchronization } =
            &candidate.synchronization;
        let person = Subject::Person { account, synchronization, source_id: &candidate.source_id };
        let tries = self.0.tries.begin(&[person]).map_err(|after| {
            attempt.audit_of(&candidate.user, "throttled", "too many failures of this person");
            Refused::Throttled { after }
        })?;
        let asked = self.ask(attempt, candidate).await;
        let checked = verdict(&asked);
        if let Err(refused) = &checked {
            attempt.audit_refusal(&candidate.user, *refused, &asked);
        }
        match checked {
            Ok(_) => tries.into_iter().for_each(Try::succeed),
            Err(refused) if refused.is_failure() => {}
            Err(_) => tries.into_iter().for_each(Try::forgive),
        }
        checked.map(str::to_owned)
    }

    async fn ask(&self, attempt: &Attempt, candidate: &Candidate) -> Asked {
        // The directory may know the person by the user name, by what was typed, or by either without its domain.
        let mut names = vec![candidate.user.state.username.clone(), attempt.username.trim().to_owned()];
        names.extend(without_domain(&candidate.user.state.username).map(str::to_owned));
        let question =
            Question { names, source_id: candidate.source_id.clone(), password: attempt.password.clone() };
        let began = Instant::now();
        let asked = ask(&self.0.hub, &self.0.queues, &candidate.synchronization, &question).await;
        if matches!(asked, Asked::Answered(PasswordOutcome::Invalid, _)) {
            self.0.pace.note(began.elapsed());
        }
        asked
    }

    /// Takes as long as a directory that says no: who measures shall not learn whom it was asked about.
    async fn pause(&self) {
        sleep(self.0.pace.like(random::<1>()[0])).await;
    }

    /// The user as it is now, if it still may come in: somebody may have disabled it meanwhile.
    async fn still_active(&self, candidate: &Candidate) -> anyhow::Result<Option<StoredUser>> {
        let user = self.0.store.user(&candidate.user.account_id, &candidate.user.id).await?;
        Ok(user.filter(|user| {
            user.state.status == UserStatus::Active
                && matches!(&user.provider, Provider::Directory { synchronization_id, source_id, .. }
                    if *synchronization_id == candidate.synchronization.synchronization_id && *source_id == candidate.source_id)
        }))
    }
}

/// The next that is done, if one is by then.
async fn next_by<T: Future + Unpin>(
    waiting: &mut FuturesUnordered<T>,
    until: Option<Instant>,
) -> Option<T::Output> {
    match until {
        Some(until) => timeout_at(until, waiting.next()).await.ok().flatten(),
        None => waiting.next().await,
    }
}

/// The user as a candidate, or why the control plane blocks it without asking anybody.
fn candidate(account_name: String, user: &StoredUser) -> Result<Candidate, Refused> {
    match (user.state.status, &user.provider) {
        (UserStatus::Deleted, _) => Err(Refused::Deleted),
        (UserStatus::Disabled, _) => Err(Refused::Disabled),
        // It has no password here.
        (UserStatus::Active, Provider::Local) => Err(Refused::Nobody),
        (UserStatus::Active, Provider::Directory { synchronization_id, source_id, .. }) => {
            let synchronization = AgentIdentity {
                account_id: user.account_id.clone(),
                synchronization_id: synchronization_id.clone(),
            };
            let source_id = source_id.clone();
            Ok(Candidate { account_name, user: user.clone(), synchronization, source_id })
        }
    }
}

impl Refused {
    /// Whether it counts against who tried: also where nobody knows what came of it, for the directory may count it.
    fn is_failure(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Expired | Self::MustChange | Self::Throttled { .. })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Invalid | Self::Nobody => "invalid",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Locked => "locked",
            Self::Expired => "expired",
            Self::MustChange => "must-change",
            Self::Throttled { .. } => "throttled",
            Self::Unreachable => "unreachable",
            Self::NoVerdict => "no-verdict",
        }
    }
}

/// What the audit calls an address that is not known.
const NOWHERE: &str = "unknown";

impl Attempt {
    /// Writes down what became of an attempt that is nobody's. What was typed is not: it may be a password in the wrong field.
    fn audit(&self, outcome: &str, why: &str) {
        tracing::info!(
            audit = "sign-in", outcome, account.id = self.account_id.as_deref().unwrap_or("any"), address = %self.shown_address(),
            key.id = %self.key_id, "sign-in refused: {why}"
        );
    }

    /// Writes down what became of an attempt of a user.
    fn audit_of(&self, user: &StoredUser, outcome: &str, why: &str) {
        tracing::info!(
            audit = "sign-in", outcome, account.id = %user.account_id, user.id = %user.id, user.name = ?user.state.username,
            address = %self.shown_address(), key.id = %self.key_id, "sign-in of {}: {outcome} ({why})", user.id
        );
    }

    fn audit_refusal(&self, user: &StoredUser, refused: Refused, asked: &Asked) {
        match asked {
            Asked::Answered(_, host) => {
                self.audit_of(user, refused.word(), &format!("checked by the agent on {host}"));
            }
            Asked::NotBegun(why) | Asked::NoVerdict(why) => self.audit_of(user, refused.word(), why),
        }
    }

    fn shown_address(&self) -> String {
        self.address.map_or_else(|| NOWHERE.to_owned(), |address| address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Engine;
    use std::fs;
    use tempfile::{NamedTempFile, tempdir};

    #[tokio::test]
    async fn an_attempt_of_a_user_who_went_away_meanwhile_left_no_trace() {
        let folder = tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("adc.db").display());
        let store = Store::open(&url, None).await.expect("a database");
        let clock = Clock::from_fn(|| 0);
        let engine = Engine::new(store.clone(), clock.clone(), "https://cloud.example.com");
        let door = Door::new(store.clone(), Hub::new(engine, store, clock.clone()), clock);
        let attempt = Attempt {
            account_id: None,
            key_id: "key_1".to_owned(),
            address: None,
            username: "jane".to_owned(),
            password: Zeroizing::new("a secret".to_owned()),
        };
        let nominee = Nominee {
            account_id: "acc_1".to_owned(),
            account_name: "acme".to_owned(),
            user_id: "usr_1".to_owned(),
        };
        let log = NamedTempFile::new().expect("a temporary file");
        let writer = Arc::new(log.reopen().expect("it is ours"));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
        let listening = tracing::subscriber::set_default(subscriber);
        assert_eq!(door.admit(&attempt, nominee).await.expect("answers"), Err(Refused::Nobody));
        drop(listening);
        let log = fs::read_to_string(log.path()).expect("it is ours");
        assert!(log.contains("audit=\"sign-in\" outcome=\"invalid\""), "{log}");
    }
}
