//! `adc config show`: the resolved configuration with the origin of each value.

use std::fmt::Write as _;

use serde::Serialize;

use super::Config;

/// What stands where a secret was given.
pub const REDACTED: &str = "(set, not shown)";

/// One resolved value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The key with its sections, `backend.ldap.addr`.
    pub key: &'static str,
    /// The value as the program uses it; [`REDACTED`] for secrets, `None` where there is none.
    pub value: Option<String>,
    /// `flag --server-url`, `environment ADC_SERVER_URL`, `/etc/adc/adc.yaml:12`, `default`, …
    pub origin: String,
}

/// The configuration as a table of key, value and origin.
pub fn text(config: &Config) -> String {
    let mut text = String::new();
    let width = |of: fn(&Shown) -> usize| config.origins.iter().map(of).max().unwrap_or_default();
    let keys = width(|shown| shown.key.len());
    let values = width(|shown| display(shown).chars().count()).min(MAX_VALUE_WIDTH);
    for shown in &config.origins {
        let _infallible = writeln!(text, "{:keys$}  {:values$}  {}", shown.key, display(shown), shown.origin);
    }
    text
}

/// The configuration as one JSON document.
pub fn json(config: &Config) -> serde_json::Value {
    serde_json::json!({ "path": config.path, "values": config.origins, "warnings": config.warnings })
}

/// Wider values push their origin to the right instead of everybody's.
const MAX_VALUE_WIDTH: usize = 60;

fn display(shown: &Shown) -> &str {
    shown.value.as_deref().unwrap_or("-")
}
