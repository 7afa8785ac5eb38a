//! The budgets of the design that concern `adc imp`, and what a measurement says of them.

use std::fmt;

use anyhow::{Result, ensure};

use crate::latency;
use crate::links::Links;
use crate::logins::Logins;
use crate::report::Measured;
use crate::scenario::{Row, What};
use crate::served::Kind;

/// The size of the directory for which the budgets are written.
const USERS: usize = 100_000;
/// That of one in which neither a delta nor the agent's memory may grow beyond them.
const MANY_USERS: usize = 1_000_000;

/// What one thing may cost: the goal, and the limit past which it is a defect.
#[derive(Clone, Copy, Debug)]
struct Budget {
    goal: f64,
    limit: f64,
    unit: &'static str,
}

/// What a measurement says of a budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    measured: f64,
    budget: Budget,
}

/// In times of ldapsearch reading the same.
const UNCHANGED: Budget = Budget { goal: 1.25, limit: 1.6, unit: "x" };
const FIRST: Budget = Budget { goal: 2.5, limit: 4.0, unit: "x" };

/// A delta, on the wall.
const DELTA: Budget = Budget { goal: 0.5, limit: 1.0, unit: "s" };

/// The agent's peak, whatever it does.
const MEMORY: Budget = Budget { goal: 48.0, limit: 64.0, unit: "MiB" };

/// From a change until it is seen, p99: where the directory says when something changes, and where it is asked.
const TOLD: Budget = Budget { goal: 1.0, limit: 2.0, unit: "s" };
const POLLED: Budget = Budget { goal: 6.0, limit: 10.0, unit: "s" };

/// What the budgets say of how a directory is followed.
pub(crate) fn of_following(row: &latency::Row) -> Verdict {
    // Samba itself looks every five seconds for what it shall notify of.
    let budget = if row.directory == Kind::OpenLdap { TOLD } else { POLLED };
    Verdict { measured: row.p99.as_secs_f64(), budget }
}

/// Of an idle agent, over TLS, on the control plane.
const LINK: Budget = Budget { goal: 16.0, limit: 24.0, unit: "KiB" };

/// What the budgets say of agents that are connected.
#[allow(clippy::cast_precision_loss, reason = "shown as a whole number")]
pub(crate) fn of_links(links: &Links) -> Verdict {
    Verdict { measured: links.memory_each as f64 / 1024.0, budget: LINK }
}

/// What a sign-in through an agent adds to the directory's own bind, p99.
const LOGIN: Budget = Budget { goal: 10.0, limit: 20.0, unit: "ms" };

/// What the budgets say of sign-ins.
pub(crate) fn of_logins(logins: &Logins) -> Verdict {
    let [_, p99] = logins.added;
    Verdict { measured: p99.as_secs_f64() * 1000.0, budget: LOGIN }
}

/// What the budgets say of a row; nothing for what they do not cover.
pub(crate) fn verdicts(row: &Row) -> Vec<Verdict> {
    let covered = [USERS, MANY_USERS].contains(&row.users) && row.directory == Kind::OpenLdap;
    if !covered || row.what == What::Ldapsearch {
        return Vec::new();
    }
    let time = match row.what {
        What::First | What::Unchanged if row.users == MANY_USERS => None,
        What::First => Some(Verdict { measured: row.ratio, budget: FIRST }),
        What::Unchanged => Some(Verdict { measured: row.ratio, budget: UNCHANGED }),
        What::Delta(_) | What::Leavers => {
            Some(Verdict { measured: row.agent.wall.as_secs_f64(), budget: DELTA })
        }
        What::Ldapsearch | What::DryRun => None,
    };
    let memory = Verdict { measured: mebibytes(row.agent.peak_memory), budget: MEMORY };
    time.into_iter().chain([memory]).collect()
}

/// Fails when anything is past its limit.
pub(crate) fn enforce(measured: &Measured) -> Result<()> {
    let verdicts = measured.rows.iter().flat_map(verdicts).chain(measured.followed.iter().map(of_following));
    let verdicts = verdicts.chain(measured.links.iter().map(of_links));
    let verdicts = verdicts.chain(measured.logins.iter().map(of_logins));
    let defects = verdicts.filter(|verdict| verdict.measured > verdict.budget.limit).count();
    ensure!(defects == 0, "{defects} of the budgets are past their limits: see PAST LIMIT in the table");
    Ok(())
}

/// Bytes in MiB.
#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Budget { goal, limit, unit } = self.budget;
        if self.measured > limit {
            write!(formatter, "PAST LIMIT {limit} {unit}")
        } else if self.measured > goal {
            write!(formatter, "past goal {goal}, limit {limit} {unit}")
        } else {
            write!(formatter, "ok, goal {goal} {unit}")
        }
    }
}
