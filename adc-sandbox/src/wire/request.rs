//! Requests, cut from the stream of bytes.

use bytes::{Buf, BytesMut};
use ldap3_lber::Err as BerError;
use ldap3_lber::common::TagClass;
use ldap3_lber::parse::{DEFAULT_MAX_BER_DEPTH, Parser};
use ldap3_lber::structure::{PL, StructureTag};
use ldap3_proto::LdapMsg;
use ldap3_proto::proto::{LdapOp, LdapSearchScope};

use super::controls::Control;
use super::filter;
use crate::filter::Filter;

/// The largest request taken. Real clients stay far below it; it keeps a broken length from filling the
/// memory.
const MAX_REQUEST_BYTES: usize = 4 << 20;

/// A message of the client.
#[derive(Debug)]
pub(crate) struct Request {
    /// Chosen by the client; every answer repeats it.
    pub(crate) id: i32,
    pub(crate) operation: Operation,
    pub(crate) controls: Vec<Control>,
}

#[derive(Debug)]
pub(crate) enum Operation {
    Search(Search),
    /// Everything but a search, as `ldap3_proto` decodes it.
    Other(LdapOp),
}

/// A search request (RFC 4511, section 4.5.1). Aliases and the time limit mean nothing to this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Search {
    pub(crate) base: String,
    pub(crate) scope: LdapSearchScope,
    /// At most this many entries; 0 is no limit.
    pub(crate) size_limit: usize,
    pub(crate) types_only: bool,
    pub(crate) filter: Filter,
    pub(crate) attributes: Vec<String>,
}

/// Why bytes are no request; the connection ends over it (RFC 4511, section 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the request is not BER")]
    NotBer,
    #[error("the request is longer than {MAX_REQUEST_BYTES} bytes")]
    TooLong,
    #[error("malformed {0}")]
    Malformed(&'static str),
    #[error("the request cannot be decoded: {0}")]
    Undecodable(String),
}

/// Takes the next request from the input; `None` when it is not all there yet.
pub(crate) fn decode(input: &mut BytesMut) -> Result<Option<Request>, WireError> {
    let (message, length) = match Parser::new(DEFAULT_MAX_BER_DEPTH).parse(input) {
        Ok((rest, message)) => (message, input.len() - rest.len()),
        Err(BerError::Incomplete(_)) if input.len() <= MAX_REQUEST_BYTES => return Ok(None),
        Err(BerError::Incomplete(_)) => return Err(WireError::TooLong),
        Err(_) => return Err(WireError::NotBer),
    };
    input.advance(length);
    request(message).map(Some)
}

/// `LDAPMessage ::= SEQUENCE { messageID, protocolOp, controls [0] OPTIONAL }`
fn request(mut message: StructureTag) -> Result<Request, WireError> {
    let PL::C(parts) = &mut message.payload else { return Err(WireError::Malformed("message")) };
    let controls = match parts.len() {
        2 => Vec::new(),
        3 => {
            parts.pop().and_then(StructureTag::expect_constructed).ok_or(WireError::Malformed("controls"))?
        }
        _ => return Err(WireError::Malformed("message")),
    };
    let controls = controls.into_iter().map(Control::decode).collect::<Result<_, _>>()?;
    let filter = take_filter(&mut parts[1])?;
    let message = LdapMsg::try_from(message).map_err(|error| WireError::Undecodable(error.to_string()))?;
    let operation = match (message.op, filter) {
        (LdapOp::SearchRequest(search), Some(filter)) => Operation::Search(Search {
            base: search.base,
            scope: search.scope,
            size_limit: usize::try_from(search.sizelimit).unwrap_or(0),
            types_only: search.typesonly,
            filter,
            attributes: search.attrs,
        }),
        (other, _) => Operation::Other(other),
    };
    Ok(Request { id: message.msgid, operation, controls })
}

/// Takes the filter out of a search request and leaves one in its place that `ldap3_proto` can decode: it
/// would refuse values that are not UTF-8, such as an `objectGUID`.
fn take_filter(operation: &mut StructureTag) -> Result<Option<Filter>, WireError> {
    const SEARCH_REQUEST: u64 = 3;
    const POSITION_OF_FILTER: usize = 6;
    if operation.class != TagClass::Application || operation.id != SEARCH_REQUEST {
        return Ok(None);
    }
    let PL::C(parts) = &mut operation.payload else { return Err(WireError::Malformed("search request")) };
    let place = parts.get_mut(POSITION_OF_FILTER).ok_or(WireError::Malformed("search request"))?;
    let any = StructureTag { class: TagClass::Context, id: 7, payload: PL::P(b"objectClass".to_vec()) };
    filter::decode(std::mem::replace(place, any)).map(Some)
}
