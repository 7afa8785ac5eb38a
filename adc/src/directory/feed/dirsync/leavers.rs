//! Who left: what the feed says of them, for how long, and to whom; and who is there, for whom it does not tell.

use adc_core::filter::Filter;
use adc_core::record::Kind;
use jiff::{SignedDuration, civil::DateTime};

use super::{ID, OBJECT_CLASS};
use crate::config::Scope;
use crate::directory::error::{DirectoryError, Failure, Progress};
use crate::directory::feed::Uuids;
use crate::directory::feed::uuids::Uuid;
use crate::directory::look_up::Single;
use crate::directory::outcome::code;
use crate::directory::read::Query;
use crate::directory::request::{Control, SHOW_DELETED_OID, SearchRequest};
use crate::directory::session::Directory;

/// The container of the removed objects, by its well-known GUID (MS-ADTS 6.1.1.4.8).
const DELETED_OBJECTS: &str = "18E2EA80684F11D2B9AA00C04F79F805";
/// Where a forest says how long it remembers who was removed, below its configuration.
const DIRECTORY_SERVICE: &str = "CN=Directory Service,CN=Windows NT,CN=Services";
/// How long that is, in days.
const TOMBSTONE_LIFETIME: &str = "tombstoneLifetime";
/// What it is where nothing is said (MS-ADTS 6.1.1.2.4.1.1).
const DEFAULT_LIFETIME_DAYS: i64 = 60;
/// It cannot be shorter than this (MS-ADTS 6.1.1.2.4.1.1).
const SHORTEST_LIFETIME_DAYS: i64 = 2;

impl Directory {
    /// Whether who was removed since may be forgotten by now.
    pub(super) async fn has_forgotten(
        &mut self,
        since: DateTime,
        now: DateTime,
    ) -> Result<bool, DirectoryError> {
        let age = now.duration_since(since);
        if age < days(SHORTEST_LIFETIME_DAYS) {
            return Ok(false);
        }
        let Some(configuration) = self.root().configuration_context.clone() else { return Ok(true) };
        let dn = format!("{DIRECTORY_SERVICE},{configuration}");
        let lifetime =
            match self.single("the tombstone lifetime", &dn, &[TOMBSTONE_LIFETIME.to_owned()]).await {
                Ok(Single::Entry(entry)) => entry.text(TOMBSTONE_LIFETIME).and_then(|days| days.parse().ok()),
                Ok(Single::Absent) => None,
                Err(error) if error.failure == Failure::SearchRefused => None,
                Err(error) => return Err(error),
            };
        Ok(age >= days(lifetime.unwrap_or(DEFAULT_LIFETIME_DAYS)))
    }

    /// Whether the bind account may read the deleted objects. If not, the feed says of nobody that they were removed.
    pub(super) async fn sees_removals(&mut self, tree: &str) -> Result<bool, DirectoryError> {
        let base = format!("<WKGUID={DELETED_OBJECTS},{tree}>");
        let filter = Filter::present(OBJECT_CLASS);
        let attributes = [OBJECT_CLASS.to_owned()];
        let request = SearchRequest {
            base: &base,
            scope: Scope::Base,
            filter: &filter,
            attributes: &attributes,
            page: None,
        };
        let controls = [Control { oid: SHOW_DELETED_OID, value: None }];
        let what = "the right to see deleted objects";
        let (entries, outcome, _) = self.ask_with(what, request, &controls, &filter).await?;
        match outcome.code {
            // Without the right the container is found all the same, and shows nothing of itself.
            code::SUCCESS => Ok(entries.iter().any(|entry| !entry.values(OBJECT_CLASS).is_empty())),
            code::NO_SUCH_OBJECT | code::INSUFFICIENT_ACCESS | code::UNAVAILABLE_CRITICAL_EXTENSION => {
                Ok(false)
            }
            _ => Err(self.failed(Progress { what, entries: 0, page: 1 }, &base, &outcome)),
        }
    }

    /// Everybody who is within base and scope, whatever they are.
    pub(super) async fn all_ids(&mut self, result_codes: &mut Vec<u32>) -> Result<Uuids, DirectoryError> {
        let query = Query {
            kind: Kind::User,
            base: self.config.base_dn.to_string(),
            scope: self.config.scope,
            filter: Filter::present(OBJECT_CLASS),
            attributes: vec![ID.to_owned()],
            unlisted: None,
        };
        let mut ids = Uuids::default();
        let codes = self.each(&query, |entry| {
            // Who does not show theirs is missed, and then looked up.
            if let [guid] = entry.values(ID)
                && let Ok(guid) = Uuid::try_from(guid.as_slice())
            {
                ids.put(as_shown(guid));
            }
        });
        result_codes.extend(codes.await?);
        Ok(ids)
    }
}

/// A GUID in the order in which its text shows it: the first three groups are stored the other way round.
fn as_shown(mut guid: Uuid) -> Uuid {
    for group in [0..4, 4..6, 6..8] {
        guid[group].reverse();
    }
    guid
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

#[cfg(test)]
mod tests {
    use adc_core::entry::Entry;
    use adc_core::source_id::{IdAttribute, SourceId};

    use super::*;

    #[test]
    fn a_guid_that_is_swept_is_the_guid_that_is_read() {
        let guid: Uuid = std::array::from_fn(|index| u8::try_from(index).expect("small"));
        let mut entry = Entry::new("cn=a");
        entry.push(ID, vec![guid.to_vec()]);
        assert_eq!(IdAttribute::new(ID).read(&entry), Ok(SourceId::of_uuid(&as_shown(guid))));
    }
}
