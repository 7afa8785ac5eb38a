//! How things stand, as Prometheus reads it: written anew for every scrape, so that what is gone is gone there too.

use crate::{clock::Millis, store::Gauges};

/// The gauges in Prometheus' text format, version 0.0.4. No value needs escaping: all are ids or words of ours.
pub(super) fn text(gauges: &Gauges, now: Millis) -> String {
    let count = |(word, count): (&String, &i64)| (word.clone(), count.to_string());
    let held = gauges.runs.get("held").copied().unwrap_or_default().to_string();
    let mut text = String::new();
    family(&mut text, "adc_runs", "Runs that are kept, by state", "state", gauges.runs.iter().map(count));
    text.push_str("# HELP adc_held_plans Plans that wait for approval\n# TYPE adc_held_plans gauge\n");
    text.extend(["adc_held_plans ", &held, "\n"]);
    family(&mut text, "adc_users", "Users, by status", "status", gauges.users.iter().map(count));
    let since = |(id, at): (&String, &Millis)| {
        let millis = now.saturating_sub(*at).max(0);
        (id.clone(), format!("{}.{:03}", millis / 1000, millis % 1000))
    };
    family(
        &mut text,
        "adc_seconds_since_last_applied_run",
        "Seconds since the last applied run ended, by synchronization",
        "synchronization",
        gauges.last_applied.iter().map(since),
    );
    text
}

fn family(
    text: &mut String,
    name: &str,
    help: &str,
    label: &str,
    samples: impl Iterator<Item = (String, String)>,
) {
    text.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n"]);
    text.extend(samples.map(|(value, sample)| format!("{name}{{{label}=\"{value}\"}} {sample}\n")));
}
