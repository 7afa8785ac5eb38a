//! The table, on the terminal and in docs/benchmarks.md.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use adc_tests::repository;
use anyhow::{Context, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::budget::{mebibytes, verdicts};
use crate::machine;
use crate::measure::Usage;
use crate::scenario::{Row, What};

/// What stands around the part of the document that is written by the benchmark.
const BEGIN: &str = "<!-- written by `cargo xtask bench --write` -->\n";
const END: &str = "<!-- end of what is written by `cargo xtask bench --write` -->";

/// Where the document is.
const DOCUMENT: &str = "docs/benchmarks.md";

/// The machine's facts, with its load before the start, and the table, as Markdown.
pub(crate) fn markdown(rows: &[Row], load: &str) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "users",
        "what",
        "wall",
        "x ldapsearch",
        "agent CPU",
        "agent peak",
        "server CPU",
        "server peak",
        "budget",
    ]);
    for row in rows {
        let budget: Vec<String> = verdicts(row).iter().map(ToString::to_string).collect();
        let [server_cpu, server_peak] = used(row.what, row.server);
        let [agent_cpu, agent_peak] = [seconds(row.agent.cpu), memory(row.agent.peak_memory)];
        table.add_row([
            grouped(row.users),
            name(row.what),
            seconds(row.agent.wall),
            format!("{:.2}", row.ratio),
            agent_cpu,
            agent_peak,
            server_cpu,
            server_peak,
            budget.join("; "),
        ]);
    }
    for column in [0, 2, 3, 4, 5, 6, 7] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for (what, fact) in machine::facts(load) {
        writeln!(text, "- {what}: {fact}").expect("writing to a String cannot fail");
    }
    format!("{text}\n{table}\n")
}

/// Replaces the part of the document that the benchmark writes.
pub(crate) fn write(report: &str) -> Result<()> {
    let path = repository().join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("{DOCUMENT} cannot be read"))?;
    let (before, rest) = document.split_once(BEGIN).context("docs/benchmarks.md has lost its marks")?;
    let (_, after) = rest.split_once(END).context("docs/benchmarks.md has lost its marks")?;
    fs::write(&path, format!("{before}{BEGIN}\n{report}\n{END}{after}"))?;
    eprintln!("written into {DOCUMENT}");
    Ok(())
}

fn name(what: What) -> String {
    match what {
        What::Ldapsearch => "ldapsearch".to_owned(),
        What::First => "first import".to_owned(),
        What::Unchanged => "nothing changed, `--full`".to_owned(),
        What::DryRun => "100 changes, `--full --dry-run`".to_owned(),
        What::Delta(0) => "nothing changed".to_owned(),
        What::Delta(1) => "1 change".to_owned(),
        What::Delta(changes) => format!("{changes} changes"),
    }
}

fn used(what: What, server: Usage) -> [String; 2] {
    if what == What::Ldapsearch {
        return [String::new(), String::new()];
    }
    [seconds(server.cpu), memory(server.peak_memory)]
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn memory(bytes: u64) -> String {
    format!("{:.0} MiB", mebibytes(bytes))
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}
