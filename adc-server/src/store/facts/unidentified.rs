//! What is there without a usable identity: each may be one of those whom no look-up finds any more.

use crate::store::{Run, Store, bulk::Bound};
use adc_core::{
    reason::Reason,
    record::{Kind, Problem},
    source_id::SourceId,
    text::{self, counted},
};
use anyhow::Context;
use futures_util::TryStreamExt;
use serde::Deserialize;
use sqlx::{Row, sqlite::SqliteRow};
use std::collections::{BTreeMap, BTreeSet};

/// How many of those who somebody may be are named.
const NAMED: usize = 5;

/// The objects of a kind without a usable identity, strangers for short, and who of those that no look-up finds they may be.
///
/// Whoever is missing may be any stranger who claims their name or mail address. Both may have changed together with the DN: if
/// nobody claims them, whoever is missing may be any stranger who came when they went, but for those whom another missing one, or one
/// who was a stranger before, can be told by. Whose absence was in doubt for a stranger who came when they went stays in doubt while
/// that one is there; those who come later count if one of those is not there any more, and nobody shows that it was they.
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
    /// Who is missing: since which turn, where whoever came then may be they.
    missing: BTreeMap<String, Option<i64>>,
    /// Who may be somebody who went in a turn and whose name and address nobody claims: their DNs.
    perhaps: BTreeMap<i64, Vec<String>>,
    /// The turn of this run.
    now: i64,
}

/// The turns in which somebody must have gone to be a stranger, the first and the last. Turns count the runs in which somebody went whose
/// absence is in doubt: this run's is later than those of all doubts that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// Whoever went before is somebody else.
    pub from: i64,
    /// Whoever went later is somebody else: the stranger was there.
    pub until: i64,
}

impl Turns {
    fn only(turn: i64) -> Self {
        Self { from: turn, until: turn }
    }

    fn contain(self, turn: i64) -> bool {
        (self.from..=self.until).contains(&turn)
    }

    fn and(self, turn: i64) -> Self {
        Self { from: self.from.min(turn), until: self.until.max(turn) }
    }

    /// Reads two columns of the mirror; `None` of whom there is no doubt.
    fn of(row: &SqliteRow, first: usize) -> anyhow::Result<Option<Self>> {
        let (from, until): (Option<i64>, Option<i64>) = (row.try_get(first)?, row.try_get(first + 1)?);
        Ok(from.zip(until).map(|(from, until)| Self { from, until }))
    }
}

#[derive(Debug)]
struct Stranger {
    source_id: String,
    dn: String,
    since: Since,
    /// When those went who are missing and have their name or mail address.
    claimed: Option<Turns>,
    /// Somebody may be them whose name and address nobody claims.
    perhaps_missing: bool,
}

/// Since when there has been this stranger, as far as applied runs know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// Beside everybody who was there when last seen.
    Ever,
    /// Since somebody went, then, whose absence is in doubt.
    Doubt(Turns),
    /// They were not there when the last run was applied. They may be one who came in an earlier turn and is not there any more.
    Now { instead_of: Option<i64> },
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
    /// The DNs of those who may be an object of this name and mail address that no look-up found.
    pub fn perhaps(&self, source_id: &str, name: &str, email: Option<&str>) -> Vec<String> {
        let claimants = self.claimants(name, email).map(|index| &self.strangers[index].dn);
        let left_out = claims(name, email).filter_map(|claim| self.left_out.get(&claim)).flatten();
        let claimants: BTreeSet<&str> = claimants.chain(left_out).map(String::as_str).collect();
        if !claimants.is_empty() {
            return named(claimants);
        }
        let went = self.missing.get(source_id).copied().flatten();
        went.and_then(|turn| self.perhaps.get(&turn)).cloned().unwrap_or_default()
    }

    /// Whether an object without a usable identity may be one that is missing.
    pub fn is_perhaps_missing(&self, source_id: &str) -> bool {
        self.stranger(source_id).is_some_and(|other| other.claimed.is_some() || other.perhaps_missing)
    }

    /// What later runs must know of a doubt: when an object went that is missing, or may have gone to be this stranger.
    pub fn turns_of(&self, source_id: &str) -> Turns {
        let Some(stranger) = self.stranger(source_id) else {
            return Turns::only(self.missing.get(source_id).copied().flatten().unwrap_or(self.now));
        };
        match (stranger.turns(self.now), stranger.claimed) {
            (Some(turns), Some(claimed)) => turns.and(claimed.from).and(claimed.until),
            (turns, claimed) => turns.or(claimed).unwrap_or(Turns::only(self.now)),
        }
    }

    fn stranger(&self, source_id: &str) -> Option<&Stranger> {
        let index = self.strangers.binary_search_by(|stranger| stranger.source_id.as_str().cmp(source_id));
        index.ok().map(|index| &self.strangers[index])
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
            if matches!(stranger.since, Since::Now { .. }) {
                stranger.since = Since::Ever;
            }
        }
    }

    /// Takes note of somebody who is missing, and since when.
    fn miss(&mut self, missing: Missing) {
        let Missing { source_id, name, email, went } = missing;
        let claimants: Vec<usize> = self.claimants(&name, email.as_deref()).collect();
        let turn = went.unwrap_or(self.now);
        for index in claimants {
            let claimed = &mut self.strangers[index].claimed;
            *claimed = Some(claimed.map_or(Turns::only(turn), |turns| turns.and(turn)));
        }
        self.missing.insert(source_id, went);
    }

    /// Takes note that one of those of whom an absence was in doubt, since that turn, may be another stranger by now.
    fn replace(&mut self, turn: i64) {
        for stranger in &mut self.strangers {
            if let Since::Now { instead_of } = &mut stranger.since {
                *instead_of = Some(turn);
            }
        }
    }

    /// Finds out who may be those of whom nothing was claimed.
    fn settle(&mut self) {
        let turns: BTreeSet<i64> = self.missing.values().copied().flatten().collect();
        for turn in turns {
            let mut perhaps = Vec::new();
            for stranger in &mut self.strangers {
                let came_then = stranger.turns(self.now).is_some_and(|turns| turns.contain(turn));
                if came_then && stranger.claimed.is_none() {
                    stranger.perhaps_missing = true;
                    perhaps.push(stranger.dn.as_str());
                }
            }
            self.perhaps.insert(turn, named(perhaps));
        }
    }
}

impl Stranger {
    /// When somebody of another name and address must have gone to be this one; `None` if nobody is.
    fn turns(&self, now: i64) -> Option<Turns> {
        match self.since {
            Since::Ever => None,
            Since::Doubt(turns) => Some(turns),
            Since::Now { instead_of } => Some(Turns { from: instead_of.unwrap_or(now), until: now }),
        }
    }
}

/// An object that no look-up found.
struct Missing {
    source_id: String,
    name: String,
    email: Option<String>,
    /// In which turn it went; `None` where its absence was proved then, and something else keeps it.
    went: Option<i64>,
}

/// A stranger who is not there any more and may have been somebody missing: since when, and what they were told by.
struct Vanished {
    from: i64,
    told_by: BTreeSet<Claim>,
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
        let mut last = 0;
        let mut rows = among(STRANGERS, run, kind).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let (record, dn) = (Claims::of(row.try_get(2)?)?, row.try_get(1)?);
            if record.excluded_by.is_some() {
                unidentified.leave_out(dn, &record);
                continue;
            }
            let since = match (row.try_get::<i64, _>(3)? != 0, Turns::of(&row, 4)?) {
                (true, Some(turns)) => Since::Doubt(turns),
                (true, None) => Since::Ever,
                (false, _) => Since::Now { instead_of: None },
            };
            if let Since::Doubt(turns) = since {
                last = turns.until.max(last);
            }
            let (source_id, dn) = (row.try_get(0)?, dn.to_owned());
            let stranger = Stranger { source_id, dn, since, claimed: None, perhaps_missing: false };
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
        let mut rows = among(STRANGERS_GONE, run, kind).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let record = Claims::of(row.try_get(0)?)?;
            if let Some(turns) = Turns::of(&row, 2)? {
                last = turns.until.max(last);
                vanished.push(Vanished { from: turns.from, told_by: record.at(row.try_get(1)?) });
            } else {
                unidentified.moved(&record.name, record.email.as_deref());
            }
        }
        if let Some(turn) = self.first_unexplained(run, kind, vanished).await? {
            unidentified.replace(turn);
        }
        let mut missing = Vec::new();
        let mut rows = about(if kind == Kind::User { PEOPLE_MISSING } else { UNITS_MISSING }, run, kind)
            .fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let (was_there, went) = (row.try_get::<i64, _>(3)? != 0, row.try_get::<Option<i64>, _>(4)?);
            last = went.unwrap_or(0).max(last);
            let missed =
                Missing { source_id: row.try_get(0)?, name: row.try_get(1)?, email: row.try_get(2)?, went };
            missing.push((was_there, missed));
        }
        unidentified.now = last + 1;
        for (was_there, missed) in missing {
            let went = if was_there { Some(unidentified.now) } else { missed.went };
            unidentified.miss(Missing { went, ..missed });
        }
        unidentified.settle();
        Ok(unidentified)
    }

    /// Whether there is anything of a kind that no look-up of a run found.
    async fn misses_any(&self, run: &Run, kind: Kind) -> anyhow::Result<bool> {
        let any = sqlx::query(MISSES_ANY).bind(&run.id).bind(kind.as_str()).fetch_optional(&self.read);
        Ok(any.await?.is_some())
    }

    /// Since when those had been there, of those who vanished, who may be strangers still: nobody with an identity has come to their
    /// place, or with their name or mail address.
    async fn first_unexplained(
        &self,
        run: &Run,
        kind: Kind,
        mut vanished: Vec<Vanished>,
    ) -> anyhow::Result<Option<i64>> {
        if vanished.is_empty() {
            return Ok(None);
        }
        let mut rows = among(IDENTIFIED, run, kind).fetch(&self.read);
        while let Some(row) = rows.try_next().await? {
            let record = Claims::of(row.try_get(1)?)?;
            if record.is_without_identity() {
                continue;
            }
            let news = record.at(row.try_get(0)?);
            vanished.retain(|stranger| stranger.told_by.is_disjoint(&news));
        }
        Ok(vanished.iter().map(|stranger| stranger.from).min())
    }
}

/// Who is there without a usable identity, in the order of what stands in for one, and whether the mirror knows them.
const STRANGERS: &str = "SELECT s.source_id, s.dn, s.record, COALESCE(m.present, 0), m.doubt_from, m.doubt_until
     FROM staging.objects s
     LEFT JOIN mirror m ON m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id
     WHERE s.run_id = $1 AND s.kind = $4 AND s.source_id >= $5 AND s.source_id < $6 AND s.outcome = 'present'
     ORDER BY s.source_id";

/// Whom a rule leaves out, and the run did not touch.
const LEFT_OUT: &str = "SELECT m.dn, m.record FROM mirror m
     WHERE m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = $4 AND m.source_id >= $5 AND m.source_id < $6
       AND m.present = 1 AND m.status = 'excluded'
       AND NOT EXISTS (SELECT 1 FROM staging.objects s
                       WHERE s.run_id = $1 AND s.kind = m.kind AND s.source_id = m.source_id)";

/// Who was, and is not under their DN any more, and whether they may have been somebody who was missing.
const STRANGERS_GONE: &str = "SELECT m.record, m.dn_key, m.doubt_from, m.doubt_until FROM staging.objects s
     CROSS JOIN mirror m
     WHERE s.run_id = $1 AND s.kind = $4 AND s.source_id >= $5 AND s.source_id < $6 AND s.outcome <> 'present'
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

/// The users whom no look-up found, whether they were there before, and when they went whose absence was in doubt.
const PEOPLE_MISSING: &str = "SELECT s.source_id, u.username, u.email, m.present, m.doubt_from FROM staging.objects s
     CROSS JOIN users u
     CROSS JOIN mirror m
     WHERE s.run_id = $1 AND s.outcome <> 'present' AND s.outcome = 'gone' AND s.kind = $4
       AND u.account_id = $2 AND u.synchronization_id = $3 AND u.source_id = s.source_id AND u.status <> 'deleted'
       AND m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id";

/// The same of groups and org units.
const UNITS_MISSING: &str =
    "SELECT s.source_id, u.name, u.email, m.present, m.doubt_from FROM staging.objects s
     CROSS JOIN units u
     CROSS JOIN mirror m
     WHERE s.run_id = $1 AND s.outcome <> 'present' AND s.outcome = 'gone' AND s.kind = $4
       AND u.account_id = $2 AND u.synchronization_id = $3 AND u.kind = s.kind AND u.source_id = s.source_id
       AND u.deleted_at IS NULL
       AND m.account_id = $2 AND m.synchronization_id = $3 AND m.kind = s.kind AND m.source_id = s.source_id";

/// Those of a kind that have identities, or have not.
fn among<'q>(sql: &'static str, run: &'q Run, kind: Kind) -> Bound<'q> {
    let [first, after] = SourceId::STAND_INS;
    about(sql, run, kind).bind(first).bind(after)
}

fn about<'q>(sql: &'static str, run: &'q Run, kind: Kind) -> Bound<'q> {
    sqlx::query(sql).bind(&run.id).bind(&run.account_id).bind(&run.synchronization_id).bind(kind.as_str())
}
