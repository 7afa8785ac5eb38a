//! Waiting until the directory changes.

use std::time::Duration;

use adc_core::filter::Filter;
use adc_core::protocol::Mark;
use tokio::time::{Instant, sleep, timeout};

use super::sync::{self, INFO_OID, Info};
use super::{Feed, Subject, csn, numbers};
use crate::config::Scope;
use crate::directory::error::{DirectoryError, Progress};
use crate::directory::outcome::code;
use crate::directory::request::{Control, MANAGE_DSA_IT_OID, NOTIFICATION_OID, SearchRequest};
use crate::directory::response::{Message, Response};
use crate::directory::session::Directory;
use crate::directory::wire::WireError;

/// What is read, for messages.
const WHAT: &str = "changes as they come";
/// A directory that stays silent for so long is asked whether it is still there: a connection can be cut without a word.
const HEARTBEAT: Duration = Duration::from_mins(1);

/// How often Active Directory is asked whether something changed, whether or not it says so of its own accord.
const POLL_EVERY: Duration = Duration::from_secs(5);

/// When changes have settled enough to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settle {
    /// Nothing changed for so long.
    pub quiet: Duration,
    /// So long after the first change, however much still happens.
    pub at_most: Duration,
}

/// How a wait ended.
enum Woken {
    /// Something changed, and has settled.
    Changed,
    /// Nothing was heard for as long as a heartbeat.
    Silent,
    /// The server does not show this tree, or does not say what happens in it.
    NotHere,
}

impl Directory {
    /// Waits until something changed after a mark that a run left. What changed is for the feed to say; it may turn out to be of
    /// no concern.
    ///
    /// # Errors
    /// The connection broke, or the server refuses to be asked.
    pub async fn wait_for_change(
        &mut self,
        feed: Feed,
        since: &Mark,
        subject: &Subject,
        settle: Settle,
    ) -> Result<(), DirectoryError> {
        match feed {
            Feed::Syncrepl => self.wait_for_word(since, settle).await,
            Feed::DirSync => self.wait_for_notification(since, settle).await,
            Feed::Timestamps => self.wait_for_difference(since, subject).await,
        }
    }

    /// Waits until OpenLDAP says that something changed.
    async fn wait_for_word(&mut self, since: &Mark, settle: Settle) -> Result<(), DirectoryError> {
        loop {
            // What happened before anybody listened. Another server, or another life of it, has another mark too.
            if self.mark().await?.as_ref().map(numbers::without_notes) != Some(numbers::without_notes(since))
            {
                return Ok(());
            }
            if self.persist(since, settle).await? {
                return Ok(());
            }
        }
    }

    /// Waits until DirSync would name something. Active Directory says when anything happens at all, also what DirSync does not
    /// name, such as a sign-in: so it is asked each time, and now and then besides, for what happened while nobody listened.
    async fn wait_for_notification(&mut self, since: &Mark, settle: Settle) -> Result<(), DirectoryError> {
        let notifies = self.root().controls.contains(NOTIFICATION_OID);
        let controls = [Control { oid: NOTIFICATION_OID, value: None }];
        loop {
            match (self.stands_still(since).await?, self.tree()) {
                (Some(true), Some(tree)) => {
                    let woken = if notifies {
                        self.listen(&tree, &controls, settle, POLL_EVERY).await?
                    } else {
                        Woken::NotHere
                    };
                    if matches!(woken, Woken::NotHere) {
                        sleep(POLL_EVERY).await;
                    }
                }
                // Removals are found by comparing ids alone.
                (Some(false), _) => {
                    sleep(POLL_EVERY).await;
                    return Ok(());
                }
                (None, _) | (_, None) => return Ok(()),
            }
        }
    }

    /// Listens (RFC 4533 section 3.4) until something changed, or nothing was heard for a while.
    async fn persist(&mut self, since: &Mark, settle: Settle) -> Result<bool, DirectoryError> {
        // A mark that cannot be gone on from is for the feed to refuse.
        let Some(cookie) = csn::cookie_of_place(since) else { return Ok(true) };
        let base_dn = self.config.base_dn.to_string();
        let tree = self.root().naming_context_of(&self.config.base_dn).map(str::to_owned);
        for base in tree.into_iter().chain([base_dn.clone()]) {
            let controls =
                [sync::request_and_persist(&cookie), Control { oid: MANAGE_DSA_IT_OID, value: None }];
            match self.listen(&base, &controls, settle, HEARTBEAT).await? {
                Woken::Silent => return Ok(false),
                Woken::NotHere if base != base_dn => {}
                // Where there is nothing to listen to, whoever reads says why.
                Woken::Changed | Woken::NotHere => return Ok(true),
            }
        }
        unreachable!("the base DN comes last, and its search returns")
    }

    /// Listens to what these controls ask for, until something changed or nothing was heard for as long as `patience`.
    async fn listen(
        &mut self,
        base: &str,
        controls: &[Control],
        settle: Settle,
        patience: Duration,
    ) -> Result<Woken, DirectoryError> {
        let filter = Filter::present("objectClass");
        let attributes = ["1.1".to_owned()];
        let request =
            SearchRequest { base, scope: Scope::Sub, filter: &filter, attributes: &attributes, page: None };
        let progress = Progress { what: WHAT, entries: 0, page: 1 };
        let mut search = self
            .wire
            .search_with(&request, controls, patience)
            .await
            .map_err(|error| error.during(progress, patience))?;
        let mut first: Option<Instant> = None;
        loop {
            let heard = match first {
                None => Some(search.next_message().await),
                Some(first) => {
                    let left = settle.at_most.saturating_sub(first.elapsed()).min(settle.quiet);
                    timeout(left, search.next_message()).await.ok()
                }
            };
            match heard {
                // Quiet, or long enough.
                None => break,
                Some(Err(WireError::Silent)) => {
                    search.abandon().await;
                    return Ok(Woken::Silent);
                }
                Some(Err(error)) => return Err(error.during(progress, patience)),
                Some(Ok(Message { response: Response::Result(outcome), .. })) => {
                    return Ok(match outcome.code {
                        code::NO_SUCH_OBJECT
                        | code::INSUFFICIENT_ACCESS
                        | code::UNAVAILABLE_CRITICAL_EXTENSION
                        | code::UNWILLING_TO_PERFORM => Woken::NotHere,
                        // It does not listen any more: whoever reads will hear why.
                        _ => Woken::Changed,
                    });
                }
                Some(Ok(message)) if tells_of_a_change(&message) => {
                    first.get_or_insert_with(Instant::now);
                }
                Some(Ok(_)) => {}
            }
        }
        search.abandon().await;
        Ok(Woken::Changed)
    }
}

/// Whether a message names an object, rather than a phase or a place.
fn tells_of_a_change(message: &Message) -> bool {
    match &message.response {
        Response::Entry(_) | Response::Reference(_) => true,
        Response::Intermediate { oid, value } => {
            // What cannot be understood is for the feed to complain of.
            oid != INFO_OID.as_bytes()
                || !matches!(
                    sync::info(value),
                    Ok(Info::NewCookie | Info::RefreshDelete | Info::RefreshPresent)
                )
        }
        Response::Result(_) | Response::Other => false,
    }
}
