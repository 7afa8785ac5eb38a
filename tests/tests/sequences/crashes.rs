//! Each fault at each request of a run.

use std::time::{Duration, Instant};

use adc_core::protocol::{AgentInfo, Fingerprint, LEASE_SECONDS, OpenRun, Trigger};
use adc_core::settings::Settings;

use super::directory::{Change, Person};
use super::play::Play;
use super::script::{Fault, Manner, Moment, Script, Step};
use super::stage::{Account, Stage};

/// Every request of [`eventful_run`], in batches of one: the second digests and records stand for all but the first.
const MOMENTS: [Moment; 7] = [
    Moment::Open,
    Moment::Digests(0),
    Moment::Digests(1),
    Moment::Records(0),
    Moment::Records(1),
    Moment::Finish,
    Moment::Confirm,
];

/// Agents that hang up while they open a run, each so many microseconds later than the one before: the last when it
/// was answered long ago.
const HANG_UPS: u32 = 150;
const APART: u32 = 30;

/// Microseconds into a request: right away, while it is read, while it is answered, when it is long over.
const DELAYS: [u32; 4] = [0, 400, 3_000, 60_000];

#[test]
fn an_agent_that_dies_at_any_request_leaves_everything_as_it_was_and_the_next_run_heals_it() {
    each_moment(&[Fault::Dies]);
}

#[test]
fn an_agent_that_dies_while_it_is_answered_leaves_the_state_before_or_the_one_after() {
    let faults = DELAYS.map(Fault::DiesAfterSending);
    // Whether a run opens that nobody waits for, nobody could tell.
    play(faults.iter().flat_map(|fault| MOMENTS[1..].iter().map(|moment| (*moment, *fault))));
}

#[test]
fn an_answer_that_is_lost_at_any_request_comes_again() {
    each_moment(&DELAYS.map(Fault::AnswerLost));
}

#[test]
fn a_control_plane_that_is_killed_before_or_after_any_request_goes_on_where_it_was() {
    each_moment(&[Fault::KilledBefore, Fault::KilledAfter]);
}

#[test]
fn a_control_plane_that_is_killed_during_any_request_goes_on_where_it_was() {
    each_moment(&DELAYS.map(Fault::KilledDuring));
}

#[test]
fn an_agent_that_hangs_up_while_it_opens_leaves_no_run_that_nobody_ends() {
    let mut stage = Stage::new();
    let opening = OpenRun {
        run_id: String::new(),
        agent: AgentInfo { host: "puppet".to_owned(), version: "0".to_owned(), instance: None },
        settings: Settings::default(),
        dry_run: false,
        full: true,
        fingerprint: Fingerprint::default(),
        feed: None,
        trigger: Trigger::Agent,
    };
    let accounts: Vec<Account> = (0..HANG_UPS)
        .map(|hang_up| {
            let account = stage.account();
            let opening = OpenRun { run_id: stage.run_id(), ..opening.clone() };
            let body = serde_json::to_string(&opening).expect("the protocol's types are JSON");
            drop(stage.fire(&account, "/agent/runs", &body, hang_up * APART));
            account
        })
        .collect();
    // Nobody renews their leases.
    let deadline = Instant::now() + Duration::from_secs(6 * LEASE_SECONDS);
    for account in accounts {
        let path = format!("/synchronizations/{}", account.synchronization);
        while !stage.get(&account, &path)["active_run"].is_null() {
            assert!(Instant::now() < deadline, "a run that nobody speaks for is never ended");
        }
    }
}

fn each_moment(faults: &[Fault]) {
    play(faults.iter().flat_map(|fault| MOMENTS.iter().map(|moment| (*moment, *fault))));
}

fn play(faults: impl Iterator<Item = (Moment, Fault)>) {
    let mut stage = Stage::new();
    for fault in faults {
        let mut play = Play::new(&mut stage);
        play.play(&eventful_run(fault));
        assert_eq!(play.faults(), 1, "{fault:?} did not happen");
    }
}

/// A first import, then a run that creates, updates, renames, disables and deletes, and in it a fault.
fn eventful_run(fault: (Moment, Fault)) -> Script {
    let joiner = Person { name: "dea".to_owned(), title: Some(1), org_unit: 1, active: true, expired: None };
    let changes = [
        Change::Leaves(0),
        Change::Renamed(1, "ann".to_owned()),
        Change::Active(2, false),
        Change::Joins(3, joiner.clone()),
        Change::Joins(4, Person { name: "eve".to_owned(), ..joiner }),
    ];
    let faulty = Manner { batch: 1, fault: Some(fault), ..Manner::calm() };
    let mut steps = vec![Step::Run(Manner::calm())];
    steps.extend(changes.map(Step::Directory));
    steps.push(Step::Run(faulty));
    Script(steps)
}
