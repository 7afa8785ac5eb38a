//! What is read, on its way: digests first, then the records that are wanted.

use crate::record::{Digest, Kind, Record};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /agent/runs/{id}/digests`: "do you have these?"
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DigestBatch {
    /// The batch's number among the run's digest batches, from 0 without gaps.
    pub seq: u32,
    /// What the objects are.
    pub kind: Kind,
    /// Source id and digest of each.
    #[schema(value_type = Vec<(String, String)>)]
    pub items: Vec<(String, Digest)>,
}

/// The answer to [`DigestBatch`]: "send me these".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wanted {
    /// The batch's number.
    pub seq: u32,
    /// The positions in `items` whose records are wanted, ascending.
    pub wanted: Vec<u32>,
}

/// `POST /agent/runs/{id}/records`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordBatch {
    /// The batch's number among the run's record batches, from 0 without gaps.
    pub seq: u32,
    /// Mapped objects.
    #[serde(default)]
    pub records: Vec<Record>,
    /// Members of groups that are too big for one record.
    #[serde(default)]
    pub members: Vec<MembersPart>,
}

/// Some of a big group's members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MembersPart {
    /// The group.
    pub source_id: String,
    /// The part's number within the group, from 0 without gaps.
    pub part: u32,
    /// DNs as read.
    pub members: Vec<String>,
}

/// The answer to [`RecordBatch`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The batch's number.
    pub seq: u32,
}
