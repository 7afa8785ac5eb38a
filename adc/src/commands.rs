//! What each command does with the library, and how it ends.

use std::io::{self, Write};

use crate::cli::{Output, OutputArgs};
use crate::config::{self, Environment, Overrides, show};
use crate::exit::Exit;

/// `adc config example`
pub fn config_example() -> Exit {
    print(config::EXAMPLE)
}

/// `adc config show`
pub fn config_show(args: OutputArgs, overrides: &Overrides, environment: &Environment) -> Exit {
    match config::load(overrides, environment) {
        Ok(config) => {
            config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            match args.output {
                Output::Text => print(&show::text(&config)),
                Output::Json => print(&format!("{:#}\n", show::json(&config))),
            }
        }
        Err(error) => {
            tracing::error!("{error}");
            Exit::Usage
        }
    }
}

/// Prints a result. A reader that went away (`adc config example | head`) is no failure.
fn print(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tracing::error!("the result cannot be printed: {error}");
            Exit::Usage
        }
        _ => Exit::Done,
    }
}
