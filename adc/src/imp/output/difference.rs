//! What differs between an object before and after, in words.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use adc_core::dn::{Dn, without_guid};
use serde_json::{Map, Value};

/// The parts of a difference that tell who joins and who leaves a group.
const MEMBERS_ADDED: &str = "members_added";
const MEMBERS_REMOVED: &str = "members_removed";
/// The part of a difference that tells where an object is.
const DN: &str = "dn";
/// So many members are named, and the rest counted: whoever wants them all finds them in the report.
const NAMED_MEMBERS: usize = 3;

/// `title: Engineer → Manager; phone: - → 123`, and of a group `+2 members: Zoe Quinn, Ann Lee; -1: Bob`.
///
/// `short` leaves out what both DNs of a move end in.
pub(super) fn difference(before: Option<&Value>, after: Option<&Value>, short: bool) -> String {
    let object = |side: Option<&Value>| side.and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, mut after) = (object(before), object(after));
    let members = members(after.remove(MEMBERS_ADDED), after.remove(MEMBERS_REMOVED));
    let (before, after) = (flat(before), flat(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let names = names.into_iter().filter(|name| ![MEMBERS_ADDED, MEMBERS_REMOVED].contains(&name.as_str()));
    let shown = |side: &BTreeMap<String, String>, name: &String| {
        side.get(name).cloned().unwrap_or_else(|| "-".to_owned())
    };
    let fields = names.map(|name| {
        let (before, after) = (shown(&before, name), shown(&after, name));
        match without_common_end(&before, &after) {
            Some((before, after)) if short && name == DN => format!("{name}: {before} → {after}"),
            _ => format!("{name}: {before} → {after}"),
        }
    });
    fields.chain(members).collect::<Vec<_>>().join("; ")
}

/// Who joins and who leaves; `None` where nobody does.
fn members(added: Option<Value>, removed: Option<Value>) -> Option<String> {
    let names = |list: Option<Value>| -> Vec<String> {
        let Some(Value::Array(dns)) = list else { return Vec::new() };
        dns.iter().filter_map(Value::as_str).map(|dn| name_of(dn).into_owned()).collect()
    };
    let (added, removed) = (names(added), names(removed));
    let mut word = if added.len().max(removed.len()) == 1 { " member" } else { " members" };
    let mut parts = Vec::new();
    for (sign, names) in [('+', added), ('-', removed)] {
        if !names.is_empty() {
            let more = names.len().saturating_sub(NAMED_MEMBERS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let some: Vec<&str> = names.iter().take(NAMED_MEMBERS).map(String::as_str).collect();
            parts.push(format!("{sign}{}{word}: {}{more}", names.len(), some.join(", ")));
            word = "";
        }
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// `Zoe Quinn` of `cn=Zoe Quinn,ou=people,dc=lg`.
fn name_of(reference: &str) -> Cow<'_, str> {
    let dn = without_guid(reference);
    match Dn::parse(dn) {
        Ok(parsed) if !parsed.rdn_value().is_empty() => Cow::Owned(parsed.rdn_value().into_owned()),
        _ => Cow::Borrowed(dn),
    }
}

/// Two DNs without the places that both lie in: `uid=na,ou=Asia,…` and `uid=na,ou=Europe,…`. `None` where they share none.
fn without_common_end(one: &str, other: &str) -> Option<(String, String)> {
    let (one, other) = (Dn::parse(one).ok()?, Dn::parse(other).ok()?);
    let common = one.rdns().iter().rev().zip(other.rdns().iter().rev()).take_while(|(a, b)| a == b).count();
    let cut = |dn: &Dn| {
        let own = dn.rdns().len() - common;
        // At least the object's own name stays.
        let kept = dn.rdns().iter().take(own.max(1)).map(ToString::to_string).collect::<Vec<_>>();
        let more = if kept.len() < dn.rdns().len() { ",…" } else { "" };
        format!("{}{more}", kept.join(","))
    };
    (common > 0).then(|| (cut(&one), cut(&other)))
}

/// The values by name; `fields` are told by their own names.
fn flat(object: Map<String, Value>) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for (name, value) in object {
        match value {
            Value::Null => {}
            Value::Object(inner) => {
                flat.extend(inner.into_iter().filter(|(_, v)| !v.is_null()).map(|(n, v)| (n, text(&v))));
            }
            value => {
                flat.insert(name, text(&value));
            }
        }
    }
    flat
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => without_guid(text).to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_group(added: &[&str], removed: &[&str]) -> String {
        let before = json!({ MEMBERS_ADDED: null, MEMBERS_REMOVED: null });
        difference(Some(&before), Some(&json!({ MEMBERS_ADDED: added, MEMBERS_REMOVED: removed })), true)
    }

    #[test]
    fn the_members_of_a_group_were_told_as_uncut_dns_and_an_arrow_to_nowhere() {
        let (zoe, ann, bob) = ("cn=Zoe Quinn,ou=people,dc=lg", "cn=Ann Lee,dc=lg", "uid=bob\\2C jr,dc=lg");
        assert_eq!(of_group(&[zoe], &[]), "+1 member: Zoe Quinn");
        assert_eq!(of_group(&[], &[zoe, ann]), "-2 members: Zoe Quinn, Ann Lee");
        assert_eq!(of_group(&[zoe, ann], &[bob]), "+2 members: Zoe Quinn, Ann Lee; -1: bob, jr");
        let many: Vec<&str> = std::iter::repeat_n(zoe, 5_000).collect();
        assert_eq!(of_group(&many, &[]), "+5000 members: Zoe Quinn, Zoe Quinn, Zoe Quinn and 4997 more");
        assert_eq!(of_group(&["no dn", ""], &[]), "+2 members: no dn, ");
        let by_guid = format!("<GUID={}>;{zoe}", "0123456789abcdef".repeat(2));
        assert_eq!(of_group(&[&by_guid], &[]), "+1 member: Zoe Quinn");
        assert_eq!(of_group(&[], &[]), "");
    }

    #[test]
    fn a_move_was_cut_before_it_said_where_to() {
        let (from, to) = ("uid=na,ou=Asia,ou=People,dc=lg", "uid=na,ou=Europe,ou=People,dc=lg");
        let told = |short| difference(Some(&json!({ "dn": from })), Some(&json!({ "dn": to })), short);
        assert_eq!(told(true), "dn: uid=na,ou=Asia,… → uid=na,ou=Europe,…");
        assert_eq!(told(false), format!("dn: {from} → {to}"));
        let up = difference(Some(&json!({ "dn": from })), Some(&json!({ "dn": "uid=na,dc=lg" })), true);
        assert_eq!(up, "dn: uid=na,ou=Asia,ou=People,… → uid=na,…");
    }
}
