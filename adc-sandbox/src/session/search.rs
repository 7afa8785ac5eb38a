//! Search (RFC 4511, section 4.5) and paged results (RFC 2696).

use std::sync::Arc;

use ldap3_proto::proto::LdapSearchScope;

use super::{Session, refuse_critical};
use crate::ResultCode;
use crate::dir_sync::DirSync;
use crate::directory::EntryId;
use crate::entry::Entry;
use crate::extended_dn::with_identities;
use crate::faults::Misbehaviour;
use crate::journal::Operation as Logged;
use crate::paging::OpenPage;
use crate::response::Response;
use crate::root_dse::root_dse;
use crate::search::{self, View};
use crate::subordinates::{HAS_SUBORDINATES, with_subordinates};
use crate::wire::{
    self, Answer, Control, DIR_SYNC, DirSyncRequest, EXTENDED_DN, EndControl, ExtendedDn, PAGED_RESULTS,
    PagedResults, SHOW_DELETED, Search,
};

/// Which part of the result a search asks for.
struct Page {
    /// The last entry of the page before.
    after: Option<EntryId>,
    /// How many entries; `None` asks for all of them, without paging.
    size: Option<usize>,
    number: usize,
}

/// What a search found, how it ended, and where it goes on.
type Outcome = (Vec<Arc<Entry>>, Answer, Option<EndControl>);

impl Session {
    pub(super) fn search(&mut self, id: i32, search: &Search, controls: &[Control]) {
        let page = self.page_of(search, controls);
        let number = page.as_ref().map_or(1, |page| page.number);
        let filter = search.filter.to_string();
        let misbehaviours = self.shared.faults.for_search(number, &filter, &search.attributes);
        for misbehaviour in &misbehaviours {
            if let Misbehaviour::Meanwhile(change) = misbehaviour {
                change.make(&mut self.shared.directory());
            }
        }
        self.shared.recorder.log(Logged::Search {
            base: search.base.clone(),
            filter,
            attributes: search.attributes.clone(),
            page: number,
        });
        let feed = self.dir_sync().zip(controls.iter().find(|control| control.oid == DIR_SYNC));
        let found = page.and_then(|page| match feed {
            Some((feed, control)) => self.follow(feed, search, control),
            None => self.find(search, &page, &misbehaviours),
        });
        let found = found.and_then(|found| self.identify(found, controls));
        match found.map(|found| self.place(found, search)) {
            Ok((entries, answer, control)) => {
                let max = self.shared.behaviour().active_directory.map(|limits| limits.max_val_range);
                let response =
                    Response::to_search(id, search, max, &entries, (answer, control), &misbehaviours);
                self.respond(response);
            }
            Err(answer) => self.send(id, wire::done(id, answer, None)),
        }
    }

    fn page_of(&mut self, search: &Search, controls: &[Control]) -> Result<Page, Answer> {
        let behaviour = self.shared.behaviour();
        let mut supported = Vec::new();
        supported.extend(behaviour.paged_results.then_some(PAGED_RESULTS));
        supported.extend(behaviour.active_directory.map(|_| EXTENDED_DN));
        if self.dir_sync().is_some() {
            supported.extend([DIR_SYNC, SHOW_DELETED]);
        }
        refuse_critical(controls, &supported)?;
        let first = Page { after: None, size: None, number: 1 };
        let pages = controls.iter().find(|control| behaviour.paged_results && control.oid == PAGED_RESULTS);
        let Some(control) = pages else { return Ok(first) };
        let PagedResults { size, cookie } = PagedResults::decode(&control.value)
            .map_err(|error| Answer::new(ResultCode::ProtocolError, error.to_string()))?;
        if cookie.is_empty() {
            return Ok(Page { size: Some(size), ..first });
        }
        let open = self.paging.resume(&cookie, search).ok_or_else(|| {
            Answer::new(
                ResultCode::UnwillingToPerform,
                "the paged results cookie is not of this search and connection",
            )
        })?;
        Ok(Page { after: Some(open.after), size: Some(size), number: open.number })
    }

    /// How this server lets its changes be followed, if it does.
    fn dir_sync(&self) -> Option<DirSync> {
        self.shared.behaviour().active_directory.and_then(|limits| limits.dir_sync)
    }

    /// A round of the change feed.
    fn follow(&self, feed: DirSync, search: &Search, control: &Control) -> Result<Outcome, Answer> {
        let request = DirSyncRequest::decode(&control.value)
            .map_err(|error| Answer::new(ResultCode::ProtocolError, error.to_string()))?;
        if self.identity.is_none() {
            return Err(Answer::new(ResultCode::InsufficentAccessRights, "bind first: nobody else is told"));
        }
        let (found, more, cookie) = feed.round(&self.shared.directory(), search, &request)?;
        // In an answer the flags say whether there is more.
        let end = EndControl::AdDirsync { flags: i64::from(more), max_bytes: 0, cookie: Some(cookie) };
        Ok((found, Answer::success(), Some(end)))
    }

    /// Whether something lies beneath, for whoever asked for it by name; a domain controller does not know the attribute.
    fn place(&self, found: Outcome, search: &Search) -> Outcome {
        let is_offered = self.shared.behaviour().active_directory.is_none();
        let is_asked = search.attributes.iter().any(|name| name.eq_ignore_ascii_case(HAS_SUBORDINATES));
        if !is_offered || !is_asked {
            return found;
        }
        let (entries, answer, end) = found;
        (with_subordinates(&self.shared.directory(), &entries), answer, end)
    }

    /// Names with identities, for whoever asked for them.
    fn identify(&self, found: Outcome, controls: &[Control]) -> Result<Outcome, Answer> {
        let is_offered = self.shared.behaviour().active_directory.is_some();
        let control = controls.iter().find(|control| is_offered && control.oid == EXTENDED_DN);
        let Some(control) = control else { return Ok(found) };
        let form = ExtendedDn::decode(&control.value)
            .map_err(|error| Answer::new(ResultCode::ProtocolError, error.to_string()))?;
        let (entries, answer, end) = found;
        let directory = self.shared.directory();
        let entries = entries.iter().map(|entry| with_identities(&directory, entry, form)).collect();
        Ok((entries, answer, end))
    }

    fn find(
        &mut self,
        search: &Search,
        page: &Page,
        misbehaviours: &[Misbehaviour],
    ) -> Result<Outcome, Answer> {
        if search.base.is_empty() && search.scope == LdapSearchScope::Base {
            return Ok((self.root_dse(search), Answer::success(), None));
        }
        let behaviour = self.shared.behaviour();
        if self.identity.is_none() && !behaviour.anonymous_search {
            return Err(Answer::new(
                ResultCode::InsufficentAccessRights,
                "bind first: anonymous searches are not allowed",
            ));
        }
        if let Some(shown) =
            self.dir_sync().and_then(|feed| feed.deleted_objects(&self.shared.directory(), search))
        {
            return Ok((shown?, Answer::success(), None));
        }
        let ignores_paging = misbehaviours.iter().any(|one| matches!(one, Misbehaviour::IgnorePaging));
        let limits = behaviour.active_directory;
        let asked = (search.size_limit > 0).then_some(search.size_limit);
        let size_limit = [asked, limits.map(|limits| limits.max_page_size)].into_iter().flatten().min();
        // A page as long as the size limit is no page: the control is ignored (RFC 2696, section 3).
        let is_no_page = |size: &usize| asked.is_some_and(|limit| *size >= limit);
        match page.size.filter(|size| !ignores_paging && !is_no_page(size)) {
            // The client gives the sequence up, or asks for an estimate that there is none of.
            Some(0) => Ok((Vec::new(), Answer::success(), Some(next_page(Vec::new())))),
            Some(size) => {
                let size = limits.map_or(size, |limits| size.min(limits.max_page_size));
                self.find_page(search, page.after, size, page.number, misbehaviours)
            }
            None => self.find_all(search, size_limit, misbehaviours),
        }
    }

    fn find_page(
        &mut self,
        search: &Search,
        after: Option<EntryId>,
        size: usize,
        number: usize,
        misbehaviours: &[Misbehaviour],
    ) -> Result<Outcome, Answer> {
        let found = search::find(&self.shared.directory(), &view(misbehaviours), search, after, Some(size))?;
        let keep = |after| self.paging.keep(OpenPage { search: search.clone(), after, number: number + 1 });
        let cookie = found.more_after.map_or(Vec::new(), keep);
        Ok((found.entries, Answer::success(), Some(next_page(cookie))))
    }

    fn find_all(
        &self,
        search: &Search,
        size_limit: Option<usize>,
        misbehaviours: &[Misbehaviour],
    ) -> Result<Outcome, Answer> {
        let found = search::find(&self.shared.directory(), &view(misbehaviours), search, None, size_limit)?;
        let answer = match found.more_after {
            Some(_) => Answer::new(ResultCode::SizeLimitExceeded, ""),
            None => Answer::success(),
        };
        Ok((found.entries, answer, None))
    }

    fn root_dse(&self, search: &Search) -> Vec<Arc<Entry>> {
        let entry = root_dse(&self.shared.directory(), &self.shared.behaviour(), self.offers_start_tls);
        if search.filter.matches(&entry) { vec![Arc::new(entry)] } else { Vec::new() }
    }
}

/// Where the next page begins.
fn next_page(cookie: Vec<u8>) -> EndControl {
    EndControl::SimplePagedResults { size: 0, cookie }
}

fn view(misbehaviours: &[Misbehaviour]) -> View {
    let hidden = misbehaviours.iter().filter_map(|misbehaviour| match misbehaviour {
        Misbehaviour::Hide(dn) => Some(dn.clone()),
        _ => None,
    });
    View { hidden: hidden.collect() }
}
