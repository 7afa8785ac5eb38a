//! Each fault at each request of a run.

use super::directory::{Change, Person};
use super::play::Play;
use super::script::{Fault, Manner, Moment, Script, Step};
use super::stage::Stage;

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
