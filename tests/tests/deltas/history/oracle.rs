//! What a run comes to, so that two can be compared: object by object, ids and times apart.

use std::collections::{BTreeMap, BTreeSet};

use adc_tests::Scene;
use serde_json::{Value, json};

use super::step::Verdict;

/// What differs between two accounts that hold the same.
const OF_ONE_ACCOUNT: [&str; 6] = ["id", "object_id", "parent_id", "account_id", "synchronization_id", "seq"];

/// How a run ended and what it planned.
#[derive(Debug, PartialEq)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) state: String,
    plan: Vec<Value>,
}

impl Ran {
    /// A run, and what an administrator says if its plan is held.
    #[track_caller]
    pub(super) fn once<D>(scene: &Scene<D>, flags: &[&str], verdict: Verdict) -> Self {
        let outcome = scene.agent.imp_with(flags);
        assert!(matches!(outcome.code, 0 | 5 | 6), "{}\n{}", outcome.stderr, outcome.stdout);
        let summary = outcome.json();
        let run = format!("/runs/{}", summary["run_id"].as_str().expect("an id"));
        let mut plan = scene.changes(&summary);
        plan.iter_mut().for_each(forget);
        plan.sort_by_key(Value::to_string);
        let held = outcome.code == 5;
        match verdict {
            Verdict::Approved if held => drop(scene.api.post(&format!("{run}/approve"), &json!({})).ok()),
            Verdict::Rejected if held => drop(scene.api.post(&format!("{run}/reject"), &json!({})).ok()),
            _ => {}
        }
        let state = scene.api.get(&run).ok()["state"].as_str().expect("a state").to_owned();
        Self { code: outcome.code, state, plan }
    }
}

/// Everything an account holds of its directory, object by object.
#[derive(Debug, PartialEq)]
pub(super) struct Held {
    /// What was seen of each object and what became of it, by kind and source id.
    objects: BTreeMap<String, Value>,
    /// By source id; the deleted ones apart, because a person may have been several users.
    users: BTreeMap<String, Value>,
    deleted: Vec<Value>,
    /// By source id, each with its direct and its effective members.
    groups: BTreeMap<String, [Value; 3]>,
    /// By source id.
    org_units: BTreeMap<String, Value>,
}

impl Held {
    #[track_caller]
    pub(super) fn by<D>(scene: &Scene<D>) -> Self {
        let own = format!("/synchronizations/{}/objects", scene.synchronization.id);
        let objects = scene.api.all(&own).into_iter().map(forgotten);
        let objects = objects
            .map(|object| (format!("{} {}", text(&object, "/kind"), text(&object, "/source_id")), object));
        let mut deleted: Vec<Value> =
            scene.api.all("/users?status=deleted").into_iter().map(forgotten).collect();
        deleted.sort_by_key(Value::to_string);
        Self {
            objects: objects.collect(),
            users: by_source_id(scene.api.all("/users")),
            deleted,
            groups: groups(scene),
            org_units: by_source_id(scene.api.all("/org-units")),
        }
    }

    /// Whether every object that is there is what the directory says, or left out by a rule.
    pub(super) fn is_settled(&self) -> bool {
        self.objects.values().all(|object| {
            object["present"] == false || object["status"] == "synced" || object["status"] == "excluded"
        })
    }

    /// Without those who left: nobody who comes later has heard of them.
    pub(super) fn of_those_who_are_there(mut self) -> Self {
        self.objects.retain(|_, object| object["present"] == true);
        let objects = &self.objects;
        let is_there = |kind: &str, id: &String| {
            objects.get(&format!("{kind} {id}")).is_some_and(|object| object["status"] != "excluded")
        };
        self.users.retain(|id, _| is_there("user", id));
        self.deleted.clear();
        self
    }

    /// Says where two differ, if they do.
    #[track_caller]
    pub(super) fn assert_equals(&self, other: &Self, what: &str) {
        fn differing<T: PartialEq + std::fmt::Debug>(
            one: &BTreeMap<String, T>,
            other: &BTreeMap<String, T>,
        ) -> Vec<String> {
            let ids: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            let ids = ids.into_iter().filter(|id| one.get(*id) != other.get(*id));
            ids.map(|id| format!("{:?}\n  against {:?}", one.get(id), other.get(id))).collect()
        }
        let differing = [
            differing(&self.objects, &other.objects),
            differing(&self.users, &other.users),
            differing(&self.groups, &other.groups),
            differing(&self.org_units, &other.org_units),
        ];
        assert!(self == other, "{what}:\n{}\n{:?}", differing.concat().join("\n"), other.deleted);
    }
}

/// Each group with its members, whose effective ones are those that can be reached over the direct ones.
#[track_caller]
fn groups<D>(scene: &Scene<D>) -> BTreeMap<String, [Value; 3]> {
    let groups = scene.api.all("/groups");
    let direct: BTreeMap<String, Vec<Value>> = groups
        .iter()
        .map(|group| text(group, "/id"))
        .map(|id| (id.clone(), scene.api.all(&format!("/groups/{id}/members"))))
        .collect();
    let compared = groups.into_iter().map(|group| {
        let (id, source_id) = (text(&group, "/id"), text(&group, "/provider/source_id"));
        let effective = scene.api.all(&format!("/groups/{id}/members?effective=true"));
        let reached: BTreeSet<String> = effective.iter().map(|member| text(member, "/dn")).collect();
        assert_eq!(reached, reachable(&direct, &id), "the effective members of {group}");
        (source_id, [forgotten(group), sorted(direct[&id].clone()), sorted(effective)])
    });
    compared.collect()
}

/// The DNs of those whom a group lists, or the groups it lists.
fn reachable(direct: &BTreeMap<String, Vec<Value>>, group: &str) -> BTreeSet<String> {
    let (mut reached, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut groups = vec![group.to_owned()];
    while let Some(group) = groups.pop() {
        if !seen.insert(group.clone()) {
            continue;
        }
        for member in &direct[&group] {
            if member["kind"] == "group" {
                groups.push(text(member, "/id"));
            } else {
                reached.insert(text(member, "/dn"));
            }
        }
    }
    reached
}

fn by_source_id(items: Vec<Value>) -> BTreeMap<String, Value> {
    items.into_iter().map(|item| (text(&item, "/provider/source_id"), forgotten(item))).collect()
}

fn sorted(members: Vec<Value>) -> Value {
    let mut members: Vec<Value> = members.into_iter().map(forgotten).collect();
    members.sort_by_key(Value::to_string);
    Value::Array(members)
}

fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{value} has no {pointer}")).to_owned()
}

fn forgotten(mut value: Value) -> Value {
    forget(&mut value);
    value
}

/// Takes ids and times out.
fn forget(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget),
        Value::Object(members) => {
            members.retain(|key, _| !key.ends_with("_at") && !OF_ONE_ACCOUNT.contains(&key.as_str()));
            members.values_mut().for_each(forget);
        }
        _ => {}
    }
}
