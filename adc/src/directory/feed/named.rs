//! What a feed names at once from a place in the future on.
//!
//! Whoever listens from there hears first of what happened before they listened, and each time of whatever bears a time to come. So the
//! mark keeps what was named when it was read, in a few letters: what is named beside that happened since.

use adc_core::protocol::Mark;
use adc_core::record::Digest;

use super::sync::{self, INFO_OID, Info, STATE_OID};
use crate::directory::ber::Malformed;
use crate::directory::response::{Message, Response, control};

/// What it is called among the values of a mark.
const NAMED: &str = "named=";

/// Tells it from the positions among the values of a mark.
pub(super) fn is_named(value: &str) -> bool {
    value.starts_with(NAMED)
}

/// What a mark keeps of what was named when it was read.
pub(super) fn named_in(mark: &Mark) -> Option<&str> {
    mark.values.iter().map(String::as_str).find(|value| is_named(value))
}

/// What was named so far, in whatever order.
#[derive(Debug, Default)]
pub(super) struct Named(u128);

/// What a message means for what is named at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// More may come.
    More,
    /// That was all.
    All,
    /// An entry came as any search shows it: this is no feed.
    Unmarked,
}

impl Named {
    /// Adds a message.
    pub(super) fn note(&mut self, message: Message) -> Result<Heard, Malformed> {
        match message.response {
            Response::Entry(entry) => {
                let Some(value) = control(&message.controls, STATE_OID)? else { return Ok(Heard::Unmarked) };
                let (state, uuid) = sync::state(value)?;
                // Its change number is the one attribute that is asked for.
                let shown = entry.decode_partial().map_err(|_| Malformed)?;
                self.add(&format!("{uuid:?} {} {:?}", state == sync::State::Deleted, shown.attributes()));
            }
            Response::Intermediate { oid, value } if oid == INFO_OID.as_bytes() => {
                match sync::info(&value)? {
                    Info::IdSet { removed, uuids } => {
                        for uuid in uuids {
                            self.add(&format!("{uuid:?} {removed}"));
                        }
                    }
                    Info::RefreshDelete | Info::RefreshPresent => return Ok(Heard::All),
                    Info::NewCookie => {}
                }
            }
            _ => {}
        }
        Ok(Heard::More)
    }

    fn add(&mut self, word: &str) {
        self.0 = self.0.wrapping_add(u128::from_be_bytes(*Digest::of(word.as_bytes()).as_bytes()));
    }

    /// As it is kept in a mark.
    pub(super) fn text(&self) -> String {
        format!("{NAMED}{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::directory::ber::{BOOLEAN, OCTET_STRING, SET, element};

    fn told(value: Vec<u8>) -> Message {
        let response =
            Response::Intermediate { oid: Bytes::from_static(INFO_OID.as_bytes()), value: value.into() };
        Message { id: 1, response, cookie: None, controls: Bytes::new() }
    }

    fn ids(removed: bool, uuids: &[u8]) -> Message {
        let set: Vec<u8> = uuids.iter().flat_map(|uuid| element(OCTET_STRING, &[*uuid; 16])).collect();
        let flag = element(BOOLEAN, &[if removed { 0xff } else { 0 }]);
        told(element(0xa3, &[flag, element(SET, &set)].concat()))
    }

    fn text(messages: Vec<Message>) -> String {
        let mut named = Named::default();
        for message in messages {
            assert_eq!(named.note(message).expect("it makes sense"), Heard::More);
        }
        named.text()
    }

    #[test]
    fn what_is_named_again_in_another_order_is_no_news_and_another_leaver_is() {
        let before = text(vec![ids(true, &[1, 2]), ids(true, &[3])]);
        assert_eq!(text(vec![ids(true, &[3, 2]), ids(true, &[1])]), before);
        assert_ne!(text(vec![ids(true, &[1, 2, 3, 4])]), before);
        assert_ne!(text(vec![ids(false, &[1, 2, 3])]), before);
        assert!(is_named(&before) && is_named(&text(vec![])));
    }

    #[test]
    fn a_phase_that_ends_was_all() {
        for phase in [0xa1, 0xa2] {
            assert_eq!(Named::default().note(told(element(phase, &[]))), Ok(Heard::All));
        }
    }
}
