//! The only file that names the websocket library: one socket to the control plane, with text in and text out.

use std::time::Duration;

use adc_core::protocol::ProblemJson;
use adc_core::protocol::link::{LINK_PATH, MAX_MESSAGE_BYTES, SUBPROTOCOL};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use secrecy::ExposeSecret;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{
    AUTHORIZATION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, USER_AGENT,
};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::config::ServerConfig;
use crate::control_plane::way::{Stream, Way};

/// Who accepts a connection and then says nothing is not waited for any longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Whoever takes no frame for so long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Nobody waits for a farewell: a stop ends within 10 seconds, all told.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// An idle link costs its buffer; the library's own default is thirty times as much.
const READ_BUFFER: usize = 4096;

/// A websocket that stands.
pub(super) struct Socket(WebSocketStream<Stream>);

/// What comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A message.
    Text(String),
    /// A frame that is no text: none of ours.
    Binary,
    /// A sign of life, and nothing more.
    Control,
    /// The other side closes; its number, where it gives one.
    Closed(Option<u16>),
    /// The connection broke, and how.
    Broken(String),
}

/// Why there is no socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may be otherwise in a while, at the earliest after this time where one was said.
    NotNow(String, Option<Duration>),
    /// The credentials are not believed: to be asked again over HTTP, whose answer has a sentence.
    Credentials,
    /// It stays so until somebody does something about it.
    Never(String),
}

impl Socket {
    /// Connects and signs in.
    pub(super) async fn connect(config: &ServerConfig, way: &Way) -> Result<Self, Refusal> {
        let stream = way.connect().await.map_err(|error| Refusal::NotNow(error.to_string(), None))?;
        let url = format!("ws://{}{LINK_PATH}", config.url.at);
        let mut request = url.into_client_request().map_err(|error| Refusal::Never(error.to_string()))?;
        let credentials = format!("{}:{}", config.application_id, config.secret_token.expose_secret());
        let mut signed = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials)))
            .expect("base64 is made of characters a header may hold");
        signed.set_sensitive(true);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, signed);
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("adc/", env!("CARGO_PKG_VERSION"))));
        let buffers = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let site = &config.url;
        match timeout(ANSWER_WITHIN, client_async_with_config(request, stream, Some(buffers))).await {
            Ok(Ok((socket, _))) => Ok(Self(socket)),
            Ok(Err(Error::Http(answer))) => {
                let after = answer.headers().get(RETRY_AFTER).and_then(seconds);
                Err(refusal(&site.to_string(), answer.status().as_u16(), after, answer.body().as_deref()))
            }
            Ok(Err(error)) => {
                let why =
                    format!("{site} does not answer as a control plane does ({error}); check server.url");
                Err(Refusal::NotNow(why, None))
            }
            Err(_) => {
                let seconds = ANSWER_WITHIN.as_secs();
                let why = format!(
                    "{site} accepts the connection and does not answer within {seconds} s; look at its log"
                );
                Err(Refusal::NotNow(why, None))
            }
        }
    }

    /// The next frame. May be given up at any time and asked again.
    pub(super) async fn next(&mut self) -> Frame {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Frame::Text(text.to_string()),
            Some(Ok(Message::Binary(_) | Message::Frame(_))) => Frame::Binary,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Frame::Control,
            Some(Ok(Message::Close(frame))) => Frame::Closed(frame.map(|frame| frame.code.into())),
            Some(Err(error)) => Frame::Broken(error.to_string()),
            None => Frame::Broken("the connection was cut off".to_owned()),
        }
    }

    /// Sends a message; an error says why the other side does not take it.
    pub(super) async fn send(&mut self, text: String) -> Result<(), String> {
        match timeout(SEND_WITHIN, self.0.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("nothing is taken for {} s", SEND_WITHIN.as_secs())),
        }
    }

    /// Takes leave.
    pub(super) async fn close(mut self, number: u16) {
        let frame = CloseFrame { code: number.into(), reason: "".into() };
        // Whoever does not hear it finds the connection closed.
        let _gone = timeout(LEAVE_WITHIN, self.0.close(Some(frame))).await;
    }
}

/// What an answer means that is no websocket. Only a control plane's own word is for good: a proxy on the way may say anything.
fn refusal(site: &str, status: u16, after: Option<Duration>, body: Option<&[u8]>) -> Refusal {
    let problem = body.and_then(|body| serde_json::from_slice::<ProblemJson>(body).ok());
    match problem {
        _ if status == 401 => Refusal::Credentials,
        Some(problem) if problem.code == NOT_A_LINK => Refusal::Never(problem.detail),
        Some(problem) => Refusal::NotNow(problem.detail, after),
        None => Refusal::NotNow(format!("{site} answers with status {status} instead of a websocket"), after),
    }
}

/// The control plane's word for a subprotocol that it does not speak.
const NOT_A_LINK: &str = "not-a-link";

/// `Retry-After` in seconds; the other form, a date, is ignored: our clock may be wrong.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_control_planes_own_word_is_for_good() {
        let problem = |status: u16, code: &str| {
            format!(r#"{{"type":"about:blank","title":"","status":{status},"code":"{code}","detail":"No."}}"#)
        };
        let after = Some(Duration::from_secs(7));
        let refusal = |status, body: Option<String>| {
            super::refusal("https://c", status, after, body.as_deref().map(str::as_bytes))
        };
        assert_eq!(refusal(426, Some(problem(426, "not-a-link"))), Refusal::Never("No.".to_owned()));
        assert_eq!(refusal(401, None), Refusal::Credentials);
        assert_eq!(
            refusal(503, Some(problem(503, "shutting-down"))),
            Refusal::NotNow("No.".to_owned(), after)
        );
        for status in [403, 404, 407, 426, 429, 500, 502] {
            assert!(
                matches!(refusal(status, Some("<html>".to_owned())), Refusal::NotNow(_, asked) if asked == after)
            );
        }
    }
}
