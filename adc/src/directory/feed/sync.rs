//! What a content synchronization is asked for and answered with (RFC 4533 section 2), read without ever panicking.

use super::uuids::Uuid;
use crate::directory::ber::{
    BOOLEAN, ENUMERATED, Malformed, OCTET_STRING, Reader, SEQUENCE, SET, element, integer, number,
};
use crate::directory::request::{Control, SYNC_REQUEST_OID};

/// The control of every entry and reference (section 2.3).
pub(super) const STATE_OID: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// The control of the result (section 2.4).
pub(super) const DONE_OID: &str = "1.3.6.1.4.1.4203.1.9.1.3";
/// The intermediate response (section 2.5).
pub(super) const INFO_OID: &str = "1.3.6.1.4.1.4203.1.9.1.4";

/// "Say what changed, and come to an end" (section 3.3).
const REFRESH_ONLY: i32 = 1;

/// "Say what changed, and then what changes" (section 3.4).
const REFRESH_AND_PERSIST: i32 = 3;

/// What is said of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is there, and did not change.
    Present,
    /// It is new here, or has changed.
    Added,
    /// It has changed.
    Modified,
    /// It is here no longer.
    Deleted,
}

/// What is said between the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Info {
    /// Another place in the feed, of no use to us: ours is the mark that was read before.
    NewCookie,
    /// A phase that named what was removed has come to its end.
    RefreshDelete,
    /// A phase that named what is still there has come to its end.
    RefreshPresent,
    /// Many objects at once: removed, or present.
    IdSet { removed: bool, uuids: Vec<Uuid> },
}

/// "What changed since the state that this cookie stands for?" Without a hint, a server that lost its place is to say so rather
/// than to send everything.
pub(super) fn request(cookie: &[u8]) -> Control {
    in_mode(REFRESH_ONLY, cookie)
}

/// "What changed since that state, and what changes from now on?"
pub(super) fn request_and_persist(cookie: &[u8]) -> Control {
    in_mode(REFRESH_AND_PERSIST, cookie)
}

fn in_mode(mode: i32, cookie: &[u8]) -> Control {
    let value = [number(ENUMERATED, mode), element(OCTET_STRING, cookie)].concat();
    Control { oid: SYNC_REQUEST_OID, value: Some(element(SEQUENCE, &value)) }
}

/// Reads the value of a Sync State Control.
pub(super) fn state(value: &[u8]) -> Result<(State, Uuid), Malformed> {
    let mut parts = Reader::new(only(value, SEQUENCE)?);
    let state = match integer(parts.expect(ENUMERATED)?)? {
        0 => State::Present,
        1 => State::Added,
        2 => State::Modified,
        3 => State::Deleted,
        _ => return Err(Malformed),
    };
    let uuid = uuid(parts.expect(OCTET_STRING)?)?;
    Tail::read(parts)?;
    Ok((state, uuid))
}

/// Reads the value of a Sync Done Control: whether removals were named, rather than what is still there.
pub(super) fn done(value: &[u8]) -> Result<bool, Malformed> {
    let tail = Tail::read(Reader::new(only(value, SEQUENCE)?))?;
    Ok(tail.flag.unwrap_or(false))
}

/// Reads the value of a Sync Info Message.
pub(super) fn info(value: &[u8]) -> Result<Info, Malformed> {
    let mut parts = Reader::new(value);
    let info = match parts.next()?.ok_or(Malformed)? {
        (0x80, _) => Info::NewCookie,
        (0xa1, phase) => Tail::read(Reader::new(phase)).map(|_| Info::RefreshDelete)?,
        (0xa2, phase) => Tail::read(Reader::new(phase)).map(|_| Info::RefreshPresent)?,
        (0xa3, set) => {
            let tail = Tail::read(Reader::new(set))?;
            let mut set = Reader::new(tail.set.ok_or(Malformed)?);
            let mut uuids = Vec::new();
            while let Some((tag, octets)) = set.next()? {
                uuids.push(if tag == OCTET_STRING { uuid(octets)? } else { return Err(Malformed) });
            }
            Info::IdSet { removed: tail.flag.unwrap_or(false), uuids }
        }
        _ => return Err(Malformed),
    };
    if parts.next()?.is_some() { Err(Malformed) } else { Ok(info) }
}

/// What all of them end with: a cookie, a flag, a set of UUIDs, each only in some, and most of them only sometimes.
#[derive(Default)]
struct Tail<'a> {
    flag: Option<bool>,
    set: Option<&'a [u8]>,
}

impl<'a> Tail<'a> {
    fn read(mut parts: Reader<'a>) -> Result<Self, Malformed> {
        let mut tail = Self::default();
        while let Some(part) = parts.next()? {
            match part {
                (OCTET_STRING, _cookie) => {}
                (BOOLEAN, &[octet]) => tail.flag = Some(octet != 0),
                (SET, set) => tail.set = Some(set),
                _ => return Err(Malformed),
            }
        }
        Ok(tail)
    }
}

/// The content of the one element that a value is.
fn only(value: &[u8], tag: u8) -> Result<&[u8], Malformed> {
    let mut parts = Reader::new(value);
    let content = parts.expect(tag)?;
    if parts.next()?.is_some() { Err(Malformed) } else { Ok(content) }
}

fn uuid(octets: &[u8]) -> Result<Uuid, Malformed> {
    octets.try_into().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use adc_core::filter::Filter;
    use ldap3_proto::LdapCodec;
    use proptest::prelude::*;
    use tokio_util::codec::Decoder;

    use super::*;
    use crate::config::Scope;
    use crate::directory::request::{MANAGE_DSA_IT_OID, SearchRequest, search};

    const UUID: Uuid = *b"0123456789abcdef";

    fn octets(bytes: &[u8]) -> Vec<u8> {
        element(OCTET_STRING, bytes)
    }

    fn truth(value: u8) -> Vec<u8> {
        element(BOOLEAN, &[value])
    }

    fn set(uuids: &[&[u8]]) -> Vec<u8> {
        element(SET, &uuids.iter().flat_map(|uuid| octets(uuid)).collect::<Vec<u8>>())
    }

    fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
        element(SEQUENCE, &parts.concat())
    }

    #[test]
    fn the_request_is_read_by_others_as_it_is_meant() {
        let filter = Filter::present("objectClass");
        let attributes = ["1.1".to_owned()];
        let of = SearchRequest {
            base: "dc=lg",
            scope: Scope::Sub,
            filter: &filter,
            attributes: &attributes,
            page: None,
        };
        let controls = [request(b"rid=000,csn=x"), Control { oid: MANAGE_DSA_IT_OID, value: None }];
        let bytes = search(7, &of, &controls[..1]);
        let read =
            LdapCodec::new(None, None).decode(&mut bytes.as_slice().into()).expect("LDAP").expect("whole");
        insta::assert_snapshot!(format!("{:?}", read.ctrl), @r#"[LdapControl::SyncRequest { criticality: true, mode: RefreshOnly, cookie: Some("rid=000,csn=x"), reload_hint: false }]"#);
        // The other control is known to none of the libraries at hand; it has no value.
        let bytes = search(7, &of, &controls[1..]);
        let tail = [&[0xa0, 30, 0x30, 28, 4, 23][..], MANAGE_DSA_IT_OID.as_bytes(), &[1, 1, 0xff]].concat();
        assert!(bytes.ends_with(&tail), "{bytes:?}");
    }

    #[test]
    fn every_state_of_an_object_is_read_with_and_without_a_cookie() {
        for (number_of, state_of) in
            [(0, State::Present), (1, State::Added), (2, State::Modified), (3, State::Deleted)]
        {
            let mut parts = vec![number(ENUMERATED, number_of), octets(&UUID)];
            assert_eq!(state(&sequence(&parts)), Ok((state_of, UUID)));
            parts.push(octets(b"rid=000"));
            assert_eq!(state(&sequence(&parts)), Ok((state_of, UUID)));
        }
    }

    #[test]
    fn a_uuid_of_another_length_and_a_state_of_no_name_are_refused() {
        for parts in [
            vec![number(ENUMERATED, 4), octets(&UUID)],
            vec![number(ENUMERATED, -1), octets(&UUID)],
            vec![number(ENUMERATED, 1), octets(&UUID[1..])],
            vec![number(ENUMERATED, 1), octets(b"")],
            vec![number(ENUMERATED, 1)],
            vec![octets(&UUID)],
            vec![number(ENUMERATED, 1), octets(&UUID), number(ENUMERATED, 1)],
        ] {
            assert_eq!(state(&sequence(&parts)), Err(Malformed), "{parts:?}");
        }
        let sound = sequence(&[number(ENUMERATED, 1), octets(&UUID)]);
        assert_eq!(state(&[sound.clone(), sound].concat()), Err(Malformed), "one too many");
        assert_eq!(state(&[]), Err(Malformed));
    }

    #[test]
    fn what_the_end_does_not_say_is_that_removals_were_not_named() {
        for (parts, removals) in [
            (vec![], false),
            (vec![octets(b"rid=000")], false),
            (vec![octets(b"rid=000"), truth(0)], false),
            (vec![octets(b"rid=000"), truth(1)], true),
            (vec![truth(0xff)], true),
        ] {
            assert_eq!(done(&sequence(&parts)), Ok(removals), "{parts:?}");
        }
        assert_eq!(done(&[]), Err(Malformed));
        assert_eq!(done(&sequence(&[element(BOOLEAN, &[])])), Err(Malformed));
    }

    #[test]
    fn every_kind_of_info_is_read() {
        let phase = [octets(b"rid=000"), truth(0)].concat();
        let removed = [octets(b"rid=000"), truth(0xff), set(&[&UUID, &[0; 16]])].concat();
        for (bytes, meant) in [
            (element(0x80, b"rid=000"), Info::NewCookie),
            (element(0xa1, &phase), Info::RefreshDelete),
            (element(0xa1, &[]), Info::RefreshDelete),
            (element(0xa2, &phase), Info::RefreshPresent),
            (element(0xa3, &removed), Info::IdSet { removed: true, uuids: vec![UUID, [0; 16]] }),
            (element(0xa3, &set(&[&UUID])), Info::IdSet { removed: false, uuids: vec![UUID] }),
            (element(0xa3, &set(&[])), Info::IdSet { removed: false, uuids: vec![] }),
        ] {
            assert_eq!(info(&bytes), Ok(meant), "{bytes:?}");
        }
        for bytes in [
            vec![],
            element(0xa4, &[]),
            element(0xa3, &[]),
            element(0xa3, &set(&[&UUID, b"short"])),
            element(0xa3, &element(SET, &truth(1))),
            [element(0x80, b""), element(0x80, b"")].concat(),
        ] {
            assert_eq!(info(&bytes), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in 0usize..60, at in 0usize..60, flip in 1u8..) {
            let states = sequence(&[number(ENUMERATED, 1), octets(&UUID), octets(b"rid=000")]);
            let sets = element(0xa3, &[octets(b"rid=000"), truth(1), set(&[&UUID, &UUID])].concat());
            for sound in [bytes, states, sets] {
                let mut spoiled = sound.clone();
                if let Some(byte) = spoiled.get_mut(at) {
                    *byte ^= flip;
                }
                for bytes in [&sound[..], &sound[..cut.min(sound.len())], &spoiled] {
                    let _ = (state(bytes), done(bytes), info(bytes));
                }
            }
        }

        #[test]
        fn what_is_cut_off_is_never_taken_for_whole(cut in 0usize..56) {
            let whole = element(0xa3, &[octets(b"rid=000"), truth(1), set(&[&UUID, &UUID])].concat());
            prop_assume!(cut < whole.len());
            prop_assert_eq!(info(&whole[..cut]), Err(Malformed));
        }
    }
}
