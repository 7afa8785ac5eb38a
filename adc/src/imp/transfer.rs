//! Reading and sending: while one page is mapped and sent, the next is on its way.

use std::collections::BTreeSet;
use std::sync::Arc;

use adc_core::mapping::{Mapping, Sid};
use adc_core::protocol::{FullBecause, Mode};
use adc_core::record::Kind;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::Run;
use super::outbox::Outbox;
use super::parcel::Parcel;
use super::progress::Phase;
use crate::clock;
use crate::config::DirectoryConfig;
use crate::directory::feed::{Before, ChangeNumbers, Feed, Picture, Snapshot};
use crate::directory::{Directory, Query, RawEntry, Unlisted};
use crate::exit::AgentError;

/// Chunks that wait to be mapped: enough to bridge a slow answer, few enough that memory stays small.
const CHUNKS_AHEAD: usize = 4;

impl<'a> Run<'a> {
    /// Where records go; with `skip_digests` nobody is asked whether they are known.
    pub(super) fn outbox(&self, skip_digests: bool, record_batches: u32) -> Outbox<'a> {
        Outbox::new(
            self.control_plane.clone(),
            self.opened.run_id.clone(),
            self.lease.clone(),
            &self.surroundings.progress,
            skip_digests,
            record_batches,
        )
    }
}

impl Run<'_> {
    /// Reads all kinds and sends what the control plane lacks; the receipt then proves that it was everything.
    pub(super) async fn read_and_send(
        &mut self,
        mut directory: Directory,
        mapping: &Arc<Mapping>,
    ) -> Result<Directory, AgentError> {
        // Before the first search: what changes while we read is newer than the mark, and in the next delta.
        self.receipt.mark = directory.mark().await?;
        let mut picture = self.picture(mapping);
        let progress = &self.surroundings.progress;
        let mut outbox = self.outbox(self.opened.mirror_empty, 0);
        for kind in Kind::ALL {
            progress.enter(Phase::Reading(kind));
            let mut query = self.query(mapping, kind);
            if let Some(picture) = &picture {
                query.attributes.extend(picture.attributes().iter().map(|name| (*name).to_owned()));
            }
            let (sender, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
            let reading = async move {
                let receipt = directory.read(&query, &sender).await;
                (directory, receipt)
            };
            let reader = tokio::spawn(reading.in_current_span());
            let taken = Taken { primary_groups: &mut self.primary_groups, picture: picture.as_mut() };
            let count = transfer(kind, &mut chunks, mapping, &mut outbox, progress, taken).await?;
            let (again, receipt) = match reader.await {
                Ok(read) => read,
                // Nobody aborts the reader while it is waited for.
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            };
            directory = again;
            self.receipt
                .searches
                .push(receipt?.expect("the reader stops early only when its listener went away"));
            *self.receipt.read.of_mut(kind) = count;
        }
        (self.receipt.sent, self.receipt.digest_batches, self.receipt.record_batches) =
            outbox.finish().await?;
        if let Some(picture) = picture {
            self.receipt.went_back = picture.is_older();
            self.receipt.shows_earlier = picture.is_proved_older();
            self.receipt.mark = picture.mark(self.receipt.mark.take());
        }
        Ok(directory)
    }

    /// A picture of nobody yet, which knows what the last applied run saw of what is read now; `None` where the feed needs none.
    fn picture(&self, mapping: &Mapping) -> Option<Picture> {
        let because = self.opened.full_because;
        let id = mapping.id().clone();
        let (mark, left) = (self.opened.checkpoint.as_ref(), &self.opened.left);
        let before = Before { mark, left, comparable: !self.opened.others_were_read };
        match self.feed? {
            Feed::Syncrepl => {
                Some(Picture::Numbers(Box::new(ChangeNumbers::of_all(id, clock::now(), before))))
            }
            Feed::Timestamps => {
                let compared = because == Some(FullBecause::TooMuchTouched);
                let snapshot = Snapshot::instead_of(id, clock::now(), before, compared);
                Some(Picture::Times(Box::new(snapshot)))
            }
            Feed::DirSync => None,
        }
    }

    /// What to read of a kind, and what groups have besides: people were read before.
    pub(super) fn query(&self, mapping: &Mapping, kind: Kind) -> Query {
        let config = &self.config.directory;
        let unlisted = (kind == Kind::Group && mapping.has_unlisted_members()).then(|| Unlisted {
            // A delta read not everybody: whoever's primary group it is may not be among those it read.
            groups: (self.opened.mode == Mode::Full).then(|| self.primary_groups.clone()),
            people: Box::new(query(config, mapping, Kind::User)),
        });
        Query { unlisted, ..query(config, mapping, kind) }
    }
}

/// What to read of a kind: bounded by adc.yaml, with the mapping's attributes.
pub(crate) fn query(config: &DirectoryConfig, mapping: &Mapping, kind: Kind) -> Query {
    let written = match kind {
        Kind::User => &config.people_filter,
        Kind::Group => &config.groups_filter,
        Kind::OrgUnit => &config.org_units_filter,
    };
    let filter = written.clone().unwrap_or_else(|| mapping.filter(kind));
    Query {
        kind,
        base: config.base_dn.to_string(),
        scope: config.scope,
        filter,
        attributes: mapping.attributes(kind).to_vec(),
        unlisted: None,
    }
}

/// What is kept of what is read.
struct Taken<'t> {
    primary_groups: &'t mut BTreeSet<Sid>,
    picture: Option<&'t mut Picture>,
}

/// Maps and sends what the reader hands over, until it is done.
async fn transfer(
    kind: Kind,
    chunks: &mut mpsc::Receiver<Vec<RawEntry>>,
    mapping: &Mapping,
    outbox: &mut Outbox<'_>,
    progress: &super::Progress,
    mut taken: Taken<'_>,
) -> Result<u64, AgentError> {
    let mut count = 0;
    loop {
        let chunk = tokio::select! {
            biased;
            // Answers first: they make room. With none outstanding this branch is out.
            landed = outbox.land() => if landed? { continue } else { chunks.recv().await },
            chunk = chunks.recv() => chunk,
        };
        let Some(chunk) = chunk else { break };
        count += chunk.len() as u64;
        progress.add_read(kind, chunk.len() as u64);
        for entry in chunk {
            // Before each of them: a chunk of big groups alone makes many batches.
            while !outbox.has_room() {
                outbox.land().await?;
            }
            let (entry, more_members) = entry.decode_apart()?;
            if kind == Kind::User {
                taken.primary_groups.extend(mapping.primary_group(&entry));
            }
            if let Some(picture) = &mut taken.picture {
                picture.note(kind, &entry);
            }
            outbox.push_parcel(Parcel::mapped(mapping, kind, &entry, &more_members));
        }
    }
    outbox.end_of(kind);
    Ok(count)
}
