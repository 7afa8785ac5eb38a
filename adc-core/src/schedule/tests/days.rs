//! The days of each kind of schedule.

use super::{Repeat, Weekday, date, next, timetable, weekly};
use jiff::{ToSpan, civil::Date};
use proptest::prelude::*;

/// The days from a start on, as many as asked for.
fn days(repeat: &Repeat, start: &str, count: usize) -> Vec<String> {
    let start = date(start);
    let first = repeat.on_or_after(start, start);
    let all = std::iter::successors(first, |day| repeat.on_or_after(start, day.tomorrow().ok()?));
    all.take(count).map(|day| day.to_string()).collect()
}

#[test]
fn weekly_means_the_named_days_of_every_week() {
    let repeat = weekly(&[Weekday::Friday, Weekday::Monday]);
    // A Sunday.
    assert_eq!(days(&repeat, "2026-11-22", 4), ["2026-11-23", "2026-11-27", "2026-11-30", "2026-12-04"]);
}

#[test]
fn a_month_that_is_too_short_has_its_last_day() {
    let repeat = Repeat::Monthly { day: 31 };
    assert_eq!(
        days(&repeat, "2027-12-31", 5),
        ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]
    );
    let repeat = Repeat::Monthly { day: 29 };
    assert_eq!(days(&repeat, "2027-02-01", 2), ["2027-02-28", "2027-03-29"]);
    assert_eq!(days(&repeat, "2028-02-01", 2), ["2028-02-29", "2028-03-29"]);
}

#[test]
fn a_day_of_the_month_before_the_start_waits_for_the_next_month() {
    assert_eq!(days(&Repeat::Monthly { day: 15 }, "2026-11-22", 2), ["2026-12-15", "2027-01-15"]);
}

#[test]
fn every_so_many_days_and_weeks_are_counted_from_the_start() {
    let days_of_ten = Repeat::EveryDays { n: 10 };
    assert_eq!(days(&days_of_ten, "2028-02-20", 3), ["2028-02-20", "2028-03-01", "2028-03-11"]);
    let start = date("2028-02-20");
    assert_eq!(days_of_ten.on_or_after(start, date("2028-03-02")), Some(date("2028-03-11")));
    assert_eq!(
        days(&Repeat::EveryWeeks { n: 2 }, "2026-12-24", 3),
        ["2026-12-24", "2027-01-07", "2027-01-21"]
    );
}

#[test]
fn nothing_is_due_before_the_start() {
    let daily = timetable(Repeat::Daily {}, "2026-12-01", "02:30", "UTC");
    assert_eq!(next(&daily, "2026-11-22T12:00:00Z", 1), ["2026-12-01T02:30:00Z"]);
    assert_eq!(daily.latest_until("2026-12-01T02:29:59Z".parse().expect("an instant")), None);
}

fn any_repeat() -> impl Strategy<Value = Repeat> {
    let days = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];
    prop_oneof![
        Just(Repeat::Daily {}),
        proptest::sample::subsequence(days.to_vec(), 1..=7).prop_map(|days| weekly(&days)),
        (1_u8..=31).prop_map(|day| Repeat::Monthly { day }),
        (1_u16..=365).prop_map(|n| Repeat::EveryDays { n }),
        (1_u16..=52).prop_map(|n| Repeat::EveryWeeks { n }),
    ]
}

/// Whether the schedule runs on a date, said plainly.
fn is_day_of(repeat: &Repeat, start: Date, date: Date) -> bool {
    let since = start.duration_until(date).as_hours() / 24;
    let name = format!("{:?}", date.weekday());
    let day_of_month = u8::try_from(date.day()).expect("positive");
    let is_last = date == date.last_of_month();
    date >= start
        && match repeat {
            Repeat::Daily {} => true,
            Repeat::Weekly { days } => days.iter().any(|day| format!("{day:?}") == name),
            Repeat::Monthly { day } => day_of_month == *day || is_last && day_of_month < *day,
            Repeat::EveryDays { n } => since % i64::from(*n) == 0,
            Repeat::EveryWeeks { n } => since % (i64::from(*n) * 7) == 0,
        }
}

proptest! {
    #[test]
    fn both_searches_find_the_days_that_a_look_at_every_day_finds(
        repeat in any_repeat(),
        start in 0_i64..3_000,
        from in -50_i64..3_000,
    ) {
        let epoch = date("2026-01-01");
        let (start, from) = (epoch + start.days(), epoch + (start + from).days());
        let later = (0..800).map(|days| from + days.days()).chain([start]);
        let expected = later.filter(|date| *date >= from && is_day_of(&repeat, start, *date)).min();
        prop_assert_eq!(repeat.on_or_after(start, from), expected.or(repeat.on_or_after(start, start).filter(|day| *day >= from)));
        let earlier = (0..800).map(|days| from - days.days());
        let expected = earlier.filter(|date| is_day_of(&repeat, start, *date)).max();
        prop_assert_eq!(repeat.on_or_before(start, from), expected);
        prop_assert_eq!(repeat.has(start, from), is_day_of(&repeat, start, from));
    }
}
