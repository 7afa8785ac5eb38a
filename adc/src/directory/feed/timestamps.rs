//! The change feed of directories that have none: the times of last changes, compared.
//!
//! `modifyTimestamp` alone does not tell all that changed since a time. Whoever left has none; whoever lies beneath a container
//! that was renamed keeps theirs; it is good for seconds; servers' clocks differ, a replica hears late of what happened early,
//! and a directory that was restored from a backup shows times of before. So no time is compared with a clock. A [`Snapshot`] holds
//! who was there, where, and when each was changed, in a few kilobytes however many they are, and two of them show who differs.
//!
//! The first one is taken while everything is read. After that, the times of all that would be read are asked for, and nothing else:
//! that is this feed's price. Where the directory shows `entryCSN`, no two changes look the same; where it does not, whoever was
//! found changed is read again in the next delta, a second later at the earliest.

mod sketch;
mod snapshot;

use std::time::Duration;

use adc_core::protocol::Mark;
use tokio::time::{Instant, sleep};

use super::numbers::CHANGE_NUMBER;
use super::{Lost, Subject, Touched};
use crate::clock;
use crate::directory::error::DirectoryError;
use crate::directory::read::Query;
use crate::directory::session::Directory;
use snapshot::{Differences, Taken};

pub use snapshot::Snapshot;

/// When an entry was changed last (RFC 4512 section 3.4.4).
pub(in crate::directory) const MODIFY_TIMESTAMP: &str = "modifyTimestamp";
/// What a [`Snapshot`] is taken of, besides the identity.
pub(super) const CHANGED_AT: [&str; 2] = [MODIFY_TIMESTAMP, CHANGE_NUMBER];
/// How a UUID is called, by which objects can be told in a snapshot.
const UUIDS: [&str; 2] = ["entryUUID", snapshot::NS_UNIQUE_ID];

/// `modifyTimestamp` is good for seconds: once so much time has passed, no further change can show the same one.
const ONE_SECOND: Duration = Duration::from_secs(1);
/// How often it is asked whether something changed.
const POLL_EVERY: Duration = Duration::from_secs(5);
/// A directory that takes long to answer is not kept busy: between two questions it has this many times as long as for one.
const REST: u32 = 4;

/// Whether a snapshot can name objects by the identity in an attribute of this name.
pub(super) fn names_by(attribute: &str) -> bool {
    UUIDS.iter().any(|uuid| uuid.eq_ignore_ascii_case(attribute))
}

impl Directory {
    /// Asks who is not as they were when the mark was left.
    pub(super) async fn differences(
        &mut self,
        since: &Mark,
        subject: &Subject,
    ) -> Result<Result<Touched, Lost>, DirectoryError> {
        let Some(since) = Taken::read(since) else { return Ok(Err(Lost::MarkNotUnderstood)) };
        if since.is_under_way() {
            // What happened in that second has happened then, and is read now.
            sleep(ONE_SECOND).await;
        }
        let mut now = Snapshot::after(subject.id.clone(), clock::now(), &since, &subject.left);
        let result_codes = self.picture(&mut now, subject).await?;
        if now.is_older() {
            return Ok(Err(if now.shows_earlier() { Lost::WentBack } else { Lost::OutOfSight }));
        }
        let (Some(differences), None) = (now.since(&since), now.unfit()) else {
            return Ok(Err(if now.unfit().is_some() { Lost::NoTimes } else { Lost::TooMuch }));
        };
        let Differences { changed, vanished, taken } = differences;
        Ok(Ok(Touched {
            changed,
            tombstones: vanished,
            strangers: true,
            result_codes,
            mark: taken.map(|taken| taken.mark()),
            ..Touched::default()
        }))
    }

    /// Whether the directory shows of all that is read what a [`Snapshot`] is taken of.
    ///
    /// # Errors
    /// The question was not answered.
    pub(crate) async fn shows_times(&mut self, subject: &Subject) -> Result<bool, DirectoryError> {
        let mut now = Snapshot::new(subject.id.clone(), clock::now());
        self.picture(&mut now, subject).await?;
        Ok(now.unfit().is_none())
    }

    /// Waits until somebody is not as they were, asking now and then.
    pub(super) async fn wait_for_difference(
        &mut self,
        since: &Mark,
        subject: &Subject,
    ) -> Result<(), DirectoryError> {
        let mut pause = POLL_EVERY;
        loop {
            sleep(pause).await;
            // A mark that cannot be gone on from is for whoever reads to complain of.
            let Some(since) = Taken::read(since) else { return Ok(()) };
            if since.is_under_way() {
                return Ok(());
            }
            let asked = Instant::now();
            let mut now = Snapshot::new(subject.id.clone(), clock::now());
            self.picture(&mut now, subject).await?;
            if now.differs_from(&since) {
                return Ok(());
            }
            pause = POLL_EVERY.max(asked.elapsed() * REST);
        }
    }

    /// Takes a picture of all that is read, and returns the result codes of the searches.
    async fn picture(&mut self, into: &mut Snapshot, subject: &Subject) -> Result<Vec<u32>, DirectoryError> {
        let mut result_codes = Vec::new();
        for query in &subject.queries {
            let mut attributes = vec![subject.id.name().to_owned()];
            attributes.extend(CHANGED_AT.map(str::to_owned));
            let query = Query { attributes, unlisted: None, ..query.clone() };
            result_codes.extend(self.each(&query, |entry| into.note(query.kind, entry)).await?);
        }
        Ok(result_codes)
    }
}
