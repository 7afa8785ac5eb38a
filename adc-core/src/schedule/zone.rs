//! Time zones by their IANA names, from the database that is built in: nothing is read from the machine, so that every control
//! plane of one version agrees.

use super::ScheduleError;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// How alike (0 to 1) a name must be to be suggested.
const LIKELY_MEANT: f64 = 0.85;
/// A city of another continent is less likely meant than a name that is alike as a whole.
const CITY_WEIGHS: f64 = 0.98;
/// How many names are suggested at most.
const SUGGESTIONS: usize = 3;

/// What is built in: compiled rules, and a memory of those asked for.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of a name, whatever its case.
pub(super) fn find(name: &str) -> Result<TimeZone, ScheduleError> {
    let found = DATABASE.get(name).ok().filter(|zone| !zone.is_unknown() && zone.iana_name().is_some());
    found.ok_or_else(|| ScheduleError::UnknownZone { name: name.to_owned(), near: near(name) })
}

/// What to write instead of a name that is none.
pub(super) fn advice(near: &[String]) -> String {
    match near {
        [] => "use a name of the IANA time zone database, for example Europe/Berlin or UTC".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

/// The names that are most like this one, or whose city is.
fn near(name: &str) -> Vec<String> {
    let wanted = plain(name);
    let mut names: Vec<(f64, String)> = DATABASE
        .available()
        .map(|known| (likeness(&wanted, &plain(known.as_str())), known.to_string()))
        .filter(|(likeness, _)| *likeness >= LIKELY_MEANT)
        .collect();
    names.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    names.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect()
}

fn likeness(wanted: &str, known: &str) -> f64 {
    let whole = strsim::jaro_winkler(wanted, known);
    if !known.contains('/') {
        return whole;
    }
    whole.max(strsim::jaro_winkler(city(wanted), city(known)) * CITY_WEIGHS)
}

fn city(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Without case, and with blanks as the database writes them.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(' ', "_")
}
