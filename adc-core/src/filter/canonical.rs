//! Filters that ask the same, written alike.

use super::Filter;
use crate::text;
use std::collections::BTreeSet;

impl Filter {
    /// The filter in the one form for everything that only its author sees: attributes and rules lower-cased, parts of And and Or
    /// sorted, each once, those of the same kind inside each other drawn together, no Not of a Not.
    ///
    /// Two filters with the same canonical form match the same entries. Values stay as they are: whether their case matters is
    /// the directory's to say.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            Self::And(filters) => joined(filters, Self::And, |filter| match filter {
                Self::And(parts) => Ok(parts),
                other => Err(other),
            }),
            Self::Or(filters) => joined(filters, Self::Or, |filter| match filter {
                Self::Or(parts) => Ok(parts),
                other => Err(other),
            }),
            Self::Not(filter) => match filter.canonical() {
                Self::Not(twice) => *twice,
                once => Self::Not(Box::new(once)),
            },
            item => item.in_lower_case(),
        }
    }

    /// What the filter comes to where nobody minds the case of values: two filters with the same key differ, if at all, in what only
    /// attributes with case-sensitive values tell apart.
    pub fn key(&self) -> String {
        self.folded().to_string()
    }

    /// The [keys](Self::key) of the filters of which one is enough for this one to match: whatever has them all among its own matches
    /// at least as much.
    pub fn alternatives(&self) -> BTreeSet<String> {
        match self.folded() {
            Self::Or(parts) => parts.iter().map(Self::to_string).collect(),
            other => BTreeSet::from([other.to_string()]),
        }
    }

    /// The [keys](Self::key) of the filters that all have to match for this one to: whatever has them all among its own matches at
    /// most as much.
    pub fn conditions(&self) -> BTreeSet<String> {
        match self.folded() {
            Self::And(parts) => parts.iter().map(Self::to_string).collect(),
            other => BTreeSet::from([other.to_string()]),
        }
    }

    fn folded(&self) -> Self {
        let mut filter = self.clone();
        filter.fold_values();
        filter.canonical()
    }

    fn fold_values(&mut self) {
        match self {
            Self::And(filters) | Self::Or(filters) => filters.iter_mut().for_each(Self::fold_values),
            Self::Not(filter) => filter.fold_values(),
            Self::Substrings { initial, any, last, .. } => {
                initial.iter_mut().chain(any).chain(last).for_each(fold);
            }
            Self::Equality { value, .. }
            | Self::GreaterOrEqual { value, .. }
            | Self::LessOrEqual { value, .. }
            | Self::Approx { value, .. }
            | Self::Extensible { value, .. } => fold(value),
            Self::Present { .. } => {}
        }
    }

    fn in_lower_case(&self) -> Self {
        let mut item = self.clone();
        match &mut item {
            Self::And(_) | Self::Or(_) | Self::Not(_) => {}
            Self::Equality { attribute, .. }
            | Self::Substrings { attribute, .. }
            | Self::GreaterOrEqual { attribute, .. }
            | Self::LessOrEqual { attribute, .. }
            | Self::Present { attribute }
            | Self::Approx { attribute, .. } => attribute.make_ascii_lowercase(),
            Self::Extensible { attribute, rule, .. } => {
                [attribute, rule].into_iter().flatten().for_each(|name| name.make_ascii_lowercase());
            }
        }
        item
    }
}

/// A value as text compares, where it is text.
fn fold(value: &mut Vec<u8>) {
    if let Ok(text) = str::from_utf8(value) {
        *value = text::key(text).into_owned().into_bytes();
    }
}

/// Parts in their canonical form, drawn together (`parts_of` tells those of a part of the same kind), in order, each once.
fn joined(
    filters: &[Filter],
    join: impl Fn(Vec<Filter>) -> Filter,
    parts_of: impl Fn(Filter) -> Result<Vec<Filter>, Filter>,
) -> Filter {
    let mut parts: Vec<Filter> = filters
        .iter()
        .flat_map(|filter| parts_of(filter.canonical()).unwrap_or_else(|other| vec![other]))
        .collect();
    parts.sort_by_cached_key(Filter::to_string);
    parts.dedup();
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}
