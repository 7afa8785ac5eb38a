//! What `cargo xtask bench` runs: imports of large directories, each beside ldapsearch reading the same.

mod budget;
mod directory;
mod domain;
mod latency;
mod links;
mod logins;
mod machine;
mod measure;
mod reading;
mod report;
mod scenario;
mod served;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use served::Kind;

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
    /// How many users the directories have; 0 leaves these out.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    users: Vec<usize>,
    /// How often each thing is measured; the table shows the medians.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// One small directory, each thing measured once: shows that the benchmark works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// How many users the domain of the domain controller has; 0 leaves it out, for it takes minutes to fill.
    #[arg(long, default_value_t = 10_000)]
    domain_users: usize,
    /// How many changes are made, seconds apart, to see how soon each is followed; 0 leaves that out.
    #[arg(long, default_value_t = 200)]
    changes: usize,
    /// How many idle agents are connected to one control plane; 0 leaves that and sign-ins out.
    #[arg(long, default_value_t = 1_000)]
    agents: usize,
    /// Writes the tables and the machine's facts into docs/benchmarks.md.
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

/// The changes that `--quick` follows.
const QUICK_CHANGES: usize = 3;

/// The agents that `--quick` connects.
const QUICK_AGENTS: usize = 50;

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
    let (sizes, repeat, domain_users, changes, agents) = if options.quick {
        (vec![QUICK_USERS], 1, QUICK_USERS, QUICK_CHANGES, QUICK_AGENTS)
    } else {
        (options.users.clone(), options.repeat, options.domain_users, options.changes, options.agents)
    };
    let load = machine::load();
    let mut rows = Vec::new();
    for users in sizes.into_iter().filter(|users| *users > 0) {
        rows.extend(scenario::measure(Kind::OpenLdap, users, repeat)?);
    }
    if domain_users > 0 {
        rows.extend(scenario::measure(Kind::Domain, domain_users, repeat)?);
    }
    let followed = if changes > 0 { latency::measure(changes)? } else { Vec::new() };
    let links = if agents > 0 { Some(links::measure(agents)?) } else { None };
    let logins = if agents > 0 { Some(logins::measure()?) } else { None };
    let measured = report::Measured { rows, followed, links, logins };
    let report = report::markdown(&measured, &load);
    println!("\n{report}");
    if options.write {
        report::write(&report)?;
    }
    budget::enforce(&measured)
}
