//! Reading again what a change feed named: where it is now, and what it says.

use std::collections::BTreeMap;

use adc_core::entry::Entry;
use adc_core::protocol::Whereabouts;
use adc_core::source_id::{IdAttribute, SourceId};

use super::error::{DirectoryError, Failure};
use super::look_up::{Found, IDS_PER_SEARCH, any_of, asked_for};
use super::read::Query;
use super::session::Directory;

/// Whether entries lie beneath an entry (X.501; OpenLDAP, 389 Directory Server and others).
const HAS_SUBORDINATES: &str = "hasSubordinates";

impl Directory {
    /// Where objects are that the bind account sees anywhere in the tree, in scope or not.
    ///
    /// A server that does not say whether something lies beneath an entry may have whole trees there.
    ///
    /// # Errors
    /// Any answer that is not complete.
    pub async fn whereabouts(
        &mut self,
        id_attribute: &IdAttribute,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Whereabouts>, DirectoryError> {
        let attributes = [id_attribute.name().to_owned(), HAS_SUBORDINATES.to_owned()];
        let mut places = BTreeMap::new();
        for ids in ids.chunks(IDS_PER_SEARCH) {
            let any_of = any_of(id_attribute, ids);
            let entries = match self.anywhere(id_attribute, &any_of, ids.len(), &attributes).await {
                Err(error) if error.failure == Failure::ConnectionLost => {
                    self.reopen().await?;
                    self.anywhere(id_attribute, &any_of, ids.len(), &attributes).await?
                }
                result => result?,
            };
            for entry in entries {
                let leaf = entry.texts(HAS_SUBORDINATES).any(|value| value.eq_ignore_ascii_case("FALSE"));
                let place = Whereabouts { dn: entry.dn().to_owned(), container: !leaf };
                places.insert(asked_for(id_attribute, ids, &entry)?.clone(), place);
            }
        }
        Ok(places)
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
            Found::OutOfScope { .. } | Found::Unidentified { .. } => None,
        });
        Ok(entries.collect())
    }
}
