//! The change numbers of what is read, where the feed goes by them.
//!
//! slapd finds what changed by `entryCSN`, with the rights of whoever asks: an entry that hides its own changes, comes and leaves
//! without a word. A full run sees who does. Between two of them the org units stand for what lies beneath them, since a right is
//! given to a part of the tree as a rule; and the first page of people and of groups for the others, since it may be given to them
//! alone. To look at everybody would cost a delta as much as a full run.
//!
//! And slapd's own position does not tell whether it was put back from a backup, once anything was written to it since: then those
//! who were changed last are shown as they were before.

use std::collections::BTreeSet;

use adc_core::entry::Entry;
use adc_core::filter::Filter;
use adc_core::protocol::Mark;
use adc_core::record::Kind;
use adc_core::source_id::{IdAttribute, SourceId};
use jiff::Timestamp;

use super::Subject;
use super::ahead::is_read;
use super::latest::{Before, Latest, Watched};
use super::plausible::Plausible;
use crate::clock;
use crate::config::Scope;
use crate::directory::error::{DirectoryError, Progress};
use crate::directory::outcome::code;
use crate::directory::read::Query;
use crate::directory::request::SearchRequest;
use crate::directory::session::Directory;

/// By which slapd finds what changed, with the rights of whoever asks.
pub(in crate::directory) const CHANGE_NUMBER: &str = "entryCSN";
/// What the values of a mark begin with that are noted there beside the directory's own.
const LATEST: &str = "latest=";
const HIDDEN: &str = "hidden=";
/// "No attributes" (RFC 4511 section 4.5.1.8).
const NO_ATTRIBUTES: &str = "1.1";
/// So many people, and so many groups, stand for the others: all of them, as a rule, and some ten milliseconds of slapd's time.
const FIRST: u32 = 1_000;
/// What is read, for messages.
const WHAT: &str = "the right to follow changes";

/// The change numbers of what was read so far.
#[derive(Debug)]
pub struct ChangeNumbers {
    id: IdAttribute,
    plausible: Plausible,
    latest: Latest,
    watched: Watched,
    /// The name of somebody who does not show their number.
    hidden: Option<String>,
}

impl ChangeNumbers {
    /// Of nobody yet, before everything is read; `now` is our clock.
    pub fn of_all(id: IdAttribute, now: Timestamp, before: Before<'_>) -> Self {
        let latest = before.mark.map(latest_in).unwrap_or_default();
        let watched = Watched::since(&latest, before.left, before.comparable);
        Self { id, plausible: Plausible::at(now), latest: latest.anew(), watched, hidden: None }
    }

    /// Of all that was read until the earlier mark, without those who were touched since: they are read again. `now` is our clock.
    pub fn since(id: IdAttribute, now: Timestamp, earlier: &Mark, touched: &BTreeSet<SourceId>) -> Self {
        let mut latest = latest_in(earlier);
        latest.forget(touched);
        Self { id, plausible: Plausible::at(now), latest, watched: Watched::default(), hidden: None }
    }

    /// An entry was read, with its number and its identity.
    pub fn note(&mut self, entry: &Entry) {
        let number = entry.text(CHANGE_NUMBER);
        if number.is_none() && self.hidden.is_none() {
            self.hidden = Some(entry.dn().to_owned());
        }
        let Ok(id) = self.id.read(entry) else { return };
        if let Some(number) = number {
            self.latest.note(&id, number, &self.plausible);
        }
        // Whoever hides it is there all the same.
        self.watched.note(&id, number.unwrap_or_default(), &self.plausible);
    }

    /// Whether the directory shows less than it did when the earlier mark was left: it was put back from a backup, or is a replica that
    /// has not heard of everything.
    pub fn is_older(&self) -> bool {
        self.watched.is_any_older() || (self.watched.are_enough() && self.watched.is_older())
    }

    /// Whether that is proved: somebody is shown as they were before.
    pub fn is_proved_older(&self) -> bool {
        self.watched.is_proved()
    }

    /// The mark with what the next run has to know.
    pub fn noted_in(&self, mark: Mark) -> Mark {
        let Mark { kind, mut values } = mark;
        values.retain(|value| !is_noted(value));
        values.push(format!("{LATEST}{}", self.latest.text()));
        if let Some(dn) = &self.hidden {
            warn_of(dn);
            values.push(format!("{HIDDEN}{CHANGE_NUMBER}"));
        }
        values.sort_unstable();
        Mark { kind, values }
    }
}

/// Tells what was noted in a mark from what the directory says.
pub(super) fn is_noted(value: &str) -> bool {
    value.starts_with(LATEST) || value.starts_with(HIDDEN)
}

/// The mark as the directory gave it, whenever that was.
pub(super) fn without_notes(mark: &Mark) -> Mark {
    let values = mark.values.iter().filter(|value| !is_noted(value) && !is_read(value));
    Mark { kind: mark.kind.clone(), values: values.cloned().collect() }
}

/// Whether somebody did not show their number when the mark was left.
pub(super) fn are_hidden(mark: &Mark) -> bool {
    mark.values.iter().any(|value| value.starts_with(HIDDEN))
}

fn latest_in(mark: &Mark) -> Latest {
    mark.values.iter().find_map(|value| value.strip_prefix(LATEST)).map(Latest::read).unwrap_or_default()
}

fn warn_of(dn: &str) {
    tracing::warn!(
        "{dn} hides {CHANGE_NUMBER} from the bind account, so that the directory does not say what changes there: until it is shown, every run \
         reads everything; let the bind account read {CHANGE_NUMBER}, and search by it, everywhere"
    );
}

impl Directory {
    /// The name of somebody among all that is read who does not show their change number, or of an org unit that is not found by it.
    ///
    /// # Errors
    /// The question was not answered.
    pub async fn hidden_from_feed(&mut self, subject: &Subject) -> Result<Option<String>, DirectoryError> {
        let before = Before { mark: None, left: &subject.left, comparable: false };
        let mut numbers = ChangeNumbers::of_all(subject.id.clone(), clock::now(), before);
        for query in &subject.queries {
            let query = asking_for(query, CHANGE_NUMBER);
            self.each(&query, |entry| numbers.note(entry)).await?;
        }
        match numbers.hidden {
            Some(dn) => Ok(Some(dn)),
            None => self.hidden_beneath(subject).await,
        }
    }

    /// The name of somebody who does not show their change number, or of an org unit that is not found by it, as far as a few
    /// searches tell.
    pub(super) async fn hidden_at_a_glance(
        &mut self,
        subject: &Subject,
    ) -> Result<Option<String>, DirectoryError> {
        if let Some(dn) = self.hidden_beneath(subject).await? {
            return Ok(Some(dn));
        }
        for query in subject.queries.iter().filter(|query| query.kind != Kind::OrgUnit) {
            if let Some(dn) = self.hidden_among_the_first(query).await? {
                warn_of(&dn);
                return Ok(Some(dn));
            }
        }
        Ok(None)
    }

    /// The name of one of the first that a query finds who does not show their change number.
    async fn hidden_among_the_first(&mut self, query: &Query) -> Result<Option<String>, DirectoryError> {
        let attributes = [CHANGE_NUMBER.to_owned()];
        let request = SearchRequest {
            base: &query.base,
            scope: query.scope,
            filter: &query.filter,
            attributes: &attributes,
            page: self.sample(FIRST.min(self.config.page_size)),
        };
        let (entries, outcome, _) = self.ask(WHAT, request, &query.filter).await?;
        match outcome.code {
            // Whoever reads everything says what is wrong with a limit: as a sample, fewer will do.
            code::SUCCESS | code::NO_SUCH_OBJECT | code::SIZE_LIMIT_EXCEEDED | code::ADMIN_LIMIT_EXCEEDED => {
            }
            _ => {
                let progress = Progress { what: WHAT, entries: entries.len() as u64, page: 1 };
                return Err(self.failed(progress, &query.base, &outcome));
            }
        }
        let hidden = entries.into_iter().find(|entry| entry.text(CHANGE_NUMBER).is_none());
        Ok(hidden.map(|entry| entry.dn().to_owned()))
    }

    /// The name of an org unit that is not found by its change number: what lies beneath is hidden as well, perhaps.
    async fn hidden_beneath(&mut self, subject: &Subject) -> Result<Option<String>, DirectoryError> {
        for query in subject.queries.iter().filter(|query| query.kind == Kind::OrgUnit) {
            let query = asking_for(query, NO_ATTRIBUTES);
            let (mut there, mut found) = (BTreeSet::new(), BTreeSet::new());
            self.each(&query, |entry| _ = there.insert(entry.dn().to_owned())).await?;
            let filter = Filter::And(vec![query.filter.clone(), Filter::present(CHANGE_NUMBER)]);
            let query = Query { filter, ..query };
            self.each(&query, |entry| _ = found.insert(entry.dn().to_owned())).await?;
            for dn in there.difference(&found) {
                // It may have been renamed or removed meanwhile.
                if self.exists(dn).await? && self.is_found_by_number(dn).await? == Some(false) {
                    warn_of(dn);
                    return Ok(Some(dn.clone()));
                }
            }
        }
        Ok(None)
    }

    /// Whether the bind account may search for what the server looks for on its behalf: if not, it finds nothing, and says that nothing
    /// changed. `None` where there is no such entry.
    pub(super) async fn is_found_by_number(&mut self, dn: &str) -> Result<Option<bool>, DirectoryError> {
        let filter = Filter::present(CHANGE_NUMBER);
        let attributes = [NO_ATTRIBUTES.to_owned()];
        let request = SearchRequest {
            base: dn,
            scope: Scope::Base,
            filter: &filter,
            attributes: &attributes,
            page: None,
        };
        let (entries, outcome, _) = self.ask(WHAT, request, &filter).await?;
        match outcome.code {
            code::SUCCESS => Ok(Some(!entries.is_empty())),
            code::NO_SUCH_OBJECT => Ok(None),
            _ => Err(self.failed(Progress { what: WHAT, entries: 0, page: 1 }, dn, &outcome)),
        }
    }
}

/// The same entries, of which only this is asked for.
fn asking_for(query: &Query, attribute: &str) -> Query {
    Query { attributes: vec![attribute.to_owned()], unlisted: None, ..query.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::csn;
    use super::*;
    use crate::directory::mark::CONTEXT_CSN;

    const EARLY: &str = "20261122043638.000000Z#000000#000#000000";
    const LATE: &str = "20261122043639.000000Z#000000#000#000000";

    fn entry(id: u128, number: Option<&str>) -> Entry {
        let id = SourceId::of_uuid(&id.to_be_bytes());
        let entry = Entry::new(format!("uid={id}")).with("entryUUID", &[id.as_str()]);
        number.into_iter().fold(entry, |entry, number| entry.with(CHANGE_NUMBER, &[number]))
    }

    fn uuid() -> IdAttribute {
        IdAttribute::new("entryUUID")
    }

    fn now() -> Timestamp {
        "2026-11-22T04:40:00Z".parse().expect("a time")
    }

    fn mark() -> Mark {
        Mark {
            kind: CONTEXT_CSN.to_owned(),
            values: vec![LATE.to_owned(), "started=20261122043000Z".to_owned()],
        }
    }

    fn read(mark: Option<&Mark>, comparable: bool, entries: &[(u128, Option<&str>)]) -> ChangeNumbers {
        let before = Before { mark, left: &BTreeSet::new(), comparable };
        let mut numbers = ChangeNumbers::of_all(uuid(), now(), before);
        for (id, number) in entries {
            numbers.note(&entry(*id, *number));
        }
        numbers
    }

    #[test]
    fn what_is_noted_is_no_position() {
        let noted = read(None, true, &[(1, Some(LATE)), (2, None)]).noted_in(mark());
        assert!(are_hidden(&noted) && !are_hidden(&mark()), "{noted:?}");
        assert_eq!(without_notes(&noted), mark());
        assert_eq!(csn::cookie(&noted), csn::cookie(&mark()));
        assert_eq!(noted.includes(&mark()), Some(true));
        assert_eq!(super::super::Feed::Syncrepl.time_of(&noted).as_deref(), Some("20261122043639"));
    }

    #[test]
    fn a_directory_that_was_written_to_after_it_was_put_back_was_believed() {
        let before = read(None, true, &[(1, Some(LATE)), (2, Some(EARLY))]).noted_in(mark());
        let is_older = |comparable, entries| read(Some(&before), comparable, entries).is_older();
        assert!(is_older(true, &[(1, Some(EARLY)), (2, Some(LATE))]));
        assert!(is_older(false, &[(1, Some(EARLY))]), "whatever else is read");
        assert!(!is_older(true, &[(1, Some(LATE)), (2, Some(EARLY))]));
        assert!(!is_older(true, &[(1, None), (2, None)]), "the numbers are hidden now");
        assert!(!is_older(true, &[(3, Some(EARLY))]), "both may have left");
        let many: Vec<_> = (0..20).map(|id| (id, Some(EARLY))).collect();
        let before = read(None, true, &many).noted_in(mark());
        let others = [(30, Some(EARLY))];
        assert!(read(Some(&before), true, &others).is_older(), "so many do not leave at once");
        assert!(!read(Some(&before), false, &others).is_older(), "others are read");
    }

    #[test]
    fn whoever_left_before_the_backup_was_put_back_came_back() {
        let before = read(None, true, &[(1, Some(LATE))]).noted_in(mark());
        let left = [SourceId::of_uuid(&7_u128.to_be_bytes())].into();
        let of = |comparable, number| {
            let before = Before { mark: Some(&before), left: &left, comparable };
            let mut numbers = ChangeNumbers::of_all(uuid(), now(), before);
            numbers.note(&entry(1, Some(LATE)));
            numbers.note(&entry(7, Some(number)));
            (numbers.is_older(), numbers.is_proved_older())
        };
        assert_eq!(of(true, EARLY), (true, false));
        assert_eq!(of(false, EARLY), (false, false), "others are read");
        assert_eq!(of(true, "20261122043640.000000Z#000000#000#000000"), (false, false));
    }

    #[test]
    fn who_was_touched_is_remembered_as_they_are_now() {
        let before =
            read(None, true, &[(1, Some(EARLY)), (2, Some(EARLY)), (3, Some(EARLY))]).noted_in(mark());
        let touched = [1, 2].map(|id: u128| SourceId::of_uuid(&id.to_be_bytes())).into();
        let mut numbers = ChangeNumbers::since(uuid(), now(), &before, &touched);
        numbers.note(&entry(1, Some(LATE)));
        let noted = numbers.noted_in(mark());
        let expected = read(None, true, &[(1, Some(LATE)), (3, Some(EARLY))]).noted_in(mark());
        assert_eq!(noted, expected);
    }
}
