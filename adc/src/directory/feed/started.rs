//! Which process of a server answers.
//!
//! slapd keeps the log of what was removed in memory, and writes down where it stands only now and then. After a crash it stands
//! where it last wrote it, calls a place before that newer than itself, and says of one after it that its log holds all that
//! happened since: what was removed before the crash is never named. So a place in its feed is good for one process only.

use adc_core::filter::Filter;

use crate::config::Scope;
use crate::directory::error::{DirectoryError, Progress};
use crate::directory::outcome::code;
use crate::directory::request::SearchRequest;
use crate::directory::session::Directory;

/// What the start is called among the values of a mark.
const STARTED: &str = "started=";
/// OpenLDAP's schema is as old as the process that made it from its configuration.
const BORN: &str = "createTimestamp";
/// What is read, for messages.
const WHAT: &str = "the age of the directory's process";

/// Tells the start from the positions among the values of a mark.
pub(super) fn is_start(value: &str) -> bool {
    value.starts_with(STARTED)
}

impl Directory {
    /// When the process that answers was started, as a value of a mark; `None` where it does not show that.
    ///
    /// # Errors
    /// The question was not answered.
    pub(in crate::directory) async fn started(&mut self) -> Result<Option<String>, DirectoryError> {
        let Some(schema) = self.root().subschema.clone() else { return Ok(None) };
        let filter = Filter::present("objectClass");
        let attributes = [BORN.to_owned()];
        let request = SearchRequest {
            base: &schema,
            scope: Scope::Base,
            filter: &filter,
            attributes: &attributes,
            page: None,
        };
        let (entries, outcome, _) = self.ask(WHAT, request, &filter).await?;
        match outcome.code {
            code::SUCCESS => {
                Ok(entries.iter().find_map(|entry| entry.text(BORN)).map(|time| format!("{STARTED}{time}")))
            }
            code::NO_SUCH_OBJECT | code::INSUFFICIENT_ACCESS => Ok(None),
            _ => Err(self.failed(Progress { what: WHAT, entries: 0, page: 1 }, &schema, &outcome)),
        }
    }
}
