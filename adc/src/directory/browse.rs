//! Looking around: the containers below one, and the first entry that a search finds.

use adc_core::dn::Dn;
use adc_core::entry::Entry;
use adc_core::filter::Filter;

use super::error::{DirectoryError, Progress};
use super::outcome::code;
use super::request::SearchRequest;
use super::session::Directory;
use crate::config::Scope;

/// What can hold people, by its class: X.521, RFC 2247, and Active Directory's own.
const CONTAINERS: [&str; 7] =
    ["organizationalUnit", "organization", "container", "builtinDomain", "domain", "dcObject", "locality"];
/// "No attributes" (RFC 4511 section 4.5.1.8).
const NO_ATTRIBUTES: &str = "1.1";
/// What is searched for, in messages.
const WHAT: &str = "containers";

/// The containers directly below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containers {
    /// By DN, as the directory spells them.
    pub dns: Vec<String>,
    /// There are more.
    pub more: bool,
}

impl Directory {
    /// The containers directly below one, at most `limit`; `None` where there is no such entry that the bind account can see.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn containers(&mut self, dn: &Dn, limit: u32) -> Result<Option<Containers>, DirectoryError> {
        let base = dn.to_string();
        let filter = Filter::Or(
            CONTAINERS.map(|class| Filter::equality("objectClass", class.as_bytes().to_vec())).to_vec(),
        );
        let attributes = [NO_ATTRIBUTES.to_owned()];
        let page = self.sample(limit + 1);
        let request =
            SearchRequest { base: &base, scope: Scope::One, filter: &filter, attributes: &attributes, page };
        let (entries, outcome, _) = self.ask(WHAT, request, &filter).await?;
        // A limit of the server's cuts the list as ours does.
        let cut = outcome.code == code::SIZE_LIMIT_EXCEEDED;
        match outcome.code {
            code::SUCCESS | code::SIZE_LIMIT_EXCEEDED => {}
            code::NO_SUCH_OBJECT => return Ok(None),
            _ => {
                let progress = Progress { what: WHAT, entries: entries.len() as u64, page: 1 };
                return Err(self.failed(progress, &base, &outcome));
            }
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = cut || entries.len() > limit;
        let mut dns: Vec<String> =
            entries.into_iter().take(limit).map(|entry| entry.dn().to_owned()).collect();
        dns.sort_unstable();
        Ok(Some(Containers { dns, more }))
    }

    /// The first entry that a search finds, however many there are.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn first(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &Filter,
        attributes: &[String],
    ) -> Result<Option<Entry>, DirectoryError> {
        let page = self.sample(1);
        let request = SearchRequest { base, scope, filter, attributes, page };
        let (entries, outcome, _) = self.ask("an entry", request, filter).await?;
        match outcome.code {
            code::SUCCESS | code::SIZE_LIMIT_EXCEEDED => Ok(entries.into_iter().next()),
            code::NO_SUCH_OBJECT | code::INVALID_DN_SYNTAX => Ok(None),
            _ => Err(self.failed(Progress { what: "an entry", entries: 0, page: 1 }, base, &outcome)),
        }
    }
}
