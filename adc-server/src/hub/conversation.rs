//! The conversation with an agent, from its hello to the link's end: frames both ways.

use super::{
    Hub,
    link::{Link, OUTBOX, Outgoing},
};
use crate::{api::problem::ApiResult, metrics, runs::AgentIdentity};
use adc_core::protocol::link::{
    AgentMessage, CloseCode, DEADLINE_SECONDS, NotUnderstood, Outcome, PING_SECONDS, RequestError,
    ServerMessage, bounded, understand,
};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// Whoever takes no frame for so long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// How a link ends.
enum End {
    /// The agent closed it, or the connection broke.
    Gone(&'static str),
    /// We close it.
    Closed(CloseCode),
}

impl Hub {
    /// Serves a websocket until it ends. `admit` holds the agent's credentials against those that are good by then.
    pub async fn serve<A: Future<Output = ApiResult<AgentIdentity>> + Send>(
        self,
        synchronization: AgentIdentity,
        mut socket: Box<WebSocket>,
        admit: impl Fn() -> A + Send + Sync,
    ) {
        let open = self.0.open.token();
        // In a box, and with all it was given gone when it ends: there are many links, and each would keep the whole request.
        let greeting = Box::pin(self.greet(synchronization, &mut socket, admit));
        let Some((link, outgoing)) = greeting.await else { return };
        tracing::info!(
            synchronization.id = %link.synchronization.synchronization_id, agent.host = %link.host(), agent.version = %link.version,
            "agent connected"
        );
        let end = self.converse(&link, &mut socket, outgoing).await;
        self.leave(&link);
        let why = match end {
            End::Gone(why) => why.to_owned(),
            End::Closed(code) => {
                close(&mut socket, code).await;
                format!("{code:?}")
            }
        };
        tracing::info!(
            synchronization.id = %link.synchronization.synchronization_id, agent.host = %link.host(), why,
            "agent disconnected"
        );
        drop(open);
    }

    async fn converse(
        &self,
        link: &Arc<Link>,
        socket: &mut WebSocket,
        mut outgoing: mpsc::Receiver<Box<Outgoing>>,
    ) -> End {
        let mut ticks = interval(Duration::from_secs(PING_SECONDS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut heard = Instant::now();
        loop {
            let answer = tokio::select! {
                frame = socket.recv() => {
                    heard = Instant::now();
                    match frame {
                        None | Some(Ok(Message::Close(_))) => return End::Gone("it closed the link"),
                        // Also a message that is too long, or no websocket's frame.
                        Some(Err(error)) => {
                            tracing::debug!(agent.host = %link.host(), "the link broke: {error}");
                            return End::Gone("the link broke");
                        }
                        Some(Ok(Message::Text(text))) => self.hear(link, &text),
                        Some(Ok(Message::Binary(_))) => Some(ServerMessage::NotUnderstood(NotUnderstood::not_text())),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                    }
                }
                next = outgoing.recv() => match next.map(|next| *next) {
                    Some(Outgoing::Message(message)) => Some(message),
                    Some(Outgoing::Close(code, refused)) => {
                        if let Some(refused) = refused {
                            metrics::link_refused(refused.reason);
                            send(socket, &ServerMessage::Refused(refused)).await;
                        }
                        return End::Closed(code);
                    }
                    Some(Outgoing::Drain(pause)) => {
                        let return_after_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                        send(socket, &ServerMessage::Drain { return_after_ms }).await;
                        return End::Closed(CloseCode::Draining);
                    }
                    None => return End::Closed(CloseCode::TooSlow),
                },
                () = link.overwhelmed.cancelled() => {
                    tracing::warn!(agent.host = %link.host(), "an agent does not take {OUTBOX} messages, and is sent away");
                    return End::Closed(CloseCode::TooSlow);
                }
                _ = ticks.tick() => {
                    if heard.elapsed() >= Duration::from_secs(DEADLINE_SECONDS) {
                        return End::Closed(CloseCode::Silent);
                    }
                    Some(ServerMessage::Ping)
                }
            };
            if let Some(answer) = answer
                && !send(socket, &answer).await
            {
                return End::Gone("it takes nothing any more");
            }
        }
    }

    /// Takes a message up; returns what is answered at once.
    fn hear(&self, link: &Arc<Link>, text: &str) -> Option<ServerMessage> {
        link.hears(&self.0.clock);
        match understand(text).and_then(bounded) {
            Err(error) => return Some(ServerMessage::NotUnderstood(error)),
            Ok(AgentMessage::Pong) => {}
            Ok(AgentMessage::Hello(_)) => link.close(CloseCode::BadHello, None),
            Ok(AgentMessage::Directory(info)) => {
                link.describes_directory(info);
                self.wake(&link.synchronization);
            }
            Ok(AgentMessage::PublicKey { public_key }) => link.takes_key(public_key),
            Ok(AgentMessage::NotFollowing) => link.stops_following(),
            Ok(AgentMessage::Reply { id, outcome }) => link.answered(
                id,
                match outcome {
                    Outcome::Ok(reply) => Ok(*reply),
                    Outcome::Error(error) => Err(error),
                },
            ),
            Ok(AgentMessage::Progress(progress)) => link.goes_on(progress),
            Ok(AgentMessage::RunEnded(ended)) => self.run_ended(link, ended),
            Ok(AgentMessage::NotUnderstood(error)) => {
                tracing::warn!(agent.host = %link.host(), "the agent did not understand a message: {error}");
                if let Some(id) = error.id {
                    link.answered(id, Err(RequestError { code: error.code, message: error.detail }));
                }
            }
        }
        None
    }
}

/// Sends a message; `false` when the agent does not take it.
pub(super) async fn send(socket: &mut WebSocket, message: &ServerMessage) -> bool {
    let text = serde_json::to_string(message).expect("the protocol's messages are plain data");
    matches!(timeout(SEND_WITHIN, socket.send(Message::Text(text.into()))).await, Ok(Ok(())))
}

pub(super) async fn close(socket: &mut WebSocket, code: CloseCode) {
    let frame = CloseFrame { code: code.number(), reason: "".into() };
    // Whoever does not take it is gone anyway.
    let _gone = timeout(SEND_WITHIN, socket.send(Message::Close(Some(frame)))).await;
}
