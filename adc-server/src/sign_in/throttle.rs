//! How often somebody may fail: fewer times than a directory locks a person out for.

use crate::clock::Millis;
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

/// Failures of a person within [`WINDOW`]: directories lock people out from about ten on.
pub const PER_PERSON: usize = 5;
/// Failures from an address within [`WINDOW`]: an office behind one address has more clumsy mornings than that rarely.
pub const PER_ADDRESS: usize = 50;
/// After this time a failure is forgotten (milliseconds).
pub const WINDOW: Millis = 5 * 60 * 1_000;
/// Subjects that are remembered, some 15 MB of them. To push a failure out, somebody must fail from thousands of addresses.
const SUBJECTS: usize = 100_000;

/// Who or what fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A name, normalized, whether it is anybody's or not.
    Name(&'a str),
    /// A person in a directory, whatever the spelling and the account.
    Person(&'a str),
    /// Where somebody signs in from; of IPv6 the network of one customer, for it has addresses without end.
    Address(IpAddr),
}

/// Remembers who failed when.
#[derive(Debug, Default)]
pub struct Throttle {
    failures: BTreeMap<Key, VecDeque<Millis>>,
}

/// What is kept of a subject: names may be as long as they like.
type Key = [u8; 16];

impl Throttle {
    /// Counts a try as a failure, for now: many tries at a time are no way around.
    ///
    /// # Errors
    /// There were too many; after how long (milliseconds) there may be another.
    pub fn begin(&mut self, subject: Subject<'_>, now: Millis) -> Result<(), Millis> {
        let most = match subject {
            Subject::Name(_) | Subject::Person(_) => PER_PERSON,
            Subject::Address(_) => PER_ADDRESS,
        };
        let key = key(subject);
        if self.failures.len() >= SUBJECTS && !self.failures.contains_key(&key) {
            self.make_room(now);
        }
        let failures = self.failures.entry(key).or_default();
        forget_old(failures, now);
        match failures.front() {
            Some(oldest) if failures.len() >= most => Err((oldest + WINDOW - now).max(1)),
            _ => {
                failures.push_back(now);
                Ok(())
            }
        }
    }

    /// The try was none: nobody said that the password was wrong.
    pub fn forgive(&mut self, subject: Subject<'_>) {
        let key = key(subject);
        if let Some(failures) = self.failures.get_mut(&key) {
            failures.pop_back();
            if failures.is_empty() {
                self.failures.remove(&key);
            }
        }
    }

    /// Somebody succeeded: what failed before is forgotten.
    pub fn reset(&mut self, subject: Subject<'_>) {
        self.failures.remove(&key(subject));
    }

    /// Forgets what is old; where all of it is young, the subject that failed last the longest ago.
    fn make_room(&mut self, now: Millis) {
        self.failures.retain(|_, failures| {
            forget_old(failures, now);
            !failures.is_empty()
        });
        if self.failures.len() >= SUBJECTS {
            let last = |(key, failures): (&Key, &VecDeque<Millis>)| (failures.back().copied(), *key);
            if let Some((_, key)) = self.failures.iter().map(last).min() {
                self.failures.remove(&key);
            }
        }
    }
}

/// A clock that was set back does not make a failure last longer than the window.
fn forget_old(failures: &mut VecDeque<Millis>, now: Millis) {
    failures.retain(|at| *at <= now && *at > now - WINDOW);
}

fn key(subject: Subject<'_>) -> Key {
    let mut hasher = blake3::Hasher::new();
    match subject {
        Subject::Name(name) => hasher.update(b"name").update(name.as_bytes()),
        Subject::Person(source_id) => hasher.update(b"person").update(source_id.as_bytes()),
        Subject::Address(IpAddr::V4(address)) => hasher.update(b"v4").update(&address.octets()),
        Subject::Address(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => hasher.update(b"v4").update(&address.octets()),
            None => hasher.update(b"v6").update(&address.octets()[..8]),
        },
    };
    let mut key = Key::default();
    hasher.finalize_xof().fill(&mut key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const JANE: Subject<'static> = Subject::Name("jane");
    const MINUTE: Millis = 60_000;

    fn address(text: &str) -> Subject<'static> {
        Subject::Address(text.parse().expect(text))
    }

    #[test]
    fn the_sixth_failure_within_five_minutes_is_none() {
        let mut throttle = Throttle::default();
        for minute in 0..5 {
            assert_eq!(throttle.begin(JANE, minute * MINUTE), Ok(()));
        }
        assert_eq!(throttle.begin(JANE, 4 * MINUTE), Err(MINUTE));
        assert_eq!(throttle.begin(Subject::Name("john"), 4 * MINUTE), Ok(()));
        // The first is forgotten, and one more may follow.
        assert_eq!(throttle.begin(JANE, 5 * MINUTE), Ok(()));
        assert_eq!(throttle.begin(JANE, 5 * MINUTE), Err(MINUTE));
    }

    #[test]
    fn an_address_may_fail_fifty_times_and_a_network_of_ipv6_is_one() {
        let mut throttle = Throttle::default();
        for host in 0..50 {
            assert_eq!(throttle.begin(address(&format!("2001:db8::{host:x}")), 0), Ok(()));
        }
        assert!(throttle.begin(address("2001:db8::ffff"), 0).is_err());
        assert_eq!(throttle.begin(address("2001:db8:0:1::1"), 0), Ok(()));
        for _ in 0..50 {
            assert_eq!(throttle.begin(address("192.0.2.1"), 0), Ok(()));
        }
        assert!(throttle.begin(address("::ffff:192.0.2.1"), 0).is_err());
    }

    #[test]
    fn whoever_succeeds_begins_anew_and_what_was_no_try_does_not_count() {
        let mut throttle = Throttle::default();
        (0..5).for_each(|_| throttle.begin(JANE, 0).expect("a try"));
        throttle.forgive(JANE);
        assert_eq!(throttle.begin(JANE, 0), Ok(()));
        assert!(throttle.begin(JANE, 0).is_err());
        throttle.reset(JANE);
        assert_eq!(throttle.begin(JANE, 0), Ok(()));
        throttle.forgive(JANE);
        assert!(throttle.failures.is_empty());
        throttle.forgive(JANE);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let mut throttle = Throttle::default();
        (0..5).for_each(|_| throttle.begin(JANE, 100 * MINUTE).expect("a try"));
        assert!(throttle.begin(JANE, 100 * MINUTE).is_err());
        assert_eq!(throttle.begin(JANE, MINUTE), Ok(()));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut throttle = Throttle::default();
        (0..5).for_each(|_| throttle.begin(JANE, 10).expect("a try"));
        for number in 0..SUBJECTS {
            let name = number.to_string();
            throttle.begin(Subject::Name(&name), Millis::from(number > 0) * 11).expect("a try");
        }
        assert_eq!(throttle.failures.len(), SUBJECTS);
        // Who failed the longest ago was pushed out, not who fails just now.
        assert!(throttle.begin(JANE, 12).is_err());
        let later = 20 + WINDOW;
        throttle.begin(Subject::Name("new"), later).expect("a try");
        assert_eq!(throttle.failures.len(), 1);
    }
}
