//! The link, spoken to by an agent of the test's own.

mod asking;
mod fail_over;
mod following;
mod greeting;
mod idle;
mod patience;
mod queue;
mod scheduled;
mod sign_in;

use crate::world::{Answer, Caller, Source, World, as_json, open_run};
use adc_core::protocol::{
    OpenRun, OpenedRun, Trigger,
    link::{CloseCode, MAX_MESSAGE_BYTES, SUBPROTOCOL},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

/// What is waited for comes at once, or not at all.
const AT_ONCE: Duration = Duration::from_secs(20);

/// An agent's end of a link.
struct Puppet {
    socket: WebSocketStream<TcpStream>,
    caller: Caller,
    instance: String,
}

impl Puppet {
    /// Connects, and says nothing yet.
    async fn silent(world: &World, source: &Source, instance: &str) -> Self {
        let socket = connect(world, source, Some(SUBPROTOCOL)).await.expect("a websocket");
        Self { socket, caller: world.agent(source), instance: instance.to_owned() }
    }

    /// Connects and is welcome.
    async fn start(world: &World, source: &Source, instance: &str) -> Self {
        let mut puppet = Self::silent(world, source, instance).await;
        puppet.say(&hello(instance)).await;
        assert_eq!(puppet.hear().await["type"], "welcome");
        puppet
    }

    async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    async fn send(&mut self, message: Message) {
        self.socket.send(message).await.expect("the control plane is there");
    }

    /// The next message.
    async fn hear(&mut self) -> Value {
        match self.frame().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no message: {other:?}"),
        }
    }

    /// The next message with a request; pings before it are answered.
    async fn asked(&mut self) -> Value {
        loop {
            let message = self.hear().await;
            match message["type"].as_str() {
                Some("request") => return message,
                Some("ping") => self.say(&json!({ "type": "pong" })).await,
                _ => {}
            }
        }
    }

    /// Waits until all that it has said was taken up: frames are taken in their order, and this one is answered.
    async fn is_heard(&mut self) {
        self.say(&json!({ "type": "dance" })).await;
        while self.hear().await["type"] != "not-understood" {}
    }

    /// Whether it was told something of these types until now.
    async fn heard_any_of(&mut self, types: &[&str]) -> bool {
        self.say(&json!({ "type": "dance" })).await;
        let mut any = false;
        loop {
            let heard = self.hear().await;
            match heard["type"].as_str() {
                Some("not-understood") => return any,
                Some(other) => any |= types.contains(&other),
                None => {}
            }
        }
    }

    async fn frame(&mut self) -> Message {
        let next = timeout(AT_ONCE, self.socket.next()).await;
        next.expect("something is said in time").expect("the link stands").expect("a frame")
    }

    /// Waits until the link is closed, and returns the number.
    async fn closed(&mut self) -> CloseCode {
        loop {
            if let Message::Close(frame) = self.frame().await {
                let number = frame.expect("it says why").code.into();
                return CloseCode::of(number).unwrap_or_else(|| panic!("{number} is none of ours"));
            }
        }
    }

    /// Answers a request.
    async fn answer(&mut self, request: &Value, answer: &Value) {
        self.say(&json!({ "type": "reply", "id": request["id"], "outcome": answer })).await;
    }

    async fn accept(&mut self, request: &Value) {
        self.answer(request, &json!({ "ok": { "answer": "accepted" } })).await;
    }

    /// Opens the run that it was told to do.
    async fn open(&self, request: &Value) -> OpenedRun {
        self.try_open(request).await.parse()
    }

    async fn try_open(&self, request: &Value) -> Answer {
        let command = &request["request"];
        let run = open_run(command["run_id"].as_str().expect("a run has an id"), false);
        let trigger = if command["trigger"] == "schedule" { Trigger::Schedule } else { Trigger::Manual };
        let mut run = OpenRun { trigger, ..run };
        run.agent.instance = Some(self.instance.clone());
        self.caller.post("/agent/runs", &as_json(&run)).await
    }
}

/// Asks for a websocket.
async fn connect(
    world: &World,
    source: &Source,
    subprotocol: Option<&str>,
) -> Result<WebSocketStream<TcpStream>, Error> {
    let address = world.url.trim_start_matches("http://");
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let mut request = format!("ws://{address}/api/v1/agent/link").into_client_request().expect("an address");
    let credentials = STANDARD.encode(format!("{}:{}", source.application_id, source.secret_token));
    request.headers_mut().insert("authorization", format!("Basic {credentials}").parse().expect("a header"));
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().expect("a header"));
    }
    client_async(request, stream).await.map(|(socket, _)| socket)
}

fn hello(instance: &str) -> Value {
    json!({
        "type": "hello",
        "instance": instance,
        "host": format!("{instance}.lg.local"),
        "version": "0.1.0",
        "directory": { "kind": "openldap", "feed": "syncrepl" },
        "configuration": { "base_dn": "dc=lg,dc=local", "scope": "sub" },
    })
}

fn runs_of(source: &Source) -> String {
    format!("/synchronizations/{}/runs", source.id)
}
