//! ldapsearch reading the very same as the agent.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::measure::{self, Usage};
use crate::served::Served;

/// The agent's own page size.
const PAGE: &str = "pr=1000/noprompt";

/// The searches that read the directory, as the agent logged them.
#[derive(Debug)]
pub(crate) struct Reading {
    searches: Vec<Search>,
}

/// A line of the agent's log that tells of a search.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Search {
    base: String,
    scope: String,
    filter: String,
    attributes: String,
    entries: u64,
}

impl Reading {
    /// Flags that have `adc imp` log its searches.
    pub(crate) const LOGGED: [&str; 3] = ["-vv", "--log-format", "json"];

    /// Finds the agent's searches in its log of one run.
    pub(crate) fn of_the_agent(log: &str) -> Result<Self> {
        let mut searches: Vec<Search> = Vec::new();
        for search in log.lines().filter_map(|line| serde_json::from_str::<Search>(line).ok()) {
            // What finds nothing looked for a mark, or for what there is not.
            if search.scope == "sub" && search.entries > 0 && !searches.contains(&search) {
                searches.push(search);
            }
        }
        ensure!(!searches.is_empty(), "the agent searched nothing:\n{log}");
        Ok(Self { searches })
    }

    /// Reads everything once, one search after the other.
    pub(crate) fn measure(&self, served: &Served, file: &Path) -> Result<Usage> {
        let mut total = Usage::default();
        for Search { base, filter, attributes, .. } in &self.searches {
            let [program, rest @ ..] = measure::prefix(file)?;
            let mut command = Command::new(program);
            command.args(rest).args(["ldapsearch", "-x", "-LLL", "-E", PAGE]);
            served.sign_in(&mut command, &file.with_extension("pem"))?;
            command.args(["-b", base, filter]).args(attributes.split_whitespace());
            let status = command.stdout(Stdio::null()).status().context("ldapsearch could not be started")?;
            ensure!(status.success(), "ldapsearch of {filter} failed ({status})");
            let usage = measure::result(file)?;
            total.wall += usage.wall;
            total.cpu += usage.cpu;
            total.peak_memory = total.peak_memory.max(usage.peak_memory);
        }
        Ok(total)
    }
}
