//! `cargo xtask test`: everything that must hold before a change is shared.

use anyhow::Result;

use crate::packages;
use crate::snapshots::Snapshots;
use crate::step::{PROGRAMS, Step, answers, target_folder};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// For the test runner: a filter, or its flags. With any, only the tests run, without the checks before them.
    #[arg(last = true)]
    runner: Vec<String>,
}

/// Runs the checks, then the tests; the last lines are the tests' own.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    packages::install_missing()?;
    if arguments.runner.is_empty() {
        checks()?;
    }
    // All packages in every step, also here: so cargo unifies the same features, and builds no dependency twice.
    Step::cargo("programs", ["build", "--workspace", "--bins"]).run()?;

    if !arguments.runner.is_empty() {
        return runner().args(&arguments.runner).run_as_last().map(drop);
    }
    let snapshots = Snapshots::recording(&target_folder().join("snapshots-referenced"))?;
    runner().env(Snapshots::VARIABLE, snapshots.path()).run_as_last()?;
    snapshots.all_referenced()
}

fn checks() -> Result<()> {
    Step::cargo("format", ["fmt", "--all", "--check"]).run()?;
    Step::cargo("lints", ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()?;
    Step::cargo("documents", ["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").run()?;
    // nextest runs no examples of documents; and plain cargo's own must not be the last lines.
    Step::cargo("examples in documents", ["test", "--workspace", "--doc", "--quiet"]).run()
}

/// The tests, by nextest where it is installed.
fn runner() -> Step {
    let step = if answers("cargo", ["nextest", "--version"]) {
        Step::cargo("tests", ["nextest", "run", "--workspace"])
    } else {
        Step::cargo("tests", ["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"])
    };
    // A snapshot that differs is a failure, not a file to be written.
    step.env("INSTA_UPDATE", "no").env(PROGRAMS, target_folder().join("debug"))
}
