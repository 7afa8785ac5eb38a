//! The end of a run: the receipt, the look-ups that prove absence, or giving up.

use super::{FeedReceipt, FullBecause, Mark, RunError, RunReport};
use crate::record::{Digest, Kind, Record};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The agent's proof that a read was complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// One per search, each ended by the server with result code 0 on its last page.
    pub searches: Vec<SearchReceipt>,
    /// How many digest batches were sent.
    pub digest_batches: u32,
    /// How many record batches were sent.
    pub record_batches: u32,
    /// How many objects were read.
    pub read: ReadCounts,
    /// What was sent, for the report.
    #[serde(default)]
    pub sent: SentCounts,
    /// The directory's position, taken before the first search.
    #[serde(default)]
    pub mark: Option<Mark>,
    /// The directory shows less than it did when the checkpoint was left, which its mark need not tell: it was put back from a backup, or
    /// is a replica that has not heard of everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub went_back: bool,
    /// Whether that is proved: somebody is shown as they were before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shows_earlier: bool,
    /// In a delta: how the change feed was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<FeedReceipt>,
}

/// How one search ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchReceipt {
    /// What was searched for.
    pub kind: Kind,
    /// The result code of every page (RFC 4511 section 4.1.9), in order; complete means all are 0.
    pub result_codes: Vec<u32>,
    /// Entries returned.
    pub entries: u64,
    /// Whether the last page came without a cookie (RFC 2696): there is nothing after it.
    pub complete: bool,
}

/// Objects read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadCounts {
    /// People.
    pub users: u64,
    /// Groups.
    pub groups: u64,
    /// Org units.
    pub org_units: u64,
}

impl ReadCounts {
    /// The count of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::User => self.users,
            Kind::Group => self.groups,
            Kind::OrgUnit => self.org_units,
        }
    }

    /// The count of one kind, to be raised.
    pub fn of_mut(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
            Kind::OrgUnit => &mut self.org_units,
        }
    }
}

/// What went over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SentCounts {
    /// Digests named.
    pub digests: u64,
    /// Records sent.
    pub records: u64,
    /// Bytes of request bodies, as sent (compressed).
    pub bytes: u64,
}

/// `POST /agent/runs/{id}/finish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// The proof that the read was complete.
    pub receipt: Receipt,
}

/// The answer to `finish` and `confirm`: what happens next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "next", rename_all = "lowercase")]
pub enum Next {
    /// The control plane is busy with the plan; send `finish` again (it waits on the server's side).
    Wait,
    /// Look these up by id, without the filter, on the same server, and answer with [`Confirm`].
    Confirm(Doubts),
    /// What was looked up makes a delta a full run: read everything, as if no change feed had been asked, and finish again with a
    /// receipt of that. What the delta sent is forgotten, its batches are counted from 0 again.
    #[serde(rename = "read-everything")]
    ReadEverything {
        /// Why.
        because: FullBecause,
    },
    /// The run has ended.
    Done {
        /// The report.
        report: Box<RunReport>,
    },
}

/// What would be removed unless it is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Doubts {
    /// Objects not seen by this run: at most [`MAX_CONFIRM_IDS`](super::MAX_CONFIRM_IDS).
    pub objects: Vec<Doubt>,
    /// DNs of containers in which people were missed: do they still exist?
    pub containers: Vec<String>,
}

/// An object that was not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Doubt {
    /// What it was.
    pub kind: Kind,
    /// Its id, to be looked up.
    pub source_id: String,
    /// How the directory wrote the id when it was read last, where that is not `source_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id_as_read: Option<String>,
    /// Where it was seen last.
    pub dn: String,
    /// The digest of its record, where that is known: what is found with this very one need not be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// `POST /agent/runs/{id}/confirm`: what the look-ups found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// One per object asked for. Where they come to more than a body may hold, some: the others are asked for again, and answered for
    /// in a further request.
    pub objects: Vec<LookedUp>,
    /// One per container asked for, in the last such request.
    #[serde(default)]
    pub containers: Vec<ContainerLookedUp>,
}

/// What became of an object that was not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LookedUp {
    /// What it was.
    pub kind: Kind,
    /// Its id.
    pub source_id: String,
    /// What was found.
    #[serde(flatten)]
    pub outcome: LookUpOutcome,
}

/// What a look-up by id found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum LookUpOutcome {
    /// Nothing.
    Gone,
    /// The object, outside the base DN, the scope or the filter.
    OutOfScope {
        /// Where it is now.
        dn: String,
    },
    /// The object, in scope: it was missed or came back. Its record (members in parts travel before, by `records`).
    Found {
        /// The object as it is now.
        record: Box<Record>,
    },
    /// The object, in scope and as the control plane knows it.
    Unchanged {
        /// The digest of its record, which is that of the [`Doubt`].
        digest: Digest,
    },
}

/// Whether a container still exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContainerLookedUp {
    /// The container, as asked.
    pub dn: String,
    /// Whether the directory has it.
    pub exists: bool,
}

/// The code of [`Abort::error`] where the control plane has lost what the run had sent: it begins again, like one that was
/// interrupted.
pub const RUN_LOST: &str = "run-lost";

/// `POST /agent/runs/{id}/abort`: the agent gives up; nothing is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Abort {
    /// Why.
    pub error: RunError,
}
