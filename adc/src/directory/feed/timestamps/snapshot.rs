//! What all that is read looked like at a time: who was there, where, and when each was changed last.

use std::collections::BTreeSet;

use adc_core::entry::Entry;
use adc_core::protocol::Mark;
use adc_core::record::{Digest, Kind};
use adc_core::source_id::{IdAttribute, SourceId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp, civil::DateTime};

use super::super::SECONDS;
use super::super::latest::{Before, Latest, Watched};
use super::super::plausible::{CLOCKS_DIFFER, Plausible, SECONDS_OF_TIME};
use super::sketch::{Difference, Element, Sketch};
use super::{CHANGE_NUMBER, CHANGED_AT, MODIFY_TIMESTAMP};

/// What each value of the mark begins with.
const SKETCH: &str = "sketch=";
const AGAIN: &str = "again=";
const FROM: &str = "from=";
const LATEST: &str = "latest=";

/// Whatever was changed so shortly before everything was read, or since, is read again in the next delta, where only times tell that
/// it changed: there may have been another change in the same second.
const OVERLAP: SignedDuration = CLOCKS_DIFFER;
/// More than this are not read again for that reason alone: everything is. So many are loaded at once, not changed.
const MOST_AGAIN: usize = 10_000;

/// A picture of what is read, of a fixed size, to be compared with a later one.
#[derive(Debug)]
pub struct Snapshot {
    id: IdAttribute,
    sketch: Sketch,
    /// When it was begun, by our clock.
    began: Timestamp,
    plausible: Plausible,
    /// The time of the last change of all, as `YYYYmmddHHMMSS` in UTC.
    latest: String,
    /// Somebody is told to have changed by the time alone, which is good for seconds.
    coarse: bool,
    /// From when on those are noted who were changed, by the time alone.
    from: Option<String>,
    recent: BTreeSet<SourceId>,
    /// Whoever was changed until this second has been read since it passed.
    settled: Option<String>,
    changes: Latest,
    watched: Watched,
    /// The name of somebody who does not show when they were changed, or who they are.
    unfit: Option<String>,
}

/// The position that a snapshot leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    sketch: Sketch,
    /// Who was read in the very second, perhaps, in which they were changed: they may have been changed again in it.
    again: Again,
    latest: Latest,
}

/// Who is to be read again in the next delta, though they look as they did.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Again {
    /// Those alone.
    These(BTreeSet<[u8; UUID]>),
    /// Whoever was changed since.
    Since(String),
}

/// What differs between two snapshots.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differences {
    /// Whoever came, went, or is not as they were.
    pub(super) changed: BTreeSet<SourceId>,
    /// Those among them who are not there any more.
    pub(super) vanished: BTreeSet<SourceId>,
    /// Where the next comparison goes on; `None` if nothing can be told by it.
    pub(super) taken: Option<Taken>,
}

impl Snapshot {
    /// A picture of nobody yet. `id` is how objects are identified.
    pub fn new(id: IdAttribute, began: Timestamp) -> Self {
        Self {
            id,
            sketch: Sketch::new(),
            began,
            plausible: Plausible::at(began),
            latest: String::new(),
            coarse: false,
            from: None,
            recent: BTreeSet::new(),
            settled: None,
            changes: Latest::default(),
            watched: Watched::default(),
            unfit: None,
        }
    }

    /// A picture that is to be compared with an earlier one, since which some people had left.
    pub(super) fn after(
        id: IdAttribute,
        began: Timestamp,
        earlier: &Taken,
        left: &BTreeSet<SourceId>,
    ) -> Self {
        let from = match &earlier.again {
            Again::Since(from) => Some(from.clone()),
            Again::These(_) => None,
        };
        let watched = Watched::since(&earlier.latest, left, true);
        Self { from, changes: earlier.latest.anew(), watched, ..Self::new(id, began) }
    }

    /// A picture that is taken while everything is read. `compared` says that it was to be compared with the mark of before right
    /// before, a second after that was left at least.
    pub fn instead_of(id: IdAttribute, began: Timestamp, before: Before<'_>, compared: bool) -> Self {
        let Some(earlier) = before.mark.and_then(Taken::read) else { return Self::new(id, began) };
        if !before.comparable {
            let watched = Watched::since(&earlier.latest, before.left, false);
            return Self { changes: earlier.latest.anew(), watched, ..Self::new(id, began) };
        }
        let last = earlier.latest.last().and_then(|last| last.get(..SECONDS)).unwrap_or_default();
        let settled = compared.then(|| last.to_owned());
        Self { settled, ..Self::after(id, began, &earlier, before.left) }
    }

    /// An entry was read, with the attributes `CHANGED_AT` and its identity.
    pub fn note(&mut self, kind: Kind, entry: &Entry) {
        let (Ok(id), Some(time)) = (self.id.read(entry), changed_at(entry)) else { return self.miss(entry) };
        let Some(octets) = octets(&id) else { return self.miss(entry) };
        self.sketch.put(&element(octets, kind, entry));
        let change = entry.text(CHANGE_NUMBER).unwrap_or(time);
        self.changes.note(&id, change, &self.plausible);
        self.watched.note(&id, change, &self.plausible);
        if self.latest.as_str() < time {
            time.clone_into(&mut self.latest);
        }
        if entry.text(CHANGE_NUMBER).is_none() {
            self.coarse = true;
            let is_recent = self.from.as_deref().is_some_and(|from| from <= time);
            if is_recent && !self.are_too_many_recent() {
                self.recent.insert(id);
            }
        }
    }

    /// The name of somebody who does not show what is needed, if there is such: nothing can be told then.
    pub(super) fn unfit(&self) -> Option<&str> {
        self.unfit.as_deref()
    }

    /// Whether the directory shows less than it did when the earlier mark was left: it was put back from a backup, or is a replica that
    /// has not heard of everything.
    pub fn is_older(&self) -> bool {
        self.watched.is_older()
    }

    /// Whether it shows somebody as they were before, or who had left: nobody's leaving and no lost right looks so.
    pub(super) fn shows_earlier(&self) -> bool {
        self.watched.is_any_older()
    }

    /// Whether that is proved: somebody is shown as they were before.
    pub fn is_proved_older(&self) -> bool {
        self.watched.is_proved()
    }

    /// The mark of a picture that was taken while everything was read; `None` if nothing can be told by it.
    pub fn mark(&self) -> Option<Mark> {
        // A change that our clock puts into the future says nothing about when the reading began.
        let began = self.began.strftime(SECONDS_OF_TIME).to_string();
        let settled = self.settled.as_deref().filter(|_| self.are_too_many_recent()).and_then(|settled| {
            // As many again would be read again, and again, until somebody else is changed; those of the future whoever is changed.
            let is_future = self.plausible.is_future(&self.latest);
            shifted(if is_future { &self.latest } else { settled }, ONE_SECOND)
        });
        let from =
            settled.or_else(|| shifted(began.as_str().min(&self.latest), -OVERLAP)).unwrap_or_default();
        let again = if self.coarse { Again::Since(from) } else { Again::These(BTreeSet::new()) };
        self.taken(again).map(|taken| taken.mark())
    }

    /// What is not as it was, and the position that this picture leaves; `None` if that is too much to be told.
    pub(super) fn since(&self, earlier: &Taken) -> Option<Differences> {
        let Difference { before, now } = Sketch::difference(&earlier.sketch, &self.sketch)?;
        (!self.are_too_many_recent()).then_some(())?;
        let who = |elements: &[Element]| -> BTreeSet<[u8; UUID]> {
            let who = elements.iter().map(|element| element.first_chunk().expect("it begins with a UUID"));
            who.copied().collect()
        };
        let (before, now) = (who(&before), who(&now));
        let named = |who: &[u8; UUID]| self.named(who);
        let again = match &earlier.again {
            Again::These(these) => these.iter().map(named).collect(),
            Again::Since(_) => self.recent.clone(),
        };
        let changed = before.union(&now).map(named).chain(again).collect();
        let vanished = before.difference(&now).map(named).collect();
        let next = if self.coarse { now } else { BTreeSet::new() };
        Some(Differences { changed, vanished, taken: self.taken(Again::These(next)) })
    }

    /// Whether anything is not as it was, or there is more than can be told.
    pub(super) fn differs_from(&self, earlier: &Taken) -> bool {
        self.sketch != earlier.sketch
    }

    fn taken(&self, again: Again) -> Option<Taken> {
        if let Some(dn) = &self.unfit {
            tracing::info!(
                "{dn} shows no {MODIFY_TIMESTAMP}, or no {} of 128 bits: it cannot be told whether it changes",
                self.id.name()
            );
            return None;
        }
        Some(Taken { sketch: self.sketch.clone(), again, latest: self.changes.clone() })
    }

    fn are_too_many_recent(&self) -> bool {
        self.recent.len() > MOST_AGAIN
    }

    fn miss(&mut self, entry: &Entry) {
        self.unfit.get_or_insert_with(|| entry.dn().to_owned());
    }

    /// An identity as it is read of an entry.
    fn named(&self, octets: &[u8; UUID]) -> SourceId {
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
        let octets = |name: &str| STANDARD.decode(value(name)?).ok();
        let again = if let Some(from) = value(FROM) {
            Again::Since(from.to_owned()).sound()?
        } else {
            let octets = octets(AGAIN)?;
            let (these, []) = octets.as_chunks::<UUID>() else { return None };
            Again::These(these.iter().copied().collect())
        };
        let latest = value(LATEST).map(Latest::read).unwrap_or_default();
        Some(Self { sketch: Sketch::of_octets(&octets(SKETCH)?)?, again, latest })
    }

    /// Whether somebody may have been changed again within a second that had not passed for certain.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(&self.again, Again::These(these) if these.is_empty())
    }

    /// The mark that is this position.
    pub(super) fn mark(&self) -> Mark {
        let again = match &self.again {
            Again::These(these) => {
                format!("{AGAIN}{}", STANDARD.encode(these.iter().flatten().copied().collect::<Vec<u8>>()))
            }
            Again::Since(from) => format!("{FROM}{from}"),
        };
        let sketch = format!("{SKETCH}{}", STANDARD.encode(self.sketch.to_octets()));
        let mut values = vec![again, format!("{LATEST}{}", self.latest.text()), sketch];
        values.sort_unstable();
        Mark { kind: MODIFY_TIMESTAMP.to_owned(), values }
    }
}

impl Again {
    /// It, if it can be compared with: where there was nobody, from the beginning of time.
    fn sound(self) -> Option<Self> {
        match &self {
            Self::Since(from) if !from.is_empty() && time(from).is_none() => None,
            _ => Some(self),
        }
    }
}

/// 389 Directory Server's identity: the octets of a UUID in four groups.
pub(super) const NS_UNIQUE_ID: &str = "nsUniqueId";
/// The digits of one of them.
const NS_GROUP: usize = 8;
/// The octets of a UUID.
const UUID: usize = 16;
/// What times are good for.
const ONE_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Who, and a fingerprint of where they are and when they were changed.
fn element(id: [u8; UUID], kind: Kind, entry: &Entry) -> Element {
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
fn octets(id: &SourceId) -> Option<[u8; UUID]> {
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
    is_whole.then(|| DateTime::strptime(SECONDS_OF_TIME, seconds).ok()).flatten()
}

/// So long after a time.
fn shifted(seconds: &str, duration: SignedDuration) -> Option<String> {
    let later = time(seconds)?.checked_add(duration).ok()?;
    Some(later.strftime(SECONDS_OF_TIME).to_string())
}

#[cfg(test)]
mod tests;
