//! What is on its way to the control plane: batches, numbered, a few at a time.

use adc_core::protocol::{DigestBatch, MEMBERS_PER_PART, MembersPart, RecordBatch, SentCounts, Wanted};
use adc_core::record::{Digest, FieldValue, Kind, Record, members_digest};
use tokio::task::JoinSet;

use super::lease::Lease;
use super::progress::Progress;
use crate::control_plane::client::Sent;
use crate::control_plane::{ControlPlane, ControlPlaneError};

/// Objects in a batch: a request costs about as much as mapping ten of them, so that a thousand make it free.
const BATCH_ITEMS: usize = 1_000;
/// Bytes of records after which a batch goes as it is, or is asked for; a quarter of what the control plane takes. A thousand
/// people are far below; a few groups with all their members are not.
const BATCH_BYTES: usize = 4 << 20;
/// Batches on their way at once: the next ones are mapped meanwhile, and memory stays bounded.
const MAX_IN_FLIGHT: usize = 4;
/// What JSON adds to a text: quotes, a key, a comma.
const JSON_OVERHEAD: usize = 16;

/// A record to be sent, and the members that are too many to travel inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) record: Record,
    pub(super) members: Vec<String>,
}

impl Parcel {
    /// Takes the members of a big group out of its record; its digest stays the same.
    pub(super) fn of(mut record: Record) -> Self {
        if record.members.len() <= MEMBERS_PER_PART {
            return Self { record, members: Vec::new() };
        }
        record.members_digest = Some(members_digest(&record.members));
        record.member_count = Some(record.members.len() as u64);
        let members = std::mem::take(&mut record.members);
        Self { record, members }
    }

    fn parts(source_id: &str, mut members: Vec<String>) -> Vec<MembersPart> {
        let mut parts = Vec::with_capacity(members.len().div_ceil(MEMBERS_PER_PART));
        while !members.is_empty() {
            let rest = members.split_off(members.len().min(MEMBERS_PER_PART));
            let part = u32::try_from(parts.len()).expect("a group's parts are few");
            parts.push(MembersPart { source_id: source_id.to_owned(), part, members });
            members = rest;
        }
        parts
    }
}

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
    digest_batches: u32,
    record_batches: u32,
    in_flight: JoinSet<Result<Landed, ControlPlaneError>>,
    sent: SentCounts,
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
            digest_batches: 0,
            record_batches,
            in_flight: JoinSet::new(),
            sent: SentCounts::default(),
        }
    }

    /// Adds an object; may put a batch on its way.
    pub(super) fn push(&mut self, record: Record) {
        let parcel = Parcel::of(record);
        if self.skip_digests {
            return self.want(parcel);
        }
        let kind = parcel.record.kind;
        // Only digests are sent, but what they stand for is kept until the answer comes.
        self.asked_bytes += weight(&parcel.record) + weight_of_members(&parcel.members);
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
        self.in_flight.len() < MAX_IN_FLIGHT
    }

    /// Waits for one answer; `false` when none is outstanding.
    ///
    /// # Errors
    /// The control plane refused a batch, or could not be reached for too long.
    pub(super) async fn land(&mut self) -> Result<bool, ControlPlaneError> {
        let Some(joined) = self.in_flight.join_next().await else { return Ok(false) };
        let landed = match joined {
            Ok(landed) => landed?,
            // Nobody aborts these tasks while the outbox lives.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
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
    pub(super) fn push_members(&mut self, source_id: &str, members: Vec<String>) {
        for part in Parcel::parts(source_id, members) {
            self.wanted_bytes += weight_of_members(&part.members);
            self.wanted.members.push(part);
            if self.wanted_bytes >= BATCH_BYTES {
                self.send_wanted();
            }
        }
    }

    fn want(&mut self, parcel: Parcel) {
        let Parcel { record, members } = parcel;
        let source_id = (!members.is_empty()).then(|| record.source_id.clone());
        self.wanted_bytes += weight(&record);
        self.wanted.records.push(record);
        if self.wanted.records.len() >= BATCH_ITEMS || self.wanted_bytes >= BATCH_BYTES {
            self.send_wanted();
        }
        if let Some(source_id) = source_id {
            self.push_members(&source_id, members);
        }
    }

    fn ask(&mut self, kind: Kind) {
        let asked = std::mem::take(&mut self.asked);
        self.asked_bytes = 0;
        let items = asked.iter().map(|(digest, parcel)| (parcel.record.source_id.clone(), *digest)).collect();
        let batch = DigestBatch { seq: self.digest_batches, kind, items };
        self.digest_batches += 1;
        let (control_plane, run_id) = (self.control_plane.clone(), self.run_id.clone());
        self.in_flight.spawn(async move {
            let Sent { answer, bytes } = control_plane.digests(&run_id, &batch).await?;
            let parcels = asked.into_iter().map(|(_, parcel)| parcel).collect();
            Ok(Landed::Wanted { parcels, wanted: answer, bytes })
        });
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
        self.in_flight.spawn(async move {
            let Sent { bytes, .. } = control_plane.records(&run_id, &batch).await?;
            Ok(Landed::Accepted { records: batch.records.len() as u64, bytes })
        });
    }
}

fn empty_batch() -> RecordBatch {
    RecordBatch { seq: 0, records: Vec::new(), members: Vec::new() }
}

/// About how many bytes of JSON a record makes.
fn weight(record: &Record) -> usize {
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
    use super::*;
    use crate::config::ServerConfig;

    fn group(members: usize) -> Record {
        let mut group = Record::new(Kind::Group, "g", "cn=g,dc=lg", "g");
        group.members = (0..members).map(|n| format!("uid={n},dc=lg")).collect();
        group
    }

    #[test]
    fn a_big_group_travels_in_parts_and_keeps_its_digest() {
        let whole = group(2 * MEMBERS_PER_PART + 1);
        let parcel = Parcel::of(whole.clone());
        assert!(parcel.record.members.is_empty());
        assert_eq!(parcel.record.digest(), whole.digest());
        assert_eq!(parcel.record.member_count, Some(whole.members.len() as u64));
        let parts = Parcel::parts("g", parcel.members);
        assert_eq!(parts.iter().map(|part| part.part).collect::<Vec<_>>(), [0, 1, 2]);
        let together: Vec<String> = parts.into_iter().flat_map(|part| part.members).collect();
        assert_eq!(together, whole.members);
    }

    #[test]
    fn a_group_that_fits_travels_whole() {
        let parcel = Parcel::of(group(MEMBERS_PER_PART));
        assert_eq!((parcel.record.members.len(), parcel.members.len()), (MEMBERS_PER_PART, 0));
        assert_eq!(parcel.record.member_count, None);
    }

    #[tokio::test]
    async fn a_thousand_groups_waited_to_be_asked_for_with_all_their_members() {
        let server = ServerConfig {
            url: "http://127.0.0.1:1".parse().expect("an address"),
            application_id: "app_1".to_owned(),
            secret_token: "t".into(),
            ca_file: None,
        };
        let control_plane = ControlPlane::new(&server).expect("a client");
        let progress = Progress::default();
        let mut outbox = Outbox::new(control_plane, "run_1".to_owned(), Lease::new(), &progress, false, 0);
        for members in [MEMBERS_PER_PART, 2 * MEMBERS_PER_PART].repeat(50) {
            outbox.push(group(members));
            let kept =
                outbox.asked.iter().map(|(_, parcel)| parcel.record.members.len() + parcel.members.len());
            assert!(kept.sum::<usize>() * JSON_OVERHEAD < BATCH_BYTES);
        }
        assert!(outbox.digest_batches > 1);
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
