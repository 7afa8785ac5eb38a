//! What an account holds, ids and times apart, so that two accounts can be compared.

use std::collections::{BTreeMap, BTreeSet};

use adc_core::{
    plan::{ObjectStatus, Provider, UserStatus},
    record::Kind,
};
use adc_server::store::{ObjectsFilter, StoredMember, StoredUnit, UsersFilter};

use crate::world::World;

/// More than any account here has of anything.
const ALL: i64 = 10_000;

/// What an account holds of a directory, ids and times apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    /// By source id.
    pub(super) users: BTreeMap<String, String>,
    /// Apart, because a person may have been several users.
    pub(super) deleted: BTreeSet<String>,
    pub(super) units: BTreeMap<String, String>,
    pub(super) members: BTreeMap<String, Vec<String>>,
    /// The members over nested groups.
    pub(super) effective: BTreeMap<String, BTreeSet<String>>,
    pub(super) objects: BTreeMap<(Kind, String), Seen>,
}

/// An object as it was seen last.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    present: bool,
    status: ObjectStatus,
    line: String,
}

impl Snapshot {
    /// Whether every object that is there is what the directory says, or left out by a rule.
    pub(super) fn is_settled(&self) -> bool {
        let settled = [ObjectStatus::Synced, ObjectStatus::Excluded];
        self.objects.values().all(|seen| !seen.present || settled.contains(&seen.status))
    }

    /// Without those who left: nobody who comes later has heard of them.
    pub(super) fn of_those_who_are_there(mut self) -> Self {
        self.objects.retain(|_, seen| seen.present);
        let objects = &self.objects;
        let synced = |kind: Kind, id: &String| {
            objects.get(&(kind, id.clone())).is_some_and(|seen| seen.status == ObjectStatus::Synced)
        };
        self.users.retain(|id, _| synced(Kind::User, id));
        self.deleted.clear();
        self
    }
}

impl World {
    pub(super) async fn snapshot(&self) -> Snapshot {
        let account = &self.agent.account_id;
        let (mut units, mut groups) = (BTreeMap::new(), Vec::new());
        for kind in [Kind::Group, Kind::OrgUnit] {
            for unit in self.store.units(account, kind, None, None, ALL).await.expect("units") {
                let text =
                    format!("{} {} {:?} {:?}", unit.dn, unit.name, unit.fields, unit.deleted_at.is_some());
                units.insert(format!("{kind} {}", unit.source_id), text);
                groups.extend((kind == Kind::Group).then_some(unit));
            }
        }
        let (members, effective) = self.members(&groups).await;
        Snapshot {
            users: self.users(None).await.into_iter().collect(),
            deleted: self.users(Some(UserStatus::Deleted)).await.into_iter().map(|(_, user)| user).collect(),
            units,
            members,
            effective,
            objects: self.objects().await,
        }
    }

    /// Source ids with what became of them.
    async fn users(&self, status: Option<UserStatus>) -> Vec<(String, String)> {
        let filter = UsersFilter { status, pattern: None };
        let users = self.store.users(&self.agent.account_id, &filter, None, ALL).await.expect("users");
        let users = users.into_iter().map(|(_, user)| match &user.provider {
            Provider::Directory { source_id, dn, .. } => {
                (source_id.clone(), format!("{source_id} {dn} {:?}", user.state))
            }
            Provider::Local => (String::new(), format!("{:?}", user.state)),
        });
        users.collect()
    }

    /// The direct and the effective members of groups; the latter are those that can be reached over the former.
    async fn members(
        &self,
        groups: &[StoredUnit],
    ) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, BTreeSet<String>>) {
        let (mut listed, mut direct, mut effective) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for group in groups {
            let members = self.store.direct_members(group, None, ALL).await.expect("members");
            let name = |member: &StoredMember| {
                member.resolved.as_ref().map(|r| r.name.trim_end_matches("@lg.local").to_owned())
            };
            let text = members
                .iter()
                .map(|member| format!("{}={}", member.dn, name(member).unwrap_or_default()))
                .collect();
            listed.insert(group.source_id.clone(), text);
            direct.insert(group.id.as_str(), members);
            let reached = self.store.effective_members(group, None, ALL).await.expect("members");
            effective.insert(group.source_id.clone(), reached.into_iter().map(|m| m.key).collect());
        }
        for group in groups {
            let reachable = reachable(&direct, &group.id);
            assert_eq!(effective[&group.source_id], reachable, "effective members of {}", group.source_id);
        }
        (listed, effective)
    }

    async fn objects(&self) -> BTreeMap<(Kind, String), Seen> {
        let (account, id) = (&self.agent.account_id, &self.agent.synchronization_id);
        let all = ObjectsFilter::default();
        let objects = self.store.objects(account, id, &all, None, ALL).await.expect("objects");
        let objects = objects.into_iter().map(|o| {
            let line = format!("{} {} {} {} {:?}", o.kind, o.source_id, o.dn, o.name, o.reason);
            ((o.kind, o.source_id), Seen { present: o.present, status: o.status, line })
        });
        objects.collect()
    }
}

/// The keys of those whom a group lists, or the groups it lists.
fn reachable(direct: &BTreeMap<&str, Vec<StoredMember>>, group: &str) -> BTreeSet<String> {
    let (mut reached, mut seen, mut groups) = (BTreeSet::new(), BTreeSet::new(), vec![group]);
    while let Some(group) = groups.pop() {
        if !seen.insert(group) {
            continue;
        }
        for member in &direct[group] {
            match &member.resolved {
                Some(resolved) if resolved.kind == Kind::Group => groups.push(&resolved.id),
                _ => drop(reached.insert(member.key.clone())),
            }
        }
    }
    reached
}
