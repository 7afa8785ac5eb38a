//! The rootDSE: what a server says of itself to anybody (RFC 4512, section 5.1).

use adc_core::dn::Dn;

use crate::active_directory;
use crate::directory::Directory;
use crate::entry::{Attributes, Entry};
use crate::server::Behaviour;
use crate::wire::PAGED_RESULTS;

/// "Who am I?" of RFC 4532.
pub(crate) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// StartTLS of RFC 4511, section 4.14.
pub(crate) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// All operational attributes (`+`) of RFC 3673.
const ALL_OPERATIONAL_ATTRIBUTES: &str = "1.3.6.1.4.1.4203.1.5.1";

/// The rootDSE as it stands now. All but `objectClass` is operational, as with OpenLDAP: ask for it by name
/// or `+`.
pub(crate) fn root_dse(directory: &Directory, behaviour: &Behaviour, offers_start_tls: bool) -> Entry {
    let mut attributes = Attributes::new()
        .with("objectClass", "top")
        .with("namingContexts", directory.base_dn())
        .with("supportedLDAPVersion", "3")
        .with("supportedFeatures", ALL_OPERATIONAL_ATTRIBUTES)
        .with("supportedExtension", WHO_AM_I)
        .with("vendorName", "adc-sandbox")
        .with("vendorVersion", env!("CARGO_PKG_VERSION"));
    if let Some(limits) = &behaviour.active_directory {
        active_directory::add_to_root_dse(&mut attributes, directory, limits);
    }
    if offers_start_tls {
        attributes.add("supportedExtension", START_TLS);
    }
    if behaviour.paged_results {
        attributes.add("supportedControl", PAGED_RESULTS);
    }
    Entry { dn: String::new(), parsed: Dn::default(), attributes }
}
