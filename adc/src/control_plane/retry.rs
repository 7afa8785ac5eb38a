//! When a request is sent again: after a lost answer, after "not now", never after "no".

use std::time::Duration;

/// The first pause is somewhere below this.
const FIRST: Duration = Duration::from_millis(200);
/// No pause is longer, so that a control plane that is back is noticed within the run's lease.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to pause before the try after `failures` failed ones: full jitter over an interval that doubles, but no
/// shorter than was asked for. `jitter` is from 0 up to 1. None where no patience is `left` for it.
///
/// Who asks for more than that is kept waiting for all of it, and asked a last time: whoever answers for the control plane may be
/// mistaken, and the work of hours may hang on it.
pub(super) fn pause(failures: u32, asked: Option<Duration>, jitter: f64, left: Duration) -> Option<Duration> {
    let interval = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let pause = interval.mul_f64(jitter).max(asked.unwrap_or_default().min(left));
    (!left.is_zero() && pause <= left).then_some(pause)
}

/// Whether an HTTP status means "not now": too many requests, or nobody behind a proxy answers.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The patience of a request in the middle of a run.
    const LEFT: Duration = Duration::from_mins(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_fully() {
        let longest_of = |failures| pause(failures, None, 1.0, LEFT);
        assert_eq!(
            [1, 2, 3].map(longest_of),
            [200, 400, 800].map(|pause| Some(Duration::from_millis(pause)))
        );
        assert_eq!(longest_of(60), Some(LONGEST));
        assert_eq!(pause(3, None, 0.0, LEFT), Some(Duration::ZERO));
        assert_eq!(pause(60, None, 1.0, LONGEST / 2), None);
    }

    #[test]
    fn what_the_control_plane_asks_for_is_kept() {
        let asked = Some(Duration::from_secs(7));
        assert_eq!(pause(1, asked, 0.5, LEFT), asked);
    }

    #[test]
    fn whoever_asked_for_a_day_ended_the_run_at_once() {
        for asked in [Duration::from_hours(24), Duration::MAX] {
            assert_eq!(pause(1, Some(asked), 0.5, LEFT), Some(LEFT), "it is asked once more");
            assert_eq!(pause(2, Some(asked), 0.5, Duration::ZERO), None);
        }
    }

    #[test]
    fn a_refusal_is_not_asked_again() {
        assert!([429, 502, 503, 504].into_iter().all(is_passing));
        assert!(![400, 401, 403, 404, 409, 413, 500].into_iter().any(is_passing));
    }
}
