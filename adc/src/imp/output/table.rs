//! The plan as a table, and what its reasons mean.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};

use adc_core::plan::Action;
use adc_core::protocol::{Change, RunReport};
use adc_core::reason::Reason;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::difference::difference;
use crate::printable::printable;

/// Lines of a plan that are printed; more are found at the report's address.
pub const MAX_LINES: usize = 50;
/// A terminal of fewer columns has no room for four of them side by side: names, and what happens, stand one below the other.
const SIDE_BY_SIDE_FROM: u16 = 70;
/// On fewer than this nothing can be arranged; nor on a terminal that says 0.
const MIN_COLUMNS: u16 = 24;
/// The most that names get of a terminal's width (percent): longer ones, which are DNs, are broken.
const NAMES_AT_MOST: u16 = 40;
/// Characters of a difference on a terminal; longer ones end with an ellipsis. What a conflict is about is never cut.
const MAX_DIFFERENCE: usize = 160;

/// How wide the terminal on stdout is; `None` where there is none, or it does not say.
pub fn columns() -> Option<u16> {
    io::stdout().is_terminal().then(|| Table::new().width()).flatten()
}

/// The plan as a table: the first [`MAX_LINES`] changes, how many more there are, and what the reasons mean that occur.
///
/// `columns` is how wide the terminal is: no line is longer, and long differences are cut. In a file or a pipe (`None`) width
/// costs nothing: nothing is cut, and a change is a line.
pub fn plan(changes: &[Change], report: &RunReport, color: bool, columns: Option<u16>) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let columns = columns.filter(|columns| *columns >= MIN_COLUMNS);
    let changes = &changes[..changes.len().min(MAX_LINES)];
    let rows: Vec<(&Change, What)> =
        changes.iter().map(|change| (change, What::of(change, columns.is_some()))).collect();
    let mut table = empty_table(color, columns);
    if is_narrow(columns) {
        one_below_the_other(&mut table, &rows);
    } else {
        side_by_side(&mut table, &rows);
    }
    let counts = &report.counts;
    let total = usize::try_from(counts.effective() + counts.skip + counts.conflict).unwrap_or(usize::MAX);
    let more = match total.saturating_sub(changes.len()) {
        0 => String::new(),
        more => format!("… and {more} more: {}\n", report.report_url),
    };
    let reasons: BTreeSet<Reason> = rows.iter().filter_map(|(_, what)| what.reason).collect();
    format!("{}{more}\n{}", text_of(&table), explained(&reasons, color, columns))
}

fn is_narrow(columns: Option<u16>) -> bool {
    columns.is_some_and(|columns| columns < SIDE_BY_SIDE_FROM)
}

/// What a line of the plan says of a change.
struct What {
    /// The reason that is named in it, to be explained below.
    reason: Option<Reason>,
    text: String,
}

impl What {
    /// The reason, and for an update what differs.
    fn of(change: &Change, short: bool) -> Self {
        let code = change.reason.code();
        let named = |text: String| Self { reason: Some(change.reason), text };
        if let Some(detail) = &change.detail {
            return named(format!("{code}: {detail}"));
        }
        let difference = match change.action {
            Action::Update => difference(change.before.as_ref(), change.after.as_ref(), short),
            _ => String::new(),
        };
        let difference = if short { cut(difference) } else { difference };
        match change.reason {
            _ if difference.is_empty() => named(code.to_owned()),
            // What differs says it all.
            Reason::Changed | Reason::Moved => Self { reason: None, text: difference },
            _ => named(format!("{code}: {difference}")),
        }
    }
}

fn cut(text: String) -> String {
    if text.chars().count() <= MAX_DIFFERENCE {
        return text;
    }
    text.chars().take(MAX_DIFFERENCE - 1).chain(['…']).collect()
}

fn empty_table(color: bool, columns: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if let Some(columns) = columns {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

fn side_by_side(table: &mut Table, rows: &[(&Change, What)]) {
    table.set_header(["ACTION", "KIND", "NAME", "WHAT"].map(title));
    for (change, what) in rows {
        table.add_row([
            action_of(change),
            Cell::new(kind_of(change)),
            Cell::new(name_of(change)),
            Cell::new(printable(&what.text)),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        match index {
            0 | 1 => column.set_constraint(ColumnConstraint::ContentWidth),
            2 => column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(NAMES_AT_MOST))),
            _ => column,
        };
    }
}

fn one_below_the_other(table: &mut Table, rows: &[(&Change, What)]) {
    table.set_header(["ACTION", "WHO AND WHAT"].map(title));
    for (change, what) in rows {
        let who_and_what = format!("{} {}\n{}", kind_of(change), name_of(change), printable(&what.text));
        table.add_row([action_of(change), Cell::new(who_and_what)]);
    }
    if let Some(actions) = table.column_mut(0) {
        actions.set_constraint(ColumnConstraint::ContentWidth);
    }
}

fn title(title: &str) -> Cell {
    Cell::new(title).add_attribute(Attribute::Bold)
}

fn action_of(change: &Change) -> Cell {
    Cell::new(change.action.as_str()).fg(color_of(change.action))
}

fn kind_of(change: &Change) -> String {
    change.kind.as_str().replace('_', " ")
}

fn name_of(change: &Change) -> String {
    let name = if change.username.is_empty() { &change.dn } else { &change.username };
    printable(name).into_owned()
}

/// Each reason with its sentence.
fn explained(reasons: &BTreeSet<Reason>, color: bool, columns: Option<u16>) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    let mut table = empty_table(color, columns);
    if is_narrow(columns) {
        for reason in reasons {
            table.add_row([format!("{}: {}", reason.code(), reason.sentence())]);
        }
    } else {
        table.set_header(["REASON", "MEANS"].map(title));
        for reason in reasons {
            table.add_row([reason.code(), reason.sentence()]);
        }
        if let Some(codes) = table.column_mut(0) {
            codes.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    format!("{}\n", text_of(&table))
}

/// Columns are padded to their width; nobody needs the blanks at the end of a line.
fn text_of(table: &Table) -> String {
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
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
