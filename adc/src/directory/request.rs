//! What this program says to a directory: four requests, none of which changes anything (RFC 4511 section 4).

use adc_core::filter::Filter;

use zeroize::Zeroizing;

use super::ber::{
    BOOLEAN, ENUMERATED, INTEGER, MAX_HEADER_BYTES, OCTET_STRING, SEQUENCE, begin, element, number,
};
use crate::config::Scope;

/// The control of paged results (RFC 2696).
pub const PAGED_RESULTS_OID: &str = "1.2.840.113556.1.4.319";
/// The control of content synchronization (RFC 4533 section 2.2).
pub const SYNC_REQUEST_OID: &str = "1.3.6.1.4.1.4203.1.9.1.1";
/// The control of DirSync, Active Directory's change feed (MS-ADTS 3.1.1.3.4.1.3).
pub const DIRSYNC_OID: &str = "1.2.840.113556.1.4.841";
/// "Say what changes from now on" (MS-ADTS 3.1.1.3.4.1.9).
pub const NOTIFICATION_OID: &str = "1.2.840.113556.1.4.528";
/// "Removed objects too" (MS-ADTS 3.1.1.3.4.1.14).
pub const SHOW_DELETED_OID: &str = "1.2.840.113556.1.4.417";
/// References with the GUIDs of what they refer to (MS-ADTS 3.1.1.3.4.1.5); see [`adc_core::dn::Reference`].
pub const EXTENDED_DN_OID: &str = "1.2.840.113556.1.4.529";
/// Objects that refer to other servers are objects like others (RFC 3296 section 3).
pub const MANAGE_DSA_IT_OID: &str = "2.16.840.1.113730.3.4.2";
/// "Say why, and how long the password still lasts" (draft-behera-ldap-password-policy-10 section 6.1); the answer has the same.
pub const PASSWORD_POLICY_OID: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// The extended operation StartTLS (RFC 4511 section 4.14).
const START_TLS_OID: &str = "1.3.6.1.4.1.1466.20037";

/// The version of LDAP spoken.
const LDAP_VERSION: i32 = 3;
/// "Never": an alias could lead out of the base.
const DEREF_NEVER: i32 = 0;
/// The tag of a message's controls.
const CONTROLS: u8 = 0xa0;

/// A search (RFC 4511 section 4.5.1).
#[derive(Debug, Clone, Copy)]
pub struct SearchRequest<'a> {
    /// Where to start.
    pub base: &'a str,
    /// How deep to go.
    pub scope: Scope,
    /// Which entries.
    pub filter: &'a Filter,
    /// Which of their attributes.
    pub attributes: &'a [String],
    /// How much of the result is asked for at once; all of it where nothing is said.
    pub page: Option<Part<'a>>,
}

/// A part of what a search finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// One page of all (RFC 2696): its size, and the cookie of the page before.
    Page(u32, &'a [u8]),
    /// No more than so many entries, whichever: a server that has more says `sizeLimitExceeded` (RFC 4511 section 4.5.1.4).
    AtMost(u32),
}

/// What a request asks for beyond its operation (RFC 4511 section 4.1.11). Always critical: a server that cannot do it must
/// say so instead of doing something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    /// Which control.
    pub(super) oid: &'static str,
    /// Its value, where it has one.
    pub(super) value: Option<Vec<u8>>,
}

impl Control {
    fn encode(&self) -> Vec<u8> {
        let value = self.value.as_ref().map_or_else(Vec::new, |value| element(OCTET_STRING, value));
        element(SEQUENCE, &[text(self.oid), element(BOOLEAN, &[0xff]), value].concat())
    }
}

/// References with the GUIDs of what they refer to, in hexadecimal digits.
pub(super) const EXTENDED_DN: Control = Control { oid: EXTENDED_DN_OID, value: None };

/// A simple bind.
pub(super) fn bind(id: i32, dn: &str, password: &str) -> Vec<u8> {
    let version = number(INTEGER, LDAP_VERSION);
    message(id, &element(0x60, &[version, text(dn), element(0x80, password.as_bytes())].concat()), None)
}

/// A simple bind with somebody's password, which asks for the reason of a refusal. The password stands in no other buffer than this
/// one, which is wiped.
pub(super) fn try_password(id: i32, dn: &str, password: &str) -> Zeroizing<Vec<u8>> {
    // Not critical: a server that does not know it tries the password all the same.
    let controls = element(CONTROLS, &element(SEQUENCE, &text(PASSWORD_POLICY_OID)));
    let mut before = [number(INTEGER, LDAP_VERSION), text(dn)].concat();
    begin(&mut before, 0x80, password.len());
    let mut operation = Vec::new();
    begin(&mut operation, 0x60, before.len() + password.len());
    let head = [number(INTEGER, id), operation, before].concat();
    let length = head.len() + password.len() + controls.len();
    let mut message = Zeroizing::new(Vec::with_capacity(length + MAX_HEADER_BYTES));
    begin(&mut message, SEQUENCE, length);
    message.extend_from_slice(&head);
    message.extend_from_slice(password.as_bytes());
    message.extend_from_slice(&controls);
    message
}

/// A bind by what the connection itself proves (SASL EXTERNAL, RFC 4422 appendix A); nobody else is asked to be.
pub(super) fn bind_external(id: i32) -> Vec<u8> {
    let version = number(INTEGER, LDAP_VERSION);
    // The response comes at once, and is empty: a server that got none would ask for it.
    let credentials = element(0xa3, &[text("EXTERNAL"), text("")].concat());
    message(id, &element(0x60, &[version, text(""), credentials].concat()), None)
}

/// "Let us speak TLS from here on."
pub(super) fn start_tls(id: i32) -> Vec<u8> {
    message(id, &element(0x77, &element(0x80, START_TLS_OID.as_bytes())), None)
}

/// "I no longer want to hear the answer to `abandoned`."
pub(super) fn abandon(id: i32, abandoned: i32) -> Vec<u8> {
    message(id, &number(0x50, abandoned), None)
}

/// A search, or a page of one, with more controls than that of its page.
pub(super) fn search(id: i32, request: &SearchRequest<'_>, more: &[Control]) -> Vec<u8> {
    let scope = match request.scope {
        Scope::Base => 0,
        Scope::One => 1,
        Scope::Sub => 2,
    };
    let attributes: Vec<u8> = request.attributes.iter().flat_map(|attribute| text(attribute)).collect();
    // No limits of ours but where a sample is asked for: a limit would cut what must be whole.
    let (at_most, page) = match request.page {
        None => (0, None),
        Some(Part::AtMost(entries)) => (i32::try_from(entries).unwrap_or(i32::MAX), None),
        Some(Part::Page(size, cookie)) => (0, Some(paged_results(size, cookie))),
    };
    let body = [
        text(request.base),
        number(ENUMERATED, scope),
        number(ENUMERATED, DEREF_NEVER),
        number(INTEGER, at_most),
        number(INTEGER, 0),
        element(BOOLEAN, &[0]),
        filter(request.filter),
        element(SEQUENCE, &attributes),
    ];
    let controls: Vec<u8> = page.iter().chain(more).flat_map(Control::encode).collect();
    message(id, &element(0x63, &body.concat()), (!controls.is_empty()).then_some(controls))
}

fn message(id: i32, operation: &[u8], controls: Option<Vec<u8>>) -> Vec<u8> {
    let controls = controls.map_or_else(Vec::new, |controls| element(CONTROLS, &controls));
    element(SEQUENCE, &[&number(INTEGER, id), operation, &controls].concat())
}

fn paged_results(size: u32, cookie: &[u8]) -> Control {
    let size = number(INTEGER, i32::try_from(size).unwrap_or(i32::MAX));
    let value = element(SEQUENCE, &[size, element(OCTET_STRING, cookie)].concat());
    Control { oid: PAGED_RESULTS_OID, value: Some(value) }
}

/// A filter (RFC 4511 section 4.5.1.7).
fn filter(of: &Filter) -> Vec<u8> {
    let all = |filters: &[Filter]| filters.iter().flat_map(filter).collect::<Vec<u8>>();
    let assertion = |attribute: &str, value: &[u8]| [text(attribute), element(OCTET_STRING, value)].concat();
    match of {
        Filter::And(filters) => element(0xa0, &all(filters)),
        Filter::Or(filters) => element(0xa1, &all(filters)),
        Filter::Not(inner) => element(0xa2, &filter(inner)),
        Filter::Equality { attribute, value } => element(0xa3, &assertion(attribute, value)),
        Filter::Substrings { attribute, initial, any, last } => {
            let initial = initial.iter().map(|part| element(0x80, part));
            let any = any.iter().map(|part| element(0x81, part));
            let last = last.iter().map(|part| element(0x82, part));
            let parts: Vec<u8> = initial.chain(any).chain(last).flatten().collect();
            element(0xa4, &[text(attribute), element(SEQUENCE, &parts)].concat())
        }
        Filter::GreaterOrEqual { attribute, value } => element(0xa5, &assertion(attribute, value)),
        Filter::LessOrEqual { attribute, value } => element(0xa6, &assertion(attribute, value)),
        Filter::Present { attribute } => element(0x87, attribute.as_bytes()),
        Filter::Approx { attribute, value } => element(0xa8, &assertion(attribute, value)),
        Filter::Extensible { attribute, dn_attributes, rule, value } => {
            let rule = rule.iter().map(|rule| element(0x81, rule.as_bytes()));
            let attribute = attribute.iter().map(|attribute| element(0x82, attribute.as_bytes()));
            let value = std::iter::once(element(0x83, value));
            let dn_attributes = dn_attributes.then(|| element(0x84, &[0xff])).into_iter();
            element(
                0xa9,
                &rule.chain(attribute).chain(value).chain(dn_attributes).flatten().collect::<Vec<u8>>(),
            )
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    element(OCTET_STRING, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3_proto::LdapCodec;
    use ldap3_proto::proto::{LdapFilter, LdapMsg, LdapOp};
    use tokio_util::codec::Decoder;

    /// What another implementation of the protocol reads.
    fn read(bytes: &[u8]) -> LdapMsg {
        LdapCodec::new(None, None).decode(&mut bytes.into()).expect("LDAP").expect("whole")
    }

    fn read_filter(text: &str) -> LdapFilter {
        let filter: Filter = text.parse().expect(text);
        let request = SearchRequest {
            base: "dc=lg",
            scope: Scope::One,
            filter: &filter,
            attributes: &["cn".to_owned()],
            page: None,
        };
        match read(&search(7, &request, &[])).op {
            LdapOp::SearchRequest(search) => search.filter,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_are_read_by_others_as_they_are_meant() {
        let filter = "(uid=jane)".parse().expect("parses");
        let attributes = ["cn".to_owned(), "mail".to_owned()];
        let page = Some(Part::Page(1_000, &b"cookie"[..]));
        let request = SearchRequest {
            base: "dc=lg,dc=local",
            scope: Scope::Sub,
            filter: &filter,
            attributes: &attributes,
            page,
        };
        let said: Vec<String> = [
            bind(1, "cn=a", "secret"),
            bind_external(1),
            start_tls(2),
            search(300, &request, &[]),
            search(301, &SearchRequest { page: Some(Part::AtMost(10)), ..request }, &[]),
            abandon(4, 300),
        ]
        .iter()
        .map(|bytes| format!("{:?}", read(bytes)))
        .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn every_kind_of_filter_is_read_by_others_as_it_is_meant() {
        let read: Vec<String> = [
            "(&(objectClass=person)(!(mail=*)))",
            "(|(cn=J*n*e)(cn=*e)(cn=J*))",
            "(uidNumber>=1000)",
            "(uidNumber<=1000)",
            "(userAccountControl:1.2.840.113556.1.4.803:=2)",
            "(ou:dn:=people)",
            r"(cn=a\2ab)",
        ]
        .iter()
        .map(|text| format!("{text}  {:?}", read_filter(text)))
        .collect();
        insta::assert_snapshot!(read.join("\n"));
    }

    #[test]
    fn a_password_that_is_tried_is_read_by_others_as_it_is_meant() {
        for length in [1, 100, 200, 1_000] {
            let password = "p".repeat(length);
            let bytes = try_password(7, "cn=jane,dc=lg", &password);
            assert_eq!(bytes.capacity() - bytes.len(), MAX_HEADER_BYTES - (bytes.len() - inner(&bytes)));
            let read = read(&bytes);
            let LdapOp::BindRequest(bind) = read.op else { panic!("{:?}", read.op) };
            assert_eq!((read.msgid, bind.dn.as_str()), (7, "cn=jane,dc=lg"));
            assert_eq!(bind.cred, ldap3_proto::proto::LdapBindCred::Simple(password));
        }
    }

    /// How many bytes stand in the outermost element.
    fn inner(bytes: &[u8]) -> usize {
        let mut message = crate::directory::ber::Reader::new(bytes);
        message.expect(SEQUENCE).expect("a message").len()
    }

    #[test]
    fn a_value_of_bytes_is_sent_as_bytes() {
        let of: Filter = r"(objectGUID=\52\00\ff)".parse().expect("parses");
        assert_eq!(filter(&of), [&[0xa3, 17, 4, 10][..], b"objectGUID", &[4, 3, 0x52, 0, 0xff]].concat());
    }
}
