//! What clients did: counters and a log, so that a test can prove that an agent only ever binds and searches.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::ResultCode;

/// What has happened so far, over all connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Connections that were accepted.
    pub connections: usize,
    /// Bind requests, refused ones included.
    pub binds: usize,
    /// Searches, however many pages each took; those for the rootDSE included.
    pub searches: usize,
    /// Search requests: every page counts.
    pub pages: usize,
    /// Entries that were sent.
    pub entries: usize,
    /// The operations in the order they came; the oldest are forgotten after [`LOG_LENGTH`].
    pub log: VecDeque<Operation>,
}

/// An operation that a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// A bind with its name and what it was answered; a password is never kept.
    Bind {
        /// As the client wrote it; empty for an anonymous bind.
        dn: String,
        /// What the server answered; nothing when it was told to stall.
        answer: Option<ResultCode>,
    },
    /// A search request, or one page of it.
    Search {
        /// The base as the client wrote it.
        base: String,
        /// The filter as text (RFC 4515).
        filter: String,
        /// The attributes as asked for.
        attributes: Vec<String>,
        /// The page's number; 1 without paging.
        page: usize,
    },
    /// An extended request by its OID: StartTLS, "Who am I?", …
    Extended(String),
    /// The client gave up an operation.
    Abandon,
    /// The client said goodbye.
    Unbind,
    /// An add, modify, delete, rename or compare; always refused. An agent that causes one is broken.
    Refused(&'static str),
}

impl Operation {
    /// Whether the operation would have changed the directory.
    pub fn is_write(&self) -> bool {
        matches!(self, Operation::Refused(name) if *name != "compare")
    }
}

/// How many operations the log keeps; a demo may run for weeks.
pub const LOG_LENGTH: usize = 10_000;

/// The journal as the server writes it and tests wait for it.
#[derive(Debug)]
pub(crate) struct Recorder {
    journal: Mutex<Journal>,
    changed: watch::Sender<()>,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder { journal: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// A copy of the journal as it is now.
    pub(crate) fn snapshot(&self) -> Journal {
        self.with(|journal| journal.clone())
    }

    /// Waits until the journal satisfies a condition; at once if it does already.
    pub(crate) async fn until(&self, condition: impl Fn(&Journal) -> bool) {
        let mut changes = self.changed.subscribe();
        while !self.with(|journal| condition(journal)) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    pub(crate) fn log(&self, operation: Operation) {
        self.record(|journal| {
            match &operation {
                Operation::Bind { .. } => journal.binds += 1,
                Operation::Search { page, .. } => {
                    journal.pages += 1;
                    journal.searches += usize::from(*page == 1);
                }
                _ => {}
            }
            if journal.log.len() == LOG_LENGTH {
                journal.log.pop_front();
            }
            journal.log.push_back(operation);
        });
    }

    pub(crate) fn record(&self, change: impl FnOnce(&mut Journal)) {
        self.with(change);
        self.changed.send_replace(());
    }

    fn with<T>(&self, read: impl FnOnce(&mut Journal) -> T) -> T {
        read(&mut self.journal.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
