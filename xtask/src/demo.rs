//! `cargo xtask demo`: the product, seen working within minutes of the clone.

use anyhow::Result;

use crate::step::Step;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// For `adc-server demo`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    demo: Vec<String>,
}

/// Builds the control plane and runs its demo.
///
/// It is a debug build: some hundred people import in a blink either way, and a newcomer waits for the compiler
/// half as long.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    Step::cargo("demo", ["run", "--package", "adc-server", "--", "demo"]).args(&arguments.demo).run_instead()
}
