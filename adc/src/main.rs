//! The `adc` command: parse, dispatch, exit code.

use std::process::ExitCode;

use adc::cli::{Cli, Command, ConfigCommand};
use adc::commands;
use adc::config::Environment;
use adc::exit::Exit;
use adc::logging;
use clap::Parser;

/// An entry costs some sixty small allocations; the system's allocator takes a third of the whole time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Fails only when a provider is installed already, and then there is one.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = Cli::parse();
    let environment = Environment::of_process();
    let color = cli.global.color.is_on(logging::stderr_is_terminal(), environment.get("NO_COLOR").is_some());
    logging::start(cli.global.log_format, cli.global.verbosity(), environment.get("ADC_LOG"), color);
    run(cli, &environment).into()
}

fn run(cli: Cli, environment: &Environment) -> Exit {
    let overrides = cli.global.overrides();
    match cli.command {
        Command::Config(ConfigCommand::Example) => commands::config_example(),
        Command::Config(ConfigCommand::Show(output)) => {
            commands::config_show(output, &overrides, environment)
        }
    }
}
