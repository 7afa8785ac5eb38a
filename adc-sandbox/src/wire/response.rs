//! Answers, encoded. What cannot be said well-formed (a DN that is no text) is put into the tree before it is
//! written.

use bytes::{Bytes, BytesMut};
use ldap3_lber::structure::{PL, StructureTag};
use ldap3_lber::write::encode_into;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindResponse, LdapExtendedResponse, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult,
    LdapResultCode, LdapSearchResultEntry, LdapSearchResultReference,
};

/// The result of an operation: code, how far the DN exists, and a sentence for the administrator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: LdapResultCode,
    pub(crate) matched_dn: String,
    pub(crate) message: String,
}

impl Answer {
    pub(crate) fn success() -> Answer {
        Answer::new(LdapResultCode::Success, "")
    }

    pub(crate) fn new(code: LdapResultCode, message: impl Into<String>) -> Answer {
        Answer { code, matched_dn: String::new(), message: message.into() }
    }

    fn into_result(self) -> LdapResult {
        LdapResult {
            code: self.code,
            matcheddn: self.matched_dn,
            message: self.message,
            referral: Vec::new(),
        }
    }
}

/// The notice of disconnection of RFC 4511, section 4.4.1.
const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// An answer to a bind.
pub(crate) fn bind(id: i32, answer: Answer) -> Bytes {
    encode(LdapMsg::new(
        id,
        LdapOp::BindResponse(LdapBindResponse { res: answer.into_result(), saslcreds: None }),
    ))
}

/// The end of a search, and where it goes on, if it was asked for in parts.
pub(crate) fn done(id: i32, answer: Answer, control: Option<LdapControl>) -> Bytes {
    let controls = control.into_iter().collect();
    encode(LdapMsg::new_with_ctrls(id, LdapOp::SearchResultDone(answer.into_result()), controls))
}

/// An answer to an extended request.
pub(crate) fn extended(id: i32, answer: Answer, name: Option<&str>, value: Option<Vec<u8>>) -> Bytes {
    let response = LdapExtendedResponse { res: answer.into_result(), name: name.map(str::to_owned), value };
    encode(LdapMsg::new(id, LdapOp::ExtendedResponse(response)))
}

/// The server's last word before it closes the connection.
pub(crate) fn disconnection(answer: Answer) -> Bytes {
    extended(0, answer, Some(NOTICE_OF_DISCONNECTION), None)
}

/// A search result reference among entries.
pub(crate) fn reference(id: i32, url: &str) -> Bytes {
    let reference = LdapSearchResultReference { uris: vec![url.to_owned()] };
    encode(LdapMsg::new(id, LdapOp::SearchResultReference(reference)))
}

/// An answer that is nothing but a result, such as `LdapOp::ModifyResponse`.
pub(crate) fn plain(id: i32, answer: Answer, operation: fn(LdapResult) -> LdapOp) -> Bytes {
    encode(LdapMsg::new(id, operation(answer.into_result())))
}

/// An entry. The DN is bytes because a fault may make it no text.
pub(crate) fn encode_entry(id: i32, dn: &[u8], attributes: Vec<LdapPartialAttribute>) -> Bytes {
    let entry = LdapSearchResultEntry { dn: String::new(), attributes };
    let mut message = StructureTag::from(LdapMsg::new(id, LdapOp::SearchResultEntry(entry)));
    if let Some(place) = child(&mut message, 1).and_then(|operation| child(operation, 0)) {
        place.payload = PL::P(dn.to_vec());
    }
    to_bytes(message)
}

/// An entry whose message is as long as it says, while the DN in it claims to run past its end: whole, but
/// malformed.
pub(crate) fn garbled_entry(id: i32) -> Bytes {
    const DN: &[u8] = b"cn=garbled";
    const TOO_LONG: u8 = 0x7F;
    let mut message = encode_entry(id, DN, Vec::new()).to_vec();
    let start = message.windows(DN.len()).position(|window| window == DN).expect("the message holds its DN");
    message[start - 1] = TOO_LONG;
    message.into()
}

fn encode(message: LdapMsg) -> Bytes {
    to_bytes(message.into())
}

fn child(tag: &mut StructureTag, position: usize) -> Option<&mut StructureTag> {
    match &mut tag.payload {
        PL::C(parts) => parts.get_mut(position),
        PL::P(_) => None,
    }
}

fn to_bytes(message: StructureTag) -> Bytes {
    let mut buffer = BytesMut::new();
    encode_into(&mut buffer, message).expect("writing to memory does not fail");
    buffer.freeze()
}
