//! A control plane that is killed while it applies a plan, as near to its commit as can be.

use std::thread;
use std::time::{Duration, Instant};

use adc_core::protocol::{Confirm, Next, RunState};
use adc_core::record::{Kind, Record};
use adc_tests::by_hand::{ByHand, looked_up, person};
use adc_tests::{Api, ControlPlane};

/// People of each company: enough for an apply that takes a while.
const PEOPLE: usize = 1_500;
/// People who leave, and as many who join: fewer than a guard would hold.
const LEAVERS: usize = 3;
/// How often the span between a kill that came too early and one that came too late is halved.
const HALVINGS: u64 = 8;

/// A company before and after a change that concerns everybody, and the run that is about to apply it.
struct Change {
    api: Api,
    agent: ByHand,
    /// The request that ends the run.
    confirm: Confirm,
    after: Vec<Record>,
}

/// What the account shows of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Before,
    After,
}

#[test]
fn a_kill_as_near_to_the_commit_as_can_be_leaves_the_state_before_or_the_one_after() {
    let mut control_plane = ControlPlane::start();
    let (mut early, mut late) = (Duration::ZERO, uninterrupted(&control_plane));
    let mut befores = 0;
    for round in 1..=HALVINGS {
        // The first kill comes the moment the plan is complete: before anything is committed.
        let wait = if round == 1 { Duration::ZERO } else { (early + late) / 2 };
        let change = Change::prepare(&control_plane, round);
        thread::scope(|scope| {
            scope.spawn(|| change.agent.try_send("/confirm", &change.confirm));
            change.wait_for_the_plan();
            spin(wait);
            control_plane.kill();
        });
        control_plane.restart();
        match change.shown() {
            Shown::Before => (early, befores) = (wait, befores + 1),
            Shown::After => late = wait,
        }
        // The agent asks again, as after any lost answer, and hears what it would have heard.
        change.finish();
        assert_eq!(change.shown(), Shown::After);
    }
    assert!(befores > 0, "no kill came between the plan and its commit");
}

#[test]
fn a_kill_after_the_commit_changes_nothing_and_tells_the_same() {
    let mut control_plane = ControlPlane::start();
    let change = Change::prepare(&control_plane, 0);
    let answer = change.agent.send("/confirm", &change.confirm);
    control_plane.restart();
    assert_eq!(change.shown(), Shown::After);
    assert_eq!(change.agent.send("/confirm", &change.confirm), answer);
    assert_eq!(change.shown(), Shown::After);
}

/// How long it takes from the complete plan to the end when nobody is killed.
fn uninterrupted(control_plane: &ControlPlane) -> Duration {
    let change = Change::prepare(control_plane, 0);
    let taken = thread::scope(|scope| {
        scope.spawn(|| change.agent.try_send("/confirm", &change.confirm));
        change.wait_for_the_plan();
        let started = Instant::now();
        while change.is_running() {}
        started.elapsed()
    });
    assert_eq!(change.shown(), Shown::After);
    taken
}

impl Change {
    /// An account with everybody in it, and a run that has read the change and only waits to be concluded.
    fn prepare(control_plane: &ControlPlane, round: u64) -> Self {
        let synchronization = control_plane.synchronization(&format!("round {round}"));
        let api = control_plane.api(&synchronization);
        // No two accounts may have a run of the same id.
        let mut first = ByHand::new(control_plane, &synchronization, 2 * round);
        first.open();
        assert_eq!(first.read(&company(0..PEOPLE, "old")).state, RunState::Applied);

        let mut agent = ByHand::new(control_plane, &synchronization, 2 * round + 1);
        agent.open();
        let after = company(LEAVERS..PEOPLE + LEAVERS, "new");
        agent.digests(Kind::User, &after);
        agent.records(after.clone());
        let next = serde_json::from_value(agent.finish_with(agent.receipt()).ok());
        let Ok(Next::Confirm(doubts)) = next else { panic!("leavers are looked up: {next:?}") };
        let confirm = looked_up(&doubts, &after);
        Self { api, agent, confirm, after }
    }

    /// The last line of the plan is there: what remains is to apply it.
    fn wait_for_the_plan(&self) {
        let last = self.after.last().expect("a company has people");
        let line = format!("/runs/{}/changes?q={}", self.agent.run_id(), last.source_id);
        while self.api.get(&line).ok()["items"] == serde_json::json!([]) {
            assert!(self.is_running(), "the run ended before its plan was seen");
        }
    }

    fn is_running(&self) -> bool {
        self.api.get(&format!("/runs/{}", self.agent.run_id())).ok()["state"] == "running"
    }

    fn finish(&self) {
        let answer = self.agent.send("/confirm", &self.confirm).ok();
        match serde_json::from_value(answer).expect("an answer to look-ups") {
            Next::Done { report } => assert_eq!(report.state, RunState::Applied),
            Next::Wait => assert_eq!(self.agent.finish(&self.after).state, RunState::Applied),
            Next::Confirm(doubts) => panic!("everything was looked up: {doubts:?}"),
            Next::ReadEverything { .. } => panic!("everything was read"),
        }
    }

    /// Fails when it is neither the one nor the other.
    fn shown(&self) -> Shown {
        let users = self.api.all("/users");
        let events = self.api.all("/events").len();
        let new = users.iter().filter(|user| user["fields"]["title"] == "new").count();
        let deleted = self.api.all("/users?status=deleted").len();
        let run = self.api.get(&format!("/runs/{}", self.agent.run_id())).ok();
        match (new, deleted, users.len(), events, run["state"].as_str()) {
            (0, 0, PEOPLE, PEOPLE, Some("running")) => Shown::Before,
            (PEOPLE, LEAVERS, PEOPLE, events, Some("applied")) if events == 2 * PEOPLE + LEAVERS => {
                Shown::After
            }
            between => panic!("something between before and after: {between:?}"),
        }
    }
}

fn company(numbers: std::ops::Range<usize>, title: &str) -> Vec<Record> {
    let one = |number| {
        let mut record = person(&format!("p{number:05}"), &format!("user{number:05}@lg.local"));
        record.fields.insert("title".to_owned(), title.into());
        record
    };
    numbers.map(one).collect()
}

/// Waits without giving the processor away: the moments are shorter than the scheduler's.
fn spin(wait: Duration) {
    let started = Instant::now();
    while started.elapsed() < wait {
        std::hint::spin_loop();
    }
}
