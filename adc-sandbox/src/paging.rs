//! Paged results (RFC 2696): cookies that are worth something only on the connection that got them.

use std::collections::BTreeMap;

use crate::directory::EntryId;
use crate::wire::Search;

/// The paged searches that are open on one connection.
#[derive(Debug, Default)]
pub(crate) struct Paging {
    open: BTreeMap<Vec<u8>, OpenPage>,
    issued: u64,
}

/// Where an open paged search stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenPage {
    /// The request that started it; every page repeats it.
    pub(crate) search: Search,
    /// The last entry that was sent.
    pub(crate) after: EntryId,
    /// The number of the page to come; the first page was 1.
    pub(crate) number: usize,
}

/// How many paged searches a connection may keep open; the oldest is forgotten first.
const MAX_OPEN: usize = 16;

impl Paging {
    /// Takes the search behind a cookie, if this connection issued it and the request is the same one.
    pub(crate) fn resume(&mut self, cookie: &[u8], search: &Search) -> Option<OpenPage> {
        self.open.remove(cookie).filter(|page| page.search == *search)
    }

    /// Keeps a search open and issues the cookie for its next page.
    pub(crate) fn keep(&mut self, page: OpenPage) -> Vec<u8> {
        if self.open.len() == MAX_OPEN {
            self.open.pop_first();
        }
        self.issued += 1;
        let cookie = self.issued.to_be_bytes().to_vec();
        self.open.insert(cookie.clone(), page);
        cookie
    }

    /// Forgets everything, as after another bind.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }
}
