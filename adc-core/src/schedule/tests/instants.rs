//! The instants of a schedule, where clocks are put forward and back.

use super::{Repeat, Timetable, Weekday, ZONES, date, instant, next, timetable, weekly};
use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn daily(at: &str, zone: &str) -> Timetable {
    timetable(Repeat::Daily {}, "2010-01-01", at, zone)
}

#[test]
fn a_time_that_does_not_exist_is_the_moment_after_the_gap() {
    let berlin = daily("02:30", "Europe/Berlin");
    assert_eq!(
        next(&berlin, "2027-03-27T12:00:00Z", 2),
        // 03:00 summer time, and half past two again.
        ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]
    );
    let lord_howe = daily("02:15", "Australia/Lord_Howe");
    assert_eq!(next(&lord_howe, "2027-10-02T00:00:00Z", 2), ["2027-10-02T15:30:00Z", "2027-10-03T15:15:00Z"]);
    let havana = daily("00:00", "America/Havana");
    assert_eq!(next(&havana, "2027-03-13T12:00:00Z", 1), ["2027-03-14T05:00:00Z"]);
}

#[test]
fn of_a_time_that_comes_twice_the_first_counts() {
    let berlin = daily("02:30", "Europe/Berlin");
    assert_eq!(next(&berlin, "2026-10-24T12:00:00Z", 2), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    // Also for whoever asks between the two.
    assert_eq!(next(&berlin, "2026-10-25T01:00:00Z", 1), ["2026-10-26T01:30:00Z"]);
}

#[test]
fn a_day_that_was_left_out_is_not_made_up_for_where_the_next_has_its_own() {
    // Samoa went from 2011-12-29 to 2011-12-31.
    let apia = daily("02:30", "Pacific/Apia");
    assert_eq!(
        next(&apia, "2011-12-29T00:00:00Z", 3),
        ["2011-12-29T12:30:00Z", "2011-12-30T12:30:00Z", "2011-12-31T12:30:00Z"]
    );
}

#[test]
fn a_schedule_of_only_the_day_that_was_left_out_runs_when_the_next_begins() {
    for repeat in [Repeat::Monthly { day: 30 }, weekly(&[Weekday::Friday])] {
        let apia = timetable(repeat, "2011-12-24", "02:30", "Pacific/Apia");
        assert_eq!(next(&apia, "2011-12-25T00:00:00Z", 1), ["2011-12-30T10:00:00Z"]);
    }
}

#[test]
fn ten_years_of_days_are_all_there_and_each_once() {
    for zone_name in ZONES {
        for at in ["00:00", "00:30", "02:00", "02:30", "03:00", "23:59:59"] {
            let zone = super::super::zone::find(zone_name).expect("a zone");
            let (from, to) = (date("2010-06-01"), date("2020-06-01"));
            let begins = zone.to_timestamp(from.at(0, 0, 0, 0)).expect("an instant");
            let just_before = begins - SignedDuration::from_nanos(1);
            let instants: Vec<Timestamp> = daily(at, zone_name)
                .next_after(just_before)
                .take_while(|instant| zone.to_datetime(*instant).date() < to)
                .collect();
            assert!(instants.is_sorted_by(|one, other| one < other), "{zone_name} {at}");
            let dates: BTreeSet<Date> =
                instants.iter().map(|instant| zone.to_datetime(*instant).date()).collect();
            assert_eq!(dates.len(), instants.len(), "{zone_name} {at}: twice on a day");
            let mut expected: BTreeSet<Date> = from.series(1.day()).take_while(|date| *date < to).collect();
            if zone_name == "Pacific/Apia" {
                assert!(expected.remove(&date("2011-12-30")));
            }
            assert_eq!(dates, expected, "{zone_name} {at}: a day is missing");
        }
    }
}

/// The first moment at which the clocks of the zone show this time or a later one: what "once, never skipped" means. To the minute.
fn first_reached(zone: &TimeZone, local: DateTime) -> Timestamp {
    let about = TimeZone::UTC.to_timestamp(local).expect("an instant");
    let minutes = (-28 * 60..=28 * 60).map(|minutes| about + SignedDuration::from_mins(minutes));
    minutes.into_iter().find(|at| zone.to_datetime(*at) >= local).expect("clocks go on")
}

proptest! {
    #[test]
    fn every_day_is_due_when_its_time_is_first_reached(
        zone in proptest::sample::select(&ZONES[..]),
        day in 0_i64..7_000,
        (hour, minute) in (0_i8..24, 0_i8..60),
    ) {
        let found = super::super::zone::find(zone).expect("a zone");
        let date = date("2010-01-02") + day.days();
        let once = timetable(Repeat::EveryDays { n: 365 }, &date.to_string(), &format!("{hour:02}:{minute:02}"), zone);
        let reached = first_reached(&found, date.at(hour, minute, 0, 0));
        prop_assert_eq!(once.next_after(reached - SignedDuration::from_hours(72)).next(), Some(reached));
        prop_assert_eq!(once.latest_until(reached), Some(reached));
        prop_assert_eq!(once.latest_until(reached - SignedDuration::from_secs(1)), None);
    }

    /// Near the changes of summer time, where it is decided.
    #[test]
    fn every_day_of_a_change_is_due_when_its_time_is_first_reached(
        zone in proptest::sample::select(&ZONES[..]),
        change in 0_usize..40,
        minutes in -180_i64..180,
    ) {
        let found = super::super::zone::find(zone).expect("a zone");
        let change = found.following(instant("2010-01-02T00:00:00Z")).nth(change).map(|change| change.timestamp());
        let near = change.unwrap_or(instant("2027-03-28T01:00:00Z")) + SignedDuration::from_mins(minutes);
        // A time of the old reckoning, which the new one may not have, or have again.
        let before = found.to_offset(near - SignedDuration::from_hours(12));
        let local = before.to_datetime(near);
        let at = format!("{:02}:{:02}", local.hour(), local.minute());
        let local = local.date().at(local.hour(), local.minute(), 0, 0);
        let once = timetable(Repeat::EveryDays { n: 365 }, &local.date().to_string(), &at, zone);
        let reached = first_reached(&found, local);
        prop_assert_eq!(once.next_after(reached - SignedDuration::from_hours(72)).next(), Some(reached), "{}", local);
    }

    #[test]
    fn what_comes_next_and_what_was_last_agree(
        zone in proptest::sample::select(&ZONES[..]),
        seconds in 0_i64..300_000_000,
        (hour, minute) in (0_i8..24, 0_i8..60),
    ) {
        let daily = daily(&format!("{hour:02}:{minute:02}"), zone);
        let now = instant("2010-01-05T00:00:00Z") + SignedDuration::from_secs(seconds);
        let last = daily.latest_until(now).expect("days after the start");
        let next = daily.next_after(now).next().expect("for ever");
        prop_assert!(last <= now && now < next);
        prop_assert_eq!(daily.next_after(last).next(), Some(next), "nothing lies between");
        prop_assert_eq!(daily.latest_until(next - SignedDuration::from_nanos(1)), Some(last));
        prop_assert_eq!(daily.latest_until(next), Some(next));
    }
}

#[test]
fn the_end_of_the_calendar_ends_the_list() {
    let daily = timetable(Repeat::Daily {}, "9999-12-25", "12:00", "UTC");
    assert!(daily.next_after(Timestamp::MIN).count() <= 7);
    assert_eq!(daily.next_after(Timestamp::MAX).next(), None);
    assert_eq!(daily.latest_until(Timestamp::MIN), None);
}
