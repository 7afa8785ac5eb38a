//! Reading all that a search finds, page by page, and proving that it was all.

use std::collections::BTreeSet;
use std::time::Duration;

use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::mapping::Sid;
use adc_core::protocol::SearchReceipt;
use adc_core::record::Kind;
use tokio::sync::mpsc;

use super::error::{DirectoryError, Failure, Progress};
use super::log::SearchLog;
use super::outcome::code;
use super::parts::{Whole, is_part};
use super::request::{Part, SearchRequest};
use super::response::RawEntry;
use super::session::Directory;
use super::unlisted::Unlisted;
use super::wire::Answer;
use crate::config::Scope;

/// Entries handed on at once: enough that handing on costs nothing, few enough that memory stays small.
const CHUNK_ENTRIES: usize = 250;
/// Bytes of entries handed on at once: more than [`CHUNK_ENTRIES`] people have, less than a big group, which goes alone.
const CHUNK_BYTES: usize = 512 << 10;
/// A server that needs longer than this for the next entry is slow: what came is handed on meanwhile.
const HAND_ON_AFTER: Duration = Duration::from_millis(100);
/// A server may send an empty page now and then (RFC 2696 section 3), but one that sends nothing else never ends.
const MAX_EMPTY_PAGES: u32 = 1_000;

/// What to do about a server that does not page as it should.
const ASK: &str = "ask who runs it";
/// The same where it may have no more than that.
const ASK_OR_RESIZE: &str = "ask who runs it, or what lies between, why the control of paged results is missing; if there is no more, give backend.ldap.sync.page_size another value";

/// By which a group is known to have members whom it does not list.
const OBJECT_SID: &str = "objectSid";

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What the entries are.
    pub kind: Kind,
    /// Where to start.
    pub base: String,
    /// How deep to go.
    pub scope: Scope,
    /// Which entries (RFC 4515).
    pub filter: Filter,
    /// Which of their attributes.
    pub attributes: Vec<String>,
    /// How groups get the members that they do not list; `None` where there are none.
    pub unlisted: Option<Unlisted>,
}

impl Query {
    /// The attributes that decide what is read, or are read.
    pub fn decisive(&self) -> BTreeSet<String> {
        self.filter.attributes().into_iter().chain(self.attributes.iter().cloned()).collect()
    }

    /// What is read, for messages.
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::User => "people",
            Kind::Group => "groups",
            Kind::OrgUnit => "org units",
        }
    }

    /// Whether an entry has more than it shows: a list of which it shows a part, members whom it does not list.
    fn has_more(&self, entry: &RawEntry) -> bool {
        entry.has(|name, first| {
            is_part(name)
                || self.unlisted.as_ref().is_some_and(|unlisted| {
                    name.eq_ignore_ascii_case(OBJECT_SID)
                        && Sid::from_octets(first).is_some_and(|sid| unlisted.may_have(&sid))
                })
        })
    }

    /// The search for all of it, not in pages.
    fn request(&self) -> SearchRequest<'_> {
        SearchRequest {
            base: &self.base,
            scope: self.scope,
            filter: &self.filter,
            attributes: &self.attributes,
            page: None,
        }
    }
}

impl Directory {
    /// Streams everything a query finds into `into`, in chunks and as it came, and returns the proof that it was everything.
    ///
    /// One search per page: a page's cookie counts only after that page's own result came with code 0. `None` means
    /// that nobody listens any more.
    ///
    /// # Errors
    /// Anything that makes the read incomplete: a lost connection, a limit, a referral, a result code.
    pub async fn read(
        &mut self,
        query: &Query,
        into: &mpsc::Sender<Vec<RawEntry>>,
    ) -> Result<Option<SearchReceipt>, DirectoryError> {
        let mut reading = Reading::new(query);
        let receipt = self.read_pages(&mut reading, into).await;
        // A page that broke off has no code of its own.
        let code = reading.result_codes.get(reading.page as usize - 1).copied();
        reading.log.ended(reading.page, reading.entries, code);
        receipt
    }

    async fn read_pages(
        &mut self,
        reading: &mut Reading<'_>,
        into: &mpsc::Sender<Vec<RawEntry>>,
    ) -> Result<Option<SearchReceipt>, DirectoryError> {
        // A server without paged results sends everything at once; its own limits decide how much that may be.
        let mut cookie = self.first_page().await?;
        loop {
            let page = cookie.as_deref().map(|cookie| Part::Page(self.config.page_size, cookie));
            let Some(next) = self.read_page(reading, page, into).await? else { return Ok(None) };
            if next.is_empty() {
                break;
            }
            cookie = Some(next);
            reading.page += 1;
        }
        if !reading.hand_on(into).await {
            return Ok(None);
        }
        Ok(Some(SearchReceipt {
            kind: reading.query.kind,
            result_codes: reading.result_codes.clone(),
            entries: reading.entries,
            complete: true,
        }))
    }

    /// Reads one page and returns the cookie of the next one: empty after the last.
    async fn read_page(
        &mut self,
        reading: &mut Reading<'_>,
        page: Option<Part<'_>>,
        into: &mpsc::Sender<Vec<RawEntry>>,
    ) -> Result<Option<Vec<u8>>, DirectoryError> {
        let query = reading.query;
        let limit = self.config.search_timeout;
        let request = SearchRequest { page, ..query.request() };
        let before = reading.entries;
        let mut references = BTreeSet::new();
        let in_parts = self.root().active_directory;
        let controls = self.by_guid();
        let mut search = self
            .wire
            .search_with(&request, controls, limit)
            .await
            .map_err(|error| error.during(reading.progress(), limit))?;
        loop {
            let next = if reading.chunk.is_empty() {
                search.next().await.map(Some)
            } else {
                search.next_within(HAND_ON_AFTER).await
            };
            let Some(answer) = next.map_err(|error| error.during(reading.progress(), limit))? else {
                if reading.hand_on(into).await {
                    continue;
                }
                search.abandon().await;
                return Ok(None);
            };
            match answer {
                Answer::Entry(entry) => {
                    reading.take(entry, in_parts);
                    if reading.is_full() && !reading.hand_on(into).await {
                        search.abandon().await;
                        return Ok(None);
                    }
                }
                Answer::Reference(urls) => references.extend(urls),
                Answer::Done(outcome, cookie) => {
                    reading.page_ended(outcome.code, before);
                    if outcome.code != code::SUCCESS {
                        return Err(DirectoryError::search(
                            reading.progress(),
                            &query.base,
                            &self.config,
                            &outcome,
                        ));
                    }
                    if cookie.as_ref().is_none_or(Vec::is_empty) {
                        self.last_page_ended(reading.entries - before);
                    }
                    self.accept_references(reading.progress(), &query.base, &references).await?;
                    if !self.complete(reading, into).await? {
                        return Ok(None);
                    }
                    let page =
                        Page { size: page.map(|_| self.config.page_size), entries: reading.entries - before };
                    return reading.next_cookie(cookie, page).map(Some);
                }
            }
        }
    }
}

impl Directory {
    /// Hands on the entries of a page that had more than they showed, whole; the connection is free between two pages.
    /// `false` means that nobody listens any more.
    async fn complete(
        &mut self,
        reading: &mut Reading<'_>,
        into: &mpsc::Sender<Vec<RawEntry>>,
    ) -> Result<bool, DirectoryError> {
        for dn in std::mem::take(&mut reading.apart) {
            let Whole { entry, mut members } = self.whole(reading.query, &dn).await?;
            if let Some(unlisted) = &reading.query.unlisted {
                members.extend(self.unlisted(unlisted, &entry).await?);
            }
            reading.keep(RawEntry::put_together(entry, members));
            if reading.is_full() && !reading.hand_on(into).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same for one entry that a look-up found.
    pub(super) async fn completed(&mut self, query: &Query, entry: Entry) -> Result<Entry, DirectoryError> {
        let in_parts = entry.attributes().iter().any(|attribute| is_part(&attribute.name));
        let Whole { entry, mut members } = if in_parts {
            self.whole(query, entry.dn()).await?
        } else {
            Whole { entry, members: Vec::new() }
        };
        if let Some(unlisted) = &query.unlisted {
            members.extend(self.unlisted(unlisted, &entry).await?);
        }
        RawEntry::put_together(entry, members).decode()
    }
}

/// A page that came to its end.
struct Page {
    /// How many entries were asked for; `None` asked for all.
    size: Option<u32>,
    /// How many came.
    entries: u64,
}

/// A read under way.
struct Reading<'q> {
    query: &'q Query,
    chunk: Vec<RawEntry>,
    chunk_bytes: usize,
    /// The names of entries of this page that have more than they show.
    apart: Vec<String>,
    entries: u64,
    page: u32,
    empty_pages: u32,
    result_codes: Vec<u32>,
    log: SearchLog<'q>,
}

impl<'q> Reading<'q> {
    fn new(query: &'q Query) -> Self {
        Self {
            query,
            chunk: Vec::with_capacity(CHUNK_ENTRIES),
            chunk_bytes: 0,
            apart: Vec::new(),
            entries: 0,
            page: 1,
            empty_pages: 0,
            result_codes: Vec::new(),
            log: SearchLog::begin(query.request()),
        }
    }

    fn progress(&self) -> Progress<'static> {
        Progress { what: self.query.what(), entries: self.entries, page: self.page }
    }

    fn page_ended(&mut self, code: u32, entries_before: u64) {
        self.result_codes.push(code);
        self.log.page_ended(self.page, self.entries - entries_before, code);
    }

    /// `in_parts` says that the server gives long lists in parts.
    fn take(&mut self, entry: RawEntry, in_parts: bool) {
        self.entries += 1;
        if in_parts
            && self.query.has_more(&entry)
            && let Some(dn) = entry.dn()
        {
            self.apart.push(dn.to_owned());
        } else {
            self.keep(entry);
        }
    }

    fn keep(&mut self, entry: RawEntry) {
        self.chunk_bytes += entry.size();
        self.chunk.push(entry);
    }

    fn is_full(&self) -> bool {
        self.chunk.len() >= CHUNK_ENTRIES || self.chunk_bytes >= CHUNK_BYTES
    }

    /// Whether somebody still listens.
    async fn hand_on(&mut self, into: &mpsc::Sender<Vec<RawEntry>>) -> bool {
        if self.chunk.is_empty() {
            return !into.is_closed();
        }
        self.chunk_bytes = 0;
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_ENTRIES));
        into.send(chunk).await.is_ok()
    }

    /// The cookie of the next page: empty when this page was the last.
    fn next_cookie(&mut self, cookie: Option<Vec<u8>>, page: Page) -> Result<Vec<u8>, DirectoryError> {
        let Some(cookie) = cookie else {
            // A server that cannot page, or sends everything although asked for pages, has nothing more. But one that
            // has begun to page says on every page whether there is another: after a full one there may be.
            return if self.page > 1 {
                Err(self.odd("lost its place among the pages", ASK))
            } else if page.size.map(u64::from) == Some(page.entries) {
                Err(self.odd("filled a page and did not say whether another one follows", ASK_OR_RESIZE))
            } else {
                Ok(Vec::new())
            };
        };
        self.empty_pages = if page.entries == 0 { self.empty_pages + 1 } else { 0 };
        if self.empty_pages < MAX_EMPTY_PAGES || cookie.is_empty() {
            Ok(cookie)
        } else {
            Err(self.odd("sends one empty page after the other", ASK))
        }
    }

    fn odd(&self, what: &str, advice: &str) -> DirectoryError {
        let Progress { what: read, entries, page } = self.progress();
        DirectoryError::new(
            Failure::Protocol,
            format!(
                "the directory {what} while reading {read}, after {entries} entries, in page {page}; {advice}"
            ),
        )
    }
}
