//! Filters that ask the same, written alike.

use super::Filter;

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
