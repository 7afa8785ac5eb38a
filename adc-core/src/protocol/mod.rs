//! What agent and control plane say to each other during a run: the bodies of `/api/v1/agent/…`, as JSON.
//!
//! Every request may be sent again after a lost answer and then gets the same answer; that is why runs are named by
//! the agent and batches are numbered.

mod batch;
mod effective;
mod fingerprint;
mod finish;
pub mod link;
mod open;
mod report;
mod touched;

pub use batch::{Accepted, DigestBatch, MembersPart, RecordBatch, Wanted};
pub use effective::{OF_THE_PRESET, in_effect};
pub use fingerprint::Fingerprint;
pub use finish::{
    Abort, Confirm, ContainerLookedUp, Doubt, Doubts, Finish, LookUpOutcome, LookedUp, Next, RUN_LOST,
    ReadCounts, Receipt, SearchReceipt, SentCounts,
};
pub use open::{AgentInfo, FullBecause, Mark, Mode, OpenRun, OpenedRun, Trigger};
pub use report::{Change, Counts, HeldBecause, RunError, RunReport, RunState};
pub use touched::{ChangeFeed, FeedReceipt, Noted, TouchedBatch, TouchedObject, Whereabouts};

use crate::record::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most records or digests in one batch; more is refused as `batch-too-large`.
pub const MAX_BATCH_ITEMS: usize = 5_000;
/// The most bytes of a request's body, unpacked; more is refused as `batch-too-large`.
pub const MAX_BODY_BYTES: usize = 16 << 20;
/// Members of one group that travel inside its record; of a bigger group they travel in [`MembersPart`]s of this size.
pub const MEMBERS_PER_PART: usize = 5_000;
/// The most ids the control plane asks the agent to look up at once.
pub const MAX_CONFIRM_IDS: usize = 500;
/// How long a silent run keeps its place (seconds); every request renews it.
pub const LEASE_SECONDS: u64 = 10;
/// How often the agent renews the lease while nothing else is sent (seconds).
pub const RENEW_SECONDS: u64 = 3;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; `null` on the last.
    pub next_cursor: Option<String>,
}

/// An error of the API: `application/problem+json` (RFC 9457) with a stable `code`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProblemJson {
    /// `about:blank`: the code says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status's phrase.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Lower-case words with hyphens; stable.
    pub code: String,
    /// What is wrong, where, and what to do.
    pub detail: String,
    /// The run in the way of a `run-active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
}

/// The key of a batch's content: the same number with another content is refused.
pub fn body_digest(body: &[u8]) -> Digest {
    Digest::of(body)
}
