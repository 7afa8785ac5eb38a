//! A connected agent, as others see it.

use crate::clock::Millis;
use adc_core::protocol::link::{DirectoryInfo, NotFollowing, RunProgress};
use std::time::Duration;

/// A connected agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Its process: another one after every start.
    pub instance: String,
    /// The machine it runs on.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Its directory, once it was reached.
    pub directory: Option<DirectoryInfo>,
    /// The X25519 public key (base64) that passwords are sealed to, if it checks any.
    pub public_key: Option<String>,
    /// How long it tries a password at most; `None` of an agent that does not say so.
    pub password_timeout: Option<Duration>,
    /// The run that it was told to do or does, if any.
    pub run: Option<String>,
    /// Where that run stands, if it has said so.
    pub progress: Option<RunProgress>,
    /// Whether it is the one that follows the directory's changes.
    pub follows_changes: bool,
    /// Why it is not; `None` where it is, or nobody has decided yet.
    pub not_following_because: Option<NotFollowing>,
    /// When it connected.
    pub connected_at: Millis,
    /// When it was heard of last.
    pub last_seen: Millis,
}
