//! What is on its way to the control plane: batches, numbered, a few at a time.

use std::collections::VecDeque;

use adc_core::protocol::{DigestBatch, RecordBatch, SentCounts, Wanted};
use adc_core::record::{Digest, FieldValue, Kind, Record};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use super::lease::Lease;
use super::parcel::{Parcel, part};
use super::progress::Progress;
use crate::control_plane::client::Sent;
use crate::control_plane::{ControlPlane, ControlPlaneError};
use crate::packed::Packed;

/// Objects in a batch: a request costs about as much as mapping ten of them, so that a thousand make it free.
const BATCH_ITEMS: usize = 1_000;
/// Bytes of records after which a batch goes as it is, or is asked for. A thousand people are below; groups are not: their members
/// are short texts, which take several times their bytes in memory until they are packed.
pub(super) const BATCH_BYTES: usize = 1 << 20;
/// Batches on their way at once: the next ones are mapped meanwhile, and memory stays bounded.
const MAX_IN_FLIGHT: usize = 4;
/// What a batch is told that comes to a run which another one has just ended.
const RUN_FINISHED: &str = "run-finished";
/// What JSON adds to a text: quotes, a key, a comma.
pub(super) const JSON_OVERHEAD: usize = 16;

/// Batches that are being filled, and those on their way.
pub(super) struct Outbox<'a> {
    control_plane: ControlPlane,
    run_id: String,
    lease: Lease,
    progress: &'a Progress,
    /// Nothing is known there yet: everything is wanted.
    skip_digests: bool,
    asked: Vec<(Digest, Parcel)>,
    asked_bytes: usize,
    wanted: RecordBatch,
    wanted_bytes: usize,
    /// Members of big groups that are wanted, still packed: they are sent as room is made.
    queue: VecDeque<QueuedPart>,
    digest_batches: u32,
    record_batches: u32,
    in_flight: JoinSet<Result<Landed, ControlPlaneError>>,
    sent: SentCounts,
}

/// A part of a group's members that is wanted.
struct QueuedPart {
    source_id: String,
    number: usize,
    packed: Packed,
}

/// An answer that came.
enum Landed {
    Wanted { parcels: Vec<Parcel>, wanted: Wanted, bytes: u64 },
    Accepted { records: u64, bytes: u64 },
}

impl<'a> Outbox<'a> {
    pub(super) fn new(
        control_plane: ControlPlane,
        run_id: String,
        lease: Lease,
        progress: &'a Progress,
        skip_digests: bool,
        record_batches: u32,
    ) -> Self {
        Self {
            control_plane,
            run_id,
            lease,
            progress,
            skip_digests,
            asked: Vec::new(),
            asked_bytes: 0,
            wanted: empty_batch(),
            wanted_bytes: 0,
            queue: VecDeque::new(),
            digest_batches: 0,
            record_batches,
            in_flight: JoinSet::new(),
            sent: SentCounts::default(),
        }
    }

    /// Adds an object; may put a batch on its way.
    pub(super) fn push(&mut self, record: Record) {
        self.push_parcel(Parcel::of(record));
    }

    /// Adds an object, of whose members many travel apart; may put a batch on its way.
    pub(super) fn push_parcel(&mut self, parcel: Parcel) {
        if self.skip_digests {
            return self.want(parcel);
        }
        let kind = parcel.record.kind;
        // Only digests are sent, but what they stand for is kept until the answer comes.
        self.asked_bytes += weight(&parcel.record) + parcel.size();
        self.asked.push((parcel.record.digest(), parcel));
        if self.asked.len() >= BATCH_ITEMS || self.asked_bytes >= BATCH_BYTES {
            self.ask(kind);
        }
    }

    /// No more objects of this kind follow: a batch of digests is of one kind.
    pub(super) fn end_of(&mut self, kind: Kind) {
        if !self.asked.is_empty() {
            self.ask(kind);
        }
    }

    /// Whether another batch may go on its way.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight.len() < MAX_IN_FLIGHT && self.queue.is_empty()
    }

    /// Waits for one answer; `false` when none is outstanding.
    ///
    /// # Errors
    /// The control plane refused a batch, or could not be reached for too long.
    pub(super) async fn land(&mut self) -> Result<bool, ControlPlaneError> {
        self.send_queued();
        let Some(joined) = self.in_flight.join_next().await else { return Ok(false) };
        let landed = match landed(joined) {
            Ok(landed) => landed,
            Err(error) => return Err(self.why(error).await),
        };
        self.lease.heard();
        match landed {
            Landed::Accepted { records, bytes } => {
                self.sent.records += records;
                self.sent.bytes += bytes;
                self.progress.add_sent(records);
            }
            Landed::Wanted { parcels, wanted, bytes } => {
                self.sent.digests += parcels.len() as u64;
                self.sent.bytes += bytes;
                let mut wanted = wanted.wanted.into_iter().peekable();
                for (index, parcel) in (0..).zip(parcels) {
                    if wanted.next_if_eq(&index).is_some() {
                        self.want(parcel);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Why the run is over: of several batches on their way one is told, and the others only that it is.
    async fn why(&mut self, refused: ControlPlaneError) -> ControlPlaneError {
        if refused.code() != RUN_FINISHED {
            return refused;
        }
        while let Some(joined) = self.in_flight.join_next().await {
            match landed(joined) {
                Err(error) if error.code() != RUN_FINISHED => return error,
                _ => {}
            }
        }
        refused
    }

    /// Sends what is left and waits for all answers.
    ///
    /// # Errors
    /// See [`Self::land`].
    pub(super) async fn finish(mut self) -> Result<(SentCounts, u32, u32), ControlPlaneError> {
        while self.land().await? {}
        self.send_wanted();
        while self.land().await? {}
        Ok((self.sent, self.digest_batches, self.record_batches))
    }

    /// Adds members of a group whose record travels otherwise.
    pub(super) fn push_members(&mut self, source_id: &str, parts: Vec<Packed>) {
        let queued = parts.into_iter().enumerate();
        self.queue.extend(queued.map(|(number, packed)| QueuedPart {
            source_id: source_id.to_owned(),
            number,
            packed,
        }));
        self.send_queued();
    }

    /// Unpacks members that are wanted, as long as another batch may go on its way.
    fn send_queued(&mut self) {
        while self.in_flight.len() < MAX_IN_FLIGHT
            && let Some(QueuedPart { source_id, number, packed }) = self.queue.pop_front()
        {
            let part = part(&source_id, number, &packed);
            self.wanted_bytes += weight_of_members(&part.members);
            self.wanted.members.push(part);
            if self.wanted_bytes >= BATCH_BYTES {
                self.send_wanted();
            }
        }
    }

    fn want(&mut self, parcel: Parcel) {
        let Parcel { record, parts } = parcel;
        let source_id = (!parts.is_empty()).then(|| record.source_id.clone());
        self.wanted_bytes += weight(&record);
        self.wanted.records.push(record);
        if self.wanted.records.len() >= BATCH_ITEMS || self.wanted_bytes >= BATCH_BYTES {
            self.send_wanted();
        }
        if let Some(source_id) = source_id {
            self.push_members(&source_id, parts);
        }
    }

    fn ask(&mut self, kind: Kind) {
        let asked = std::mem::take(&mut self.asked);
        self.asked_bytes = 0;
        let items = asked.iter().map(|(digest, parcel)| (parcel.record.source_id.clone(), *digest)).collect();
        let batch = DigestBatch { seq: self.digest_batches, kind, items };
        self.digest_batches += 1;
        let (control_plane, run_id) = (self.control_plane.clone(), self.run_id.clone());
        let sending = async move {
            let Sent { answer, bytes } = control_plane.digests(&run_id, &batch).await?;
            let parcels = asked.into_iter().map(|(_, parcel)| parcel).collect();
            Ok(Landed::Wanted { parcels, wanted: answer, bytes })
        };
        self.in_flight.spawn(sending.in_current_span());
    }

    fn send_wanted(&mut self) {
        let mut batch = std::mem::replace(&mut self.wanted, empty_batch());
        self.wanted_bytes = 0;
        if batch.records.is_empty() && batch.members.is_empty() {
            return;
        }
        batch.seq = self.record_batches;
        self.record_batches += 1;
        let (control_plane, run_id) = (self.control_plane.clone(), self.run_id.clone());
        let sending = async move {
            let records = batch.records.len() as u64;
            let Sent { bytes, .. } = control_plane.records(&run_id, batch).await?;
            Ok(Landed::Accepted { records, bytes })
        };
        self.in_flight.spawn(sending.in_current_span());
    }
}

/// What came of a batch. Nobody aborts these tasks while the outbox lives.
fn landed(joined: Result<Result<Landed, ControlPlaneError>, JoinError>) -> Result<Landed, ControlPlaneError> {
    joined.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

fn empty_batch() -> RecordBatch {
    RecordBatch { seq: 0, records: Vec::new(), members: Vec::new() }
}

/// About how many bytes of JSON a record makes.
pub(super) fn weight(record: &Record) -> usize {
    let texts = [&record.source_id, &record.dn, &record.name].map(String::len).iter().sum::<usize>();
    let fields = record.fields.iter().map(|(name, value)| {
        let value = match value {
            FieldValue::Text(text) => text.len(),
            FieldValue::List(list) => list.iter().map(|text| text.len() + JSON_OVERHEAD).sum(),
        };
        name.len() + value + JSON_OVERHEAD
    });
    texts + fields.sum::<usize>() + weight_of_members(&record.members) + 8 * JSON_OVERHEAD
}

fn weight_of_members(members: &[String]) -> usize {
    members.iter().map(|member| member.len() + JSON_OVERHEAD).sum()
}

#[cfg(test)]
mod tests {
    use adc_core::protocol::MEMBERS_PER_PART;

    use super::*;
    use crate::config::ServerConfig;

    fn group(members: usize) -> Record {
        let mut group = Record::new(Kind::Group, "g", "cn=g,dc=lg", "g");
        group.members = (0..members).map(|n| format!("uid={n},dc=lg")).collect();
        group
    }

    /// A control plane that is not there.
    fn nobody() -> ControlPlane {
        let server = ServerConfig {
            url: "http://127.0.0.1:1".parse().expect("an address"),
            application_id: "app_1".to_owned(),
            secret_token: "t".into(),
            ca_file: None,
            proxy: None,
        };
        ControlPlane::new(&server).expect("a client")
    }

    #[tokio::test]
    async fn a_thousand_groups_waited_to_be_asked_for_with_all_their_members() {
        let progress = Progress::default();
        let mut outbox = Outbox::new(nobody(), "run_1".to_owned(), Lease::new(), &progress, false, 0);
        for members in [MEMBERS_PER_PART, 2 * MEMBERS_PER_PART].repeat(80) {
            outbox.push(group(members));
            let kept = outbox
                .asked
                .iter()
                .map(|(_, parcel)| weight_of_members(&parcel.record.members) + parcel.size());
            assert!(kept.sum::<usize>() < BATCH_BYTES);
        }
        assert!(outbox.digest_batches > 1);
    }

    #[tokio::test]
    async fn a_huge_group_was_on_its_way_all_at_once() {
        let progress = Progress::default();
        let mut outbox = Outbox::new(nobody(), "run_1".to_owned(), Lease::new(), &progress, true, 0);
        let mut huge = group(60 * MEMBERS_PER_PART);
        for member in &mut huge.members {
            member
                .insert_str(0, "cn=a name that is long enough to make many batches of not so many members,");
        }
        outbox.push(huge);
        assert_eq!(outbox.in_flight.len(), MAX_IN_FLIGHT);
        assert!(!outbox.has_room() && !outbox.queue.is_empty());
    }

    #[test]
    fn the_weight_of_a_record_is_near_its_json() {
        let mut jane =
            Record::new(Kind::User, "a".repeat(36), "uid=jane,ou=people,dc=lg,dc=local", "jane@lg.local");
        jane.fields.insert("title".to_owned(), "Engineer".into());
        for record in [jane, group(1_000)] {
            let json = serde_json::to_vec(&record).expect("prints").len();
            let weight = weight(&record);
            assert!(weight >= json && weight < 3 * json, "{weight} for {json}");
        }
    }
}
