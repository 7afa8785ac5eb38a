//! `adc-server`: parse, dispatch, exit code.

use adc_server::cli::{self, Cli};
use clap::Parser;
use std::process::ExitCode;

/// The system's allocator costs a tenth of the time of an import.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
