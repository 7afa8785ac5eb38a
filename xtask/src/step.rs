//! One command of a task: announced, run, timed, and explained when it fails.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Tells the harness of the end-to-end tests which folder holds the programs that were just built
/// (`tests/src/programs.rs`).
pub(crate) const PROGRAMS: &str = "ADC_TEST_PROGRAMS";

/// A command that runs in the repository's root.
#[derive(Debug)]
pub(crate) struct Step {
    title: &'static str,
    command: Command,
}

impl Step {
    /// A step that runs `cargo` with these arguments.
    pub(crate) fn cargo<const N: usize>(title: &'static str, arguments: [&str; N]) -> Self {
        let mut step = Self::program(title, "cargo");
        step.command.args(arguments);
        step
    }

    /// A step that runs any program.
    pub(crate) fn program(title: &'static str, program: &str) -> Self {
        let mut command = command(program);
        command.current_dir(root());
        Self { title, command }
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the command's environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Announces the step, runs it, and says how long it took.
    ///
    /// # Errors
    /// When the command fails; the message says how to run it alone.
    pub(crate) fn run(self) -> Result<()> {
        let title = self.title;
        let took = self.run_as_last()?;
        println!("   {title} took {took:.1} s");
        Ok(())
    }

    /// Like [`Step::run`], but prints nothing after the command's own last line. Returns the seconds it took.
    pub(crate) fn run_as_last(mut self) -> Result<f64> {
        println!("\n── {}: {self}", self.title);
        let started = Instant::now();
        let program = self.command.get_program().to_owned();
        let status = self
            .command
            .status()
            .with_context(|| format!("{} could not be started; is it installed?", program.display()))?;
        if !status.success() {
            bail!("{} failed ({status}); this step alone is: {self}", self.title);
        }
        Ok(started.elapsed().as_secs_f64())
    }

    /// Announces the step and becomes its command, so that signals reach it and its exit code is ours.
    ///
    /// # Errors
    /// When the command cannot be started; otherwise this does not return.
    pub(crate) fn run_instead(mut self) -> Result<()> {
        println!("── {}: {self}\n", self.title);
        Err(self.command.exec()).with_context(|| format!("{self} could not be started"))
    }
}

/// The command as one would type it in the repository's root.
impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is kept from the command nobody types away.
        let set = self.command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in set {
            write!(formatter, "{}={} ", name.display(), quoted(value))?;
        }
        write!(formatter, "{}", self.command.get_program().display())?;
        for argument in self.command.get_args() {
            write!(formatter, " {}", quoted(argument))?;
        }
        Ok(())
    }
}

/// The repository's root, where every command runs.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // As cargo says when it runs this: where it was built may be another clone that shares the target folder.
        let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        Path::new(&package).parent().expect("xtask is a folder of the repository").to_owned()
    })
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Whether a program answers when it is run with these arguments.
pub(crate) fn answers<const N: usize>(program: &str, arguments: [&str; N]) -> bool {
    let mut command = command(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A command that is not told what cargo told this program of its own package: cargo-machete, for one, takes that for being run by
/// `cargo run`, and reads its own name as a folder.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

fn quoted(text: &OsStr) -> String {
    let text = text.display().to_string();
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_=./:,@+".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, command};

    #[test]
    fn cargo_machete_took_itself_for_run_by_cargo_run() {
        let machete = command("cargo-machete");
        let told = machete.get_envs().find(|(name, _)| *name == "CARGO_PKG_NAME");
        assert!(matches!(told, Some((_, None))), "cargo tells tests too, and it is not passed on");
        let step = Step::cargo("unused dependencies", ["machete"]).env("A", "b c");
        assert_eq!(step.to_string(), "A='b c' cargo machete");
    }
}
