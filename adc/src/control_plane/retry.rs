//! When a request is sent again: after a lost answer, after "not now", never after "no".

use std::time::Duration;

/// The first pause is somewhere below this.
const FIRST: Duration = Duration::from_millis(200);
/// No pause is longer, so that a control plane that is back is noticed within the run's lease.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to pause before the try after `failures` failed ones: full jitter over an interval that doubles, but no
/// shorter than the control plane asked for. `jitter` is from 0 up to 1.
pub(super) fn pause(failures: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    let interval = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    interval.mul_f64(jitter).max(asked.unwrap_or_default())
}

/// Whether an HTTP status means "not now": too many requests, or nobody behind a proxy answers.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_fully() {
        let longest_of = |failures| pause(failures, None, 1.0);
        assert_eq!([1, 2, 3].map(longest_of), [200, 400, 800].map(Duration::from_millis));
        assert_eq!(longest_of(60), LONGEST);
        assert_eq!(pause(3, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn what_the_control_plane_asks_for_is_kept() {
        assert_eq!(pause(1, Some(Duration::from_secs(7)), 0.5), Duration::from_secs(7));
    }

    #[test]
    fn a_refusal_is_not_asked_again() {
        assert!([429, 502, 503, 504].into_iter().all(is_passing));
        assert!(![400, 401, 403, 404, 409, 413, 500].into_iter().any(is_passing));
    }
}
