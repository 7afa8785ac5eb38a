//! Whom the policy leaves out.

use super::{Allowed, MappingError};
use crate::{
    entry::Entry,
    filter::Filter,
    policy::{ExcludeRule, Policy},
};

/// The policy's include and exclude rules, evaluated by the agent on the entries it has read.
#[derive(Debug)]
pub(super) struct Rules {
    include: Vec<Filter>,
    exclude: Vec<ExcludeRule>,
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
        Ok(Self { include: policy.include.clone(), exclude: policy.exclude.clone() })
    }

    /// What [`crate::record::Record::excluded_by`] says: the first rule that excludes the person, or nothing but that
    /// it is left out because no include filter matches.
    pub(super) fn excluded_by(&self, entry: &Entry) -> Option<String> {
        if let Some(rule) = self.exclude.iter().find(|rule| rule.filter.matches(entry)) {
            return Some(rule.name.clone());
        }
        let included = self.include.is_empty() || self.include.iter().any(|filter| filter.matches(entry));
        (!included).then(String::new)
    }

    /// The attributes the rules look at.
    pub(super) fn attributes(&self) -> impl Iterator<Item = String> + '_ {
        self.include.iter().chain(self.exclude.iter().map(|rule| &rule.filter)).flat_map(Filter::attributes)
    }
}

fn check(place: &str, filter: &Filter, allowed: &Allowed) -> Result<(), MappingError> {
    allowed.check_filter(place, filter)?;
    match filter.unknown_rule() {
        None => Ok(()),
        Some(rule) => Err(MappingError::UnknownRule { place: place.to_owned(), rule }),
    }
}
