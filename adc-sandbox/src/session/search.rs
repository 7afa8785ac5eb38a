//! Search (RFC 4511, section 4.5) and paged results (RFC 2696).

use std::sync::Arc;

use ldap3_proto::proto::LdapSearchScope;

use super::{Session, refuse_critical};
use crate::ResultCode;
use crate::directory::EntryId;
use crate::entry::Entry;
use crate::faults::Misbehaviour;
use crate::journal::Operation as Logged;
use crate::paging::OpenPage;
use crate::response::Response;
use crate::root_dse::root_dse;
use crate::search::{self, View};
use crate::wire::{self, Answer, Control, PAGED_RESULTS, PagedResults, Search};

/// Which part of the result a search asks for.
struct Page {
    /// The last entry of the page before.
    after: Option<EntryId>,
    /// How many entries; `None` asks for all of them, without paging.
    size: Option<usize>,
    number: usize,
}

/// What a search found, how it ended, and the cookie of a page.
type Outcome = (Vec<Arc<Entry>>, Answer, Option<Vec<u8>>);

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
        match page.and_then(|page| self.find(search, &page, &misbehaviours)) {
            Ok((entries, answer, cookie)) => {
                let max = self.shared.behaviour().active_directory.map(|limits| limits.max_val_range);
                let response =
                    Response::to_search(id, search, max, &entries, (answer, cookie), &misbehaviours);
                self.respond(response);
            }
            Err(answer) => self.send(id, wire::done(id, answer, None)),
        }
    }

    fn page_of(&mut self, search: &Search, controls: &[Control]) -> Result<Page, Answer> {
        let supported: &[&str] = if self.shared.behaviour().paged_results { &[PAGED_RESULTS] } else { &[] };
        refuse_critical(controls, supported)?;
        let first = Page { after: None, size: None, number: 1 };
        let Some(control) = controls.iter().find(|control| supported.contains(&control.oid.as_str())) else {
            return Ok(first);
        };
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
        let ignores_paging = misbehaviours.iter().any(|one| matches!(one, Misbehaviour::IgnorePaging));
        let limits = behaviour.active_directory;
        let asked = (search.size_limit > 0).then_some(search.size_limit);
        let size_limit = [asked, limits.map(|limits| limits.max_page_size)].into_iter().flatten().min();
        // A page as long as the size limit is no page: the control is ignored (RFC 2696, section 3).
        let is_no_page = |size: &usize| asked.is_some_and(|limit| *size >= limit);
        match page.size.filter(|size| !ignores_paging && !is_no_page(size)) {
            // The client gives the sequence up, or asks for an estimate that there is none of.
            Some(0) => Ok((Vec::new(), Answer::success(), Some(Vec::new()))),
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
        Ok((found.entries, Answer::success(), Some(cookie)))
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

fn view(misbehaviours: &[Misbehaviour]) -> View {
    let hidden = misbehaviours.iter().filter_map(|misbehaviour| match misbehaviour {
        Misbehaviour::Hide(dn) => Some(dn.clone()),
        _ => None,
    });
    View { hidden: hidden.collect() }
}
