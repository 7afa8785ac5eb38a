//! The `adc` command: parse, dispatch, exit code.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use adc::cli::{Cli, Command, ConfigCommand};
use adc::commands;
use adc::config::Environment;
use adc::exit::Exit;
use adc::{logging, process, service};
use clap::Parser;
use indicatif::ProgressBar;

/// An entry costs some sixty small allocations; the system's allocator takes a third of the whole time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One for the directory's socket, one for mapping and sending: the machine has other work.
const WORKER_THREADS: usize = 2;

fn main() -> ExitCode {
    // Fails only when a provider is installed already, and then there is one.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = Cli::parse();
    let environment = Environment::of_process();
    let color = |terminal: bool| cli.global.color.is_on(terminal, environment.get("NO_COLOR").is_some());
    let (log_color, result_color) = (color(io::stderr().is_terminal()), color(io::stdout().is_terminal()));
    logging::start(cli.global.log_format, cli.global.verbosity(), environment.get("ADC_LOG"), log_color);
    process::leave_no_core();
    let bar = logging::bar(cli.global.log_format, cli.global.verbosity(), environment.get("TERM"));
    run(cli, &environment, result_color, bar).into()
}

fn run(cli: Cli, environment: &Environment, color: bool, bar: Option<ProgressBar>) -> Exit {
    let overrides = cli.global.overrides();
    match cli.command {
        Command::Imp(args) => block_on(commands::imp(&args, &overrides, environment, color, bar)),
        Command::Run(args) => block_on(service::serve(&args, &overrides, environment)),
        Command::Check(output) => block_on(commands::check(output, &overrides, environment, color)),
        Command::Config(ConfigCommand::Example(output)) => commands::config_example(output),
        Command::Config(ConfigCommand::Show(output)) => {
            commands::config_show(output, &overrides, environment)
        }
        Command::Completions { shell } => commands::completions(shell),
        Command::Man => commands::man(),
    }
}

fn block_on(command: impl Future<Output = Exit>) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .expect("a process may start two threads");
    let exit = runtime.block_on(command);
    // Dropped, it would wait for name servers and files that do not answer; nobody waits for what they would have said.
    runtime.shutdown_background();
    exit
}
