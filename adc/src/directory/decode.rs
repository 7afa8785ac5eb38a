//! What a search answers with (RFC 4511 section 4.5.2), from BER to entries, without ever panicking on what came.

use adc_core::entry::Entry;
use lber::structure::{PL, StructureTag};

/// `[APPLICATION 4]`, one entry.
const SEARCH_RESULT_ENTRY: u64 = 4;
/// `[APPLICATION 19]`, a hint that part of the tree is elsewhere.
const SEARCH_RESULT_REFERENCE: u64 = 19;

/// One answer, decoded.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// An entry.
    Entry(Entry),
    /// URLs of servers that hold a part of what was searched.
    Reference(Vec<String>),
    /// Something a search may send that says nothing to us (RFC 4511 section 4.13).
    Other,
}

/// Decodes an entry, a reference or an intermediate response.
///
/// Values are taken as bytes. A DN that is not UTF-8 is an error that names it as far as it can be read: an entry
/// without a name cannot be told apart from others.
///
/// # Errors
/// A clause that says what is odd about the answer.
pub fn item(tag: StructureTag) -> Result<Decoded, String> {
    match tag.id {
        SEARCH_RESULT_ENTRY => entry(tag).map(Decoded::Entry),
        SEARCH_RESULT_REFERENCE => {
            let urls = constructed(tag, "a reference")?;
            let urls = urls.into_iter().map(|url| octets(url, "a reference's URL"));
            urls.map(|url| url.map(|url| String::from_utf8_lossy(&url).into_owned()))
                .collect::<Result<_, _>>()
                .map(Decoded::Reference)
        }
        _ => Ok(Decoded::Other),
    }
}

/// The cookie in a response's paged results control (RFC 2696): empty after the last page.
///
/// # Errors
/// A clause that says what is odd about it.
pub fn page_cookie(value: &[u8]) -> Result<Vec<u8>, String> {
    const ODD: &str = "its paged results control cannot be decoded";
    let (_, tag) = lber::parse::parse_tag(value).map_err(|_| ODD.to_owned())?;
    let mut parts = constructed(tag, ODD)?.into_iter();
    let (_size, cookie) = (parts.next().ok_or(ODD)?, parts.next().ok_or(ODD)?);
    octets(cookie, ODD)
}

fn entry(tag: StructureTag) -> Result<Entry, String> {
    let mut parts = constructed(tag, "an entry")?.into_iter();
    let dn = octets(parts.next().ok_or("an entry without a DN")?, "a DN")?;
    let dn = String::from_utf8(dn).map_err(|error| {
        format!("the DN \"{}\" is not UTF-8; rename that entry", String::from_utf8_lossy(error.as_bytes()))
    })?;
    let attributes =
        constructed(parts.next().ok_or_else(|| format!("no attributes in {dn}"))?, "attributes")?;
    let mut entry = Entry::with_capacity(dn, attributes.len());
    for attribute in attributes {
        let mut parts = constructed(attribute, "an attribute")?.into_iter();
        let name = octets(parts.next().ok_or("an attribute without a name")?, "an attribute's name")?;
        let name = String::from_utf8(name)
            .map_err(|_| format!("an attribute of {} has a name that is not UTF-8", entry.dn()))?;
        let values =
            constructed(parts.next().ok_or("an attribute without values")?, "an attribute's values")?;
        let values =
            values.into_iter().map(|value| octets(value, "a value")).collect::<Result<Vec<_>, _>>()?;
        entry.push(name, values);
    }
    Ok(entry)
}

fn constructed(tag: StructureTag, what: &str) -> Result<Vec<StructureTag>, String> {
    match tag.payload {
        PL::C(parts) => Ok(parts),
        // A sequence of nothing looks like a primitive of nothing to a reader that goes by the length.
        PL::P(bytes) if bytes.is_empty() => Ok(Vec::new()),
        PL::P(_) => Err(format!("{what} is not encoded as it must be")),
    }
}

fn octets(tag: StructureTag, what: &str) -> Result<Vec<u8>, String> {
    match tag.payload {
        PL::P(bytes) => Ok(bytes),
        PL::C(_) => Err(format!("{what} is not encoded as it must be")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lber::common::TagClass;
    use proptest::prelude::*;

    fn primitive(bytes: &[u8]) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(bytes.to_vec()) }
    }

    fn sequence(parts: Vec<StructureTag>) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 16, payload: PL::C(parts) }
    }

    fn raw_entry(dn: &[u8], attributes: &[(&[u8], &[&[u8]])]) -> StructureTag {
        let attributes = attributes
            .iter()
            .map(|(name, values)| {
                sequence(vec![primitive(name), sequence(values.iter().map(|v| primitive(v)).collect())])
            })
            .collect();
        StructureTag {
            class: TagClass::Application,
            id: SEARCH_RESULT_ENTRY,
            payload: PL::C(vec![primitive(dn), sequence(attributes)]),
        }
    }

    #[test]
    fn values_that_are_not_text_stay_bytes() {
        let raw = raw_entry(b"cn=a", &[(b"mail", &[b"\xff\xfe", b"a@lg.local"]), (b"member", &[])]);
        let Ok(Decoded::Entry(entry)) = item(raw) else { panic!("an entry") };
        assert_eq!(entry.dn(), "cn=a");
        assert_eq!(entry.values("mail"), [b"\xff\xfe".to_vec(), b"a@lg.local".to_vec()]);
        assert!(entry.values("member").is_empty());
    }

    #[test]
    fn a_dn_that_is_not_utf8_is_an_error_that_names_it() {
        let error = item(raw_entry(b"cn=Jos\xe9,dc=lg", &[])).expect_err("must be refused");
        insta::assert_snapshot!(error, @r#"the DN "cn=Jos�,dc=lg" is not UTF-8; rename that entry"#);
    }

    #[test]
    fn references_are_told_apart_from_entries() {
        let raw = StructureTag {
            class: TagClass::Application,
            id: SEARCH_RESULT_REFERENCE,
            payload: PL::C(vec![primitive(b"ldap://other/dc=x")]),
        };
        assert_eq!(item(raw), Ok(Decoded::Reference(vec!["ldap://other/dc=x".to_owned()])));
    }

    #[test]
    fn a_page_cookie_is_read_and_an_odd_one_is_an_error() {
        assert_eq!(page_cookie(&[0x30, 0x07, 2, 1, 0, 4, 2, 0xab, 0xcd]), Ok(vec![0xab, 0xcd]));
        assert_eq!(page_cookie(&[0x30, 0x05, 2, 1, 0, 4, 0]), Ok(Vec::new()));
        for odd in [&[][..], &[0x30], &[0x30, 0x03, 2, 1, 0], &[4, 1, 0], &[0x30, 7, 2, 1, 0, 0x30, 2, 4, 0]]
        {
            assert!(page_cookie(odd).is_err(), "{odd:?}");
        }
    }

    fn any_tag() -> impl Strategy<Value = StructureTag> {
        let leaf = (0u64..30, proptest::collection::vec(any::<u8>(), 0..6))
            .prop_map(|(id, bytes)| StructureTag { class: TagClass::Application, id, payload: PL::P(bytes) });
        leaf.prop_recursive(4, 24, 4, |inner| {
            (0u64..30, proptest::collection::vec(inner, 0..4)).prop_map(|(id, parts)| StructureTag {
                class: TagClass::Application,
                id,
                payload: PL::C(parts),
            })
        })
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(tag in any_tag(), bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            for id in [SEARCH_RESULT_ENTRY, SEARCH_RESULT_REFERENCE] {
                let _ = item(StructureTag { id, ..tag.clone() });
            }
            let _ = page_cookie(&bytes);
        }
    }
}
