//! What a sequence is made of, and how it is made up.

use std::collections::BTreeSet;
use std::fmt;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::directory::{Change, GROUPS, Member, NAMES, ORG_UNITS, PEOPLE, Person};

/// The switches of `settings`, as JSON names them.
pub(super) const SWITCHES: [&str; 7] = [
    "dry-run",
    "no-create",
    "no-update",
    "no-delete",
    "delete-disables",
    "no-update-provider-mismatch",
    "create-as-disabled",
];

/// Steps of one sequence, at most.
const STEPS: usize = 14;
/// How long a request may be under way before something happens to it (microseconds): longer than any takes here.
const UNDER_WAY: u32 = 30_000;
/// Requests of one kind that a fault may pick from.
const REQUESTS: usize = 2;

/// A sequence; it prints one step a line.
#[derive(Clone)]
pub(super) struct Script(pub(super) Vec<Step>);

/// What happens next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// In the directory.
    Directory(Change),
    /// In the control plane.
    Admin(Edit),
    /// In adc.yaml: a switch.
    Client(usize, Option<bool>),
    /// In adc.yaml: what makes another fingerprint.
    Reconfigured(u8),
    Run(Manner),
    /// Of the plan that is held, if any; the control plane may be killed so many microseconds later.
    Approve(Option<u32>),
    Reject,
    /// The control plane is killed while nothing happens.
    Killed,
}

/// What an administrator does. Users are counted in the order of their names.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Adds(String),
    Disables(usize),
    Enables(usize),
    Owner(usize, bool),
    Owns(usize, bool),
    Switch(usize, Option<bool>),
    /// Removals that always pass, and per cent of all users; `None` for the default.
    Guards(Option<(u32, u8)>),
}

/// How a run goes. None of it but `dry` and `misses` may make a difference.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// The order of entries and batches.
    pub(super) order: u64,
    /// Entries per batch.
    pub(super) batch: usize,
    /// Every request is sent again.
    pub(super) twice: bool,
    /// `adc imp --dry-run`.
    pub(super) dry: bool,
    /// Somebody whom the read does not return although they are there.
    pub(super) misses: Option<usize>,
    /// A preview in another order goes before.
    pub(super) preview: Option<u64>,
    pub(super) fault: Option<(Moment, Fault)>,
    /// An administrator acts during the run.
    pub(super) meanwhile: Option<(Moment, Edit, u32)>,
}

/// A request of a run: the nth of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Open,
    Digests(usize),
    Records(usize),
    Finish,
    Confirm,
}

/// What goes wrong. Times are microseconds after the request was sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    KilledBefore,
    KilledDuring(u32),
    KilledAfter,
    AnswerLost(u32),
    /// The agent dies instead of sending it.
    Dies,
    DiesAfterSending(u32),
}

impl Manner {
    /// As it should be.
    pub(super) fn calm() -> Self {
        Self {
            order: 0,
            batch: PEOPLE,
            twice: false,
            dry: false,
            misses: None,
            preview: None,
            fault: None,
            meanwhile: None,
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            write!(f, "\n  {number:2}. {step:?}")?;
        }
        Ok(())
    }
}

/// Any sequence.
pub(super) fn script() -> impl Strategy<Value = Script> {
    vec(step(), 3..=STEPS).prop_map(Script)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => change().prop_map(Step::Directory),
        5 => edit().prop_map(Step::Admin),
        1 => (0..SWITCHES.len(), tristate()).prop_map(|(which, value)| Step::Client(which, value)),
        1 => (0..2_u8).prop_map(Step::Reconfigured),
        10 => manner().prop_map(Step::Run),
        2 => prop::option::weighted(0.3, delay()).prop_map(Step::Approve),
        1 => Just(Step::Reject),
        1 => Just(Step::Killed),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let who = || 0..PEOPLE;
    prop_oneof![
        5 => (who(), person()).prop_map(|(who, person)| Change::Joins(who, person)),
        3 => who().prop_map(Change::Leaves),
        1 => who().prop_map(Change::LeavesScope),
        2 => who().prop_map(Change::Unmatched),
        3 => (who(), name()).prop_map(|(who, name)| Change::Renamed(who, name)),
        2 => (who(), who()).prop_map(|(one, other)| Change::Swap(one, other)),
        2 => (who(), who()).prop_map(|(who, by)| Change::Replaced(who, by)),
        2 => (who(), title()).prop_map(|(who, title)| Change::Titled(who, title)),
        2 => (who(), org_unit()).prop_map(|(who, org_unit)| Change::Moves(who, org_unit)),
        2 => (who(), any::<bool>()).prop_map(|(who, active)| Change::Active(who, active)),
        1 => (who(), tristate()).prop_map(|(who, expired)| Change::Expires(who, expired)),
        2 => (0..GROUPS, prop::option::of(members())).prop_map(|(which, members)| Change::Group(which, members)),
        1 => org_unit().prop_map(Change::Dissolved),
        1 => org_unit().prop_map(Change::Hidden),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let who = || 0..PEOPLE;
    prop_oneof![
        2 => name().prop_map(Edit::Adds),
        2 => who().prop_map(Edit::Disables),
        1 => who().prop_map(Edit::Enables),
        1 => (who(), any::<bool>()).prop_map(|(who, owner)| Edit::Owner(who, owner)),
        1 => (who(), any::<bool>()).prop_map(|(who, owns)| Edit::Owns(who, owns)),
        5 => (0..SWITCHES.len(), tristate()).prop_map(|(which, value)| Edit::Switch(which, value)),
        2 => prop::option::weighted(0.8, (0..2_u32, Just(0_u8))).prop_map(Edit::Guards),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    let fault = prop_oneof![3 => Just(None), 2 => (moment(), fault()).prop_map(possible)];
    let meanwhile = prop::option::weighted(0.2, (moment_after_opening(), edit(), delay()));
    (
        any::<u64>(),
        1..=PEOPLE,
        any::<bool>(),
        prop::bool::weighted(0.15),
        prop::option::weighted(0.1, 0..PEOPLE),
        prop::option::weighted(0.3, any::<u64>()),
        fault,
        meanwhile,
    )
        .prop_map(|(order, batch, twice, dry, misses, preview, fault, meanwhile)| Manner {
            order,
            batch,
            twice,
            dry,
            misses,
            preview,
            fault,
            meanwhile,
        })
}

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![1 => Just(Moment::Open), 7 => moment_after_opening()]
}

fn moment_after_opening() -> impl Strategy<Value = Moment> {
    prop_oneof![
        1 => (0..REQUESTS).prop_map(Moment::Digests),
        2 => (0..REQUESTS).prop_map(Moment::Records),
        3 => Just(Moment::Finish),
        2 => Just(Moment::Confirm),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        1 => Just(Fault::KilledBefore),
        4 => (delay()).prop_map(Fault::KilledDuring),
        1 => Just(Fault::KilledAfter),
        3 => (delay()).prop_map(Fault::AnswerLost),
        1 => Just(Fault::Dies),
        1 => (delay()).prop_map(Fault::DiesAfterSending),
    ]
}

/// Most requests take far less than the longest.
fn delay() -> impl Strategy<Value = u32> {
    prop_oneof![0..UNDER_WAY / 10, 0..UNDER_WAY]
}

/// Whether a run opens that nobody waits for, nobody could tell.
fn possible(fault: (Moment, Fault)) -> Option<(Moment, Fault)> {
    (!matches!(fault, (Moment::Open, Fault::DiesAfterSending(_)))).then_some(fault)
}

fn person() -> impl Strategy<Value = Person> {
    (name(), title(), org_unit(), prop::bool::weighted(0.9), prop::option::weighted(0.1, any::<bool>()))
        .prop_map(|(name, title, org_unit, active, expired)| Person {
            name,
            title,
            org_unit,
            active,
            expired,
        })
}

fn members() -> impl Strategy<Value = BTreeSet<Member>> {
    let member =
        prop_oneof![4 => (0..PEOPLE).prop_map(Member::Person), 1 => (0..GROUPS).prop_map(Member::Group)];
    btree_set(member, 0..4)
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn title() -> impl Strategy<Value = Option<u8>> {
    prop::option::of(0..5_u8)
}

fn org_unit() -> impl Strategy<Value = usize> {
    0..ORG_UNITS.len()
}

fn tristate() -> impl Strategy<Value = Option<bool>> {
    prop::option::weighted(0.8, any::<bool>())
}
