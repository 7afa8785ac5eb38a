//! How long to wait before the next try to connect.

use std::time::Duration;

/// The first pause is somewhere below this.
const FIRST: Duration = Duration::from_millis(500);
/// However long the control plane is away, its return is noticed within this.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that is kept because somebody asked for it: whoever answers for the control plane may be mistaken.
const LONGEST_ASKED: Duration = Duration::from_mins(10);

/// How long to pause after `failures` tries that failed in a row: full jitter over an interval that doubles, but no shorter
/// than was asked for. `jitter` is from 0 up to 1.
pub fn pause(failures: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    let interval = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let spread = interval.mul_f64(jitter);
    match asked {
        None => spread,
        // All who were told the same shall not come in the same moment.
        Some(asked) => asked.min(LONGEST_ASKED) + spread.min(FIRST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_fully() {
        let longest_of = |failures| pause(failures, None, 1.0);
        assert_eq!([1, 2, 3].map(longest_of), [500, 1_000, 2_000].map(Duration::from_millis));
        assert_eq!(longest_of(1_000), LONGEST);
        assert_eq!(pause(5, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn what_is_asked_for_is_kept_within_reason() {
        let asked = Duration::from_mins(2);
        assert_eq!(pause(1, Some(asked), 0.0), asked);
        assert_eq!(pause(9, Some(asked), 1.0), asked + FIRST);
        assert_eq!(pause(1, Some(Duration::from_secs(1 << 40)), 0.0), LONGEST_ASKED);
    }
}
