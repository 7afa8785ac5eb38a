//! The link: the one websocket that an agent keeps open to its control plane (`GET /api/v1/agent/link`, subprotocol
//! [`SUBPROTOCOL`]), as JSON in text frames.
//!
//! The agent dials, signs in as for every request, and says [`Hello`]; it is told [`Welcome`] or why it is
//! [refused](Refused). From then on the control plane asks ([`Request`], answered by number) and tells; records never travel
//! here, but in the run protocol beside it. Whatever one side does not know is answered with [`NotUnderstood`] and is not
//! fatal: either side may be the newer one.

mod bounds;
mod close;
mod difference;
mod follow;
mod hello;
mod request;
mod understand;

pub use bounds::bounded;
pub use close::CloseCode;
pub use difference::different_configuration;
pub use follow::NotFollowing;
pub use hello::{DirectoryInfo, Hello, Refusal, Refused, Welcome};
pub use request::{
    Browse, Browsed, CheckPassword, CheckedHop, Container, PasswordOutcome, Reply, Request, RequestError,
    RunCommand, Sample, SampleOf, SampledEntry, TestedConnection,
};
pub use understand::{NotUnderstood, understand};

use super::{ReadCounts, RunError};
use serde::{Deserialize, Serialize};

/// The websocket's subprotocol (RFC 6455 section 1.9): the version of what is said here.
pub const SUBPROTOCOL: &str = "adc.v1";
/// Where the link is, below the control plane's address.
pub const LINK_PATH: &str = "/api/v1/agent/link";
/// The most bytes of one message, either way: a page of an OU tree fits many times, and nobody can fill a memory.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// How often the control plane pings (seconds): 10,000 agents then cost it a thousand small frames a second.
pub const PING_SECONDS: u64 = 10;
/// Whoever hears nothing for so long takes the link for dead (seconds): two pings were lost by then.
pub const DEADLINE_SECONDS: u64 = 25;
/// How often an agent at work says where its run stands though nothing has changed (seconds): whoever took a run and says nothing for three
/// times as long has it taken away.
pub const PROGRESS_SECONDS: u64 = 10;

/// What the agent says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum AgentMessage {
    /// The first message.
    Hello(Box<Hello>),
    /// What was found out about the directory after the hello; sent again when it changes.
    Directory(DirectoryInfo),
    /// Passwords are sealed to this key (X25519, base64) from now on.
    PublicKey {
        /// In place of the one of the [`Hello`].
        public_key: String,
    },
    /// Answers [`ServerMessage::Ping`].
    Pong,
    /// Answers [`ServerMessage::Request`].
    Reply {
        /// The request's number.
        id: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// Where a run stands; sent when that changes, at most once a second, and every [`PROGRESS_SECONDS`] while it does not.
    Progress(RunProgress),
    /// It was told to follow changes and cannot: its directory offers no feed for what is read. Holds until it is told to again.
    NotFollowing,
    /// A run is over, as this agent sees it: its report is with the control plane, unless it never could be opened.
    RunEnded(RunEnded),
    /// A message was not understood.
    NotUnderstood(NotUnderstood),
}

/// What the control plane says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerMessage {
    /// The answer to the hello: the link stands.
    Welcome(Welcome),
    /// The link is ended, and why; a close frame follows.
    Refused(Refused),
    /// Are you there? Answered with [`AgentMessage::Pong`].
    Ping,
    /// Asks for something; answered by [`AgentMessage::Reply`] with the same number.
    Request {
        /// Its number, unique on this link.
        id: u64,
        /// What is asked.
        request: Request,
    },
    /// Whether this agent is the one that follows the directory's changes; holds until the next word or the link's end.
    Follow {
        /// It is.
        changes: bool,
        /// Why it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<NotFollowing>,
    },
    /// Settings or policy were changed: whoever follows changes runs with the new ones.
    ReloadPolicy,
    /// The control plane goes down: come back after a pause, which differs from agent to agent so that not all come at once.
    Drain {
        /// The pause (milliseconds).
        return_after_ms: u64,
    },
    /// A message was not understood.
    NotUnderstood(NotUnderstood),
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The answer.
    Ok(Box<Reply>),
    /// Why there is none.
    Error(RequestError),
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunProgress {
    /// The run.
    pub run_id: String,
    /// What it is doing.
    pub phase: RunPhase,
    /// Objects read so far.
    pub read: ReadCounts,
    /// Records sent so far.
    pub sent: u64,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunPhase {
    /// Reaching the directory.
    Connecting,
    /// Another run of the synchronization holds the place.
    Waiting,
    /// Reading, and sending what the control plane lacks.
    Reading,
    /// Looking up who was not seen.
    LookingUp,
    /// The control plane computes the plan, and applies it.
    Planning,
    /// Nothing more.
    Ended,
    /// Something that a newer agent does.
    #[serde(other)]
    Other,
}

/// The end of a run, told by its agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// The run.
    pub run_id: String,
    /// Why it came to no report.
    #[serde(default)]
    pub error: Option<RunError>,
}
