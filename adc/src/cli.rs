//! The command line.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::Overrides;
use crate::exit::Exit;
use crate::logging::Format;

/// Brings people, groups and departments of an on-premises directory to a control plane. The directory is only read.
#[derive(Debug, Parser)]
#[command(name = "adc", version, propagate_version = true, after_help = exit_codes())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What goes with every command.
    #[command(flatten)]
    pub global: Global,
}

/// What is to be said of 4, 130 and 143: nothing is half done, but it may have been done.
pub const UNLESS_APPLIED: &str = "\
After 4, 130 and 143 nothing was changed, unless the control plane had everything by then: then it may have applied the plan, \
wholly or not at all. The last line on stderr and the run's report say which.";

/// Where lines of the exit codes end: on a usual terminal, so that their continuation is indented too.
const HELP_WIDTH: usize = 80;
/// As much as a line of the exit codes is indented by.
const INDENT: &str = "       ";

/// The exit codes, below the help.
fn exit_codes() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:<4} {}\n", exit.code(), folded(exit.meaning())));
    format!("Exit codes:\n{}\n{UNLESS_APPLIED}", codes.concat())
}

/// A text that begins at the indentation, in lines that begin there.
fn folded(text: &str) -> String {
    let mut lines = String::new();
    let mut column = INDENT.len();
    for word in text.split(' ') {
        if column + word.len() > HELP_WIDTH {
            lines.push('\n');
            lines.push_str(INDENT);
            column = INDENT.len();
        } else if column > INDENT.len() {
            lines.push(' ');
        }
        lines.push_str(word);
        column += word.len() + 1;
    }
    lines
}

/// Flags that go with every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The configuration; relative paths in it count from its folder [default: `ADC_CONFIG`, else ./adc.yaml, else /etc/adc/adc.yaml]
    #[arg(short, long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// The control plane, instead of server.url
    #[arg(long, global = true, value_name = "URL")]
    pub server_url: Option<String>,
    /// The synchronization, instead of `server.application_id`
    #[arg(long, global = true, value_name = "ID")]
    pub application_id: Option<String>,
    /// Log more; twice for everything [default: `ADC_LOG`, one of off, error, warn, info, debug, trace]
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log less; twice for errors only
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value_t)]
    pub log_format: Format,
    /// When to use color
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read the directory and bring the control plane up to date
    ///
    /// One run. While another run of the synchronization is active it waits, for up to 120 seconds, and says so. Progress and log
    /// lines go to stderr, the plan and the report to stdout.
    #[command(after_help = exit_codes())]
    Imp(ImpArgs),
    /// Stay connected to the control plane: run on command, on schedule and when the directory changes
    ///
    /// SIGHUP reads the configuration and the files it names again, and keeps the one in use if the new one is wrong or the control
    /// plane refuses its credentials and believed others; a run under way ends with the old one. SIGTERM gives a run under way up and
    /// ends within 10 seconds with exit code 0. systemd is told how it stands (Type=notify-reload), and its watchdog is fed.
    #[command(after_help = exit_codes())]
    Run(RunArgs),
    /// Test every hop on the way, one after the other
    Check(OutputArgs),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print what a shell needs to complete adc's commands and flags
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page adc(1), to be read by man
    Man,
}

/// `adc run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Serve metrics for Prometheus at this address, under /metrics; a port alone is one of 127.0.0.1 [default: `ADC_METRICS`, else nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<String>,
}

/// `adc imp`
#[derive(Debug, Args)]
pub struct ImpArgs {
    /// Preview: show what would happen and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Read the whole directory, even where a delta would do
    #[arg(long)]
    pub full: bool,
    /// Then follow the directory's changes, until interrupted; with --output json each run prints its document on a line
    #[arg(long)]
    pub watch: bool,
    /// How results are printed.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `adc config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print an adc.yaml that explains every key
    Example(OutputArgs),
    /// Print the configuration as it is used, with the origin of each value; secrets are not shown
    Show(OutputArgs),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// text, or one JSON document on stdout
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// The two forms of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// When to use color.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Global {
    /// What the command line says about the configuration.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            path: self.config.clone(),
            server_url: self.server_url.clone(),
            application_id: self.application_id.clone(),
        }
    }

    /// `-v` counted up, `-q` counted down.
    pub fn verbosity(&self) -> i8 {
        let count = |flags: u8| i8::try_from(flags.min(2)).unwrap_or(2);
        count(self.verbose) - count(self.quiet)
    }
}

impl Color {
    /// Whether to use color, given whether a terminal is looked at.
    pub fn is_on(self, terminal: bool, no_color: bool) -> bool {
        match self {
            Self::Auto => terminal && !no_color,
            Self::Always => true,
            Self::Never => false,
        }
    }
}
