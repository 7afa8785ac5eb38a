//! What a schedule means: instants, with clocks that are put forward and back.

use super::{Repeat, TimeOfDay};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

/// The instants of a schedule.
#[derive(Debug, Clone)]
pub struct Timetable {
    repeat: Repeat,
    start: Date,
    at: TimeOfDay,
    zone: TimeZone,
}

/// No two instants of dates that lie further apart than this (days) are in another order than their dates: the greatest leap of a
/// clock is a day, across the date line.
const LEAP_DAYS: i64 = 2;

impl Timetable {
    pub(super) fn new(repeat: Repeat, start: Date, at: TimeOfDay, zone: TimeZone) -> Self {
        Self { repeat, start, at, zone }
    }

    /// The instants after this one, in order.
    pub fn next_after(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let first = self.repeat.on_or_after(self.start, self.around(now, -LEAP_DAYS));
        let dates =
            std::iter::successors(first, |date| self.repeat.on_or_after(self.start, date.tomorrow().ok()?));
        dates.filter_map(|date| self.instant(date)).filter(move |instant| *instant > now)
    }

    /// The last instant up to and including this one.
    pub fn latest_until(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.repeat.on_or_before(self.start, self.around(now, LEAP_DAYS));
        let mut dates =
            std::iter::successors(last, |date| self.repeat.on_or_before(self.start, date.yesterday().ok()?));
        dates.find_map(|date| self.instant(date).filter(|instant| *instant <= now))
    }

    /// The time zone's name, as the database spells it.
    pub(super) fn zone_name(&self) -> &str {
        self.zone.iana_name().expect("only zones with a name make timetables")
    }

    /// The date in the time zone so many days from an instant, within the calendar.
    fn around(&self, now: Timestamp, days: i64) -> Date {
        self.zone.to_datetime(now).date().saturating_add(jiff::Span::new().days(days))
    }

    /// When the schedule is due on a date. `None` for a date that the zone left out when it crossed the date line (Apia never had a
    /// 2011-12-30), if the day after is the schedule's too: that one stands for both.
    fn instant(&self, date: Date) -> Option<Timestamp> {
        let local = date.to_datetime(self.at.time());
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(local).ok()
            }
            AmbiguousOffset::Gap { before, after } => {
                let end = self.end_of_gap(local, before)?;
                let next = after.to_datetime(end).date();
                let left_out = before.to_datetime(end) <= start_of(date) && next > date;
                (!left_out || !self.repeat.has(self.start, next)).then_some(end)
            }
        }
    }

    /// The moment at which the clocks were put forward over this local time.
    fn end_of_gap(&self, local: DateTime, before: Offset) -> Option<Timestamp> {
        // By the old offset the time lies at the change or after it, by less than the gap.
        let not_before = before.to_timestamp(local).ok()?.checked_add(SignedDuration::from_nanos(1)).ok()?;
        self.zone.preceding(not_before).next().map(|change| change.timestamp())
    }
}

fn start_of(date: Date) -> DateTime {
    date.at(0, 0, 0, 0)
}
