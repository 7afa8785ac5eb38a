//! How long a change takes from the directory until it can be seen in the account, while an agent follows the directory.

use std::thread;
use std::time::{Duration, Instant};

use adc_tests::{Agent, Api, ControlPlane};
use anyhow::{Result, ensure};

use crate::served::{Kind, Served};

/// People of the directories: a delta costs what changed, however many there are.
const USERS: usize = 1_000;

/// How far changes are apart, from when one is seen until the next is made: each is a run of its own.
const APART: Duration = Duration::from_secs(2);

/// How often the account is asked.
const LOOKED_FOR_EVERY: Duration = Duration::from_millis(10);

/// Whoever waits longer has lost the change.
const LOST_AFTER: Duration = Duration::from_mins(1);

/// Who follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follower {
    /// `adc imp --watch`.
    Watch,
    /// `adc run`.
    Daemon,
}

impl Follower {
    /// The command.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Watch => "`adc imp --watch`",
            Self::Daemon => "`adc run`",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Watch => &["imp", "--watch"],
            Self::Daemon => &["run"],
        }
    }
}

/// The latencies of one directory and one follower.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Which directory.
    pub(crate) directory: Kind,
    /// Who follows it.
    pub(crate) follower: Follower,
    /// How many changes were made.
    pub(crate) changes: usize,
    /// Half of the changes were seen sooner.
    pub(crate) median: Duration,
    /// One in a hundred took longer.
    pub(crate) p99: Duration,
}

/// Makes changes one after the other on each directory, for each follower; all at the same time, for most of it is waiting.
pub(crate) fn measure(changes: usize) -> Result<Vec<Row>> {
    let cases = [
        (Kind::OpenLdap, Follower::Watch),
        (Kind::OpenLdap, Follower::Daemon),
        (Kind::WithoutFeed, Follower::Watch),
        (Kind::Domain, Follower::Watch),
    ];
    eprintln!("{changes} changes one by one, followed");
    thread::scope(|scope| {
        let cases = cases.map(|(kind, follower)| scope.spawn(move || follow(kind, follower, changes)));
        cases.into_iter().map(|case| case.join().expect("a measurement fails with an error")).collect()
    })
}

fn follow(directory: Kind, follower: Follower, changes: usize) -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let served = Served::start(directory, USERS, folder.path())?;
    let control_plane = ControlPlane::start();
    let synchronization = control_plane.synchronization("bench");
    let agent: Agent = served.agent(&control_plane, &synchronization);
    agent.imp().expect_code(0);
    let api = control_plane.api(&synchronization);
    let mut running = agent.start(follower.arguments());
    running.daemon().wait_for("that it follows", |line| {
        line.contains("following the directory's changes").then_some(())
    })?;

    let mut latencies = Vec::with_capacity(changes);
    for change in 0..changes {
        thread::sleep(APART);
        let (person, title) = (change % USERS, format!("Promoted {change} times"));
        let started = Instant::now();
        served.entitle([person], &title);
        while title_of(&api, person) != title {
            ensure!(started.elapsed() < LOST_AFTER, "{}: a change was never seen", directory.name());
            thread::sleep(LOOKED_FOR_EVERY);
        }
        latencies.push(started.elapsed());
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(changes * percent).div_ceil(100).max(1) - 1];
    Ok(Row { directory, follower, changes, median: at(50), p99: at(99) })
}

fn title_of(api: &Api, person: usize) -> String {
    let users = api.get(&format!("/users?q=user{person:06}@")).ok();
    users["items"][0]["fields"]["title"].as_str().unwrap_or_default().to_owned()
}
