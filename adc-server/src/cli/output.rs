//! Results on stdout: one text, or exactly one JSON document.

use super::Output;
use anyhow::Context;
use serde_json::Value;
use std::io::{self, Write};

/// Prints a result: `text` for people, `json` for scripts.
pub(super) fn show(output: Output, text: &str, json: &Value) -> anyhow::Result<()> {
    match output {
        Output::Text => print(text),
        Output::Json => print(&json.to_string()),
    }
}

/// Prints a text as a line. A reader that has seen enough (`| head`) is no failure.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
