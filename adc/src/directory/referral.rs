//! References to other servers in a search result (RFC 4511 section 4.5.3): which of them mean that people are missing.
//!
//! Active Directory ends every subtree search from a domain's root with references to the forest's configuration and to
//! the partitions of applications, such as DNS. Nobody lives there. A child domain is another matter, and so is every
//! reference of another kind of directory: what lies there was not read.

use std::collections::BTreeSet;

use adc_core::dn::{Dn, DnKey};
use adc_core::entry::Entry;
use adc_core::filter::Filter;

use super::error::{DirectoryError, Progress};
use super::outcome::code;
use super::request::SearchRequest;
use super::session::Directory;
use crate::config::address::percent_decode;
use crate::config::{Referrals, Scope};

/// Where Active Directory lists the forest's partitions, below the configuration (MS-ADTS 6.1.1.2.1).
const PARTITIONS: &str = "CN=Partitions";
/// The name of a partition, in its cross reference (MS-ADTS 6.1.1.2.1.1).
const PARTITION_NAME: &str = "nCName";
/// `systemFlags` of a cross reference.
const SYSTEM_FLAGS: &str = "systemFlags";
/// `FLAG_CR_NTDS_NC`: the forest's own servers hold the partition; without it the reference leads to another directory, of which
/// nobody knows who lives there (MS-ADTS 2.2.10).
const IS_OF_THE_FOREST: i64 = 0x1;
/// `FLAG_CR_NTDS_DOMAIN`: the partition is a domain, with people in it (MS-ADTS 2.2.10).
const IS_DOMAIN: i64 = 0x2;

impl Directory {
    /// Refuses references to places where somebody to be synchronized may be; the search succeeded otherwise.
    ///
    /// # Errors
    /// A part of `base` lies on another server, or the question what lies there was not answered.
    pub(super) async fn accept_references(
        &mut self,
        progress: Progress<'_>,
        base: &str,
        urls: &BTreeSet<String>,
    ) -> Result<(), DirectoryError> {
        if urls.is_empty() || self.config.referrals == Referrals::Ignore {
            return Ok(());
        }
        let nobody_there = self.partitions_without_people().await?;
        let real: Vec<String> = urls
            .iter()
            .filter(|url| !dn_of(url).is_some_and(|dn| nobody_there.contains(&dn.key())))
            .cloned()
            .collect();
        if real.is_empty() { Ok(()) } else { Err(DirectoryError::referral(progress, base, &real)) }
    }

    /// The partitions of the forest that are no domains; asked once per connection, and only of Active Directory.
    async fn partitions_without_people(&mut self) -> Result<BTreeSet<DnKey>, DirectoryError> {
        if let Some(known) = &self.partitions_without_people {
            return Ok(known.clone());
        }
        let forest: Vec<String> = self.root().forest_contexts().map(str::to_owned).collect();
        let mut found: BTreeSet<DnKey> = forest.iter().map(|dn| DnKey::of(dn)).collect();
        if let Some(configuration) = forest.first() {
            let filter = Filter::equality("objectClass", "crossRef");
            let attributes = [PARTITION_NAME, SYSTEM_FLAGS].map(str::to_owned);
            let base = format!("{PARTITIONS},{configuration}");
            let request = SearchRequest {
                base: &base,
                scope: Scope::One,
                filter: &filter,
                attributes: &attributes,
                page: None,
            };
            let (entries, outcome, _) = self.ask("the forest's partitions", request, &filter).await?;
            // Who may not see them is told of a reference too many rather than of one too few.
            if outcome.code == code::SUCCESS {
                found.extend(entries.iter().filter_map(partition_without_people));
            }
        }
        self.partitions_without_people = Some(found.clone());
        Ok(found)
    }
}

/// The partition that a cross reference names, if it is one of the forest and no domain.
fn partition_without_people(cross_reference: &Entry) -> Option<DnKey> {
    let flags: i64 = cross_reference.text(SYSTEM_FLAGS)?.trim().parse().ok()?;
    let name = cross_reference.text(PARTITION_NAME)?;
    (flags & (IS_OF_THE_FOREST | IS_DOMAIN) == IS_OF_THE_FOREST).then(|| DnKey::of(name))
}

/// The DN of an LDAP URL (RFC 4516 section 2): `ldap://host:port/dn?attributes?…`, percent-encoded.
fn dn_of(url: &str) -> Option<Dn> {
    let (_, rest) = url.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let dn = path.split('?').next().unwrap_or_default();
    Dn::parse(&percent_decode(dn)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_place() {
        for (url, dn) in [
            ("ldaps://lg.local/CN=Configuration,DC=lg,DC=local", Some("cn=configuration,dc=lg,dc=local")),
            ("ldap://a:389/OU=M%c3%bcnchen%20S%FCd,DC=lg", None),
            ("ldap://a/OU=M%c3%bcnchen%5C%2C%20Ost?*?sub", Some("ou=münchen\\, ost")),
            ("ldap://a/dc=lg%", None),
            ("ldap://a", None),
            ("nonsense", None),
        ] {
            let expected = dn.map(DnKey::of);
            assert_eq!(dn_of(url).map(|dn| dn.key()), expected, "{url}");
        }
    }

    #[test]
    fn a_domain_has_people_and_no_other_partition_has() {
        let of = |flags: &str| {
            let entry = Entry::new("cn=x").with("nCName", &["DC=x"]).with("systemFlags", &[flags]);
            partition_without_people(&entry)
        };
        assert_eq!(of("3"), None, "a domain");
        for other in ["1", "5"] {
            assert_eq!(of(other), Some(DnKey::of("dc=x")), "{other}");
        }
        for outside in ["0", "4"] {
            assert_eq!(of(outside), None, "{outside}: a directory outside the forest");
        }
        assert_eq!(of(""), None, "who knows");
        assert_eq!(partition_without_people(&Entry::new("cn=x").with("systemFlags", &["1"])), None);
    }
}
