//! Between bytes and messages (RFC 4511, section 4.1): `ldap3_proto` does the codec, except for two things it
//! cannot express. Filters keep their values as bytes, and controls keep their criticality.

mod controls;
mod filter;
mod request;
mod response;

pub(crate) use controls::{
    Control, DIR_SYNC, DirSyncRequest, EXTENDED_DN, ExtendedDn, PAGED_RESULTS, PagedResults, SHOW_DELETED,
};
/// What the end of a search says besides its result.
pub(crate) use ldap3_proto::control::LdapControl as EndControl;
pub(crate) use request::{Operation, Request, Search, WireError, decode};
pub(crate) use response::{
    Answer, bind, disconnection, done, encode_entry, extended, garbled_entry, plain, reference,
};
