//! Whom the policy leaves out, and for what they show.

use super::{Allowed, MappingError};
use crate::{
    entry::Entry,
    filter::Filter,
    policy::{ExcludeRule, Policy},
};
use std::collections::BTreeSet;

/// What is there of every entry that is seen at all; where it is hidden the entry is a conflict of its own (`class-hidden`).
const ALWAYS_SHOWN: &str = "objectclass";

/// The types of the attributes that a policy's rules look for to leave people out, lower-cased: where one of them goes out of sight,
/// people come in.
///
/// Whoever is left out because something is missing stays out when more is hidden: such parts of rules look for nothing.
pub fn looked_for(policy: &Policy) -> BTreeSet<String> {
    let exclude = policy.exclude.iter().flat_map(looked_for_to_exclude);
    exclude.chain(policy.include.iter().flat_map(looked_for_not_to_include)).collect()
}

/// Of those, what the rule looks for that leaves somebody out ([`Record::excluded_by`](crate::record::Record::excluded_by)): all that may
/// be told of whom it left out where the agent does not say what they show.
pub fn looked_for_by(policy: &Policy, excluded_by: &str) -> BTreeSet<String> {
    if excluded_by.is_empty() {
        return policy.include.iter().flat_map(looked_for_not_to_include).collect();
    }
    policy.exclude.iter().filter(|rule| rule.name == excluded_by).flat_map(looked_for_to_exclude).collect()
}

/// The policy's include and exclude rules, evaluated by the agent on the entries it has read.
#[derive(Debug)]
pub(super) struct Rules {
    include: Vec<Filter>,
    exclude: Vec<ExcludeRule>,
    looked_for: BTreeSet<String>,
}

/// What the rules say of a person.
pub(super) struct Verdict {
    /// [`Record::excluded_by`](crate::record::Record::excluded_by): the first rule that excludes the person, or nothing but that it is
    /// left out because no include filter matches.
    pub(super) excluded_by: Option<String>,
    /// [`Record::shows`](crate::record::Record::shows).
    pub(super) shows: Option<BTreeSet<String>>,
}

impl Rules {
    /// Refuses filters that ask for too much, or that could not be evaluated.
    pub(super) fn compile(policy: &Policy, allowed: &Allowed) -> Result<Self, MappingError> {
        for filter in &policy.include {
            check(&format!("policy.include: the filter {filter}"), filter, allowed)?;
        }
        for rule in &policy.exclude {
            check(&format!("policy.exclude: the rule \"{}\"", rule.name), &rule.filter, allowed)?;
        }
        let (include, exclude) = (policy.include.clone(), policy.exclude.clone());
        Ok(Self { include, exclude, looked_for: looked_for(policy) })
    }

    pub(super) fn judge(&self, entry: &Entry) -> Verdict {
        let excluding: Vec<_> = self.exclude.iter().filter(|rule| rule.filter.matches(entry)).collect();
        let included = self.include.is_empty() || self.include.iter().any(|filter| filter.matches(entry));
        let excluded_by = match excluding.first() {
            Some(rule) => Some(rule.name.clone()),
            None => (!included).then(String::new),
        };
        let including = self.include.iter().filter(|_| !included);
        let why: BTreeSet<String> = excluding
            .into_iter()
            .flat_map(looked_for_to_exclude)
            .chain(including.flat_map(looked_for_not_to_include))
            .collect();
        let tells = |attribute: &&String| excluded_by.is_none() || why.contains(*attribute);
        let told = self.looked_for.iter().filter(tells);
        let shows: BTreeSet<String> = told.filter(|attribute| is_shown(entry, attribute)).cloned().collect();
        let says_something = excluded_by.is_some() || !shows.is_empty();
        Verdict { excluded_by, shows: says_something.then_some(shows) }
    }

    /// The attributes the rules look at.
    pub(super) fn attributes(&self) -> impl Iterator<Item = String> + '_ {
        self.include.iter().chain(self.exclude.iter().map(|rule| &rule.filter)).flat_map(Filter::attributes)
    }
}

fn looked_for_to_exclude(rule: &ExcludeRule) -> impl Iterator<Item = String> + use<> {
    sought(&rule.filter, true)
}

fn looked_for_not_to_include(filter: &Filter) -> impl Iterator<Item = String> + use<> {
    sought(filter, false)
}

fn sought(filter: &Filter, there: bool) -> impl Iterator<Item = String> + use<> {
    filter.sought(there).into_iter().filter(|attribute| attribute != ALWAYS_SHOWN)
}

/// Whether an entry has a value of the attribute, though it stand in a part of the list that is fetched apart.
fn is_shown(entry: &Entry, attribute: &str) -> bool {
    entry.all_values(attribute).next().is_some() || entry.is_partial(attribute)
}

fn check(place: &str, filter: &Filter, allowed: &Allowed) -> Result<(), MappingError> {
    allowed.check_filter(place, filter)?;
    match filter.unknown_rule() {
        None => Ok(()),
        Some(rule) => Err(MappingError::UnknownRule { place: place.to_owned(), rule }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(include: &[&str], exclude: &[&str]) -> BTreeSet<String> {
        let named = exclude.iter().enumerate();
        let exclude: Vec<_> =
            named.map(|(n, filter)| json!({ "name": n.to_string(), "filter": filter })).collect();
        let policy = json!({ "include": include, "exclude": exclude });
        looked_for(&serde_json::from_value(policy).expect("a policy"))
    }

    fn set(attributes: &[&str]) -> BTreeSet<String> {
        attributes.iter().map(|attribute| (*attribute).to_owned()).collect()
    }

    #[test]
    fn rules_look_for_what_lets_people_in_when_it_is_hidden() {
        assert_eq!(of(&[], &["(employeeType;x=contractor)"]), set(&["employeetype"]));
        assert_eq!(of(&[], &["(!(mail=*))"]), set(&[]), "who has no address comes in when there is one");
        assert_eq!(of(&[], &["(&(objectClass=person)(!(mail=*)))"]), set(&[]));
        assert_eq!(of(&["(title=staff)"], &[]), set(&[]), "whose title is hidden is left out");
        let including = ["(!(employeeType=contractor))", "(&(title=staff)(!(ou=a)))"];
        assert_eq!(of(&including, &[]), set(&["employeetype", "ou"]));
        assert_eq!(
            of(&[], &["(!(!(cn=r*)))", "(|(&(ou=a)(!(title=staff)))(l>=x))"]),
            set(&["cn", "l", "ou"])
        );
    }
}
