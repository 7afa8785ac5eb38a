//! How links begin and end.

use super::{AT_ONCE, MAX_MESSAGE_BYTES, Puppet, SUBPROTOCOL, connect, hello};
use crate::world::World;
use adc_core::protocol::link::CloseCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test]
async fn who_is_connected_is_listed_until_the_link_ends() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}/agents", source.id);
    let mut first = Puppet::start(&world, &source, "a").await;
    let _second = Puppet::start(&world, &source, "b").await;
    let mut agents = caller.get(&path).await.ok();
    for agent in agents["items"].as_array_mut().expect("a list") {
        // Who follows is told a moment later.
        agent["follows_changes"] = Value::Null;
        agent["not_following_because"] = Value::Null;
    }
    insta::assert_json_snapshot!(agents);
    first.socket.close(None).await.expect("closes");
    first.socket_ends().await;
    assert_eq!(caller.get(&path).await.ok()["items"][0]["instance"], "b");
}

#[tokio::test]
async fn only_an_agent_of_the_subprotocol_gets_a_link() {
    let world = World::start().await;
    let source = world.source("directory").await;
    for subprotocol in [None, Some("adc.v0")] {
        match connect(&world, &source, subprotocol).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 426, "{subprotocol:?}"),
            other => panic!("{subprotocol:?}: {:?}", other.map(|_| "a link")),
        }
    }
    let agent = world.agent(&source);
    assert_eq!(agent.get("/agent/link").await.problem(), (426, "not-a-link"));
    let stranger = crate::world::Source { secret_token: "adcs_wrong".to_owned(), ..source };
    match connect(&world, &stranger, Some(SUBPROTOCOL)).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 401),
        other => panic!("{:?}", other.map(|_| "a link")),
    }
}

#[tokio::test]
async fn a_link_that_does_not_begin_with_a_hello_is_closed() {
    let world = World::start().await;
    let source = world.source("directory").await;
    for first in [Message::text(r#"{"type":"pong"}"#), Message::text("hello"), Message::binary(vec![1])] {
        let mut puppet = Puppet::silent(&world, &source, "a").await;
        puppet.send(first.clone()).await;
        assert_eq!(puppet.closed().await, CloseCode::BadHello, "{first:?}");
    }
    let mut twice = Puppet::start(&world, &source, "a").await;
    twice.say(&hello("a")).await;
    assert_eq!(twice.closed().await, CloseCode::BadHello);
}

#[tokio::test]
async fn an_agent_that_is_too_old_or_configured_otherwise_is_told_so() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let _first = Puppet::start(&world, &source, "a").await;
    let other = json!({ "base_dn": "dc=other" });
    for (key, value, reason, says, code) in [
        ("version", json!("0.0.9"), "version-too-old", "adc 0.0.9", CloseCode::Refused),
        // It may agree with the others as soon as they have been configured anew too.
        ("configuration", other, "different-configuration", "\"dc=other\" here", CloseCode::NotNow),
    ] {
        let mut puppet = Puppet::silent(&world, &source, "b").await;
        let mut hello = hello("b");
        hello[key] = value;
        puppet.say(&hello).await;
        let refused = puppet.hear().await;
        assert_eq!((&refused["type"], &refused["reason"]), (&json!("refused"), &json!(reason)));
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{refused}");
        assert_eq!(puppet.closed().await, code);
    }
}

#[tokio::test]
async fn an_agent_whose_configuration_is_the_same_in_other_words_was_refused() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let written = |bind_dn: &str, preset: &str, filter: &str| json!({ "bind_dn": bind_dn, "preset": preset, "sync.filter": filter });
    let mut first = Puppet::silent(&world, &source, "a").await;
    let mut usual = hello("a");
    usual["configuration"] = written("cn=readonly,dc=lg", "auto", "preset");
    first.say(&usual).await;
    assert_eq!(first.hear().await["type"], "welcome");
    for (filter, answer) in [("(objectclass=inetOrgPerson)", "welcome"), ("(uid=j*)", "refused")] {
        let mut other = Puppet::silent(&world, &source, "b").await;
        let mut hello = hello("b");
        // It has not reached its directory yet; the first one has.
        hello["directory"] = Value::Null;
        hello["configuration"] = written("CN=ReadOnly, dc=lg", "inetorgperson", filter);
        other.say(&hello).await;
        let answered = other.hear().await;
        assert_eq!(answered["type"], answer, "{answered}");
        let detail = answered["detail"].as_str().unwrap_or_default();
        assert!(!detail.contains("bind_dn") && !detail.contains("inetorgperson"), "{detail}");
    }
}

#[tokio::test]
async fn an_agent_that_is_gone_without_a_word_refused_the_one_that_came_back_configured_otherwise() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let _silent = Puppet::start(&world, &source, "a").await;
    world.pass_time(16_000);
    let mut back = Puppet::silent(&world, &source, "b").await;
    let mut hello = hello("b");
    hello["configuration"] = json!({ "base_dn": "dc=other" });
    back.say(&hello).await;
    assert_eq!(back.hear().await["type"], "welcome");
}

#[tokio::test]
async fn the_newer_link_of_the_same_process_replaces_the_older() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let mut older = Puppet::start(&world, &source, "a").await;
    let _newer = Puppet::start(&world, &source, "a").await;
    assert_eq!(older.closed().await, CloseCode::Replaced);
    let caller = world.administrator().await;
    let agents = caller.get(&format!("/synchronizations/{}/agents", source.id)).await.ok();
    assert_eq!(agents["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_not_understood_is_answered_and_a_message_that_is_too_long_ends_the_link() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    for (said, code) in [
        (Message::text(r#"{"type":"dance","id":9}"#), "unknown-message"),
        (Message::text("{"), "malformed-message"),
        (Message::binary(vec![0; 10]), "malformed-message"),
    ] {
        puppet.send(said).await;
        let answer = puppet.hear().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("not-understood"), &json!(code)));
    }
    puppet.socket_too_long().await;
    let caller = world.administrator().await;
    let agents = caller.get(&format!("/synchronizations/{}/agents", source.id)).await.ok();
    assert_eq!(agents["items"], json!([]));
}

#[tokio::test]
async fn a_replaced_secret_and_a_removed_synchronization_end_the_links() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let path = format!("/synchronizations/{}", source.id);
    let rotated = caller.post(&format!("{path}/rotate-secret"), &json!({})).await.ok();
    let refused = puppet.hear().await;
    assert_eq!((&refused["type"], &refused["reason"]), (&json!("refused"), &json!("revoked")));
    assert_eq!(puppet.closed().await, CloseCode::Refused);

    let secret_token = rotated["secret_token"].as_str().expect("a secret").to_owned();
    let source = crate::world::Source { secret_token, ..source };
    let mut puppet = Puppet::start(&world, &source, "a").await;
    caller.delete(&path).await.ok();
    assert_eq!(puppet.hear().await["reason"], "revoked");
    assert_eq!(puppet.closed().await, CloseCode::Refused);
}

#[tokio::test]
async fn one_secret_filled_the_memory_of_the_control_plane_with_long_hosts() {
    let world = World::start().await;
    let source = world.source("directory").await;
    for host in ["x".repeat(500_000), "dc1\n2026-01-01 INFO all is well".to_owned()] {
        let mut puppet = Puppet::silent(&world, &source, "a").await;
        let mut hello = hello("a");
        hello["host"] = json!(host);
        puppet.say(&hello).await;
        let answer = puppet.hear().await;
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("not-understood"), &json!("malformed-message"))
        );
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.starts_with("\"host\"")), "{answer}");
        assert_eq!(puppet.closed().await, CloseCode::BadHello);
    }
}

#[tokio::test]
async fn one_secret_made_links_without_end() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let mut links = Vec::new();
    for number in 0..64 {
        links.push(Puppet::start(&world, &source, &number.to_string()).await);
    }
    let mut puppet = Puppet::silent(&world, &source, "one-more").await;
    puppet.say(&hello("one-more")).await;
    let refused = puppet.hear().await;
    assert_eq!((&refused["type"], &refused["reason"]), (&json!("refused"), &json!("too-many-links")));
    assert_eq!(puppet.closed().await, CloseCode::NotNow, "there may be room in a while");
    let _again = Puppet::start(&world, &source, "7").await;
    let mut leaves = links.pop().expect("the last one");
    leaves.socket.close(None).await.expect("closes");
    leaves.socket_ends().await;
    let _instead = Puppet::start(&world, &source, "one-more").await;
    let other = world.source("other").await;
    let _served = Puppet::start(&world, &other, "a").await;
}

#[tokio::test]
async fn a_link_that_had_not_said_hello_outlived_the_secret_that_it_signed_in_with() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let path = format!("/synchronizations/{}", source.id);
    let mut replaced = Puppet::silent(&world, &source, "a").await;
    let rotated = caller.post(&format!("{path}/rotate-secret"), &json!({})).await.ok();
    let secret_token = rotated["secret_token"].as_str().expect("a secret").to_owned();
    let source = crate::world::Source { secret_token, ..source };
    let mut deleted = Puppet::silent(&world, &source, "b").await;
    caller.delete(&path).await.ok();
    for puppet in [&mut replaced, &mut deleted] {
        puppet.say(&hello("a")).await;
        let refused = puppet.hear().await;
        assert_eq!((&refused["type"], &refused["reason"]), (&json!("refused"), &json!("revoked")));
        assert_eq!(puppet.closed().await, CloseCode::Refused);
    }
}

#[tokio::test]
async fn a_server_that_goes_down_tells_its_agents_when_to_come_back() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let mut puppet = Puppet::start(&world, &source, "a").await;
    let stopping = tokio::spawn(world.stop());
    let drain = puppet.hear().await;
    assert_eq!(drain["type"], "drain");
    assert!(drain["return_after_ms"].as_u64().is_some_and(|pause| pause >= 250), "{drain}");
    assert_eq!(puppet.closed().await, CloseCode::Draining);
    stopping.await.expect("does not panic").expect("stops");
}

impl Puppet {
    /// Waits until the connection is gone.
    async fn socket_ends(&mut self) {
        use futures_util::StreamExt;
        let ended = async { while let Some(Ok(_)) = self.socket.next().await {} };
        tokio::time::timeout(AT_ONCE, ended).await.expect("the server closes too");
    }

    /// Says more than may be said at once.
    async fn socket_too_long(&mut self) {
        use futures_util::SinkExt;
        let long = Message::text("x".repeat(MAX_MESSAGE_BYTES + 1));
        // The server may hang up before all of it was taken.
        let _cut_off = self.socket.send(long).await;
        self.socket_ends().await;
    }
}
