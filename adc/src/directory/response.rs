//! What a directory answers (RFC 4511 section 4), read without ever panicking on what came.

use adc_core::dn::without_guid;
use adc_core::entry::{Attribute, Entry};
use adc_core::protocol::MEMBERS_PER_PART;
use bytes::Bytes;

use super::ber::{ENUMERATED, INTEGER, Malformed, OCTET_STRING, Reader, SEQUENCE, SET, integer};
use super::error::{DirectoryError, Failure};
use super::outcome::Outcome;
use super::parts::{MEMBER, is_part};
use super::request::PAGED_RESULTS_OID;
use crate::packed::Packed;

/// The tag of a result's referral.
const REFERRAL: u8 = 0xa3;
/// The tag of a message's controls.
const CONTROLS: u8 = 0xa0;
/// The tag of an intermediate response's name.
const RESPONSE_NAME: u8 = 0x80;
/// The tag of an intermediate response's value.
const RESPONSE_VALUE: u8 = 0x81;

/// A message of the server.
#[derive(Debug)]
pub(super) struct Message {
    /// The request it answers; 0 for what nobody asked (RFC 4511 section 4.4).
    pub(super) id: i64,
    /// What it says.
    pub(super) response: Response,
    /// The cookie of its paged results control, if it has one: empty after the last page.
    pub(super) cookie: Option<Vec<u8>>,
    /// All of its controls as they came, for [`control`].
    pub(super) controls: Bytes,
}

/// What a message says.
#[derive(Debug)]
pub(super) enum Response {
    /// One entry of a search.
    Entry(RawEntry),
    /// URLs of servers that hold a part of what was searched.
    Reference(Vec<String>),
    /// The end of an operation: of a search, a bind, or an extended one.
    Result(Outcome),
    /// Something said between the entries (RFC 4511 section 4.13).
    Intermediate {
        /// What it is, as the text of an OID.
        oid: Bytes,
        /// What it says.
        value: Bytes,
    },
    /// Something that says nothing to us.
    Other,
}

/// An entry as it came: whoever needs it decodes it, on a thread of its own choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    AsItCame(Bytes),
    /// It came in parts, or without members that it has: these are apart.
    PutTogether(Entry, Vec<Packed>),
}

impl RawEntry {
    /// An entry that was put together from several answers, and members beside those that it has.
    pub(super) fn put_together(entry: Entry, members: Vec<Packed>) -> Self {
        Self(Form::PutTogether(entry, members))
    }

    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        match &self.0 {
            Form::AsItCame(bytes) => bytes.len(),
            Form::PutTogether(entry, members) => {
                let values = entry.attributes().iter().flat_map(|attribute| &attribute.values).map(Vec::len);
                values.chain(members.iter().map(Packed::size)).sum()
            }
        }
    }

    /// Its name, as far as it can be read.
    pub(super) fn dn(&self) -> Option<&str> {
        match &self.0 {
            Form::AsItCame(bytes) => {
                std::str::from_utf8(Reader::new(bytes).expect(OCTET_STRING).ok()?).ok().map(without_guid)
            }
            Form::PutTogether(entry, _) => Some(entry.dn()),
        }
    }

    /// Whether an attribute, which is given its description and the first of its values, is one that `wanted` looks for.
    pub(super) fn has(&self, wanted: impl Fn(&str, &[u8]) -> bool) -> bool {
        let Form::AsItCame(bytes) = &self.0 else { return false };
        let mut parts = Reader::new(bytes);
        let attributes = parts.expect(OCTET_STRING).and_then(|_| parts.expect(SEQUENCE));
        // What cannot be read is nobody's wish; decoding it will say what is wrong.
        let mut attributes = Reader::new(attributes.unwrap_or_default());
        std::iter::from_fn(|| attributes.next().ok().flatten()).any(|(_, attribute)| {
            let mut parts = Reader::new(attribute);
            let (Ok(name), Ok(set)) = (parts.expect(OCTET_STRING), parts.expect(SET)) else { return false };
            let first = Reader::new(set).expect(OCTET_STRING).unwrap_or_default();
            std::str::from_utf8(name).is_ok_and(|name| wanted(name, first))
        })
    }

    /// The entry. Values are taken as bytes.
    ///
    /// # Errors
    /// A DN that is not UTF-8 is named as far as it can be read, for an entry without a name cannot be told apart from
    /// others; a list given in parts is not taken for whole; bytes that are no entry are none.
    pub fn decode(self) -> Result<Entry, DirectoryError> {
        let entry = self.decode_partial()?;
        match entry.attributes().iter().find(|attribute| is_part(&attribute.name)) {
            None => Ok(entry),
            Some(part) => Err(unreadable(&format!(
                "only a part of the values of {} was given ({}), by a directory that does not say it is Active Directory; raise its limit of values",
                entry.dn(),
                part.name
            ))),
        }
    }

    /// As [`Self::decode`], but a list may have come in part: whoever asks for this reads the rest.
    ///
    /// # Errors
    /// See [`Self::decode`].
    pub(super) fn decode_partial(self) -> Result<Entry, DirectoryError> {
        match self.0 {
            Form::AsItCame(bytes) => Self::read(&bytes).map_err(|clause| unreadable(&clause)),
            Form::PutTogether(entry, members) if members.is_empty() => Ok(entry),
            Form::PutTogether(mut entry, members) => {
                let members = members.iter().flat_map(Packed::values);
                let attributes = entry.attributes_mut();
                match attributes.iter_mut().find(|attribute| attribute.name.eq_ignore_ascii_case(MEMBER)) {
                    Some(listed) => listed.values.extend(members),
                    None => attributes.push(Attribute { name: MEMBER.to_owned(), values: members.collect() }),
                }
                Ok(entry)
            }
        }
    }

    /// As [`Self::decode`], but members that are too many to be in memory at once stay apart.
    ///
    /// # Errors
    /// See [`Self::decode`].
    pub fn decode_apart(self) -> Result<(Entry, Vec<Packed>), DirectoryError> {
        match self.0 {
            Form::PutTogether(entry, members)
                if members.iter().map(Packed::count).sum::<usize>() > MEMBERS_PER_PART =>
            {
                Ok((entry, members))
            }
            form => Ok((Self(form).decode()?, Vec::new())),
        }
    }

    fn read(bytes: &[u8]) -> Result<Entry, String> {
        let mut parts = Reader::new(bytes);
        let dn = parts.expect(OCTET_STRING).map_err(odd)?;
        let dn = std::str::from_utf8(dn).map_err(|_| {
            format!("the DN \"{}\" is not UTF-8; rename that entry", String::from_utf8_lossy(dn))
        })?;
        let mut attributes = Reader::new(parts.expect(SEQUENCE).map_err(odd)?);
        let mut entry = Entry::with_capacity(dn, TYPICAL_ATTRIBUTES);
        while let Some((SEQUENCE, attribute)) = attributes.next().map_err(odd)? {
            let mut parts = Reader::new(attribute);
            let name = parts.expect(OCTET_STRING).map_err(odd)?;
            let name = std::str::from_utf8(name)
                .map_err(|_| format!("an attribute of {dn} has a name that is not UTF-8"))?;
            entry.push(name, values(parts.expect(SET).map_err(odd)?).map_err(odd)?);
        }
        Ok(entry)
    }
}

/// What a person's entry has; more make the list grow.
const TYPICAL_ATTRIBUTES: usize = 16;

/// Reads a whole message.
///
/// # Errors
/// It is not LDAP.
pub(super) fn parse(message: &Bytes) -> Result<Message, Malformed> {
    let mut parts = Reader::new(Reader::new(message).expect(SEQUENCE)?);
    let id = integer(parts.expect(INTEGER)?)?;
    let (tag, body) = parts.next()?.ok_or(Malformed)?;
    let response = match tag {
        0x64 => Response::Entry(RawEntry(Form::AsItCame(message.slice_ref(body)))),
        0x73 => Response::Reference(texts(body)?),
        0x61 | 0x65 | 0x78 => Response::Result(outcome(body)?),
        0x79 => intermediate(message, body)?,
        _ => Response::Other,
    };
    let (mut cookie, mut controls) = (None, Bytes::new());
    // Active Directory puts a stray element behind its notice of disconnection: what is not known is passed over.
    while let Some((tag, content)) = parts.next()? {
        if tag == CONTROLS {
            cookie = page_cookie(content)?;
            controls = message.slice_ref(content);
        }
    }
    Ok(Message { id, response, cookie, controls })
}

/// The value of one control among a message's controls (RFC 4511 section 4.1.11); `None` where it is not there.
///
/// # Errors
/// It is damaged, or has no value: none of those that are asked for goes without.
pub(super) fn control<'a>(controls: &'a [u8], oid: &str) -> Result<Option<&'a [u8]>, Malformed> {
    let mut controls = Reader::new(controls);
    while let Some((SEQUENCE, control)) = controls.next()? {
        let mut parts = Reader::new(control);
        if parts.expect(OCTET_STRING)? != oid.as_bytes() {
            continue;
        }
        // The criticality may stand in between.
        while let Some((tag, content)) = parts.next()? {
            if tag == OCTET_STRING {
                return Ok(Some(content));
            }
        }
        return Err(Malformed);
    }
    Ok(None)
}

fn intermediate(message: &Bytes, body: &[u8]) -> Result<Response, Malformed> {
    let (mut oid, mut value) = (Bytes::new(), Bytes::new());
    let mut parts = Reader::new(body);
    while let Some((tag, content)) = parts.next()? {
        match tag {
            RESPONSE_NAME => oid = message.slice_ref(content),
            RESPONSE_VALUE => value = message.slice_ref(content),
            _ => {}
        }
    }
    Ok(Response::Intermediate { oid, value })
}

fn outcome(body: &[u8]) -> Result<Outcome, Malformed> {
    let mut parts = Reader::new(body);
    let code = u32::try_from(integer(parts.expect(ENUMERATED)?)?).map_err(|_| Malformed)?;
    let matched = text(parts.expect(OCTET_STRING)?);
    let message = text(parts.expect(OCTET_STRING)?);
    let mut referrals = Vec::new();
    while let Some((tag, content)) = parts.next()? {
        if tag == REFERRAL {
            referrals = texts(content)?;
        }
    }
    Ok(Outcome { code, matched, text: message, referrals })
}

/// The cookie of the paged results control among a message's controls (RFC 2696).
fn page_cookie(controls: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let Some(value) = control(controls, PAGED_RESULTS_OID)? else { return Ok(None) };
    let mut value = Reader::new(Reader::new(value).expect(SEQUENCE)?);
    let _size = value.expect(INTEGER)?;
    value.expect(OCTET_STRING).map(|cookie| Some(cookie.to_vec()))
}

fn values(set: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut values = Vec::new();
    let mut set = Reader::new(set);
    while let Some((tag, value)) = set.next()? {
        if tag != OCTET_STRING {
            return Err(Malformed);
        }
        values.push(value.to_vec());
    }
    Ok(values)
}

fn texts(sequence: &[u8]) -> Result<Vec<String>, Malformed> {
    values(sequence).map(|values| values.iter().map(|value| text(value)).collect())
}

/// What the server says is shown to people; what of it is not UTF-8 is shown as such.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unreadable(clause: &str) -> DirectoryError {
    DirectoryError::new(Failure::Unreadable, format!("an entry of the directory cannot be read: {clause}"))
}

fn odd(_: Malformed) -> String {
    "it is not encoded as it must be".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ber::{element, number};
    use proptest::prelude::*;

    fn octets(bytes: &[u8]) -> Vec<u8> {
        element(OCTET_STRING, bytes)
    }

    fn message(operation: &[u8], rest: &[u8]) -> Bytes {
        element(SEQUENCE, &[&number(INTEGER, 7), operation, rest].concat()).into()
    }

    fn entry_message(dn: &[u8], attributes: &[(&[u8], &[&[u8]])]) -> Bytes {
        let attributes: Vec<u8> = attributes
            .iter()
            .flat_map(|(name, values)| {
                let values: Vec<u8> = values.iter().flat_map(|value| octets(value)).collect();
                element(SEQUENCE, &[octets(name), element(SET, &values)].concat())
            })
            .collect();
        message(&element(0x64, &[octets(dn), element(SEQUENCE, &attributes)].concat()), &[])
    }

    fn decoded(message: &Bytes) -> Result<Entry, DirectoryError> {
        match parse(message).expect("a message").response {
            Response::Entry(raw) => raw.decode(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_that_are_not_text_stay_bytes() {
        let entry =
            decoded(&entry_message(b"cn=a", &[(b"mail", &[b"\xff\xfe", b"a@lg.local"]), (b"member", &[])]));
        let entry = entry.expect("an entry");
        assert_eq!(entry.dn(), "cn=a");
        assert_eq!(entry.values("mail"), [b"\xff\xfe".to_vec(), b"a@lg.local".to_vec()]);
        assert!(entry.values("member").is_empty());
    }

    #[test]
    fn a_dn_that_is_not_utf8_is_an_error_that_names_it() {
        let error = decoded(&entry_message(b"cn=Jos\xe9,dc=lg", &[])).expect_err("must be refused");
        insta::assert_snapshot!(error, @r#"an entry of the directory cannot be read: the DN "cn=Jos�,dc=lg" is not UTF-8; rename that entry"#);
    }

    #[test]
    fn part_of_a_list_is_never_taken_for_the_list() {
        let raw = entry_message(b"cn=all,dc=lg", &[(b"member", &[]), (b"member;Range=0-1499", &[b"cn=a"])]);
        let error = decoded(&raw).expect_err("must be refused");
        assert!(error.message.contains("member;Range=0-1499"), "{error}");
    }

    #[test]
    fn a_result_has_code_words_and_referrals() {
        let urls = element(REFERRAL, &octets(b"ldap://other/dc=x"));
        let body = [number(ENUMERATED, 10), octets(b"dc=x"), octets(b"over there"), urls].concat();
        let Response::Result(outcome) =
            parse(&message(&element(0x65, &body), &[])).expect("a message").response
        else {
            panic!("a result")
        };
        assert_eq!(outcome.to_string(), "10 referral: over there");
        assert_eq!(
            (outcome.matched.as_str(), outcome.referrals),
            ("dc=x", vec!["ldap://other/dc=x".to_owned()])
        );
    }

    #[test]
    fn the_cookie_is_found_among_other_controls_and_behind_a_criticality() {
        let value = element(SEQUENCE, &[number(INTEGER, 0), octets(b"next")].concat());
        let other = element(SEQUENCE, &octets(b"1.2.3"));
        let paged = element(
            SEQUENCE,
            &[octets(PAGED_RESULTS_OID.as_bytes()), element(0x01, &[0]), octets(&value)].concat(),
        );
        let done = element(0x65, &[number(ENUMERATED, 0), octets(b""), octets(b"")].concat());
        let with = message(&done, &element(CONTROLS, &[other, paged].concat()));
        assert_eq!(parse(&with).expect("a message").cookie.as_deref(), Some(&b"next"[..]));
        assert_eq!(parse(&message(&done, &[])).expect("a message").cookie, None);
        let without_value = element(SEQUENCE, &octets(PAGED_RESULTS_OID.as_bytes()));
        assert!(
            parse(&message(&done, &element(CONTROLS, &without_value))).is_err(),
            "a damaged control is no last page"
        );
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), tag in 0x60u8..0x80, cut in 0usize..60) {
            let whole = entry_message(b"cn=a", &[(b"mail", &[b"a@lg.local"])]);
            let mut spoiled = whole.to_vec();
            if let Some(byte) = spoiled.get_mut(cut) {
                *byte = tag;
            }
            for bytes in [bytes.clone(), element(SEQUENCE, &[number(INTEGER, 1), element(tag, &bytes)].concat()), whole[..cut.min(whole.len())].to_vec(), spoiled] {
                if let Ok(Message { response: Response::Entry(raw), .. }) = parse(&bytes.into()) {
                    let _ = raw.decode();
                }
            }
        }
    }
}
