//! What the control plane asks of a connected agent, and the answers.

use crate::protocol::Trigger;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A request of the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// Run; answered with [`Reply::Accepted`] at once. The same run asked for again is accepted again, and done once.
    Run(RunCommand),
    /// Give a run up; answered with [`Reply::Accepted`], also where there is no such run (any more).
    Cancel {
        /// The run.
        run_id: String,
    },
    /// Do what `adc check` does; answered with [`Reply::TestedConnection`].
    TestConnection,
    /// Show the containers below one; answered with [`Reply::Browsed`].
    Browse(Browse),
    /// Show an entry, as far as the configuration lets it leave the network; answered with [`Reply::Sampled`].
    Sample(Sample),
    /// Try a password; answered with [`Reply::PasswordChecked`].
    CheckPassword(CheckPassword),
}

/// An agent's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Reply {
    /// It will be done.
    Accepted,
    /// To [`Request::TestConnection`].
    TestedConnection(TestedConnection),
    /// To [`Request::Browse`].
    Browsed(Browsed),
    /// To [`Request::Sample`]; none where there is no such entry.
    Sampled {
        /// The entry.
        entry: Option<SampledEntry>,
    },
    /// To [`Request::CheckPassword`].
    PasswordChecked(PasswordOutcome),
}

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestError {
    /// Lower-case words with hyphens; stable.
    pub code: String,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// A run that the control plane wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCommand {
    /// The run's id: it stands in the control plane's queue under it, and is opened under it.
    pub run_id: String,
    /// Preview only.
    pub dry_run: bool,
    /// Read everything.
    pub full: bool,
    /// What made the control plane want it.
    pub trigger: Trigger,
}

/// Which containers to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browse {
    /// Those directly below this DN; below the configured base DN where none is given. What lies outside of that is refused.
    #[serde(default)]
    pub dn: Option<String>,
}

/// The containers directly below one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Browsed {
    /// The one that was asked about.
    pub dn: String,
    /// Those below it, by DN.
    pub containers: Vec<Container>,
    /// There are more than are shown.
    pub truncated: bool,
}

/// An org unit, or what else can hold people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Container {
    /// Its DN, as the directory spells it.
    pub dn: String,
    /// Its own name: the value of its RDN.
    pub name: String,
}

/// Which entry to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The entry.
    pub of: SampleOf,
}

/// An entry, by its DN or as the first that a filter finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleOf {
    /// By its DN.
    Dn(String),
    /// The first that this filter (RFC 4515) finds; it may name only attributes that may leave the network.
    Filter(String),
}

/// An entry, as far as it may leave the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SampledEntry {
    /// Its DN.
    pub dn: String,
    /// Its attributes' values; what is no text is shown in base64 after `base64:`.
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// The hops between agent, directory and control plane, as `adc check` tests them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestedConnection {
    /// All hops are as they should be, or work.
    pub ok: bool,
    /// In the order in which they were tried.
    pub hops: Vec<CheckedHop>,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedHop {
    /// Its name.
    pub hop: String,
    /// `ok`, `warning` or `failed`.
    pub state: String,
    /// What was reached, where something was.
    pub address: Option<String>,
    /// What was found, or what is wrong and what to do.
    pub message: String,
    /// How long it took (milliseconds).
    pub duration_ms: u64,
}

/// A password to be tried at the directory.
///
/// Whatever is secret stands in the [sealed box](crate::sign_in), and only the agent whose public key it was sealed to can open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPassword {
    /// The sealed box (X25519), in base64.
    pub sealed: String,
    /// Random, in base64; a message that comes with the same one again is refused. It stands in the box too.
    pub nonce: String,
    /// After so much time from its arrival nobody waits for the answer any more (milliseconds).
    pub deadline_ms: u64,
}

/// What the directory said to a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[serde(tag = "outcome")]
pub enum PasswordOutcome {
    /// It is right.
    Ok,
    /// Nobody, not the one who was meant, or a wrong password.
    Invalid,
    /// The directory has the person disabled.
    Disabled,
    /// The directory has locked the person out.
    Locked,
    /// The password, or the account, has expired.
    Expired,
    /// The password is right and has to be changed first.
    MustChange,
}
