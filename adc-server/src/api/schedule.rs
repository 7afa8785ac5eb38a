//! The schedule of a synchronization, as the API shows it: what was set, and what follows from it.

use crate::{
    clock::{Millis, rfc3339},
    store::Synchronization,
};
use adc_core::schedule::{Repeat, TimeOfDay};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// How many of the next times are shown.
const NEXT: usize = 5;

/// When a synchronization runs by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleView {
    /// Whether it is in force.
    enabled: bool,
    /// On which days.
    repeat: Repeat,
    /// The first day on which it may run, in the time zone.
    #[schema(format = Date)]
    start: String,
    /// The time of day, in the time zone.
    at: TimeOfDay,
    /// A name of the IANA time zone database.
    time_zone: String,
    /// All of that as a sentence.
    sentence: String,
    /// The next five times; none while it is not enabled.
    next: Vec<String>,
    /// The last time that was due, and what it became.
    last: Option<LastView>,
    /// Why nothing was started although it is due.
    waiting: Option<WaitingView>,
}

/// A time that was due.
#[derive(Debug, Serialize, ToSchema)]
struct LastView {
    /// When it was due. Of several that were missed it is the last: together they became one run.
    due: String,
    /// The run it became.
    run_id: String,
}

/// What stands between a time that is due and its run.
#[derive(Debug, Serialize, ToSchema)]
struct WaitingView {
    /// Since when it is due.
    due: String,
    /// `plan-held`, `run-active` or `no-agent`.
    code: &'static str,
    /// What it waits for.
    detail: String,
    /// The run in the way; of `no-agent` the run that waits.
    run_id: String,
}

impl ScheduleView {
    /// The schedule of a synchronization, if it has one. `connected` says whether any of its agents is.
    pub(super) fn of(synchronization: &Synchronization, now: Millis, connected: bool) -> Option<Self> {
        let schedule = synchronization.schedule.clone()?;
        let at = Timestamp::from_millisecond(now).ok();
        // A schedule whose time zone this version does not know has no times; the log says so.
        let timetable = schedule.timetable().ok().filter(|_| schedule.enabled);
        let times = timetable.zip(at);
        let latest = times.as_ref().and_then(|(timetable, now)| timetable.latest_until(*now));
        let shown = |time: Timestamp| rfc3339(time.as_millisecond());
        Some(Self {
            sentence: schedule.to_string(),
            next: times
                .iter()
                .flat_map(|(timetable, now)| timetable.next_after(*now).take(NEXT).map(shown))
                .collect(),
            last: synchronization
                .last_due
                .as_ref()
                .map(|last| LastView { due: rfc3339(last.due), run_id: last.run_id.clone() }),
            waiting: WaitingView::of(synchronization, latest.map(Timestamp::as_millisecond), connected),
            enabled: schedule.enabled,
            repeat: schedule.repeat,
            start: schedule.start.to_string(),
            at: schedule.at,
            time_zone: schedule.time_zone,
        })
    }
}

impl WaitingView {
    /// `latest` is the last time that was due by the schedule as it is now, dealt with or not.
    fn of(synchronization: &Synchronization, latest: Option<Millis>, connected: bool) -> Option<Self> {
        let last = synchronization.last_due.as_ref();
        let queued = synchronization.queued_run.as_ref();
        let waits_in_queue = last.filter(|last| queued == Some(&last.run_id));
        let unhandled = latest.filter(|latest| {
            synchronization.schedule_handled_until.is_none_or(|until| *latest > until)
                && last.is_none_or(|last| last.due != *latest)
        });
        let due = waits_in_queue.map(|last| last.due).or(unhandled)?;
        let (code, run_id, detail) = if let Some(held) = &synchronization.held_run {
            let detail = format!(
                "The plan of run {held} is held; nothing starts by itself until it is approved, rejected, or superseded by a run that \
                 a person starts. Then one run follows."
            );
            ("plan-held", held, detail)
        } else if let Some(active) = &synchronization.active_run {
            ("run-active", active, format!("The run {active} is under way; one follows when it has ended."))
        } else if let Some(preview) = queued.filter(|_| unhandled.is_some() && waits_in_queue.is_none()) {
            let detail = format!(
                "The preview {preview} waits for an agent; a run follows when it has ended or is cancelled."
            );
            ("run-active", preview, detail)
        } else if let Some(last) = waits_in_queue.filter(|_| !connected) {
            let detail = "No agent of this synchronization is connected; start one with adc run. The run is done as soon as it is.";
            ("no-agent", &last.run_id, detail.to_owned())
        } else {
            return None;
        };
        Some(Self { due: rfc3339(due), code, detail, run_id: run_id.clone() })
    }
}
