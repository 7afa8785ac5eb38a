//! Roles, on every route that the OpenAPI document names.

use crate::world::{Caller, World, group, person};
use adc_server::{admin::accounts, api, roles::Role};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One operation of the document.
struct Route {
    method: Method,
    path: String,
    /// The weakest role that may call it; `None` for agents.
    role: Option<Role>,
}

#[tokio::test]
async fn every_route_refuses_a_missing_a_foreign_and_a_too_weak_key() {
    let world = World::start().await;
    let ids = everything(&world).await;
    let other = accounts::create(&world.store, &world.clock, "other").await.expect("makes an account");
    let stranger = world.source_of(&other.id, "theirs").await;

    for route in routes() {
        let path = fill(&route.path, &ids);
        let what = format!("{} {path}", route.method);
        let ask = async |caller: &Caller| {
            let request = caller.request(route.method.clone(), &path);
            let request = if route.method == Method::GET { request } else { request.json(&json!({})) };
            caller.send(request).await
        };

        assert_eq!(ask(&world.anonymous()).await.problem(), (401, "unauthorized"), "{what} without a key");
        let unknown = world.anonymous().with_bearer("adck_unknown");
        assert_eq!(ask(&unknown).await.problem(), (401, "unauthorized"), "{what} with an unknown key");

        let Some(needed) = route.role else {
            let administrator = world.administrator().await;
            assert_eq!(ask(&administrator).await.problem().0, 401, "{what} with an API key");
            if route.path.contains('{') {
                let foreign = ask(&world.agent(&stranger)).await;
                assert!(
                    [404, 400, 422].contains(&foreign.problem().0),
                    "{what} as another's agent: {foreign:?}"
                );
                assert_ne!(foreign.status, 200);
            }
            continue;
        };

        let agent = world.agent(&stranger);
        assert_eq!(ask(&agent).await.problem().0, 401, "{what} as an agent");
        for weaker in Role::ALL.into_iter().filter(|role| *role < needed) {
            let caller = world.caller(weaker).await;
            assert_eq!(ask(&caller).await.problem(), (403, "forbidden"), "{what} as {weaker}");
        }
        // Whoever logs people in may leave open which account they come into.
        if needed.needs_account() && route.path != "/login" {
            let system = world.caller_of(None, Role::SystemAdministrator).await;
            assert_eq!(ask(&system).await.problem(), (400, "account-missing"), "{what} of no account");
        }
        if route.path.contains('{') {
            let foreign = world.caller_of(Some(&other.id), Role::AccountAdministrator).await;
            assert_eq!(ask(&foreign).await.problem().0, 404, "{what} with a foreign key");
        }
    }
}

#[tokio::test]
async fn what_changes_anything_needs_an_administrator() {
    for route in routes() {
        let Some(role) = route.role else { continue };
        let reads = route.method == Method::GET;
        assert!(
            reads || role >= Role::AccountAdministrator,
            "{} {} lets {role} in",
            route.method,
            route.path
        );
    }
}

#[tokio::test]
async fn a_system_administrator_names_the_account_by_id_or_name() {
    let world = World::start().await;
    world.source("directory").await;
    let system = world.caller_of(None, Role::SystemAdministrator).await;
    for account in ["acme", &world.account_id] {
        let list = system.get(&format!("/synchronizations?account={account}")).await.ok();
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "of {account}");
    }
    assert_eq!(system.get("/synchronizations?account=nobody").await.problem(), (404, "account-not-found"));
    let own = world.administrator().await;
    own.get("/synchronizations?account=acme").await.ok();
    accounts::create(&world.store, &world.clock, "other").await.expect("makes an account");
    assert_eq!(own.get("/synchronizations?account=other").await.problem(), (404, "account-not-found"));
}

#[tokio::test]
async fn the_key_of_another_account_was_told_of_a_synchronization_that_nobody_had_named() {
    let world = World::start().await;
    let run = everything(&world).await["/runs/"].clone();
    let other = accounts::create(&world.store, &world.clock, "other").await.expect("makes an account");
    let foreign = world.caller_of(Some(&other.id), Role::AccountAdministrator).await;
    for step in ["approve", "reject", "cancel"] {
        let refusal = foreign.post(&format!("/runs/{run}/{step}"), &json!({})).await;
        assert_eq!(refusal.problem(), (404, "run-not-found"), "{step}");
        let said = refusal.detail();
        assert!(said.contains("in this account") && said.contains("the API key"), "{step}: {said}");
    }
}

/// What the document names, in its order.
fn routes() -> Vec<Route> {
    let document = serde_json::to_value(api::document()).expect("prints");
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("has paths") {
        for (method, operation) in operations.as_object().expect("has operations") {
            let security = &operation["security"][0];
            let role = security.get("api_key").map(|roles| {
                let role: Role = serde_json::from_value(roles[0].clone()).expect("names a role");
                role
            });
            assert!(
                role.is_some() || security.get("agent").is_some(),
                "{method} {path} says nobody may call it"
            );
            routes.push(Route {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.strip_prefix("/api/v1").expect("is below /api/v1").to_owned(),
                role,
            });
        }
    }
    assert!(routes.len() > 25, "the document names only {} operations", routes.len());
    routes
}

/// One of each thing, by the beginning of the paths that name it.
async fn everything(world: &World) -> BTreeMap<&'static str, String> {
    let source = world.source("directory").await;
    let report = world.import(&source, &[person("jane"), group("staff", &["uid=jane,ou=people"])]).await;
    let caller = world.administrator().await;
    let first = async |path: &str| -> String {
        let list: Value = caller.get(path).await.ok();
        list["items"][0]["id"].as_str().expect("has an id").to_owned()
    };
    BTreeMap::from([
        ("/synchronizations/", source.id),
        ("/runs/", report.run_id.clone()),
        ("/agent/runs/", report.run_id),
        ("/users/", first("/users").await),
        ("/groups/", first("/groups").await),
    ])
}

fn fill(path: &str, ids: &BTreeMap<&'static str, String>) -> String {
    let Some((before, after)) = path.split_once("{id}") else { return path.to_owned() };
    let id = ids.get(before).unwrap_or_else(|| panic!("the test makes nothing for {path}"));
    format!("{before}{id}{after}")
}
