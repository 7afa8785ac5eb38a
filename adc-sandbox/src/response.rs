//! A response as a list of steps: what is sent, where it goes wrong, how it ends. Decided at once, sent as
//! the client reads.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ldap3_proto::proto::LdapPartialAttribute;

use crate::entry::Entry;
use crate::faults::Misbehaviour;
use crate::search::select;
use crate::wire::{self, Answer, EndControl, Search};

/// The rest of what an operation is answered.
#[derive(Debug)]
pub(crate) struct Response {
    /// The message id of the request.
    pub(crate) id: i32,
    steps: VecDeque<Step>,
}

/// What the connection does next.
#[derive(Debug)]
pub(crate) enum Step {
    /// A message.
    Send(Bytes),
    /// A message that is an entry of a search, and counts as one.
    SendEntry(Bytes),
    /// The connection ends here.
    Drop,
    /// From here on the connection speaks TLS.
    StartTls,
}

impl Response {
    /// A response of a few messages that are known already.
    pub(crate) fn of(id: i32, steps: impl IntoIterator<Item = Step>) -> Response {
        Response { id, steps: steps.into_iter().collect() }
    }

    /// The response to a search, with everything that was to go wrong with it.
    pub(crate) fn to_search(
        id: i32,
        search: &Search,
        max_val_range: Option<usize>,
        entries: &[Arc<Entry>],
        (answer, control): (Answer, Option<EndControl>),
        misbehaviours: &[Misbehaviour],
    ) -> Response {
        let (length, end) = ending(id, entries.len(), misbehaviours)
            .unwrap_or_else(|| (entries.len(), Some(Step::Send(wire::done(id, answer, control)))));
        let mut steps: VecDeque<Step> = entries[..length]
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let attributes = select(entry, &search.attributes, search.types_only, max_val_range);
                Step::SendEntry(message(id, entry, attributes, index + 1, misbehaviours))
            })
            .collect();
        for misbehaviour in misbehaviours {
            if let Misbehaviour::ReferAfter(after, url) = misbehaviour {
                steps.insert((*after).min(steps.len()), Step::Send(wire::reference(id, url)));
            }
        }
        steps.extend(end);
        Response { id, steps }
    }

    /// The next step; `None` when the response is complete.
    pub(crate) fn next(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }
}

/// After how many entries a response ends before its time, the earliest of several ends, and how: a stalled
/// one with nothing.
fn ending(id: i32, entries: usize, misbehaviours: &[Misbehaviour]) -> Option<(usize, Option<Step>)> {
    misbehaviours
        .iter()
        .filter_map(|misbehaviour| match misbehaviour {
            Misbehaviour::DropAfter(after) => Some((*after, Some(Step::Drop))),
            Misbehaviour::StallAfter(after) => Some((*after, None)),
            Misbehaviour::AnswerAfter(after, code, text) => {
                let answer = Answer::new(code.clone(), text.as_str());
                Some((*after, Some(Step::Send(wire::done(id, answer, None)))))
            }
            _ => None,
        })
        .map(|(after, step)| (after.min(entries), step))
        .min_by_key(|(after, _)| *after)
}

/// The message of the n-th entry, spoiled where a misbehaviour names it.
fn message(
    id: i32,
    entry: &Entry,
    mut attributes: Vec<LdapPartialAttribute>,
    number: usize,
    misbehaviours: &[Misbehaviour],
) -> Bytes {
    let mut dn = entry.dn.clone().into_bytes();
    for misbehaviour in misbehaviours {
        match misbehaviour {
            Misbehaviour::DnNotUtf8(spoiled) if *spoiled == number => dn.push(NEVER_IN_UTF8),
            Misbehaviour::ValueNotUtf8(spoiled, name) if *spoiled == number => attributes
                .iter_mut()
                .filter(|attribute| attribute.atype.eq_ignore_ascii_case(name))
                .flat_map(|attribute| &mut attribute.vals)
                .for_each(|value| value.push(NEVER_IN_UTF8)),
            Misbehaviour::Without(name) => attributes.retain(|attribute| !attribute.atype.starts_with(name)),
            Misbehaviour::CutValues(count) => {
                for attribute in &mut attributes {
                    attribute.vals.truncate(*count);
                }
            }
            _ => {}
        }
    }
    let message = wire::encode_entry(id, &dn, attributes);
    misbehaviours.iter().fold(message, |message, misbehaviour| match misbehaviour {
        Misbehaviour::CutEntry(spoiled) if *spoiled == number => message.slice(..message.len() / 2),
        Misbehaviour::GarbleEntry(spoiled) if *spoiled == number => wire::garbled_entry(id),
        _ => message,
    })
}

/// A byte that no UTF-8 text holds.
const NEVER_IN_UTF8: u8 = 0xFF;
