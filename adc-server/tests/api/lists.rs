//! Lists: every item once, whatever happens between two pages.

use crate::world::{World, person};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn people_added_between_two_pages_neither_repeat_nor_hide_anybody() {
    let world = World::start().await;
    let caller = world.administrator().await;
    let add = async |name: String| {
        caller.post("/users", &json!({ "username": name })).await.ok();
    };
    for number in 0..20 {
        add(format!("m{number:02}")).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let list = caller.get(&format!("/users?limit=3{cursor}")).await.ok();
        seen.extend(list["items"].as_array().expect("has items").iter().map(|user| user["username"].clone()));
        // One before everything shown so far, one right behind it.
        add(format!("a{page:02}")).await;
        add(format!("{}+", seen.last().and_then(Value::as_str).expect("a name"))).await;
        let Some(next) = list["next_cursor"].as_str() else { break };
        assert!(
            next.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
            "{next} is not URL-safe"
        );
        cursor = format!("&cursor={next}");
    }
    let names: Vec<_> = seen.iter().filter_map(Value::as_str).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "somebody is shown twice: {names:?}");
    for number in 0..20 {
        assert!(names.contains(&format!("m{number:02}").as_str()), "m{number:02} is hidden: {names:?}");
    }
}

#[tokio::test]
async fn searching_finds_names_addresses_and_display_names_but_no_patterns() {
    let world = World::start().await;
    let caller = world.administrator().await;
    for (username, email, display) in [
        ("jane", "jane@lg.local", "Jane Doe"),
        ("john", "JD@lg.local", "John 100%"),
        ("zoë", "zoe@lg.local", "Zoë_Ω"),
    ] {
        let user = json!({ "username": username, "email": email, "fields": { "display_name": display } });
        caller.post("/users", &user).await.ok();
    }
    for (q, expected) in [
        ("DOE", vec!["jane"]),
        ("jd@", vec!["john"]),
        ("100%25", vec!["john"]),
        ("%25", vec!["john"]),
        ("_", vec!["zoë"]),
        ("zo%C3%AB", vec!["zoë"]),
        ("lg.local", vec!["jane", "john", "zoë"]),
        ("nobody", vec![]),
    ] {
        let found = caller.all(&format!("/users?q={q}"), 1).await;
        let names: Vec<_> = found.iter().filter_map(|user| user["username"].as_str()).collect();
        assert_eq!(names, expected, "q={q}");
    }
}

#[tokio::test]
async fn the_feed_goes_on_where_it_was_left_while_more_is_committed() {
    let world = World::start().await;
    let source = world.source("directory").await;
    let caller = world.administrator().await;
    let mut people = vec![person("p0"), person("p1"), person("p2")];
    world.import(&source, &people).await;
    let first = caller.get("/events?limit=2").await.ok();
    let after = first["items"][1]["id"].as_str().expect("has an id").to_owned();
    assert_eq!(first["next_cursor"], after.as_str(), "an event's id is its cursor");

    caller.post("/users", &json!({ "username": "local" })).await.ok();
    people.remove(0);
    people.push(person("p3"));
    world.import(&source, &people).await;
    let rest = caller.all(&format!("/events?after={after}"), 500).await;
    let story: Vec<_> =
        rest.iter().map(|event| (event["username"].clone(), event["action"].clone())).collect();
    let expected = [
        ("p2@lg.local", "create"),
        ("local", "create"),
        ("p3@lg.local", "create"),
        ("p0@lg.local", "delete"),
    ];
    for (name, action) in expected {
        assert!(story.contains(&(json!(name), json!(action))), "{name} {action} is missing: {story:?}");
    }
    assert_eq!(story.len(), expected.len());
    assert_eq!(story[..2], [(json!("p2@lg.local"), json!("create")), (json!("local"), json!("create"))]);

    let last = rest.last().expect("has events")["id"].as_str().expect("has an id").to_owned();
    assert_eq!(
        caller.get(&format!("/events?after={last}")).await.ok(),
        json!({ "items": [], "next_cursor": null })
    );
    world.preview(&source, &[person("p9")]).await;
    assert_eq!(
        caller.get(&format!("/events?after={last}")).await.ok()["items"],
        json!([]),
        "a dry run is no event"
    );
}
