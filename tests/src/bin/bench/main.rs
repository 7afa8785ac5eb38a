//! What `cargo xtask bench` runs: imports of large directories, each beside ldapsearch reading the same.

mod budget;
mod directory;
mod machine;
mod measure;
mod reading;
mod report;
mod scenario;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Measures imports beside ldapsearch.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench", args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    inner: Option<Inner>,
}

#[derive(Debug, Args)]
struct Options {
    /// How many users the directories have.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    users: Vec<usize>,
    /// How often each thing is measured; the table shows the medians.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// One small directory, each thing measured once: shows that the benchmark works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// Writes the table and the machine's facts into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Subcommand)]
enum Inner {
    /// Run a command, and write what it used into a file as JSON.
    #[command(hide = true)]
    Measure(measure::Arguments),
}

/// The directory of `--quick`.
const QUICK_USERS: usize = 2_000;

fn main() -> ExitCode {
    let CommandLine { options, inner } = CommandLine::parse();
    let done = match inner {
        Some(Inner::Measure(arguments)) => measure::run(&arguments),
        None => bench(&options).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("\nerror: {error:#}");
        ExitCode::FAILURE
    })
}

fn bench(options: &Options) -> Result<()> {
    let (sizes, repeat) =
        if options.quick { (vec![QUICK_USERS], 1) } else { (options.users.clone(), options.repeat) };
    let load = machine::load();
    let mut rows = Vec::new();
    for users in sizes {
        rows.extend(scenario::measure(users, repeat)?);
    }
    let report = report::markdown(&rows, &load);
    println!("\n{report}");
    if options.write {
        report::write(&report)?;
    }
    budget::enforce(&rows)
}
