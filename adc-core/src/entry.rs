//! What a directory returned for one object: a name and attributes, as bytes.

use crate::dn::{Reference, value_without_guid};

/// One entry of a search result.
///
/// A directory sends hundreds of thousands of these, each with a dozen attributes: a short list that is searched
/// from its beginning is cheaper to build and to ask than a map.
///
/// **Attribute options** (RFC 4512, 2.5). An attribute's *description* is its type and its options: `cn;lang-ja`.
/// `;binary` only says how values were transferred, so it never tells attributes apart here. Every other option makes a
/// *subtype* of the description without it: [`Entry::values`] keeps to exactly the description asked for (a person's
/// `cn` shall not become the Japanese one because it sorts first), while [`Entry::all_values`] adds the subtypes, as
/// a filter on `cn` must see them. `;range=0-1499` is neither: it labels one part of a list that has to be fetched
/// in parts, see [`Entry::is_partial`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// As the directory wrote it, perhaps with the GUID.
    reference: String,
    attributes: Vec<Attribute>,
}

/// An attribute's description as the directory wrote it, and its values in the directory's order, which means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The type and its options, such as `mail` or `cn;lang-ja`.
    pub name: String,
    /// The values; none if only names were asked for, or if a range holds them.
    pub values: Vec<Vec<u8>>,
}

impl Entry {
    /// An entry without attributes.
    pub fn new(dn: impl Into<String>) -> Self {
        Self { reference: dn.into(), attributes: Vec::new() }
    }

    /// The same, with room for `attributes` many.
    pub fn with_capacity(dn: impl Into<String>, attributes: usize) -> Self {
        Self { reference: dn.into(), attributes: Vec::with_capacity(attributes) }
    }

    /// Adds an attribute as the directory sent it.
    pub fn push(&mut self, name: impl Into<String>, values: Vec<Vec<u8>>) {
        self.attributes.push(Attribute { name: name.into(), values });
    }

    /// Adds an attribute of text values; for tests and samples.
    #[must_use]
    pub fn with(mut self, name: &str, values: &[&str]) -> Self {
        self.push(name, values.iter().map(|value| value.as_bytes().to_vec()).collect());
        self
    }

    /// The distinguished name as the directory wrote it.
    pub fn dn(&self) -> &str {
        self.reference().dn
    }

    /// The name with the GUID, where the directory was asked for it: what references to the entry look like.
    pub fn reference(&self) -> Reference<'_> {
        Reference::of(&self.reference)
    }

    /// All attributes, in the directory's order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// All attributes for changing, as whoever joins the ranges of a large group does.
    pub fn attributes_mut(&mut self) -> &mut Vec<Attribute> {
        &mut self.attributes
    }

    /// The values of exactly this attribute description, in any case and with or without `;binary`; else none.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .iter()
            .find(|attribute| is_same(&attribute.name, name))
            .map_or(&[], |attribute| attribute.values.as_slice())
    }

    /// The values of this attribute description and of its subtypes: for `cn` also those of `cn;lang-ja`. References are
    /// plain names, as filters mean them.
    pub fn all_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.attributes
            .iter()
            .filter(move |attribute| is_same_or_subtype(&attribute.name, name))
            .flat_map(|attribute| attribute.values.iter().map(|value| value_without_guid(value)))
    }

    /// The first value as text; `None` if there is none or it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// The values that are UTF-8, as text.
    pub fn texts<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.values(name).iter().filter_map(|value| std::str::from_utf8(value_without_guid(value)).ok())
    }

    /// Whether the directory sent only a part of this attribute's values (`member;range=0-1499`), so that the rest
    /// must be fetched before anybody may take the list for whole.
    pub fn is_partial(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| {
            same_type(&attribute.name, name) && options(split(&attribute.name).1).any(is_range)
        })
    }
}

/// The attribute type of a description: what stands before its options.
pub fn attribute_type(description: &str) -> &str {
    split(description).0
}

/// Whether a text is an attribute description (RFC 4512, 2.5): a name or an OID, and perhaps options.
pub fn is_attribute_description(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let mut parts = text.split(';');
    let kind = parts.next().unwrap_or_default();
    let numeric = kind.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()));
    let named = word(kind) && kind.starts_with(|first: char| first.is_ascii_alphabetic());
    (numeric || named) && parts.all(word)
}

/// A description's type, and its options as one text.
fn split(description: &str) -> (&str, &str) {
    description.split_once(';').unwrap_or((description, ""))
}

fn options(options: &str) -> impl Iterator<Item = &str> {
    options.split(';').filter(|option| !option.is_empty() && !option.eq_ignore_ascii_case("binary"))
}

fn is_range(option: &str) -> bool {
    option.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("range="))
}

/// Whether two descriptions name the same attribute: type and options, the latter in any order.
///
/// Asked for every attribute of every entry, so what nearly always decides comes first: names without options.
fn is_same(one: &str, other: &str) -> bool {
    if one.len() == other.len() && one.eq_ignore_ascii_case(other) {
        return true;
    }
    same_type(one, other)
        && is_same_or_subtype(one, other)
        && options(split(one).1).count() == options(split(other).1).count()
}

/// Whether `one` is `other` or has more options than it.
fn is_same_or_subtype(one: &str, other: &str) -> bool {
    if !same_type(one, other) {
        return false;
    }
    let (have, wanted) = (split(one).1, split(other).1);
    options(wanted).all(|option| options(have).any(|own| own.eq_ignore_ascii_case(option)))
        && (options(wanted).any(is_range) || !options(have).any(is_range))
}

/// Whether two descriptions have the same type.
fn same_type(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let common = one.iter().zip(other).take_while(|(a, b)| a.eq_ignore_ascii_case(b) && **a != b';').count();
    let ends = |name: &[u8]| name.get(common).is_none_or(|byte| *byte == b';');
    ends(one) && ends(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry::new("cn=Jane")
            .with("CN;lang-ja", &["ジェーン"])
            .with("cn", &["Jane", "Janie"])
            .with("sn;lang-de;x-old", &["Meier"])
            .with("userCertificate;binary", &["cert"])
            .with("member", &[])
            .with("member;Range=0-1", &["cn=a", "cn=b"])
    }

    #[test]
    fn an_attribute_is_found_in_any_case_but_not_by_its_subtypes() {
        assert_eq!(entry().texts("CN").collect::<Vec<_>>(), ["Jane", "Janie"]);
        assert_eq!(entry().text("cn;LANG-JA"), Some("ジェーン"));
        assert_eq!(entry().text("sn;X-OLD;lang-de"), Some("Meier"));
        assert_eq!(entry().values("sn"), &[] as &[Vec<u8>]);
        assert_eq!(entry().text("c"), None);
    }

    #[test]
    fn a_filter_sees_the_subtypes_too() {
        assert_eq!(entry().all_values("cn").count(), 3);
        assert_eq!(entry().all_values("cn;lang-ja").count(), 1);
        assert_eq!(entry().all_values("sn;lang-de").count(), 1);
        assert_eq!(entry().all_values("sn;lang-fr").count(), 0);
    }

    #[test]
    fn how_values_were_transferred_does_not_name_an_attribute() {
        assert_eq!(entry().text("usercertificate"), Some("cert"));
        assert_eq!(entry().text("usercertificate;binary"), Some("cert"));
        assert_eq!(Entry::new("").with("jpegPhoto", &["x"]).text("jpegPhoto;binary"), Some("x"));
    }

    #[test]
    fn part_of_a_list_is_never_taken_for_the_list() {
        assert!(entry().is_partial("Member") && !entry().is_partial("cn"));
        assert_eq!(entry().all_values("member").count(), 0);
        assert_eq!(entry().all_values("member;range=0-1").count(), 2);
    }

    #[test]
    fn attributes_are_told_from_other_text() {
        for text in ["mail", "ms-DS-ConsistencyGuid", "2.5.4.3", "cn;lang-ja;x", "x_y"] {
            assert!(is_attribute_description(text), "{text}");
        }
        for text in ["", "*", "+", "1.1a", "2..5", "cn;", "given name", "{{ mail }}", "-a", "Straße", "1.2."]
        {
            assert!(!is_attribute_description(text), "{text}");
        }
    }

    #[test]
    fn text_skips_what_is_not_utf8() {
        let mut entry = Entry::new("");
        entry.push("mail", vec![vec![0xff], b"jane@lg.local".to_vec()]);
        assert_eq!(entry.text("mail"), Some("jane@lg.local"));
    }
}
