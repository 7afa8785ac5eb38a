//! Hosted connectors as administrators set them: what is refused, what is kept, and that the password is shown to nobody.

use crate::world::{Caller, Source, World};
use adc_server::hosted::{Bounds, Key, Offer, OwnAddresses};
use serde_json::{Value, json};

const PASSWORD: &str = "tr0ub4dor & 3";

/// The one address that the control plane has, so far as these tests are concerned; nobody answers at the others (RFC 5737).
const OWN: &str = "192.0.2.1";

fn key(byte: u8) -> Key {
    Key::from_bytes(&[byte; 32])
}

fn offer(key: Key) -> Offer {
    let networks = ["corp=192.0.2.0/24", "lab=198.51.100.0/24"].map(|text| text.parse().expect(text));
    let own = OwnAddresses::from_fn(|address| address.to_string() == OWN);
    let bounds = Bounds::new(networks.into(), vec!["lab".to_owned()], own).expect("holds together");
    Offer::within(bounds, key)
}

fn connection() -> Value {
    json!({
        "host": "192.0.2.7", "tls": "ldaps", "base_dn": "dc=lg,dc=local", "user": "cn=reader,dc=lg,dc=local",
        "password": PASSWORD,
    })
}

/// The connection with some members set otherwise.
fn with(members: &Value) -> Value {
    let mut changed = connection();
    for (name, value) in members.as_object().expect("an object") {
        changed[name] = value.clone();
    }
    changed
}

struct Scene {
    world: World,
    source: Source,
    caller: Caller,
    path: String,
}

impl Scene {
    async fn of(world: World) -> Self {
        let source = world.source("directory").await;
        let caller = world.administrator().await;
        let path = format!("/synchronizations/{}", source.id);
        Self { world, source, caller, path }
    }

    async fn new() -> Self {
        Self::of(World::hosting(offer(key(7))).await).await
    }

    async fn set(&self, connection: Value) -> crate::world::Answer {
        self.caller.patch(&self.path, &json!({ "connection": connection })).await
    }

    async fn shown(&self) -> Value {
        self.caller.get(&self.path).await.ok()["connection"].clone()
    }

    /// The connector's trouble, once it has one.
    async fn trouble(&self) -> String {
        loop {
            if let Some(trouble) = self.shown().await["connector"]["trouble"].as_str() {
                return trouble.to_owned();
            }
            tokio::task::yield_now().await;
        }
    }

    async fn stored_password(&self) -> String {
        let found = self.world.store.synchronization(&self.world.account_id, &self.source.id).await;
        let kept = found.expect("answers").expect("is there").connection.expect("has a connection");
        kept.password.as_stored().to_owned()
    }
}

#[tokio::test]
async fn a_connection_is_shown_whole_but_for_its_password() {
    let scene = Scene::new().await;
    assert_eq!(scene.shown().await, Value::Null);
    let set = scene.set(connection()).await.ok();
    let mut shown = set["connection"].clone();
    shown.as_object_mut().expect("an object").remove("connector");
    assert_eq!(
        shown,
        json!({
            "host": "192.0.2.7", "port": 636, "tls": "ldaps", "base_dn": "dc=lg,dc=local",
            "user": "cn=reader,dc=lg,dc=local", "password_set": true, "ca_pem": null, "server_name": null,
        })
    );
    let everything = [
        set.to_string(),
        scene.caller.get(&scene.path).await.ok().to_string(),
        scene.caller.get("/synchronizations").await.ok().to_string(),
        scene.caller.get("/events").await.ok().to_string(),
    ];
    assert!(everything.iter().all(|text| !text.contains(PASSWORD)), "{everything:?}");
    let stored = scene.stored_password().await;
    assert!(!stored.contains(PASSWORD) && !everything.iter().any(|text| text.contains(&stored)));

    assert_eq!(scene.set(Value::Null).await.ok()["connection"], Value::Null);
    assert_eq!(scene.shown().await, Value::Null);
}

#[tokio::test]
async fn a_usual_port_outlived_what_it_was_usual_for() {
    let scene = Scene::new().await;
    let port = async |members: Value| {
        let mut members = members;
        members["password"] = PASSWORD.into();
        scene.set(members).await.ok()["connection"]["port"].clone()
    };
    assert_eq!(port(connection()).await, 636);
    assert_eq!(port(json!({ "tls": "start_tls" })).await, 389);
    assert_eq!(port(json!({ "host": "192.0.2.8" })).await, 389);
    assert_eq!(port(json!({ "port": 3_890 })).await, 3_890);
    assert_eq!(port(json!({ "tls": "ldaps" })).await, 3_890, "an unusual one was meant");
    assert_eq!(port(json!({ "port": null })).await, 636);
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_and_no_error_repeats_the_password() {
    let scene = Scene::new().await;
    let mut without_password = connection();
    without_password.as_object_mut().expect("an object").remove("password");
    for (connection, code, words) in [
        (json!(PASSWORD), "invalid-connection", "must be an object"),
        (json!([PASSWORD]), "invalid-connection", "must be an object"),
        (without_password, "invalid-connection", "password is missing"),
        (with(&json!({ "password": "" })), "invalid-connection", "must not be empty"),
        (with(&json!({ "password": [PASSWORD] })), "invalid-connection", "must be a text"),
        (with(&json!({ "password": null })), "invalid-connection", "must be a text"),
        (with(&json!({ "pasword": PASSWORD })), "invalid-body", "pasword"),
        (with(&json!({ "host": "" })), "invalid-connection", "host must be"),
        (with(&json!({ "host": "ldaps://192.0.2.7" })), "invalid-connection", "host must be"),
        (with(&json!({ "host": "192.0.2.7:636" })), "invalid-connection", "host must be"),
        (with(&json!({ "port": 70_000 })), "invalid-body", "port"),
        (with(&json!({ "port": 0 })), "invalid-connection", "no server listens on port 0"),
        (with(&json!({ "tls": "none" })), "invalid-body", "tls"),
        (with(&json!({ "base_dn": "lg.local" })), "invalid-connection", "base_dn must be"),
        (with(&json!({ "base_dn": "" })), "invalid-connection", "base_dn must be"),
        (with(&json!({ "user": " " })), "invalid-connection", "anonymous"),
        (with(&json!({ "ca_pem": "x" })), "invalid-connection", "ca_pem cannot be used"),
        (with(&json!({ "server_name": "a b" })), "invalid-connection", "server_name must be"),
        (
            with(&json!({ "host": "198.51.100.7", "tls": "plain", "server_name": "dc1" })),
            "invalid-connection",
            "of no use",
        ),
        // Where nobody may connect to.
        (with(&json!({ "host": "203.0.113.7" })), "network-not-allowed", "(corp, lab)"),
        (with(&json!({ "host": "2001:db8::1" })), "network-not-allowed", "(corp, lab)"),
        (with(&json!({ "host": OWN })), "network-not-allowed", "own address"),
        (with(&json!({ "host": "::ffff:192.0.2.1" })), "network-not-allowed", "own address"),
        (with(&json!({ "host": "127.0.0.1" })), "network-not-allowed", "loopback"),
        (with(&json!({ "host": "::1" })), "network-not-allowed", "loopback"),
        (with(&json!({ "host": "169.254.169.254" })), "network-not-allowed", "link-local"),
        (with(&json!({ "tls": "plain" })), "network-not-allowed", "in clear"),
    ] {
        let answer = scene.set(connection.clone()).await;
        let (status, said) = (answer.status, answer.body["code"].clone());
        let detail = answer.body["detail"].as_str().unwrap_or_default().to_owned();
        assert_eq!((status, said), (422, json!(code)), "{connection}: {detail}");
        assert!(detail.contains(words) && !detail.contains(PASSWORD), "{connection}: {detail}");
    }
    assert_eq!(scene.shown().await, Value::Null, "a refused connection was kept");
    scene.set(with(&json!({ "host": "198.51.100.7", "tls": "plain" }))).await.ok();
}

#[tokio::test]
async fn a_name_that_stands_for_the_control_plane_is_not_connected_to() {
    let scene = Scene::new().await;
    for host in ["localhost", "127.1", "2130706433", "0x7f.1"] {
        scene.set(Value::Null).await.ok();
        scene.set(with(&json!({ "host": host }))).await.ok();
        let trouble = scene.trouble().await;
        assert!(
            trouble.contains("loopback") || trouble.contains("has no address") || trouble.contains("cannot"),
            "{host}: {trouble}"
        );
    }
}

#[tokio::test]
async fn a_kept_password_was_sent_wherever_the_connection_was_led_afterwards() {
    let scene = Scene::new().await;
    scene.set(connection()).await.ok();
    let before = scene.stored_password().await;
    for change in [
        json!({ "host": "192.0.2.66" }),
        json!({ "port": 6_360 }),
        json!({ "tls": "start_tls" }),
        json!({ "server_name": "other.lg.local" }),
        json!({ "user": "cn=other,dc=lg,dc=local" }),
    ] {
        let answer = scene.set(change.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("invalid-connection")), "{change}");
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.contains("give the password")));
        let mut with_password = change;
        with_password["password"] = json!("another");
        scene.set(with_password).await.ok();
        scene.set(Value::Null).await.ok();
        scene.set(connection()).await.ok();
    }
    assert_ne!(scene.stored_password().await, before);
    let before = scene.stored_password().await;
    let changed = scene.set(json!({ "base_dn": "ou=people,dc=lg,dc=local" })).await.ok();
    assert_eq!(changed["connection"]["base_dn"], "ou=people,dc=lg,dc=local");
    scene.caller.patch(&scene.path, &json!({ "name": "renamed" })).await.ok();
    assert_eq!(scene.stored_password().await, before, "what leads nowhere else keeps the password");
}

#[tokio::test]
async fn a_control_plane_that_hosts_none_says_so_and_lets_connections_be_removed() {
    let scene = Scene::of(World::start().await).await;
    let answer = scene.set(connection()).await;
    assert_eq!((answer.status, &answer.body["code"]), (422, &json!("hosted-connectors-off")));
    scene.set(Value::Null).await.ok();
}

#[tokio::test]
async fn a_password_of_another_key_or_another_synchronization_is_not_used_and_the_rest_goes_on() {
    let mut scene = Scene::new().await;
    scene.set(connection()).await.ok();
    let other = scene.world.source("other").await;
    let other_path = format!("/synchronizations/{}", other.id);
    let set = json!({ "connection": with(&json!({ "password": "of the other" })) });
    scene.caller.patch(&other_path, &set).await.ok();

    // Whoever writes to the database gives one synchronization the other's password.
    let mut swapped = scene.world.store.synchronization(&scene.world.account_id, &other.id).await;
    let theirs = swapped.as_mut().expect("answers").take().expect("is there").connection;
    let edit = |current: &adc_server::store::Synchronization| {
        Ok::<_, ()>(adc_server::store::Editable { connection: theirs, ..current.editable() })
    };
    let now = scene.world.clock.now();
    scene
        .world
        .store
        .edit_synchronization(&scene.world.account_id, &scene.source.id, now, edit)
        .await
        .expect("edits");
    scene.world = scene.world.again(offer(key(7))).await;
    scene.caller = scene.world.administrator().await;
    let trouble = scene.trouble().await;
    assert!(trouble.contains("belongs to another connection"), "{trouble}");

    scene.world = scene.world.again(offer(key(8))).await;
    scene.caller = scene.world.administrator().await;
    let trouble = scene.trouble().await;
    assert!(trouble.contains("sealed with another key"), "{trouble}");
    let shown = scene.shown().await;
    assert_eq!((&shown["connector"]["state"], &shown["password_set"]), (&json!("failed"), &json!(true)));
    scene.caller.get("/users").await.ok();

    // Said again, it is sealed with the key there is; nobody answers at that address.
    scene.set(connection()).await.ok();
    while scene.shown().await["connector"]["state"] != "running" {
        tokio::task::yield_now().await;
    }
    let agents = scene.caller.get(&format!("{}/agents", scene.path)).await.ok();
    assert_eq!(agents["items"][0]["host"], "hosted by the control plane");
    scene.world.stop().await.expect("ends well");
}

#[tokio::test]
async fn a_connector_is_an_agent_until_its_connection_or_its_synchronization_is_removed() {
    let scene = Scene::new().await;
    let agents_path = format!("{}/agents", scene.path);
    let instances = async || {
        let agents = scene.caller.get(&agents_path).await.ok();
        agents["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|agent| agent["instance"].clone())
            .collect::<Vec<_>>()
    };
    scene.set(connection()).await.ok();
    let first = loop {
        if let [one] = &instances().await[..] {
            break one.clone();
        }
    };
    scene.set(json!({ "base_dn": "ou=people,dc=lg,dc=local" })).await.ok();
    while !matches!(&instances().await[..], [one] if *one != first) {}
    // Another secret is none of its business, but everybody is sent away.
    scene.caller.post(&format!("{}/rotate-secret", scene.path), &json!({})).await.ok();
    while !matches!(&instances().await[..], [one] if *one != first) {}
    scene.set(Value::Null).await.ok();
    while !instances().await.is_empty() {}

    scene.set(connection()).await.ok();
    while instances().await.is_empty() {}
    assert_eq!(scene.caller.delete(&scene.path).await.status, 204);
    scene.world.stop().await.expect("ends, and its connectors with it");
}
