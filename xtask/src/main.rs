//! `cargo xtask demo | test | bench | audit | dist`: what people and CI type.

mod audit;
mod bench;
mod demo;
mod dist;
mod packages;
mod snapshots;
mod step;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// The project's tasks, each with everything it needs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Show the whole product on this machine: a sample directory, a preview, an import; then stay up.
    Demo(demo::Arguments),
    /// Check the formatting, lints and documents, and run every test, against a real slapd too.
    Test(test::Arguments),
    /// Measure imports of large directories beside ldapsearch, and compare them with the budgets.
    Bench(bench::Arguments),
    /// Check the dependencies: licenses, bans, sources, and whether all are used.
    Audit,
    /// Build the release archive in dist/.
    Dist,
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Audit => audit::run(),
        Task::Dist => dist::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
