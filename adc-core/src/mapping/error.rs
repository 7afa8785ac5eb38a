//! Why a mapping cannot be used.

/// A mapping that asks for too much, or says nothing that can be done. The run does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// A secret; see [`super::SECRETS`].
    #[error("{place} asks for {attribute}, which holds {what} and is never read; take it out")]
    Secret {
        /// The field, rule or key.
        place: String,
        /// The attribute.
        attribute: String,
        /// What the attribute holds.
        what: &'static str,
    },
    /// Not among the preset's attributes, and adc.yaml names none.
    #[error(
        "{place} asks for {attribute}, which is not among the preset's attributes; list the attributes that may leave the \
         network, {attribute} among them, as backend.ldap.attributes in adc.yaml, or take it out"
    )]
    NotInPreset {
        /// The field, rule or key.
        place: String,
        /// The attribute.
        attribute: String,
    },
    /// Not among the attributes of adc.yaml.
    #[error(
        "{place} asks for {attribute}, which is not among backend.ldap.attributes in adc.yaml; add it there, or take it out"
    )]
    NotAllowed {
        /// The field, rule or key.
        place: String,
        /// The attribute.
        attribute: String,
    },
    /// A filter that is put to attributes it does not name.
    #[error(
        "{place} asks every attribute, also those that may not be asked for; name an attribute before the matching rule"
    )]
    EveryAttribute {
        /// The rule or key.
        place: String,
    },
    /// A matching rule that only the directory could follow.
    #[error(
        "{place} uses the matching rule {rule}, which the agent cannot evaluate, so that it would match nobody; use another"
    )]
    UnknownRule {
        /// The rule of the policy.
        place: String,
        /// The matching rule's OID or name.
        rule: String,
    },
    /// Not an attribute's name.
    #[error("{place} names \"{text}\", which is no attribute; name one as the directory does, such as mail")]
    NoAttribute {
        /// The field or key.
        place: String,
        /// What stands there.
        text: String,
    },
    /// A template among attributes.
    #[error(
        "{place} has the template \"{text}\" in a list, which is of attributes; write it alone (\"from\": \"{text}\"), or name attributes"
    )]
    TemplateInList {
        /// The field.
        place: String,
        /// The template.
        text: String,
    },
    /// A template that cannot be read, or does what templates here may not.
    #[error("{place}: the template {problem}")]
    Template {
        /// The field.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A combination of options that has no meaning.
    #[error("{place} {problem}")]
    Field {
        /// The field.
        place: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// Nobody would have a user name.
    #[error(
        "none of the attributes of the field \"username\" ({attributes}) is among backend.ldap.attributes in adc.yaml; add one of \
         them, or map username from another"
    )]
    NoUsername {
        /// The preset's attributes for it.
        attributes: String,
    },
}
