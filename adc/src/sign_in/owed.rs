//! Binds of the bind account that the directory owes an answer to, and when another one is sent all the same.
//!
//! A directory that refuses late has counted a wrong password before anybody hears of it, so the more is owed the less is sent. One that
//! is silent for a moment may have lost what it was sent, so the first of these pauses are as short as people wait.

use std::time::Duration;

use tokio::time::Instant;

/// However much is owed, another bind is sent after this: a directory that is back is found within half a minute where it answers nothing
/// of what came before.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the servers of one configuration owe. They are numbered as they stand there.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// A server is in it as often as it owes an answer.
    servers: Vec<usize>,
    /// Binds in a row that were not answered, by whichever server.
    in_a_row: u32,
    /// The last of them was sent then.
    last_sent: Option<Instant>,
}

impl Owed {
    /// A bind was sent to this server.
    pub(super) fn sent(&mut self, server: usize, now: Instant) {
        self.servers.push(server);
        self.in_a_row += 1;
        self.last_sent = Some(now);
    }

    /// The server has answered, or hung up: it is there.
    pub(super) fn answered(&mut self, server: usize) {
        self.forget(server);
        self.in_a_row = 0;
    }

    /// An answer is not waited for any more.
    pub(super) fn given_up(&mut self, server: usize) {
        self.forget(server);
    }

    /// Which server is bound at next, and when, where it is none of those that were `tried` already: at once the first that owes nothing,
    /// else the first of all, after a pause that doubles. `share` is how long somebody who signs in waits for one of them.
    pub(super) fn next(
        &self,
        servers: usize,
        tried: impl Fn(usize) -> bool,
        share: Duration,
        now: Instant,
    ) -> Option<(usize, Instant)> {
        let mut left = (0..servers).filter(|server| !tried(*server));
        let first = left.next()?;
        match [first].into_iter().chain(left).find(|server| !self.servers.contains(server)) {
            Some(owes_nothing) => Some((owes_nothing, now)),
            None => Some((first, self.last_sent.map_or(now, |last| now.max(last + self.pause(share))))),
        }
    }

    /// The first two are as long as whoever sent them waited: a silence of a few seconds is felt for no longer than it lasts.
    fn pause(&self, share: Duration) -> Duration {
        match self.in_a_row {
            0 => Duration::ZERO,
            in_a_row => share.saturating_mul(1 << in_a_row.saturating_sub(2).min(16)).min(LONGEST_PAUSE),
        }
    }

    fn forget(&mut self, server: usize) {
        if let Some(index) = self.servers.iter().position(|owes| *owes == server) {
            self.servers.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Duration = Duration::from_millis(2_500);
    const NOBODY: fn(usize) -> bool = |_| false;

    /// When binds are sent while the only server answers none of them.
    fn sent_within(limit: Duration) -> Vec<f64> {
        let (mut owed, began) = (Owed::default(), Instant::now());
        let mut now = began;
        let mut sent = Vec::new();
        while now < began + limit {
            owed.sent(0, now);
            sent.push((now - began).as_secs_f64());
            now = owed.next(1, NOBODY, SHARE, now).expect("there is one").1;
        }
        sent
    }

    #[test]
    fn a_directory_that_was_silent_was_sent_a_bind_by_whoever_signed_in() {
        assert_eq!(sent_within(Duration::from_secs(100)), [0.0, 2.5, 5.0, 10.0, 20.0, 40.0, 70.0]);
        // However much it owes.
        let (mut owed, now) = (Owed::default(), Instant::now());
        for _ in 0..40 {
            owed.sent(0, now);
        }
        assert_eq!(owed.next(1, NOBODY, SHARE, now), Some((0, now + LONGEST_PAUSE)));
    }

    #[test]
    fn a_server_that_is_there_is_bound_at_at_once() {
        let (mut owed, now) = (Owed::default(), Instant::now());
        assert_eq!(owed.next(1, NOBODY, SHARE, now), Some((0, now)));
        for _ in 0..5 {
            owed.sent(0, now);
        }
        // The others are on their way, or lost.
        owed.answered(0);
        assert_eq!(owed.next(1, NOBODY, SHARE, now), Some((0, now)));
        owed.sent(0, now);
        assert_eq!(owed.next(1, NOBODY, SHARE, now), Some((0, now + SHARE)));
    }

    #[test]
    fn a_server_that_owes_an_answer_was_waited_for_though_another_one_was_there() {
        let (mut owed, now) = (Owed::default(), Instant::now());
        owed.sent(0, now);
        assert_eq!(owed.next(2, NOBODY, SHARE, now), Some((1, now)));
        // That one cannot be reached: the first may be back.
        assert_eq!(owed.next(2, |server| server == 1, SHARE, now), Some((0, now + SHARE)));
        assert_eq!(owed.next(2, |_| true, SHARE, now), None);
        owed.sent(1, now);
        assert_eq!(owed.next(2, NOBODY, SHARE, now), Some((0, now + SHARE)), "both owe one");
        let later = now + LONGEST_PAUSE;
        assert_eq!(owed.next(2, NOBODY, SHARE, later), Some((0, later)));
        owed.given_up(0);
        assert_eq!(owed.next(2, NOBODY, SHARE, now), Some((0, now)), "it is the first again");
    }
}
