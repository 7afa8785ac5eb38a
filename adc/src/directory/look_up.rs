//! Asking for single objects: absence is proved by looking, not concluded from silence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use adc_core::dn::Dn;
use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::source_id::{IdAttribute, SourceId, SourceIdError};

use super::error::{DirectoryError, Failure, Progress};
use super::log::SearchLog;
use super::outcome::{Outcome, code};
use super::read::Query;
use super::request::{Control, Part, SearchRequest};
use super::session::Directory;
use super::wire::Answer;
use crate::config::Scope;

/// Ids asked for in one search: a filter of a few kilobytes, which every server takes.
pub const IDS_PER_SEARCH: usize = 50;
/// What is looked up, for messages.
const WHAT: &str = "objects that were not seen";
/// The classes of an entry, which every entry has (RFC 4512 section 2.4.1).
const OBJECT_CLASS: &str = "objectClass";
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
    /// The directory has it, and no usable id can be read of it: it can be neither recognized nor called gone.
    Unidentified {
        /// The entry as it is now.
        entry: Entry,
        /// What is wrong with its id.
        error: SourceIdError,
    },
    /// The directory has it and shows no class of it, so that whether the filter should find it cannot be told, since every
    /// filter of people names one; or what it shows fits the filter, which does not find it: it may be read and not be searched
    /// by. It can be recognized, and not called out of scope.
    ClassHidden {
        /// The entry as it is now, without what it holds.
        entry: Entry,
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

    /// Looks where an object that no look-up by id finds was seen last; `None` proves that it is gone.
    ///
    /// Who lost the right to read the id, or to search by it, finds nobody by it any more, and everybody would look like a leaver.
    /// Another object at that place is no obstacle, and a DN that the server does not even understand names nobody.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn look_at(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        id: &SourceId,
        dn: &str,
    ) -> Result<Option<Found>, DirectoryError> {
        match self.look_at_once(query, id_attribute, id, dn).await {
            Err(error) if error.failure == Failure::ConnectionLost => {
                self.reopen().await?;
                self.look_at_once(query, id_attribute, id, dn).await
            }
            result => result,
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
        let filter = Filter::present(OBJECT_CLASS);
        let request = SearchRequest { base: dn, scope: Scope::Base, filter: &filter, attributes, page: None };
        let (entries, outcome, _) = self.ask(what, request, &filter).await?;
        match outcome.code {
            code::SUCCESS => Ok(entries.into_iter().next().map_or(Single::Absent, Single::Entry)),
            code::NO_SUCH_OBJECT => Ok(Single::Absent),
            _ => Err(self.failed(Progress { what, entries: 0, page: 1 }, dn, &outcome)),
        }
    }

    async fn look_up_some(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Found>, DirectoryError> {
        let mut found = self.within(query, id_attribute, ids).await?;
        if ids.iter().all(|id| found.contains_key(id)) {
            return Ok(found);
        }
        let any_of = any_of(id_attribute, ids);
        let mut attributes = query.filter.attributes();
        attributes.extend([id_attribute.name(), OBJECT_CLASS].map(str::to_ascii_lowercase));
        let attributes: Vec<String> = attributes.into_iter().collect();
        for entry in self.anywhere(id_attribute, &any_of, ids.len(), &attributes).await? {
            let id = asked_for(id_attribute, ids, &entry)?.clone();
            found.entry(id).or_insert_with(|| outside(query, entry));
        }
        Ok(found)
    }

    /// Those of the objects that are within the query.
    pub(super) async fn within(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Found>, DirectoryError> {
        let mut found = BTreeMap::new();
        let filter = Filter::And(vec![query.filter.clone(), any_of(id_attribute, ids)]);
        let request = SearchRequest {
            base: &query.base,
            scope: query.scope,
            filter: &filter,
            attributes: &query.attributes,
            page: None,
        };
        let by = format!("{} and {}", query.filter, by_id(id_attribute, ids.len()));
        let (entries, outcome, references) = self.ask(WHAT, request, &by).await?;
        let progress = Progress { what: WHAT, entries: entries.len() as u64, page: 1 };
        if outcome.code != code::SUCCESS {
            return Err(self.failed(progress, &query.base, &outcome));
        }
        self.accept_references(progress, &query.base, &references).await?;
        for entry in entries {
            let id = asked_for(id_attribute, ids, &entry)?.clone();
            let entry = self.completed(query, entry).await?;
            let what = match id_attribute.read(&entry) {
                Ok(_) => Found::InScope(entry),
                Err(error) => Found::Unidentified { entry, error },
            };
            found.insert(id, what);
        }
        Ok(found)
    }

    /// Searches the whole tree that the bind account can see, by ids and without any other filter.
    pub(super) async fn anywhere(
        &mut self,
        id_attribute: &IdAttribute,
        filter: &Filter,
        ids: usize,
        attributes: &[String],
    ) -> Result<Vec<Entry>, DirectoryError> {
        let base_dn = self.config.base_dn.to_string();
        let tree = self.root().naming_context_of(&self.config.base_dn).map(str::to_owned);
        // A root that the bind account may not see is no empty tree: what it does see begins at the base DN.
        for base in tree.into_iter().chain([base_dn.clone()]) {
            let request = SearchRequest { base: &base, scope: Scope::Sub, filter, attributes, page: None };
            // What other servers hold is not on this one: references are no answer to "is it still here?".
            let (entries, outcome, _) = self.ask(WHAT, request, &by_id(id_attribute, ids)).await?;
            match outcome.code {
                code::SUCCESS => return Ok(entries),
                code::NO_SUCH_OBJECT | code::INSUFFICIENT_ACCESS if base != base_dn => {}
                _ => {
                    let progress = Progress { what: WHAT, entries: entries.len() as u64, page: 1 };
                    return Err(self.failed(progress, &base, &outcome));
                }
            }
        }
        unreachable!("the base DN comes last, and its search returns")
    }

    async fn look_at_once(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        id: &SourceId,
        dn: &str,
    ) -> Result<Option<Found>, DirectoryError> {
        let anything = Filter::present(OBJECT_CLASS);
        let Some(entry) = self.matching(dn, &anything, &query.attributes).await? else { return Ok(None) };
        let entry = self.completed(query, entry).await?;
        match id_attribute.read(&entry) {
            Err(error) => Ok(Some(Found::Unidentified { entry, error })),
            Ok(there) if there != *id => Ok(None),
            Ok(_) => {
                let in_scope = is_within(&query.base, query.scope, entry.dn())
                    && self.matching(dn, &query.filter, &[NO_ATTRIBUTES.to_owned()]).await?.is_some();
                let dn = entry.dn().to_owned();
                // It was found by a filter on its class.
                Ok(Some(if in_scope { Found::InScope(entry) } else { Found::OutOfScope { dn } }))
            }
        }
    }

    /// Reads one entry by name if it matches; `None` too where the name is none.
    async fn matching(
        &mut self,
        dn: &str,
        filter: &Filter,
        attributes: &[String],
    ) -> Result<Option<Entry>, DirectoryError> {
        let request = SearchRequest { base: dn, scope: Scope::Base, filter, attributes, page: None };
        let (entries, outcome, _) = self.ask(WHAT, request, filter).await?;
        match outcome.code {
            code::SUCCESS => Ok(entries.into_iter().next()),
            code::NO_SUCH_OBJECT | code::INVALID_DN_SYNTAX => Ok(None),
            _ => Err(self.failed(Progress { what: WHAT, entries: 0, page: 1 }, dn, &outcome)),
        }
    }

    /// Runs a search of few results to its end; `filter` is what the log says it asks for.
    pub(super) async fn ask(
        &mut self,
        what: &'static str,
        request: SearchRequest<'_>,
        filter: &(dyn Display + Sync),
    ) -> Result<(Vec<Entry>, Outcome, BTreeSet<String>), DirectoryError> {
        let controls = self.by_guid();
        self.ask_with(what, request, controls, filter).await
    }

    /// As [`Self::ask`], with controls.
    pub(super) async fn ask_with(
        &mut self,
        what: &'static str,
        request: SearchRequest<'_>,
        controls: &[Control],
        filter: &(dyn Display + Sync),
    ) -> Result<(Vec<Entry>, Outcome, BTreeSet<String>), DirectoryError> {
        let limit = self.config.search_timeout;
        let (mut entries, mut references) = (Vec::new(), BTreeSet::new());
        let progress = |entries: &[Entry]| Progress { what, entries: entries.len() as u64, page: 1 };
        let log = SearchLog::begin(request);
        let mut search = self
            .wire
            .search_with(&request, controls, limit)
            .await
            .map_err(|error| error.during(progress(&entries), limit))?;
        loop {
            match search.next().await.map_err(|error| error.during(progress(&entries), limit))? {
                Answer::Entry(entry) => entries.push(entry.decode_partial()?),
                Answer::Reference(urls) => references.extend(urls),
                Answer::Done(mut outcome, _) => {
                    log.ended_by(filter, entries.len() as u64, Some(outcome.code));
                    let as_asked = |most| entries.len() as u64 >= u64::from(most);
                    if outcome.code == code::SIZE_LIMIT_EXCEEDED
                        && matches!(request.page, Some(Part::AtMost(most)) if as_asked(most))
                    {
                        outcome.code = code::SUCCESS;
                    }
                    return Ok((entries, outcome, references));
                }
            }
        }
    }

    pub(super) fn failed(&self, progress: Progress<'_>, base: &str, outcome: &Outcome) -> DirectoryError {
        DirectoryError::search(progress, base, &self.config, outcome)
    }
}

/// Whom of those asked for an entry is that was found by their ids.
///
/// A directory that compares ids otherwise than we do, or finds by an id that it does not show, returns somebody, and nobody
/// knows whom: that is no proof that anybody is gone.
pub(super) fn asked_for<'i>(
    id_attribute: &IdAttribute,
    ids: &'i [SourceId],
    entry: &Entry,
) -> Result<&'i SourceId, DirectoryError> {
    ids.iter().find(|id| id_attribute.has(entry, id)).ok_or_else(|| {
        let (dn, attribute) = (entry.dn(), id_attribute.name());
        DirectoryError::new(
            Failure::IdMismatch,
            format!(
                "the directory returned {dn} for a look-up by {attribute}, but the {attribute} that it shows is none of those \
                 asked for; nobody can be proved gone like that. Let the bind account read {attribute}, or set \
                 id_attribute to one that is compared exactly, such as entryUUID or objectGUID"
            ),
        )
    })
}

/// What an entry is that the query does not find.
fn outside(query: &Query, entry: Entry) -> Found {
    let shows = |attribute: &str| entry.all_values(attribute).next().is_some();
    // What it does not show proves nothing: a filter may find by it all the same.
    let fits = || {
        is_within(&query.base, query.scope, entry.dn())
            && query.filter.attributes().iter().all(|attribute| shows(attribute))
            && query.filter.matches(&entry)
    };
    if !shows(OBJECT_CLASS) || fits() {
        Found::ClassHidden { entry }
    } else {
        Found::OutOfScope { dn: entry.dn().to_owned() }
    }
}

/// The objects, by id.
pub(super) fn any_of(id_attribute: &IdAttribute, ids: &[SourceId]) -> Filter {
    Filter::Or(ids.iter().flat_map(|id| id_attribute.filters(id)).collect())
}

/// What a look-up asks for, without the ids: they may be people's numbers.
fn by_id(id_attribute: &IdAttribute, ids: usize) -> String {
    format!("{ids} ids by {}", id_attribute.name())
}

/// Whether a search of this base and scope reaches a place.
fn is_within(base: &str, scope: Scope, dn: &str) -> bool {
    let (Ok(base), Ok(dn)) = (Dn::parse(base), Dn::parse(dn)) else { return false };
    match scope {
        Scope::Base => dn.key() == base.key(),
        Scope::One => dn.is_child_of(&base),
        Scope::Sub => dn.is_within(&base),
    }
}
