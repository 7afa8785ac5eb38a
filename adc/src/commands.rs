//! What each command does with the library, and how it ends.

use std::io::{self, Write};
use std::sync::Arc;

use adc_core::protocol::{Change, RunReport, Trigger};
use clap::CommandFactory;
use clap_complete::Shell;
use indicatif::ProgressBar;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, ImpArgs, Output, OutputArgs};
use crate::config::{self, Config, ConfigError, Environment, Overrides, show};
use crate::control_plane::{ControlPlane, ControlPlaneError};
use crate::exit::{AgentError, Exit};
use crate::imp::{self, Options, Surroundings, display, output};
use crate::manual::{self, NAME};
use crate::{check, clock};

/// `adc imp`
///
/// `bar` is where its progress is drawn; without one it is logged.
pub async fn imp(
    args: &ImpArgs,
    overrides: &Overrides,
    environment: &Environment,
    color: bool,
    bar: Option<ProgressBar>,
) -> Exit {
    let options = Options {
        run_id: clock::run_id(),
        dry_run: args.dry_run,
        full: args.full,
        trigger: Trigger::Agent,
        instance: None,
    };
    let config = match load(overrides, environment) {
        Ok(config) => config,
        Err(error) => {
            let ended = imp::Ended::before_it_began(&options, error.into());
            log_failure(&ended);
            print_document(&ended, args.output.output, Layout::Indented);
            return ended.exit();
        }
    };
    let interrupt = CancellationToken::new();
    let signalled = tokio::spawn(interrupt_on_signal(interrupt.clone()));
    let exit = if args.watch {
        let mut last_failure = None;
        imp::watch(&config, &options, &interrupt, async |ended| {
            let failure = ended.result.as_ref().err().map(ToString::to_string);
            // A plan that is held, or a directory that is away, is in the way of many runs, and is told once.
            let again = failure.is_some() && failure == last_failure;
            last_failure = failure;
            if !again {
                log_failure(ended);
            }
            // One of many: a line each, so that a program can tell them apart.
            tell_of(&config, ended, args.output.output, Layout::OneLine, color).await;
        })
        .await
    } else {
        let surroundings = Surroundings { interrupt: interrupt.clone(), ..Surroundings::default() };
        let shown = tokio::spawn(display::show(Arc::clone(&surroundings.progress), bar));
        let ended = imp::imp(&config, &options, &surroundings).await;
        if let Err(error) = shown.await {
            tracing::debug!(%error, "the progress display broke");
        }
        log_failure(&ended);
        tell_of(&config, &ended, args.output.output, Layout::Indented, color).await;
        ended.exit()
    };
    // Which signal it was only its listener knows.
    if exit == Exit::Interrupted && interrupt.is_cancelled() { signalled.await.unwrap_or(exit) } else { exit }
}

/// How a JSON document is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Indented,
    OneLine,
}

/// Prints what became of a run.
async fn tell_of(config: &Config, ended: &imp::Ended, form: Output, layout: Layout, color: bool) {
    if ended.found_nobody() {
        let written = config.directory.people_filter.as_ref().map(ToString::to_string);
        let filter = written.unwrap_or_else(|| "of the preset".to_owned());
        tracing::warn!("no people were read: the filter {filter} {}", check::MATCHES_NOBODY);
    }
    match (&ended.result, form) {
        (Ok(report), Output::Text) => match plan(config, report).await {
            Ok(changes) => {
                let table = output::plan(&changes, report, color, output::columns());
                print(&format!("{table}{}", output::summary(ended, report, output::columns())));
            }
            Err(error) => {
                tracing::warn!("the plan cannot be shown: {error}");
                print(&output::summary(ended, report, output::columns()));
            }
        },
        _ => print_document(ended, form, layout),
    }
}

/// `adc check`
pub async fn check(args: OutputArgs, overrides: &Overrides, environment: &Environment, color: bool) -> Exit {
    let shown = match args.output {
        Output::Text => check::Shown::AsItGoes { color },
        Output::Json => check::Shown::AtTheEnd,
    };
    let checked = check::check(overrides, environment, shown).await;
    if args.output == Output::Json {
        print(&format!("{:#}\n", checked.json()));
    }
    checked.exit()
}

/// `adc config example`
pub fn config_example(args: OutputArgs) -> Exit {
    match args.output {
        Output::Text => print(config::EXAMPLE),
        Output::Json => print(&format!("{:#}\n", serde_json::json!({ "example": config::EXAMPLE }))),
    }
}

/// `adc config show`: what can be told is told, also of a configuration that is not fit for use.
pub fn config_show(args: OutputArgs, overrides: &Overrides, environment: &Environment) -> Exit {
    let resolution = config::inspect(overrides, environment);
    let printed = match args.output {
        Output::Text => print(&show::text(&resolution, output::columns())),
        Output::Json => print(&format!("{:#}\n", show::json(&resolution))),
    };
    resolution.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    match resolution.config {
        Ok(_) => printed,
        Err(error) => {
            tell(&error);
            Exit::Usage
        }
    }
}

/// `adc completions`
pub fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// `adc man`
pub fn man() -> Exit {
    print(&manual::page())
}

/// One record for each thing that is wrong: a record that spans lines is none to a log collector.
fn tell(error: &ConfigError) {
    error.problems.iter().for_each(|problem| tracing::error!("{problem}"));
}

fn load(overrides: &Overrides, environment: &Environment) -> Result<Config, ConfigError> {
    let config = config::load(overrides, environment)?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    Ok(config)
}

/// The weightiest lines of the plan, as many as are printed; the rest is at the report's address.
async fn plan(config: &Config, report: &RunReport) -> Result<Vec<Change>, ControlPlaneError> {
    let control_plane = ControlPlane::new(&config.server)?;
    let mut lines = Vec::new();
    for action in output::WEIGHTIEST_FIRST {
        let mut counts = report.counts;
        let room = output::MAX_LINES - lines.len();
        if *counts.of_mut(action) > 0 && room > 0 {
            lines.extend(control_plane.changes(&report.run_id, action, room).await?);
        }
    }
    Ok(lines)
}

/// Says why there is no report.
fn log_failure(ended: &imp::Ended) {
    match &ended.result {
        Err(AgentError::Config(error)) => tell(error),
        Err(error) => tracing::error!("{error}"),
        Ok(_) => {}
    }
}

/// Prints the document of a run, whichever way it ended, where documents are wanted.
fn print_document(ended: &imp::Ended, form: Output, layout: Layout) {
    if form == Output::Json {
        let document = output::Document::of(ended);
        let json = match layout {
            Layout::Indented => serde_json::to_string_pretty(&document),
            Layout::OneLine => serde_json::to_string(&document),
        };
        print(&format!("{}\n", json.expect("a report is plain data")));
    }
}

/// Gives the run up at the first signal, the process at the second; says which signal it was.
async fn interrupt_on_signal(interrupt: CancellationToken) -> Exit {
    let (Ok(mut keyboard), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::debug!("signals cannot be listened for; they end the process at once");
        return std::future::pending().await;
    };
    let exit = next(&mut keyboard, &mut terminate).await;
    interrupt.cancel();
    tokio::spawn(async move {
        let again = next(&mut keyboard, &mut terminate).await;
        std::process::exit(i32::from(again.code()));
    });
    exit
}

async fn next(keyboard: &mut Signal, terminate: &mut Signal) -> Exit {
    tokio::select! {
        _ = keyboard.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
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
