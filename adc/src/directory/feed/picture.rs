//! What a feed has to know of all that is read, for its next delta.

use adc_core::entry::Entry;
use adc_core::protocol::Mark;
use adc_core::record::Kind;

use super::numbers::{CHANGE_NUMBER, ChangeNumbers};
use super::timestamps::{CHANGED_AT, Snapshot};

/// What is remembered of everything while it is read.
#[derive(Debug)]
pub enum Picture {
    /// Who was there, and when they were changed: nobody else says what changes.
    Times(Box<Snapshot>),
    /// Who was changed last, and whether anybody hides it.
    Numbers(Box<ChangeNumbers>),
}

impl Picture {
    /// What has to be read of each entry for it.
    pub fn attributes(&self) -> &'static [&'static str] {
        match self {
            Self::Times(_) => &CHANGED_AT,
            Self::Numbers(_) => &[CHANGE_NUMBER],
        }
    }

    /// An entry was read.
    pub fn note(&mut self, kind: Kind, entry: &Entry) {
        match self {
            Self::Times(snapshot) => snapshot.note(kind, entry),
            Self::Numbers(numbers) => numbers.note(entry),
        }
    }

    /// Whether the directory shows less than it did when the earlier mark was left.
    pub fn is_older(&self) -> bool {
        match self {
            Self::Times(snapshot) => snapshot.is_older(),
            Self::Numbers(numbers) => numbers.is_older(),
        }
    }

    /// Whether that is proved: somebody is shown as they were before.
    pub fn is_proved_older(&self) -> bool {
        match self {
            Self::Times(snapshot) => snapshot.is_proved_older(),
            Self::Numbers(numbers) => numbers.is_proved_older(),
        }
    }

    /// The mark to go on from, once everything was read; `mark` is the directory's own, from before that.
    pub fn mark(&self, mark: Option<Mark>) -> Option<Mark> {
        match self {
            Self::Times(snapshot) => snapshot.mark().or(mark),
            Self::Numbers(numbers) => mark.map(|mark| numbers.noted_in(mark)),
        }
    }
}
