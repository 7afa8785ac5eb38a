//! What is there without a usable identity: each may be one of those whom no look-up finds any more.

use crate::store::{Run, Store, bulk::Bound};
use adc_core::{
    plan::Remembered,
    reason::Reason,
    record::{Kind, Problem},
    source_id::SourceId,
    text::{self, counted},
};
use anyhow::Context;
use futures_util::TryStreamExt;
use serde::Deserialize;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// How many of those who somebody may be are named.
const NAMED: usize = 5;

/// The objects of a kind without a usable identity, strangers for short, and who of those that no look-up finds they may be.
///
/// Whoever is missing may be any stranger who claims their name or mail address. Both may have changed together with the DN: if
/// nobody claims them, whoever is missing may be any stranger who came when they went, but for those whom another missing one, or one
/// who was a stranger before, can be told by. Whose absence was in doubt for a stranger stays in doubt while that one is there; those
/// who come later count if one of whom it was in doubt is not there any more, and nobody shows that it was they.
///
/// Of those whom a rule leaves out only who claims a name or address may be missing.
#[derive(Debug, Default)]
pub struct Unidentified {
    /// In the order of what stands in for their identities.
    strangers: Vec<Stranger>,
    /// Who claims a name or a mail address.
    by_claim: BTreeMap<Claim, Vec<usize>>,
    /// Who claims one and is left out by a rule: their DNs.
    left_out: BTreeMap<Claim, BTreeSet<String>>,
    /// Who may be somebody whose name and address nobody claims: their DNs.
    perhaps: BTreeMap<Missing, Vec<String>>,
}

#[derive(Debug)]
struct Stranger {
    source_id: String,
    dn: String,
    since: Since,
    /// Somebody who is missing has their name or mail address.
    claimed: bool,
    /// Somebody may be them whose name and address nobody claims.
    perhaps_missing: bool,
}

/// Since when there has been this stranger, as far as applied runs know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// Beside everybody who was there when last seen.
    Ever,
    /// Since somebody went missing whose absence is in doubt.
    Doubt,
    /// They were not there when the last run was applied.
    Now,
    /// The same, and one who was there since a doubt is not there any more.
    NowInstead,
}

/// What the mirror says of somebody who is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    /// They were there when the last run was applied.
    Now,
    /// They were missing then, and their absence was in doubt.
    InDoubt,
    /// Their absence was proved, and something else keeps them.
    Proved,
}

/// What somebody can be told by: the key of a name, of a mail address, or of a DN.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Name(String),
    Email(String),
    Place(String),
}

/// All that is read of a record.
#[derive(Deserialize)]
struct Claims {
    name: String,
    email: Option<String>,
    excluded_by: Option<String>,
    problem: Option<Problem>,
}

impl Claims {
    fn of(record: &str) -> anyhow::Result<Self> {
        serde_json::from_str(record).context("a record of the mirror or of staging")
    }

    /// All that somebody at this place can be told by.
    fn at(&self, dn_key: &str) -> BTreeSet<Claim> {
        claims(&self.name, self.email.as_deref()).chain([Claim::Place(dn_key.to_owned())]).collect()
    }

    fn is_without_identity(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.reason == Reason::MissingSourceId)
    }
}

impl Unidentified {
    /// Whether everything has a usable identity, but for those whom a rule leaves out, or nothing is missing.
    pub fn is_nobody(&self) -> bool {
        self.strangers.is_empty()
    }

    /// The DNs of those who may be somebody of this name and mail address whom no look-up found.
    pub fn perhaps(&self, name: &str, email: Option<&str>, remembered: Option<Remembered>) -> Vec<String> {
        let claimants = self.claimants(name, email).map(|index| &self.strangers[index].dn);
        let left_out = claims(name, email).filter_map(|claim| self.left_out.get(&claim)).flatten();
        let claimants: BTreeSet<&str> = claimants.chain(left_out).map(String::as_str).collect();
        if !claimants.is_empty() {
            return named(claimants);
        }
        let missing = remembered.map(|remembered| Missing::of(remembered.present, remembered.unproven));
        missing.and_then(|missing| self.perhaps.get(&missing)).cloned().unwrap_or_default()
    }

    /// Whether an object without a usable identity may be one that is missing.
    pub fn is_perhaps_missing(&self, source_id: &str) -> bool {
        let index = self.strangers.binary_search_by(|stranger| stranger.source_id.as_str().cmp(source_id));
        let stranger = index.ok().map(|index| &self.strangers[index]);
        stranger.is_some_and(|other| other.claimed || other.perhaps_missing)
    }

    fn claimants(&self, name: &str, email: Option<&str>) -> impl Iterator<Item = usize> {
        claims(name, email).filter_map(|claim| self.by_claim.get(&claim)).flatten().copied()
    }

    fn add(&mut self, stranger: Stranger, name: &str, email: Option<&str>) {
        for claim in claims(name, email) {
            self.by_claim.entry(claim).or_default().push(self.strangers.len());
        }
        self.strangers.push(stranger);
    }

    fn leave_out(&mut self, dn: &str, record: &Claims) {
        for claim in claims(&record.name, record.email.as_deref()) {
            self.left_out.entry(claim).or_default().insert(dn.to_owned());
        }
    }

    /// Takes note of a stranger who is not where they were: those who came with their name or address are the same.
    fn moved(&mut self, name: &str, email: Option<&str>) {
        let claimants: Vec<usize> = self.claimants(name, email).collect();
        for index in claimants {
            let stranger = &mut self.strangers[index];
            if stranger.since == Since::Now {
                stranger.since = Since::Ever;
            }
        }
    }

    /// Takes note of the name and address of somebody who is missing.
    fn claim(&mut self, name: &str, email: Option<&str>) {
        let claimants: Vec<usize> = self.claimants(name, email).collect();
        for index in claimants {
            self.strangers[index].claimed = true;
        }
    }

    /// Takes note that one of those of whom an absence was in doubt may be another stranger by now.
    fn replace(&mut self) {
        for stranger in &mut self.strangers {
            if stranger.since == Since::Now {
                stranger.since = Since::NowInstead;
            }
        }
    }

    /// Finds out who may be those of whom nothing was claimed.
    fn settle(&mut self, missing: &BTreeSet<Missing>) {
        for missing in missing {
            let mut perhaps = Vec::new();
            for stranger in self.strangers.iter_mut().filter(|stranger| missing.may_be(stranger)) {
                stranger.perhaps_missing = true;
                perhaps.push(stranger.dn.as_str());
            }
            self.perhaps.insert(*missing, named(perhaps));
        }
    }
}

impl Missing {
    fn of(was_there: bool, was_in_doubt: bool) -> Self {
        match (was_there, was_in_doubt) {
            (true, _) => Self::Now,
            (false, true) => Self::InDoubt,
            (false, false) => Self::Proved,
        }
    }

    /// Whether a stranger may be somebody whose name and address nobody claims.
    fn may_be(self, stranger: &Stranger) -> bool {
        let came_since = match self {
            Self::Now => matches!(stranger.since, Since::Now | Since::NowInstead),
            Self::InDoubt => matches!(stranger.since, Since::Doubt | Since::NowInstead),
            Self::Proved => false,
        };
        came_since && !stranger.claimed
    }
}

/// The first few of these DNs.
fn named<'s>(dns: impl IntoIterator<Item = &'s str>) -> Vec<String> {
    let mut dns: Vec<&str> = dns.into_iter().collect();
    dns.sort_unstable();
    let others = dns.len().saturating_sub(NAMED);
    let named = dns.into_iter().take(NAMED).map(str::to_owned);
    named.chain((others > 0).then(|| counted(others as u64, "other", "others"))).collect()
}

fn claims(name: &str, email: Option<&str>) -> impl Iterator<Item = Claim> {
    let key = |text: &str| text::key(text).into_owned();
    let name = (!name.is_empty()).then(|| Claim::Name(key(name)));
    name.into_iter().chain(email.map(|email| Claim::Email(key(email))))
}

impl Store {
    /// The objects of a kind without a usable identity whom a run saw, or did not touch (these are conflicts, which every run
    /// plans again, or left out), and who of those that it misses they may be.
    pub async fn unidentified(&self, run: &Run, kind: Kind) -> anyhow::Result<Unidentified> {
        let mut unidentified = Unidentified::default();
        if !self.misses_any(run, kind).await? {
            return Ok(unidentified);
        }
        let mut rows = stand_ins(STRANGERS, run, kind).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let (record, dn) = (Claims::of(row.try_get(2)?)?, row.try_get(1)?);
            if record.excluded_by.is_some() {
                unidentified.leave_out(dn, &record);
                continue;
            }
            let since = match (row.try_get::<i64, _>(3)? != 0, row.try_get(4)?) {
                (true, true) => Since::Doubt,
                (true, false) => Since::Ever,
                (false, _) => Since::Now,
            };
            let (source_id, dn) = (row.try_get(0)?, dn.to_owned());
            let stranger = Stranger { source_id, dn, since, claimed: false, perhaps_missing: false };
            unidentified.add(stranger, &record.name, record.email.as_deref());
        }
        let mut rows = among(LEFT_OUT, run, kind).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            unidentified.leave_out(row.try_get(0)?, &Claims::of(row.try_get(1)?)?);
        }
        if unidentified.strangers.is_empty() {
            return Ok(unidentified);
        }
        let mut vanished = Vec::new();
        let mut rows = stand_ins(STRANGERS_GONE, run, kind).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let record = Claims::of(row.try_get(0)?)?;
            if row.try_get(2)? {
                vanished.push(record.at(row.try_get(1)?));
            } else {
                unidentified.moved(&record.name, record.email.as_deref());
            }
        }
        if self.any_unexplained(run, kind, vanished).await? {
            unidentified.replace();
        }
        let mut missing = BTreeSet::new();
        let mut rows = about(if kind == Kind::User { PEOPLE_MISSING } else { UNITS_MISSING }, run, kind)
            .fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            unidentified.claim(row.try_get(0)?, row.try_get(1)?);
            missing.insert(Missing::of(row.try_get::<i64, _>(2)? != 0, row.try_get(3)?));
        }
        unidentified.settle(&missing);
        Ok(unidentified)
    }

    /// Whether there is anything of a kind that no look-up of a run found.
    async fn misses_any(&self, run: &Run, kind: Kind) -> anyhow::Result<bool> {
        let any = sqlx::query(MISSES_ANY).bind(&run.id).bind(kind.as_str()).fetch_optional(&self.read);
        Ok(any.await?.is_some())
    }

    /// Whether one of those who vanished may be a stranger still: nobody with an identity has come to their place, or with their name or
    /// mail address.
    async fn any_unexplained(
        &self,
        run: &Run,
        kind: Kind,
        mut vanished: Vec<BTreeSet<Claim>>,
    ) -> anyhow::Result<bool> {
        if vanished.is_empty() {
            return Ok(false);
        }
        let mut rows = among(IDENTIFIED, run, kind).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let record = Claims::of(row.try_get(1)?)?;
            if record.is_without_identity() {
                continue;
            }
            let news = record.at(row.try_get(0)?);
            vanished.retain(|stranger| stranger.is_disjoint(&news));
        }
        Ok(!vanished.is_empty())
    }
}

/// Who is there without a usable identity, in the order of what stands in for one, and whether the mirror knows them.
const STRANGERS: &str = "SELECT s.source_id, s.dn, s.record, COALESCE(m.present, 0), COALESCE(m.reason, '') = $5
     FROM staging.objects s
     LEFT JOIN mirror m ON m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id
     WHERE s.run_id = $1 AND s.kind = $4 AND s.source_id >= $6 AND s.source_id < $7 AND s.outcome = 'present'
     ORDER BY s.source_id";

/// Whom a rule leaves out, and the run did not touch.
const LEFT_OUT: &str = "SELECT m.dn, m.record FROM mirror m
     WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = $4 AND m.source_id >= $5 AND m.source_id < $6
       AND m.present = 1 AND m.status = 'excluded'
       AND NOT EXISTS (SELECT 1 FROM staging.objects s
                       WHERE s.run_id = $1 AND s.kind = m.kind AND s.source_id = m.source_id)";

/// Who was, and is not under their DN any more, and whether they may have been somebody who was missing.
const STRANGERS_GONE: &str = "SELECT m.record, m.dn_key, COALESCE(m.reason, '') = $5 FROM staging.objects s
     CROSS JOIN mirror m
     WHERE s.run_id = $1 AND s.kind = $4 AND s.source_id >= $6 AND s.source_id < $7 AND s.outcome <> 'present'
       AND s.outcome = 'gone' AND m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind
       AND m.source_id = s.source_id AND m.present = 1";

/// Who is there with an identity, and was not there before: whoever stood beside a stranger is not that one.
const IDENTIFIED: &str = "SELECT s.dn_key, s.record FROM staging.objects s
     WHERE s.run_id = $1 AND s.kind = $4 AND (s.source_id < $5 OR s.source_id >= $6) AND s.outcome = 'present'
       AND NOT EXISTS (SELECT 1 FROM mirror m
                       WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id
                         AND m.present = 1)";

const MISSES_ANY: &str = "SELECT 1 FROM staging.objects
     WHERE run_id = $1 AND outcome <> 'present' AND outcome = 'gone' AND kind = $2 LIMIT 1";

/// The users whom no look-up found, whether they were there before, and whether their absence was in doubt.
const PEOPLE_MISSING: &str = "SELECT u.username, u.email, m.present, COALESCE(m.reason, '') = $5 FROM staging.objects s
     CROSS JOIN users u
     CROSS JOIN mirror m
     WHERE s.run_id = $1 AND s.outcome <> 'present' AND s.outcome = 'gone' AND s.kind = $4
       AND u.account_id = $2 AND u.synchronization_id = $3 AND u.source_id = s.source_id AND u.status <> 'deleted'
       AND m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id";

/// The same of groups and org units.
const UNITS_MISSING: &str =
    "SELECT u.name, u.email, m.present, COALESCE(m.reason, '') = $5 FROM staging.objects s
     CROSS JOIN units u
     CROSS JOIN mirror m
     WHERE s.run_id = $1 AND s.outcome <> 'present' AND s.outcome = 'gone' AND s.kind = $4
       AND u.account_id = $2 AND u.synchronization_id = $3 AND u.kind = s.kind AND u.source_id = s.source_id
       AND u.deleted_at IS NULL
       AND m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id";

/// Those of a kind that have identities, or have not.
fn among<'q>(sql: &'static str, run: &'q Run, kind: Kind) -> Bound<'q> {
    let [first, after] = SourceId::STAND_INS;
    let query = sqlx::query(sql).bind(&run.id).bind(&run.account_id).bind(&run.synchronization_id);
    query.bind(kind.as_str()).bind(first).bind(after)
}

fn about<'q>(sql: &'static str, run: &'q Run, kind: Kind) -> Bound<'q> {
    sqlx::query(sql)
        .bind(&run.id)
        .bind(&run.account_id)
        .bind(&run.synchronization_id)
        .bind(kind.as_str())
        .bind(Reason::UnprovenAbsence.code())
}

/// Only about what stands in for identities.
fn stand_ins<'q>(sql: &'static str, run: &'q Run, kind: Kind) -> Bound<'q> {
    let [first, after] = SourceId::STAND_INS;
    about(sql, run, kind).bind(first).bind(after)
}
