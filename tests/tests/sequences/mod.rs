//! What must hold for any company and any order of events, against a real control plane that is killed now and then.
//!
//! [`script`] makes sequences up, [`play`] plays each in an account of its own: the directory is a map in memory
//! ([`directory`]), its agent does as it is told ([`puppet`]), and after each step all that the API shows
//! ([`snapshot`], [`ledger`]) is compared with a small oracle ([`model`]).

mod agents;
mod busy;
mod commits;
mod crashes;
mod directory;
mod endings;
mod ledger;
mod model;
mod play;
mod puppet;
mod script;
mod snapshot;
mod stage;
mod unlocked;

use std::cell::RefCell;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use play::Play;
use stage::Stage;

/// Sequences each test tries; 256 is what is asked for at least.
const SEQUENCES: u32 = 256;

/// Replays of a sequence that failed, in search of a shorter one.
const REPLAYS: u32 = 400;

#[test]
fn whatever_happens_the_account_is_what_the_rules_make_of_the_directory() {
    try_sequences(1);
}

#[test]
fn whatever_happens_the_account_is_what_the_rules_make_of_the_directory_2() {
    try_sequences(2);
}

/// Tries sequences made up from a seed: the same every time.
fn try_sequences(seed: u8) {
    let stage = RefCell::new(Stage::new());
    let config = Config {
        cases: SEQUENCES,
        failure_persistence: None,
        max_shrink_iters: REPLAYS,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let result = TestRunner::new_with_rng(config, rng).run(&script::script(), |script| {
        Play::new(&mut stage.borrow_mut()).play(&script);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}\n\nThe control plane's last words:\n{}", stage.borrow().last_words());
    }
}
