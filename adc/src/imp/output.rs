//! What a run says at its end: a plan and a summary for people, one JSON object for programs.

use adc_core::plan::Action;
use adc_core::protocol::{
    Change, Counts, FullBecause, Mode, ReadCounts, RunError, RunReport, RunState, SentCounts,
};
use adc_core::settings::EffectiveSettings;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

use super::Ended;
use crate::printable::printable;

/// Lines of a plan that are printed; more are found at the report's address.
pub const MAX_LINES: usize = 50;
/// In which order they are printed: a removal must not hide behind a thousand newcomers.
pub const WEIGHTIEST_FIRST: [Action; 8] = [
    Action::Delete,
    Action::Disable,
    Action::Conflict,
    Action::Skip,
    Action::Restore,
    Action::Enable,
    Action::Update,
    Action::Create,
];
/// Characters of a difference on a terminal; longer ones end with an ellipsis. What a conflict is about is never cut.
const MAX_DIFFERENCE: usize = 80;

/// `adc imp --output json`.
#[derive(Debug, Serialize)]
pub struct Document {
    run_id: String,
    mode: Option<Mode>,
    full_because: Option<FullBecause>,
    dry_run: Option<bool>,
    state: RunState,
    settings: Option<EffectiveSettings>,
    read: ReadCounts,
    counts: Counts,
    sent: SentCounts,
    duration_ms: i64,
    report_url: Option<String>,
    error: Option<RunError>,
}

impl Document {
    /// The document of a run, whichever way it ended.
    pub fn of(ended: &Ended) -> Self {
        let duration_ms = i64::try_from(ended.duration.as_millis()).unwrap_or(i64::MAX);
        match &ended.result {
            Ok(report) => Self {
                run_id: report.run_id.clone(),
                mode: Some(report.mode),
                full_because: report.full_because,
                dry_run: Some(report.dry_run),
                state: report.state,
                settings: Some(report.settings),
                read: report.read,
                counts: report.counts,
                sent: ended.sent,
                duration_ms,
                report_url: Some(report.report_url.clone()),
                error: report.error.clone(),
            },
            Err(error) => Self {
                run_id: ended.run_id.clone(),
                mode: ended.opened.as_ref().map(|opened| opened.mode),
                full_because: ended.opened.as_ref().and_then(|opened| opened.full_because),
                dry_run: ended.opened.as_ref().map(|opened| opened.settings.dry_run.value),
                state: RunState::Failed,
                settings: ended.opened.as_ref().map(|opened| opened.settings),
                read: ended.read,
                counts: Counts::default(),
                sent: ended.sent,
                duration_ms,
                report_url: None,
                error: Some(error.run_error()),
            },
        }
    }
}

/// The plan as a table for a terminal: the first [`MAX_LINES`] changes, long differences cut, and how many more there are.
pub fn plan(changes: &[Change], report: &RunReport, color: bool) -> String {
    table(changes, report, color, MAX_DIFFERENCE)
}

/// The same table for a file or a pipe, where width costs nothing: nothing is cut.
pub fn plan_in_full(changes: &[Change], report: &RunReport, color: bool) -> String {
    table(changes, report, color, usize::MAX)
}

fn table(changes: &[Change], report: &RunReport, color: bool, max_difference: usize) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(
        ["ACTION", "KIND", "NAME", "WHAT"].map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
    );
    for change in changes.iter().take(MAX_LINES) {
        let kind = change.kind.as_str().replace('_', " ");
        let name = if change.username.is_empty() { &change.dn } else { &change.username };
        table.add_row([
            Cell::new(change.action.as_str()).fg(color_of(change.action)),
            Cell::new(kind),
            Cell::new(printable(name)),
            Cell::new(printable(&what(change, max_difference))),
        ]);
    }
    let counts = &report.counts;
    let total = usize::try_from(counts.effective() + counts.skip + counts.conflict).unwrap_or(usize::MAX);
    let shown = changes.len().min(MAX_LINES);
    let more = match total.saturating_sub(shown) {
        0 => String::new(),
        more => format!("… and {more} more: {}\n", report.report_url),
    };
    // Columns are padded to their width; nobody needs the blanks at the end of a line.
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n{more}\n", lines.join("\n"))
}

/// What happened, in a few lines.
pub fn summary(ended: &Ended, report: &RunReport) -> String {
    let ReadCounts { users, groups, org_units } = report.read;
    let counts = &report.counts;
    let state = match report.state {
        RunState::Previewed => "Preview: nothing was changed.".to_owned(),
        RunState::Applied => "Applied.".to_owned(),
        RunState::Held => "Held: nothing was changed; the plan waits for approval.".to_owned(),
        other => format!("The run is {}.", other.as_str()),
    };
    let mut parts: Vec<String> = [
        (counts.create, "to create", "created"),
        (counts.update, "to update", "updated"),
        (counts.disable, "to disable", "disabled"),
        (counts.enable, "to enable", "enabled"),
        (counts.delete, "to delete", "deleted"),
        (counts.restore, "to restore", "restored"),
        (counts.skip, "skipped", "skipped"),
        (counts.conflict, "in conflict", "in conflict"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, will, was)| {
        format!("{count} {}", if report.state == RunState::Applied { was } else { will })
    })
    .collect();
    // A delta has not looked at everybody else.
    if report.mode == Mode::Full || parts.is_empty() {
        parts.push(format!("{} unchanged", counts.unchanged));
    }
    let mut lines = vec![format!("{state} {}.", parts.join(", "))];
    if report.state == RunState::Previewed && !report.held_because.is_empty() {
        lines.push("An import would be held for approval:".to_owned());
    }
    for held in &report.held_because {
        lines.push(format!("  {} ({})", held.reason.sentence(), printable(&held.detail)));
    }
    if report.needs_attention > 0 {
        let need = if report.needs_attention == 1 { "needs" } else { "need" };
        lines.push(format!("{} {need} attention: {}", report.needs_attention, report.report_url));
    }
    if report.state == RunState::Held {
        lines.push(
            "Look at the plan, then approve or reject it, with an administrator's API key as KEY:".to_owned(),
        );
        for (options, step) in [("", "/changes"), ("-X POST ", "/approve"), ("-X POST ", "/reject")] {
            let url = format!("{}{step}", report.report_url);
            lines.push(format!("  curl {options}-H \"Authorization: Bearer KEY\" {url}"));
        }
    }
    let sent = bytes(ended.sent.bytes);
    let seconds = ended.duration.as_secs_f64();
    let touched = if report.mode == Mode::Delta { " that were touched" } else { "" };
    lines.push(format!(
        "Read {users} people, {groups} groups, {org_units} org units{touched}; sent {} records, {sent}; {seconds:.1} s.",
        ended.sent.records
    ));
    if let Some(because) = report.full_because.filter(|because| is_worth_saying(*because)) {
        lines.push(format!("Everything was read, because {because}."));
    }
    lines.join("\n") + "\n"
}

/// Whether somebody who is used to deltas would wonder why everything was read.
fn is_worth_saying(because: FullBecause) -> bool {
    !matches!(because, FullBecause::FirstRun | FullBecause::Asked | FullBecause::NoChangeFeed)
}

/// The reason, and for an update what differs.
fn what(change: &Change, max_difference: usize) -> String {
    if let Some(detail) = &change.detail {
        return format!("{}: {detail}", change.reason.code());
    }
    let difference = match change.action {
        Action::Update => difference(change.before.as_ref(), change.after.as_ref()),
        _ => String::new(),
    };
    if difference.is_empty() {
        return change.reason.code().to_owned();
    }
    if difference.chars().count() <= max_difference {
        return difference;
    }
    difference.chars().take(max_difference - 1).chain(['…']).collect()
}

/// `title: Engineer → Manager; phone: - → 123`
fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    let object = |side: Option<&Value>| side.and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (flat(object(before)), flat(object(after)));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let shown = |side: &std::collections::BTreeMap<String, String>, name: &String| {
        side.get(name).cloned().unwrap_or_else(|| "-".to_owned())
    };
    let parts =
        names.into_iter().map(|name| format!("{name}: {} → {}", shown(&before, name), shown(&after, name)));
    parts.collect::<Vec<_>>().join("; ")
}

/// The values by name; `fields` are told by their own names.
fn flat(object: serde_json::Map<String, Value>) -> std::collections::BTreeMap<String, String> {
    let mut flat = std::collections::BTreeMap::new();
    for (name, value) in object {
        match value {
            Value::Null => {}
            Value::Object(inner) => {
                flat.extend(inner.into_iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (n, text(&v))));
            }
            value => {
                flat.insert(name, text(&value));
            }
        }
    }
    flat
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn color_of(action: Action) -> Color {
    match action {
        Action::Create | Action::Restore | Action::Enable => Color::Green,
        Action::Update => Color::Yellow,
        Action::Delete | Action::Disable => Color::Red,
        Action::Skip => Color::Grey,
        Action::Conflict => Color::Magenta,
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people, to one decimal")]
fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use adc_core::reason::Reason;
    use adc_core::record::Kind;
    use adc_core::settings::Settings;
    use serde_json::json;

    use super::*;
    use crate::exit::Exit;
    use crate::imp::Options;

    fn report(state: RunState, counts: Counts, needs_attention: u64) -> RunReport {
        RunReport {
            run_id: "run_1".to_owned(),
            mode: Mode::Full,
            full_because: Some(FullBecause::NoChangeFeed),
            dry_run: state == RunState::Previewed,
            state,
            held_because: Vec::new(),
            settings: EffectiveSettings::merge(&Settings::default(), &Settings::default(), false),
            read: ReadCounts { users: 300, groups: 30, org_units: 29 },
            counts,
            needs_attention,
            sent: SentCounts::default(),
            duration_ms: 1_000,
            report_url: "https://cloud.example.com/runs/run_1".to_owned(),
            error: None,
        }
    }

    fn ended(report: &RunReport) -> Ended {
        let options = Options {
            run_id: "run_1".to_owned(),
            dry_run: false,
            full: false,
            trigger: adc_core::protocol::Trigger::Agent,
            instance: None,
        };
        Ended {
            read: report.read,
            sent: SentCounts { digests: 359, records: 3, bytes: 12_345 },
            duration: Duration::from_millis(1_234),
            result: Ok(report.clone()),
            ..Ended::before_it_began(&options, crate::exit::AgentError::Interrupted)
        }
    }

    fn change(action: Action, reason: Reason, name: &str) -> Change {
        Change {
            seq: 1,
            kind: Kind::User,
            source_id: name.to_owned(),
            dn: format!("uid={name},dc=lg,dc=local"),
            username: name.to_owned(),
            action,
            reason,
            detail: None,
            before: None,
            after: None,
        }
    }

    #[test]
    fn a_preview_says_that_an_import_would_be_held_and_a_delta_nothing_of_everybody_else() {
        let held =
            adc_core::protocol::HeldBecause { reason: Reason::GuardRemovals, detail: "12 of 50".to_owned() };
        let counts = Counts { delete: 12, ..Counts::default() };
        let report = RunReport {
            mode: Mode::Delta,
            held_because: vec![held],
            ..report(RunState::Previewed, counts, 0)
        };
        let summary = summary(&ended(&report), &report);
        assert!(summary.contains("12 to delete.\nAn import would be held for approval:\n"), "{summary}");
        assert!(!summary.contains("unchanged"), "{summary}");
    }

    #[test]
    fn whoever_edits_a_title_does_not_write_our_lines() {
        let mut forged = serde_json::Map::new();
        forged.insert("title".to_owned(), "B\u{1b}[2J\nApplied. 0 deleted".into());
        let change = Change {
            before: Some(Value::Object(serde_json::Map::new())),
            after: Some(Value::Object(forged)),
            ..change(Action::Update, Reason::Changed, "u1\r@lg.local")
        };
        let table = plan_in_full(&[change], &report(RunState::Previewed, Counts::default(), 0), false);
        assert!(!table.contains(['\u{1b}', '\r']), "{table:?}");
        assert!(!table.lines().any(|line| line.starts_with("Applied")), "{table}");
    }

    #[test]
    fn a_preview_is_a_table_and_says_that_nothing_was_changed() {
        let mut update = change(Action::Update, Reason::Changed, "jane");
        update.before = Some(json!({"fields": {"title": "Engineer"}, "email": "jane@lg.local"}));
        update.after = Some(json!({"fields": {"title": "Manager"}, "email": null}));
        let mut conflict = change(Action::Conflict, Reason::DuplicateUsername, "sean");
        conflict.detail = Some("uid=sean,dc=lg and uid=sinead,dc=lg".to_owned());
        let changes = [change(Action::Delete, Reason::Gone, "li"), conflict, update];
        let counts =
            Counts { create: 70, update: 1, delete: 1, conflict: 1, unchanged: 4, ..Counts::default() };
        let report = report(RunState::Previewed, counts, 1);
        insta::assert_snapshot!(format!(
            "{}{}",
            plan(&changes, &report, false),
            summary(&ended(&report), &report)
        ));
    }

    #[test]
    fn a_held_plan_says_why_and_where_to_approve_it() {
        let mut report = report(RunState::Held, Counts { delete: 50, ..Counts::default() }, 0);
        report.held_because.push(adc_core::protocol::HeldBecause {
            reason: Reason::GuardRemovals,
            detail: "50 of 300 people".to_owned(),
        });
        insta::assert_snapshot!(summary(&ended(&report), &report));
    }

    #[test]
    fn a_conflict_names_both_objects_and_only_terminals_cut_differences() {
        let long = "x".repeat(2 * MAX_DIFFERENCE);
        let both = format!("uid=sean,ou={long},dc=lg and uid=sinead,ou={long},dc=lg");
        let mut conflict = change(Action::Conflict, Reason::DuplicateUsername, "sean");
        conflict.detail = Some(both.clone());
        let mut update = change(Action::Update, Reason::Changed, "jane");
        update.after = Some(json!({ "title": long }));
        let changes = [conflict, update];
        let report = report(RunState::Previewed, Counts { update: 1, conflict: 1, ..Counts::default() }, 1);
        let terminal = plan(&changes, &report, false);
        assert!(terminal.contains(&both) && !terminal.contains(&format!("→ {long}")), "{terminal}");
        let file = plan_in_full(&changes, &report, false);
        assert!(file.contains(&both) && file.contains(&format!("→ {long}")), "{file}");
    }

    #[test]
    fn a_run_that_read_nobody_does_not_end_as_if_all_were_well() {
        let mut report = report(RunState::Applied, Counts::default(), 0);
        assert_eq!(ended(&report).exit(), Exit::Done);
        report.read.users = 0;
        assert_eq!(ended(&report).exit(), Exit::Attention);
        report.state = RunState::Held;
        assert_eq!(ended(&report).exit(), Exit::Held);
    }

    #[test]
    fn a_plan_without_changes_prints_no_table() {
        let report = report(RunState::Applied, Counts { unchanged: 359, ..Counts::default() }, 0);
        assert_eq!(plan(&[], &report, true), "");
        assert!(summary(&ended(&report), &report).starts_with("Applied. 359 unchanged."));
    }
}
