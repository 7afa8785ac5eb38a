//! What Active Directory does otherwise than other servers: it gives long lists in parts and long results in pages, and names
//! with identities to whom asks for them.

use ldap3_proto::proto::LdapPartialAttribute;

use crate::dir_sync::DirSync;
use crate::directory::Directory;
use crate::entry::{Attributes, Entry};
use crate::wire::{DIR_SYNC, EXTENDED_DN, SHOW_DELETED};

/// The limits of a domain controller's LDAP policy (MS-ADTS 3.1.1.3.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveDirectory {
    /// The most values of an attribute in one answer; the rest are asked for by range. Default: 1500.
    pub max_val_range: usize,
    /// The most entries of a page, and of a search without pages, which ends with sizeLimitExceeded. Default: 1000.
    pub max_page_size: usize,
    /// Whether changes can be followed, and by whom. Default: they cannot.
    pub dir_sync: Option<DirSync>,
}

impl Default for ActiveDirectory {
    fn default() -> ActiveDirectory {
        ActiveDirectory { max_val_range: 1_500, max_page_size: 1_000, dir_sync: None }
    }
}

/// `LDAP_CAP_ACTIVE_DIRECTORY_OID`
const CAPABILITY: &str = "1.2.840.113556.1.4.800";

/// What stands in the rootDSE of a domain controller.
pub(crate) fn add_to_root_dse(attributes: &mut Attributes, directory: &Directory, limits: &ActiveDirectory) {
    let base = directory.base_dn();
    let configuration = format!("CN=Configuration,{base}");
    let schema = format!("CN=Schema,{configuration}");
    attributes.add("supportedCapabilities", CAPABILITY);
    attributes.add("namingContexts", &configuration);
    attributes.add("namingContexts", &schema);
    attributes.add("configurationNamingContext", &configuration);
    attributes.add("schemaNamingContext", &schema);
    attributes.add("dsServiceName", format!("CN=NTDS Settings,CN=DC1,CN=Servers,{configuration}"));
    attributes.add("highestCommittedUSN", directory.usn().to_string());
    attributes.add("currentTime", directory.time().strftime("%Y%m%d%H%M%S.0Z").to_string());
    attributes.add("supportedControl", EXTENDED_DN);
    if limits.dir_sync.is_some() {
        attributes.add("supportedControl", DIR_SYNC);
        attributes.add("supportedControl", SHOW_DELETED);
    }
}

/// Gives lists in parts (MS-ADTS 3.1.1.3.1.3.3): `selected` is what a server without limits would return of the entry.
pub(crate) fn in_parts(
    selected: Vec<LdapPartialAttribute>,
    entry: &Entry,
    requested: &[String],
    max_val_range: usize,
) -> Vec<LdapPartialAttribute> {
    let mut parts = Vec::new();
    for attribute in selected {
        if attribute.vals.len() <= max_val_range {
            parts.push(attribute);
            continue;
        }
        // The list itself is there, and empty; what it holds stands beside it.
        let first = part(&attribute, 0, None, max_val_range);
        parts.push(LdapPartialAttribute { vals: Vec::new(), ..attribute });
        parts.extend(first);
    }
    for (name, low, high) in requested.iter().filter_map(|request| range(request)) {
        let values = entry.attributes.values(name);
        let whole = LdapPartialAttribute { atype: name.to_owned(), vals: values.to_vec() };
        parts.extend(part(&whole, low, high, max_val_range));
    }
    parts
}

/// The values from `low` on, as many as are asked for and allowed; none where there are none.
fn part(
    whole: &LdapPartialAttribute,
    low: usize,
    high: Option<usize>,
    max_val_range: usize,
) -> Option<LdapPartialAttribute> {
    let last = whole.vals.len().checked_sub(1)?;
    let end = high.unwrap_or(last).min(low + max_val_range - 1).min(last);
    let values = whole.vals.get(low..=end).filter(|values| !values.is_empty())?;
    let upper = if end == last { "*".to_owned() } else { end.to_string() };
    Some(LdapPartialAttribute {
        atype: format!("{};range={low}-{upper}", whole.atype),
        vals: values.to_vec(),
    })
}

/// The attribute and bounds of a request for a part: `member;range=1500-*`.
fn range(request: &str) -> Option<(&str, usize, Option<usize>)> {
    let (name, range) = request.split_once(";range=")?;
    let (low, high) = range.split_once('-')?;
    let high = if high == "*" { None } else { Some(high.parse().ok()?) };
    Some((name, low.parse().ok()?, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(requested: &[&str], max: usize) -> Vec<String> {
        let mut attributes = Attributes::new().with("cn", "g");
        for number in 0..5 {
            attributes.add("member", number.to_string());
        }
        let entry = Entry { dn: String::new(), parsed: adc_core::dn::Dn::default(), attributes };
        let requested: Vec<String> = requested.iter().map(|name| (*name).to_owned()).collect();
        crate::search::select(&entry, &requested, false, Some(max))
            .into_iter()
            .map(|attribute| format!("{} {}", attribute.atype, attribute.vals.len()))
            .collect()
    }

    #[test]
    fn a_list_that_is_too_long_is_empty_and_begins_beside_itself() {
        assert_eq!(shown(&["member", "cn"], 5), ["cn 1", "member 5"]);
        assert_eq!(shown(&["member", "cn"], 4), ["cn 1", "member 0", "member;range=0-3 4"]);
        assert_eq!(shown(&[], 2), ["cn 1", "member 0", "member;range=0-1 2"]);
    }

    #[test]
    fn a_part_ends_where_it_is_asked_to_or_where_it_must() {
        assert_eq!(shown(&["member;range=1-*"], 2), ["member;range=1-2 2"]);
        assert_eq!(shown(&["member;range=3-*"], 2), ["member;range=3-* 2"]);
        assert_eq!(shown(&["member;range=4-*"], 2), ["member;range=4-* 1"]);
        assert_eq!(shown(&["member;range=0-0"], 2), ["member;range=0-0 1"]);
        assert_eq!(shown(&["member;range=5-*"], 2), [] as [&str; 0]);
    }
}
