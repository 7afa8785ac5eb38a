//! A directory, a control plane, and an agent between them: where most tests begin.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::agent::{Agent, Outcome};
use crate::api::Api;
use crate::company::{Company, Person};
use crate::control_plane::{ControlPlane, Synchronization};
use crate::in_memory::InMemory;
use crate::samba::Samba;
use crate::slapd::Slapd;

/// A directory, and an account that it is synchronized to.
#[derive(Debug)]
pub struct Scene<Directory = Slapd> {
    /// The directory.
    pub directory: Directory,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// The one synchronization of the one account.
    pub synchronization: Synchronization,
    /// Its agent.
    pub agent: Agent,
    /// Administers the account.
    pub api: Api,
    company: Company,
}

impl Scene<Slapd> {
    /// Serves the company by a real slapd, to be imported into an empty account.
    pub fn of(company: Company) -> Self {
        let slapd = Slapd::serving(&company);
        Self::between(company, slapd)
    }

    /// Like [`Scene::of`], with a slapd of the test's own making.
    pub fn between(company: Company, slapd: Slapd) -> Self {
        Self::new(company, slapd, Agent::new)
    }

    /// The DN that a person or group had in the beginning.
    #[track_caller]
    pub fn dn(&self, name: &str) -> String {
        self.company.dn(name)
    }

    /// Somebody joins the company, in the org unit at this path.
    pub fn join(&self, path: &str, person: impl Into<Person>) {
        self.directory.add(&self.company.clone().ou(path).entry_of(person));
    }

    /// Somebody leaves the company, or a group is dissolved.
    #[track_caller]
    pub fn leave(&self, name: &str) {
        self.directory.delete(&self.dn(name));
    }
}

impl Scene<InMemory> {
    /// Serves the sample company from memory, to be imported into an empty account.
    pub fn in_memory(directory: InMemory) -> Self {
        let company = Company::new(adc_sandbox::sample::BASE_DN);
        Self::new(company, directory, |directory, control_plane, synchronization| {
            Agent::without_directory(control_plane, synchronization)
                .ldap("addr", &directory.url())
                .ldap("bind_dn", directory.bind_dn())
                .ldap("bind_password", directory.bind_password())
                .ldap("base_dn", adc_sandbox::sample::BASE_DN)
        })
    }
}

impl Scene<Samba> {
    /// A domain controller's domain, to be imported over LDAPS into an empty account.
    pub fn of_domain(samba: Samba) -> Self {
        let company = Company::new("dc=lg,dc=local");
        Self::new(company, samba, Agent::of_domain)
    }
}

impl<Directory> Scene<Directory> {
    fn new(
        company: Company,
        directory: Directory,
        agent: impl FnOnce(&Directory, &ControlPlane, &Synchronization) -> Agent,
    ) -> Self {
        let control_plane = ControlPlane::start();
        let synchronization = control_plane.synchronization("LG");
        let agent = agent(&directory, &control_plane, &synchronization);
        let api = control_plane.api(&synchronization);
        Self { directory, control_plane, synchronization, agent, api, company }
    }

    /// The same directory and agent, and a control plane of their own that holds a copy of what this one holds.
    pub fn copy(&self) -> Scene<&Directory> {
        let control_plane = self.control_plane.copy();
        Scene {
            directory: &self.directory,
            agent: self.agent.of(&control_plane, &self.synchronization),
            api: self.api.at(control_plane.url()),
            synchronization: self.synchronization.clone(),
            company: self.company.clone(),
            control_plane,
        }
    }

    /// The same directory, agent and control plane, with an empty account there that has the same policy.
    #[must_use]
    pub fn emptied(self) -> Self {
        let own = |synchronization: &Synchronization| format!("/synchronizations/{}", synchronization.id);
        let policy = self.api.get(&own(&self.synchronization)).ok()["policy"].clone();
        let synchronization = self.control_plane.synchronization("Empty");
        let agent = self.agent.of(&self.control_plane, &synchronization);
        let api = self.control_plane.api(&synchronization);
        api.patch(&own(&synchronization), &json!({ "policy": policy })).ok();
        Self { synchronization, agent, api, ..self }
    }

    /// Changes how the agent is configured.
    #[must_use]
    pub fn agent(mut self, change: impl FnOnce(Agent) -> Agent) -> Self {
        self.agent = change(self.agent);
        self
    }

    /// One import that must be applied without conflicts; returns its summary.
    #[track_caller]
    pub fn imp(&self) -> Value {
        self.imp_with(&[], 0)
    }

    /// One import with these flags that must end with this exit code; returns its summary.
    #[track_caller]
    pub fn imp_with(&self, flags: &[&str], code: i32) -> Value {
        self.agent.imp_with(flags).expect_code(code).json()
    }

    /// One preview; returns its summary.
    #[track_caller]
    pub fn preview(&self) -> Value {
        self.imp_with(&["--dry-run"], 0)
    }

    /// One import that must fail with this exit code and code of the error; returns how it ended.
    #[track_caller]
    pub fn imp_fails(&self, exit_code: i32, code: &str) -> Outcome {
        let outcome = self.agent.imp().expect_code(exit_code);
        assert_eq!(outcome.json()["error"]["code"], code, "{}\n{}", outcome.stderr, outcome.stdout);
        outcome
    }

    /// Sets the server's side of the settings; null leaves a switch to the agent and the defaults.
    #[track_caller]
    pub fn set(&self, settings: &Value) {
        self.patch(&json!({ "settings": settings }));
    }

    /// Changes the synchronization (a merge patch).
    #[track_caller]
    pub fn patch(&self, patch: &Value) {
        self.api.patch(&format!("/synchronizations/{}", self.synchronization.id), patch).ok();
    }

    /// The lines of a run's plan.
    #[track_caller]
    pub fn changes(&self, summary: &Value) -> Vec<Value> {
        let run = summary["run_id"].as_str().expect("a summary names its run");
        self.api.all(&format!("/runs/{run}/changes"))
    }

    /// The lines of a run's plan, short: `create user jane@lg.local new`. Sorted.
    #[track_caller]
    pub fn plan(&self, summary: &Value) -> Vec<String> {
        let line = |change: &Value| {
            let words = ["action", "kind", "username", "reason"]
                .map(|word| change[word].as_str().unwrap_or_default());
            words.join(" ")
        };
        let mut lines: Vec<String> = self.changes(summary).iter().map(line).collect();
        lines.sort();
        lines
    }

    /// Active and disabled users by user name.
    #[track_caller]
    pub fn users(&self) -> BTreeMap<String, Value> {
        by_name(self.api.all("/users"), "/username")
    }

    /// Deleted users by user name.
    #[track_caller]
    pub fn deleted_users(&self) -> BTreeMap<String, Value> {
        by_name(self.api.all("/users?status=deleted"), "/username")
    }

    /// An active or disabled user.
    #[track_caller]
    pub fn user(&self, username: &str) -> Value {
        let users = self.users();
        users
            .get(username)
            .cloned()
            .unwrap_or_else(|| panic!("there is no user {username}: {:?}", users.keys()))
    }

    /// Groups by name.
    #[track_caller]
    pub fn groups(&self) -> BTreeMap<String, Value> {
        by_name(self.api.all("/groups"), "/name")
    }

    /// The members of a group by their names (the DN of those that are unresolved), sorted.
    #[track_caller]
    pub fn members(&self, group: &str) -> Vec<String> {
        self.members_at(group, "")
    }

    /// Like [`Scene::members`], over nested groups.
    #[track_caller]
    pub fn effective_members(&self, group: &str) -> Vec<String> {
        self.members_at(group, "?effective=true")
    }

    /// Org units by DN.
    #[track_caller]
    pub fn org_units(&self) -> BTreeMap<String, Value> {
        by_name(self.api.all("/org-units"), "/provider/dn")
    }

    /// Everything the account holds, without the times of its rows: two equal ones mean that nothing was changed.
    #[track_caller]
    pub fn state(&self) -> Value {
        let groups = self.groups();
        let members: BTreeMap<&String, Vec<String>> =
            groups.keys().map(|name| (name, self.members(name))).collect();
        let objects = self.api.all(&format!("/synchronizations/{}/objects", self.synchronization.id));
        let mut state = json!({
            "users": self.users(),
            "deleted": self.deleted_users(),
            "groups": groups,
            "members": members,
            "org_units": self.org_units(),
            "objects": by_name(objects, "/source_id"),
            "events": self.api.all("/events"),
        });
        forget_times(&mut state);
        state
    }

    #[track_caller]
    fn members_at(&self, group: &str, query: &str) -> Vec<String> {
        let groups = self.groups();
        let id = groups
            .get(group)
            .unwrap_or_else(|| panic!("there is no group {group}: {:?}", groups.keys()))["id"]
            .as_str()
            .expect("a group has an id")
            .to_owned();
        let name = |member: &Value| {
            let names = ["username", "name", "dn"].map(|key| member[key].as_str());
            names.into_iter().flatten().next().expect("a member has a name or a DN").to_owned()
        };
        let mut members: Vec<String> =
            self.api.all(&format!("/groups/{id}/members{query}")).iter().map(name).collect();
        members.sort();
        members
    }
}

/// The items by one of their members: a JSON pointer (RFC 6901).
#[track_caller]
fn by_name(items: Vec<Value>, pointer: &str) -> BTreeMap<String, Value> {
    let count = items.len();
    let named: BTreeMap<String, Value> = items
        .into_iter()
        .map(|item| {
            let name = item.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            (name.unwrap_or_else(|| panic!("{item} has no {pointer}")), item)
        })
        .collect();
    assert_eq!(named.len(), count, "two items have the same {pointer}");
    named
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        Value::Object(members) => {
            members.retain(|key, _| !key.ends_with("_at"));
            members.values_mut().for_each(forget_times);
        }
        _ => {}
    }
}
