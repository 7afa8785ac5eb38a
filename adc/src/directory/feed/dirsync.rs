//! Active Directory's change feed: DirSync (MS-ADTS 3.1.1.3.4.1.3), polled.
//!
//! A search of everything below the root of the domain, in rounds, that finds the objects of which something that is asked
//! for changed since a place. So it is asked for what is read of objects, and a sign-in that writes `lastLogonTimestamp` is no
//! change.
//!
//! Two things it does not say. Whoever may not read the deleted objects hears of no removal, and whoever looks with
//! their own eyes only, lacking the right to replicate, not of who went out of sight either: then all ids are read besides.

mod control;
mod leavers;
mod named;
mod place;

use std::collections::BTreeSet;

use adc_core::filter::Filter;
use adc_core::protocol::Mark;
use adc_core::source_id::SourceIdError;

use super::{Lost, Touched};
use crate::config::Scope;
use crate::directory::ber::Malformed;
use crate::directory::error::{DirectoryError, Failure, Progress};
use crate::directory::log::SearchLog;
use crate::directory::outcome::{Outcome, code};
use crate::directory::request::{DIRSYNC_OID, SearchRequest};
use crate::directory::response::{Message, Response, control as value_of};
use crate::directory::session::Directory;
use control::{Rights, Round};
use named::{ALWAYS_ASKED_FOR, Named};
use place::Place;

pub(in crate::directory) use place::{DIRSYNC, TIME};

/// By what the feed names objects.
pub(super) const ID: &str = "objectGUID";
/// What is read, for messages.
const WHAT: &str = "changes";
/// Ten million objects in rounds of a thousand; a feed that goes on longer does not end.
const MAX_ROUNDS: usize = 10_000;
/// The GUID of no object.
const NOBODY: [u8; 16] = [0; 16];
/// What everybody shows who may be read at all.
const OBJECT_CLASS: &str = "objectClass";
/// All that is replicated: not the time of a sign-in.
const ALL_ATTRIBUTES: &str = "*";

impl Directory {
    /// Where the feed stands now; `None` where the bind account may not follow it.
    ///
    /// The place after everything, found without being told of it: a search of the whole feed that matches nobody.
    pub(in crate::directory) async fn place_now(&mut self) -> Result<Option<Mark>, DirectoryError> {
        let Some(tree) = self.tree() else { return Ok(None) };
        let filter = Filter::equality(ID, NOBODY);
        let (base, attributes) = (tree.as_str(), [ID.to_owned()]);
        match self.follow(Ask { base, filter: &filter, attributes: &attributes }, Vec::new()).await? {
            Followed::ToTheEnd { cookie, .. } => Ok(Place::of(self.root(), cookie).map(|place| place.mark())),
            Followed::Refused(outcome) => {
                tracing::info!(base, %outcome, "the directory does not let its changes be followed");
                Ok(None)
            }
            Followed::TooMuch => Ok(None),
        }
    }

    /// Asks of which objects something among the attributes changed since a mark.
    pub(super) async fn changes(
        &mut self,
        since: &Mark,
        attributes: &BTreeSet<String>,
    ) -> Result<Result<Touched, Lost>, DirectoryError> {
        if since.kind != DIRSYNC {
            // Whoever may not follow the feed leaves no place in it.
            return Ok(Err(Lost::NotLetIn));
        }
        let Some(since) = Place::read(since) else { return Ok(Err(Lost::MarkNotUnderstood)) };
        let (Some(number), Some(now)) = (place::number(self.root()), place::time(self.root())) else {
            return Ok(Err(Lost::MarkNotUnderstood));
        };
        if number < since.number {
            return Ok(Err(Lost::WentBack));
        }
        if self.has_forgotten(since.time, now).await? {
            return Ok(Err(Lost::Forgotten));
        }
        let Some(tree) = self.tree() else { return Ok(Err(Lost::NotOffered)) };
        let filter = Filter::present(OBJECT_CLASS);
        let always = ALWAYS_ASKED_FOR.map(str::to_owned);
        let attributes: Vec<String> = always.into_iter().chain(attributes.iter().cloned()).collect();
        let ask = Ask { base: &tree, filter: &filter, attributes: &attributes };
        match self.follow(ask, since.cookie).await? {
            Followed::TooMuch => Ok(Err(Lost::TooMuch)),
            Followed::Refused(outcome) => match lost(outcome.code) {
                Some(lost) => {
                    tracing::info!(base = tree, %outcome, "the change feed cannot go on: {lost}");
                    Ok(Err(lost))
                }
                None => Err(self.failed(Progress { what: WHAT, entries: 0, page: 1 }, &tree, &outcome)),
            },
            Followed::ToTheEnd { named: Named { nameless: Some(dn), .. }, .. } => {
                tracing::warn!(
                    "{dn} was changed and shows the bind account no {ID}; let it read {ID} of everything"
                );
                Ok(Err(Lost::Nameless))
            }
            Followed::ToTheEnd { rights, named, cookie, mut result_codes } => {
                let mark = Place::of(self.root(), cookie).map(|place| place.mark());
                let tells_all = rights == Rights::Replication && self.sees_removals(&tree).await?;
                let mut present = if tells_all { None } else { Some(self.all_ids(&mut result_codes).await?) };
                let Named { changed, removed, tombstones, nameless: _ } = named;
                if let Some(present) = &mut present {
                    // Whoever was touched is read again: they may be there, and out of the filter's sight.
                    for id in &changed {
                        present.leave_out(id);
                    }
                }
                Ok(Ok(Touched {
                    changed,
                    removed,
                    tombstones,
                    present,
                    result_codes,
                    mark,
                    ..Touched::default()
                }))
            }
        }
    }

    /// Which rights the bind account lacks to be told all that changes; with neither ids are compared.
    ///
    /// # Errors
    /// The questions were not answered.
    pub async fn missing_rights(&mut self) -> Result<BTreeSet<MissingRight>, DirectoryError> {
        let Some(tree) = self.tree() else { return Ok(BTreeSet::new()) };
        let mut missing = BTreeSet::new();
        let filter = Filter::equality(ID, NOBODY);
        let ask = Ask { base: &tree, filter: &filter, attributes: &[ID.to_owned()] };
        if !matches!(self.follow_with(Rights::Replication, ask, Vec::new()).await?, Followed::ToTheEnd { .. })
        {
            missing.insert(MissingRight::Replicate);
        }
        if !self.sees_removals(&tree).await? {
            missing.insert(MissingRight::SeeDeleted);
        }
        Ok(missing)
    }

    /// Whether nothing was named since a mark, whatever it is that changed; and then whether the feed would name all.
    pub(super) async fn stands_still(&mut self, since: &Mark) -> Result<Option<bool>, DirectoryError> {
        let (Some(since), Some(tree)) = (Place::read(since), self.tree()) else { return Ok(None) };
        let filter = Filter::present(OBJECT_CLASS);
        let attributes = [ALL_ATTRIBUTES.to_owned()];
        let ask = Ask { base: &tree, filter: &filter, attributes: &attributes };
        match self.follow(ask, since.cookie).await? {
            Followed::ToTheEnd { rights, named, .. } if named.len() == 0 => {
                Ok(Some(rights == Rights::Replication && self.sees_removals(&tree).await?))
            }
            // Whoever reads hears why.
            Followed::ToTheEnd { .. } | Followed::Refused(_) | Followed::TooMuch => Ok(None),
        }
    }

    /// The root of the domain: nowhere else does the feed begin.
    pub(crate) fn tree(&self) -> Option<String> {
        self.root().naming_context_of(&self.config.base_dn).map(str::to_owned)
    }

    /// Follows the feed from a cookie to its end, with the best rights that the bind account has.
    async fn follow(&mut self, ask: Ask<'_>, cookie: Vec<u8>) -> Result<Followed, DirectoryError> {
        let mut refused = Outcome::default();
        for rights in Rights::ALL {
            match self.follow_with(rights, ask, cookie.clone()).await? {
                Followed::Refused(outcome)
                    if matches!(outcome.code, code::INSUFFICIENT_ACCESS | code::UNWILLING_TO_PERFORM) =>
                {
                    refused = outcome;
                }
                followed => return Ok(followed),
            }
        }
        Ok(Followed::Refused(refused))
    }

    async fn follow_with(
        &mut self,
        rights: Rights,
        ask: Ask<'_>,
        mut cookie: Vec<u8>,
    ) -> Result<Followed, DirectoryError> {
        let mut named = Named::default();
        let mut result_codes = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let Some(end) = self.follow_once(rights, ask, &cookie, &mut named).await? else {
                return Ok(Followed::TooMuch);
            };
            if end.outcome.code != code::SUCCESS {
                return Ok(Followed::Refused(end.outcome));
            }
            result_codes.push(end.outcome.code);
            let progress = Progress { what: WHAT, entries: named.len() as u64, page: 1 };
            self.accept_references(progress, ask.base, &end.references).await?;
            let Round { more, cookie: next } =
                end.round.ok_or_else(|| odd("does not say where it stands"))?;
            if !more {
                return Ok(Followed::ToTheEnd { rights, named, cookie: next, result_codes });
            }
            if next == cookie {
                return Err(odd("says that there is more, and does not get on"));
            }
            cookie = next;
        }
        Err(odd("does not come to an end"))
    }

    /// One round; `None` if so much was named by then that the rest was not waited for.
    async fn follow_once(
        &mut self,
        rights: Rights,
        ask: Ask<'_>,
        cookie: &[u8],
        named: &mut Named,
    ) -> Result<Option<EndOfRound>, DirectoryError> {
        let limit = self.config.search_timeout;
        let Ask { base, filter, attributes } = ask;
        let request = SearchRequest { base, scope: Scope::Sub, filter, attributes, page: None };
        let controls = [control::request(rights, cookie)];
        let mut references = BTreeSet::new();
        let progress = |named: &Named| Progress { what: WHAT, entries: named.len() as u64, page: 1 };
        let log = SearchLog::begin(request);
        let mut search = self
            .wire
            .search_with(&request, &controls, limit)
            .await
            .map_err(|error| error.during(progress(named), limit))?;
        loop {
            let message =
                search.next_message().await.map_err(|error| error.during(progress(named), limit))?;
            let Message { response, controls, .. } = message;
            match response {
                Response::Entry(entry) => {
                    named.note(&entry.decode_partial()?).map_err(|error| nameless(&error))?;
                }
                Response::Reference(urls) => references.extend(urls),
                Response::Intermediate { .. } | Response::Other => {}
                Response::Result(outcome) => {
                    log.ended(1, named.len() as u64, Some(outcome.code));
                    let value = value_of(&controls, DIRSYNC_OID);
                    let round = value.and_then(|value| value.map(control::round).transpose());
                    let round = round.map_err(|Malformed| odd("sent a control that is none of DirSync"))?;
                    return Ok(Some(EndOfRound { outcome, references, round }));
                }
            }
            if named.is_too_much() {
                search.abandon().await;
                log.ended(1, named.len() as u64, None);
                return Ok(None);
            }
        }
    }
}

/// A right without which Active Directory does not tell all that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingRight {
    /// Replicating Directory Changes: who went out of sight is not named.
    Replicate,
    /// To list and read the deleted objects: who was removed is not named.
    SeeDeleted,
}

/// What the feed is asked for.
#[derive(Clone, Copy)]
struct Ask<'a> {
    base: &'a str,
    filter: &'a Filter,
    attributes: &'a [String],
}

/// How far the feed was followed.
enum Followed {
    /// To its end.
    ToTheEnd { rights: Rights, named: Named, cookie: Vec<u8>, result_codes: Vec<u32> },
    /// The server said no.
    Refused(Outcome),
    /// Until it was too much.
    TooMuch,
}

/// How a round ended.
struct EndOfRound {
    outcome: Outcome,
    references: BTreeSet<String>,
    round: Option<Round>,
}

/// What a result code means for the place in the feed, if it is about that.
fn lost(result_code: u32) -> Option<Lost> {
    match result_code {
        code::PROTOCOL_ERROR | code::UNAVAILABLE_CRITICAL_EXTENSION | code::UNWILLING_TO_PERFORM => {
            Some(Lost::MarkNotUnderstood)
        }
        code::TIME_LIMIT_EXCEEDED | code::SIZE_LIMIT_EXCEEDED | code::ADMIN_LIMIT_EXCEEDED => {
            Some(Lost::Limit)
        }
        code::INSUFFICIENT_ACCESS | code::NO_SUCH_OBJECT => Some(Lost::NotLetIn),
        _ => None,
    }
}

fn nameless(error: &SourceIdError) -> DirectoryError {
    odd(&format!("named somebody ({error})"))
}

fn odd(what: &str) -> DirectoryError {
    DirectoryError::new(
        Failure::Protocol,
        format!(
            "the directory {what} while it was asked for changes; nothing is concluded from that: ask who runs it"
        ),
    )
}
