//! How long agents are waited for, and by which clock: a hub of the test's own, whose agents are asked with little patience.

use super::{AT_ONCE, hello, idle::serve};
use crate::world::{Source, World};
use adc_core::protocol::Trigger;
use adc_core::protocol::link::{Browse, CloseCode, Reply, Request, RunCommand};
use adc_server::{
    clock::Clock,
    hub::{AskError, Hub},
    runs::{AgentIdentity, Engine},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// What is asked of agents that do not answer.
const PATIENCE: Duration = Duration::from_millis(400);

/// An agent of the test's own hub.
struct Agent(WebSocketStream<TcpStream>);

impl Agent {
    async fn connect(address: &str, hello: &Value) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (socket, _) = client_async(format!("ws://{address}/"), stream).await.expect("a websocket");
        let mut agent = Self(socket);
        agent.say(hello).await;
        agent
    }

    async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.expect("it is taken");
    }

    async fn frame(&mut self) -> Message {
        let frame = timeout(AT_ONCE, self.0.next()).await.expect("in time");
        frame.expect("the link stands").expect("a frame")
    }

    async fn hear(&mut self) -> Value {
        serde_json::from_str(self.frame().await.to_text().expect("text")).expect("JSON")
    }

    async fn answer_browsing(&mut self) {
        let asked = self.hear().await;
        assert_eq!(asked["request"]["ask"], "browse");
        let browsed =
            json!({ "ok": { "answer": "browsed", "dn": "dc=lg", "containers": [], "truncated": false } });
        self.say(&json!({ "type": "reply", "id": asked["id"], "outcome": browsed })).await;
    }
}

fn hub_of(world: &World, clock: &Clock) -> Hub {
    let engine = Engine::new(world.store.clone(), clock.clone(), "https://cloud.example.com");
    Hub::new(engine, world.store.clone(), clock.clone())
}

fn identity(world: &World, source: &Source) -> AgentIdentity {
    AgentIdentity { account_id: world.account_id.clone(), synchronization_id: source.id.clone() }
}

#[tokio::test]
async fn what_only_looks_is_asked_of_another_when_the_first_is_silent_and_a_run_is_not() {
    let world = World::start().await;
    let identity = identity(&world, &world.source("directory").await);
    let hub = hub_of(&world, &world.clock);
    let (address, serving) = serve(hub.clone(), identity.clone(), Arc::default()).await;
    let mut silent = Agent::connect(&address, &hello("a")).await;
    assert_eq!(silent.hear().await["type"], "welcome");
    let mut second = Agent::connect(&address, &hello("b")).await;
    assert_eq!(second.hear().await["type"], "welcome");

    let look = Request::Browse(Browse { dn: None });
    let (asked, ()) = tokio::join!(hub.ask(&identity, look, PATIENCE), second.answer_browsing());
    assert!(matches!(asked, Ok(Reply::Browsed(_))), "{asked:?}");
    assert_eq!(silent.hear().await["request"]["ask"], "browse", "it was asked first");

    let run = RunCommand { run_id: "run_1".to_owned(), dry_run: true, full: false, trigger: Trigger::Manual };
    let asked = hub.ask(&identity, Request::Run(run), PATIENCE).await;
    let silence = AskError::Timeout { host: "a.lg.local".to_owned(), after: PATIENCE };
    assert_eq!(asked, Err(silence), "it may have begun, so nobody else does");
    assert_eq!(
        hub.ask_agent(&identity, "nobody", Request::TestConnection, PATIENCE).await,
        Err(AskError::NoAgent)
    );
    serving.abort();
}

#[tokio::test]
async fn a_clock_that_is_set_makes_no_agent_silent() {
    let world = World::start().await;
    let identity = identity(&world, &world.source("directory").await);
    let (wall, steady) = (Arc::new(AtomicI64::new(1_800_000_000_000)), Arc::new(AtomicI64::new(1_000)));
    let clock = Clock::set_by_hand(
        {
            let wall = Arc::clone(&wall);
            move || wall.load(Ordering::SeqCst)
        },
        {
            let steady = Arc::clone(&steady);
            move || Duration::from_millis(steady.load(Ordering::SeqCst).unsigned_abs())
        },
    );
    let hub = hub_of(&world, &clock);
    let (address, serving) = serve(hub, identity, Arc::default()).await;
    let mut first = Agent::connect(&address, &hello("a")).await;
    assert_eq!(first.hear().await["type"], "welcome");
    let mut otherwise = hello("b");
    otherwise["configuration"] = json!({ "base_dn": "dc=other" });
    for days in [1, -2] {
        wall.fetch_add(days * 86_400_000, Ordering::SeqCst);
        let mut second = Agent::connect(&address, &otherwise).await;
        assert_eq!(
            second.hear().await["reason"],
            "different-configuration",
            "the first is there, and counts"
        );
        let closed = second.frame().await;
        assert!(
            matches!(&closed, Message::Close(Some(frame)) if CloseCode::of(frame.code.into()) == Some(CloseCode::NotNow)),
            "{closed:?}"
        );
    }
    // It is the time that passes which makes it so.
    steady.fetch_add(16_000, Ordering::SeqCst);
    let mut second = Agent::connect(&address, &otherwise).await;
    assert_eq!(second.hear().await["type"], "welcome");
    serving.abort();
}
