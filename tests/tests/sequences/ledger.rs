//! The account's events, followed as somebody outside would: what they tell must be all that happens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::snapshot::Snapshot;
use super::stage::{Account, Stage, text};

/// What was heard so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    events: Vec<Value>,
    ids: BTreeSet<String>,
    /// By object id: what the events make of it.
    told: BTreeMap<String, Map<String, Value>>,
}

impl Ledger {
    /// Hears what is new; returns how much that was.
    pub(super) fn follow(&mut self, stage: &Stage, account: &Account) -> usize {
        let path = match self.events.last() {
            Some(last) => format!("/events?after={}", text(&last["id"])),
            None => "/events".to_owned(),
        };
        let page =
            stage.get(account, &format!("{path}{}limit=500", if path.contains('?') { '&' } else { '?' }));
        assert!(page["next_cursor"].is_null(), "more happened at once than a sequence can do");
        let news = page["items"].as_array().expect("a list answers items");
        for event in news {
            self.hear(event);
        }
        news.len()
    }

    /// Compares what was told with what the account shows.
    pub(super) fn assert_tells_all_of(&self, snapshot: &Snapshot) {
        let mut told = self.told.clone();
        for (id, user) in &snapshot.users {
            let one = told.remove(id).unwrap_or_else(|| panic!("no event tells of {user}"));
            let mut shown = Map::new();
            for key in one.keys() {
                // Whoever is not, or no longer, of a directory stands nowhere.
                let dn = || user["provider"]["dn"].as_str().unwrap_or_default().into();
                shown.insert(key.clone(), if key == "dn" { dn() } else { user[key].clone() });
            }
            // Events of runs do not say who decided a status, and whose a user is only where that changes.
            let [one, shown] = [one, shown].map(|mut user| {
                user.remove("status_by");
                user.remove("synchronization");
                user
            });
            assert_eq!(one, shown, "the events tell something else of {user}");
        }
        let units = snapshot.groups.values().map(|(group, members)| (group, Some(members)));
        for (unit, members) in units.chain(snapshot.org_units.values().map(|unit| (unit, None))) {
            let one = told.remove(&text(&unit["id"])).unwrap_or_else(|| panic!("no event tells of {unit}"));
            assert_eq!(one["name"], unit["name"]);
            assert_eq!(one["dn"], unit["provider"]["dn"]);
            assert!(one.get("status").is_none_or(|status| status == "active"), "{one:?} is shown as {unit}");
            let told = one.get("members").and_then(Value::as_array).map_or(0, Vec::len);
            assert_eq!(told, members.map_or(0, Vec::len), "{one:?}: {members:?}");
        }
        for (id, left) in told {
            assert_eq!(
                left.get("status"),
                Some(&"deleted".into()),
                "{id} is told of and not shown: {left:?}"
            );
        }
    }

    /// Reads everything again from the beginning, a few at a time: it must be what was heard.
    pub(super) fn assert_reads_the_same_again(&self, stage: &Stage, account: &Account) {
        let mut again = Vec::new();
        let mut path = "/events?limit=7".to_owned();
        loop {
            let page = stage.get(account, &path);
            again.extend(page["items"].as_array().expect("a list answers items").clone());
            match page["next_cursor"].as_str() {
                Some(next) => path = format!("/events?limit=7&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(again, self.events, "the events read otherwise than they were heard");
    }

    fn hear(&mut self, event: &Value) {
        assert!(self.ids.insert(text(&event["id"])), "{event} came twice");
        if let Some(before) = self.events.last() {
            assert!(text(&before["at"]) <= text(&event["at"]), "{event} came after {before}");
        }
        let effective = ["create", "update", "disable", "enable", "delete", "restore"];
        assert!(effective.contains(&event["action"].as_str().unwrap_or_default()), "{event} changes nothing");
        self.events.push(event.clone());
        if event["kind"] == "synchronization" {
            return;
        }
        let one = self.told.entry(text(&event["object_id"])).or_default();
        for (key, value) in event["before"].as_object().into_iter().flatten() {
            assert_was(one, key, value, event);
        }
        for (key, value) in event["after"].as_object().into_iter().flatten() {
            take(one, key, value);
        }
    }
}

/// What an event says was so must have been told before.
fn assert_was(one: &Map<String, Value>, key: &str, value: &Value, event: &Value) {
    match key {
        "members_added" | "members_removed" | "status_by" => {}
        "fields" => {
            for (field, value) in value.as_object().expect("fields are an object") {
                let was = one.get("fields").and_then(|fields| fields.get(field)).unwrap_or(&Value::Null);
                assert_eq!(was, value, "{field} was not so before {event}");
            }
        }
        _ => match one.get(key) {
            Some(was) => assert_eq!(was, value, "{key} was not so before {event}"),
            // What goes without saying: of a unit that it is there, of a local user that it is one and stands nowhere, of a
            // directory's user that nothing protects it.
            None => assert!(
                [json!(null), json!("active"), json!("local"), json!(""), json!(false), json!([])]
                    .contains(value),
                "nothing told of {key} before {event}"
            ),
        },
    }
}

fn take(one: &mut Map<String, Value>, key: &str, value: &Value) {
    match key {
        "fields" => {
            let fields = one.entry("fields").or_insert_with(|| Map::new().into());
            let fields = fields.as_object_mut().expect("fields are an object");
            for (field, value) in value.as_object().expect("fields are an object") {
                if value.is_null() {
                    fields.remove(field);
                } else {
                    fields.insert(field.clone(), value.clone());
                }
            }
        }
        "members_added" | "members_removed" => {
            let members = one.entry("members").or_insert_with(|| Vec::<Value>::new().into());
            let members = members.as_array_mut().expect("members are a list");
            for dn in value.as_array().expect("members are a list") {
                let at = members.iter().position(|member| member == dn);
                match (key, at) {
                    ("members_added", None) => members.push(dn.clone()),
                    ("members_removed", Some(at)) => drop(members.remove(at)),
                    _ => panic!("{key}: {dn}, of {members:?}"),
                }
            }
        }
        _ => drop(one.insert(key.to_owned(), value.clone())),
    }
}
