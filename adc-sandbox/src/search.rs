//! Evaluating a search: which entries it finds, and what of them it returns. Pure; nothing here sends
//! anything.

use std::sync::Arc;

use adc_core::dn::Dn;
use ldap3_proto::proto::{LdapPartialAttribute, LdapResultCode, LdapSearchScope};

use crate::active_directory;
use crate::directory::{Directory, EntryId};
use crate::entry::{Attribute, Entry};
use crate::schema::{is_operational, without_options};
use crate::wire::{Answer, Search};

/// What a search found, at most as much as was asked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Where to go on, when there is more to find.
    pub(crate) more_after: Option<EntryId>,
}

/// The part of the directory that a client sees: all but the hidden subtrees.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) hidden: Vec<Dn>,
}

impl View {
    fn shows(&self, dn: &Dn) -> bool {
        !self.hidden.iter().any(|hidden| dn.is_within(hidden))
    }
}

/// Finds the entries of a search that come after the entry `after`, at most `limit` of them.
pub(crate) fn find(
    directory: &Directory,
    view: &View,
    search: &Search,
    after: Option<EntryId>,
    limit: Option<usize>,
) -> Result<Found, Answer> {
    let base = base_of(directory, view, &search.base)?;
    let in_scope = |dn: &Dn| match search.scope {
        LdapSearchScope::Base => *dn == base,
        LdapSearchScope::OneLevel => dn.is_child_of(&base),
        LdapSearchScope::Subtree => dn.is_within(&base),
        LdapSearchScope::Children => dn.is_within(&base) && *dn != base,
    };
    let mut found = Found { entries: Vec::new(), more_after: None };
    let mut last = after;
    for (id, entry) in directory.after(after) {
        if !in_scope(&entry.parsed) || !view.shows(&entry.parsed) || !search.filter.matches(entry) {
            continue;
        }
        if limit == Some(found.entries.len()) {
            found.more_after = last;
            break;
        }
        found.entries.push(Arc::clone(entry));
        last = Some(id);
    }
    Ok(found)
}

/// The base of a search, if it is there to be seen; otherwise noSuchObject with the nearest entry that is.
fn base_of(directory: &Directory, view: &View, text: &str) -> Result<Dn, Answer> {
    let base = Dn::parse(text)
        .map_err(|error| Answer::new(LdapResultCode::InvalidDNSyntax, format!("invalid base DN: {error}")))?;
    let visible = |dn: &Dn| directory.find(dn).filter(|(_, entry)| view.shows(&entry.parsed));
    if visible(&base).is_some() {
        return Ok(base);
    }
    let matched_dn = base.ancestors().find_map(|dn| visible(&dn).map(|(_, entry)| entry.dn.clone()));
    Err(Answer {
        matched_dn: matched_dn.unwrap_or_default(),
        ..Answer::new(LdapResultCode::NoSuchObject, "")
    })
}

/// The attributes of an entry that a search asked for (RFC 4511, section 4.5.1.8; `+` of RFC 3673).
///
/// A domain controller returns no more than `max_val_range` values of each, see [`active_directory`].
pub(crate) fn select(
    entry: &Entry,
    requested: &[String],
    types_only: bool,
    max_val_range: Option<usize>,
) -> Vec<LdapPartialAttribute> {
    let is_wanted = |attribute: &Attribute| {
        let operational = is_operational(without_options(&attribute.name));
        let by_default = requested.is_empty() && !operational;
        by_default
            || requested.iter().any(|request| match request.as_str() {
                ALL_USER_ATTRIBUTES => !operational,
                ALL_OPERATIONAL_ATTRIBUTES => operational,
                // `1.1`, which asks for none, names nothing.
                name => attribute.is_described_by(name),
            })
    };
    let returned = |attribute: &Attribute| LdapPartialAttribute {
        atype: attribute.name.clone(),
        vals: if types_only { Vec::new() } else { attribute.values.clone() },
    };
    let selected = entry.attributes.iter().filter(|attribute| is_wanted(attribute)).map(returned).collect();
    match max_val_range {
        None => selected,
        Some(max) => active_directory::in_parts(selected, entry, requested, max),
    }
}

const ALL_USER_ATTRIBUTES: &str = "*";
const ALL_OPERATIONAL_ATTRIBUTES: &str = "+";
