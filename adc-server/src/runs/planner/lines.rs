//! Decisions as the plan's rows hold them.

use crate::{
    ids::IdKind,
    store::{ChangeRow, NextState, Planned},
};
use adc_core::{
    dn::DnKey,
    plan::{Action, Line, NextUnit, StatusBy, UserStatus},
    record::{Digest, Fields, Kind},
};
use serde_json::{Map, Value};

pub(super) fn row<Next>(
    kind: Kind,
    planned: &Planned,
    name: &str,
    line: &Line<Next>,
    next: Option<NextState>,
) -> ChangeRow {
    let told_by_next = kind == Kind::User && line.action == Action::Create;
    ChangeRow {
        kind,
        source_id: planned.source_id.clone(),
        dn: planned.dn.clone(),
        username: name.to_owned(),
        action: line.action,
        reason: line.reason,
        detail: line.detail.clone(),
        before: line.difference.before.clone().map(object_json),
        after: if told_by_next { None } else { line.difference.after.clone().map(object_json) },
        next,
    }
}

pub(super) fn unit_state(next: &NextUnit, id: String) -> NextState {
    NextState {
        id,
        name: next.name.clone(),
        // Units are found by place: their key is that of their DN.
        name_key: DnKey::of(&next.dn).to_string(),
        email: next.email.clone(),
        status: if next.deleted { UserStatus::Deleted } else { UserStatus::Active },
        status_by: StatusBy::Directory,
        dn: next.dn.clone(),
        fields: fields_json(&next.fields),
        display_key: None,
        manager_key: None,
        group_kind: next.group_kind,
    }
}

pub(super) fn id_kind(kind: Kind) -> IdKind {
    match kind {
        Kind::Group => IdKind::Group,
        Kind::OrgUnit => IdKind::OrgUnit,
        Kind::User => IdKind::User,
    }
}

pub(super) fn fields_json(fields: &Fields) -> String {
    serde_json::to_string(fields).expect("texts and lists of texts are JSON")
}

fn object_json(object: Map<String, Value>) -> String {
    Value::Object(object).to_string()
}

/// The digest of a plan, which an approval rests on: everything its lines say, the random ids of newcomers apart.
#[derive(Default)]
pub(super) struct PlanDigest {
    hasher: blake3::Hasher,
    /// Lines not hashed yet: BLAKE3 hashes many kilobytes at a time several times faster than one line after the other.
    pending: Vec<u8>,
}

/// When [`PlanDigest`] hashes what is pending (bytes).
const PENDING: usize = 64 << 10;

impl PlanDigest {
    /// Adds a line.
    pub(super) fn take(&mut self, row: &ChangeRow) {
        let next = row.next.as_ref();
        let parts = [
            Some(row.kind.as_str()),
            Some(row.source_id.as_str()),
            Some(row.action.as_str()),
            Some(row.reason.code()),
            row.detail.as_deref(),
            row.before.as_deref(),
            row.after.as_deref(),
            next.map(|next| next.name.as_str()),
            next.and_then(|next| next.email.as_deref()),
            next.map(|next| next.status.as_str()),
            next.map(|next| next.status_by.as_str()),
            next.map(|next| next.dn.as_str()),
            next.map(|next| next.fields.as_str()),
            next.and_then(|next| next.manager_key.as_deref()),
            next.filter(|_| row.action != Action::Create).map(|next| next.id.as_str()),
        ];
        for part in parts {
            let part = part.unwrap_or("\u{0}");
            self.pending.extend_from_slice(&(part.len() as u64).to_be_bytes());
            self.pending.extend_from_slice(part.as_bytes());
        }
        if self.pending.len() >= PENDING {
            self.hasher.update(&self.pending);
            self.pending.clear();
        }
    }

    /// The digest of all lines so far.
    pub(super) fn finish(&mut self) -> Digest {
        self.hasher.update(&self.pending);
        self.pending.clear();
        Digest::from_hash(self.hasher.finalize())
    }
}
