//! Members that a group has without listing them: those whose primary group it is (Active Directory).
//!
//! People are read before groups and each names its primary group. Nobody is remembered for it: of the groups so named,
//! which are few, each is completed by a search for its people when it is read.

use std::collections::BTreeSet;
use std::pin::Pin;

use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::mapping::Sid;
use tokio::sync::mpsc;

use super::error::DirectoryError;
use super::read::Query;
use super::session::Directory;
use crate::packed::Packed;

/// What a person's entry says of its primary group, which [`Sid::of_primary_group`] reads.
const OF_PEOPLE: [&str; 2] = ["objectSid", PRIMARY_GROUP_ID];
/// The number of a person's primary group.
const PRIMARY_GROUP_ID: &str = "primaryGroupID";
/// Chunks of people that wait to be noted.
const CHUNKS_AHEAD: usize = 2;

/// How groups get the members that they do not list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// The groups that are somebody's primary group; `None` where not everybody was read, so that any group may be one.
    pub groups: Option<BTreeSet<Sid>>,
    /// Finds the people who are synchronized.
    pub people: Box<Query>,
}

/// A read of people on the way of a read of groups: boxed, for the one is part of the other.
type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<Packed>, DirectoryError>> + Send + 'a>>;

impl Unlisted {
    /// Whether this group may have members that it does not list.
    pub(super) fn may_have(&self, group: &Sid) -> bool {
        self.groups.as_ref().is_none_or(|groups| groups.contains(group))
    }
}

impl Directory {
    /// The members that a group does not list.
    ///
    /// # Errors
    /// The search for them was not complete.
    pub(super) async fn unlisted(
        &mut self,
        unlisted: &Unlisted,
        group: &Entry,
    ) -> Result<Vec<Packed>, DirectoryError> {
        let Some(sid) = Sid::of(group).filter(|sid| unlisted.may_have(sid)) else { return Ok(Vec::new()) };
        let number = Filter::equality(PRIMARY_GROUP_ID, sid.number().to_string());
        let people = Query {
            filter: Filter::And(vec![unlisted.people.filter.clone(), number]),
            attributes: OF_PEOPLE.map(str::to_owned).to_vec(),
            ..Query::clone(&unlisted.people)
        };
        // The same number is another group in another domain.
        self.names_of(&people, &|person| Sid::of_primary_group(person).as_ref() == Some(&sid)).await
    }

    /// The names of those whom a query finds and `counts` accepts.
    fn names_of<'a>(
        &'a mut self,
        query: &'a Query,
        counts: &'a (dyn Fn(&Entry) -> bool + Sync),
    ) -> Reading<'a> {
        Box::pin(async move {
            let (sender, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
            let read = async {
                let receipt = self.read(query, &sender).await;
                drop(sender);
                receipt
            };
            let note = async {
                let mut packed = Vec::new();
                while let Some(chunk) = chunks.recv().await {
                    let mut names = Vec::with_capacity(chunk.len());
                    for entry in chunk {
                        let entry = entry.decode()?;
                        if counts(&entry) {
                            names.push(entry.reference().to_text());
                        }
                    }
                    packed.push(Packed::of(&names));
                }
                Ok(packed)
            };
            let (receipt, packed) = tokio::join!(read, note);
            receipt?;
            packed
        })
    }
}
