//! `adc-server` in a folder of the test's own.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// Where a test's commands run: an empty folder, and an environment that names no database.
pub(crate) struct Place(TempDir);

/// A running `serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// The line it printed.
    pub(crate) line: String,
    /// What else it prints.
    rest: BufReader<std::process::ChildStdout>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_adc-server"));
        command.args(arguments).current_dir(self.path()).env_remove("ADC_DATABASE").env_remove("ADC_LOG");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("starts")
    }

    /// What a command prints with `--output json`.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("prints one JSON document")
    }

    /// The exit code and the message of a command that must fail.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(
            output.stdout.is_empty(),
            "{arguments:?} printed {}",
            String::from_utf8_lossy(&output.stdout)
        );
        let code = output.status.code().expect("ends by itself");
        (code, String::from_utf8(output.stderr).expect("is UTF-8"))
    }

    /// Starts `serve` and waits for its line.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = self.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let mut rest = BufReader::new(child.stdout.take().expect("is piped"));
        let mut line = String::new();
        rest.read_line(&mut line).expect("prints a line");
        Server { child, line: line.trim_end().to_owned(), rest }
    }
}

impl Server {
    /// The address in its line.
    pub(crate) fn url(&self) -> &str {
        self.line.split_whitespace().last().expect("names its address")
    }

    /// Asks it to stop by a signal; returns the exit code and what it printed after its line.
    pub(crate) fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
        let status = self.child.wait().expect("ends");
        let mut printed = String::new();
        while self.rest.read_line(&mut printed).expect("can be read") > 0 {}
        (status.code(), printed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
