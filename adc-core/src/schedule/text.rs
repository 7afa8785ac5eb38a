//! Dates and times of day as people and programs write them: `2026-11-23`, `02:30`.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// A time of day, to the second: `02:30` or `02:30:15`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(Time);

/// A text that is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no time of day; write it as 02:30, from 00:00 to 23:59")]
pub struct NoTimeOfDay(String);

impl TimeOfDay {
    pub(super) fn time(self) -> Time {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = NoTimeOfDay;

    fn from_str(text: &str) -> Result<Self, NoTimeOfDay> {
        let mut numbers = text.split(':').map(number);
        let time = match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(hour), Some(minute), None, _) => time(hour, minute, Some(0)),
            (Some(hour), Some(minute), Some(second), None) => time(hour, minute, second),
            _ => None,
        };
        time.map(Self).ok_or_else(|| NoTimeOfDay(text.to_owned()))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = NoTimeOfDay;

    fn try_from(text: String) -> Result<Self, NoTimeOfDay> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())?;
        if self.0.second() == 0 { Ok(()) } else { write!(f, ":{:02}", self.0.second()) }
    }
}

impl PartialSchema for TimeOfDay {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A time of day, to the second."))
            .pattern(Some(r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"))
            .examples(["02:30"]);
        text.into()
    }
}

impl ToSchema for TimeOfDay {}

/// Dates as `2026-11-23`, and nothing else.
pub(super) mod date {
    use jiff::civil::Date;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(in super::super) fn serialize<S: Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(date)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Date, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The calendar's parser takes times and time zones behind a date as well.
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        date.ok_or_else(|| Error::custom(format!("\"{text}\" is no date; write it as 2026-11-23")))
    }
}

/// Two digits.
fn number(text: &str) -> Option<i8> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn time(hour: Option<i8>, minute: Option<i8>, second: Option<i8>) -> Option<Time> {
    Time::new(hour?, minute?, second?, 0).ok()
}
