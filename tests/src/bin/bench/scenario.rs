//! The things that are measured, on one directory.

use std::path::PathBuf;
use std::time::Duration;

use adc_tests::{Agent, ControlPlane};
use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::domain;
use crate::measure::{self, Usage, Watched};
use crate::reading::Reading;
use crate::served::{Kind, Served};

/// How many people change between two imports.
const CHANGES: usize = 100;

/// How many people leave between two imports: few enough that no guard asks.
const LEAVERS: usize = 3;

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
    /// `adc imp`, a delta, when [`LEAVERS`] people left.
    Leavers,
}

/// The medians of everything measured for one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: What,
    /// On which directory.
    pub(crate) directory: Kind,
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
    served: Served,
    reading: Reading,
    users: usize,
    folder: TempDir,
}

/// Measures everything on a directory of this size.
pub(crate) fn measure(kind: Kind, users: usize, repeat: usize) -> Result<Vec<Row>> {
    eprintln!("{}, {users} users: loading the directory", kind.name());
    let folder = tempfile::tempdir()?;
    let served = Served::start(kind, users, folder.path())?;

    // A run that is not measured warms the directory, and shows what the agent asks for.
    let control_plane = ControlPlane::start();
    let synchronization = control_plane.synchronization("warm up");
    let flags = [&["--dry-run"], &Reading::LOGGED[..]].concat();
    let outcome = served.agent(&control_plane, &synchronization).imp_with(&flags).expect_code(0);
    expect(&outcome.json(), "previewed", in_directory(kind, users))?;
    drop(control_plane);
    let bench = Bench { reading: Reading::of_the_agent(&outcome.stderr)?, served, users, folder };
    bench.reading.measure(&bench.served, &bench.file())?;
    bench.rows(repeat)
}

/// How many people a directory has, with those that nobody made for the benchmark.
fn in_directory(kind: Kind, users: usize) -> usize {
    if kind == Kind::Domain { users + domain::OTHERS } else { users }
}

impl Bench {
    fn rows(&self, repeat: usize) -> Result<Vec<Row>> {
        let mut first = Vec::new();
        let mut last = None;
        for round in 1..=repeat {
            eprintln!(
                "{}, {} users: first import, {round} of {repeat}",
                self.served.kind().name(),
                self.users
            );
            let control_plane = ControlPlane::start();
            let agent = self.agent(&control_plane)?;
            first.push(self.sample(&control_plane, &agent, &[], "applied")?);
            last = Some((control_plane, agent));
        }
        let (control_plane, agent) = last.expect("everything is measured once at least");

        let (mut unchanged, mut dry) = (Vec::new(), Vec::new());
        let mut deltas = [(CHANGES, Vec::new()), (1, Vec::new()), (0, Vec::new())];
        for round in 1..=repeat {
            eprintln!(
                "{}, {} users: imports of what is there, {round} of {repeat}",
                self.served.kind().name(),
                self.users
            );
            unchanged.push(self.sample(&control_plane, &agent, &["--full"], "applied")?);
            for (changes, samples) in &mut deltas {
                let people = (0..*changes).map(|change| change * self.users / CHANGES);
                if *changes > 0 {
                    self.served.entitle(people, &format!("Promoted {round} times, with {changes}"));
                }
                if *changes == CHANGES {
                    dry.push(self.sample(&control_plane, &agent, &["--full", "--dry-run"], "previewed")?);
                }
                samples.push(self.delta(&control_plane, &agent, *changes)?);
            }
        }

        // At the end: whoever left is not read any more.
        let mut leavers = Vec::new();
        for round in 0..repeat {
            let people =
                (0..LEAVERS).map(|leaver| self.users - 1 - (round * LEAVERS + leaver) * self.users / CHANGES);
            self.served.remove(people);
            leavers.push(self.paired(&control_plane, &agent, &[], |summary| {
                ensure!(summary["mode"] == "delta", "not what was to be measured: {summary}");
                ensure!(summary["counts"]["delete"] == LEAVERS, "not what was to be measured: {summary}");
                Ok(())
            })?);
        }

        let alone = self.ldapsearch(repeat)?;
        let mut rows = vec![
            Row {
                what: What::Ldapsearch,
                directory: self.served.kind(),
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
        rows.push(self.row(What::Leavers, &leavers));
        Ok(rows)
    }

    fn agent(&self, control_plane: &ControlPlane) -> Result<Agent> {
        let synchronization = control_plane.synchronization("bench");
        let agent = self.served.agent(control_plane, &synchronization);
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
        self.paired(control_plane, agent, flags, |summary| {
            expect(summary, state, in_directory(self.served.kind(), self.users))
        })
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
        let before = self.reading.measure(&self.served, &self.file())?;
        let watched = Watched::start(control_plane.id())?;
        let outcome = agent.imp_with(flags).expect_code(0);
        let server = watched.usage()?;
        let agent = measure::result(&self.file())?;
        check(&outcome.json())?;
        let after = self.reading.measure(&self.served, &self.file())?;
        Ok(Sample { agent, server, ldapsearch: (before.wall + after.wall) / 2 })
    }

    fn ldapsearch(&self, repeat: usize) -> Result<Usage> {
        let usages: Result<Vec<Usage>> =
            (0..repeat).map(|_| self.reading.measure(&self.served, &self.file())).collect();
        Ok(median_usage(&usages?))
    }

    fn row(&self, what: What, samples: &[Sample]) -> Row {
        let agents: Vec<Usage> = samples.iter().map(|sample| sample.agent).collect();
        let servers: Vec<Usage> = samples.iter().map(|sample| sample.server).collect();
        let ratios =
            samples.iter().map(|sample| sample.agent.wall.as_secs_f64() / sample.ldapsearch.as_secs_f64());
        Row {
            what,
            directory: self.served.kind(),
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
