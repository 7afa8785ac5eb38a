//! Reading again what a change feed named: where it is now, and what it says.

use std::collections::{BTreeMap, BTreeSet};

use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::mapping::Sid;
use adc_core::protocol::Whereabouts;
use adc_core::source_id::{IdAttribute, SourceId};

use super::error::{DirectoryError, Failure, Progress};
use super::look_up::{Found, IDS_PER_SEARCH, any_of, asked_for};
use super::outcome::code;
use super::read::Query;
use super::request::SearchRequest;
use super::session::Directory;
use crate::config::Scope;

/// Whether entries lie beneath an entry (X.501; OpenLDAP, 389 Directory Server and others).
const HAS_SUBORDINATES: &str = "hasSubordinates";
/// When an entry was made (RFC 4512 section 3.4.2, and Active Directory's own).
const MADE_AT: [&str; 2] = ["createTimestamp", "whenCreated"];
/// What an entry is.
const OBJECT_CLASS: &str = "objectClass";
/// Classes beneath whose entries Active Directory lets no person, group or org unit lie (`possSuperiors` of its schema).
const LEAVES: [&str; 4] = ["user", "group", "contact", "computer"];
/// "No attributes" (RFC 4511 section 4.5.1.8).
const NO_ATTRIBUTES: &str = "1.1";
/// What is read, for messages.
const BENEATH: &str = "what lies beneath a container";
/// What is read, for messages.
const ANYTHING: &str = "whether anybody is in sight";
/// What is read, for messages.
const PRIMARY_GROUPS: &str = "primary groups";

impl Directory {
    /// Where objects are that the bind account sees anywhere in the tree, in scope or not.
    ///
    /// A server that does not say whether something lies beneath an entry may have whole trees there; Active Directory does not
    /// say it, and is asked for what lies there.
    ///
    /// `since` is the checkpoint's time, as `YYYYmmddHHMMSS` in UTC.
    ///
    /// # Errors
    /// Any answer that is not complete.
    pub async fn whereabouts(
        &mut self,
        id_attribute: &IdAttribute,
        ids: &[SourceId],
        since: Option<&str>,
    ) -> Result<BTreeMap<SourceId, Whereabouts>, DirectoryError> {
        let mut places = BTreeMap::new();
        for ids in ids.chunks(IDS_PER_SEARCH) {
            let found = match self.places_of(id_attribute, ids, since).await {
                Err(error) if error.failure == Failure::ConnectionLost => {
                    self.reopen().await?;
                    self.places_of(id_attribute, ids, since).await?
                }
                result => result?,
            };
            places.extend(found);
        }
        Ok(places)
    }

    async fn places_of(
        &mut self,
        id_attribute: &IdAttribute,
        ids: &[SourceId],
        since: Option<&str>,
    ) -> Result<BTreeMap<SourceId, Whereabouts>, DirectoryError> {
        let [created, when_created] = MADE_AT;
        let attributes =
            [id_attribute.name(), HAS_SUBORDINATES, OBJECT_CLASS, created, when_created].map(str::to_owned);
        let any_of = any_of(id_attribute, ids);
        let mut places = BTreeMap::new();
        for entry in self.anywhere(id_attribute, &any_of, ids.len(), &attributes).await? {
            let id = asked_for(id_attribute, ids, &entry)?.clone();
            let container = self.has_beneath(&entry).await?;
            let new = since.is_some_and(|since| made_at(&entry).is_some_and(|made_at| made_at > since));
            places.insert(id, Whereabouts { dn: entry.dn().to_owned(), container, new });
        }
        Ok(places)
    }

    /// Whether something lies beneath an entry, or may.
    async fn has_beneath(&mut self, entry: &Entry) -> Result<bool, DirectoryError> {
        if !self.root().active_directory {
            let leaf = entry.texts(HAS_SUBORDINATES).any(|value| value.eq_ignore_ascii_case("FALSE"));
            return Ok(!leaf);
        }
        if entry.texts(OBJECT_CLASS).any(|class| LEAVES.iter().any(|leaf| leaf.eq_ignore_ascii_case(class))) {
            return Ok(false);
        }
        let filter = Filter::present(OBJECT_CLASS);
        let attributes = [NO_ATTRIBUTES.to_owned()];
        // A page of one: whether there is anybody is all that is asked.
        let page = self.sample(1);
        let request = SearchRequest {
            base: entry.dn(),
            scope: Scope::One,
            filter: &filter,
            attributes: &attributes,
            page,
        };
        let (beneath, outcome, _) = self.ask(BENEATH, request, &filter).await?;
        match outcome.code {
            code::SUCCESS => Ok(!beneath.is_empty()),
            // It moved meanwhile, and with it whatever lies there.
            code::NO_SUCH_OBJECT => Ok(true),
            _ => Err(self.failed(Progress { what: BENEATH, entries: 0, page: 1 }, entry.dn(), &outcome)),
        }
    }

    /// Whether a query finds anything that has an attribute as well: the first of it is all that is asked for.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn finds_any(&mut self, query: &Query, having: Option<&str>) -> Result<bool, DirectoryError> {
        let having = having.map(Filter::present);
        let filter = Filter::all([query.filter.clone()].into_iter().chain(having));
        let attributes = [NO_ATTRIBUTES.to_owned()];
        let request = SearchRequest {
            base: &query.base,
            scope: query.scope,
            filter: &filter,
            attributes: &attributes,
            page: self.sample(1),
        };
        let (found, outcome, _) = self.ask(ANYTHING, request, &filter).await?;
        match outcome.code {
            code::SUCCESS => Ok(!found.is_empty()),
            _ => Err(self.failed(Progress { what: ANYTHING, entries: 0, page: 1 }, &query.base, &outcome)),
        }
    }

    /// Those of the groups so identified that are within the query.
    ///
    /// # Errors
    /// Any answer that is not complete.
    pub async fn groups_of(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        groups: &BTreeSet<Sid>,
    ) -> Result<BTreeSet<SourceId>, DirectoryError> {
        let sids: Vec<Filter> = groups.iter().map(Sid::filter).collect();
        let attributes = [id_attribute.name().to_owned()];
        let mut found = BTreeSet::new();
        for sids in sids.chunks(IDS_PER_SEARCH) {
            let filter = Filter::And(vec![query.filter.clone(), Filter::Or(sids.to_vec())]);
            let request = SearchRequest {
                base: &query.base,
                scope: query.scope,
                filter: &filter,
                attributes: &attributes,
                page: None,
            };
            let (entries, outcome, _) = self.ask(PRIMARY_GROUPS, request, &filter).await?;
            if outcome.code != code::SUCCESS {
                let progress = Progress { what: PRIMARY_GROUPS, entries: 0, page: 1 };
                return Err(self.failed(progress, &query.base, &outcome));
            }
            // Who shows no id is not synchronized either.
            found.extend(entries.iter().filter_map(|entry| id_attribute.read(entry).ok()));
        }
        Ok(found)
    }

    /// Reads those of at most [`IDS_PER_SEARCH`] objects that are within the query, exactly as a search for all would.
    ///
    /// # Errors
    /// Any answer that is not complete.
    pub async fn read_again(
        &mut self,
        query: &Query,
        id_attribute: &IdAttribute,
        ids: &[SourceId],
    ) -> Result<Vec<Entry>, DirectoryError> {
        let found = match self.within(query, id_attribute, ids).await {
            Err(error) if error.failure == Failure::ConnectionLost => {
                self.reopen().await?;
                self.within(query, id_attribute, ids).await?
            }
            result => result?,
        };
        let entries = found.into_values().filter_map(|found| match found {
            Found::InScope(entry) => Some(entry),
            // Whose id cannot be read is missed by the control plane, and then looked at where it was seen last.
            Found::OutOfScope { .. } | Found::Unidentified { .. } | Found::ClassHidden { .. } => None,
        });
        Ok(entries.collect())
    }
}

/// When an entry was made, to the second: `20261122043638Z` and `20261122043638.0Z` are both known.
fn made_at(entry: &Entry) -> Option<&str> {
    MADE_AT.iter().find_map(|attribute| entry.text(attribute)).and_then(|time| time.get(..SECONDS))
}

/// `YYYYmmddHHMMSS`
const SECONDS: usize = 14;
