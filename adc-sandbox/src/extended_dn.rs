//! Names with identities: `<GUID=…>;<SID=…>;CN=…` (MS-ADTS 3.1.1.3.4.1.5), so that whoever refers to an object needs not know
//! what it is called today.

use std::fmt::Write as _;
use std::sync::Arc;

use adc_core::dn::Dn;

use crate::directory::Directory;
use crate::entry::Entry;
use crate::schema::{Syntax, syntax_of, without_options};
use crate::wire::ExtendedDn;

/// How a domain controller writes down an entry to whom identities are asked for with names: its own name, and every name
/// among its values that stands for an object of the directory.
pub(crate) fn with_identities(directory: &Directory, entry: &Entry, form: ExtendedDn) -> Arc<Entry> {
    let mut extended = entry.clone();
    extended.dn = extend(&entry.dn, entry, form);
    for attribute in entry.attributes.iter() {
        if syntax_of(without_options(&attribute.name)) == Syntax::Dn {
            let values = attribute.values.iter().map(|value| reference(directory, value, form));
            extended.attributes.set(&attribute.name, values);
        }
    }
    Arc::new(extended)
}

fn reference(directory: &Directory, value: &[u8], form: ExtendedDn) -> Vec<u8> {
    let named = std::str::from_utf8(value).ok().and_then(|text| Some((text, Dn::parse(text).ok()?)));
    let found = named.and_then(|(text, dn)| Some(extend(text, directory.find(&dn)?.1, form)));
    found.map_or_else(|| value.to_vec(), String::into_bytes)
}

/// A name of an object with what identifies it; only who can be given rights has a SID.
fn extend(name: &str, object: &Entry, form: ExtendedDn) -> String {
    let guid = match form {
        ExtendedDn::Digits => object.attributes.values("objectGUID").first().map(|guid| digits(guid)),
        ExtendedDn::Text => object.text("entryUUID").map(str::to_owned),
    };
    let guid = guid.map(|guid| format!("<GUID={guid}>;")).unwrap_or_default();
    // As text it would be S-1-5-…; nobody here asks for that.
    let sid = object.attributes.values("objectSid").first().map(|sid| format!("<SID={}>;", digits(sid)));
    format!("{guid}{}{name}", sid.unwrap_or_default())
}

fn digits(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Attributes;

    #[test]
    fn a_name_says_whom_it_stands_for() {
        let jane = Attributes::new()
            .with("entryUUID", "00010203-0405-0607-0809-0a0b0c0d0e0f")
            .with("objectSid", [1, 5, 255]);
        let crew = Attributes::new().with("member", "CN=Jane,dc=example,DC=com").with("member", "cn=nobody");
        let mut directory = Directory::sample();
        directory.add("cn=jane,dc=example,dc=com", jane).expect("added");
        directory.add("cn=crew,dc=example,dc=com", crew.with("cn", "crew")).expect("added");
        let crew = directory.get("cn=crew,dc=example,dc=com").expect("is there");
        for (form, guid) in [
            (ExtendedDn::Digits, "030201000504070608090a0b0c0d0e0f"),
            (ExtendedDn::Text, "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        ] {
            let shown = with_identities(&directory, crew, form);
            let members =
                [format!("<GUID={guid}>;<SID=0105ff>;CN=Jane,dc=example,DC=com"), "cn=nobody".to_owned()];
            assert_eq!(shown.attributes.values("member"), members.map(String::into_bytes));
            assert!(shown.dn.starts_with("<GUID=") && shown.dn.ends_with(">;cn=crew,dc=example,dc=com"));
            assert_eq!(shown.text("cn"), Some("crew"));
        }
    }
}
