//! Either side is killed at any moment, again and again: what is there in the end is what the directory says.

use std::time::{Duration, Instant};

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{Connected, agents, plain, run_now, scene};

/// How often somebody is killed.
const ROUNDS: u32 = 10;
/// The same rounds every time.
const SEED: u8 = 4;
/// A run of this company is over by then.
const LONGEST: u64 = 400;

#[test]
fn whoever_is_killed_and_whenever_all_of_the_directory_arrives_once() {
    let scene = &mut scene();
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[SEED; 32]);
    let mut agent = Connected::start(&scene.agent);
    for round in 0..ROUNDS {
        scene.join("people", format!("round{round}").as_str());
        // One that was interrupted may be under way again by itself.
        let answer = run_now(scene, &plain());
        assert!([202, 409].contains(&answer.status), "{}", answer.body);
        let moment = Instant::now() + Duration::from_millis(rng.next_u64() % LONGEST);
        while Instant::now() < moment {
            agents(scene);
        }
        if rng.next_u32().is_multiple_of(2) {
            agent.kill();
            agent = Connected::start(&scene.agent);
        } else {
            scene.control_plane.kill();
            scene.control_plane.restart();
            agent.wait_for(super::CONNECTED);
        }
    }
    let last = format!("round{}@lg.local", ROUNDS - 1);
    agent.wait_until(|| scene.users().contains_key(&last));
    let (code, log) = agent.stop();
    assert_eq!(code, 0, "{log}");
    let names: Vec<String> = scene.users().into_keys().collect();
    assert_eq!(scene.plan(&scene.imp_with(&["--full", "--dry-run"], 0)), Vec::<String>::new());
    let created = scene.api.all("/events").len();
    let fresh = scene.copy().emptied();
    fresh.imp();
    assert_eq!(names, fresh.users().into_keys().collect::<Vec<_>>());
    assert_eq!(created, fresh.api.all("/events").len(), "nothing was done twice");
}
