//! Distinguished names as Active Directory extends them on request (MS-ADTS 3.1.1.3.4.1.5): `<GUID=…>;<SID=…>;CN=…`.
//!
//! A reference that names its object by GUID leads there still after the object was renamed or moved, and to nobody else
//! who stands at its old place later.

/// What a GUID begins with.
const GUID: &str = "<GUID=";
/// What the SID of whoever can be granted rights begins with.
const SID: &str = "<SID=";
/// What stands between a part and the next.
const END: &str = ">;";
/// Hexadecimal digits of a GUID.
const GUID_DIGITS: usize = 32;

/// A reference to an object: its name, and where the directory gives it the GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The object's `objectGUID`: 32 hexadecimal digits, byte by byte as it is stored.
    pub guid: Option<&'a str>,
    /// The object's distinguished name as the directory wrote it.
    pub dn: &'a str,
}

impl<'a> Reference<'a> {
    /// Reads a reference as the directory gave it, extended or not. What is neither is taken for a name.
    pub fn of(text: &'a str) -> Self {
        let Some((guid, rest)) = part(text, GUID) else { return Self { guid: None, dn: text } };
        if guid.len() != GUID_DIGITS || !guid.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self { guid: None, dn: text };
        }
        Self { guid: Some(guid), dn: part(rest, SID).map_or(rest, |(_, dn)| dn) }
    }

    /// The reference as text, as short as it can be.
    pub fn to_text(self) -> String {
        match self.guid {
            Some(guid) => format!("{GUID}{guid}{END}{}", self.dn),
            None => self.dn.to_owned(),
        }
    }
}

/// The name in a reference, without what identifies the object otherwise.
pub fn without_guid(text: &str) -> &str {
    Reference::of(text).dn
}

/// As [`without_guid`], of a value that need not be text.
pub fn value_without_guid(value: &[u8]) -> &[u8] {
    if !value.starts_with(GUID.as_bytes()) {
        return value;
    }
    std::str::from_utf8(value).map_or(value, |text| without_guid(text).as_bytes())
}

/// The content of a leading part, and what follows it.
fn part<'a>(text: &'a str, begins: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(begins)?.split_once(END)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOSS: &str = "CN=Boss\\3B the,OU=Sales,DC=lg,DC=local";
    const ID: &str = "52a6803a93d5a04f8a80b8e2a57b2af9";

    #[test]
    fn a_reference_is_read_with_or_without_what_active_directory_adds() {
        for (text, guid) in [
            (BOSS.to_owned(), None),
            (format!("<GUID={ID}>;{BOSS}"), Some(ID)),
            (format!("<GUID={ID}>;<SID=010500000000000515000000>;{BOSS}"), Some(ID)),
        ] {
            let reference = Reference::of(&text);
            assert_eq!(reference, Reference { guid, dn: BOSS }, "{text}");
            assert_eq!(Reference::of(&reference.to_text()), reference);
            assert_eq!(value_without_guid(text.as_bytes()), BOSS.as_bytes());
        }
    }

    #[test]
    fn what_only_looks_like_an_extended_name_stays_as_it_is() {
        for text in ["", "<GUID=", "<GUID=52>;cn=a", "<GUID=zz>;cn=a", "<SID=01>;cn=a", "<GUID=52a6>"] {
            assert_eq!(Reference::of(text), Reference { guid: None, dn: text });
        }
        assert_eq!(value_without_guid(b"<GUID=\xff"), b"<GUID=\xff");
    }
}
