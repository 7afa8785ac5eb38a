//! What an account holds, ids and times apart, so that two accounts can be compared.

use std::collections::BTreeMap;

use adc_core::{
    plan::{Provider, UserStatus},
    record::Kind,
};
use adc_server::store::{ObjectsFilter, StoredMember, UsersFilter};

use crate::world::World;

/// What an account holds of a directory, ids and times apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    pub(super) users: BTreeMap<String, String>,
    pub(super) units: BTreeMap<String, String>,
    pub(super) members: BTreeMap<String, Vec<String>>,
    pub(super) objects: Vec<String>,
}

impl World {
    pub(super) async fn snapshot(&self) -> Snapshot {
        let account = &self.agent.account_id;
        let mut users = BTreeMap::new();
        for status in [None, Some(UserStatus::Deleted)] {
            let filter = UsersFilter { status, pattern: None };
            for (_, user) in self.store.users(account, &filter, None, 10_000).await.expect("users") {
                let source_id = match &user.provider {
                    Provider::Directory { source_id, dn, .. } => format!("{source_id} {dn}"),
                    Provider::Local => String::new(),
                };
                let id = source_id.split(' ').next().unwrap_or_default().to_owned();
                users.insert(id, format!("{source_id} {:?}", user.state));
            }
        }
        let (mut units, mut members) = (BTreeMap::new(), BTreeMap::new());
        for kind in [Kind::Group, Kind::OrgUnit] {
            for unit in self.store.units(account, kind, None, None, 10_000).await.expect("units") {
                let text =
                    format!("{} {} {:?} {:?}", unit.dn, unit.name, unit.fields, unit.deleted_at.is_some());
                units.insert(format!("{kind} {}", unit.source_id), text);
                if kind == Kind::Group {
                    let direct = self.store.direct_members(&unit, None, 10_000).await.expect("members");
                    let name = |member: &StoredMember| {
                        member.resolved.as_ref().map(|r| r.name.trim_end_matches("@lg.local").to_owned())
                    };
                    let direct = direct
                        .iter()
                        .map(|member| format!("{}={}", member.dn, name(member).unwrap_or_default()));
                    members.insert(unit.source_id.clone(), direct.collect());
                }
            }
        }
        let objects = self
            .store
            .objects(account, &self.agent.synchronization_id, &ObjectsFilter::default(), None, 10_000)
            .await
            .expect("objects");
        let objects = objects
            .iter()
            .map(|o| {
                format!(
                    "{} {} {} {} {} {:?} {:?}",
                    o.kind, o.source_id, o.dn, o.name, o.present, o.status, o.reason
                )
            })
            .collect();
        Snapshot { users, units, members, objects }
    }
}
