//! Request controls, each decoded where it is understood (RFC 4511, section 4.1.11).

use ldap3_lber::parse::{DEFAULT_MAX_BER_DEPTH, Parser};
use ldap3_lber::structure::{PL, StructureTag};

use super::request::WireError;

/// The simple paged results control of RFC 2696.
pub(crate) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// DirSync (MS-ADTS 3.1.1.3.4.1.3).
pub(crate) const DIR_SYNC: &str = "1.2.840.113556.1.4.841";
/// To show what was removed (MS-ADTS 3.1.1.3.4.1.14).
pub(crate) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// Names with identities (MS-ADTS 3.1.1.3.4.1.5).
pub(crate) const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";

/// A control as it came, with the criticality that decides what a server may ignore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) oid: String,
    pub(crate) critical: bool,
    pub(crate) value: Vec<u8>,
}

/// `realSearchControlValue` of RFC 2696.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PagedResults {
    /// How many entries the client wants at most; 0 with a cookie gives the sequence up.
    pub(crate) size: usize,
    /// Empty in the first request.
    pub(crate) cookie: Vec<u8>,
}

/// `DirSyncRequestControlValue` of MS-ADTS 3.1.1.3.4.1.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirSyncRequest {
    /// What is asked for, and with which rights.
    pub(crate) flags: i32,
    /// Where the last round ended; empty for the beginning.
    pub(crate) cookie: Vec<u8>,
}

/// `ExtendedDNRequestValue` of MS-ADTS 3.1.1.3.4.1.5: how identities are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExtendedDn {
    /// As they are stored, in hexadecimal digits; where the control says nothing.
    Digits,
    /// As people write them.
    Text,
}

const UNIVERSAL_BOOLEAN: u64 = 1;
const UNIVERSAL_OCTET_STRING: u64 = 4;

impl Control {
    /// One element of the `Controls` sequence: `controlType`, `criticality` (default false) and an optional
    /// value.
    pub(super) fn decode(tag: StructureTag) -> Result<Control, WireError> {
        let PL::C(parts) = tag.payload else { return Err(WireError::Malformed("control")) };
        let mut control = Control { oid: String::new(), critical: false, value: Vec::new() };
        for (position, part) in parts.into_iter().enumerate() {
            let PL::P(bytes) = part.payload else { return Err(WireError::Malformed("control")) };
            match (position, part.id) {
                (0, UNIVERSAL_OCTET_STRING) => {
                    control.oid =
                        String::from_utf8(bytes).map_err(|_| WireError::Malformed("control OID"))?;
                }
                (_, UNIVERSAL_BOOLEAN) => control.critical = bytes.iter().any(|byte| *byte != 0),
                (_, UNIVERSAL_OCTET_STRING) => control.value = bytes,
                _ => return Err(WireError::Malformed("control")),
            }
        }
        Ok(control)
    }
}

impl PagedResults {
    /// Reads the value of a paged results control.
    pub(crate) fn decode(value: &[u8]) -> Result<PagedResults, WireError> {
        let malformed = || WireError::Malformed("value of the paged results control");
        let (_, tag) = Parser::new(DEFAULT_MAX_BER_DEPTH).parse(value).map_err(|_| malformed())?;
        let parts = tag.expect_constructed().ok_or_else(malformed)?;
        let [size, cookie] = <[StructureTag; 2]>::try_from(parts).map_err(|_| malformed())?;
        let size = size.expect_primitive().ok_or_else(malformed)?;
        let size = size.iter().fold(0_usize, |size, byte| (size << 8) | usize::from(*byte));
        Ok(PagedResults { size, cookie: cookie.expect_primitive().ok_or_else(malformed)? })
    }
}

impl ExtendedDn {
    /// Reads the value of an extended DN control, which may have none.
    pub(crate) fn decode(value: &[u8]) -> Result<ExtendedDn, WireError> {
        let malformed = || WireError::Malformed("value of the extended DN control");
        if value.is_empty() {
            return Ok(ExtendedDn::Digits);
        }
        let (_, tag) = Parser::new(DEFAULT_MAX_BER_DEPTH).parse(value).map_err(|_| malformed())?;
        let parts = tag.expect_constructed().ok_or_else(malformed)?;
        let [flag] = <[StructureTag; 1]>::try_from(parts).map_err(|_| malformed())?;
        match flag.expect_primitive().as_deref() {
            Some([0]) => Ok(ExtendedDn::Digits),
            Some([1]) => Ok(ExtendedDn::Text),
            _ => Err(malformed()),
        }
    }
}

impl DirSyncRequest {
    /// Reads the value of a DirSync control. How many bytes a round may have is not looked at.
    pub(crate) fn decode(value: &[u8]) -> Result<DirSyncRequest, WireError> {
        let malformed = || WireError::Malformed("value of the DirSync control");
        let (_, tag) = Parser::new(DEFAULT_MAX_BER_DEPTH).parse(value).map_err(|_| malformed())?;
        let parts = tag.expect_constructed().ok_or_else(malformed)?;
        let [flags, _, cookie] = <[StructureTag; 3]>::try_from(parts).map_err(|_| malformed())?;
        let flags = flags.expect_primitive().ok_or_else(malformed)?;
        // A number of 32 bits, of which the highest is the sign.
        let sign = if flags.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
        let flags = flags.iter().fold(sign, |flags: i32, byte| (flags << 8) | i32::from(*byte));
        Ok(DirSyncRequest { flags, cookie: cookie.expect_primitive().ok_or_else(malformed)? })
    }
}
