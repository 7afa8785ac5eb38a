//! What a run has seen: which objects of the mirror, which of them unchanged, which are wanted, which are missing.
//!
//! A full run expects to see the whole mirror, and a delta what its change feed named. Memory grows with that, by some 50
//! bytes an object.

use crate::store::{Channel, Expected, Run, Store};
use adc_core::{
    dn::DnKey,
    protocol::{DigestBatch, Mode, TouchedBatch},
    record::{Digest, Kind},
};
use anyhow::Context;
use std::collections::BTreeSet;

/// The state of every object a run expects or was told of.
#[derive(Default)]
pub(super) struct Sight {
    objects: Objects,
    /// The whole mirror is expected.
    all: bool,
    /// Something was touched, or may have been, that is not in scope as far as the mirror knows, and that others may refer to.
    strangers: bool,
    /// How many objects a change feed named.
    touched: u64,
    /// Containers in which the mirror has nobody who was not looked at.
    exhausted: BTreeSet<(Kind, DnKey)>,
    /// Places whose referrers by a field are among those to be seen.
    pub(super) referred_to: BTreeSet<DnKey>,
}

type Key = (Kind, Digest);

#[expect(clippy::disallowed_types, reason = "sorted before it is shown; looked up for every object of a run")]
type Objects = std::collections::HashMap<Key, Seen>;

struct Seen {
    source_id: Box<str>,
    digest: Option<Digest>,
    state: State,
    /// The run was told to look for it: by the mirror of which it has to see all, or by the change feed.
    named: bool,
    /// The change feed says that something happened to it: that it is there, which may be said of it as well, is not enough.
    touched: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the mirror, or rather in what the run has to see of it, and not seen yet.
    Expected,
    /// The change feed says that it is there and was not touched.
    There,
    /// Seen, with the digest the mirror has.
    Unchanged,
    /// Seen, and its record was asked for.
    Wanted,
    /// Its record, or the proof of its absence, has come.
    Staged,
    /// Seen unchanged, and then once more: the record of the other one was asked for.
    Twice,
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
        let mut sight = Self::default();
        match run.mode {
            Mode::Full => sight.expect_all(store, run).await?,
            Mode::Delta => {
                for absent in store.absent_and_unsettled(run).await? {
                    sight.expect(absent);
                }
                for batch in store.named::<TouchedBatch>(&run.id, Channel::Touched).await? {
                    sight.touch(store, run, &batch).await?;
                }
            }
        }
        for batch in store.named::<DigestBatch>(&run.id, Channel::Digests).await? {
            for (source_id, digest) in &batch.items {
                sight.look(batch.kind, source_id, *digest);
            }
        }
        for (kind, source_id) in store.staged_ids(&run.id).await? {
            sight.stage(kind, &source_id);
        }
        for (kind, source_id) in store.unchanged_ids(&run.id).await? {
            sight.entry(kind, &source_id).state = State::Unchanged;
        }
        Ok(sight)
    }

    /// Notes what a change feed named: what the mirror knows of it has to be seen.
    pub(super) async fn touch(
        &mut self,
        store: &Store,
        run: &Run,
        batch: &TouchedBatch,
    ) -> anyhow::Result<()> {
        if batch.sweep && !self.all {
            self.expect_all(store, run).await?;
        }
        let touched: Vec<&str> = batch.objects.iter().map(|object| object.source_id.as_str()).collect();
        // What is out of scope is not looked at, as little as in a full run. But references to it lead nowhere, and change with it.
        let mut strangers: BTreeSet<&str> = batch
            .objects
            .iter()
            .filter(|object| object.place.as_ref().is_none_or(|place| !place.new))
            .map(|object| object.source_id.as_str())
            .collect();
        for known in store.known(run, &touched).await? {
            if known.expected.digest.is_some() {
                strangers.remove(known.expected.source_id.as_str());
                self.expect_touched(known.expected);
            }
        }
        self.touched += batch.objects.len() as u64;
        self.strangers |= batch.sweep || batch.strangers || !strangers.is_empty();
        for source_id in &batch.present {
            for kind in Kind::ALL {
                if let Some(seen) = self.objects.get_mut(&key(kind, source_id))
                    // What was touched, or absent when last seen, is looked at again, wherever it is now.
                    && (seen.state, seen.digest.is_some(), seen.touched) == (State::Expected, true, false)
                {
                    seen.state = State::There;
                }
            }
        }
        Ok(())
    }

    /// How many objects the change feed named until now.
    pub(super) fn touched(&self) -> u64 {
        self.touched
    }

    /// Whether references that lead nowhere may have changed without a word.
    pub(super) fn strangers_were_touched(&self) -> bool {
        self.strangers
    }

    /// Expects whom nobody named all the same, unless they were read already; whether there is any such.
    pub(super) fn expect_unnamed(&mut self, others: Vec<Expected>) -> bool {
        let mut any = false;
        for other in others {
            if !self.has_seen(&other) {
                let (kind, source_id, digest) = (other.kind, other.source_id.into(), other.digest);
                let seen = Seen { source_id, digest, state: State::Expected, named: false, touched: false };
                self.objects.insert(key(kind, &seen.source_id), seen);
                any = true;
            }
        }
        any
    }

    /// Expects the whole mirror.
    async fn expect_all(&mut self, store: &Store, run: &Run) -> anyhow::Result<()> {
        store
            .expected(run, |expected| _ = self.expect(expected))
            .await
            .context("reading the mirror's digests")?;
        self.all = true;
        Ok(())
    }

    /// Expects an object that was touched, unless it was seen already: also where it was said to be there.
    fn expect_touched(&mut self, expected: Expected) {
        let seen = self.expect(expected);
        seen.touched = true;
        if seen.state == State::There {
            seen.state = State::Expected;
        }
    }

    /// Expects an object, unless it was seen already.
    fn expect(&mut self, expected: Expected) -> &mut Seen {
        let Expected { kind, source_id, digest } = expected;
        let (source_id, state) = (source_id.into(), State::Expected);
        let seen = Seen { source_id, digest, state, named: true, touched: false };
        self.objects.entry(key(kind, &seen.source_id)).or_insert(seen)
    }

    /// Notes that an object was seen with this digest, and says what that calls for.
    pub(super) fn look(&mut self, kind: Kind, source_id: &str, digest: Digest) -> Verdict {
        let seen = self.entry(kind, source_id);
        if !matches!(seen.state, State::Expected | State::There) {
            if seen.state == State::Unchanged {
                seen.state = State::Twice;
            }
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

    /// Whether the object came before, so that a record that comes now is of another one.
    pub(super) fn has_come(&self, kind: Kind, source_id: &str) -> bool {
        let seen = self.objects.get(&key(kind, source_id));
        seen.is_some_and(|seen| matches!(seen.state, State::Staged | State::Twice))
    }

    /// Whether the object is still missing: expected by the mirror and neither seen nor looked up.
    pub(super) fn is_missing(&self, kind: Kind, source_id: &str) -> bool {
        self.objects
            .get(&key(kind, source_id))
            .is_some_and(|seen| seen.state == State::Expected && &*seen.source_id == source_id)
    }

    /// Whether the run had been told to look for the object, before anybody else was found missing.
    pub(super) fn was_named(&self, kind: Kind, source_id: &str) -> bool {
        self.objects.get(&key(kind, source_id)).is_some_and(|seen| seen.named)
    }

    /// Whether the object was read or looked up, or is about to be.
    pub(super) fn has_seen(&self, object: &Expected) -> bool {
        let seen = self.objects.get(&key(object.kind, &object.source_id));
        seen.is_some_and(|seen| seen.state != State::There)
    }

    /// Notes that the mirror has nobody in the container who was not looked at, or is about to be.
    pub(super) fn nobody_else_in(&mut self, kind: Kind, container: DnKey) {
        self.exhausted.insert((kind, container));
    }

    /// Whether nobody is left in the container to be looked at.
    pub(super) fn is_nobody_else_in(&self, kind: Kind, container: DnKey) -> bool {
        self.exhausted.contains(&(kind, container))
    }

    /// The objects of the mirror that were not seen: the first `limit`, in order.
    pub(super) fn missing(&self, limit: usize) -> Vec<(Kind, String)> {
        self.in_state(State::Expected, limit)
    }

    /// The records that were asked for and have not come: the first `limit`, in order.
    pub(super) fn outstanding(&self, limit: usize) -> Vec<(Kind, String)> {
        let mut outstanding = self.in_state(State::Wanted, limit);
        outstanding.extend(self.in_state(State::Twice, limit));
        outstanding.truncate(limit);
        outstanding
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
        self.objects.entry(key(kind, source_id)).or_insert_with(|| Seen {
            source_id: source_id.into(),
            digest: None,
            state: State::Expected,
            named: false,
            touched: false,
        })
    }
}

fn key(kind: Kind, source_id: &str) -> Key {
    (kind, Digest::of(source_id.as_bytes()))
}
