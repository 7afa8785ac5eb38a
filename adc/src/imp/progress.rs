//! Where a run stands, for whoever shows it: a bar on a terminal, a line in a log, a page.

use std::sync::atomic::{AtomicU64, Ordering};

use adc_core::record::Kind;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Reaching the directory and the control plane.
    #[default]
    Connecting,
    /// Another run of the synchronization holds the place.
    Waiting {
        /// When this one gives up waiting.
        until: Instant,
    },
    /// Reading objects of a kind, and sending what the control plane lacks.
    Reading(Kind),
    /// The control plane computes the plan, and applies it.
    Planning,
    /// Looking up objects that were not seen.
    LookingUp,
    /// Nothing more.
    Ended,
}

/// Counters of a run that anybody may read at any time.
#[derive(Debug, Default)]
pub struct Progress {
    people: AtomicU64,
    groups: AtomicU64,
    org_units: AtomicU64,
    sent: AtomicU64,
    phase: watch::Sender<Phase>,
}

impl Progress {
    /// How many objects of a kind were read so far.
    pub fn read(&self, kind: Kind) -> u64 {
        self.counter(kind).load(Ordering::Relaxed)
    }

    /// How many records were sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// What the run is doing now.
    pub fn now(&self) -> Phase {
        *self.phase.borrow()
    }

    /// The phase, and every change of it.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    pub(super) fn add_read(&self, kind: Kind, count: u64) {
        self.counter(kind).fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn add_sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    fn counter(&self, kind: Kind) -> &AtomicU64 {
        match kind {
            Kind::User => &self.people,
            Kind::Group => &self.groups,
            Kind::OrgUnit => &self.org_units,
        }
    }
}
