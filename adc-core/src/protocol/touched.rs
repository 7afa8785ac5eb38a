//! What a change feed names, in a delta: which objects were touched, and where they are now.

use super::{FullBecause, Mode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The change feed an agent can use with its directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeFeed {
    /// `syncrepl`, ….
    pub name: String,
    /// The kind of [`Mark`](super::Mark) it goes on from.
    pub mark: String,
}

/// `POST /agent/runs/{id}/touched`: what the change feed names, in a delta, before anything is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TouchedBatch {
    /// The batch's number among the run's, from 0 without gaps.
    pub seq: u32,
    /// How many objects the feed names altogether, said before it is looked where they are: whether that is too much is for the
    /// control plane to say. Missing where they are few.
    #[serde(default)]
    pub total: Option<u64>,
    /// Objects that were added, changed, moved or removed. Of what kind they are the feed does not know.
    #[serde(default)]
    pub objects: Vec<TouchedObject>,
    /// The feed does not name what was removed, but what is still there: of the mirror, whatever is neither in
    /// `objects` nor in `present` of any batch has to be looked up. The same in all batches of a run.
    #[serde(default)]
    pub sweep: bool,
    /// Source ids of what is there and was not touched; only with `sweep`.
    #[serde(default)]
    pub present: Vec<String>,
    /// The feed names nothing but what is read: whatever else others refer to may have been renamed, moved or removed as well.
    #[serde(default)]
    pub strangers: bool,
    /// What the feed named was read and sent: whether it may be believed is for the control plane to say.
    #[serde(default)]
    pub read: bool,
    /// The feed lost its place, or cannot be used after all: the run has to read everything.
    #[serde(default)]
    pub full_because: Option<FullBecause>,
}

/// An object that a change feed named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TouchedObject {
    /// Its immutable identity.
    pub source_id: String,
    /// Where it is; `None` where the bind account sees it nowhere.
    #[serde(default)]
    pub place: Option<Whereabouts>,
    /// The feed called it removed at some time since the checkpoint, wherever it is now.
    #[serde(default)]
    pub removed: bool,
    /// If it is gone, nobody lay beneath it any more, or they are named as well.
    #[serde(default)]
    pub tombstone: bool,
}

/// Where a touched object is, in scope or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Whereabouts {
    /// Its distinguished name as the directory writes it.
    pub dn: String,
    /// Whether other entries lie beneath it: they move with it and the feed does not name them.
    pub container: bool,
    /// Whether it was made since the checkpoint. What is older and not in scope may have had another name, by which others
    /// referred to it.
    #[serde(default)]
    pub new: bool,
}

/// The answer to [`TouchedBatch`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Noted {
    /// The batch's number.
    pub seq: u32,
    /// `delta`: go on. `full`: forget what was sent, and read everything; batches are numbered from 0 again.
    pub mode: Mode,
    /// Why the run is full now.
    pub full_because: Option<FullBecause>,
}

/// A change feed's part of the [`Receipt`](super::Receipt).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedReceipt {
    /// Which feed: `syncrepl`, ….
    pub name: String,
    /// The result code of each of its searches; complete means all are 0.
    pub result_codes: Vec<u32>,
    /// How many batches of touched objects were sent.
    pub batches: u32,
    /// How many objects it named as touched.
    pub touched: u64,
}
