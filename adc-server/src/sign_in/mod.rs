//! Signing in (pass-through authentication): the control plane looks first, then the person's own directory checks the password.
//!
//! The order is what makes it safe: whoever failed too often is asked nothing ([`throttle`]), whom the control plane blocks is
//! blocked without anybody being asked, and only then an agent tries the password ([`ask`]). A password proves a person only to the
//! accounts whose user's own synchronization checked it.

mod ask;
mod pace;
pub mod throttle;
mod verdict;

use crate::{
    clock::{Clock, Millis, random},
    hub::Hub,
    runs::AgentIdentity,
    store::{Named, Nominee, Store, StoredUser},
};
use adc_core::{
    plan::{Provider, UserStatus},
    protocol::link::PasswordOutcome,
    sign_in::{is_name, is_password, without_domain},
    text,
};
use ask::{Asked, Question, ask};
use futures_util::future::join_all;
use pace::Pace;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
};
use throttle::{Subject, Throttle};
use tokio::time::{Instant, sleep};
use verdict::{Finding, refusal};
use zeroize::Zeroizing;

/// Where people sign in. Cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    store: Store,
    hub: Hub,
    clock: Clock,
    throttle: Mutex<Throttle>,
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
    /// Nobody of that name, several, a local user, or a wrong password: not told apart.
    Invalid,
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
    /// Nobody could ask the directory, or it gave no verdict.
    Unreachable,
}

/// A user who may be meant, and is let in if the directory says so.
struct Candidate {
    account_name: String,
    user: StoredUser,
    synchronization: AgentIdentity,
    source_id: String,
}

/// A UUID, written with or without dashes, has so many characters at least.
const GIVEN_ID_LENGTH: usize = 32;

impl Door {
    /// A door at which nobody has failed yet.
    pub fn new(store: Store, hub: Hub, clock: Clock) -> Self {
        let (throttle, pace) = (Mutex::default(), Pace::default());
        Self(Arc::new(Inner { store, hub, clock, throttle, pace }))
    }

    /// Lets somebody in, or says why not. Every attempt is written to the log, without name where it is nobody's and never with
    /// the password.
    ///
    /// # Errors
    /// The database failed; nobody was asked.
    pub async fn sign_in(&self, attempt: Attempt) -> anyhow::Result<Result<Vec<Admitted>, Refused>> {
        let name = text::key(&attempt.username).into_owned();
        let subjects: Vec<Subject<'_>> =
            attempt.address.map(Subject::Address).into_iter().chain([Subject::Name(&name)]).collect();
        if let Err(after) = self.begin(&subjects) {
            attempt.audit("throttled", "too many failures of this address or name");
            return Ok(Err(Refused::Throttled { after }));
        }
        // Neither is ever shown to a directory.
        let can_be = is_name(&attempt.username) && is_password(&attempt.password);
        let looked = if can_be { self.look(&attempt).await } else { Ok((Vec::new(), Vec::new())) };
        let (candidates, mut findings) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                self.forgive(&subjects);
                return Err(error);
            }
        };
        if !can_be {
            attempt.audit("invalid", "no password that is tried, or no name");
        }
        if candidates.is_empty() && !findings.iter().any(Finding::is_told) {
            sleep(self.0.pace.like(random::<1>()[0])).await;
        }
        let mut admitted = Vec::new();
        for (candidate, finding) in self.check(&attempt, candidates).await {
            match finding {
                Finding::In => match self.still_active(&candidate).await? {
                    Some(user) => admitted.push(Admitted { account_name: candidate.account_name, user }),
                    None => findings.push(Finding::Refused(Refused::Disabled)),
                },
                refused @ Finding::Refused(_) => findings.push(refused),
            }
        }
        if !admitted.is_empty() {
            self.throttle().reset(Subject::Name(&name));
            self.forgive(&subjects[..subjects.len() - 1]);
            return Ok(Ok(admitted));
        }
        let refused = refusal(&findings);
        if !refused.is_failure() {
            self.forgive(&subjects);
        }
        Ok(Err(refused))
    }

    /// Whom the name means, and what the control plane says of them by itself.
    async fn look(&self, attempt: &Attempt) -> anyhow::Result<(Vec<Candidate>, Vec<Finding>)> {
        let nominees = self.0.store.nominees(attempt.account_id.as_deref(), &attempt.username).await?;
        if nominees.is_empty() {
            attempt.audit("invalid", "the name is nobody's");
        }
        let mut by_account: BTreeMap<String, Vec<Nominee>> = BTreeMap::new();
        for nominee in nominees {
            by_account.entry(nominee.account_id.clone()).or_default().push(nominee);
        }
        let (mut candidates, mut findings) = (Vec::new(), Vec::new());
        for (account_id, nominees) in by_account {
            // Of a name that was deleted several times the last one is as good as any.
            let several = nominees.len() > 1 && nominees[0].by != Named::BeforeDeletion;
            if several {
                let ids: Vec<&str> = nominees.iter().map(|nominee| nominee.user_id.as_str()).collect();
                let why = format!("the name means several people of {account_id}: {}", ids.join(", "));
                attempt.audit("invalid", &why);
                findings.push(Finding::Refused(Refused::Invalid));
                continue;
            }
            let Some(nominee) = nominees.into_iter().next() else { continue };
            let Some(user) = self.0.store.user(&nominee.account_id, &nominee.user_id).await? else {
                continue;
            };
            match candidate(nominee.account_name, &user) {
                Ok(candidate) => candidates.push(candidate),
                Err(refused) => {
                    attempt.audit_of(&user, refused.word(), "blocked here; nobody was asked");
                    findings.push(Finding::Refused(refused));
                }
            }
        }
        Ok((candidates, findings))
    }

    /// Has the password tried for all candidates; for those who are one person in one directory only as long as it is right.
    async fn check(&self, attempt: &Attempt, candidates: Vec<Candidate>) -> Vec<(Candidate, Finding)> {
        let mut people: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates {
            people.entry(candidate.person()).or_default().push(candidate);
        }
        let checked = people.into_iter().map(|(person, candidates)| async move {
            let person = Subject::Person(&person);
            if let Err(after) = self.begin(&[person]) {
                let throttled = Finding::Refused(Refused::Throttled { after });
                let each = |candidate: Candidate| {
                    attempt.audit_of(&candidate.user, "throttled", "too many failures of this person");
                    (candidate, throttled.clone())
                };
                return candidates.into_iter().map(each).collect();
            }
            let mut found: Vec<(Candidate, Finding)> = Vec::new();
            let mut asked = Asked::NotBegun(String::new());
            for candidate in candidates {
                // One wrong password is one failure in the directory, however many accounts read it.
                let right_so_far = found.iter().all(|(_, finding)| *finding == Finding::In);
                if right_so_far || matches!(asked, Asked::NotBegun(_)) {
                    asked = self.ask(attempt, &candidate).await;
                }
                attempt.audit_asked(&candidate.user, &asked);
                let finding = Finding::of(&asked);
                found.push((candidate, finding));
            }
            self.conclude(person, &found, &asked);
            found
        });
        let checked: Vec<Vec<(Candidate, Finding)>> = join_all(checked).await;
        checked.into_iter().flatten().collect()
    }

    async fn ask(&self, attempt: &Attempt, candidate: &Candidate) -> Asked {
        // The directory may know the person by the user name, by what was typed, or by either without its domain.
        let mut names = vec![candidate.user.state.username.clone(), attempt.username.trim().to_owned()];
        names.extend(without_domain(&candidate.user.state.username).map(str::to_owned));
        let question =
            Question { names, source_id: candidate.source_id.clone(), password: attempt.password.clone() };
        let began = Instant::now();
        let asked = ask(&self.0.hub, &candidate.synchronization, &question).await;
        if matches!(asked, Asked::Answered(PasswordOutcome::Invalid, _)) {
            self.0.pace.note(began.elapsed());
        }
        asked
    }

    /// What the try means for the person's failures.
    fn conclude(&self, person: Subject<'_>, found: &[(Candidate, Finding)], last: &Asked) {
        let is = |finding: &Finding| found.iter().any(|(_, other)| other == finding);
        let counted = is(&Finding::Refused(Refused::Invalid))
            || is(&Finding::Refused(Refused::Locked))
            || matches!(last, Asked::NoVerdict(_));
        match (is(&Finding::In), counted) {
            (true, _) => self.throttle().reset(person),
            (false, false) => self.throttle().forgive(person),
            (false, true) => {}
        }
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

    /// Counts a try for all of them, or for none.
    fn begin(&self, subjects: &[Subject<'_>]) -> Result<(), Millis> {
        let now = self.0.clock.now();
        let mut throttle = self.throttle();
        for (index, subject) in subjects.iter().enumerate() {
            if let Err(after) = throttle.begin(*subject, now) {
                subjects[..index].iter().for_each(|subject| throttle.forgive(*subject));
                return Err(after);
            }
        }
        Ok(())
    }

    fn forgive(&self, subjects: &[Subject<'_>]) {
        let mut throttle = self.throttle();
        for subject in subjects {
            throttle.forgive(*subject);
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.0.throttle.lock().expect("nothing panics while it holds the throttle")
    }
}

/// The user as a candidate, or why the control plane blocks it without asking anybody.
fn candidate(account_name: String, user: &StoredUser) -> Result<Candidate, Refused> {
    match (user.state.status, &user.provider) {
        (UserStatus::Deleted, _) => Err(Refused::Deleted),
        (UserStatus::Disabled, _) => Err(Refused::Disabled),
        // It has no password here.
        (UserStatus::Active, Provider::Local) => Err(Refused::Invalid),
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

impl Candidate {
    /// Who it is, in whatever account: an identity that a directory gave is nobody else's in the world, one that people wrote may be
    /// given out elsewhere too.
    fn person(&self) -> String {
        let given = self.source_id.len() >= GIVEN_ID_LENGTH
            && self.source_id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if given {
            self.source_id.clone()
        } else {
            format!("{}/{}", self.synchronization.synchronization_id, self.source_id)
        }
    }
}

impl Finding {
    /// Whether the caller learns more than that it was no use, so that taking time hides nothing.
    fn is_told(&self) -> bool {
        !matches!(self, Self::Refused(Refused::Invalid))
    }
}

impl Refused {
    /// Whether it counts against who tried.
    fn is_failure(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Expired | Self::MustChange | Self::Throttled { .. })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::Locked => "locked",
            Self::Expired => "expired",
            Self::MustChange => "must-change",
            Self::Throttled { .. } => "throttled",
            Self::Unreachable => "unreachable",
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

    fn audit_asked(&self, user: &StoredUser, asked: &Asked) {
        match asked {
            Asked::Answered(PasswordOutcome::Ok, host) => {
                self.audit_of(user, "ok", &format!("checked by the agent on {host}"));
            }
            Asked::Answered(_, host) => {
                let why = format!("checked by the agent on {host}");
                let Finding::Refused(refused) = Finding::of(asked) else { return };
                self.audit_of(user, refused.word(), &why);
            }
            Asked::NotBegun(why) | Asked::NoVerdict(why) => self.audit_of(user, "unreachable", why),
        }
    }

    fn shown_address(&self) -> String {
        self.address.map_or_else(|| NOWHERE.to_owned(), |address| address.to_string())
    }
}
