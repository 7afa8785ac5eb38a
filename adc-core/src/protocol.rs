//! What agent and control plane say to each other during a run: the bodies of `/api/v1/agent/…`, as JSON.
//!
//! Every request may be sent again after a lost answer and then gets the same answer; that is why runs are named by
//! the agent and batches are numbered.

use crate::{
    plan::Action,
    policy::Policy,
    record::{Digest, Kind, Record},
    settings::{EffectiveSettings, Settings},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

/// `POST /agent/runs`: opens a run under an id the agent chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenRun {
    /// `run_` and 32 hexadecimal digits of randomness.
    pub run_id: String,
    /// Who asks.
    pub agent: AgentInfo,
    /// The switches of adc.yaml.
    pub settings: Settings,
    /// `adc imp --dry-run`.
    #[serde(default)]
    pub dry_run: bool,
    /// `adc imp --full`.
    #[serde(default)]
    pub full: bool,
    /// What the agent will read, and with what.
    pub fingerprint: Fingerprint,
}

/// An agent, as run reports name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentInfo {
    /// The machine it runs on.
    pub host: String,
    /// The agent's version.
    pub version: String,
}

/// What a checkpoint and a configuration depend on; another fingerprint means a full run.
///
/// The values stand readable, so that a report can say what differs; nothing secret is among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fingerprint {
    /// The directory server's identity; the agent's *configuration* leaves it out.
    pub server: String,
    /// Bind account, base DN, scope, filters, attributes, preset: by name.
    pub configuration: BTreeMap<String, String>,
}

impl Fingerprint {
    /// The names of what differs between two configurations, the server's identity apart.
    pub fn configuration_differences(&self, other: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<_> =
            self.configuration.keys().chain(other.configuration.keys()).collect();
        names
            .into_iter()
            .filter(|name| self.configuration.get(*name) != other.configuration.get(*name))
            .cloned()
            .collect()
    }
}

/// The answer to [`OpenRun`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpenedRun {
    /// The run's id, as the agent chose it.
    pub run_id: String,
    /// Full or delta.
    pub mode: Mode,
    /// Why the run is full although a delta was asked.
    pub full_because: Option<FullBecause>,
    /// The settings in force, each with the side that decided it.
    pub settings: EffectiveSettings,
    /// What to read and how.
    pub policy: Policy,
    /// Where the last applied run ended.
    pub checkpoint: Option<Mark>,
    /// Nothing is known yet: have/want can be skipped and records sent at once.
    pub mirror_empty: bool,
}

/// How much of the directory a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All of the scope.
    Full,
    /// What the change feed calls touched.
    Delta,
}

/// Why a run is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FullBecause {
    /// No run was applied before.
    FirstRun,
    /// `--full`, or "full" of Run now.
    Asked,
    /// The checkpoint's fingerprint is another one.
    FingerprintChanged,
    /// No change feed is used with this directory.
    NoChangeFeed,
}

/// The directory's own position, taken before the first search (`contextCSN`, `highestCommittedUSN`, …).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mark {
    /// What kind of position: `contextCSN`, ….
    pub kind: String,
    /// The position itself, as the directory wrote it; several values are sorted.
    pub values: Vec<String>,
}

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
    /// The run has ended.
    Done {
        /// The report.
        report: Box<RunReport>,
    },
}

/// What would be removed unless it is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Doubts {
    /// Objects not seen by this run: at most [`MAX_CONFIRM_IDS`].
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
    /// Where it was seen last.
    pub dn: String,
}

/// `POST /agent/runs/{id}/confirm`: what the look-ups found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// One per object asked for.
    pub objects: Vec<LookedUp>,
    /// One per container asked for.
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
}

/// Whether a container still exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContainerLookedUp {
    /// The container, as asked.
    pub dn: String,
    /// Whether the directory has it.
    pub exists: bool,
}

/// `POST /agent/runs/{id}/abort`: the agent gives up; nothing is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Abort {
    /// Why.
    pub error: RunError,
}

/// Why a run failed: a stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunError {
    /// Lower-case words with hyphens.
    pub code: String,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Waits for an agent.
    Queued,
    /// Is being read, planned or applied.
    Running,
    /// Ended as a dry run.
    Previewed,
    /// Waits for approval.
    Held,
    /// Was applied.
    Applied,
    /// Was held and turned down.
    Rejected,
    /// Was held until a later run took its place.
    Superseded,
    /// Ended with an error; nothing was changed.
    Failed,
    /// Was cancelled; nothing was changed.
    Cancelled,
    /// Its agent fell silent; nothing was changed.
    Interrupted,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Running,
        Self::Previewed,
        Self::Held,
        Self::Applied,
        Self::Rejected,
        Self::Superseded,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// The word used in tables, on the wire and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Previewed => "previewed",
            Self::Held => "held",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// How many objects met each fate; `adc imp --output json` and the API show these names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Counts {
    /// Created.
    pub create: u64,
    /// Updated.
    pub update: u64,
    /// Disabled.
    pub disable: u64,
    /// Enabled.
    pub enable: u64,
    /// Deleted.
    pub delete: u64,
    /// Restored.
    pub restore: u64,
    /// Left alone by a switch or a rule.
    pub skip: u64,
    /// Waiting for somebody to mend data.
    pub conflict: u64,
    /// Seen and as it should be.
    pub unchanged: u64,
}

impl Counts {
    /// The count of one action, to be raised.
    pub fn of_mut(&mut self, action: Action) -> &mut u64 {
        match action {
            Action::Create => &mut self.create,
            Action::Update => &mut self.update,
            Action::Disable => &mut self.disable,
            Action::Enable => &mut self.enable,
            Action::Delete => &mut self.delete,
            Action::Restore => &mut self.restore,
            Action::Skip => &mut self.skip,
            Action::Conflict => &mut self.conflict,
        }
    }

    /// How many changes the plan would make: skips and conflicts make none.
    pub fn effective(&self) -> u64 {
        self.create + self.update + self.disable + self.enable + self.delete + self.restore
    }
}

/// What `adc imp` and a run's page say of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunReport {
    /// The run.
    pub run_id: String,
    /// Full or delta.
    pub mode: Mode,
    /// Why it was full.
    pub full_because: Option<FullBecause>,
    /// Whether it only previewed.
    pub dry_run: bool,
    /// How it ended.
    pub state: RunState,
    /// Why it was held: one per guard.
    pub held_because: Vec<HeldBecause>,
    /// The settings that were in force.
    pub settings: EffectiveSettings,
    /// Objects read.
    pub read: ReadCounts,
    /// What the plan holds.
    pub counts: Counts,
    /// Skips and conflicts that wait for somebody (exit code 6).
    pub needs_attention: u64,
    /// What was sent.
    pub sent: SentCounts,
    /// From opening to the end (milliseconds).
    pub duration_ms: i64,
    /// Where the report stands.
    pub report_url: String,
    /// Why it failed.
    pub error: Option<RunError>,
}

/// A guard that held a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldBecause {
    /// Which guard.
    pub reason: crate::reason::Reason,
    /// The numbers behind it.
    pub detail: String,
}

/// One line of a plan, as `GET /runs/{id}/changes` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Its place in the plan.
    pub seq: i64,
    /// What the object is.
    pub kind: Kind,
    /// Which object.
    pub source_id: String,
    /// Where it stands, or stood, in the directory.
    pub dn: String,
    /// The user's or the group's name.
    pub username: String,
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: crate::reason::Reason,
    /// What exactly, where the reason leaves it open: both DNs of a duplicate, a missing field's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What differs, as it was; `null` for what did not exist.
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// What differs, as it will be.
    #[schema(value_type = Option<Object>)]
    pub after: Option<serde_json::Value>,
}

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
