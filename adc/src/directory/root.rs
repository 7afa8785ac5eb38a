//! The rootDSE (RFC 4512 section 5.1): what a server is and what it can.

use std::collections::BTreeSet;

use adc_core::dn::Dn;
use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::mapping::RootDse;
use adc_core::policy::Preset;

use super::error::{DirectoryError, Progress};
use super::log::SearchLog;
use super::outcome::code;
use super::request::{EXTENDED_DN_OID, PAGED_RESULTS_OID, SearchRequest};
use super::wire::{Answer, Wire};
use crate::config::{Address, DirectoryConfig, Scope};

/// `supportedCapabilities` of Active Directory and Samba.
const ACTIVE_DIRECTORY_OID: &str = "1.2.840.113556.1.4.800";
/// All user attributes, and all operational ones (RFC 3673): some servers give the rootDSE only to the latter.
const ALL_ATTRIBUTES: [&str; 2] = ["*", "+"];

/// What a server said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Root {
    /// Whether searches can be paged (RFC 2696).
    pub paged_results: bool,
    /// The OIDs of the controls it knows.
    pub controls: BTreeSet<String>,
    /// Whether this is Active Directory or Samba.
    pub active_directory: bool,
    /// Whether this is OpenLDAP.
    pub openldap: bool,
    /// Who made it, as it says.
    pub vendor: Option<String>,
    /// Its name in the network, where it says one.
    pub host: Option<String>,
    /// The roots of the trees it holds.
    pub naming_contexts: Vec<String>,
    /// The forest's configuration, on Active Directory.
    pub configuration_context: Option<String>,
    /// The forest's schema, on Active Directory.
    pub schema_context: Option<String>,
    /// The server's own object, on Active Directory; it names the server for good.
    pub server_object: Option<String>,
    /// Which life of the server's database this is, on Active Directory: another one after it was restored from a backup.
    pub invocation: Option<String>,
    /// The entry that describes the schema.
    pub subschema: Option<String>,
    /// What the mapping wants to know of it.
    pub dse: RootDse,
    /// Active Directory's position, where it says one.
    pub highest_committed_usn: Option<String>,
    /// Active Directory's time.
    pub current_time: Option<String>,
}

impl Root {
    /// Asks the server.
    ///
    /// # Errors
    /// The connection broke, or the server refuses the question.
    pub(super) async fn read(wire: &mut Wire, config: &DirectoryConfig) -> Result<Self, DirectoryError> {
        let limit = config.search_timeout;
        let attributes = ALL_ATTRIBUTES.map(str::to_owned);
        let filter = Filter::present("objectClass");
        let request = SearchRequest {
            base: "",
            scope: Scope::Base,
            filter: &filter,
            attributes: &attributes,
            page: None,
        };
        let progress = Progress { what: "the rootDSE", entries: 0, page: 1 };
        let mut search = wire.search(&request, limit).await.map_err(|error| error.during(progress, limit))?;
        let log = SearchLog::begin(request);
        let mut root = Self::default();
        loop {
            match search.next().await.map_err(|error| error.during(progress, limit))? {
                Answer::Entry(entry) => root = Self::of(&entry.decode()?),
                Answer::Reference(_) => {}
                Answer::Done(outcome, _) => {
                    log.ended(1, 1, Some(outcome.code));
                    return match outcome.code {
                        code::SUCCESS => Ok(root),
                        _ => Err(DirectoryError::search(progress, "the rootDSE", config, &outcome)),
                    };
                }
            }
        }
    }

    /// What the rootDSE's entry says.
    pub fn of(entry: &Entry) -> Self {
        let has = |attribute: &str, wanted: &str| {
            entry.texts(attribute).any(|value| value.eq_ignore_ascii_case(wanted))
        };
        let mut naming_contexts: Vec<String> = entry.texts("namingContexts").map(str::to_owned).collect();
        naming_contexts.sort_unstable();
        Self {
            paged_results: has("supportedControl", PAGED_RESULTS_OID),
            controls: entry.texts("supportedControl").map(str::to_owned).collect(),
            active_directory: has("supportedCapabilities", ACTIVE_DIRECTORY_OID),
            openldap: has("objectClass", "OpenLDAProotDSE"),
            vendor: entry.text("vendorName").map(str::to_owned),
            host: entry.text("dnsHostName").map(str::to_owned),
            naming_contexts,
            configuration_context: entry.text("configurationNamingContext").map(str::to_owned),
            schema_context: entry.text("schemaNamingContext").map(str::to_owned),
            invocation: None,
            server_object: entry.text("dsServiceName").map(str::to_owned),
            subschema: entry.text("subschemaSubentry").map(str::to_owned),
            dse: RootDse::read(entry),
            highest_committed_usn: entry.text("highestCommittedUSN").map(str::to_owned),
            current_time: entry.text("currentTime").map(str::to_owned),
        }
    }

    /// Whether the server refers to objects by GUID when asked for it, so that references outlive names.
    pub fn refers_by_guid(&self) -> bool {
        self.active_directory && self.controls.contains(EXTENDED_DN_OID)
    }

    /// What the server is, for people.
    pub fn product(&self) -> &str {
        match &self.vendor {
            _ if self.active_directory => "Active Directory",
            _ if self.openldap => "OpenLDAP",
            Some(vendor) => vendor,
            None => "an LDAP server that does not say what it is",
        }
    }

    /// The root of the tree that holds `dn`: the longest naming context around it.
    pub fn naming_context_of(&self, dn: &Dn) -> Option<&str> {
        self.naming_contexts
            .iter()
            .filter_map(|text| Some((Dn::parse(text).ok()?, text.as_str())))
            .filter(|(context, _)| !context.is_empty() && dn.is_within(context))
            .max_by_key(|(context, _)| context.rdns().len())
            .map(|(_, text)| text)
    }

    /// What the server is and how it is read, for people: a clause.
    pub fn describe(&self, preset: Preset) -> String {
        let maker = match &self.vendor {
            Some(vendor) if self.active_directory => format!(" by {vendor}"),
            _ => String::new(),
        };
        let host = self.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
        let flavor = self.dse.flavor(preset).as_str();
        let because = if preset == Preset::Auto { "chosen by what it says" } else { "as adc.yaml says" };
        let pages = if self.paged_results { "in pages" } else { "all at once, for it has no paged results" };
        format!("{}{maker}{host}, read by the preset {flavor} ({because}) and {pages}", self.product())
    }

    /// The configuration and the schema, which every domain of an Active Directory forest shares.
    pub(super) fn forest_contexts(&self) -> impl Iterator<Item = &str> {
        self.configuration_context.iter().chain(&self.schema_context).map(String::as_str)
    }

    /// Which server this is. Active Directory names its server; others are known by what they hold and where they are.
    pub(super) fn identity(&self, address: &Address) -> String {
        match (&self.server_object, &self.invocation) {
            (Some(object), Some(invocation)) => format!("{object} of invocation {invocation}"),
            (Some(object), None) => object.clone(),
            (None, _) => format!("{} {} at {address}", self.product(), self.naming_contexts.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openldap() -> Root {
        Root::of(
            &Entry::new("")
                .with("objectClass", &["top", "OpenLDAProotDSE"])
                .with("namingContexts", &["dc=lg,dc=local", "dc=sub,dc=lg,dc=local", ""])
                .with("supportedControl", &["2.16.840.1.113730.3.4.2", PAGED_RESULTS_OID]),
        )
    }

    #[test]
    fn a_server_is_known_by_its_root() {
        let root = openldap();
        assert!(root.paged_results && !root.active_directory);
        assert_eq!(root.product(), "OpenLDAP");
        let ad = Root::of(&Entry::new("").with("supportedCapabilities", &[ACTIVE_DIRECTORY_OID]));
        assert_eq!(ad.product(), "Active Directory");
        let shown = [
            root.describe(Preset::Auto),
            ad.describe(Preset::InetOrgPerson),
            Root {
                vendor: Some("Samba Team".to_owned()),
                host: Some("dc1.lg.local".to_owned()),
                paged_results: true,
                ..ad
            }
            .describe(Preset::Auto),
        ];
        insta::assert_snapshot!(shown.join("\n"), @r"
        OpenLDAP, read by the preset inetorgperson (chosen by what it says) and in pages
        Active Directory, read by the preset inetorgperson (as adc.yaml says) and all at once, for it has no paged results
        Active Directory by Samba Team on dc1.lg.local, read by the preset active-directory (chosen by what it says) and in pages
        ");
    }

    #[test]
    fn the_tree_around_a_dn_is_the_nearest_one() {
        let of = |dn: &str| openldap().naming_context_of(&Dn::parse(dn).expect(dn)).map(str::to_owned);
        assert_eq!(of("ou=x,DC=sub, dc=lg,dc=local").as_deref(), Some("dc=sub,dc=lg,dc=local"));
        assert_eq!(of("ou=x,dc=lg,dc=local").as_deref(), Some("dc=lg,dc=local"));
        assert_eq!(of("dc=elsewhere"), None);
    }
}
