//! Binds of the bind account that the directory owes an answer to, and when another one is sent all the same.
//!
//! A directory that refuses late has counted a wrong password before anybody hears of it, so the more is owed the less is sent. One that
//! is silent for a moment may have lost what it was sent, so the first of these pauses are as short as people wait.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// However much a server owes, another bind is sent to it after this: one that is back is found within half a minute where it answers
/// nothing of what came before.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the servers of one configuration owe. They are numbered as they stand there.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// Those that were bound at.
    servers: BTreeMap<usize, Server>,
}

/// What is known of one of them.
#[derive(Debug)]
struct Server {
    /// Answers that are waited for.
    owes: u32,
    /// Binds in a row that were not answered.
    in_a_row: u32,
    last_sent: Instant,
}

impl Owed {
    /// A bind was sent to this server.
    pub(super) fn sent(&mut self, server: usize, now: Instant) {
        let known = self.servers.entry(server).or_insert(Server { owes: 0, in_a_row: 0, last_sent: now });
        known.owes += 1;
        known.in_a_row += 1;
        known.last_sent = now;
    }

    /// The server has answered, or hung up: it is there.
    pub(super) fn answered(&mut self, server: usize) {
        if let Some(known) = self.servers.get_mut(&server) {
            known.in_a_row = 0;
        }
        self.given_up(server);
    }

    /// An answer is not waited for any more.
    pub(super) fn given_up(&mut self, server: usize) {
        if let Some(known) = self.servers.get_mut(&server) {
            known.owes = known.owes.saturating_sub(1);
        }
    }

    /// Which server is bound at next, and when, where it is none of those that were `tried` already: at once the first that owes nothing,
    /// else the first to be due after a pause that doubles from bind to bind at the same server. `share` is how long somebody who signs in
    /// waits for one of them.
    pub(super) fn next(
        &self,
        servers: usize,
        tried: impl Fn(usize) -> bool,
        share: Duration,
        now: Instant,
    ) -> Option<(usize, Instant)> {
        let left = (0..servers).filter(|server| !tried(*server));
        let standing = left.map(|server| (server, self.servers.get(&server).filter(|known| known.owes > 0)));
        let due = standing.map(|(server, debtor)| match debtor {
            None => ((now, None), server),
            // Of several one that has answered since, then whichever was bound at longest ago.
            Some(known) => ((known.due(share).max(now), Some((known.in_a_row > 0, known.last_sent))), server),
        });
        due.min().map(|((at, _), server)| (server, at))
    }
}

impl Server {
    /// When it may be bound at though it owes an answer. The first two pauses are as long as whoever sent the binds waited: a silence of a
    /// few seconds is felt for no longer than it lasts.
    fn due(&self, share: Duration) -> Instant {
        let pause = match self.in_a_row {
            0 => Duration::ZERO,
            in_a_row => share.saturating_mul(1 << in_a_row.saturating_sub(2).min(16)).min(LONGEST_PAUSE),
        };
        self.last_sent + pause
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

    #[test]
    fn a_server_that_was_back_waited_for_the_one_before_it() {
        let (mut owed, began) = (Owed::default(), Instant::now());
        let mut now = began;
        let mut sent = [Vec::new(), Vec::new()];
        while now < began + Duration::from_secs(50) {
            let (server, at) = owed.next(2, NOBODY, SHARE, now).expect("there are two");
            // Whoever signs in waits that long before another bind is sent.
            now = at.max(now);
            owed.sent(server, now);
            sent[server].push((now - began).as_secs_f64());
            now += SHARE;
        }
        assert_eq!(sent[0], [0.0, 5.0, 10.0, 15.0, 25.0, 45.0]);
        assert_eq!(sent[1], [2.5, 7.5, 12.5, 17.5, 27.5, 47.5]);
        // The second one has answered at last; it still owes what it has lost.
        owed.answered(1);
        assert_eq!(owed.next(2, NOBODY, SHARE, now), Some((1, now)));
        let later = now + LONGEST_PAUSE;
        assert_eq!(owed.next(2, NOBODY, SHARE, later), Some((1, later)), "nobody waits for the first one");
    }
}
