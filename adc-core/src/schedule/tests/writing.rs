//! Schedules as JSON and as sentences.

use super::{Repeat, Schedule, Weekday, schedule, weekly};

fn read(text: &str) -> Result<Schedule, String> {
    let schedule: Schedule = serde_json::from_str(text).map_err(|error| error.to_string())?;
    schedule.checked().map_err(|error| error.to_string())
}

fn with(key: &str, value: &str) -> String {
    let mut parts = [
        ("repeat", r#"{"kind":"daily"}"#.to_owned()),
        ("start", r#""2026-11-23""#.to_owned()),
        ("at", r#""02:30""#.to_owned()),
        ("time_zone", r#""Europe/Berlin""#.to_owned()),
    ];
    for (name, text) in &mut parts {
        if *name == key {
            value.clone_into(text);
        }
    }
    let members: Vec<String> = parts.iter().map(|(name, text)| format!("\"{name}\":{text}")).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn a_schedule_is_written_as_it_is_read() {
    for repeat in [
        r#"{"kind":"daily"}"#,
        r#"{"kind":"weekly","days":["monday","friday"]}"#,
        r#"{"kind":"monthly","day":31}"#,
        r#"{"kind":"every-days","n":3}"#,
        r#"{"kind":"every-weeks","n":2}"#,
    ] {
        let text = with("repeat", repeat);
        let schedule = read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let written = serde_json::to_string(&schedule).expect("plain data");
        assert_eq!(written, text.replacen('{', r#"{"enabled":true,"#, 1));
    }
    assert_eq!(read(&with("at", r#""23:59:58""#)).expect("possible").at.to_string(), "23:59:58");
    assert_eq!(read(&with("time_zone", r#""europe/BERLIN""#)).expect("possible").time_zone, "Europe/Berlin");
}

#[test]
fn what_cannot_work_is_refused_with_a_sentence() {
    for (key, value, expected) in [
        ("at", r#""2:30""#, "\"2:30\" is no time of day; write it as 02:30"),
        ("at", r#""24:00""#, "no time of day"),
        ("at", r#""02:30:60""#, "no time of day"),
        ("at", r#""02:30:00:00""#, "no time of day"),
        ("at", r#""02:+5""#, "no time of day"),
        ("start", r#""23.11.2026""#, "\"23.11.2026\" is no date; write it as 2026-11-23"),
        ("start", r#""2026-11-23T00:00""#, "no date"),
        ("start", r#""2026-02-29""#, "no date"),
        ("repeat", r#"{"kind":"weekly","days":[]}"#, "name at least one day"),
        ("repeat", r#"{"kind":"weekly","days":["mon"]}"#, "unknown variant `mon`"),
        ("repeat", r#"{"kind":"weekly"}"#, "missing field `days`"),
        ("repeat", r#"{"kind":"daily","days":["monday"]}"#, "unknown field `days`"),
        ("repeat", r#"{"kind":"hourly"}"#, "unknown variant `hourly`"),
        ("repeat", r#"{"kind":"monthly","day":0}"#, "no day 0; use a number from 1 to 31"),
        ("repeat", r#"{"kind":"monthly","day":32}"#, "no day 32"),
        ("repeat", r#"{"kind":"every-days","n":0}"#, "use a number from 1 to 365"),
        ("repeat", r#"{"kind":"every-weeks","n":53}"#, "use a number from 1 to 52"),
        ("time_zone", r#""Europe/Berln""#, "did you mean Europe/Berlin"),
        ("time_zone", r#""Berlin""#, "did you mean Europe/Berlin"),
        ("time_zone", r#""new york""#, "did you mean America/New_York"),
        ("time_zone", r#""W. Europe Standard Time""#, "for example Europe/Berlin or UTC"),
        ("time_zone", r#""+02:00""#, "is no time zone"),
        ("time_zone", r#""""#, "is no time zone"),
        ("time_zone", r#""../../etc/passwd""#, "is no time zone"),
        ("time_zone", r#""Etc/Unknown""#, "is no time zone"),
    ] {
        let text = with(key, value);
        let error = read(&text).expect_err(&text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn it_reads_as_a_sentence() {
    let sentence = |repeat| schedule(repeat, "2026-11-23", "02:30", "Europe/Berlin").to_string();
    for (repeat, expected) in [
        (Repeat::Daily {}, "every day at 02:30 Europe/Berlin"),
        (weekly(&[Weekday::Friday]), "every Friday at 02:30 Europe/Berlin"),
        (
            weekly(&[Weekday::Friday, Weekday::Monday, Weekday::Tuesday]),
            "every Monday, Tuesday and Friday at 02:30 Europe/Berlin",
        ),
        (Repeat::Monthly { day: 1 }, "every month on day 1 at 02:30 Europe/Berlin"),
        (Repeat::Monthly { day: 31 }, "every month on day 31 or its last at 02:30 Europe/Berlin"),
        (Repeat::EveryDays { n: 3 }, "every 3 days at 02:30 Europe/Berlin, counted from 2026-11-23"),
        (Repeat::EveryWeeks { n: 2 }, "every 2 weeks at 02:30 Europe/Berlin, counted from 2026-11-23"),
    ] {
        assert_eq!(sentence(repeat), expected);
    }
    let off = Schedule { enabled: false, ..schedule(Repeat::Daily {}, "2026-11-23", "02:30:15", "UTC") };
    assert_eq!(off.to_string(), "off; if enabled every day at 02:30:15 UTC");
}
