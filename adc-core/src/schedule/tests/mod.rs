//! Schedules: as written, their days, their instants.

mod days;
mod instants;
mod writing;

use super::{Repeat, Schedule, Timetable, Weekday};
use jiff::{Timestamp, civil::Date};

/// Zones with ordinary rules and odd ones: half an hour of summer time, winter time in Ramadan, no summer time but an odd offset, a day
/// that was left out, and summer time that begins at midnight.
const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Havana",
    "America/Sao_Paulo",
    "Asia/Gaza",
    "UTC",
];

fn schedule(repeat: Repeat, start: &str, at: &str, zone: &str) -> Schedule {
    Schedule {
        enabled: true,
        repeat,
        start: date(start),
        at: at.parse().expect("a time of day"),
        time_zone: zone.to_owned(),
    }
}

fn timetable(repeat: Repeat, start: &str, at: &str, zone: &str) -> Timetable {
    schedule(repeat, start, at, zone).timetable().expect("possible")
}

fn weekly(days: &[Weekday]) -> Repeat {
    Repeat::Weekly { days: days.iter().copied().collect() }
}

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// The next instants, as RFC 3339 in UTC.
fn next(timetable: &Timetable, after: &str, count: usize) -> Vec<String> {
    timetable.next_after(instant(after)).take(count).map(|instant| instant.to_string()).collect()
}
