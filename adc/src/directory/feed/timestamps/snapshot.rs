//! What all that is read looked like at a time: who was there, where, and when each was changed last.

use std::collections::BTreeSet;

use adc_core::entry::Entry;
use adc_core::protocol::Mark;
use adc_core::record::{Digest, Kind};
use adc_core::source_id::{IdAttribute, SourceId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, civil::DateTime};

use super::super::SECONDS;
use super::sketch::{Element, Sketch};
use super::{CHANGE_NUMBER, CHANGED_AT, MODIFY_TIMESTAMP};

/// What each value of the mark begins with.
const SKETCH: &str = "sketch=";
const LATEST: &str = "latest=";
/// The value that says that the directory's latest second had not passed for certain.
const UNDER_WAY: &str = "under-way";

/// Whatever was changed so shortly before the last change of all is read again in the next delta, where only times tell that it
/// changed: there may have been another change in the same second, or in one that came twice, because a clock was put back.
const OVERLAP: SignedDuration = SignedDuration::from_mins(1);
/// More than this are not read again for that reason alone. So many are loaded at once, not changed.
const MOST_AGAIN: usize = 10_000;

/// A picture of what is read, of a fixed size, to be compared with a later one.
#[derive(Debug)]
pub struct Snapshot {
    id: IdAttribute,
    sketch: Sketch,
    /// The time of the last change of all, as `YYYYmmddHHMMSS` in UTC.
    latest: String,
    /// Somebody is told to have changed by the time alone, which is good for seconds.
    coarse: bool,
    /// From when on those are noted who were changed, by the time alone.
    from: Option<String>,
    again: BTreeSet<SourceId>,
    /// The name of somebody who does not show when they were changed, or who they are.
    unfit: Option<String>,
}

/// The position that a snapshot leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    sketch: Sketch,
    pub(super) latest: String,
    /// Within its latest second something may have changed after it was taken.
    pub(super) under_way: bool,
}

/// What differs between two snapshots.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Whoever came, went, or is not as they were.
    pub(super) changed: BTreeSet<SourceId>,
    /// Those among them who are not there any more.
    pub(super) vanished: BTreeSet<SourceId>,
}

impl Snapshot {
    /// A picture of nobody yet. `id` is how objects are identified.
    pub fn new(id: IdAttribute) -> Self {
        Self {
            id,
            sketch: Sketch::new(),
            latest: String::new(),
            coarse: false,
            from: None,
            again: BTreeSet::new(),
            unfit: None,
        }
    }

    /// A picture that is to be compared with an earlier one.
    pub(super) fn after(id: IdAttribute, earlier: &Taken) -> Self {
        let from = before(&earlier.latest, OVERLAP).unwrap_or_default();
        Self { from: Some(from), ..Self::new(id) }
    }

    /// An entry was read, with the attributes [`CHANGED_AT`] and its identity.
    pub fn note(&mut self, kind: Kind, entry: &Entry) {
        let (Ok(id), Some(time)) = (self.id.read(entry), changed_at(entry)) else { return self.miss(entry) };
        let Some(octets) = octets(&id) else { return self.miss(entry) };
        let number = entry.text(CHANGE_NUMBER);
        self.sketch.put(&element(octets, kind, entry));
        if self.latest.as_str() < time {
            time.clone_into(&mut self.latest);
        }
        if number.is_none() {
            self.coarse = true;
            if self.from.as_deref().is_some_and(|from| from <= time) {
                self.again.insert(id);
            }
        }
    }

    /// The name of somebody who does not show what is needed, if there is such: nothing can be told then.
    pub(super) fn unfit(&self) -> Option<&str> {
        self.unfit.as_deref()
    }

    /// The mark that is this picture; `None` if nothing can be told by it.
    pub fn mark(&self) -> Option<Mark> {
        self.taken(None).map(|taken| taken.mark())
    }

    /// The position that it leaves. After `earlier` has passed for certain, what happened in its last second is known.
    pub(super) fn taken(&self, earlier: Option<&Taken>) -> Option<Taken> {
        if let Some(dn) = &self.unfit {
            tracing::info!(
                "{dn} shows no {MODIFY_TIMESTAMP}, or no {} of 128 bits: it cannot be told whether it changes",
                self.id.name()
            );
            return None;
        }
        let passed = earlier.is_some_and(|earlier| earlier.latest >= self.latest);
        let (sketch, latest) = (self.sketch.clone(), self.latest.clone());
        Some(Taken { sketch, latest, under_way: self.coarse && !passed })
    }

    /// What is not as it was; `None` if that is too much to be told.
    pub(super) fn since(&self, earlier: &Taken) -> Option<Differences> {
        let difference = Sketch::difference(&earlier.sketch, &self.sketch)?;
        (self.again.len() <= MOST_AGAIN).then_some(())?;
        let ids = |elements: &[Element]| -> BTreeSet<SourceId> {
            elements.iter().map(|element| self.named(element)).collect()
        };
        let (before, now) = (ids(&difference.before), ids(&difference.now));
        let vanished = before.difference(&now).cloned().collect();
        let changed = [before, now, self.again.clone()].into_iter().flatten().collect();
        Some(Differences { changed, vanished })
    }

    fn miss(&mut self, entry: &Entry) {
        self.unfit.get_or_insert_with(|| entry.dn().to_owned());
    }

    /// The identity that an element begins with, as it is read of an entry.
    fn named(&self, element: &Element) -> SourceId {
        let octets = element.first_chunk().expect("an element is longer than an identity");
        let id = SourceId::of_uuid(octets);
        if !self.id.name().eq_ignore_ascii_case(NS_UNIQUE_ID) {
            return id;
        }
        let digits = id.as_str().replace('-', "");
        let groups: Vec<&str> =
            (0..digits.len()).step_by(NS_GROUP).map(|at| &digits[at..at + NS_GROUP]).collect();
        SourceId::from(groups.join("-"))
    }
}

impl Taken {
    /// The position that a mark is.
    pub(super) fn read(mark: &Mark) -> Option<Self> {
        let value = |name: &str| mark.values.iter().find_map(|value| value.strip_prefix(name));
        (mark.kind == MODIFY_TIMESTAMP).then_some(())?;
        let latest = value(LATEST)?;
        (latest.is_empty() || time(latest).is_some()).then_some(())?;
        Some(Self {
            sketch: Sketch::of_octets(&STANDARD.decode(value(SKETCH)?).ok()?)?,
            latest: latest.to_owned(),
            under_way: mark.values.iter().any(|value| value == UNDER_WAY),
        })
    }

    /// The mark that is this position.
    pub(super) fn mark(&self) -> Mark {
        let mut values = vec![
            format!("{LATEST}{}", self.latest),
            format!("{SKETCH}{}", STANDARD.encode(self.sketch.to_octets())),
        ];
        values.extend(self.under_way.then(|| UNDER_WAY.to_owned()));
        values.sort_unstable();
        Mark { kind: MODIFY_TIMESTAMP.to_owned(), values }
    }
}

/// 389 Directory Server's identity: the octets of a UUID in four groups.
pub(super) const NS_UNIQUE_ID: &str = "nsUniqueId";
/// The digits of one of them.
const NS_GROUP: usize = 8;

/// Who, and a fingerprint of where they are and when they were changed.
fn element(id: [u8; 16], kind: Kind, entry: &Entry) -> Element {
    let mut text = format!("{kind}\0{}", entry.dn());
    for attribute in CHANGED_AT {
        text.push('\0');
        text.push_str(entry.text(attribute).unwrap_or_default());
    }
    let mut element = Element::default();
    let (who, stamp) = element.split_at_mut(id.len());
    who.copy_from_slice(&id);
    stamp.copy_from_slice(&Digest::of(text.as_bytes()).as_bytes()[..stamp.len()]);
    element
}

/// The octets of an identity that is a UUID, in whatever groups it is written.
fn octets(id: &SourceId) -> Option<[u8; 16]> {
    let digits: Vec<u8> = id.as_str().bytes().filter(|byte| *byte != b'-').collect();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let octets: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    octets?.try_into().ok()
}

/// When an entry was changed last, to the second: `20261122043638Z` and `20261122043638.1Z` are both known. Other zones than UTC
/// are not: no server is known to write them.
fn changed_at(entry: &Entry) -> Option<&str> {
    let text = entry.text(MODIFY_TIMESTAMP)?.strip_suffix('Z')?;
    text.get(..SECONDS).filter(|seconds| time(seconds).is_some())
}

fn time(seconds: &str) -> Option<DateTime> {
    let is_whole = seconds.len() == SECONDS && seconds.bytes().all(|byte| byte.is_ascii_digit());
    is_whole.then(|| DateTime::strptime("%Y%m%d%H%M%S", seconds).ok()).flatten()
}

/// So long before a time.
fn before(seconds: &str, duration: SignedDuration) -> Option<String> {
    let earlier = time(seconds)?.checked_sub(duration).ok()?;
    Some(earlier.strftime("%Y%m%d%H%M%S").to_string())
}

#[cfg(test)]
mod tests;
