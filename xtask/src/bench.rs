//! `cargo xtask bench`: how long imports take, beside ldapsearch reading the same.

use anyhow::Result;

use crate::packages;
use crate::step::{PROGRAMS, Step, target_folder};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// For the benchmark: `--users 10000,100000`, `--quick`, `--write`; `--help` explains them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    bench: Vec<String>,
}

/// Builds release programs, then runs the benchmark, which stands on the harness of the end-to-end tests.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    packages::install_missing()?;
    Step::cargo("build", ["build", "--release", "--package", "adc", "--package", "adc-server", "--bins"])
        .run()?;
    Step::cargo("bench", ["run", "--quiet", "--package", "adc-tests", "--bin", "bench", "--"])
        .args(&arguments.bench)
        .env(PROGRAMS, target_folder().join("release"))
        .run_as_last()
        .map(drop)
}
