//! `adc imp --watch` between a real domain controller and a real control plane.

use adc_tests::Scene;
use serde_json::json;

use super::super::domain::{below, person};
use super::{ALL, MAX, NONE, ZOE, company};
use crate::watching::Follower;

#[test]
fn a_change_in_a_domain_is_followed_as_it_comes() {
    let scene = Scene::of_domain(company(ALL));
    let mut follower = Follower::of(&scene);
    assert_eq!(follower.next()["mode"], json!("full"));
    follower.wait_until_it_follows();
    scene.directory.add(&[person(ZOE, "zoe")]);
    let run = follower.next_with_changes();
    assert_eq!((&run["mode"], &run["counts"]["create"]), (&json!("delta"), &json!(1)));
    follower.wait_until_it_follows();
    scene.directory.delete(&below(MAX));
    let run = follower.next_with_changes();
    assert_eq!((&run["mode"], &run["counts"]["delete"]), (&json!("delta"), &json!(1)));
}

#[test]
fn whoever_is_not_told_of_removals_looks_for_them() {
    let scene = Scene::of_domain(company(NONE));
    let mut follower = Follower::of(&scene);
    follower.next();
    follower.wait_until_it_follows();
    scene.directory.delete(&below(MAX));
    let run = follower.next_with_changes();
    assert_eq!((&run["mode"], &run["counts"]["delete"]), (&json!("delta"), &json!(1)));
}
