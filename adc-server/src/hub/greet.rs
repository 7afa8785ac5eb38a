//! How a link begins: the hello is heard, and the agent is let in or told why not.

use super::{
    Hub,
    conversation::{close, send},
    link::{Link, OUTBOX, Outgoing},
};
use crate::{api::problem::ApiResult, metrics, runs::AgentIdentity};
use adc_core::protocol::link::{
    AgentMessage, CloseCode, DEADLINE_SECONDS, Hello, NotUnderstood, PING_SECONDS, Refusal, Refused,
    ServerMessage, Welcome, bounded, understand,
};
use axum::extract::ws::{Message, WebSocket};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

/// Whoever has not said hello by then is no agent.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// What the API answers to credentials that it does not believe.
const UNAUTHORIZED: &str = "unauthorized";
/// The oldest agents that are served: all there ever were.
const OLDEST_AGENT: (u64, u64) = (0, 1);

/// A link that stands, and what it is to send.
type Greeted = (Arc<Link>, mpsc::Receiver<Box<Outgoing>>);

impl Hub {
    /// Hears the hello, and lets the agent in or says why not.
    pub(super) async fn greet<A: Future<Output = ApiResult<AgentIdentity>> + Send>(
        &self,
        synchronization: AgentIdentity,
        socket: &mut WebSocket,
        admit: impl Fn() -> A + Send + Sync,
    ) -> Option<Greeted> {
        let hello = hear_hello(&synchronization, socket).await?;
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let link = Arc::new(Link::new(synchronization, hello, outbox, &self.0.clock));
        if let Err(refused) = self.let_in(&link, &admit).await {
            tracing::warn!(
                synchronization.id = %link.synchronization.synchronization_id, agent.host = %link.host(),
                "agent refused: {}", refused.detail
            );
            metrics::link_refused(refused.reason);
            let code = refused.reason.close_code();
            send(socket, &ServerMessage::Refused(refused)).await;
            close(socket, code).await;
            return None;
        }
        let welcome = ServerMessage::Welcome(Welcome {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ping_seconds: PING_SECONDS,
            deadline_seconds: DEADLINE_SECONDS,
        });
        if !send(socket, &welcome).await {
            self.leave(&link);
            return None;
        }
        Some((link, outgoing))
    }

    /// Lets an agent in that may come in still: since it signed in its secret may have been replaced, and nobody knew the link then.
    async fn let_in<A: Future<Output = ApiResult<AgentIdentity>> + Send>(
        &self,
        link: &Arc<Link>,
        admit: &(impl Fn() -> A + Send + Sync),
    ) -> Result<(), Refused> {
        too_old(&link.version).map_or(Ok(()), Err)?;
        let revocations = self.revocations();
        check_credentials(link, admit).await?;
        self.enter(link)?;
        // What was revoked in between did not find the link yet.
        if self.revocations() != revocations
            && let Err(refused) = check_credentials(link, admit).await
        {
            self.leave(link);
            return Err(refused);
        }
        Ok(())
    }
}

/// The agent's first message; `None` when it is no hello, and the link is closed.
async fn hear_hello(synchronization: &AgentIdentity, socket: &mut WebSocket) -> Option<Hello> {
    let first = match timeout(HELLO_WITHIN, socket.recv()).await {
        Ok(Some(Ok(Message::Text(text)))) => understand(&text).and_then(bounded),
        Ok(Some(Ok(_))) => Err(NotUnderstood::not_text()),
        Ok(None | Some(Err(_))) | Err(_) => {
            close(socket, CloseCode::BadHello).await;
            return None;
        }
    };
    match first {
        Ok(AgentMessage::Hello(hello)) => Some(*hello),
        other => {
            tracing::info!(synchronization.id = %synchronization.synchronization_id, "a link began with something else than a hello");
            if let Err(error) = other {
                send(socket, &ServerMessage::NotUnderstood(error)).await;
            }
            close(socket, CloseCode::BadHello).await;
            None
        }
    }
}

/// Holds the agent's credentials against those that are good by now.
async fn check_credentials<A: Future<Output = ApiResult<AgentIdentity>> + Send>(
    link: &Link,
    admit: &(impl Fn() -> A + Send + Sync),
) -> Result<(), Refused> {
    match admit().await {
        Ok(admitted) if admitted == link.synchronization => Ok(()),
        Ok(_) => Err(revoked("These credentials belong to another synchronization by now.".to_owned())),
        Err(problem) if problem.code() == UNAUTHORIZED => Err(revoked(problem.detail().to_owned())),
        // A full disk is no reason to send an agent away for good.
        Err(problem) => Err(Refused { reason: Refusal::Unavailable, detail: problem.detail().to_owned() }),
    }
}

fn revoked(detail: String) -> Refused {
    Refused { reason: Refusal::Revoked, detail }
}

/// Why an agent of this version is not served, if it is not.
fn too_old(version: &str) -> Option<Refused> {
    let (major, minor) = OLDEST_AGENT;
    (!is_served(version)).then(|| Refused {
        reason: Refusal::VersionTooOld,
        detail: format!(
            "This agent is adc {version}; the control plane serves {major}.{minor} and later. Install a newer one."
        ),
    })
}

/// Whether an agent of this version is served; what is no version is not.
fn is_served(version: &str) -> bool {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u64>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST_AGENT,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_the_oldest_on_are_served() {
        assert!(["0.1.0", "0.1.7-rc.1", "1.0.0", "12.3"].into_iter().all(is_served));
        assert!(!["0.0.9", "", "new", "1"].into_iter().any(is_served));
    }
}
