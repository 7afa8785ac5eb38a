//! Fields filled by a `{{ template }}`.

use super::{MappingError, value};
use crate::{entry::Entry, reason::Reason, record::Problem};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, filters};
use std::collections::BTreeSet;

/// Whether a field's source is a template and not an attribute's name.
pub(super) fn is_template(source: &str) -> bool {
    source.contains("{{") || source.contains("{%") || source.contains("{#")
}

/// The longest template. Nobody needs more to join a few attributes, and what a template can cost grows with it.
const MAX_TEMPLATE_LENGTH: usize = 1_000;

/// Steps one rendering may take; joining ten attributes through a filter each takes fewer than a hundred.
const FUEL: u64 = 1_000;

/// The longest text that [`replace`] makes of another, because replacements of replacements grow without bound.
const MAX_REPLACED_LENGTH: usize = 64 << 10;

/// A template over an entry's attributes, each by its smallest value.
///
/// The control plane writes it and the agent runs it for every entry, so it can do little: expressions only, no
/// statements and no arithmetic that repeats text, and of filters `lower`, `upper`, `title`, `capitalize`, `trim`,
/// `replace`, `split`, `first`, `last`, `left` and `default`. A name without a value is an error unless `default` says otherwise.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    attributes: Vec<String>,
}

/// Statements and comments; what repeats text; and subscripts, because the engine does not name the attribute in
/// `givenName[:1]` when it is asked what a template needs (`left` does the same).
const FORBIDDEN: [&str; 4] = ["{%", "{#", "*", "["];

/// The name under which an environment holds its only template; not shown to anybody.
const NAME: &str = "field";

impl Template {
    /// Compiles a template; `place` names the field in errors.
    pub(super) fn compile(place: &str, source: &str) -> Result<Self, MappingError> {
        let refuse = |problem: String| MappingError::Template { place: place.to_owned(), problem };
        if source.len() > MAX_TEMPLATE_LENGTH {
            return Err(refuse(format!("is longer than {MAX_TEMPLATE_LENGTH} bytes; shorten it")));
        }
        for forbidden in FORBIDDEN {
            if source.contains(forbidden) {
                return Err(refuse(format!(
                    "contains \"{forbidden}\"; use only expressions such as {{{{ givenName|left(1) }}}}"
                )));
            }
        }
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("lower", filters::lower);
        environment.add_filter("upper", filters::upper);
        environment.add_filter("title", filters::title);
        environment.add_filter("capitalize", filters::capitalize);
        environment.add_filter("trim", filters::trim);
        environment.add_filter("default", filters::default);
        environment.add_filter("split", filters::split);
        environment.add_filter("first", filters::first);
        environment.add_filter("last", filters::last);
        environment.add_filter("left", left);
        environment.add_filter("replace", replace);
        let unreadable = |error: Error| refuse(format!("cannot be read: {}", sentence(&error)));
        environment.add_template_owned(NAME, source.to_owned()).map_err(unreadable)?;
        let names: BTreeSet<String> = environment
            .get_template(NAME)
            .map_err(unreadable)?
            .undeclared_variables(false)
            .into_iter()
            .collect();
        if names.is_empty() {
            return Err(refuse(
                "names no attribute, so that everybody would get the same value; name one".to_owned(),
            ));
        }
        let template = Self { environment, attributes: names.into_iter().collect() };
        match template.fill(template.attributes.iter().map(|name| (name.as_str(), "x"))) {
            // The engine looks filters and functions up only when it comes to them.
            Err(error) if is_unknown(error.kind()) => Err(unreadable(error)),
            _ => Ok(template),
        }
    }

    /// The attributes it names.
    pub(super) fn attributes(&self) -> &[String] {
        &self.attributes
    }

    fn fill<'v>(&self, values: impl Iterator<Item = (&'v str, &'v str)>) -> Result<String, Error> {
        self.environment.get_template(NAME)?.render(Value::from_pairs(values))
    }

    /// Fills the template in for an entry; `None` if nothing but white space comes out.
    pub(super) fn render(&self, field: &str, entry: &Entry) -> Result<Option<String>, Problem> {
        let mut values = Vec::with_capacity(self.attributes.len());
        for attribute in &self.attributes {
            let value =
                value::smallest(entry, attribute).map_err(|error| error.in_field(field, attribute))?;
            values.extend(value.map(|value| (attribute.as_str(), value)));
        }
        match self.fill(values.iter().copied()) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Err(error) => {
                let is_missing = |name: &&str| values.iter().all(|(given, _)| given != name);
                let missing: Vec<&str> =
                    self.attributes.iter().map(String::as_str).filter(is_missing).collect();
                Err(problem(field, &error, &missing))
            }
        }
    }
}

/// Whether a template uses what there is not, whatever the entry.
fn is_unknown(kind: ErrorKind) -> bool {
    use ErrorKind::{UnknownFilter, UnknownFunction, UnknownMethod, UnknownTest};
    matches!(kind, UnknownFilter | UnknownFunction | UnknownMethod | UnknownTest)
}

/// What went wrong, in words that hold none of the values: the engine's own might.
fn problem(field: &str, error: &Error, missing: &[&str]) -> Problem {
    let what = if error.kind() == ErrorKind::UndefinedError && !missing.is_empty() {
        format!("no value in {}", missing.join(", "))
    } else {
        format!("the template failed ({})", error.kind())
    };
    Problem { reason: Reason::MappingTemplate, detail: format!("field \"{field}\": {what}") }
}

/// What the engine says of a template it cannot read, without its file and line.
fn sentence(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{} ({detail})", error.kind()))
}

/// `{{ givenName|left(1) }}`: the first characters.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes arguments so")]
fn left(text: String, count: usize) -> String {
    text.chars().take(count).collect()
}

/// `{{ sn|replace("ä", "ae") }}`
#[expect(clippy::needless_pass_by_value, reason = "the engine passes arguments so")]
fn replace(text: String, from: String, to: String) -> Result<String, Error> {
    let count = text.matches(&*from).count();
    if text.len() + count * to.len() > MAX_REPLACED_LENGTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "the text would become too long"));
    }
    Ok(text.replace(&from, &to))
}
