//! What differs between what the account holds and what the directory says, as reports show it.

use crate::record::Fields;
use serde_json::{Map, Value};

/// The two sides of a change, holding only what differs; both empty when nothing does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// As it is; `None` for what does not exist.
    pub before: Option<Map<String, Value>>,
    /// As it will be.
    pub after: Option<Map<String, Value>>,
}

/// Who joins a group and who leaves it, as DNs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembersDifference {
    /// Sorted.
    pub added: Vec<String>,
    /// Sorted.
    pub removed: Vec<String>,
}

impl MembersDifference {
    /// Whether nobody joins and nobody leaves.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }

    /// Whether `key` is among what differs.
    pub fn contains(&self, key: &str) -> bool {
        self.after.as_ref().is_some_and(|after| after.contains_key(key))
    }

    /// Whether `key` is all that differs.
    pub fn is_only(&self, key: &str) -> bool {
        self.contains(key) && self.after.as_ref().is_some_and(|after| after.len() == 1)
    }

    /// The names of fields that have a value before and none after.
    pub fn blanked_fields(&self) -> impl Iterator<Item = &str> {
        let fields = self.after.as_ref().and_then(|after| after.get("fields")).and_then(Value::as_object);
        let email = self.after.as_ref().and_then(|after| after.get_key_value("email"));
        fields
            .into_iter()
            .flatten()
            .chain(email)
            .filter(|(_, value)| value.is_null())
            .map(|(name, _)| name.as_str())
    }

    /// Everything of something new.
    pub(super) fn created(after: Map<String, Value>) -> Self {
        Self { before: None, after: Some(after) }
    }

    /// Notes `key` if its two sides differ.
    pub(super) fn compare(&mut self, key: &str, before: impl Into<Value>, after: impl Into<Value>) {
        let (before, after) = (before.into(), after.into());
        if before != after {
            self.note(key, before, after);
        }
    }

    /// Notes the fields that differ, each side naming all of them; one without a value is `null`.
    pub(super) fn compare_fields(&mut self, before: &Fields, after: &Fields) {
        if before == after {
            return;
        }
        let (mut was, mut will) = (Map::new(), Map::new());
        for name in before.keys().chain(after.keys()) {
            if before.get(name) != after.get(name) {
                was.insert(name.clone(), value_of(before, name));
                will.insert(name.clone(), value_of(after, name));
            }
        }
        self.note("fields", was.into(), will.into());
    }

    /// Notes a field, also where it looks the same on both sides.
    pub(super) fn note_field(&mut self, name: &str, before: &Fields, after: &Fields) {
        for (side, fields) in [(&mut self.before, before), (&mut self.after, after)] {
            let side = side.get_or_insert_default().entry("fields").or_insert_with(|| Map::new().into());
            if let Value::Object(shown) = side {
                shown.insert(name.to_owned(), value_of(fields, name));
            }
        }
    }

    /// Notes who joins and who leaves a group.
    pub(super) fn compare_members(&mut self, members: &MembersDifference) {
        if !members.is_empty() {
            self.note("members_removed", Value::Null, members.removed.clone().into());
            self.note("members_added", Value::Null, members.added.clone().into());
        }
    }

    fn note(&mut self, key: &str, before: Value, after: Value) {
        self.before.get_or_insert_default().insert(key.to_owned(), before);
        self.after.get_or_insert_default().insert(key.to_owned(), after);
    }
}

fn value_of(fields: &Fields, name: &str) -> Value {
    fields
        .get(name)
        .map_or(Value::Null, |value| serde_json::to_value(value).expect("a text or a list of texts is JSON"))
}
