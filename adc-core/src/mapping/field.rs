//! One field of a record: where its value comes from and where it goes.

use super::{
    Allowed, Flavor, MappingError,
    template::{self, Template},
    value,
};
use crate::{
    entry::Entry,
    policy::{FieldMapping, FieldSource},
    reason::Reason,
    record::{FieldValue, Kind, MANAGER_FIELD, Problem, Record},
    text,
};
use std::collections::BTreeMap;

/// A field, ready to be read for every entry.
#[derive(Debug)]
pub(super) struct Field {
    name: String,
    source: Source,
    target: Target,
    required: bool,
    unique: bool,
    multi_valued: bool,
}

#[derive(Debug)]
enum Source {
    /// The first attribute that has a value. A bare attribute never goes through the template engine.
    FirstOf(Vec<Attribute>),
    Template(Box<Template>),
}

/// An attribute, and whether it is Exchange's list of addresses, of which the primary one comes first.
#[derive(Debug)]
struct Attribute {
    name: String,
    is_addresses: bool,
}

/// Where in the record a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Name,
    Email,
    Field,
}

/// The preset's fields of a kind, as far as their attributes may be read; sorted by name.
pub(super) fn of_preset(flavor: Flavor, kind: Kind, allowed: &Allowed) -> Vec<Field> {
    let mut fields: Vec<Field> = flavor
        .fields(kind)
        .iter()
        .filter_map(|(name, attributes)| {
            let attributes: Vec<_> =
                attributes.iter().copied().filter(|attribute| allowed.contains(attribute)).collect();
            (!attributes.is_empty()).then(|| Field {
                name: (*name).to_owned(),
                source: first_of(attributes),
                target: target(kind, name),
                required: kind == Kind::User && *name == "username",
                unique: false,
                multi_valued: false,
            })
        })
        .collect();
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    fields
}

/// The preset's fields of people with the policy's in their place or beside them; sorted by name.
pub(super) fn of_people(
    flavor: Flavor,
    policy: &[FieldMapping],
    allowed: &Allowed,
) -> Result<Vec<Field>, MappingError> {
    let preset = of_preset(flavor, Kind::User, allowed);
    let mut fields: BTreeMap<String, Field> =
        preset.into_iter().map(|field| (field.name.clone(), field)).collect();
    for mapping in policy {
        match &mapping.from {
            None => {
                fields.remove(&mapping.name);
            }
            Some(source) => {
                fields.insert(mapping.name.clone(), compile(mapping, source, allowed)?);
            }
        }
    }
    if !fields.contains_key("username") {
        let usual = flavor.fields(Kind::User).iter().filter(|(name, _)| *name == "username");
        let attributes =
            usual.flat_map(|(_, attributes)| *attributes).copied().collect::<Vec<_>>().join(", ");
        return Err(MappingError::NoUsername { attributes });
    }
    Ok(fields.into_values().collect())
}

fn compile(mapping: &FieldMapping, source: &FieldSource, allowed: &Allowed) -> Result<Field, MappingError> {
    let place = format!("policy.mapping: the field \"{}\"", mapping.name);
    let refuse = |problem| Err(MappingError::Field { place: place.clone(), problem });
    let target = target(Kind::User, &mapping.name);
    if mapping.name == "active" {
        return refuse(
            "is what the directory says of the account; it cannot be mapped, so choose another name",
        );
    }
    if mapping.multi_valued && target != Target::Field {
        return refuse("holds one value; take multi_valued out");
    }
    if mapping.multi_valued && mapping.unique {
        return refuse("is a list, and a list cannot be unique; take out unique or multi_valued");
    }
    let source = match source {
        FieldSource::One(text) if template::is_template(text) => {
            if mapping.multi_valued {
                return refuse("is filled by a template, which gives one value; take multi_valued out");
            }
            Source::Template(Box::new(Template::compile(&place, text)?))
        }
        FieldSource::One(attribute) => first_of([attribute.trim()]),
        FieldSource::FirstOf(attributes) => {
            if let Some(text) = attributes.iter().find(|text| template::is_template(text)) {
                return Err(MappingError::TemplateInList { place, text: text.clone() });
            }
            first_of(attributes.iter().map(|attribute| attribute.trim()))
        }
    };
    let field = Field {
        name: mapping.name.clone(),
        source,
        target,
        required: mapping.required || mapping.name == "username",
        unique: mapping.unique,
        multi_valued: mapping.multi_valued,
    };
    field.attributes().try_for_each(|attribute| allowed.check(&place, attribute))?;
    Ok(field)
}

fn first_of<'a>(attributes: impl IntoIterator<Item = &'a str>) -> Source {
    let attribute = |name: &str| Attribute {
        name: name.to_owned(),
        is_addresses: name.eq_ignore_ascii_case("proxyAddresses"),
    };
    Source::FirstOf(attributes.into_iter().map(attribute).collect())
}

fn target(kind: Kind, field: &str) -> Target {
    match (kind, field) {
        (Kind::User, "username") | (Kind::Group | Kind::OrgUnit, "name") => Target::Name,
        (Kind::User | Kind::Group, "email") => Target::Email,
        _ => Target::Field,
    }
}

impl Field {
    /// The attributes it is read from.
    pub(super) fn attributes(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.source {
            Source::FirstOf(attributes) => {
                Box::new(attributes.iter().map(|attribute| attribute.name.as_str()))
            }
            Source::Template(template) => Box::new(template.attributes().iter().map(String::as_str)),
        }
    }

    /// The field's value in an entry, or what keeps it from having one.
    pub(super) fn read(&self, entry: &Entry) -> Result<Option<FieldValue>, Problem> {
        let value = match &self.source {
            Source::FirstOf(attributes) => self.first_value(attributes, entry)?,
            Source::Template(template) => template.render(&self.name, entry)?.map(FieldValue::Text),
        };
        if value.is_none() && self.required {
            let attributes: Vec<_> = self.attributes().collect();
            let detail = format!("field \"{}\": no value in {}", self.name, attributes.join(", "));
            return Err(Problem { reason: Reason::MissingRequiredField, detail });
        }
        Ok(value)
    }

    fn first_value(&self, attributes: &[Attribute], entry: &Entry) -> Result<Option<FieldValue>, Problem> {
        for attribute in attributes {
            let value = if self.multi_valued { attribute.list(entry) } else { attribute.single(entry) };
            if let Some(value) = value.map_err(|error| error.in_field(&self.name, &attribute.name))? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Puts the value where it belongs.
    pub(super) fn fill(&self, record: &mut Record, entry: &Entry, value: Option<FieldValue>) {
        let Some(value) = value else { return };
        if self.name == MANAGER_FIELD
            && let FieldValue::Text(dn) = &value
        {
            record.manager_guid = self.guid_of(entry, dn).map(str::to_owned);
        }
        if self.unique
            && let FieldValue::Text(text) = &value
        {
            record.unique.insert(self.name.clone(), text::key(text).into_owned());
        }
        match (self.target, value) {
            (Target::Name, FieldValue::Text(text)) => record.name = text,
            (Target::Email, FieldValue::Text(text)) => record.email = Some(text),
            (_, value) => {
                record.fields.insert(self.name.clone(), value);
            }
        }
    }
}

impl Field {
    /// The GUID of the object that the value `dn` refers to, where the directory gave it.
    fn guid_of<'e>(&self, entry: &'e Entry, dn: &str) -> Option<&'e str> {
        let values = self.attributes().flat_map(|attribute| entry.values(attribute));
        values
            .filter_map(|value| value::reference(value).ok())
            .find(|reference| reference.dn == dn)
            .and_then(|reference| reference.guid)
    }
}

impl Attribute {
    fn single(&self, entry: &Entry) -> Result<Option<FieldValue>, value::NotText> {
        let text = if self.is_addresses {
            value::primary_address(entry, &self.name)?
        } else {
            value::smallest(entry, &self.name)?
        };
        Ok(text.map(FieldValue::from))
    }

    fn list(&self, entry: &Entry) -> Result<Option<FieldValue>, value::NotText> {
        let mut texts = value::sorted(entry, &self.name)?;
        if self.is_addresses {
            // The sort is stable: within the primary ones and the others the order stays.
            texts.sort_by_key(|text| !text.starts_with(value::PRIMARY_ADDRESS));
        }
        let list: Vec<String> = texts.into_iter().map(str::to_owned).collect();
        Ok((!list.is_empty()).then_some(FieldValue::List(list)))
    }
}
