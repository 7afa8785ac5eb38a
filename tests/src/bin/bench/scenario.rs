//! The things that are measured, on one directory.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use adc_tests::{Agent, ControlPlane, Slapd};
use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::directory;
use crate::measure::{self, Usage, Watched};
use crate::reading::Reading;

/// How many people change between two imports.
const CHANGES: usize = 100;

/// Operations that the directory's session log remembers: more than happen in a benchmark.
const SESSION_LOG: usize = 100_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// ldapsearch alone.
    Ldapsearch,
    /// `adc imp` into an empty account.
    First,
    /// `adc imp --full` when nothing changed.
    Unchanged,
    /// `adc imp --full --dry-run` when [`CHANGES`] people changed.
    DryRun,
    /// `adc imp`, a delta, when so many people changed.
    Delta(usize),
}

/// The medians of everything measured for one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: What,
    /// The size of the directory.
    pub(crate) users: usize,
    /// What the agent used, or ldapsearch.
    pub(crate) agent: Usage,
    /// What the control plane used meanwhile.
    pub(crate) server: Usage,
    /// The agent's time on the wall, in those of ldapsearch right before and after it.
    pub(crate) ratio: f64,
}

/// One measurement of one thing.
#[derive(Clone, Copy, Debug)]
struct Sample {
    agent: Usage,
    server: Usage,
    ldapsearch: Duration,
}

/// A directory, and the means to measure on it.
struct Bench {
    slapd: Slapd,
    reading: Reading,
    users: usize,
    folder: TempDir,
}

/// Measures everything on a directory of this size.
pub(crate) fn measure(users: usize, repeat: usize) -> Result<Vec<Row>> {
    eprintln!("{users} users: loading the directory");
    let folder = tempfile::tempdir()?;
    let ldif = folder.path().join("directory.ldif");
    directory::write(users, &ldif)?;
    let slapd = Slapd::builder(&directory::company()).syncprov(Some(SESSION_LOG)).load_file(&ldif).start();
    std::fs::remove_file(ldif)?;

    // A run that is not measured warms slapd, and shows what the agent asks for.
    let control_plane = ControlPlane::start();
    let synchronization = control_plane.synchronization("warm up");
    let outcome = Agent::new(&slapd, &control_plane, &synchronization).imp_with(&["--dry-run"]);
    expect(&outcome.expect_code(0).json(), "previewed", users)?;
    drop(control_plane);
    let bench = Bench { reading: Reading::of_the_agent(&slapd)?, slapd, users, folder };
    bench.reading.measure(&bench.slapd, &bench.file())?;
    bench.rows(repeat)
}

impl Bench {
    fn rows(&self, repeat: usize) -> Result<Vec<Row>> {
        let mut first = Vec::new();
        let mut last = None;
        for round in 1..=repeat {
            eprintln!("{} users: first import, {round} of {repeat}", self.users);
            let control_plane = ControlPlane::start();
            let agent = self.agent(&control_plane)?;
            first.push(self.sample(&control_plane, &agent, &[], "applied")?);
            last = Some((control_plane, agent));
        }
        let (control_plane, agent) = last.expect("everything is measured once at least");

        let (mut unchanged, mut dry) = (Vec::new(), Vec::new());
        let mut deltas = [(CHANGES, Vec::new()), (1, Vec::new()), (0, Vec::new())];
        for round in 1..=repeat {
            eprintln!("{} users: imports of what is there, {round} of {repeat}", self.users);
            unchanged.push(self.sample(&control_plane, &agent, &["--full"], "applied")?);
            for (changes, samples) in &mut deltas {
                self.change(round, *changes);
                if *changes == CHANGES {
                    dry.push(self.sample(&control_plane, &agent, &["--full", "--dry-run"], "previewed")?);
                }
                samples.push(self.delta(&control_plane, &agent, *changes)?);
            }
        }

        let alone = self.ldapsearch(repeat)?;
        let mut rows = vec![
            Row {
                what: What::Ldapsearch,
                users: self.users,
                agent: alone,
                server: Usage::default(),
                ratio: 1.0,
            },
            self.row(What::First, &first),
            self.row(What::Unchanged, &unchanged),
            self.row(What::DryRun, &dry),
        ];
        rows.extend(deltas.iter().map(|(changes, samples)| self.row(What::Delta(*changes), samples)));
        Ok(rows)
    }

    fn agent(&self, control_plane: &ControlPlane) -> Result<Agent> {
        let synchronization = control_plane.synchronization("bench");
        let agent = Agent::new(&self.slapd, control_plane, &synchronization);
        Ok(agent.wrapped_by(measure::prefix(&self.file())?))
    }

    /// One run that reads everything, with ldapsearch before and after it.
    fn sample(
        &self,
        control_plane: &ControlPlane,
        agent: &Agent,
        flags: &[&str],
        state: &str,
    ) -> Result<Sample> {
        self.paired(control_plane, agent, flags, |summary| expect(summary, state, self.users))
    }

    /// One delta, with ldapsearch before and after it.
    fn delta(&self, control_plane: &ControlPlane, agent: &Agent, changes: usize) -> Result<Sample> {
        self.paired(control_plane, agent, &[], |summary| {
            ensure!(summary["mode"] == "delta", "not what was to be measured: {summary}");
            expect(summary, "applied", changes)
        })
    }

    fn paired(
        &self,
        control_plane: &ControlPlane,
        agent: &Agent,
        flags: &[&str],
        check: impl FnOnce(&Value) -> Result<()>,
    ) -> Result<Sample> {
        let before = self.reading.measure(&self.slapd, &self.file())?;
        let watched = Watched::start(control_plane.id())?;
        let outcome = agent.imp_with(flags).expect_code(0);
        let server = watched.usage()?;
        let agent = measure::result(&self.file())?;
        check(&outcome.json())?;
        let after = self.reading.measure(&self.slapd, &self.file())?;
        Ok(Sample { agent, server, ldapsearch: (before.wall + after.wall) / 2 })
    }

    /// Gives people, spread over the company, another title.
    fn change(&self, round: usize, changes: usize) {
        let mut ldif = String::new();
        for change in 0..changes {
            let dn = directory::person_dn(change * self.users / CHANGES);
            let title = format!("Promoted {round} times, with {changes}");
            write!(ldif, "dn: {dn}\nchangetype: modify\nreplace: title\ntitle: {title}\n\n")
                .expect("writing to a String cannot fail");
        }
        if changes > 0 {
            self.slapd.modify(&ldif);
        }
    }

    fn ldapsearch(&self, repeat: usize) -> Result<Usage> {
        let usages: Result<Vec<Usage>> =
            (0..repeat).map(|_| self.reading.measure(&self.slapd, &self.file())).collect();
        Ok(median_usage(&usages?))
    }

    fn row(&self, what: What, samples: &[Sample]) -> Row {
        let agents: Vec<Usage> = samples.iter().map(|sample| sample.agent).collect();
        let servers: Vec<Usage> = samples.iter().map(|sample| sample.server).collect();
        let ratios =
            samples.iter().map(|sample| sample.agent.wall.as_secs_f64() / sample.ldapsearch.as_secs_f64());
        Row {
            what,
            users: self.users,
            agent: median_usage(&agents),
            server: median_usage(&servers),
            ratio: median(ratios, f64::total_cmp),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("usage.json")
    }
}

/// Insists that a run did what it is measured for: a failure is fast, and means nothing.
fn expect(summary: &Value, state: &str, users: usize) -> Result<()> {
    ensure!(
        summary["state"] == state && summary["read"]["users"] == users,
        "not what was to be measured: {summary}"
    );
    Ok(())
}

fn median_usage(usages: &[Usage]) -> Usage {
    Usage {
        wall: median(usages.iter().map(|usage| usage.wall), Ord::cmp),
        cpu: median(usages.iter().map(|usage| usage.cpu), Ord::cmp),
        peak_memory: median(usages.iter().map(|usage| usage.peak_memory), Ord::cmp),
    }
}

/// The value in the middle; of an even number the lower one.
fn median<T: Copy>(values: impl Iterator<Item = T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_by(order);
    values[(values.len() - 1) / 2]
}
