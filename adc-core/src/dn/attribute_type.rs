//! The attribute types that stand in distinguished names, under all the names they go by.

use std::borrow::Cow;

/// The name an attribute type is compared by: lower-cased, and the usual short name for an alias or an OID.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    if let Some(short) = short_name(name) {
        Cow::Borrowed(short)
    } else if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// The usual short name of an alias or OID; `None` if the name is no known alias (it may be the short name itself).
pub(super) fn short_name(name: &str) -> Option<&'static str> {
    if is_common(name) {
        return None;
    }
    ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, short)| *short)
}

/// The types of nearly every DN, told from the aliases without a look at the table: this runs per member of a group.
fn is_common(name: &str) -> bool {
    ["dc", "ou", "cn", "uid", "o"].iter().any(|common| common.eq_ignore_ascii_case(name))
}

/// Aliases and OIDs of RFC 4519, RFC 2798, RFC 4524 and PKCS #9, with what Microsoft and OpenSSL print beside them.
const ALIASES: [(&str, &str); 36] = [
    ("2.5.4.3", "cn"),
    ("commonName", "cn"),
    ("2.5.4.4", "sn"),
    ("surname", "sn"),
    ("2.5.4.5", "serialnumber"),
    ("2.5.4.6", "c"),
    ("countryName", "c"),
    ("2.5.4.7", "l"),
    ("localityName", "l"),
    ("2.5.4.8", "st"),
    ("stateOrProvinceName", "st"),
    ("s", "st"),
    ("2.5.4.9", "street"),
    ("streetAddress", "street"),
    ("2.5.4.10", "o"),
    ("organizationName", "o"),
    ("2.5.4.11", "ou"),
    ("organizationalUnitName", "ou"),
    ("2.5.4.12", "title"),
    ("2.5.4.17", "postalcode"),
    ("2.5.4.42", "givenname"),
    ("gn", "givenname"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationqualifier"),
    ("2.5.4.46", "dnqualifier"),
    ("0.9.2342.19200300.100.1.1", "uid"),
    ("userid", "uid"),
    ("0.9.2342.19200300.100.1.3", "mail"),
    ("rfc822Mailbox", "mail"),
    ("0.9.2342.19200300.100.1.25", "dc"),
    ("domainComponent", "dc"),
    ("2.16.840.1.113730.3.1.3", "employeenumber"),
    ("1.2.840.113549.1.9.1", "email"),
    ("emailAddress", "email"),
    ("pkcs9email", "email"),
    ("e", "email"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_leads_to_a_name_that_is_no_alias_itself() {
        for (alias, short) in ALIASES {
            assert_eq!(canonical(&alias.to_ascii_uppercase()), short);
            assert_eq!(canonical(short), short);
        }
    }
}
