//! What the log says of searches: what was asked, how much came, how long it took and how it ended.
//!
//! Names of attributes are told, values never; look-ups by id tell how many ids they ask for instead of which.

use std::fmt::Display;

use tokio::time::Instant;

use super::request::SearchRequest;

/// A search under way. Its pages are told at level trace, its end at level debug.
#[derive(Debug)]
pub(super) struct SearchLog<'a> {
    request: SearchRequest<'a>,
    started: Instant,
    page_started: Instant,
}

impl<'a> SearchLog<'a> {
    /// The search begins, or the first page of it.
    pub(super) fn begin(request: SearchRequest<'a>) -> Self {
        let now = Instant::now();
        Self { request, started: now, page_started: now }
    }

    /// A page came to its end; the next one begins.
    pub(super) fn page_ended(&mut self, page: u32, entries: u64, code: u32) {
        let ms = since(self.page_started);
        tracing::trace!(base = self.request.base, page, entries, ms, code, "read a page of the directory");
        self.page_started = Instant::now();
    }

    /// The search came to its end; `code` is `None` where the directory did not say how it ended.
    pub(super) fn ended(&self, pages: u32, entries: u64, code: Option<u32>) {
        self.tell(self.request.filter, pages, entries, code);
    }

    /// As [`Self::ended`], for a filter that holds values: `filter` says in words what it asks for.
    pub(super) fn ended_by(&self, filter: &dyn Display, entries: u64, code: Option<u32>) {
        self.tell(filter, 1, entries, code);
    }

    fn tell(&self, filter: &dyn Display, pages: u32, entries: u64, code: Option<u32>) {
        let SearchRequest { base, scope, attributes, .. } = self.request;
        let ms = since(self.started);
        tracing::debug!(
            base,
            scope = scope.as_str(),
            %filter,
            attributes = attributes.join(" "),
            pages,
            entries,
            ms,
            code,
            "searched the directory"
        );
    }
}

/// Milliseconds.
fn since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
