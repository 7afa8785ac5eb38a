//! What a DirSync search is asked with and answered with (MS-ADTS 3.1.1.3.4.1.3), read without ever panicking.

use crate::directory::ber::{INTEGER, Malformed, OCTET_STRING, Reader, SEQUENCE, element, integer, number};
use crate::directory::request::{Control, DIRSYNC_OID};

/// `LDAP_DIRSYNC_OBJECT_SECURITY`: show what the bind account may read, which needs no right to replicate.
const OBJECT_SECURITY: u32 = 0x1;
/// `LDAP_DIRSYNC_INCREMENTAL_VALUES`: of a group show who joined and who left, and not everybody.
const INCREMENTAL_VALUES: u32 = 0x8000_0000;
/// The most bytes of one round: some thousand changes.
const MAX_BYTES: i32 = 1 << 20;

/// With whose eyes the server looks for changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// With those of a domain controller: the bind account may replicate.
    Replication,
    /// With those of the bind account.
    ObjectSecurity,
}

impl Rights {
    /// The better ones first.
    pub(super) const ALL: [Self; 2] = [Self::Replication, Self::ObjectSecurity];

    fn flags(self) -> u32 {
        match self {
            Self::Replication => INCREMENTAL_VALUES,
            Self::ObjectSecurity => INCREMENTAL_VALUES | OBJECT_SECURITY,
        }
    }
}

/// The end of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    /// There is more: the next round goes on from this cookie.
    pub(super) more: bool,
    /// The place after this round.
    pub(super) cookie: Vec<u8>,
}

/// "What changed since the place that this cookie stands for?" An empty one stands before everything.
pub(super) fn request(rights: Rights, cookie: &[u8]) -> Control {
    // The flags are 32 bits, of which LDAP's INTEGER makes a negative number when the highest is set.
    let flags = number(INTEGER, rights.flags().cast_signed());
    let value = [flags, number(INTEGER, MAX_BYTES), element(OCTET_STRING, cookie)].concat();
    Control { oid: DIRSYNC_OID, value: Some(element(SEQUENCE, &value)) }
}

/// Reads the value of the result's control.
pub(super) fn round(value: &[u8]) -> Result<Round, Malformed> {
    let mut whole = Reader::new(value);
    let mut parts = Reader::new(whole.expect(SEQUENCE)?);
    let more = integer(parts.expect(INTEGER)?)? != 0;
    let _unused = integer(parts.expect(INTEGER)?)?;
    let cookie = parts.expect(OCTET_STRING)?.to_vec();
    // A place that is none would be asked for as "everything" the next time.
    if cookie.is_empty() || parts.next()?.is_some() || whole.next()?.is_some() {
        return Err(Malformed);
    }
    Ok(Round { more, cookie })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The value of Samba 4.17's control, after a search that found nothing.
    const RECORDED: &str = "30740201000201000\
        46c4d53445303000000806ebbe43f7add010000000000000000280000009a0f00000000000000000000000000009a0f00000000000030ed\
        906696d2f44aad4eda22f885631a0100000000000000010000000000000030ed906696d2f44aad4eda22f885631a9a0f000000000000";

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("a byte")).collect()
    }

    fn answer(more: i32, cookie: &[u8]) -> Vec<u8> {
        let parts = [number(INTEGER, more), number(INTEGER, 0), element(OCTET_STRING, cookie)];
        element(SEQUENCE, &parts.concat())
    }

    #[test]
    fn the_flags_are_a_negative_number_and_the_control_is_critical() {
        let control = request(Rights::ObjectSecurity, b"c");
        assert_eq!(control.oid, "1.2.840.113556.1.4.841");
        let flags = [INTEGER, 4, 0x80, 0, 0, 1];
        let rest = [INTEGER, 3, 0x10, 0, 0, OCTET_STRING, 1, b'c'];
        assert_eq!(control.value, Some(element(SEQUENCE, &[&flags[..], &rest].concat())));
        let control = request(Rights::Replication, b"");
        let flags = [INTEGER, 4, 0x80, 0, 0, 0];
        let rest = [INTEGER, 3, 0x10, 0, 0, OCTET_STRING, 0];
        assert_eq!(control.value, Some(element(SEQUENCE, &[&flags[..], &rest].concat())));
    }

    #[test]
    fn a_round_says_whether_it_is_the_last_and_where_it_ended() {
        let recorded = round(&octets(RECORDED)).expect("recorded");
        assert!(!recorded.more && recorded.cookie.starts_with(b"MSDS") && recorded.cookie.len() == 108);
        for (more, says) in [(0, false), (1, true), (-1, true), (256, true)] {
            assert_eq!(round(&answer(more, b"x")), Ok(Round { more: says, cookie: b"x".to_vec() }));
        }
    }

    #[test]
    fn a_place_that_is_none_is_not_taken_for_one() {
        assert_eq!(round(&answer(0, b"")), Err(Malformed));
        assert_eq!(round(&[answer(0, b"x"), answer(0, b"x")].concat()), Err(Malformed));
        assert_eq!(round(&element(SEQUENCE, &[&answer(0, b"x")[2..], b"\x04\x00"].concat())), Err(Malformed));
        assert_eq!(round(&[]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in 0usize..118, at in 0usize..118, flip in 1u8..) {
            let _ = round(&bytes);
            let sound = octets(RECORDED);
            prop_assert_eq!(round(&sound[..cut]), Err(Malformed));
            let mut spoiled = sound;
            spoiled[at] ^= flip;
            let _ = round(&spoiled);
        }
    }
}
