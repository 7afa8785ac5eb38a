//! The budgets of the design that concern `adc imp`, and what a measurement says of them.

use std::fmt;

use anyhow::{Result, ensure};

use crate::scenario::{Row, What};

/// The size of the directory for which the budgets are written.
const USERS: usize = 100_000;

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

/// What the budgets say of a row; nothing for what they do not cover.
pub(crate) fn verdicts(row: &Row) -> Vec<Verdict> {
    if row.users != USERS || row.what == What::Ldapsearch {
        return Vec::new();
    }
    let time = match row.what {
        What::First => Some(Verdict { measured: row.ratio, budget: FIRST }),
        What::Unchanged => Some(Verdict { measured: row.ratio, budget: UNCHANGED }),
        What::Delta(_) => Some(Verdict { measured: row.agent.wall.as_secs_f64(), budget: DELTA }),
        What::Ldapsearch | What::DryRun => None,
    };
    let memory = Verdict { measured: mebibytes(row.agent.peak_memory), budget: MEMORY };
    time.into_iter().chain([memory]).collect()
}

/// Fails when anything is past its limit.
pub(crate) fn enforce(rows: &[Row]) -> Result<()> {
    let defects =
        rows.iter().flat_map(verdicts).filter(|verdict| verdict.measured > verdict.budget.limit).count();
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
