//! Makes a run's plan: streams the facts, decides object by object, writes the lines, weighs the guards.

mod chunks;
mod lines;
mod people;
mod weight;

use crate::{
    clock::{Millis, random},
    ids::{IdKind, id_from},
    store::{
        ChangeRow, Chunk, Conclusion, DecidedOn, LeftOut, Member, Outcome, OutcomeRow, Planned, Rivals, Run,
        Store, Unidentified,
    },
};
use adc_core::{
    dn::{DnKey, without_guid},
    guard::hold,
    mapping::looked_for,
    plan::{
        Absence, Decision, MembersDifference, ObjectStatus, Terms, UnitFacts, decide_unit, names::USERNAME,
    },
    protocol::{Counts, RunState},
    reason::Reason,
    record::{Kind, Record},
};
use anyhow::Context;
use chunks::{CHUNK, Chunks};
use lines::{PlanDigest, id_kind, row, unit_state};
use people::Holders;
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinHandle;
use weight::Weight;

/// A plan, made.
pub(super) struct Plan {
    /// Its totals, and `previewed`, `held` or, where nothing holds it, `applied`.
    pub(super) conclusion: Conclusion,
    /// The account's ledger sequence when planning began: the fence of its application.
    pub(super) planned_at: i64,
}

/// Whether the lines are written, or only weighed: an approval plans again to see that nothing has changed. What becomes
/// of the objects is written either way: it lies in the staging file, which a power failure may set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Write,
    Weigh,
}

/// Makes the plan of a run whose reading is complete.
pub(super) async fn make_plan(store: &Store, run: &Run, now: Millis, lines: Lines) -> anyhow::Result<Plan> {
    let planned_at = store.ledger_seq(&run.account_id).await?;
    if lines == Lines::Write {
        let decided_on =
            store.sync_state(&run.account_id, &run.synchronization_id).await?.and_then(|s| s.decided_on);
        let deciding = DecidedOn { settings: run.settings.deciding_values(), policy: run.policy.clone() };
        let everything = decided_on.is_some_and(|before| !before.decides_like(&deciding));
        store.stage_unsettled(run, everything, now).await?;
        store.clear_changes(run).await?;
    }
    store.clear_outcomes(run).await?;
    let mut planner = Planner::new(store, run, now, lines).await?;
    let conclusion = planner.plan().await;
    if conclusion.is_err() {
        // What is still being written must not come after whatever clears it away.
        planner.written().await.unwrap_or_else(|error| tracing::debug!("the plan's last lines: {error:#}"));
    }
    Ok(Plan { conclusion: conclusion?, planned_at })
}

struct Planner<'a> {
    store: &'a Store,
    run: &'a Run,
    now: Millis,
    lines: Lines,
    /// Nothing of the synchronization was seen before: there is nothing to ask of the mirror.
    first: bool,
    /// The account has no users at all: nobody to be linked to, nobody who holds a name.
    nobody: bool,
    last_id: u128,
    rivals: Rivals,
    /// By field that the policy calls unique: whoever claims a value with others, and who holds one that others claim.
    unique: BTreeMap<String, (Rivals, Holders)>,
    /// What is there without a usable identity, of the kind that is being planned.
    unidentified: Unidentified,
    /// What the policy's rules look for to leave people out: a guard asks who does not show it any more.
    looked_for: BTreeSet<String>,
    pending_changes: Vec<ChangeRow>,
    pending_outcomes: Vec<OutcomeRow>,
    pending_left_out: Vec<(String, LeftOut)>,
    writing: Option<JoinHandle<anyhow::Result<()>>>,
    next_seq: i64,
    counts: Counts,
    present_lines: u64,
    needs_attention: u64,
    weight: Weight,
    digest: PlanDigest,
}

impl<'a> Planner<'a> {
    async fn new(store: &'a Store, run: &'a Run, now: Millis, lines: Lines) -> anyhow::Result<Self> {
        let nobody = store.has_no_users(&run.account_id).await?;
        let mut unique = BTreeMap::new();
        for field in run.policy.mapping.fields.iter().filter(|field| field.unique) {
            let rivals = store.rivals_by_value(run, &field.name).await?;
            // Names are told apart from other fields: everybody of the account holds one.
            let holders = match field.name.as_str() {
                _ if nobody => Holders::new(),
                USERNAME => Holders::new(),
                field => store.holders_of_values(run, field).await?,
            };
            unique.insert(field.name.clone(), (rivals, holders));
        }
        Ok(Self {
            looked_for: looked_for(&run.policy),
            first: store.mirror_is_empty(&run.account_id, &run.synchronization_id).await?,
            nobody,
            last_id: u128::from_be_bytes(random()),
            rivals: store.rivals_by_name(run, nobody).await?,
            unique,
            unidentified: Unidentified::default(),
            store,
            run,
            now,
            lines,
            pending_changes: Vec::with_capacity(CHUNK.into()),
            pending_outcomes: Vec::new(),
            pending_left_out: Vec::new(),
            writing: None,
            next_seq: 1,
            counts: Counts::default(),
            present_lines: 0,
            needs_attention: 0,
            weight: Weight::default(),
            digest: PlanDigest::default(),
        })
    }

    async fn plan(&mut self) -> anyhow::Result<Conclusion> {
        self.plan_units(Kind::OrgUnit).await?;
        self.plan_users().await?;
        self.plan_units(Kind::Group).await?;
        self.conclude().await
    }

    /// Ids of newcomers follow each other from a random start: an index takes them at its end.
    fn next_id(&mut self, kind: IdKind) -> String {
        self.last_id = self.last_id.wrapping_add(1);
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&self.last_id.to_be_bytes()[6..]);
        id_from(kind, &bytes)
    }

    fn terms(&self) -> Terms<'a> {
        Terms {
            settings: &self.run.settings,
            synchronization_id: &self.run.synchronization_id,
            auto_synchronization: self.run.policy.auto_synchronization,
            now: self.now,
        }
    }

    async fn plan_units(&mut self, kind: Kind) -> anyhow::Result<()> {
        let inhabited = match kind {
            Kind::OrgUnit => self.store.inhabited(self.run).await?,
            _ => BTreeSet::new(),
        };
        self.unidentified = self.unidentified_of(kind).await?;
        let mut chunks = Chunks::of(self.store, self.run, kind);
        while let Some(planned) = chunks.next().await? {
            let chunk = chunk_of(self.run, kind, &planned);
            let linked = self.store.linked_units(chunk).await?;
            for planned in planned {
                let linked = linked.get(&planned.source_id);
                let (members, emptied) = match kind {
                    Kind::Group => self.members_difference(&planned).await?,
                    _ => Default::default(),
                };
                let inhabited = inhabited.contains(&planned.source_id);
                let unidentified = match linked {
                    Some(unit) if planned.outcome == Outcome::Absent(Absence::Gone) => {
                        self.unidentified.perhaps(&planned.source_id, &unit.name, unit.email.as_deref())
                    }
                    _ => Vec::new(),
                };
                let facts = UnitFacts {
                    seen: seen(&planned),
                    linked,
                    members: &members,
                    inhabited,
                    unidentified: &unidentified,
                    perhaps_missing: self.unidentified.is_perhaps_missing(&planned.source_id),
                };
                let decision = decide_unit(&facts, &self.terms());
                match (kind, &decision.line) {
                    (Kind::Group, Some(line)) => self.weight.add_group(&planned, line.action, emptied),
                    (_, Some(line)) => self.weight.add_org_unit(line.action),
                    (_, None) => {}
                }
                let row = decision.line.as_ref().map(|line| {
                    let next = line.next.as_ref().map(|next| {
                        let id = linked.map_or_else(|| self.next_id(id_kind(kind)), |unit| unit.id.clone());
                        unit_state(next, id)
                    });
                    let name = planned.record.as_ref().map(|record| record.name.as_str());
                    row(
                        kind,
                        &planned,
                        name.or(linked.map(|unit| unit.name.as_str())).unwrap_or_default(),
                        line,
                        next,
                    )
                });
                self.take(kind, &planned, &decision, row).await?;
            }
        }
        Ok(())
    }

    /// What is there of a kind without a usable identity; where nothing was seen before, nothing is missing.
    async fn unidentified_of(&self, kind: Kind) -> anyhow::Result<Unidentified> {
        if self.first { Ok(Unidentified::default()) } else { self.store.unidentified(self.run, kind).await }
    }

    /// Who joins and who leaves a group, and whether it loses all whom it has.
    async fn members_difference(&self, planned: &Planned) -> anyhow::Result<(MembersDifference, bool)> {
        let Some(record) = &planned.record else { return Ok(Default::default()) };
        let known: Vec<Member> =
            if self.first { Vec::new() } else { self.store.members(self.run, &planned.source_id).await? };
        let listed: BTreeMap<String, String> = if planned.touched {
            let staged = self.store.staged_members(self.run, &planned.source_id).await?;
            let expected = record.member_count.unwrap_or(0);
            anyhow::ensure!(
                staged.len() as u64 == expected,
                "the group {} has {expected} members and {} of them came",
                planned.dn,
                staged.len()
            );
            staged
                .into_iter()
                .map(|member| (DnKey::of(&member).to_string(), without_guid(&member).to_owned()))
                .collect()
        } else {
            known.iter().filter(|member| member.seen).map(|m| (m.key.clone(), m.dn.clone())).collect()
        };
        let held: BTreeMap<&str, &str> =
            known.iter().filter(|m| m.applied).map(|m| (m.key.as_str(), m.dn.as_str())).collect();
        let mut difference = MembersDifference {
            added: listed
                .iter()
                .filter(|(key, _)| !held.contains_key(key.as_str()))
                .map(|(_, dn)| dn.clone())
                .collect(),
            removed: held
                .iter()
                .filter(|(key, _)| !listed.contains_key(**key))
                .map(|(_, dn)| (*dn).to_owned())
                .collect(),
        };
        difference.added.sort_unstable();
        difference.removed.sort_unstable();
        let emptied = listed.is_empty() && !held.is_empty();
        Ok((difference, emptied))
    }

    /// Takes a decision into the plan.
    async fn take<Next>(
        &mut self,
        kind: Kind,
        planned: &Planned,
        decision: &Decision<Next>,
        row: Option<ChangeRow>,
    ) -> anyhow::Result<()> {
        if let Some(row) = row {
            *self.counts.of_mut(row.action) += 1;
            let present = planned.outcome == Outcome::Present;
            self.present_lines += u64::from(present);
            // Not the line's reason: whom the directory locks out in spite of a conflict still has one.
            self.needs_attention += u64::from(decision.status_reason.is_some_and(Reason::needs_attention));
            self.digest.take(&row);
            self.pending_changes.push(row);
        }
        if !is_default(kind, planned, decision, self.now) {
            self.pending_outcomes.push(OutcomeRow {
                kind,
                source_id: planned.source_id.clone(),
                status: decision.status,
                reason: decision.status_reason,
                active: decision.active,
                doubt: decision.is_unproven().then(|| self.unidentified.turns_of(&planned.source_id)),
            });
        }
        if self.pending_changes.len() >= CHUNK.into() || self.pending_outcomes.len() >= CHUNK.into() {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes the lines decided so far; the next ones are decided meanwhile.
    async fn flush(&mut self) -> anyhow::Result<()> {
        self.written().await?;
        let changes = std::mem::take(&mut self.pending_changes);
        let outcomes = std::mem::take(&mut self.pending_outcomes);
        let left_out = std::mem::take(&mut self.pending_left_out);
        let first = self.next_seq;
        self.next_seq += i64::try_from(changes.len())?;
        let (store, run, lines) = (self.store.clone(), self.run.clone(), self.lines);
        self.writing = Some(tokio::spawn(async move {
            if lines == Lines::Write {
                store.append_changes(&run, first, &changes).await?;
            }
            store.stage_left_out(&run, &left_out).await?;
            store.append_outcomes(&run, &outcomes).await
        }));
        Ok(())
    }

    /// Waits for the write that is under way.
    async fn written(&mut self) -> anyhow::Result<()> {
        match self.writing.take() {
            Some(writing) => writing.await.context("writing the plan")?,
            None => Ok(()),
        }
    }

    async fn conclude(&mut self) -> anyhow::Result<Conclusion> {
        self.flush().await?;
        self.written().await?;
        let read = self
            .run
            .receipt
            .as_ref()
            .map_or(0, |receipt| Kind::ALL.into_iter().map(|kind| receipt.read.of(kind)).sum::<u64>());
        self.counts.unchanged = read.saturating_sub(self.present_lines);
        let facts = self.weight.guard_facts(self.store, self.run, self.now, &self.counts).await?;
        let held_because = hold(&self.run.policy.guards, &facts);
        let state = if self.run.dry_run {
            RunState::Previewed
        } else if held_because.is_empty() {
            RunState::Applied
        } else {
            RunState::Held
        };
        Ok(Conclusion {
            state,
            counts: self.counts,
            needs_attention: self.needs_attention,
            held_because,
            plan_digest: self.digest.finish(),
            removals: self.weight.removals(),
            group_removals: self.weight.group_removals(),
            org_unit_removals: self.weight.org_unit_removals(),
            emptied: self.weight.emptied().clone(),
            unvouched: !facts.configuration_differences.is_empty(),
        })
    }
}

fn seen(planned: &Planned) -> Result<&Record, Absence> {
    match (planned.outcome, &planned.record) {
        (Outcome::Absent(absence), _) => Err(absence),
        (Outcome::Present, Some(record)) => Ok(record),
        (Outcome::Present, None) => unreachable!("what is present was read with its record"),
    }
}

/// The range of source ids of some objects.
fn chunk_of<'p>(run: &'p Run, kind: Kind, planned: &'p [Planned]) -> Chunk<'p> {
    let id = |planned: Option<&'p Planned>| planned.map_or("", |planned| planned.source_id.as_str());
    Chunk { run, kind, first: id(planned.first()), last: id(planned.last()) }
}

/// Whether the object is simply `synced`, which is what the mirror takes when nothing else is noted.
fn is_default<Next>(kind: Kind, planned: &Planned, decision: &Decision<Next>, now: Millis) -> bool {
    if decision.status != ObjectStatus::Synced || decision.status_reason.is_some() {
        return false;
    }
    if kind != Kind::User {
        return true;
    }
    match &planned.record {
        // What comes from the mirror was staged without its own mark of being active.
        Some(_) if !planned.touched => false,
        Some(record) => decision.active == Some(record.is_active_at(now)),
        None => decision.active == Some(false),
    }
}
