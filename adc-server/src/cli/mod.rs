//! The command line: what can be typed, and which file does it.

mod account;
mod api_key;
mod demo;
mod key;
mod output;
mod serve;
mod synchronization;

use crate::{api, api::problem::Problem, store::Store};
use adc::logging::Format;
use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{
    env::VarError,
    io::{self, IsTerminal},
    process::ExitCode,
};
use tracing_subscriber::EnvFilter;

/// Where everything is kept when nobody says.
const DEFAULT_DATABASE: &str = "sqlite:adc.db";
/// What says where everything is kept when nobody types it.
const DATABASE_VARIABLE: &str = "ADC_DATABASE";
/// What `--help` says of it. The demo is played with nobody's real people unless that is typed.
const DATABASE_HELP: &str = "The database: sqlite:PATH [env: ADC_DATABASE] [default: sqlite:adc.db]; demo heeds neither \
                             and takes a temporary one";

/// The control plane of adc: hands out credentials, decides what a synchronization may do, plans, applies, reports.
#[derive(Debug, Parser)]
#[command(name = "adc-server", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Where everything is kept, as it was typed.
    #[arg(long, global = true, value_name = "URL", help = DATABASE_HELP)]
    database: Option<String>,
    /// Text for people, or one JSON document for scripts
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane
    Serve(serve::Serve),
    /// Accounts: the organizations whose people are synchronized
    #[command(subcommand)]
    Account(account::Command),
    /// Synchronizations: the sources of an account, and the credentials of their agents
    #[command(subcommand)]
    Synchronization(synchronization::Command),
    /// API keys of administrators and scripts
    #[command(subcommand)]
    ApiKey(api_key::Command),
    /// Keys that passwords of hosted connectors are sealed with
    #[command(subcommand)]
    Key(key::Command),
    /// See the whole thing on this machine: a sample directory, a preview, an import, what to try next
    Demo(demo::Command),
    /// Print the API's OpenAPI 3.1 document
    Openapi,
}

/// Does what was asked and returns how it ended: 0 done, 1 failed, 2 used wrongly.
pub fn run(cli: Cli) -> ExitCode {
    // Whoever sets one earlier in the process has chosen the same: there is one provider in this program.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    start_logging(&cli.command);
    adc::process::leave_no_core();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow!(error).context("cannot start the asynchronous runtime")),
    };
    let done = runtime.block_on(dispatch(cli));
    // Dropped, it would wait for name servers and files that do not answer; nobody waits for what they would have said.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<()> {
    let Cli { command, global } = cli;
    match command {
        Command::Serve(serve) => serve.run(&global).await,
        Command::Account(command) => command.run(&global).await,
        Command::Synchronization(command) => command.run(&global).await,
        Command::ApiKey(command) => command.run(&global).await,
        Command::Key(command) => command.run(&global),
        // The demo holds agents and servers at once.
        Command::Demo(command) => Box::pin(command.run(&global)).await,
        Command::Openapi => {
            let document = api::document().to_pretty_json().context("cannot print the OpenAPI document")?;
            output::print(&document)
        }
    }
}

impl Global {
    /// The database of every command but the demo: what is typed, then what the environment says, then the default.
    fn database(&self) -> anyhow::Result<String> {
        if let Some(typed) = &self.database {
            return Ok(typed.clone());
        }
        match std::env::var(DATABASE_VARIABLE) {
            Ok(url) => Ok(url),
            Err(VarError::NotPresent) => Ok(DEFAULT_DATABASE.to_owned()),
            Err(VarError::NotUnicode(_)) => bail!("{DATABASE_VARIABLE} is not UTF-8; use sqlite:PATH"),
        }
    }

    async fn open_store(&self) -> anyhow::Result<Store> {
        Store::open(&self.database()?, None).await
    }
}

/// A refusal as the command line shows it: the sentence.
fn refused(problem: Problem) -> anyhow::Error {
    anyhow!(problem.detail().to_owned())
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Logs go to stderr. `ADC_LOG` says how much; commands that answer at once only log what is wrong.
fn start_logging(command: &Command) {
    let (default, format) = match command {
        Command::Serve(serve) => ("info", serve.log_format),
        _ => ("warn", Format::Text),
    };
    let wish = std::env::var("ADC_LOG").ok().filter(|wish| !wish.is_empty());
    let wished = wish.as_deref().map(filter);
    let refused = matches!(wished, Some(None));
    let filter = wished.flatten().or_else(|| filter(default)).unwrap_or_default();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // A second subscriber is refused, and the first one goes on.
    let _ = match format {
        // As the agent writes them: whoever collects both reads `message` in one place.
        Format::Json => lines.json().flatten_event(true).try_init(),
        Format::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
    };
    if refused {
        tracing::warn!(
            "ADC_LOG is \"{}\", which is no level; write one of {LEVELS}. Until then it is {default}",
            wish.unwrap_or_default()
        );
    }
}

/// The levels that `ADC_LOG` may name, from nothing to everything.
const LEVELS: &str = "off, error, warn, info, debug, trace";

/// What is logged at a level, or as directives say (`adc_server=debug,sqlx=info`). What is neither is none: the library would take
/// any word for the name of a module, and log nothing else.
fn filter(wish: &str) -> Option<EnvFilter> {
    let directives = || if wish.contains('=') { EnvFilter::try_new(wish).ok() } else { None };
    EnvFilter::try_new(format!("warn,adc_server={wish}")).ok().or_else(directives)
}
