//! Shows a run while it is under way: a line that changes on a terminal, lines in a log elsewhere.

use std::sync::Arc;
use std::time::Duration;

use adc_core::record::Kind;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::progress::{Phase, Progress};

/// Faster than this nobody reads.
const REDRAW_EVERY: Duration = Duration::from_millis(150);
/// In a log, a line now and then says that it goes on.
const LOG_EVERY: Duration = Duration::from_secs(5);
/// On a narrower terminal the line would be cut before its numbers.
const MIN_COLUMNS: u16 = 40;
/// What was read in less than this says little about how fast it goes on.
const MIN_MEASURED: Duration = Duration::from_secs(1);

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// By a line that changes.
    Bar,
    /// By lines in the log.
    Lines,
}

impl Style {
    /// What suits a place: a bar needs a terminal that moves its cursor and is wide enough. One that does not say how
    /// wide it is, or says 0 (serial lines, some containers), gets lines.
    pub fn of(terminal: bool, columns: Option<u16>, term: Option<&str>) -> Self {
        let moves_its_cursor = term.is_some_and(|term| term != "dumb");
        if terminal && moves_its_cursor && columns.is_some_and(|columns| columns >= MIN_COLUMNS) {
            Self::Bar
        } else {
            Self::Lines
        }
    }
}

/// Shows a run until it ends; `bar` is where it is drawn, and lines go to the log without it.
pub async fn show(progress: Arc<Progress>, bar: Option<ProgressBar>) {
    match bar {
        Some(bar) => draw(&progress, &bar).await,
        None => log(&progress, LOG_EVERY, |line| tracing::info!("{line}")).await,
    }
}

async fn draw(progress: &Progress, bar: &ProgressBar) {
    bar.set_style(template());
    let mut view = View::of(progress);
    let mut tick = interval(REDRAW_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(line) = view.line(Instant::now()) else {
            bar.finish_and_clear();
            return;
        };
        bar.set_message(line);
        bar.tick();
    }
}

/// The line is cut where a terminal that became narrower ends: two lines of a bar cannot be drawn over again.
fn template() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").expect("a template that is fixed")
}

async fn log(progress: &Progress, every: Duration, mut say: impl FnMut(String)) {
    let mut phase = progress.phase();
    let mut view = View::of(progress);
    let mut tick = interval(every);
    tick.reset();
    let mut told = None;
    loop {
        phase.mark_unchanged();
        // The end is looked for in what is there, not in a change: it may come before the first look, or between two.
        let Some(line) = view.line(Instant::now()) else { return };
        if told != Some(view.phase) {
            told = Some(view.phase);
            say(line);
        }
        tokio::select! {
            changed = phase.changed() => {
                if changed.is_err() {
                    return;
                }
                tick.reset();
            }
            _ = tick.tick() => told = None,
        }
    }
}

/// A run as it is seen from outside: what it does, and since when.
struct View<'a> {
    progress: &'a Progress,
    phase: Phase,
    since: Instant,
}

impl<'a> View<'a> {
    fn of(progress: &'a Progress) -> Self {
        Self { progress, phase: progress.now(), since: Instant::now() }
    }

    /// What the run is doing; `None` when it has ended.
    fn line(&mut self, now: Instant) -> Option<String> {
        let phase = self.progress.now();
        if phase != self.phase {
            (self.phase, self.since) = (phase, now);
        }
        let since = now.saturating_duration_since(self.since);
        let read = |kind| HumanCount(self.progress.read(kind));
        let counted = |kind, one, more| {
            let noun = if self.progress.read(kind) == 1 { one } else { more };
            format!("{} {noun} read", read(kind))
        };
        let people =
            format!("{}, {} sent", counted(Kind::User, "person", "people"), HumanCount(self.progress.sent()));
        Some(match phase {
            Phase::Connecting => "connecting".to_owned(),
            Phase::Waiting { until } => format!(
                "waiting for another run to end: for {} s, and {} s more at most",
                since.as_secs(),
                until.saturating_duration_since(now).as_secs()
            ),
            Phase::Reading(kind) if self.progress.read(kind) == 0 => match kind {
                Kind::OrgUnit => "reading org units".to_owned(),
                Kind::User => "reading people".to_owned(),
                Kind::Group => format!("{people}; reading groups"),
            },
            Phase::Reading(Kind::OrgUnit) => counted(Kind::OrgUnit, "org unit", "org units"),
            Phase::Reading(Kind::User) => {
                format!("{people}{}", pace(self.progress.read(Kind::User), since))
            }
            Phase::Reading(Kind::Group) => format!("{people}; {}", counted(Kind::Group, "group", "groups")),
            Phase::Planning => {
                format!("{people}; the control plane is planning, for {} s", since.as_secs())
            }
            Phase::LookingUp => {
                format!("{people}; looking up who was not seen, for {} s", since.as_secs())
            }
            Phase::Ended => return None,
        })
    }
}

/// `, 8,400/s`; with one decimal where it is slow.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for people"
)]
fn pace(count: u64, took: Duration) -> String {
    let per_second = count as f64 / took.as_secs_f64();
    match per_second {
        _ if took < MIN_MEASURED => String::new(),
        slow if slow < 10.0 => format!(", {slow:.1}/s"),
        fast => format!(", {}/s", HumanCount(fast as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(progress: &Progress, seconds: u64) -> String {
        let mut view = View::of(progress);
        let later = view.since + Duration::from_secs(seconds);
        view.line(later).unwrap_or_default()
    }

    #[test]
    fn the_line_says_people_read_sent_and_per_second() {
        let progress = Progress::default();
        progress.enter(Phase::Reading(Kind::User));
        assert_eq!(lines(&progress, 0), "reading people");
        progress.add_read(Kind::User, 1);
        assert_eq!(lines(&progress, 0), "1 person read, 0 sent");
        progress.add_read(Kind::User, 29_999);
        progress.add_sent(12_000);
        assert_eq!(lines(&progress, 4), "30,000 people read, 12,000 sent, 7,500/s");
        assert_eq!(lines(&progress, 12_000), "30,000 people read, 12,000 sent, 2.5/s");
        progress.enter(Phase::Reading(Kind::Group));
        progress.add_read(Kind::Group, 1_210);
        assert_eq!(lines(&progress, 4), "30,000 people read, 12,000 sent; 1,210 groups read");
    }

    #[test]
    fn waiting_did_not_say_for_how_long() {
        let progress = Progress::default();
        progress.enter(Phase::Waiting { until: Instant::now() + Duration::from_millis(120_900) });
        assert_eq!(lines(&progress, 15), "waiting for another run to end: for 15 s, and 105 s more at most");
        assert_eq!(lines(&progress, 180), "waiting for another run to end: for 180 s, and 0 s more at most");
    }

    #[test]
    fn the_pace_is_that_of_reading_people_alone() {
        let progress = Progress::default();
        let mut view = View::of(&progress);
        let start = view.since;
        let at = |seconds| start + Duration::from_secs(seconds);
        progress.enter(Phase::Waiting { until: at(60) });
        view.line(at(1));
        progress.enter(Phase::Reading(Kind::User));
        view.line(at(61));
        progress.add_read(Kind::User, 500);
        assert_eq!(view.line(at(63)).as_deref(), Some("500 people read, 0 sent, 250/s"));
    }

    #[test]
    fn a_narrow_terminal_or_one_of_no_width_was_garbled() {
        let xterm = Some("xterm");
        assert_eq!(Style::of(true, Some(MIN_COLUMNS), xterm), Style::Bar);
        for columns in [None, Some(0), Some(MIN_COLUMNS - 1)] {
            assert_eq!(Style::of(true, columns, xterm), Style::Lines, "{columns:?}");
        }
        assert_eq!(Style::of(true, Some(80), Some("dumb")), Style::Lines);
        assert_eq!(Style::of(true, Some(80), None), Style::Lines);
        assert_eq!(Style::of(false, Some(80), xterm), Style::Lines);
    }

    #[tokio::test]
    async fn a_log_was_silent_while_a_page_was_on_its_way() {
        let progress = Arc::new(Progress::default());
        progress.enter(Phase::Reading(Kind::User));
        let mut said = Vec::new();
        let count = progress.clone();
        log(&progress, Duration::from_millis(1), |line| {
            said.push(line);
            count.add_read(Kind::User, 7);
            if said.len() == 3 {
                count.enter(Phase::Ended);
            }
        })
        .await;
        assert_eq!(said, ["reading people", "7 people read, 0 sent", "14 people read, 0 sent"]);
    }

    #[tokio::test]
    async fn a_run_that_ended_before_the_first_look_was_shown_for_ever() {
        let progress = Arc::new(Progress::default());
        progress.enter(Phase::Ended);
        for bar in [None, Some(ProgressBar::hidden())] {
            show(progress.clone(), bar).await;
        }
    }

    #[tokio::test]
    async fn a_run_that_ended_between_two_looks_was_shown_for_ever() {
        let progress = Arc::new(Progress::default());
        let mut shown = std::pin::pin!(show(progress.clone(), None));
        // One look, which waits for a change; then the change and the end come at once.
        assert!(polled_once(shown.as_mut()).await.is_pending());
        progress.enter(Phase::Planning);
        progress.enter(Phase::Ended);
        shown.await;
    }

    /// Polls a future once.
    async fn polled_once<F: Future + Unpin>(future: F) -> std::task::Poll<F::Output> {
        let mut future = future;
        std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(context)))
            .await
    }
}
