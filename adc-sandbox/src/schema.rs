//! As much schema as searching needs: how values of an attribute compare, and which attributes are
//! operational.

/// How two values of an attribute are compared (RFC 4517, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// distinguishedNameMatch: normalized, never as strings.
    Dn,
    /// caseExactMatch and octetStringMatch: byte for byte.
    Exact,
    /// telephoneNumberMatch: spaces and hyphens do not count.
    Telephone,
    /// caseIgnoreMatch: case folded, runs of spaces are one. What any other attribute uses.
    IgnoreCase,
}

/// The syntax of an attribute, named in any case and without options.
pub(crate) fn syntax_of(attribute: &str) -> Syntax {
    let is_one_of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(attribute));
    if is_one_of(DN_ATTRIBUTES) {
        Syntax::Dn
    } else if is_one_of(EXACT_ATTRIBUTES) {
        Syntax::Exact
    } else if is_one_of(TELEPHONE_ATTRIBUTES) {
        Syntax::Telephone
    } else {
        Syntax::IgnoreCase
    }
}

/// Whether an attribute is returned only when it is asked for by name or by `+` (RFC 3673).
pub(crate) fn is_operational(attribute: &str) -> bool {
    OPERATIONAL_ATTRIBUTES.iter().any(|name| name.eq_ignore_ascii_case(attribute))
}

/// An attribute description without its options: `cn` of `cn;lang-de` (RFC 4512, section 2.5).
pub(crate) fn without_options(description: &str) -> &str {
    description.split(';').next().unwrap_or(description)
}

const DN_ATTRIBUTES: &[&str] = &[
    "aliasedObjectName",
    "creatorsName",
    "distinguishedName",
    "entryDN",
    "manager",
    "member",
    "memberOf",
    "modifiersName",
    "namingContexts",
    "owner",
    "roleOccupant",
    "secretary",
    "seeAlso",
    "uniqueMember",
];

const EXACT_ATTRIBUTES: &[&str] =
    &["jpegPhoto", "objectGUID", "objectSid", "userCertificate", "userPassword"];

const TELEPHONE_ATTRIBUTES: &[&str] =
    &["facsimileTelephoneNumber", "homePhone", "mobile", "pager", "telephoneNumber"];

const OPERATIONAL_ATTRIBUTES: &[&str] = &[
    "contextCSN",
    "createTimestamp",
    "currentTime",
    "creatorsName",
    "entryCSN",
    "entryDN",
    "entryUUID",
    "hasSubordinates",
    "memberOf",
    "modifiersName",
    "modifyTimestamp",
    "namingContexts",
    "nsAccountLock",
    "nsUniqueId",
    "objectGUID",
    "pwdAccountLockedTime",
    "pwdChangedTime",
    "structuralObjectClass",
    "configurationNamingContext",
    "dsServiceName",
    "highestCommittedUSN",
    "schemaNamingContext",
    "supportedCapabilities",
    "supportedControl",
    "supportedExtension",
    "supportedFeatures",
    "supportedLDAPVersion",
    "uSNChanged",
    "vendorName",
    "vendorVersion",
];
