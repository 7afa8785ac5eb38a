//! What a run has seen: which objects of the mirror, which of them unchanged, which are wanted, which are missing.
//!
//! Memory grows with the mirror, by some 50 bytes an object.

use crate::store::{Run, Store};
use adc_core::record::{Digest, Kind};
use anyhow::Context;
use std::collections::BTreeSet;

/// The state of every object a run expects or was told of.
pub(super) struct Sight {
    objects: Objects,
}

type Key = (Kind, Digest);

#[expect(clippy::disallowed_types, reason = "sorted before it is shown; looked up for every object of a run")]
type Objects = std::collections::HashMap<Key, Seen>;

struct Seen {
    source_id: Box<str>,
    digest: Option<Digest>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the mirror, and not seen by this run.
    Expected,
    /// Seen, with the digest the mirror has.
    Unchanged,
    /// Seen, and its record was asked for.
    Wanted,
    /// Its record, or the proof of its absence, has come.
    Staged,
}

/// What a digest calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The mirror has this record.
    Have,
    /// Send it.
    Want,
    /// This source id came before in this run.
    Twice,
}

impl Sight {
    /// What a run has seen so far: nothing, for a new one; after a restart, what was staged.
    pub(super) async fn of(store: &Store, run: &Run) -> anyhow::Result<Self> {
        let mut sight = Self { objects: Objects::default() };
        store
            .expected(run, |expected| {
                let key = (expected.kind, Digest::of(expected.source_id.as_bytes()));
                let seen = Seen {
                    source_id: expected.source_id.into(),
                    digest: expected.digest,
                    state: State::Expected,
                };
                sight.objects.insert(key, seen);
            })
            .await
            .context("reading the mirror's digests")?;
        for batch in store.digest_batches(&run.id).await? {
            for (source_id, digest) in &batch.items {
                sight.look(batch.kind, source_id, *digest);
            }
        }
        for (kind, source_id) in store.staged_ids(&run.id).await? {
            sight.stage(kind, &source_id);
        }
        Ok(sight)
    }

    /// Notes that an object was seen with this digest, and says what that calls for.
    pub(super) fn look(&mut self, kind: Kind, source_id: &str, digest: Digest) -> Verdict {
        let seen = self.entry(kind, source_id);
        if seen.state != State::Expected {
            return Verdict::Twice;
        }
        if seen.digest == Some(digest) {
            seen.state = State::Unchanged;
            Verdict::Have
        } else {
            seen.state = State::Wanted;
            Verdict::Want
        }
    }

    /// Notes that an object's record, or the proof of its absence, has come.
    pub(super) fn stage(&mut self, kind: Kind, source_id: &str) {
        self.entry(kind, source_id).state = State::Staged;
    }

    /// Whether the object is still missing: expected by the mirror and neither seen nor looked up.
    pub(super) fn is_missing(&self, kind: Kind, source_id: &str) -> bool {
        self.objects
            .get(&(kind, Digest::of(source_id.as_bytes())))
            .is_some_and(|seen| seen.state == State::Expected && &*seen.source_id == source_id)
    }

    /// The objects of the mirror that were not seen: the first `limit`, in order.
    pub(super) fn missing(&self, limit: usize) -> Vec<(Kind, String)> {
        self.in_state(State::Expected, limit)
    }

    /// The records that were asked for and have not come: the first `limit`, in order.
    pub(super) fn outstanding(&self, limit: usize) -> Vec<(Kind, String)> {
        self.in_state(State::Wanted, limit)
    }

    fn in_state(&self, state: State, limit: usize) -> Vec<(Kind, String)> {
        let mut first = BTreeSet::new();
        for ((kind, _), seen) in &self.objects {
            if seen.state == state {
                first.insert((*kind, &*seen.source_id));
                if first.len() > limit {
                    first.pop_last();
                }
            }
        }
        first.into_iter().map(|(kind, source_id)| (kind, source_id.to_owned())).collect()
    }

    fn entry(&mut self, kind: Kind, source_id: &str) -> &mut Seen {
        self.objects.entry((kind, Digest::of(source_id.as_bytes()))).or_insert_with(|| Seen {
            source_id: source_id.into(),
            digest: None,
            state: State::Expected,
        })
    }
}
