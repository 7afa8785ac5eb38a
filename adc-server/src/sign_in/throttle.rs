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
/// Tries from an address that are under way and may yet fail: a whole office comes in at nine, all of them with the right password.
pub const AT_ONCE: usize = 200;
/// When one of those is over, probably (milliseconds).
const A_TRY_TAKES: Millis = 1_000;
/// After this time a failure is forgotten (milliseconds).
pub const WINDOW: Millis = 5 * 60 * 1_000;
/// Subjects that are remembered, some 15 MB of them. To push a failure out, somebody must fail from thousands of addresses.
const SUBJECTS: usize = 100_000;

/// Who or what fails, each in an account: nobody locks anybody out of another, nor helps them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A name, normalized, whether it is anybody's or not.
    Name {
        /// The account's id.
        account: &'a str,
        /// What was typed.
        name: &'a str,
    },
    /// A person in the directory of a synchronization, whatever the spelling.
    Person {
        /// The account's id.
        account: &'a str,
        /// The synchronization's id: another one may know somebody else by the same identity.
        synchronization: &'a str,
        /// Who it is in the directory.
        source_id: &'a str,
    },
    /// Where somebody signs in from; of IPv6 the network of one customer, for it has addresses without end.
    Address {
        /// The account's id.
        account: &'a str,
        /// The address.
        address: IpAddr,
    },
}

/// Remembers who failed when.
#[derive(Debug, Default)]
pub struct Throttle {
    failures: BTreeMap<Key, VecDeque<Millis>>,
    /// Tries from addresses that are under way. Those of names and persons are failures until they end.
    under_way: BTreeMap<Key, usize>,
}

/// What is kept of a subject: names may be as long as they like.
type Key = [u8; 16];

impl Throttle {
    /// Counts a try. Of a name or a person it is a failure already: many guesses at a time are no way around.
    ///
    /// # Errors
    /// There were too many; after how long (milliseconds) there may be another.
    pub fn begin(&mut self, subject: Subject<'_>, now: Millis) -> Result<(), Millis> {
        let key = key(subject);
        if !subject.is_address() {
            return self.count(key, PER_PERSON, now);
        }
        if let Some(failures) = self.failures.get_mut(&key) {
            is_free(failures, PER_ADDRESS, now)?;
        }
        let under_way = self.under_way.entry(key).or_default();
        if *under_way >= AT_ONCE {
            return Err(A_TRY_TAKES);
        }
        *under_way += 1;
        Ok(())
    }

    /// The try that began failed.
    pub fn fail(&mut self, subject: Subject<'_>, now: Millis) {
        if subject.is_address() {
            let key = key(subject);
            self.end(&key);
            // So many that none more is remembered are enough.
            let _ = self.count(key, PER_ADDRESS, now);
        }
    }

    /// The try that began was none: no directory has seen the password, or it was right.
    pub fn forgive(&mut self, subject: Subject<'_>) {
        let key = key(subject);
        if subject.is_address() {
            self.end(&key);
        } else if let Some(failures) = self.failures.get_mut(&key) {
            failures.pop_back();
            if failures.is_empty() {
                self.failures.remove(&key);
            }
        }
    }

    /// The try that began succeeded: what failed before is forgotten, but for what others at the address did.
    pub fn succeed(&mut self, subject: Subject<'_>) {
        let key = key(subject);
        if subject.is_address() {
            self.end(&key);
        } else {
            self.failures.remove(&key);
        }
    }

    /// One try from an address less is under way.
    fn end(&mut self, key: &Key) {
        if let Some(under_way) = self.under_way.get_mut(key) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                self.under_way.remove(key);
            }
        }
    }

    /// Counts a failure, if there were fewer than `most`.
    fn count(&mut self, key: Key, most: usize, now: Millis) -> Result<(), Millis> {
        if self.failures.len() >= SUBJECTS && !self.failures.contains_key(&key) {
            self.make_room(now);
        }
        let failures = self.failures.entry(key).or_default();
        is_free(failures, most, now)?;
        failures.push_back(now);
        Ok(())
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

impl Subject<'_> {
    fn is_address(self) -> bool {
        matches!(self, Self::Address { .. })
    }
}

/// Whether there were fewer than `most`.
fn is_free(failures: &mut VecDeque<Millis>, most: usize, now: Millis) -> Result<(), Millis> {
    forget_old(failures, now);
    match failures.front() {
        Some(oldest) if failures.len() >= most => Err((oldest + WINDOW - now).max(1)),
        _ => Ok(()),
    }
}

/// A clock that was set back does not make a failure last longer than the window.
fn forget_old(failures: &mut VecDeque<Millis>, now: Millis) {
    failures.retain(|at| *at <= now && *at > now - WINDOW);
}

fn key(subject: Subject<'_>) -> Key {
    let (octets, octets_of_network);
    let parts: [&[u8]; 4] = match subject {
        Subject::Name { account, name } => [b"name", account.as_bytes(), name.as_bytes(), b""],
        Subject::Person { account, synchronization, source_id } => {
            [b"person", account.as_bytes(), synchronization.as_bytes(), source_id.as_bytes()]
        }
        Subject::Address { account, address } => match address.to_canonical() {
            IpAddr::V4(address) => {
                octets = address.octets();
                [b"v4", account.as_bytes(), &octets, b""]
            }
            IpAddr::V6(address) => {
                octets_of_network = address.octets();
                [b"v6", account.as_bytes(), &octets_of_network[..8], b""]
            }
        },
    };
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // With their lengths, no two subjects are written alike.
        hasher.update(&part.len().to_le_bytes()).update(part);
    }
    let mut key = Key::default();
    hasher.finalize_xof().fill(&mut key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const JANE: Subject<'static> = Subject::Name { account: "acme", name: "jane" };
    const MINUTE: Millis = 60_000;

    fn address(text: &str) -> Subject<'static> {
        Subject::Address { account: "acme", address: text.parse().expect(text) }
    }

    fn name(name: &str) -> Subject<'_> {
        Subject::Name { account: "acme", name }
    }

    fn fail(throttle: &mut Throttle, subject: Subject<'_>) -> Result<(), Millis> {
        throttle.begin(subject, 0)?;
        throttle.fail(subject, 0);
        Ok(())
    }

    #[test]
    fn the_sixth_failure_within_five_minutes_is_none() {
        let mut throttle = Throttle::default();
        for minute in 0..5 {
            assert_eq!(throttle.begin(JANE, minute * MINUTE), Ok(()));
        }
        assert_eq!(throttle.begin(JANE, 4 * MINUTE), Err(MINUTE));
        assert_eq!(throttle.begin(name("john"), 4 * MINUTE), Ok(()));
        // The first is forgotten, and one more may follow.
        assert_eq!(throttle.begin(JANE, 5 * MINUTE), Ok(()));
        assert_eq!(throttle.begin(JANE, 5 * MINUTE), Err(MINUTE));
    }

    #[test]
    fn an_address_may_fail_fifty_times_and_a_network_of_ipv6_is_one() {
        let mut throttle = Throttle::default();
        for host in 0..50 {
            assert_eq!(fail(&mut throttle, address(&format!("2001:db8::{host:x}"))), Ok(()));
        }
        assert!(throttle.begin(address("2001:db8::ffff"), 0).is_err());
        assert_eq!(throttle.begin(address("2001:db8:0:1::1"), 0), Ok(()));
        for _ in 0..50 {
            assert_eq!(fail(&mut throttle, address("192.0.2.1")), Ok(()));
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
        throttle.succeed(JANE);
        assert_eq!(throttle.begin(JANE, 0), Ok(()));
        throttle.forgive(JANE);
        assert!(throttle.failures.is_empty());
        throttle.forgive(JANE);
    }

    #[test]
    fn what_is_under_way_from_an_address_has_not_failed_yet() {
        let mut throttle = Throttle::default();
        let office = address("192.0.2.1");
        (0..AT_ONCE).for_each(|_| throttle.begin(office, 0).expect("a colleague"));
        assert_eq!(throttle.begin(office, 0), Err(A_TRY_TAKES));
        throttle.succeed(office);
        throttle.forgive(office);
        (0..2).for_each(|_| throttle.begin(office, 0).expect("a colleague"));
        (0..PER_ADDRESS).for_each(|_| throttle.fail(office, 0));
        assert_eq!(throttle.begin(office, 0), Err(WINDOW));
        (PER_ADDRESS..AT_ONCE).for_each(|_| throttle.succeed(office));
        assert!(throttle.under_way.is_empty());
        assert_eq!(throttle.begin(office, 0), Err(WINDOW), "one who comes in forgives no other");
    }

    #[test]
    fn whoever_fails_in_one_account_fails_in_no_other() {
        let mut throttle = Throttle::default();
        let person = |account, synchronization| Subject::Person { account, synchronization, source_id: "1" };
        (0..PER_PERSON).for_each(|_| throttle.begin(JANE, 0).expect("a try"));
        (0..PER_PERSON).for_each(|_| throttle.begin(person("a", "bc"), 0).expect("a try"));
        assert_eq!(throttle.begin(Subject::Name { account: "other", name: "jane" }, 0), Ok(()));
        assert_eq!(throttle.begin(person("ab", "c"), 0), Ok(()));
        assert_eq!(throttle.begin(person("b", "bc"), 0), Ok(()));
        assert!(throttle.begin(person("a", "bc"), 0).is_err());
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
            throttle.begin(name(&number.to_string()), Millis::from(number > 0) * 11).expect("a try");
        }
        assert_eq!(throttle.failures.len(), SUBJECTS);
        // Who failed the longest ago was pushed out, not who fails just now.
        assert!(throttle.begin(JANE, 12).is_err());
        let later = 20 + WINDOW;
        throttle.begin(name("new"), later).expect("a try");
        assert_eq!(throttle.failures.len(), 1);
    }
}
