//! What a run says at its end: a plan and a summary for people, one JSON object for programs.

mod difference;
mod table;

use adc_core::plan::Action;
use adc_core::protocol::{
    Counts, FullBecause, HeldBecause, Mode, ReadCounts, RunError, RunReport, RunState, SentCounts,
};
use adc_core::settings::EffectiveSettings;
use adc_core::text::counted;
use serde::Serialize;

use super::Ended;
use crate::exit::AgentError;
use crate::printable::printable;
use crate::wrap::wrapped;

pub use table::{MAX_LINES, columns, plan};

/// In which order the lines of a plan are printed: a removal must not hide behind a thousand newcomers.
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
/// `adc imp --output json`.
#[derive(Debug, Serialize)]
pub struct Document {
    /// Null where no run was asked for: nothing of it is known anywhere.
    run_id: Option<String>,
    mode: Option<Mode>,
    full_because: Option<FullBecause>,
    dry_run: Option<bool>,
    state: RunState,
    /// Which guards hold the plan, or would hold that of a dry run; empty where none does.
    held_because: Vec<HeldBecause>,
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
                run_id: Some(report.run_id.clone()),
                mode: Some(report.mode),
                full_because: report.full_because,
                dry_run: Some(report.dry_run),
                state: report.state,
                held_because: report.held_because.clone(),
                settings: Some(report.settings),
                read: report.read,
                counts: report.counts,
                sent: ended.sent,
                duration_ms,
                report_url: Some(report.report_url.clone()),
                error: report.error.clone(),
            },
            Err(error) => Self {
                run_id: was_asked_for(ended, error).then(|| ended.run_id.clone()),
                mode: ended.opened.as_ref().map(|opened| opened.mode),
                full_because: ended.opened.as_ref().and_then(|opened| opened.full_because),
                dry_run: ended.opened.as_ref().map(|opened| opened.settings.dry_run.value),
                state: RunState::Failed,
                held_because: Vec::new(),
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

/// Whether the control plane was asked for this run: it may know of it then.
fn was_asked_for(ended: &Ended, error: &AgentError) -> bool {
    let before = matches!(error, AgentError::Config(_) | AgentError::NoChangeFeed | AgentError::Directory(_));
    ended.opened.is_some() || !before
}

/// What happened, in a few lines; `columns` is how wide the terminal is. What is to be copied is not broken.
pub fn summary(ended: &Ended, report: &RunReport, columns: Option<u16>) -> String {
    let sentence = |text: &str| wrapped(text, columns, 0, 0);
    let ReadCounts { users, groups, org_units } = report.read;
    let state = match report.state {
        RunState::Previewed => "Preview: nothing was changed.".to_owned(),
        RunState::Applied => "Applied.".to_owned(),
        RunState::Held => "Held: nothing was changed; the plan waits for approval.".to_owned(),
        other => format!("The run is {}.", other.as_str()),
    };
    let mut lines = vec![sentence(&format!("{state} {}.", changes(report)))];
    if report.state == RunState::Previewed && !report.held_because.is_empty() {
        lines.push("An import would be held for approval:".to_owned());
    }
    for held in &report.held_because {
        let why = format!("{} ({})", held.reason.sentence(), printable(&held.detail));
        lines.push(format!("  {}", wrapped(&why, columns, 2, 2)));
    }
    if report.needs_attention > 0 {
        let need = if report.needs_attention == 1 { "needs" } else { "need" };
        lines.push(sentence(&format!("{} {need} attention: {}", report.needs_attention, report.report_url)));
    }
    if report.state == RunState::Held {
        lines.push(sentence(
            "Look at the plan, then approve or reject it, with an administrator's API key (adc-server api-key create) as KEY:",
        ));
        for (options, step) in [("", "/changes"), ("-X POST ", "/approve"), ("-X POST ", "/reject")] {
            let url = format!("{}{step}", report.report_url);
            lines.push(format!("  curl {options}-H \"Authorization: Bearer KEY\" {url}"));
        }
    }
    let sent = bytes(ended.sent.bytes);
    let seconds = ended.duration.as_secs_f64();
    let touched = if report.mode == Mode::Delta { " that were touched" } else { "" };
    lines.push(sentence(&format!(
        "Read {}, {}, {}{touched}; sent {}, {sent}; {seconds:.1} s.",
        counted(users, "person", "people"),
        counted(groups, "group", "groups"),
        counted(org_units, "org unit", "org units"),
        counted(ended.sent.records, "record", "records"),
    )));
    if let Some(because) = report.full_because.filter(|because| is_worth_saying(*because)) {
        lines.push(sentence(&format!("Everything was read, because {because}.")));
    }
    lines.join("\n") + "\n"
}

/// What a run has done or would do, as a list.
pub(crate) fn changes(report: &RunReport) -> String {
    let counts = &report.counts;
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
    parts.join(", ")
}

/// Whether somebody who is used to deltas would wonder why everything was read.
fn is_worth_saying(because: FullBecause) -> bool {
    !matches!(because, FullBecause::FirstRun | FullBecause::Asked | FullBecause::NoChangeFeed)
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

    use adc_core::protocol::Change;
    use adc_core::reason::Reason;
    use adc_core::record::Kind;
    use adc_core::settings::Settings;
    use serde_json::{Value, json};

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
        let summary = summary(&ended(&report), &report, None);
        assert!(summary.contains("12 to delete.\nAn import would be held for approval:\n"), "{summary}");
        assert!(!summary.contains("unchanged"), "{summary}");
        let document = serde_json::to_value(Document::of(&ended(&report))).expect("prints");
        assert_eq!(document["held_because"], json!([{ "reason": "guard-removals", "detail": "12 of 50" }]));
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
        let table = plan(&[change], &report(RunState::Previewed, Counts::default(), 0), false, None);
        assert!(!table.contains(['\u{1b}', '\r']), "{table:?}");
        assert!(!table.lines().any(|line| line.starts_with("Applied")), "{table}");
    }

    /// A preview of most of what may happen.
    fn preview(columns: Option<u16>) -> String {
        let mut update = change(Action::Update, Reason::Changed, "jane");
        update.before = Some(json!({"fields": {"title": "Engineer"}, "email": "jane@lg.local"}));
        update.after = Some(json!({"fields": {"title": "Manager"}, "email": null}));
        let mut moved = change(Action::Update, Reason::Moved, "na.li@lg.local");
        moved.before = Some(json!({"dn": "uid=na.li,ou=Asia Pacific,ou=Sales,ou=People,dc=lg,dc=local"}));
        moved.after = Some(json!({"dn": "uid=na.li,ou=Europe,ou=Sales,ou=People,dc=lg,dc=local"}));
        let mut group = change(Action::Update, Reason::Changed, "berlin");
        group.kind = Kind::Group;
        group.before = Some(json!({"members_added": null, "members_removed": null}));
        let member = |name: &str| format!("cn={name},ou=People,dc=lg,dc=local");
        let joined = ["Zoe Quinn", "Ann Lee", "Max Weber", "Li Na"].map(member);
        group.after = Some(json!({
            "members_added": joined,
            "members_removed": [member("Bob")],
        }));
        let mut conflict = change(Action::Conflict, Reason::DuplicateUsername, "sean");
        conflict.detail = Some("uid=sean,ou=People,dc=lg and uid=sinead,ou=People,dc=lg".to_owned());
        let changes = [change(Action::Delete, Reason::Gone, "li"), conflict, update, moved, group];
        let counts =
            Counts { create: 70, update: 3, delete: 1, conflict: 1, unchanged: 4, ..Counts::default() };
        let report = report(RunState::Previewed, counts, 1);
        format!("{}{}", plan(&changes, &report, false, columns), summary(&ended(&report), &report, columns))
    }

    #[test]
    fn a_preview_is_a_table_and_says_that_nothing_was_changed() {
        insta::assert_snapshot!(preview(None));
    }

    #[test]
    fn the_table_wrapped_into_a_mess_on_narrow_terminals() {
        for columns in [30, 50, 80, 120] {
            let preview = preview(Some(columns));
            let (table, _) = preview.split_once("\nPreview: ").expect("a summary");
            let wide = preview.lines().find(|line| line.chars().count() > usize::from(columns));
            assert_eq!(wide.filter(|line| !line.starts_with('…') && line.contains(' ')), None);
            insta::assert_snapshot!(format!("a_preview_on_{columns}_columns"), table);
        }
        assert_eq!(preview(Some(0)), preview(None));
    }

    #[test]
    fn a_held_plan_says_why_and_where_to_approve_it() {
        let mut report = report(RunState::Held, Counts { delete: 50, ..Counts::default() }, 0);
        report.held_because.push(adc_core::protocol::HeldBecause {
            reason: Reason::GuardRemovals,
            detail: "50 of 300 people".to_owned(),
        });
        insta::assert_snapshot!(summary(&ended(&report), &report, None));
    }

    #[test]
    fn a_conflict_names_both_objects_and_only_terminals_cut_differences() {
        let long = "x".repeat(200);
        let both = format!("uid=sean,ou={long},dc=lg and uid=sinead,ou={long},dc=lg");
        let mut conflict = change(Action::Conflict, Reason::DuplicateUsername, "sean");
        conflict.detail = Some(both.clone());
        let mut update = change(Action::Update, Reason::Changed, "jane");
        update.after = Some(json!({ "title": long }));
        let changes = [conflict, update];
        let report = report(RunState::Previewed, Counts { update: 1, conflict: 1, ..Counts::default() }, 1);
        let x = |shown: String| shown.matches('x').count();
        assert_eq!(
            x(plan(&changes[..1], &report, false, Some(80))),
            x(plan(&changes[..1], &report, false, None)),
            "what a conflict is about is broken, not cut"
        );
        let terminal = plan(&changes[1..], &report, false, Some(80));
        assert!(terminal.contains('…') && x(terminal) < long.len());
        let file = plan(&changes, &report, false, None);
        assert!(file.contains(&both) && file.contains(&format!("→ {long}")), "{file}");
    }

    #[test]
    fn a_user_who_is_taken_over_looked_like_any_update() {
        let mut adopted = change(Action::Update, Reason::Adopted, "jane");
        adopted.after = Some(json!({ "title": "Manager" }));
        let table = plan(&[adopted], &report(RunState::Previewed, Counts::default(), 0), false, None);
        assert!(table.contains("adopted: title: - → Manager"), "{table}");
        assert!(table.contains(Reason::Adopted.sentence()), "{table}");
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
        assert_eq!(plan(&[], &report, true, None), "");
        assert!(summary(&ended(&report), &report, None).starts_with("Applied. 359 unchanged."));
    }
}
