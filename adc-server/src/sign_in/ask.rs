//! Having a password tried by an agent of a synchronization, by one only.

use super::queues::{AT_ONCE, Queues};
use crate::{
    clock::random,
    hub::{AskError, Hub, Presence},
    runs::AgentIdentity,
};
use adc_core::{
    protocol::link::{CheckPassword, NotUnderstood, PING_SECONDS, PasswordOutcome, Reply, Request},
    sign_in::{Credentials, NOT_BEGUN, seal},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long somebody who signs in waits at most, however many agents are asked; adc.yaml's `timeout` is shorter.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much longer than the agent has we wait for its answer.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// How long an agent may take to say that it is there, before it is given a password: one that was stopped would let the person wait
/// for all of [`PATIENCE`], and bind when it goes on.
const AWAKE_WITHIN: Duration = Duration::from_secs(2);
/// Whoever has said nothing for longer than pings are apart comes last.
const SILENT_AFTER: Duration = Duration::from_secs(PING_SECONDS + 1);
/// What an agent says that answers too many questions already.
const BUSY: &str = "busy";

/// What became of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// What the directory said, and the host of the agent that asked it.
    Answered(PasswordOutcome, String),
    /// No directory has seen the password, and why.
    NotBegun(String),
    /// A directory may have counted the try, and gave no verdict.
    NoVerdict(String),
}

/// Whose password is tried.
#[derive(Debug)]
pub(super) struct Question {
    /// The names under which the agent looks for the entry.
    pub(super) names: Vec<String>,
    /// The only entry that may be meant.
    pub(super) source_id: String,
    /// The password.
    pub(super) password: Zeroizing<String>,
}

/// Asks one agent after the other, each when it has a hand free, as long as none has begun.
pub(super) async fn ask(
    hub: &Hub,
    queues: &Queues,
    synchronization: &AgentIdentity,
    question: &Question,
) -> Asked {
    let deadline = Instant::now() + PATIENCE;
    let mut why = "no agent of its synchronization that checks passwords is connected".to_owned();
    let mut agents = hub.connected(synchronization);
    agents.retain(|agent| agent.public_key.is_some());
    // Whoever reads the directory at this moment has it busy; but where somebody else waits already is worse, worse still a directory
    // that could not be reached, and silence the worst.
    agents.sort_by_cached_key(|agent| {
        let before_us = queues.length(synchronization, &agent.instance);
        let silent = hub.silence(synchronization, &agent.instance) > SILENT_AFTER;
        let cut_off = agent.directory.as_ref().is_some_and(|directory| directory.trouble.is_some());
        (silent, cut_off, before_us >= AT_ONCE, agent.run.is_some(), before_us)
    });
    for Presence { instance, host, .. } in agents {
        let Some(_place) = queues.place(synchronization, &instance, deadline).await else {
            why = format!("too many people wait for the agent on {host}");
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        if !hub.is_awake(synchronization, &instance, AWAKE_WITHIN.min(left)).await {
            why = format!("the agent on {host} says nothing");
            continue;
        }
        // It may have gone, or have a new key, while others were before us.
        let Some((public_key, timeout)) = checker(hub, synchronization, &instance) else { continue };
        // One that has been frozen meanwhile would let the person wait for all that is left.
        let left = deadline.saturating_duration_since(Instant::now()).min(timeout.unwrap_or(PATIENCE));
        let request = match sealed(&public_key, question, left) {
            Ok(request) => request,
            Err(error) => {
                why = format!("the agent on {host} cannot be asked: {error}");
                continue;
            }
        };
        match hub.ask_agent(synchronization, &instance, request, left + ON_THE_WAY).await {
            Ok(Reply::PasswordChecked(outcome)) => return Asked::Answered(outcome, host),
            Err(AskError::NoAgent) => {}
            Err(AskError::Refused(error)) if is_safe_to_repeat(&error.code) => {
                why = format!("the agent on {host} could not begin: {}", error.message);
            }
            Err(error) => return Asked::NoVerdict(error.to_string()),
            Ok(_) => {
                return Asked::NoVerdict(format!(
                    "the agent on {host} answers something else than it was asked"
                ));
            }
        }
    }
    Asked::NotBegun(why)
}

/// The key of an agent, and how long it tries a password at most if it says so; as long as it is connected.
fn checker(hub: &Hub, synchronization: &AgentIdentity, instance: &str) -> Option<(String, Option<Duration>)> {
    let agents = hub.connected(synchronization);
    let agent = agents.into_iter().find(|agent| agent.instance == instance)?;
    Some((agent.public_key?, agent.password_timeout))
}

/// Whether an agent that says this has not begun to bind.
fn is_safe_to_repeat(code: &str) -> bool {
    [NOT_BEGUN, BUSY, NotUnderstood::UNKNOWN].contains(&code)
}

fn sealed(
    public_key: &str,
    question: &Question,
    left: Duration,
) -> Result<Request, adc_core::sign_in::SealError> {
    let credentials = Credentials {
        nonce: random(),
        names: question.names.clone(),
        source_id: question.source_id.clone(),
        password: question.password.clone(),
    };
    Ok(Request::CheckPassword(CheckPassword {
        sealed: seal(public_key, &credentials, random())?,
        nonce: STANDARD.encode(credentials.nonce),
        deadline_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
    }))
}
