//! The decisions at work: a pure model of the control plane, run over directories that change.
//!
//! [`account`] does in memory what the control plane does with SQL: it supplies the facts, asks core what becomes of
//! each object, settles names that change hands, asks the guards, and applies. [`scenarios`] tells stories with it,
//! and the properties hold for histories made up by [`history`].

mod account;
mod applying;
mod convergence;
mod desired_state;
mod directory;
mod dry_run;
mod facts;
mod guards;
mod history;
mod order;
mod plan;
mod protection;
mod scenarios;
mod steadiness;
mod switches;

use proptest::test_runner::Config;

/// How many histories each property is tried on. They are pure and small: all of them take seconds.
fn cases() -> Config {
    Config { cases: 512, failure_persistence: None, ..Config::default() }
}
