//! Change feeds: which objects were touched since a mark, asked of the directory itself.
//!
//! A feed names objects and shows nothing of them: whoever asks reads them again, with the filter, mapping and scope of a
//! full run, and looks up whatever is said to be gone. So a feed may name too many objects, and never too few: where it
//! cannot tell all that happened it says that it is [`Lost`].

pub(super) mod ahead;
mod content;
mod csn;
mod dirsync;
mod each;
mod latest;
mod numbers;
mod persist;
mod picture;
mod plausible;
mod started;
mod sync;
mod syncrepl;
mod timestamps;
mod uuids;

use std::collections::BTreeSet;
use std::fmt;

use adc_core::protocol::Mark;
use adc_core::source_id::{IdAttribute, SourceId};

use super::error::DirectoryError;
use super::mark::CONTEXT_CSN;
use super::read::Query;
use super::request::{DIRSYNC_OID, SYNC_REQUEST_OID};
use super::root::Root;
use super::session::Directory;

pub use dirsync::MissingRight;
pub use latest::Before;
pub use numbers::ChangeNumbers;
pub use persist::Settle;
pub use picture::Picture;
pub use timestamps::Snapshot;
pub use uuids::Uuids;

/// The length of `YYYYmmddHHMMSS`.
const SECONDS: usize = 14;

/// Which change feed a directory offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// OpenLDAP's content synchronization (RFC 4533), polled.
    Syncrepl,
    /// Active Directory's DirSync (MS-ADTS 3.1.1.3.4.1.3), polled.
    DirSync,
    /// The times of last changes, compared by us: for directories that do not say what changed.
    Timestamps,
}

/// What is read of a directory, and so what a change is of interest to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What is read of each kind.
    pub queries: Vec<Query>,
    /// How objects are identified.
    pub id: IdAttribute,
    /// Who had left when the mark was left that is gone on from, some of those who did last.
    pub left: BTreeSet<SourceId>,
}

impl Default for Subject {
    /// Nobody at all, identified as most directories do it.
    fn default() -> Self {
        Self { queries: Vec::new(), id: IdAttribute::new("entryUUID"), left: BTreeSet::new() }
    }
}

/// What changed since a mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Objects that were added, changed or moved: they are read again.
    pub changed: BTreeSet<SourceId>,
    /// Objects that the feed calls removed, which may also mean that the bind account no longer sees them: they are
    /// looked up. None of them is among the changed.
    pub removed: BTreeSet<SourceId>,
    /// Those of whom it is known that, if they are gone, whatever lay beneath is named too.
    pub tombstones: BTreeSet<SourceId>,
    /// Whatever is not read may have been renamed, moved or removed as well, and is not named: others may refer to it.
    pub strangers: bool,
    /// Objects that are there and did not change, from a feed that does not name removals: whatever is neither here nor
    /// among the changed is looked up. It need not be gone: what changes while the feed is read is in the next one
    /// only. `None` from a feed that named all removals.
    pub present: Option<Uuids>,
    /// The result code of each search.
    pub result_codes: Vec<u32>,
    /// Where the next delta goes on: before anything of what was named is read.
    pub mark: Option<Mark>,
}

/// Why a feed cannot go on from a mark: everything has to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The server says so (RFC 4533 section 3.8).
    RefreshRequired,
    /// The mark is none of this feed, or of another state of this server: newer than what it holds, or from before it
    /// offered the feed.
    MarkNotUnderstood,
    /// The directory shows less than it did: it was put back from a backup, or is a replica that has not heard of everything.
    WentBack,
    /// None of those who were changed last is shown, nor anybody who was changed since.
    OutOfSight,
    /// The server was started again since: it may have forgotten what was removed, and would not say so.
    Restarted,
    /// The server cut the feed at a limit of its size, its time or its administrator.
    Limit,
    /// More was touched than is worth being read object by object.
    TooMuch,
    /// The feed is not offered where the objects are: the server has several databases.
    NotOffered,
    /// The bind account may not search for `entryCSN`, by which the server finds what changed, or not read
    /// `createTimestamp` of the schema, which shows a restart: the feed could leave out changes without a word.
    NotAllowed,
    /// Some of what is read hides `entryCSN`: what changes there is not named.
    NumbersHidden,
    /// Active Directory does not let the bind account follow changes, with the right to replicate or without.
    NotLetIn,
    /// So much time has passed that Active Directory has forgotten who was removed since.
    Forgotten,
    /// Something that was touched does not show who it is.
    Nameless,
    /// Something that is read does not show when it was changed last, or its identity is no UUID.
    NoTimes,
}

/// What OpenLDAP computes (`memberOf` with dynlist), or writes past `entryCSN` (`memberOf` with its own overlay, the times
/// of sign-ins).
const NOT_FOLLOWED_BY_SYNCREPL: [&str; 7] = [
    "memberOf",
    "isMemberOf",
    "hasSubordinates",
    "numSubordinates",
    "entryDN",
    "authTimestamp",
    "pwdLastSuccess",
];

/// What Active Directory computes (MS-ADTS 3.1.1.4.5), derives from a link's other end, or keeps for each domain controller apart
/// (`FLAG_ATTR_NOT_REPLICATED`).
const NOT_FOLLOWED_BY_DIRSYNC: [&str; 29] = [
    "allowedAttributes",
    "allowedAttributesEffective",
    "allowedChildClasses",
    "allowedChildClassesEffective",
    "badPasswordTime",
    "badPwdCount",
    "canonicalName",
    "directReports",
    "isMemberOfDL",
    "lastLogoff",
    "lastLogon",
    "logonCount",
    "managedObjects",
    "masteredBy",
    "memberOf",
    "modifyTimeStamp",
    "parentGUID",
    "possibleInferiors",
    "primaryGroupToken",
    "replPropertyMetaData",
    "replUpToDateVector",
    "sDRightsEffective",
    "structuralObjectClass",
    "subSchemaSubEntry",
    "tokenGroups",
    "tokenGroupsGlobalAndUniversal",
    "tokenGroupsNoGCAcceptable",
    "uSNChanged",
    "whenChanged",
];

/// Most of what is called `msDS-…` is computed; of these it is known that they are kept.
const KEPT_BY_ACTIVE_DIRECTORY: [&str; 3] =
    ["msds-cloudextensionattribute", "msds-phonetic", "msds-supportedencryptiontypes"];

impl Feed {
    /// The feed of a directory as far as it says by itself; `None` where it offers none that we can use. See [`Directory::feed`].
    pub fn of(root: &Root) -> Option<Self> {
        // The place in a feed is a cookie that only its server understands (RFC 4533 section 2.1.2). That of OpenLDAP can be
        // made of its mark; other servers that speak the protocol make theirs of something else.
        let syncrepl = root.openldap && root.controls.contains(SYNC_REQUEST_OID);
        let dirsync = root.active_directory && root.controls.contains(DIRSYNC_OID);
        let timestamps = !root.active_directory;
        let feeds = [(syncrepl, Self::Syncrepl), (dirsync, Self::DirSync), (timestamps, Self::Timestamps)];
        feeds.into_iter().find_map(|(offered, feed)| offered.then_some(feed))
    }

    /// The feed's name, as runs report it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syncrepl => "syncrepl",
            Self::DirSync => "dirsync",
            Self::Timestamps => "timestamps",
        }
    }

    /// The kind of [`Mark`] that it goes on from.
    pub fn mark_kind(self) -> &'static str {
        match self {
            Self::Syncrepl => CONTEXT_CSN,
            Self::DirSync => dirsync::DIRSYNC,
            Self::Timestamps => timestamps::MODIFY_TIMESTAMP,
        }
    }

    /// The attribute by which the directory finds changes with the rights of whoever asks: objects that hide it change without a word.
    pub fn finds_by(self) -> Option<&'static str> {
        match self {
            Self::Syncrepl => Some(numbers::CHANGE_NUMBER),
            Self::DirSync | Self::Timestamps => None,
        }
    }

    /// The time of a mark by the directory's clock, as `YYYYmmddHHMMSS` in UTC; of several positions the latest.
    pub fn time_of(self, mark: &Mark) -> Option<String> {
        let times = mark.values.iter().filter_map(|value| match self {
            Self::Syncrepl => csn::is_position(value).then_some(value.as_str()),
            Self::DirSync => value.strip_prefix(dirsync::TIME),
            // It is the time of the last change, which a replica hears of before others.
            Self::Timestamps => None,
        });
        let seconds =
            |time: &str| -> String { time.chars().filter(char::is_ascii_digit).take(SECONDS).collect() };
        times.map(seconds).filter(|time| time.len() == SECONDS).max()
    }

    /// A mark right before the directory's last change, to find out whether it remembers that; `None` where none can be made.
    pub fn before_last_change(self, mark: &Mark) -> Option<Mark> {
        match self {
            Self::Syncrepl => csn::before_last_change(mark),
            // What they remember does not depend on the place.
            Self::DirSync | Self::Timestamps => None,
        }
    }

    /// Whether it names the objects of which this attribute changes.
    ///
    /// What a directory computes when asked, or writes without calling the entry changed, it does not.
    pub fn follows(self, attribute: &str) -> bool {
        match self {
            Self::Syncrepl | Self::Timestamps => {
                !NOT_FOLLOWED_BY_SYNCREPL.iter().any(|name| name.eq_ignore_ascii_case(attribute))
            }
            Self::DirSync => {
                let lower = attribute.to_ascii_lowercase();
                let computed = lower.starts_with("msds-")
                    && !KEPT_BY_ACTIVE_DIRECTORY.iter().any(|kept| lower.starts_with(kept));
                // The other end of a link is called so: `serverReferenceBL`.
                let derived = attribute.ends_with("BL");
                !computed
                    && !derived
                    && !NOT_FOLLOWED_BY_DIRSYNC.iter().any(|name| name.eq_ignore_ascii_case(attribute))
            }
        }
    }

    /// An attribute that decides what a query reads, or is read, and whose changes the feed does not report.
    pub fn not_followed_of(self, query: &Query) -> Option<String> {
        let decisive = match self {
            Self::Syncrepl | Self::DirSync => query.decisive(),
            // Whom a filter finds is seen each time, whatever it rests on.
            Self::Timestamps => query.attributes.iter().cloned().collect(),
        };
        decisive.into_iter().find(|name| !self.follows(name))
    }

    /// Whether it names objects by the identity that this attribute holds. Where it does not, it is of no use.
    pub fn names_by(self, id: &IdAttribute) -> bool {
        match self {
            Self::Syncrepl => id.name().eq_ignore_ascii_case("entryUUID"),
            Self::DirSync => id.name().eq_ignore_ascii_case(dirsync::ID),
            Self::Timestamps => timestamps::names_by(id.name()),
        }
    }
}

impl Directory {
    /// The feed of what is read; `None` where the directory offers none that we can use.
    ///
    /// OpenLDAP says that it knows content synchronization once its module is loaded, and serves it for the databases alone that
    /// name it: it is asked, once. Where it does not serve it, times are compared.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn feed(&mut self) -> Result<Option<Feed>, DirectoryError> {
        let said = Feed::of(self.root());
        if said != Some(Feed::Syncrepl) {
            return Ok(said);
        }
        let serves = match self.serves_syncrepl {
            Some(serves) => serves,
            None => self.is_served_by_syncrepl().await?,
        };
        self.serves_syncrepl = Some(serves);
        Ok(Some(if serves { Feed::Syncrepl } else { Feed::Timestamps }))
    }

    /// Asks what was touched since a mark that [`Directory::mark`] read, or a [`Snapshot`] left.
    ///
    /// What changes meanwhile may be named or not; it is what changed since the mark that comes with the answer. A feed that can
    /// tell names those only of which something changed that is read.
    ///
    /// # Errors
    /// The feed did not come to its end, or makes no sense: nothing is known then. That the feed cannot go on from this
    /// mark is no error.
    pub async fn touched(
        &mut self,
        feed: Feed,
        since: &Mark,
        subject: &Subject,
    ) -> Result<Result<Touched, Lost>, DirectoryError> {
        match feed {
            Feed::Syncrepl => {
                if numbers::are_hidden(since) {
                    return Ok(Err(Lost::NumbersHidden));
                }
                // Before the feed is asked: what changes meanwhile is newer than the mark, and in the next delta.
                let mark = self.mark().await?;
                let touched = match self.refresh(since).await? {
                    Ok(touched) => touched,
                    Err(lost) => return Ok(Err(lost)),
                };
                if self.hidden_at_a_glance(subject).await?.is_some() {
                    return Ok(Err(Lost::NumbersHidden));
                }
                Ok(Ok(Touched { mark, ..touched }))
            }
            Feed::DirSync => {
                let attributes = subject.queries.iter().flat_map(Query::decisive).collect();
                self.changes(since, &attributes).await
            }
            Feed::Timestamps => self.differences(since, subject).await,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RefreshRequired => "the directory says that everything has to be read",
            Self::MarkNotUnderstood => "the directory does not know the position that was left, or stands before it",
            Self::Restarted => "the directory was started again since, and may have forgotten what was removed",
            Self::WentBack => {
                "the directory shows less than it did: it was put back from a backup, or is a replica that has not heard of everything yet"
            }
            Self::OutOfSight => {
                "none of those who were changed last is shown any more, nor anybody who was changed since: the bind account lost sight of \
                 them, they all left, or the directory was put back from a backup"
            }
            Self::Limit => "the directory cut the change feed at a limit; raise the limits of the bind account",
            Self::TooMuch => "more was touched than is worth being read object by object",
            Self::NotOffered => "the directory does not offer its change feed where the base DN is; load syncprov there",
            Self::NotAllowed => {
                "the bind account may not read entryCSN, by which the directory finds what changed, or createTimestamp of cn=Subschema, which shows a restart; let it read both"
            }
            Self::NumbersHidden => {
                "some entries hide entryCSN from the bind account, by which the directory finds what changed; let it read entryCSN, and search by it, everywhere"
            }
            Self::NotLetIn => {
                "the directory does not let the bind account follow its changes; give it the right Replicating Directory Changes"
            }
            Self::Forgotten => {
                "more time has passed than the directory remembers who was removed (tombstoneLifetime)"
            }
            Self::Nameless => "the change feed names something that does not show its identity",
            Self::NoTimes => {
                "not everything that is read shows modifyTimestamp and a UUID; let the bind account read both"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use adc_core::entry::Entry;

    use super::*;

    #[test]
    fn only_the_cookie_of_openldap_can_be_made_of_a_mark() {
        let control = "1.3.6.1.4.1.4203.1.9.1.1";
        let root = |class: &str, control: &str| {
            Root::of(
                &Entry::new("").with("objectClass", &["top", class]).with("supportedControl", &[control]),
            )
        };
        assert_eq!(Feed::of(&root("OpenLDAProotDSE", control)), Some(Feed::Syncrepl));
        let compared = Some(Feed::Timestamps);
        assert_eq!(Feed::of(&root("OpenLDAProotDSE", "1.2.840.113556.1.4.319")), compared);
        assert_eq!(Feed::of(&root("top", control)), compared, "such as 389 Directory Server");
    }

    #[test]
    fn active_directory_is_followed_where_it_offers_it() {
        let root = |capability: &str, control: &str| {
            let entry = Entry::new("").with("supportedCapabilities", &[capability]);
            Feed::of(&Root::of(&entry.with("supportedControl", &[control])))
        };
        let (domain, dirsync) = ("1.2.840.113556.1.4.800", "1.2.840.113556.1.4.841");
        assert_eq!(root(domain, dirsync), Some(Feed::DirSync));
        assert_eq!(root(domain, "1.2.840.113556.1.4.319"), None);
        assert_eq!(root("1.2.3", dirsync), Some(Feed::Timestamps), "such as 389 Directory Server");
    }

    #[test]
    fn what_is_computed_derived_or_not_replicated_is_not_followed() {
        for name in [
            "memberOf",
            "MEMBEROF",
            "tokenGroups",
            "msDS-User-Account-Control-Computed",
            "msDS-MembersForAzRoleBL",
            "lastLogon",
            "whenChanged",
            "serverReferenceBL",
        ] {
            assert!(!Feed::DirSync.follows(name), "{name}");
        }
        for name in [
            "member",
            "title",
            "userAccountControl",
            "msDS-cloudExtensionAttribute1",
            "mS-DS-ConsistencyGuid",
            "objectSid",
            "extensionAttribute7",
        ] {
            assert!(Feed::DirSync.follows(name), "{name}");
        }
    }

    #[test]
    fn the_time_of_a_mark_is_that_of_its_last_position() {
        let mark = |kind: &str, values: &[&str]| Mark {
            kind: kind.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let csn = mark(
            CONTEXT_CSN,
            &[
                "20261122043638.123456Z#000000#001#000000",
                "20261122043639.000001Z#000000#002#000000",
                "started=20261122050000Z",
            ],
        );
        assert_eq!(Feed::Syncrepl.time_of(&csn).as_deref(), Some("20261122043639"));
        let place = mark("dirsync", &["cookie=MTIzNDU2Nzg5MDEyMzQ1Ng==", "currentTime=2026-11-22T05:10:36"]);
        assert_eq!(Feed::DirSync.time_of(&place).as_deref(), Some("20261122051036"));
        assert_eq!(Feed::Syncrepl.time_of(&mark(CONTEXT_CSN, &[])), None);
    }

    #[test]
    fn it_names_objects_by_their_uuid_alone() {
        assert!(Feed::Syncrepl.names_by(&IdAttribute::new("entryuuid")));
        assert!(!Feed::Syncrepl.names_by(&IdAttribute::new("uid")));
        assert!(Feed::DirSync.names_by(&IdAttribute::new("objectguid")));
        assert!(!Feed::DirSync.names_by(&IdAttribute::new("sAMAccountName")));
        assert!(Feed::Timestamps.names_by(&IdAttribute::new("nsuniqueid")));
        assert!(!Feed::Timestamps.names_by(&IdAttribute::new("uid")));
    }
}
