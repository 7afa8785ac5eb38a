//! ldapsearch reading the very same as the agent.

use std::path::Path;
use std::process::{Command, Stdio};

use adc_tests::{Company, Slapd};
use anyhow::{Context, Result, ensure};

use crate::measure::{self, Usage};

/// The agent's own page size.
const PAGE: &str = "pr=1000/noprompt";

/// The searches that read the directory, as slapd logged them while the agent ran.
#[derive(Debug)]
pub(crate) struct Reading {
    searches: Vec<Search>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Search {
    base: String,
    filter: String,
    attributes: Vec<String>,
}

impl Reading {
    /// Finds the agent's searches in slapd's log, which must hold one run of the agent at least.
    pub(crate) fn of_the_agent(slapd: &Slapd) -> Result<Self> {
        let log = slapd.log();
        let mut lines = log.lines().peekable();
        let mut searches: Vec<Search> = Vec::new();
        while let Some(line) = lines.next() {
            // conn=1 op=2 SRCH base="dc=example" scope=2 deref=0 filter="(objectClass=person)"
            let Some((_, after)) = line.split_once(" SRCH base=\"") else { continue };
            let (base, after) = after.split_once("\" scope=").context("a logged search has a scope")?;
            if !after.starts_with('2') {
                continue;
            }
            let (_, filter) = after.split_once("filter=\"").context("a logged search has a filter")?;
            // conn=1 op=2 SRCH attr=cn mail
            let attributes =
                lines.peek().and_then(|line| line.split_once(" SRCH attr=")).map_or("", |(_, list)| list);
            let search = Search {
                base: base.to_owned(),
                // slapd marks what its schema does not know, as in (?objectClass=groupOfMembers).
                filter: filter.trim_end_matches('"').replace("(?", "("),
                attributes: attributes.split_whitespace().map(str::to_owned).collect(),
            };
            if !searches.contains(&search) {
                searches.push(search);
            }
        }
        ensure!(!searches.is_empty(), "the agent searched nothing:\n{log}");
        Ok(Self { searches })
    }

    /// Reads everything once, one search after the other.
    pub(crate) fn measure(&self, slapd: &Slapd, file: &Path) -> Result<Usage> {
        let mut total = Usage::default();
        for Search { base, filter, attributes } in &self.searches {
            let [program, rest @ ..] = measure::prefix(file)?;
            let status = Command::new(program)
                .args(rest)
                .args(["ldapsearch", "-x", "-LLL", "-E", PAGE, "-H", &slapd.url(), "-D", &slapd.bind_dn()])
                .args(["-w", Company::BIND_PASSWORD, "-b", base, filter])
                .args(attributes)
                .env("LDAPNOINIT", "1")
                .stdout(Stdio::null())
                .status()?;
            ensure!(status.success(), "ldapsearch of {filter} failed ({status})");
            let usage = measure::result(file)?;
            total.wall += usage.wall;
            total.cpu += usage.cpu;
            total.peak_memory = total.peak_memory.max(usage.peak_memory);
        }
        Ok(total)
    }
}
