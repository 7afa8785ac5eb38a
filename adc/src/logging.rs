//! What is logged, and how: to stderr, so that stdout belongs to results.

use std::io::{self, IsTerminal, Write};
use std::sync::{LazyLock, OnceLock};

use comfy_table::Table;
use indicatif::{MultiProgress, ProgressBar};
use tracing::Span;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::{EnvFilter, reload};

use crate::clock;
use crate::imp::display::Style;

/// The two forms of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For log collectors: one JSON object a line.
    Json,
}

/// The levels that `ADC_LOG` may name, from nothing to everything.
const LEVELS: &str = "off, error, warn, info, debug, trace";
/// The level where nobody says anything: what an administrator wants to know of a run.
const DEFAULT_LEVEL: &str = "info";

/// Sets up logging for the whole process.
///
/// `wish` is what the environment says (`ADC_LOG`); `verbosity` counts `-v` up and `-q` down and wins when it is not 0.
pub fn start(format: Format, verbosity: i8, wish: Option<&str>, color: bool) {
    let (filter, refusal) = wished(verbosity, wish);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| AboveBars)
        .with_target(false)
        .with_timer(Utc);
    let replace: Replace = match format {
        Format::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |filter| handle.reload(filter))
        }
        Format::Text => {
            let builder = builder.with_ansi(color).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |filter| handle.reload(filter))
        }
    };
    // A second start panics above: there is one logger.
    let _first = STARTED.set(Started { format, verbosity, replace });
    if let Some(refusal) = refusal {
        tracing::warn!("{refusal}");
    }
}

/// The environment says something else by now (`ADC_LOG`): logs accordingly from now on.
pub fn wish(wish: Option<&str>) {
    let Some(started) = STARTED.get() else { return };
    let (filter, refusal) = wished(started.verbosity, wish);
    if let Err(error) = (started.replace)(filter) {
        tracing::warn!("the level of the log cannot be changed: {error}");
    }
    if let Some(refusal) = refusal {
        tracing::warn!("{refusal}");
    }
}

/// What names a run in every record that is logged while it is under way. People read one run at a time, and are told its id where it
/// matters; a log collector is told everywhere.
pub fn run_span(run_id: &str, application_id: &str) -> Span {
    match STARTED.get().map(|started| started.format) {
        Some(Format::Json) => {
            tracing::info_span!("run", run.id = run_id, synchronization.application_id = application_id)
        }
        _ => Span::none(),
    }
}

/// How logging was started.
static STARTED: OnceLock<Started> = OnceLock::new();

struct Started {
    format: Format,
    verbosity: i8,
    replace: Replace,
}

/// Logs by another filter from now on.
type Replace = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// The filter, and what is to be said of a wish that cannot be fulfilled.
fn wished(verbosity: i8, wish: Option<&str>) -> (EnvFilter, Option<String>) {
    let (filter, refusal) = match (verbosity, wish) {
        (..=-2, _) => (filter("error"), None),
        (-1, _) => (filter("warn"), None),
        (1, _) => (filter("debug"), None),
        (2.., _) => (filter("trace"), None),
        (0, None) => (filter(DEFAULT_LEVEL), None),
        (0, Some(wish)) => match filter(wish) {
            Ok(filter) => (Ok(filter), None),
            Err(_) => (filter(DEFAULT_LEVEL), Some(refusal(wish))),
        },
    };
    (filter.expect("the levels that are written here are levels"), refusal)
}

/// What is logged at a level, which directives for libraries may follow (`info,rustls=debug`).
fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    // What libraries say is of use only to whoever asks for it by name; the platform's verifier says every
    // refused certificate a second time.
    EnvFilter::try_new(format!("warn,rustls_platform_verifier=off,adc={level}"))
}

fn refusal(wish: &str) -> String {
    format!(
        "ADC_LOG is \"{wish}\", which is no level; write one of {LEVELS}. Until then it is {DEFAULT_LEVEL}"
    )
}

/// Where a run is drawn while it is under way, above which log lines appear; `None` where lines alone suit the place.
///
/// `term` is the environment's `TERM`.
pub fn bar(format: Format, verbosity: i8, term: Option<&str>) -> Option<ProgressBar> {
    // The library that prints tables knows how wide the terminal is.
    let columns = Table::new().use_stderr().width();
    let style = Style::of(io::stderr().is_terminal(), columns, term);
    // Records and a bar would be no records any more, and whoever wants it quiet wants no bar either.
    let wanted = format == Format::Text && verbosity >= 0;
    (style == Style::Bar && wanted).then(|| BARS.insert(0, ProgressBar::new_spinner()))
}

/// What is drawn on the terminal, and makes way for log lines.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// stderr, above what is drawn there.
struct AboveBars;

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Times in UTC to the millisecond, read where time is read.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        write!(w, "{:.3}", clock::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_was_ignored_without_a_word() {
        for level in LEVELS.split(", ").chain(["info,rustls=debug"]) {
            assert!(filter(level).is_ok(), "{level}");
        }
        assert!(filter("nonsense").is_err());
        insta::assert_snapshot!(refusal("nonsense"), @r#"ADC_LOG is "nonsense", which is no level; write one of off, error, warn, info, debug, trace. Until then it is info"#);
    }
}
