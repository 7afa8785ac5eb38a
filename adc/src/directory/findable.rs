//! Whether look-ups by id find what is there: without that, silence about an id proves nothing.
//!
//! A right to read an id is none to search by it (OpenLDAP's `=rc`, `=r`): whoever is asked for by it is not found then, wherever
//! they stand. So before anybody is called gone, others who were just found by other means are looked up in the same way.

use adc_core::dn::Dn;
use adc_core::source_id::{IdAttribute, SourceId};

use super::error::{DirectoryError, Failure, Progress};
use super::look_up::any_of;
use super::outcome::code;
use super::read::Query;
use super::request::SearchRequest;
use super::session::Directory;
use crate::config::Scope;

/// How many are looked up as a proof: some, since a right may hold for some entries only, and one may have none.
const SAMPLE: u32 = 10;
/// What is read, for messages.
const WHAT: &str = "somebody to look up";

/// What looking up some who are there showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Findable {
    /// All of them were found.
    Found,
    /// Nobody there shows an id by which to look up.
    Nobody,
    /// Somebody was not found by the id that they show.
    Missed {
        /// Who.
        dn: String,
    },
}

/// Where those are searched who are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among<'a> {
    /// Wherever the query reaches.
    All,
    /// Right beneath a container, if the query reaches there.
    ChildrenOf(&'a str),
}

impl Directory {
    /// Looks up some of those whom a query finds, exactly as [`Directory::look_up`] does.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn are_findable(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        among: Among<'_>,
    ) -> Result<Findable, DirectoryError> {
        match self.are_findable_once(query, id_attribute, among).await {
            Err(error) if error.failure == Failure::ConnectionLost => {
                self.reopen().await?;
                self.are_findable_once(query, id_attribute, among).await
            }
            result => result,
        }
    }

    async fn are_findable_once(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        among: Among<'_>,
    ) -> Result<Findable, DirectoryError> {
        let sample = self.some_of(query, id_attribute, among).await?;
        if sample.is_empty() {
            return Ok(Findable::Nobody);
        }
        let ids: Vec<SourceId> = sample.iter().map(|(id, _)| id.clone()).collect();
        let attributes = [id_attribute.name().to_owned()];
        let any_of = any_of(id_attribute, &ids);
        let found = self.anywhere(id_attribute, &any_of, ids.len(), &attributes).await?;
        for (id, dn) in sample {
            let is_found = found.iter().any(|entry| id_attribute.has(entry, &id));
            // Who left or was moved in this very moment is no proof of anything.
            if !is_found && self.still_shows(id_attribute, &id, &dn).await? {
                return Ok(Findable::Missed { dn });
            }
        }
        Ok(Findable::Found)
    }

    /// Some whom the query finds, with the ids they show.
    async fn some_of(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        among: Among<'_>,
    ) -> Result<Vec<(SourceId, String)>, DirectoryError> {
        let (base, scope) = match among {
            Among::All => (query.base.as_str(), query.scope),
            Among::ChildrenOf(container) if reaches_beneath(query, container) => (container, Scope::One),
            Among::ChildrenOf(_) => return Ok(Vec::new()),
        };
        let attributes = [id_attribute.name().to_owned()];
        let page = self.sample(SAMPLE.min(self.config.page_size));
        let request = SearchRequest { base, scope, filter: &query.filter, attributes: &attributes, page };
        let (entries, outcome, _) = self.ask(WHAT, request, &query.filter).await?;
        match outcome.code {
            code::SUCCESS => {}
            // The container is gone as well.
            code::NO_SUCH_OBJECT | code::INVALID_DN_SYNTAX if among != Among::All => return Ok(Vec::new()),
            _ => return Err(self.failed(Progress { what: WHAT, entries: 0, page: 1 }, base, &outcome)),
        }
        let with_id =
            entries.iter().filter_map(|entry| Some((id_attribute.read(entry).ok()?, entry.dn().to_owned())));
        Ok(with_id.take(SAMPLE as usize).collect())
    }

    /// Whether an entry is where it was a moment ago, and shows that id.
    async fn still_shows(
        &mut self,
        id_attribute: &IdAttribute,
        id: &SourceId,
        dn: &str,
    ) -> Result<bool, DirectoryError> {
        let attributes = [id_attribute.name().to_owned()];
        let entry = self.entry(dn, &attributes).await?;
        Ok(entry.is_some_and(|entry| id_attribute.has(&entry, id)))
    }
}

/// Whether the query finds what lies right beneath a container.
fn reaches_beneath(query: &Query, container: &str) -> bool {
    let (Ok(base), Ok(container)) = (Dn::parse(&query.base), Dn::parse(container)) else { return false };
    match query.scope {
        Scope::Base => false,
        Scope::One => container.key() == base.key(),
        Scope::Sub => container.is_within(&base),
    }
}
