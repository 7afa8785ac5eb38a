//! Refusals: always problem documents, with the key that is wrong.

use crate::world::World;
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::json;

#[tokio::test]
async fn whatever_goes_wrong_is_a_problem_document() {
    let world = World::start().await;
    let caller = world.administrator().await;
    assert_eq!(caller.get("/nothing").await.problem(), (404, "no-such-path"));
    assert_eq!(caller.get("/../nothing").await.problem(), (404, "no-such-path"));
    assert_eq!(caller.delete("/users").await.problem(), (405, "method-not-allowed"));
    assert_eq!(caller.get("/users/usr_0").await.problem(), (404, "user-not-found"));
    assert_eq!(caller.get("/users/%ff").await.problem(), (400, "invalid-path"));

    let post = |body: &str| caller.request(Method::POST, "/users").body(body.to_owned());
    let json = |body: &str| post(body).header(CONTENT_TYPE, "application/json");
    assert_eq!(caller.send(post("{}")).await.problem(), (415, "unsupported-media-type"));
    assert_eq!(caller.send(json("{")).await.problem(), (400, "invalid-json"));
    assert_eq!(caller.send(json(r#"{"username": "a"} trailing"#)).await.problem(), (400, "invalid-json"));
    let large = format!(r#"{{"username": "{}"}}"#, "a".repeat(1 << 20));
    assert_eq!(caller.send(json(&large)).await.problem(), (413, "body-too-large"));
}

#[tokio::test]
async fn an_unknown_key_is_an_error_that_names_it() {
    let world = World::start().await;
    let caller = world.administrator().await;
    let body = caller.post("/users", &json!({ "username": "a", "admin": true })).await;
    assert_eq!(body.problem(), (422, "invalid-body"));
    assert!(body.detail().contains("unknown field `admin`"), "{}", body.detail());
    for path in ["/users", "/groups", "/org-units", "/events", "/synchronizations"] {
        let query = caller.get(&format!("{path}?limt=3")).await;
        assert_eq!(query.problem(), (400, "invalid-query"), "{path}");
        assert!(query.detail().contains("unknown field `limt`"), "{}", query.detail());
    }
    assert_eq!(caller.get("/users?status=gone").await.problem(), (400, "invalid-query"));
    assert_eq!(caller.get("/users?limit=501").await.problem(), (400, "invalid-limit"));
    assert_eq!(caller.get("/users?cursor=nonsense").await.problem(), (400, "invalid-cursor"));
    caller.get("/users?q=&status=&cursor=").await.ok();
}
