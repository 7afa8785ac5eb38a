//! How things stand, as Prometheus reads it: written anew for every scrape, so that what is gone is gone there too.

use crate::{
    clock::Millis,
    scheduler,
    store::{Gauges, Scheduled},
};
use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
};

/// The gauges in Prometheus' text format, version 0.0.4. No value needs escaping: all are ids or words of ours.
///
/// `agents` are those connected, by synchronization.
pub(super) fn text(gauges: &Gauges, agents: &BTreeMap<String, usize>, now: Millis) -> String {
    let held = gauges.runs.get("held").copied().unwrap_or_default();
    let since = |at: &Millis| {
        let millis = now.saturating_sub(*at).max(0);
        format!("{}.{:03}", millis / 1000, millis % 1000)
    };
    let since_of = |times: &BTreeMap<String, Millis>| -> BTreeMap<String, String> {
        times.iter().map(|(id, at)| (id.clone(), since(at))).collect()
    };
    // Those of no agent too: an alert must be able to tell that somebody is gone.
    let connected = gauges.synchronizations.iter();
    let connected: BTreeMap<_, _> =
        connected.map(|id| (id.clone(), agents.get(id).copied().unwrap_or_default())).collect();
    let version = BTreeMap::from([(env!("CARGO_PKG_VERSION").to_owned(), 1)]);

    let mut text = String::new();
    family(&mut text, "adc_build_info", "The version that runs", "version", &version);
    family(&mut text, "adc_runs", "Runs that are kept, by state", "state", &gauges.runs);
    text.push_str("# HELP adc_held_plans Plans that wait for approval\n# TYPE adc_held_plans gauge\n");
    text.extend(["adc_held_plans ", &held.to_string(), "\n"]);
    family(
        &mut text,
        "adc_held_plan_age_seconds",
        "Seconds since the run was opened whose plan waits for approval, by synchronization",
        "synchronization",
        &since_of(&gauges.held_since),
    );
    family(
        &mut text,
        "adc_queued_run_age_seconds",
        "Seconds for which a run has waited for an agent, by synchronization",
        "synchronization",
        &since_of(&gauges.queued_since),
    );
    family(&mut text, "adc_users", "Users, by status", "status", &gauges.users);
    family(
        &mut text,
        "adc_seconds_since_last_applied_run",
        "Seconds since the last applied run ended, by synchronization",
        "synchronization",
        &since_of(&gauges.last_applied),
    );
    let all = gauges.synchronizations.iter();
    let following: BTreeMap<_, _> =
        all.map(|id| (id.clone(), u8::from(gauges.following.contains(id)))).collect();
    family(
        &mut text,
        "adc_follows_changes",
        "Whether the directory's changes are to be followed, by synchronization",
        "synchronization",
        &following,
    );
    let due = gauges.due_since.iter();
    let due: BTreeMap<_, _> =
        due.map(|(id, at)| (id.clone(), at.as_ref().map_or_else(|| "0".to_owned(), since))).collect();
    family(
        &mut text,
        "adc_due_run_unapplied_seconds",
        "Seconds since the schedule's last run was due, while nothing came of it and nobody has decided on it, by synchronization",
        "synchronization",
        &due,
    );
    family(
        &mut text,
        "adc_conflicts",
        "Objects in conflict in the last applied run, by synchronization",
        "synchronization",
        &gauges.conflicts,
    );
    family(
        &mut text,
        "adc_agents_connected",
        "Agents that are connected, by synchronization",
        "synchronization",
        &connected,
    );
    family(&mut text, "adc_database_bytes", "Bytes of the database's files, by file", "file", &gauges.bytes);
    text
}

/// Agents that say they cannot work with their directory, by synchronization and code, in the same format. The code is an agent's word: a
/// newer one may have others, and what is none of ours is counted as `other`.
pub(super) fn in_trouble(troubles: &BTreeMap<(String, String), usize>) -> String {
    const NAME: &str = "adc_agents_in_trouble";
    let is_word = |code: &str| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let mut counted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for ((synchronization, code), agents) in troubles {
        let code = if is_word(code) { code } else { "other" };
        *counted.entry((synchronization, code)).or_default() += agents;
    }
    let mut text = format!(
        "# HELP {NAME} Agents that are connected and cannot work with their directory, by synchronization and code\n# TYPE {NAME} gauge\n"
    );
    for ((synchronization, code), agents) in counted {
        writeln!(text, "{NAME}{{synchronization=\"{synchronization}\",code=\"{code}\"}} {agents}")
            .expect("writing to a String cannot fail");
    }
    text
}

/// When each synchronization with a schedule runs next, in the same format: in the past, where it is due and has not become a run.
pub(super) fn next_runs(scheduled: &[Scheduled], now: Millis) -> String {
    let shown = |at: Millis| format!("{}.{:03}", at.div_euclid(1_000), at.rem_euclid(1_000));
    let next = scheduled.iter().filter_map(|scheduled| {
        let next = scheduler::next_run(scheduled, now)?;
        Some((scheduled.synchronization_id.clone(), shown(next)))
    });
    let mut text = String::new();
    family(
        &mut text,
        "adc_next_run_timestamp_seconds",
        "When the schedule is due next, or has been since without having become a run (seconds since 1970), by synchronization",
        "synchronization",
        &next.collect(),
    );
    text
}

fn family(text: &mut String, name: &str, help: &str, label: &str, samples: &BTreeMap<String, impl Display>) {
    text.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n"]);
    text.extend(samples.iter().map(|(value, sample)| format!("{name}{{{label}=\"{value}\"}} {sample}\n")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_waits_is_told_with_its_age_and_who_is_gone_with_a_nought() {
        let one = |id: &str, at: Millis| BTreeMap::from([(id.to_owned(), at)]);
        let gauges = Gauges {
            runs: BTreeMap::from([("held".to_owned(), 1), ("queued".to_owned(), 1)]),
            synchronizations: vec!["sync_a".to_owned(), "sync_b".to_owned()],
            conflicts: BTreeMap::from([("sync_a".to_owned(), 3)]),
            following: BTreeSet::from(["sync_b".to_owned()]),
            due_since: BTreeMap::from([("sync_a".to_owned(), Some(90_000)), ("sync_b".to_owned(), None)]),
            queued_since: one("sync_a", 40_000),
            held_since: one("sync_b", 30_500),
            // The clock was set back.
            last_applied: one("sync_b", 200_000),
            bytes: BTreeMap::from([("main".to_owned(), 8_192)]),
            ..Gauges::default()
        };
        let text = text(&gauges, &BTreeMap::from([("sync_b".to_owned(), 2)]), 100_000);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).skip(1).collect();
        insta::assert_snapshot!(samples.join("\n"), @r#"
        adc_runs{state="held"} 1
        adc_runs{state="queued"} 1
        adc_held_plans 1
        adc_held_plan_age_seconds{synchronization="sync_b"} 69.500
        adc_queued_run_age_seconds{synchronization="sync_a"} 60.000
        adc_seconds_since_last_applied_run{synchronization="sync_b"} 0.000
        adc_follows_changes{synchronization="sync_a"} 0
        adc_follows_changes{synchronization="sync_b"} 1
        adc_due_run_unapplied_seconds{synchronization="sync_a"} 10.000
        adc_due_run_unapplied_seconds{synchronization="sync_b"} 0
        adc_conflicts{synchronization="sync_a"} 3
        adc_agents_connected{synchronization="sync_a"} 0
        adc_agents_connected{synchronization="sync_b"} 2
        adc_database_bytes{file="main"} 8192
        "#);
    }

    #[test]
    fn agents_in_trouble_are_counted_by_what_is_in_the_way_and_write_no_lines_of_their_own() {
        let of = |code: &str, agents| (("sync_a".to_owned(), code.to_owned()), agents);
        let text = in_trouble(&BTreeMap::from([of("bind-refused", 2), of("x\"} 1", 1)]));
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        insta::assert_snapshot!(samples.join("\n"), @r#"
        adc_agents_in_trouble{synchronization="sync_a",code="bind-refused"} 2
        adc_agents_in_trouble{synchronization="sync_a",code="other"} 1
        "#);
    }

    #[test]
    fn a_schedule_is_overdue_until_it_became_a_run() {
        const NOW: Millis = 1_795_348_800_000;
        let daily = r#"{"repeat":{"kind":"daily"},"start":"2026-11-01","at":"11:00","time_zone":"UTC"}"#;
        let mut scheduled = Scheduled {
            account_id: "acc_a".to_owned(),
            synchronization_id: "sync_a".to_owned(),
            schedule: serde_json::from_str(daily).expect("a schedule"),
            handled_until: NOW - 86_400_000,
            last_due: None,
        };
        let next = |scheduled: &Scheduled| {
            let text = next_runs(std::slice::from_ref(scheduled), NOW);
            text.lines().find(|line| !line.starts_with('#')).map(str::to_owned)
        };
        // It is noon.
        let line = |at: Millis| {
            Some(format!("adc_next_run_timestamp_seconds{{synchronization=\"sync_a\"}} {at}.000"))
        };
        assert_eq!(next(&scheduled), line(NOW / 1_000 - 3_600));
        (scheduled.handled_until, scheduled.last_due) = (NOW - 3_600_000, Some(NOW - 3_600_000));
        assert_eq!(next(&scheduled), line(NOW / 1_000 + 23 * 3_600));
        // The clock was set back: what became a run does not become another.
        scheduled.handled_until = NOW - 86_400_000;
        assert_eq!(next(&scheduled), line(NOW / 1_000 + 23 * 3_600));
        scheduled.schedule.enabled = false;
        assert_eq!(next(&scheduled), None);
    }
}
