//! Opening a run: what the agent says of itself, and what it is told to read.

use super::{ChangeFeed, Fingerprint};
use crate::{
    policy::Policy,
    settings::{EffectiveSettings, Settings},
    source_id::SourceId,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use utoipa::ToSchema;

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
    /// The change feed it could use.
    #[serde(default)]
    pub feed: Option<ChangeFeed>,
    /// What made the agent run.
    #[serde(default)]
    pub trigger: Trigger,
}

/// What makes an agent run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// Somebody typed `adc imp`.
    #[default]
    Agent,
    /// Somebody pressed "Run now": it was queued at the control plane.
    Manual,
    /// It was due: it was queued at the control plane. While a plan is held, no such run is opened.
    Schedule,
    /// The directory changed. While a plan is held, no such run is opened.
    Change,
}

impl Trigger {
    /// All triggers.
    pub const ALL: [Self; 4] = [Self::Agent, Self::Manual, Self::Schedule, Self::Change];

    /// The word that runs are listed with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::Change => "change",
        }
    }

    /// The trigger of a run that is listed with this word; `None` where no agent had a part in it.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == word)
    }

    /// Whether such a run waits in the control plane's queue before an agent opens it.
    pub fn is_queued(self) -> bool {
        matches!(self, Self::Manual | Self::Schedule)
    }

    /// Whether no such run is opened while a plan waits for a decision: nobody asked for it by hand.
    pub fn waits_for_decision(self) -> bool {
        matches!(self, Self::Schedule | Self::Change)
    }
}

/// An agent, as run reports name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentInfo {
    /// The machine it runs on.
    pub host: String,
    /// The agent's version.
    pub version: String,
    /// The process, where it is one that stays: only the one that opened a run goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
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
    /// Some of those who had left when it did, by their ids: those who are shown as they were before that come from a backup.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub left: BTreeSet<SourceId>,
    /// The last applied run read by another configuration or policy, and so others perhaps, whatever else makes this run full.
    #[serde(default)]
    pub others_were_read: bool,
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
    /// The policy changed: other objects or fields are read.
    PolicyChanged,
    /// The directory offers no change feed that can be used.
    NoChangeFeed,
    /// The last applied run left no mark that the change feed goes on from.
    NoCheckpoint,
    /// The change feed lost its place: its log is gone, or it does not understand the mark.
    FeedLostPlace,
    /// More was touched than is worth being read object by object.
    TooMuchTouched,
    /// A filter or field rests on an attribute whose changes the feed does not report, such as `memberOf`.
    FilterNotFollowed,
    /// A container was renamed or moved, or is new with entries beneath it: whom it took along the feed does not say.
    ContainerMoved,
    /// The people's filter finds nobody any more: who was touched says nothing about them.
    NobodyInSight,
    /// The last full run is more than a day ago: what no change feed tells is made good.
    Overdue,
    /// Something was removed and is there again: who referred to it may not any more.
    CameBack,
    /// An org unit, or something that was never synchronized and may have been a container, is out of sight.
    ContainerGone,
    /// Somebody lost a value, or a group all of its members, or look-ups missed whom the change feed does not call removed: so looks a
    /// lost read right, which shows only in everything at once. Or somebody was touched who was missing already and may be there
    /// without an identity that can be read, or none of those who were changed last is in sight.
    RightsInDoubt,
}

impl fmt::Display for FullBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstRun => "nothing was applied before",
            Self::Asked => "a full run was asked for",
            Self::FingerprintChanged => {
                "the agent's configuration, the server, or (in an upgrade) what adc asks of it changed"
            }
            Self::PolicyChanged => "the policy changed",
            Self::NoChangeFeed => "the directory offers no change feed that can be used",
            Self::NoCheckpoint => "the last applied run left no mark that the change feed goes on from",
            Self::FeedLostPlace => "the change feed lost its place",
            Self::TooMuchTouched => "more was touched than is worth being read object by object",
            Self::FilterNotFollowed => {
                "a filter or a field rests on an attribute that the change feed does not follow"
            }
            Self::ContainerMoved => "a container was renamed or moved, or is new with entries beneath it",
            Self::NobodyInSight => "not one person is in sight any more",
            Self::Overdue => "the last full run is more than a day ago",
            Self::CameBack => "something that was removed is there again",
            Self::ContainerGone => "an org unit, or something that was never synchronized, is out of sight",
            Self::RightsInDoubt => {
                "somebody lost a value, a group all of its members, no look-up finds somebody whom the change feed does not call \
                 removed, somebody was touched who had been missing, or none of those who were changed last is shown, which a lost \
                 right looks like"
            }
        })
    }
}

/// The directory's own position, taken before the first search (`contextCSN`, `highestCommittedUSN`, …).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mark {
    /// What kind of position: `contextCSN`, ….
    pub kind: String,
    /// The position itself, as the directory wrote it; several values are sorted.
    pub values: Vec<String>,
}

/// OpenLDAP's and 389 Directory Server's change sequence numbers: the latest of each server that changes are made on.
const CONTEXT_CSN: &str = "contextCSN";

/// Active Directory's place in its feed, and what its values begin with that tell which life of a domain controller's database
/// counted how far: within one it never counts back, unless it was put back from a copy (MS-ADTS 3.1.1.1.9).
const DIRSYNC: &str = "dirsync";
const INVOCATION: &str = "invocationId=";
const NUMBER: &str = "highestCommittedUSN=";

/// The longest value of a mark that people are shown; what is longer nobody but the feed understands.
const SHOWN: usize = 120;

impl Mark {
    /// The same as people are shown it, with an ellipsis for the rest of long values.
    #[must_use]
    pub fn shown(mut self) -> Self {
        for value in &mut self.values {
            if let Some((at, _)) = value.char_indices().nth(SHOWN) {
                value.truncate(at);
                value.push('…');
            }
        }
        self
    }

    /// Whether a server that stands here has heard of all that happened until `earlier`, wherever that was; `None` where the two
    /// cannot be compared.
    pub fn includes(&self, earlier: &Self) -> Option<bool> {
        match (self.kind.as_str(), earlier.kind.as_str()) {
            (CONTEXT_CSN, CONTEXT_CSN) => {
                let here: BTreeMap<&str, &str> =
                    self.values.iter().filter_map(|csn| by_server(csn)).collect();
                let mut before = earlier.values.iter().filter_map(|csn| by_server(csn)).peekable();
                before.peek()?;
                // Sequence numbers of one server compare as texts.
                Some(before.all(|(server, csn)| here.get(server).is_some_and(|here| *here >= csn)))
            }
            (DIRSYNC, DIRSYNC) => {
                let ((life, number), (life_before, before)) = (self.counted()?, earlier.counted()?);
                (life == life_before).then_some(number >= before)
            }
            _ => None,
        }
    }

    /// Which life of its database a domain controller was in, and how far it had counted.
    fn counted(&self) -> Option<(&str, u64)> {
        let value = |name| self.values.iter().find_map(|value| value.strip_prefix(name));
        Some((value(INVOCATION)?, value(NUMBER)?.parse().ok()?))
    }
}

/// The server of a change sequence number, and the number: `20261122043638.123456Z#000000#001#000000`.
fn by_server(csn: &str) -> Option<(&str, &str)> {
    let is_position = csn.starts_with(|first: char| first.is_ascii_digit());
    is_position.then(|| csn.split('#').nth(2)).flatten().map(|server| (server, csn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(kind: &str, values: &[&str]) -> Mark {
        Mark { kind: kind.to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() }
    }

    #[test]
    fn what_nobody_but_the_feed_understands_is_cut_for_people() {
        let csn = "20261122043638.000000Z#000000#001#000000";
        let shown = mark("modifyTimestamp", &[csn, &"ä".repeat(20_000)]).shown();
        assert_eq!(shown.values, [csn.to_owned(), format!("{}…", "ä".repeat(SHOWN))]);
    }

    #[test]
    fn a_replica_is_behind_until_it_has_heard_of_every_server() {
        let (early, late) =
            ("20261122043638.000000Z#000000#001#000000", "20261122043639.000000Z#000000#001#000000");
        let other = "20261122043600.000000Z#000000#002#000000";
        let csn = |values: &[&str]| mark("contextCSN", values);
        assert_eq!(csn(&[late]).includes(&csn(&[early])), Some(true));
        assert_eq!(csn(&[early]).includes(&csn(&[early, "started=20261122043000Z"])), Some(true));
        assert_eq!(csn(&[early]).includes(&csn(&[late])), Some(false));
        assert_eq!(csn(&[late]).includes(&csn(&[early, other])), Some(false), "it never heard of the other");
        assert_eq!(csn(&[late, other]).includes(&csn(&[early, other])), Some(true));
        assert_eq!(csn(&[late]).includes(&csn(&[])), None);
        let remembering = csn(&[early, &format!("latest=one@{other} two@{late}")]);
        assert_eq!(csn(&[early]).includes(&remembering), Some(true), "who was changed last is no position");
        assert_eq!(mark("highestCommittedUSN", &["7"]).includes(&mark("highestCommittedUSN", &["6"])), None);
    }

    #[test]
    fn a_domain_controller_that_counted_back_is_behind() {
        let place = |life: &str, number: &str| {
            mark("dirsync", &[&format!("highestCommittedUSN={number}"), &format!("invocationId={life}")])
        };
        assert_eq!(place("a", "999").includes(&place("a", "1000")), Some(false));
        assert_eq!(place("a", "1000").includes(&place("a", "1000")), Some(true));
        assert_eq!(place("b", "999").includes(&place("a", "1000")), None, "each life counts for itself");
        let silent = mark("dirsync", &["highestCommittedUSN=999"]);
        assert_eq!(silent.includes(&place("a", "1000")), None);
    }
}
