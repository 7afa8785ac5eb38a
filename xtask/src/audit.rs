//! `cargo xtask audit`: the dependencies, checked against deny.toml, and each of them used.

use anyhow::{Result, bail};

use crate::step::{Step, answers};

/// Checks bans, licenses and sources, then looks for dependencies that nobody uses.
pub(crate) fn run() -> Result<()> {
    for tool in ["deny", "machete"] {
        if !answers("cargo", [tool, "--version"]) {
            bail!("cargo-{tool} is not installed; `cargo install --locked cargo-{tool}` does that");
        }
    }
    Step::cargo("dependencies", ["deny", "check", "bans", "licenses", "sources"]).run()?;
    Step::cargo("unused dependencies", ["machete"]).run()
}
