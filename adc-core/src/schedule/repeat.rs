//! On which days a schedule runs: dates, without any time of day.

use super::ScheduleError;
use jiff::civil::{self, Date};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};
use utoipa::ToSchema;

/// The most of "every so many days": a year.
const MOST_DAYS: u16 = 365;
/// The most of "every so many weeks": a year.
const MOST_WEEKS: u16 = 52;
/// The last day that any month has.
const LAST_DAY: u8 = 31;
/// Days of a week.
const WEEK: i64 = 7;

/// The days on which a schedule runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Repeat {
    /// Every day.
    Daily {},
    /// On these days of every week.
    Weekly {
        /// At least one.
        days: BTreeSet<Weekday>,
    },
    /// On this day of every month; where the month is shorter, on its last.
    Monthly {
        /// From 1 to 31.
        #[schema(minimum = 1, maximum = 31)]
        day: u8,
    },
    /// Every so many days, the first being the start date.
    EveryDays {
        /// From 1 to 365.
        #[schema(minimum = 1, maximum = 365)]
        n: u16,
    },
    /// Every so many weeks, on the start date's day of the week; the first is the start date.
    EveryWeeks {
        /// From 1 to 52.
        #[schema(minimum = 1, maximum = 52)]
        n: u16,
    },
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they say it all")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Repeat {
    /// The first day of the schedule on or after a date; `None` only at the end of the calendar.
    pub(super) fn on_or_after(&self, start: Date, date: Date) -> Option<Date> {
        let date = date.max(start);
        match self {
            Self::Daily {} => Some(date),
            Self::Weekly { days } => (0..WEEK)
                .filter_map(|later| plus(date, later))
                .find(|date| days.contains(&Weekday::of(*date))),
            Self::Monthly { day } => {
                let this_month = clamped(date, *day);
                if this_month >= date {
                    return Some(this_month);
                }
                Some(clamped(plus(date.last_of_month(), 1)?, *day))
            }
            Self::EveryDays { .. } | Self::EveryWeeks { .. } => {
                let since = days_between(start, date);
                plus(date, (self.interval() - since % self.interval()) % self.interval())
            }
        }
    }

    /// The last day of the schedule on or before a date; `None` before its start.
    pub(super) fn on_or_before(&self, start: Date, date: Date) -> Option<Date> {
        let found = match self {
            Self::Daily {} => date,
            Self::Weekly { days } => (0..WEEK)
                .filter_map(|earlier| plus(date, -earlier))
                .find(|date| days.contains(&Weekday::of(*date)))?,
            Self::Monthly { day } => {
                let this_month = clamped(date, *day);
                if this_month <= date { this_month } else { clamped(plus(date.first_of_month(), -1)?, *day) }
            }
            Self::EveryDays { .. } | Self::EveryWeeks { .. } => {
                plus(date, -days_between(start, date).rem_euclid(self.interval()))?
            }
        };
        (found >= start).then_some(found)
    }

    /// Whether the schedule runs on a date.
    pub(super) fn has(&self, start: Date, date: Date) -> bool {
        self.on_or_after(start, date) == Some(date)
    }

    /// Whether the start date decides which days these are.
    pub(super) fn counts_from_start(&self) -> bool {
        matches!(self, Self::EveryDays { .. } | Self::EveryWeeks { .. })
    }

    pub(super) fn validate(&self) -> Result<(), ScheduleError> {
        let count = |n: u16, most: u16| {
            if (1..=most).contains(&n) { Ok(()) } else { Err(ScheduleError::Count { n, most }) }
        };
        match self {
            Self::Weekly { days } if days.is_empty() => Err(ScheduleError::NoDays),
            Self::Daily {} | Self::Weekly { .. } => Ok(()),
            Self::Monthly { day } if (1..=LAST_DAY).contains(day) => Ok(()),
            Self::Monthly { day } => Err(ScheduleError::DayOfMonth(*day)),
            Self::EveryDays { n } => count(*n, MOST_DAYS),
            Self::EveryWeeks { n } => count(*n, MOST_WEEKS),
        }
    }

    /// Days from one run to the next, where that is always the same.
    fn interval(&self) -> i64 {
        match self {
            Self::EveryDays { n } => i64::from(*n),
            Self::EveryWeeks { n } => i64::from(*n) * WEEK,
            Self::Daily {} | Self::Weekly { .. } | Self::Monthly { .. } => 1,
        }
    }
}

/// `every day`, `every Monday and Friday`
impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daily {} | Self::EveryDays { n: 1 } => f.write_str("every day"),
            Self::Weekly { days } => {
                let names: Vec<String> = days.iter().map(|day| format!("{day:?}")).collect();
                match &names[..] {
                    [] => f.write_str("on no day"),
                    [one] => write!(f, "every {one}"),
                    [most @ .., last] => write!(f, "every {} and {last}", most.join(", ")),
                }
            }
            Self::Monthly { day } => {
                write!(f, "every month on day {day}")?;
                if *day > 28 { f.write_str(" or its last") } else { Ok(()) }
            }
            Self::EveryDays { n } => write!(f, "every {n} days"),
            Self::EveryWeeks { n: 1 } => f.write_str("every week"),
            Self::EveryWeeks { n } => write!(f, "every {n} weeks"),
        }
    }
}

impl Weekday {
    fn of(date: Date) -> Self {
        match date.weekday() {
            civil::Weekday::Monday => Self::Monday,
            civil::Weekday::Tuesday => Self::Tuesday,
            civil::Weekday::Wednesday => Self::Wednesday,
            civil::Weekday::Thursday => Self::Thursday,
            civil::Weekday::Friday => Self::Friday,
            civil::Weekday::Saturday => Self::Saturday,
            civil::Weekday::Sunday => Self::Sunday,
        }
    }
}

/// That day of the date's month, or its last where it is shorter.
fn clamped(date: Date, day: u8) -> Date {
    let last = date.last_of_month();
    i8::try_from(day).ok().and_then(|day| date.with().day(day).build().ok()).unwrap_or(last)
}

/// So many days later; `None` beyond the calendar.
fn plus(date: Date, days: i64) -> Option<Date> {
    date.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

/// Days from one date to another; negative where the other is earlier.
fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}
