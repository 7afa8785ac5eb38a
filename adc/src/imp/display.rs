//! Shows a run while it is under way: a line that changes on a terminal, lines in a log elsewhere.

use std::sync::Arc;
use std::time::Duration;

use adc_core::record::Kind;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::progress::{Phase, Progress};

/// Faster than this nobody reads.
const REDRAW_EVERY: Duration = Duration::from_millis(150);
/// In a log, a line now and then says that it goes on.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Shows a run until it ends.
pub async fn show(progress: Arc<Progress>, terminal: bool) {
    if terminal { draw(&progress).await } else { log(&progress).await }
}

async fn draw(progress: &Progress) {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("a template that is fixed"));
    let phase = progress.phase();
    let started = Instant::now();
    let mut tick = interval(REDRAW_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = *phase.borrow();
        if now == Phase::Ended {
            bar.finish_and_clear();
            return;
        }
        bar.set_message(line(now, progress, started.elapsed()));
        bar.tick();
    }
}

async fn log(progress: &Progress) {
    let mut phase = progress.phase();
    let started = Instant::now();
    let mut tick = interval(LOG_EVERY);
    tick.reset();
    // The end is looked for in what is there, not in a change: it may come before the first look, or between two.
    while *phase.borrow() != Phase::Ended {
        tokio::select! {
            changed = phase.changed() => {
                if changed.is_err() {
                    return;
                }
                tick.reset();
            }
            _ = tick.tick() => {}
        }
        let now = *phase.borrow_and_update();
        if now != Phase::Ended {
            tracing::info!("{}", line(now, progress, started.elapsed()));
        }
    }
}

fn line(phase: Phase, progress: &Progress, elapsed: Duration) -> String {
    let people = progress.read(Kind::User);
    match phase {
        Phase::Connecting => "connecting".to_owned(),
        Phase::Waiting => "waiting for another run to end".to_owned(),
        Phase::Reading(kind) if progress.read(kind) == 0 => match kind {
            Kind::OrgUnit => "reading org units".to_owned(),
            Kind::User => "reading people".to_owned(),
            Kind::Group => format!("{people} people read, {} sent; reading groups", progress.sent()),
        },
        Phase::Reading(Kind::OrgUnit) => format!("reading org units: {} read", progress.read(Kind::OrgUnit)),
        Phase::Reading(Kind::User) => {
            format!(
                "reading people: {people} read, {} sent, {} per second",
                progress.sent(),
                per_second(people, elapsed)
            )
        }
        Phase::Reading(Kind::Group) => {
            format!(
                "reading groups: {} read; {people} people read, {} sent",
                progress.read(Kind::Group),
                progress.sent()
            )
        }
        Phase::Planning => {
            format!("{people} people read, {} sent; the control plane is planning", progress.sent())
        }
        Phase::LookingUp => "looking up who was not seen".to_owned(),
        Phase::Ended => String::new(),
    }
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000) / millis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_people_read_sent_and_per_second() {
        let progress = Progress::default();
        progress.add_read(Kind::User, 3_000);
        progress.add_sent(20);
        let line = line(Phase::Reading(Kind::User), &progress, Duration::from_millis(1_500));
        assert_eq!(line, "reading people: 3000 read, 20 sent, 2000 per second");
    }

    #[tokio::test]
    async fn a_run_that_ended_before_the_first_look_was_shown_for_ever() {
        let progress = Arc::new(Progress::default());
        progress.enter(Phase::Ended);
        for terminal in [false, true] {
            show(progress.clone(), terminal).await;
        }
    }

    #[tokio::test]
    async fn a_run_that_ended_between_two_looks_was_shown_for_ever() {
        let progress = Arc::new(Progress::default());
        let mut shown = std::pin::pin!(show(progress.clone(), false));
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
