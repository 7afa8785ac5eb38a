//! A delta: the change feed says what was touched since the checkpoint, and only that is read, exactly as a full run would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use adc_core::mapping::Mapping;
use adc_core::protocol::{
    FeedReceipt, FullBecause, Mark, Mode, SearchReceipt, TouchedBatch, TouchedObject, Whereabouts,
};
use adc_core::record::Kind;
use adc_core::source_id::SourceId;

use super::Run;
use super::progress::Phase;
use crate::clock;
use crate::directory::feed::{ChangeNumbers, Feed, Lost, Picture, Subject, Touched};
use crate::directory::findable::{Among, Findable};
use crate::directory::look_up::IDS_PER_SEARCH;
use crate::directory::{Directory, Query};
use crate::exit::AgentError;

/// Names sent at once; each takes some hundred bytes.
const NAMES_PER_BATCH: usize = 1_000;

/// How far a delta got.
pub(super) enum Outcome {
    /// Everything that was touched was read and sent.
    Sent(Directory),
    /// The run has become a full one: all has to be read.
    BecameFull(Directory),
}

impl Run<'_> {
    /// Reads what was touched and sends what the control plane lacks of it; the receipt then proves that it was everything.
    pub(super) async fn follow_and_send(
        &mut self,
        mut directory: Directory,
        mapping: &Arc<Mapping>,
    ) -> Result<Outcome, AgentError> {
        let mut names = Names { run: self, seq: 0 };
        let touched = match names.run.touched(&mut directory, mapping).await? {
            Ok(touched) => touched,
            Err(because) => {
                names.give_up(because).await?;
                return Ok(Outcome::BecameFull(directory));
            }
        };
        let ids: Vec<SourceId> = touched.changed.union(&touched.removed).cloned().collect();
        let objects = if ids.len() == 1 { "object" } else { "objects" };
        tracing::info!("the change feed names {} {objects}", ids.len());
        if names.announce(ids.len(), touched.present.is_some()).await? == Mode::Full {
            return Ok(Outcome::BecameFull(directory));
        }
        let since = names.run.opened.checkpoint.as_ref().and_then(|mark| names.run.feed().time_of(mark));
        let places = directory.whereabouts(mapping.id(), &ids, since.as_deref()).await?;
        if let Some(id) = unseen(&touched, &places) {
            tracing::info!(
                "the change feed names {id}, which no look-up by its {} finds; everything is read",
                mapping.id().name()
            );
            names.give_up(FullBecause::RightsInDoubt).await?;
            return Ok(Outcome::BecameFull(directory));
        }
        if names.send(&touched, &ids, &places).await? == Mode::Full {
            return Ok(Outcome::BecameFull(directory));
        }
        let mut batches = names.seq;
        let mut picture = names.run.picture_since(mapping, &ids);
        let read = self.read_again_and_send(&mut directory, mapping, &places, picture.as_mut()).await?;
        self.receipt.mark = match picture {
            Some(picture) => picture.mark(touched.mark),
            None => touched.mark,
        };
        if read == Beneath::Moved {
            Names { run: self, seq: batches }.give_up(FullBecause::ContainerMoved).await?;
            return Ok(Outcome::BecameFull(directory));
        }
        if self.receipt.sent.records > 0 {
            let mut names = Names { run: self, seq: batches };
            if names.ask_whether_believed(touched.present.is_some()).await? == Mode::Full {
                return Ok(Outcome::BecameFull(directory));
            }
            batches = names.seq;
        }
        self.receipt.feed = Some(FeedReceipt {
            name: self.feed().as_str().to_owned(),
            result_codes: touched.result_codes,
            batches,
            touched: ids.len() as u64,
        });
        Ok(Outcome::Sent(directory))
    }

    /// Asks the feed; or says why it cannot be used for what is read.
    async fn touched(
        &self,
        directory: &mut Directory,
        mapping: &Mapping,
    ) -> Result<Result<Touched, FullBecause>, AgentError> {
        let feed = self.feed();
        let Some(checkpoint) = self.opened.checkpoint.as_ref().filter(|mark| goes_on_from(feed, mark)) else {
            return Ok(Err(FullBecause::NoCheckpoint));
        };
        if !feed.names_by(mapping.id()) {
            return Ok(Err(FullBecause::NoChangeFeed));
        }
        let queries = Kind::ALL.map(|kind| self.query(mapping, kind)).to_vec();
        if let Some(attribute) = queries.iter().find_map(|query| feed.not_followed_of(query)) {
            tracing::info!("{attribute} changes without a word in the change feed; everything is read");
            return Ok(Err(FullBecause::FilterNotFollowed));
        }
        for query in &queries {
            if let Some(because) = out_of_sight(directory, feed, query, mapping).await? {
                return Ok(Err(because));
            }
        }
        let subject = Subject { queries, id: mapping.id().clone(), left: self.opened.left.clone() };
        Ok(directory.touched(feed, checkpoint, &subject).await?.map_err(|lost| {
            tracing::info!("{lost}; everything is read");
            full_because(lost)
        }))
    }

    /// What is remembered of those who are read again, and of all others since the checkpoint; `None` where the feed's own mark holds it.
    fn picture_since(&self, mapping: &Mapping, touched: &[SourceId]) -> Option<Picture> {
        let checkpoint = self.opened.checkpoint.as_ref().filter(|_| self.feed() == Feed::Syncrepl)?;
        let touched = touched.iter().cloned().collect();
        let numbers = ChangeNumbers::since(mapping.id().clone(), clock::now(), checkpoint, &touched);
        Some(Picture::Numbers(Box::new(numbers)))
    }

    async fn read_again_and_send(
        &mut self,
        directory: &mut Directory,
        mapping: &Arc<Mapping>,
        places: &BTreeMap<SourceId, Whereabouts>,
        mut picture: Option<&mut Picture>,
    ) -> Result<Beneath, AgentError> {
        let progress = &self.surroundings.progress;
        let mut outbox = self.outbox(false, 0);
        let mut beneath = Beneath::Stayed;
        let there: BTreeSet<SourceId> = places.keys().cloned().collect();
        for kind in Kind::ALL {
            progress.enter(Phase::Reading(kind));
            let mut query = self.query(mapping, kind);
            if let Some(picture) = &picture {
                query.attributes.extend(picture.attributes().iter().map(|name| (*name).to_owned()));
            }
            let mut search = SearchReceipt { kind, result_codes: Vec::new(), entries: 0, complete: true };
            let mut ids: Vec<SourceId> = there.iter().cloned().collect();
            if kind == Kind::Group {
                // Whoever joined a primary group changed nothing in it.
                let groups = std::mem::take(&mut self.primary_groups);
                let joined = directory.groups_of(&query, mapping.id(), &groups).await?;
                ids.extend(joined.difference(&there).cloned());
            }
            for ids in ids.chunks(IDS_PER_SEARCH) {
                let entries = directory.read_again(&query, mapping.id(), ids).await?;
                search.result_codes.push(0);
                search.entries += entries.len() as u64;
                progress.add_read(kind, entries.len() as u64);
                for entry in entries {
                    while !outbox.has_room() {
                        outbox.land().await?;
                    }
                    let place = mapping.id().read(&entry).ok().and_then(|id| places.get(&id));
                    if place.is_some_and(|place| place.container && place.dn != entry.dn()) {
                        beneath = Beneath::Moved;
                    }
                    if let Some(picture) = &mut picture {
                        picture.note(kind, &entry);
                    }
                    if kind == Kind::User {
                        self.primary_groups.extend(mapping.primary_group(&entry));
                    }
                    outbox.push(mapping.map(kind, &entry));
                }
            }
            outbox.end_of(kind);
            *self.receipt.read.of_mut(kind) = search.entries;
            if !search.result_codes.is_empty() {
                self.receipt.searches.push(search);
            }
        }
        (self.receipt.sent, self.receipt.digest_batches, self.receipt.record_batches) =
            outbox.finish().await?;
        Ok(beneath)
    }

    fn feed(&self) -> Feed {
        self.feed.expect("a delta is only run for an agent that offered a feed")
    }
}

/// Whether a container was moved after it was said where it is: whom it took along nobody has named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beneath {
    Stayed,
    Moved,
}

/// Whether the bind account sees so little that what the feed names, or does not name, says nothing: everybody who is hidden
/// looks removed, and whose change number is hidden changes without a word.
async fn out_of_sight(
    directory: &mut Directory,
    feed: Feed,
    query: &Query,
    mapping: &Mapping,
) -> Result<Option<FullBecause>, AgentError> {
    if directory.finds_any(query, feed.finds_by()).await? {
        let findable = directory.are_findable(query, mapping.id(), Among::All).await?;
        let Findable::Missed { dn } = findable else { return Ok(None) };
        let attribute = mapping.id().name();
        tracing::warn!(
            "the bind account may not search by {attribute}, by which {dn} is not found; everything is read"
        );
        return Ok(Some(FullBecause::NoChangeFeed));
    }
    if feed.finds_by().is_some() && directory.finds_any(query, None).await? {
        tracing::info!("the bind account does not see which {} changed; everything is read", query.what());
        return Ok(Some(FullBecause::NoChangeFeed));
    }
    Ok((query.kind == Kind::User).then_some(FullBecause::NobodyInSight))
}

/// Somebody whom the feed calls there and no look-up finds: hidden, not gone, or gone since. A filter tells.
fn unseen<'t>(touched: &'t Touched, places: &BTreeMap<SourceId, Whereabouts>) -> Option<&'t SourceId> {
    touched.changed.iter().find(|id| !places.contains_key(*id) && !touched.tombstones.contains(*id))
}

/// The names of what was touched, on their way to the control plane.
struct Names<'r, 'a> {
    run: &'r mut Run<'a>,
    seq: u32,
}

impl Names<'_, '_> {
    /// Says that the feed is of no use this time.
    async fn give_up(&mut self, because: FullBecause) -> Result<(), AgentError> {
        let batch = TouchedBatch { full_because: Some(because), ..TouchedBatch::default() };
        self.put(batch).await.map(drop)
    }

    /// Says how many were named: more than fit into a batch may be more than are worth being looked for one by one.
    async fn announce(&mut self, names: usize, sweep: bool) -> Result<Mode, AgentError> {
        if names <= NAMES_PER_BATCH {
            return Ok(Mode::Delta);
        }
        let total = Some(names as u64);
        self.put(TouchedBatch { total, sweep, ..TouchedBatch::default() }).await
    }

    /// Says that what was named was read and sent: what lost a value or all members looks like a lost read right.
    async fn ask_whether_believed(&mut self, sweep: bool) -> Result<Mode, AgentError> {
        self.put(TouchedBatch { sweep, read: true, ..TouchedBatch::default() }).await
    }

    /// Sends what the feed named; says whether the run is still a delta.
    async fn send(
        &mut self,
        touched: &Touched,
        ids: &[SourceId],
        places: &BTreeMap<SourceId, Whereabouts>,
    ) -> Result<Mode, AgentError> {
        let sweep = touched.present.is_some();
        if touched.strangers {
            let batch = TouchedBatch { sweep, strangers: true, ..TouchedBatch::default() };
            if self.put(batch).await? == Mode::Full {
                return Ok(Mode::Full);
            }
        }
        for ids in ids.chunks(NAMES_PER_BATCH) {
            let objects = ids.iter().map(|id| TouchedObject {
                source_id: id.to_string(),
                place: places.get(id).cloned(),
                removed: touched.removed.contains(id),
                tombstone: touched.tombstones.contains(id),
            });
            let batch = TouchedBatch { objects: objects.collect(), sweep, ..TouchedBatch::default() };
            if self.put(batch).await? == Mode::Full {
                return Ok(Mode::Full);
            }
        }
        let Some(present) = &touched.present else { return Ok(Mode::Delta) };
        let mut present = present.iter().map(String::from).peekable();
        // One at least, even an empty one: that nothing is there any more has to be said as well.
        loop {
            let present_now = present.by_ref().take(NAMES_PER_BATCH).collect();
            let batch = TouchedBatch { sweep, present: present_now, ..TouchedBatch::default() };
            if self.put(batch).await? == Mode::Full {
                return Ok(Mode::Full);
            }
            if present.peek().is_none() {
                return Ok(Mode::Delta);
            }
        }
    }

    async fn put(&mut self, batch: TouchedBatch) -> Result<Mode, AgentError> {
        let batch = TouchedBatch { seq: self.seq, ..batch };
        let noted = self.run.control_plane.touched(&self.run.opened.run_id, &batch).await?;
        self.run.lease.heard();
        self.seq += 1;
        if let Some(because) = noted.full_because {
            tracing::info!("the control plane wants a full run: {because}");
            self.run.opened.full_because = Some(because);
        }
        self.run.opened.mode = noted.mode;
        Ok(noted.mode)
    }
}

fn goes_on_from(feed: Feed, mark: &Mark) -> bool {
    mark.kind == feed.mark_kind()
}

fn full_because(lost: Lost) -> FullBecause {
    match lost {
        Lost::RefreshRequired
        | Lost::MarkNotUnderstood
        | Lost::WentBack
        | Lost::Restarted
        | Lost::Forgotten
        | Lost::Limit => FullBecause::FeedLostPlace,
        Lost::TooMuch => FullBecause::TooMuchTouched,
        Lost::Nameless | Lost::OutOfSight => FullBecause::RightsInDoubt,
        Lost::NotOffered | Lost::NotAllowed | Lost::NumbersHidden | Lost::NotLetIn | Lost::NoTimes => {
            FullBecause::NoChangeFeed
        }
    }
}
