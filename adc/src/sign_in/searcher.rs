//! A connection that people are looked for over.

use adc_core::mapping::{Bounds, Mapping};
use adc_core::policy::Policy;
use adc_core::record::Kind;
use adc_core::source_id::IdAttribute;

use super::names;
use crate::config::Config;
use crate::directory::{Directory, DirectoryError, Failure, Query, Reached};
use crate::imp::query;

/// A connection of the bind account, and what it looks for people with.
#[derive(Debug)]
pub(super) struct Searcher {
    pub(super) directory: Directory,
    people: Query,
    id: IdAttribute,
}

/// Whom a name leads to.
pub(super) enum Match {
    Them(String),
    SomebodyElse(&'static str),
}

impl Searcher {
    /// Goes on where the bind account was let in.
    pub(super) async fn over(reached: Reached) -> Result<Self, DirectoryError> {
        let directory = reached.signed_in().await?;
        let config = directory.config();
        let bounds = Bounds {
            preset: config.preset,
            id_attribute: config.id_attribute.clone(),
            attributes: config.attributes.clone(),
        };
        let mapping = Mapping::compile(&Policy::default(), &bounds, &directory.root().dse)
            .map_err(|error| DirectoryError::new(Failure::Unreadable, error.to_string()))?;
        let people = query(config, &mapping, Kind::User);
        Ok(Self { people, id: mapping.id().clone(), directory })
    }

    /// Asks for one name after the other, until one is somebody's.
    pub(super) async fn seek(
        mut self,
        config: &Config,
        names: &[String],
        source_id: &str,
    ) -> Result<(Self, Option<Match>), DirectoryError> {
        let kind = self.directory.root().active_directory;
        for name in names {
            let by = names::filter(&config.authentication, kind, name).map_err(|error| {
                DirectoryError::new(Failure::Unreadable, format!("no filter can be made of a name: {error}"))
            })?;
            let found = self.directory.people_by(&self.people, &by, &self.id).await?;
            let matched = match found.as_slice() {
                [] => continue,
                [one] if one.dn().is_empty() => Match::SomebodyElse("the entry has no name"),
                [one] if self.id.read(one).is_ok_and(|id| id.as_str() == source_id) => {
                    Match::Them(one.dn().to_owned())
                }
                [_] => Match::SomebodyElse("the name is that of somebody else in the directory"),
                _ => Match::SomebodyElse("the name is that of several people in the directory"),
            };
            return Ok((self, Some(matched)));
        }
        Ok((self, None))
    }
}
