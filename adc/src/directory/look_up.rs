//! Asking for single objects: absence is proved by looking, not concluded from silence.

use std::collections::BTreeMap;

use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::source_id::{IdAttribute, SourceId, SourceIdError};

use super::error::{DirectoryError, Failure, Progress};
use super::outcome::{Outcome, code};
use super::read::Query;
use super::request::SearchRequest;
use super::session::Directory;
use super::wire::Answer;
use crate::config::Scope;

/// Ids asked for in one search: a filter of a few kilobytes, which every server takes.
const IDS_PER_SEARCH: usize = 50;
/// "No attributes" (RFC 4511 section 4.5.1.8): the name alone is asked for.
const NO_ATTRIBUTES: &str = "1.1";

/// An object that a look-up found; one that is not found is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Within base, scope and filter: the entry as it is now.
    InScope(Entry),
    /// The directory has it, but it is not among what is synchronized.
    OutOfScope {
        /// Where it is.
        dn: String,
    },
}

/// What a look-up by DN found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Single {
    /// The entry.
    Entry(Entry),
    /// There is none, or the bind account may not see it.
    Absent,
}

impl Directory {
    /// Looks up objects by id on the same server: first within the query, then without its filter in the whole tree.
    ///
    /// # Errors
    /// Any answer that is not complete: then nothing is proved about any of the ids.
    pub async fn look_up(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Found>, DirectoryError> {
        let mut found = BTreeMap::new();
        for ids in ids.chunks(IDS_PER_SEARCH) {
            match self.look_up_some(query, id_attribute, ids).await {
                // The control plane may think longer than the directory keeps an idle connection.
                Err(error) if error.failure == Failure::ConnectionLost => {
                    self.reopen().await?;
                    found.extend(self.look_up_some(query, id_attribute, ids).await?);
                }
                result => found.extend(result?),
            }
        }
        Ok(found)
    }

    /// Refuses to call an object gone while the entry at its last DN shows no id: who lost the right to read the id finds
    /// nobody by it any more, and everybody would look like a leaver.
    ///
    /// # Errors
    /// The entry is there without an id, or the question was not answered.
    pub async fn prove_gone(&mut self, id_attribute: &IdAttribute, dn: &str) -> Result<(), DirectoryError> {
        let attributes = [id_attribute.name().to_owned()];
        let entry = match self.entry(dn, &attributes).await {
            Err(error) if error.failure == Failure::ConnectionLost => {
                self.reopen().await?;
                self.entry(dn, &attributes).await?
            }
            // A DN that the server does not even understand names nobody.
            Err(error) if error.failure == Failure::SearchRefused => None,
            result => result?,
        };
        match entry.map(|entry| id_attribute.read(&entry)) {
            Some(Err(SourceIdError::Missing { attribute })) => Err(DirectoryError::new(
                Failure::IdHidden,
                format!(
                    "{dn} was not found by its id, but the entry is there and shows no {attribute}; nobody can be proved \
                     gone like that. Let the bind account read {attribute}, or set id_attribute to one that every entry has"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Whether the directory has an entry of this name that the bind account can see.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn exists(&mut self, dn: &str) -> Result<bool, DirectoryError> {
        let attributes = [NO_ATTRIBUTES.to_owned()];
        let single = match self.single("a container", dn, &attributes).await {
            Err(error) if error.failure == Failure::ConnectionLost => {
                self.reopen().await?;
                self.single("a container", dn, &attributes).await?
            }
            result => result?,
        };
        Ok(single != Single::Absent)
    }

    /// Reads one entry by name; `None` where there is none that the bind account can see.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn entry(&mut self, dn: &str, attributes: &[String]) -> Result<Option<Entry>, DirectoryError> {
        match self.single("an entry", dn, attributes).await? {
            Single::Entry(entry) => Ok(Some(entry)),
            Single::Absent => Ok(None),
        }
    }

    /// Reads one entry by name; `what` is what it is called in messages.
    pub(super) async fn single(
        &mut self,
        what: &'static str,
        dn: &str,
        attributes: &[String],
    ) -> Result<Single, DirectoryError> {
        let filter = Filter::present("objectClass");
        let request = SearchRequest { base: dn, scope: Scope::Base, filter: &filter, attributes, page: None };
        let (entries, outcome, _) = self.ask(what, request).await?;
        match outcome.code {
            code::SUCCESS => Ok(entries.into_iter().next().map_or(Single::Absent, Single::Entry)),
            code::NO_SUCH_OBJECT => Ok(Single::Absent),
            _ => Err(DirectoryError::search(Progress { what, entries: 0, page: 1 }, dn, &outcome)),
        }
    }

    async fn look_up_some(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Found>, DirectoryError> {
        const WHAT: &str = "objects that were not seen";
        let mut found = BTreeMap::new();
        let any_of = Filter::Or(ids.iter().map(|id| id_attribute.filter(id)).collect());
        let filter = Filter::And(vec![query.filter.clone(), any_of.clone()]);
        let request = SearchRequest {
            base: &query.base,
            scope: query.scope,
            filter: &filter,
            attributes: &query.attributes,
            page: None,
        };
        let (entries, outcome, references) = self.ask(WHAT, request).await?;
        let progress = Progress { what: WHAT, entries: entries.len() as u64, page: 1 };
        if outcome.code != code::SUCCESS {
            return Err(DirectoryError::search(progress, &query.base, &outcome));
        }
        if !references.is_empty() {
            return Err(DirectoryError::referral(progress, &query.base, &references));
        }
        for entry in entries {
            if let Ok(id) = id_attribute.read(&entry) {
                found.insert(id, Found::InScope(entry));
            }
        }
        if ids.iter().all(|id| found.contains_key(id)) {
            return Ok(found);
        }
        // What other servers hold is not on this one: references are no answer to "is it still here?".
        let tree = self.root().naming_context_of(&self.config.base_dn).map(str::to_owned);
        let tree = tree.unwrap_or_else(|| self.config.base_dn.to_string());
        let attributes = [id_attribute.name().to_owned()];
        let request = SearchRequest {
            base: &tree,
            scope: Scope::Sub,
            filter: &any_of,
            attributes: &attributes,
            page: None,
        };
        let (entries, outcome, _) = self.ask(WHAT, request).await?;
        if !matches!(outcome.code, code::SUCCESS | code::NO_SUCH_OBJECT) {
            return Err(DirectoryError::search(progress, &tree, &outcome));
        }
        for entry in entries {
            if let Ok(id) = id_attribute.read(&entry) {
                found.entry(id).or_insert_with(|| Found::OutOfScope { dn: entry.dn().to_owned() });
            }
        }
        Ok(found)
    }

    /// Runs a search of few results to its end.
    async fn ask(
        &mut self,
        what: &'static str,
        request: SearchRequest<'_>,
    ) -> Result<(Vec<Entry>, Outcome, Vec<String>), DirectoryError> {
        let limit = self.config.search_timeout;
        let (mut entries, mut references) = (Vec::new(), Vec::new());
        let progress = |entries: &[Entry]| Progress { what, entries: entries.len() as u64, page: 1 };
        let mut search = self
            .wire
            .search(&request, limit)
            .await
            .map_err(|error| error.during(progress(&entries), limit))?;
        loop {
            match search.next().await.map_err(|error| error.during(progress(&entries), limit))? {
                Answer::Entry(entry) => entries.push(entry.decode()?),
                Answer::Reference(urls) => references.extend(urls),
                Answer::Done(outcome, _) => return Ok((entries, outcome, references)),
            }
        }
    }
}
