//! The table, on the terminal and in docs/benchmarks.md.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use adc_tests::repository;
use anyhow::{Context, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::budget::{mebibytes, of_following, of_links, of_logins, verdicts};
use crate::latency;
use crate::links::Links;
use crate::logins::Logins;
use crate::machine;
use crate::measure::Usage;
use crate::scenario::{Row, What};

/// What stands around the part of the document that is written by the benchmark.
const BEGIN: &str = "<!-- written by `cargo xtask bench --write` -->\n";
const END: &str = "<!-- end of what is written by `cargo xtask bench --write` -->";

/// Where the document is.
const DOCUMENT: &str = "docs/benchmarks.md";

/// Everything that was measured.
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    pub(crate) followed: Vec<latency::Row>,
    pub(crate) links: Option<Links>,
    pub(crate) logins: Option<Logins>,
}

/// The machine's facts, with its load before the start, and the tables, as Markdown.
pub(crate) fn markdown(measured: &Measured, load: &str) -> String {
    let Measured { rows, followed, links, logins } = measured;
    let mut text = String::new();
    for (what, fact) in machine::facts(load) {
        writeln!(text, "- {what}: {fact}").expect("writing to a String cannot fail");
    }
    let following = (!followed.is_empty()).then(|| following(followed));
    let tables =
        [Some(imports(rows)), following, links.as_ref().map(connected), logins.as_ref().map(sign_ins)];
    for table in tables.into_iter().flatten() {
        write!(text, "\n{table}\n").expect("writing to a String cannot fail");
    }
    text
}

/// How long imports take.
fn imports(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "directory",
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
            row.directory.name().to_owned(),
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
    for column in [1, 3, 4, 5, 6, 7, 8] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// What agents cost that are connected.
fn connected(links: &Links) -> Table {
    let mut table = Table::new();
    let title = format!("{} agents connected over TLS, idle", grouped(links.agents));
    table.load_style(ASCII_MARKDOWN).set_header([title.as_str(), "", "budget"]);
    let [p50, p99] = links.command.map(milliseconds);
    let memory = format!("{:.1} KiB", kibibytes(links.memory_each));
    table.add_row(["control plane's memory for each", &memory, &of_links(links).to_string()]);
    let (half, all) = (seconds(links.half_back), seconds(links.all_back));
    table.add_row(["half of them back, and all, after a restart", &format!("{half}, {all}"), ""]);
    table.add_row(["from Run now until the agent has the order, p50, p99", &format!("{p50}, {p99}"), ""]);
    table
}

/// How long sign-ins take.
fn sign_ins(logins: &Logins) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["sign-in through an agent", "p50", "p99", "budget"]);
    let [bind, added] = [logins.bind, logins.added].map(|times| times.map(milliseconds));
    table.add_row(["the directory's own connection and bind", &bind[0], &bind[1], ""]);
    table.add_row(["what POST /login takes longer", &added[0], &added[1], &of_logins(logins).to_string()]);
    table.add_row(["logins a second, eight at once", &format!("{:.0}", logins.per_second), "", ""]);
    table
}

#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// How soon changes are seen.
fn following(rows: &[latency::Row]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "directory",
        "followed by",
        "changes",
        "p50",
        "p99",
        "budget",
    ]);
    for row in rows {
        table.add_row([
            row.directory.name().to_owned(),
            row.follower.name().to_owned(),
            grouped(row.changes),
            seconds(row.median),
            seconds(row.p99),
            of_following(row).to_string(),
        ]);
    }
    for column in [2, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
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
        What::Leavers => "3 people left".to_owned(),
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
