//! When a synchronization runs by itself: daily, weekly, monthly, or every so many days or weeks, at a time of day in a named
//! time zone.
//!
//! A [`Schedule`] is what administrators write; [`Schedule::timetable`] is what it means: instants.

mod repeat;
mod text;
mod timetable;
mod zone;

#[cfg(test)]
mod tests;

pub use repeat::{Repeat, Weekday};
pub use text::TimeOfDay;
pub use timetable::Timetable;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// When a synchronization runs by itself.
///
/// Clocks that are put forward or back neither drop a day nor do it twice: a time of day that does not exist is the moment the clocks
/// are put forward to, and of one that comes twice the first counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Whether it is in force.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub enabled: bool,
    /// On which days.
    pub repeat: Repeat,
    /// The first day on which it may run, in the time zone; "every so many" counts from it.
    #[serde(with = "text::date")]
    #[schema(value_type = String, format = Date, example = "2026-11-23")]
    pub start: Date,
    /// The time of day, in the time zone.
    pub at: TimeOfDay,
    /// A name of the IANA time zone database.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
}

/// Why a schedule cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No such time zone.
    #[error("schedule.time_zone: \"{name}\" is no time zone; {}", zone::advice(near))]
    UnknownZone {
        /// What was written.
        name: String,
        /// Zones that may be meant, the likeliest first.
        near: Vec<String>,
    },
    /// A weekly schedule without a day.
    #[error("schedule.repeat.days: name at least one day, for example [\"monday\"]")]
    NoDays,
    /// A day that no month has.
    #[error(
        "schedule.repeat.day: a month has no day {0}; use a number from 1 to 31, the last day counts where the month is shorter"
    )]
    DayOfMonth(u8),
    /// A number of days or weeks that makes no sense.
    #[error("schedule.repeat.n: {n} is not possible; use a number from 1 to {most}")]
    Count {
        /// What was written.
        n: u16,
        /// The largest that is taken.
        most: u16,
    },
}

impl Schedule {
    /// The schedule as it is kept: its time zone spelled as the database of time zones does.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn checked(self) -> Result<Self, ScheduleError> {
        let time_zone = self.timetable()?.zone_name().to_owned();
        Ok(Self { time_zone, ..self })
    }

    /// What it means, whether or not it is enabled.
    ///
    /// # Errors
    /// See [`ScheduleError`]; a schedule that was [`Schedule::checked`] has a timetable.
    pub fn timetable(&self) -> Result<Timetable, ScheduleError> {
        self.repeat.validate()?;
        Ok(Timetable::new(self.repeat.clone(), self.start, self.at, zone::find(&self.time_zone)?))
    }
}

/// `every day at 02:30 Europe/Berlin`
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.enabled {
            f.write_str("off; if enabled ")?;
        }
        write!(f, "{} at {} {}", self.repeat, self.at, self.time_zone)?;
        if self.repeat.counts_from_start() { write!(f, ", counted from {}", self.start) } else { Ok(()) }
    }
}

fn yes() -> bool {
    true
}
