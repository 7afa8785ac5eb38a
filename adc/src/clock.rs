//! The only file that reads time and randomness; everything else is told.

use std::fmt::Write as _;

use jiff::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    Timestamp::now()
}

/// An id for a run that nobody chose before: `run_` and 128 random bits.
pub fn run_id() -> String {
    random::<16>().iter().fold("run_".to_owned(), |mut id, byte| {
        let _infallible = write!(id, "{byte:02x}");
        id
    })
}

/// A name for this process, as no other has it: 96 random bits.
pub fn instance() -> String {
    random::<12>().iter().fold("agent_".to_owned(), |mut name, byte| {
        let _infallible = write!(name, "{byte:02x}");
        name
    })
}

/// What a key pair is made of.
pub fn random_key() -> [u8; 32] {
    random()
}

/// A number from 0 up to, not including, 1: where in its interval a retry falls.
pub fn jitter() -> f64 {
    f64::from(u32::from_le_bytes(random::<4>())) / (f64::from(u32::MAX) + 1.0)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    getrandom::fill(&mut bytes).expect("the operating system always has randomness once it runs");
    bytes
}
