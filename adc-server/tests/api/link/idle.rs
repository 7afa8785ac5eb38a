//! What a link keeps while nothing is said: thousands stand at a time.

use super::hello;
use crate::world::World;
use adc_server::{
    hub::Hub,
    runs::{AgentIdentity, Engine},
};
use axum::{Router, extract::WebSocketUpgrade, routing::get};
use futures_util::{SinkExt, StreamExt};
use std::sync::{Arc, Weak};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{client_async, tungstenite::Message};

#[tokio::test]
async fn an_idle_link_kept_all_of_the_request_that_it_began_with() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let engine = Engine::new(world.store.clone(), world.clock.clone(), "https://cloud.example.com");
    let hub = Hub::new(engine, world.store.clone(), world.clock.clone());
    let identity =
        AgentIdentity { account_id: world.account_id.clone(), synchronization_id: source.id.clone() };
    let request = Arc::new("sixteen kilobytes, and the Secret Token among them".to_owned());
    let kept = Arc::downgrade(&request);
    let (address, serving) = serve(hub, identity, request).await;

    let stream = TcpStream::connect(&address).await.expect("it listens");
    let (mut socket, _) = client_async(format!("ws://{address}/"), stream).await.expect("a websocket");
    socket.send(Message::text(hello("a").to_string())).await.expect("it is taken");
    let welcome = socket.next().await.expect("the link stands").expect("a frame");
    assert!(welcome.to_text().is_ok_and(|text| text.contains("welcome")), "{welcome}");
    // What is said now is heard only when the greeting is over.
    socket.send(Message::text(r#"{"type":"dance"}"#)).await.expect("it is taken");
    socket.next().await.expect("the link stands").expect("an answer");
    assert_eq!(Weak::strong_count(&kept), 1, "only the listener itself has it, for the next request");
    serving.abort();
}

/// Serves links at an address of its own; what admits them holds the request.
pub(super) async fn serve(
    hub: Hub,
    identity: AgentIdentity,
    request: Arc<String>,
) -> (String, tokio::task::JoinHandle<()>) {
    let upgrade = move |upgrade: WebSocketUpgrade| {
        let (hub, identity, request) = (hub.clone(), identity.clone(), Arc::clone(&request));
        async move {
            let admitted = identity.clone();
            let admit = move || {
                let (held, admitted) = (Arc::clone(&request), admitted.clone());
                async move {
                    drop(held);
                    Ok(admitted)
                }
            };
            upgrade.on_upgrade(move |socket| hub.serve(identity, Box::new(socket), admit))
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let router = Router::new().route("/", get(upgrade));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
    (address, serving)
}
