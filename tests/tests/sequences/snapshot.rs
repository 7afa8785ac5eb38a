//! Everything the API shows of an account.

use std::collections::BTreeMap;

use adc_core::record::Kind;
use adc_core::text as core_text;
use serde_json::{Value, json};

use super::directory::Directory;
use super::stage::{Account, Stage, text};

/// What the API shows of an account at one moment. Two of them are equal only if not even a time differs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    /// By id; deleted ones too.
    pub(super) users: BTreeMap<String, Value>,
    /// By id, with their direct members.
    pub(super) groups: BTreeMap<String, (Value, Vec<Value>)>,
    /// By id.
    pub(super) org_units: BTreeMap<String, Value>,
    pub(super) objects: Vec<Value>,
    pub(super) synchronization: Value,
}

impl Snapshot {
    pub(super) fn of(stage: &Stage, account: &Account) -> Self {
        let synchronization = format!("/synchronizations/{}", account.synchronization);
        Self {
            objects: stage.all(account, &format!("{synchronization}/objects")),
            synchronization: stage.get(account, &synchronization),
            ..Self::without_synchronization(stage, account)
        }
    }

    /// What the API shows when there is no synchronization any more.
    pub(super) fn without_synchronization(stage: &Stage, account: &Account) -> Self {
        let by_id = |items: Vec<Value>| items.into_iter().map(|item| (text(&item["id"]), item)).collect();
        let mut users = stage.all(account, "/users");
        users.extend(stage.all(account, "/users?status=deleted"));
        let groups = stage.all(account, "/groups").into_iter().map(|group| {
            let id = text(&group["id"]);
            let members = stage.all(account, &format!("/groups/{id}/members"));
            (id, (group, members))
        });
        Self {
            users: by_id(users),
            groups: groups.collect(),
            org_units: by_id(stage.all(account, "/org-units")),
            objects: Vec::new(),
            synchronization: Value::Null,
        }
    }

    /// Checks what holds for any account, whatever happened to it.
    pub(super) fn assert_sound(&self) {
        let mut holders = BTreeMap::new();
        for user in self.users.values() {
            let deleted = user["status"] == "deleted";
            assert_eq!(user["deleted_at"].is_null(), !deleted, "{user}");
            let name = core_text::key(user["username"].as_str().expect("a user has a name")).into_owned();
            if !deleted && let Some(other) = holders.insert(name, user) {
                panic!("two users hold one name:\n{user}\n{other}");
            }
        }
        for (group, members) in self.groups.values() {
            assert_eq!(group["member_count"], members.len(), "{group}");
        }
    }

    /// Checks, without asking the model, that whoever is in the directory is in the account, and that nobody else of it
    /// can log in whom no administrator has let in.
    pub(super) fn assert_is_what_is_in(&self, directory: &Directory) {
        let records = directory.records();
        let mut others = self.users.clone();
        for record in records.iter().filter(|record| record.kind == Kind::User) {
            let own = |user: &Value| user["provider"]["source_id"] == record.source_id.as_str();
            let (id, user) = self.users.iter().find(|(_, user)| own(user)).expect("everybody has a user");
            assert_eq!(user["username"], record.name.as_str());
            assert_eq!(user["email"], json!(record.email));
            assert_eq!(user["fields"], json!(record.fields));
            assert_eq!(user["provider"]["dn"], record.dn.as_str());
            assert_ne!(user["status"], "deleted");
            others.remove(id);
        }
        for user in others.values().filter(|user| user["provider"]["kind"] == "directory") {
            assert!(user["status"] != "active" || user["status_by"] == "administrator", "{user} can log in");
        }
        for (kind, shown) in [
            (Kind::Group, self.groups.values().map(|(group, _)| group).collect::<Vec<_>>()),
            (Kind::OrgUnit, self.org_units.values().collect()),
        ] {
            let sorted = |mut ids: Vec<String>| {
                ids.sort();
                ids
            };
            let there =
                records.iter().filter(|record| record.kind == kind).map(|record| record.source_id.clone());
            let shown = shown.iter().map(|unit| text(&unit["provider"]["source_id"]));
            assert_eq!(sorted(shown.collect()), sorted(there.collect()), "{kind}");
        }
    }

    /// One line per thing, without times, ids and what else a model cannot know.
    pub(super) fn lines(&self) -> BTreeMap<String, String> {
        let users = self.users.values().map(|user| (user_label(user), user_line(user)));
        let groups = self.groups.values().map(|(group, members)| {
            let mut members: Vec<String> =
                members.iter().map(|one| member_line(&text(&one["dn"]), one["resolved"] == true)).collect();
            members.sort();
            let line = unit_line(&text(&group["name"]), &text(&group["provider"]["dn"]));
            (
                format!("group {}", text(&group["provider"]["source_id"])),
                format!("{line}: {}", members.join(" ")),
            )
        });
        let org_units = self.org_units.values().map(|unit| {
            let line = unit_line(&text(&unit["name"]), &text(&unit["provider"]["dn"]));
            (format!("org_unit {}", text(&unit["provider"]["source_id"])), line)
        });
        let objects = self.objects.iter().map(|object| {
            let there = if object["present"] == true { "there" } else { "gone" };
            let line = object_line(
                there,
                &text(&object["name"]),
                &text(&object["dn"]),
                &text(&object["status"]),
                object["reason"].as_str(),
            );
            (format!("seen {} {}", text(&object["kind"]), text(&object["source_id"])), line)
        });
        let synchronization = &self.synchronization;
        let optional = |value: &Value| value.as_str().map(str::to_owned);
        let line = synchronization_line(
            optional(&synchronization["checkpoint"]["values"][0]),
            optional(&synchronization["last_applied_run"]),
            optional(&synchronization["held_run"]),
        );
        assert!(synchronization["active_run"].is_null(), "a run is still under way: {synchronization}");
        users
            .chain(groups)
            .chain(org_units)
            .chain(objects)
            .chain([("synchronization".to_owned(), line)])
            .collect()
    }

    /// The id of the user of a label.
    pub(super) fn user_ids(&self) -> BTreeMap<String, String> {
        self.users.iter().map(|(id, user)| (user_label(user), id.clone())).collect()
    }
}

/// A user's label: the person it comes from, or the name.
pub(super) fn label(person: Option<&str>, name: &str) -> String {
    match person {
        Some(person) => format!("user {person}"),
        None => format!("local user {}", core_text::key(name)),
    }
}

fn user_label(user: &Value) -> String {
    label(user["provider"]["source_id"].as_str(), user["username"].as_str().expect("a user has a name"))
}

fn user_line(user: &Value) -> String {
    let protections = (user["account_owner"] == true, user["owns"] != json!([]));
    user_words(
        &text(&user["username"]),
        user["email"].as_str(),
        user["fields"]["title"].as_str(),
        user["provider"]["dn"].as_str().unwrap_or_default(),
        &text(&user["status"]),
        &text(&user["status_by"]),
        protections,
    )
}

pub(super) fn user_words(
    name: &str,
    email: Option<&str>,
    title: Option<&str>,
    dn: &str,
    status: &str,
    by: &str,
    (owner, owns): (bool, bool),
) -> String {
    format!("{name} {email:?} {title:?} at \"{dn}\", {status} by {by}, owner {owner}, owns {owns}")
}

pub(super) fn unit_line(name: &str, dn: &str) -> String {
    format!("{name} at {dn}")
}

pub(super) fn member_line(dn: &str, resolved: bool) -> String {
    if resolved { dn.to_owned() } else { format!("{dn}?") }
}

pub(super) fn object_line(there: &str, name: &str, dn: &str, status: &str, reason: Option<&str>) -> String {
    format!("{there} as {name} at {dn}: {status} {}", reason.unwrap_or_default())
}

pub(super) fn synchronization_line(
    mark: Option<String>,
    last_applied: Option<String>,
    held: Option<String>,
) -> String {
    format!("checkpoint {mark:?}, last applied {last_applied:?}, held {held:?}")
}
