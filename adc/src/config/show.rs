//! `adc config show`: the resolved configuration with the origin of each value.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::resolve::Resolution;
use crate::wrap::wrapped;

/// What stands where a secret was given.
pub const REDACTED: &str = "(set, not shown)";

/// One resolved value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The key with its sections, `backend.ldap.addr`.
    pub key: &'static str,
    /// The value as the program uses it, of its own type; [`REDACTED`] for secrets, null where there is none.
    pub value: Value,
    /// `flag --server-url`, `environment ADC_SERVER_URL`, `/etc/adc/adc.yaml:12:8`, `default`, …
    pub origin: String,
}

/// The configuration as a table of key, value and origin; `columns` is how wide the terminal is. Where the table does not fit, its
/// lines are broken between words and not aligned.
pub fn text(resolution: &Resolution, columns: Option<u16>) -> String {
    let table = table(resolution);
    let fits = |columns| table.lines().all(|line| line.chars().count() <= usize::from(columns));
    if columns.is_none_or(fits) {
        return table;
    }
    let lines = resolution.origins.iter().map(|shown| {
        let line = format!("{}  {}  ({})", shown.key, display(&shown.value), shown.origin);
        wrapped(&line, columns, 0, HANGING) + "\n"
    });
    lines.collect()
}

/// How far a line is indented that goes on.
const HANGING: usize = 4;

fn table(resolution: &Resolution) -> String {
    let mut text = String::new();
    let lines: Vec<(&Shown, String)> =
        resolution.origins.iter().map(|shown| (shown, display(&shown.value))).collect();
    let keys = lines.iter().map(|(shown, _)| shown.key.len()).max().unwrap_or_default();
    let widths = lines.iter().map(|(_, value)| value.chars().count());
    let values = widths.filter(|width| *width <= MAX_VALUE_WIDTH).max().unwrap_or_default();
    for (shown, value) in lines {
        let _infallible = writeln!(text, "{:keys$}  {value:values$}  {}", shown.key, shown.origin);
    }
    text
}

/// The configuration as one JSON document; numbers, switches and lists are told as such.
pub fn json(resolution: &Resolution) -> Value {
    let problems: Vec<String> = match &resolution.config {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    };
    serde_json::json!({
        "path": resolution.path,
        "values": resolution.origins,
        "warnings": resolution.warnings,
        "problems": problems,
    })
}

/// Wider values push their origin to the right instead of everybody's.
const MAX_VALUE_WIDTH: usize = 60;

fn display(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(display).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
