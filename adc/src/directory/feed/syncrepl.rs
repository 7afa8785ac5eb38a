//! OpenLDAP's change feed: content synchronization (RFC 4533), in its mode of refreshing only.
//!
//! One search of everything below the root of the tree, which names every object that changed and shows nothing of it. slapd
//! keeps the last removals in a log, if it has one, and loses it when it ends; without, it names what is still there.

use std::collections::BTreeSet;

use adc_core::filter::Filter;
use adc_core::protocol::Mark;

use super::content::Content;
use super::started::is_start;
use super::sync::{self, DONE_OID, INFO_OID, STATE_OID};
use super::{Lost, Touched, csn};
use crate::config::Scope;
use crate::directory::ber::Malformed;
use crate::directory::error::{DirectoryError, Failure, Progress};
use crate::directory::log::SearchLog;
use crate::directory::outcome::{Outcome, code};
use crate::directory::request::{Control, MANAGE_DSA_IT_OID, SearchRequest};
use crate::directory::response::{Message, Response, control};
use crate::directory::session::Directory;

/// What is read, for messages.
const WHAT: &str = "changes";
/// Asked for alone, no attributes are returned (RFC 4511 section 4.5.1.8).
const NO_ATTRIBUTES: &str = "1.1";

impl Directory {
    /// Asks what changed since a mark.
    pub(super) async fn refresh(&mut self, since: &Mark) -> Result<Result<Touched, Lost>, DirectoryError> {
        let Some(cookie) = csn::cookie(since) else { return Ok(Err(Lost::MarkNotUnderstood)) };
        let Some(started) = self.started().await? else { return Ok(Err(Lost::NotAllowed)) };
        match since.values.iter().find(|value| is_start(value)) {
            None => return Ok(Err(Lost::MarkNotUnderstood)),
            Some(before) if *before != started => return Ok(Err(Lost::Restarted)),
            Some(_) => {}
        }
        let base_dn = self.config.base_dn.to_string();
        match self.is_found_by_number(&base_dn).await? {
            Some(true) => {}
            Some(false) => return Ok(Err(Lost::NotAllowed)),
            None => return Ok(Err(Lost::NotOffered)),
        }
        let tree = self.root().naming_context_of(&self.config.base_dn).map(str::to_owned);
        // The whole tree where it may be searched: what moved out of the base DN can be said to be elsewhere then.
        for base in tree.into_iter().chain([base_dn.clone()]) {
            let end = match self.refresh_below(&base, &cookie).await? {
                Answer::Ended(end) => end,
                Answer::TooMuch => return Ok(Err(Lost::TooMuch)),
                Answer::Unmarked => {
                    self.serves_syncrepl = Some(false);
                    return Ok(Err(Lost::NotOffered));
                }
            };
            let progress = Progress { what: WHAT, entries: end.content.named(), page: 1 };
            match (end.outcome.code, end.named_removals) {
                (code::SUCCESS, Some(named_removals)) => {
                    self.accept_references(progress, &base, &end.references).await?;
                    return Ok(end.content.end(named_removals, end.outcome.code));
                }
                (code::SUCCESS, None) => return Err(odd("ended without saying what its answer means")),
                (code::NO_SUCH_OBJECT | code::INSUFFICIENT_ACCESS, _) if base != base_dn => {}
                (code, _) => {
                    return match lost(code) {
                        Some(lost) => {
                            tracing::info!(base, outcome = %end.outcome, "the change feed cannot go on: {lost}");
                            Ok(Err(lost))
                        }
                        None => Err(self.failed(progress, &base, &end.outcome)),
                    };
                }
            }
        }
        unreachable!("the base DN comes last, and its search returns")
    }

    /// Whether the database that is read is served, all of it, which its mark and an answer show: the module may be loaded for others,
    /// and a subordinate database below may not be.
    pub(super) async fn is_served_by_syncrepl(&mut self) -> Result<bool, DirectoryError> {
        let mark = self.mark().await?;
        let Some(cookie) = mark.as_ref().and_then(csn::cookie) else { return Ok(false) };
        let base_dn = self.config.base_dn.to_string();
        let tree = self.root().naming_context_of(&self.config.base_dn).map(str::to_owned);
        for base in tree.into_iter().chain([base_dn.clone()]) {
            match self.refresh_below(&base, &cookie).await? {
                Answer::Unmarked => return Ok(false),
                Answer::TooMuch => return Ok(true),
                Answer::Ended(end) => match end.outcome.code {
                    code::NO_SUCH_OBJECT | code::INSUFFICIENT_ACCESS if base != base_dn => {}
                    // Any other refusal is of the question, not of the feed.
                    code => return Ok(code != code::UNAVAILABLE_CRITICAL_EXTENSION),
                },
            }
        }
        unreachable!("the base DN comes last, and its search returns")
    }

    /// One search to its end, or as far as it is of use.
    async fn refresh_below(&mut self, base: &str, cookie: &[u8]) -> Result<Answer, DirectoryError> {
        let limit = self.config.search_timeout;
        let filter = Filter::present("objectClass");
        let attributes = [NO_ATTRIBUTES.to_owned()];
        let request =
            SearchRequest { base, scope: Scope::Sub, filter: &filter, attributes: &attributes, page: None };
        // An object that refers elsewhere is named like any other. Whether it matters is for who reads it to say: the tree is
        // wider than what is read.
        let controls = [sync::request(cookie), Control { oid: MANAGE_DSA_IT_OID, value: None }];
        let mut content = Content::default();
        let mut references = BTreeSet::new();
        let progress = |content: &Content| Progress { what: WHAT, entries: content.named(), page: 1 };
        let log = SearchLog::begin(request);
        let mut search = self
            .wire
            .search_with(&request, &controls, limit)
            .await
            .map_err(|error| error.during(progress(&content), limit))?;
        loop {
            let message =
                search.next_message().await.map_err(|error| error.during(progress(&content), limit))?;
            let end = take(&mut content, &mut references, message)
                .map_err(|Malformed| odd("sent what is not content synchronization (RFC 4533)"))?;
            if let Some((outcome, named_removals)) = end {
                log.ended(1, content.named(), Some(outcome.code));
                return Ok(Answer::Ended(End { content, references, outcome, named_removals }));
            }
            let useless = match () {
                () if content.is_unmarked() => Answer::Unmarked,
                () if content.is_too_much() => Answer::TooMuch,
                () => continue,
            };
            search.abandon().await;
            log.ended(1, content.named(), None);
            return Ok(useless);
        }
    }
}

/// What a search of the feed came to.
enum Answer {
    Ended(End),
    /// It named so much that the rest was not waited for.
    TooMuch,
    /// It showed an entry as any search does, without saying what became of it: part of the tree lies in a database that
    /// the overlay does not watch.
    Unmarked,
}

/// How a search of the feed ended.
struct End {
    content: Content,
    references: BTreeSet<String>,
    outcome: Outcome,
    /// What the server says its answer means, if it says so.
    named_removals: Option<bool>,
}

/// Adds a message to what was said so far. The last one gives the result, and whether removals were named.
fn take(
    content: &mut Content,
    references: &mut BTreeSet<String>,
    message: Message,
) -> Result<Option<(Outcome, Option<bool>)>, Malformed> {
    let Message { response, controls, .. } = message;
    match response {
        Response::Entry(_) => match control(&controls, STATE_OID)? {
            Some(value) => {
                let (state, uuid) = sync::state(value)?;
                content.note(state, uuid);
            }
            None => content.note_unmarked(),
        },
        Response::Reference(urls) => {
            references.extend(urls);
            if let Some(value) = control(&controls, STATE_OID)? {
                let (state, uuid) = sync::state(value)?;
                content.note(state, uuid);
            }
        }
        Response::Intermediate { oid, value } if oid == INFO_OID.as_bytes() => {
            content.inform(sync::info(&value)?);
        }
        Response::Intermediate { .. } | Response::Other => {}
        Response::Result(outcome) => {
            let named_removals = control(&controls, DONE_OID)?.map(sync::done).transpose()?;
            return Ok(Some((outcome, named_removals)));
        }
    }
    Ok(None)
}

/// What a result code means for the place in the feed, if it is about that.
fn lost(result_code: u32) -> Option<Lost> {
    match result_code {
        code::SYNC_REFRESH_REQUIRED => Some(Lost::RefreshRequired),
        code::PROTOCOL_ERROR | code::UNWILLING_TO_PERFORM => Some(Lost::MarkNotUnderstood),
        code::TIME_LIMIT_EXCEEDED | code::SIZE_LIMIT_EXCEEDED | code::ADMIN_LIMIT_EXCEEDED => {
            Some(Lost::Limit)
        }
        code::UNAVAILABLE_CRITICAL_EXTENSION => Some(Lost::NotOffered),
        _ => None,
    }
}

fn odd(what: &str) -> DirectoryError {
    DirectoryError::new(
        Failure::Protocol,
        format!(
            "the directory {what} while it was asked for changes; nothing is concluded from that: ask who runs it"
        ),
    )
}

#[cfg(test)]
mod tests;
