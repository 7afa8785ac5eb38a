//! What slapd 2.5 answered, byte for byte, to a consumer that asked for changes.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::directory::response::parse;

/// Without a log: what is there, and, of that, what was added.
const PRESENT_PHASE: [&str; 3] = [
    "306d02010279688018312e332e362e312e342e312e343230332e312e392e312e34814ca34a3148041076d617f87a7d10418664d788b69dafb0041077437e4c7a7d1041868165882001dcad041076d61bc27a7d10418666d788b69dafb0041076d61b367a7d10418665d788b69dafb0",
    "3053020102641704136f753d622c64633d6c672c64633d6c6f63616c3000a03530330418312e332e362e312e342e312e343230332e312e392e312e32041730150a0101041077437e4c7a7d1041868165882001dcad",
    "306402010265070a010004000400a05630540418312e332e362e312e342e312e343230332e312e392e312e330438303604347269643d3030302c63736e3d32303236313132323035303130352e3136333735395a233030303030302330303023303030303030",
];
const THERE: [&str; 3] = [
    "76d617f8-7a7d-1041-8664-d788b69dafb0",
    "76d61b36-7a7d-1041-8665-d788b69dafb0",
    "76d61bc2-7a7d-1041-8666-d788b69dafb0",
];
const ADDED: &str = "77437e4c-7a7d-1041-8681-65882001dcad";

/// With a log: what was removed, which is what was added before, and what was added.
const DELETE_PHASE: [&str; 3] = [
    "3081a102010279819b8018312e332e362e312e342e312e343230332e312e392e312e34817fa37d04647269643d3030302c63736e3d32303236313132323035303130352e3136333735395a2330303030303023303030233030303030302c64656c63736e3d32303236313132323035303130372e3434343737365a2330303030303023303030233030303030300101ff3112041077437e4c7a7d1041868165882001dcad",
    "3053020102641704136f753d632c64633d6c672c64633d6c6f63616c3000a03530330418312e332e362e312e342e312e343230332e312e392e312e32041730150a01010410789f90aa7a7d10419c2621610513e1f9",
    "306702010265070a010004000400a05930570418312e332e362e312e342e312e343230332e312e392e312e33043b303904347269643d3030302c63736e3d32303236313132323035303130372e3434343737365a2330303030303023303030233030303030300101ff",
];
const ADDED_LATER: &str = "789f90aa-7a7d-1041-9c26-21610513e1f9";

/// Nothing changed.
const NOTHING: &str =
    "303102010265070a010004000400a02330210418312e332e362e312e342e312e343230332e312e392e312e33040530030101ff";
/// The cookie is newer than the server.
const NEWER: &str = "3032020102652d0a013504000426636f6e73756d6572207374617465206973206e65776572207468616e2070726f766964657221";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// What was said, and the end, if it came: the result, and whether removals were named.
type Said = (Content, Option<(Outcome, Option<bool>)>);

/// Everything up to the end.
fn read<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Result<Said, Malformed> {
    let (mut content, mut references) = (Content::default(), BTreeSet::new());
    for message in messages {
        let message = parse(&Bytes::copy_from_slice(message))?;
        if let Some(end) = take(&mut content, &mut references, message)? {
            return Ok((content, Some(end)));
        }
    }
    Ok((content, None))
}

fn touched(messages: &[&str]) -> Touched {
    let messages: Vec<Vec<u8>> = messages.iter().map(|hex| bytes(hex)).collect();
    let (content, end) = read(messages.iter().map(Vec::as_slice)).expect("content synchronization");
    let (outcome, named_removals) = end.expect("it ended");
    content.end(named_removals.expect("it says so"), outcome.code).expect("not too much")
}

fn texts<T: ToString>(ids: impl IntoIterator<Item = T>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

#[test]
fn a_recorded_present_phase() {
    let touched = touched(&PRESENT_PHASE);
    assert_eq!(texts(&touched.changed), [ADDED], "though slapd also calls it present");
    assert_eq!(touched.present.map(|present| texts(present.iter())), Some(texts(THERE)));
    assert!(touched.removed.is_empty());
}

#[test]
fn a_recorded_delete_phase() {
    let touched = touched(&DELETE_PHASE);
    assert_eq!((texts(&touched.changed), texts(&touched.removed)), (texts([ADDED_LATER]), texts([ADDED])));
    assert_eq!(touched.present, None);
}

#[test]
fn a_recorded_answer_that_nothing_changed() {
    assert_eq!(touched(&[NOTHING]), Touched { result_codes: vec![0], ..Touched::default() });
}

#[test]
fn a_recorded_refusal_of_a_newer_cookie() {
    let message = bytes(NEWER);
    let (_, end) = read([message.as_slice()]).expect("a result");
    let (outcome, named_removals) = end.expect("it ended");
    assert_eq!((lost(outcome.code), named_removals), (Some(Lost::MarkNotUnderstood), None));
}

#[test]
fn an_entry_without_a_state_is_no_synchronization() {
    // As a subordinate database without the overlay sends it, or a server that ignores the control.
    let plain = bytes("301c020102641704136f753d622c64633d6c672c64633d6c6f63616c3000");
    let (content, _) = read([plain.as_slice()]).expect("an entry");
    assert!(content.is_unmarked());
}

proptest! {
    #[test]
    fn what_is_cut_off_or_flipped_neither_panics_nor_ends_without_its_end(which in 0usize..6, at in any::<prop::sample::Index>(), flip in 1u8..) {
        let messages: Vec<Vec<u8>> = PRESENT_PHASE.iter().chain(&DELETE_PHASE).map(|hex| bytes(hex)).collect();
        let at = at.index(messages[which].len());
        let mut flipped = messages.clone();
        flipped[which][at] ^= flip;
        let _ = read(flipped.iter().map(Vec::as_slice)).map(|(content, _)| content.end(true, 0));
        prop_assert_eq!(read([&messages[which][..at]]).err(), Some(Malformed), "a part of a message is none");
        let unended = messages.iter().take(which % 3).map(Vec::as_slice);
        prop_assert!(read(unended).expect("sound").1.is_none());
    }
}
