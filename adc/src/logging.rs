//! What is logged, and how: to stderr, so that stdout belongs to results.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::clock;

/// The two forms of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For log collectors: one JSON object a line.
    Json,
}

/// Sets up logging for the whole process.
///
/// `wish` is what the environment says (`ADC_LOG`); `verbosity` counts `-v` up and `-q` down and wins when it is not 0.
pub fn start(format: Format, verbosity: i8, wish: Option<&str>, color: bool) {
    let level = match verbosity {
        ..=-2 => "error",
        -1 => "warn",
        0 => wish.unwrap_or("info"),
        1 => "debug",
        2.. => "trace",
    };
    // What libraries say is of use only to whoever asks for it by name; the platform's verifier says every
    // refused certificate a second time.
    let filter = EnvFilter::try_new(format!("warn,rustls_platform_verifier=off,adc={level}"))
        .unwrap_or_else(|_| EnvFilter::new("warn,rustls_platform_verifier=off,adc=info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_timer(Utc);
    match format {
        Format::Json => builder.json().init(),
        Format::Text => builder.with_ansi(color).init(),
    }
}

/// Whether stderr is a terminal that people look at.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Times in UTC to the millisecond, read where time is read.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        write!(w, "{:.3}", clock::now())
    }
}
